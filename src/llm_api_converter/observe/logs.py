"""Structured logs: JSON lines in production, readable lines in development.

structlog makes the events; lines are gathered and written a few times a second, so that the hot path never waits for a terminal
or a disk. Whatever is written goes through the `Redactor` as it leaves, so that no line can forget to. What lines say: docs/logs.md.
"""

import atexit
import json
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import Any, BinaryIO
from urllib.parse import quote

import msgspec
import structlog
from structlog.dev import plain_traceback
from structlog.typing import EventDict, Processor

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
FLUSH_S = 0.2
MAX_LINES = 50_000


class LineWriter:
    """Lines wait here for a background thread. Bounded: when the disk cannot follow, lines are dropped, and `on_drop` is told how many."""

    def __init__(self, out: BinaryIO, redactor: "Redactor | None" = None, on_drop: Callable[[int], None] | None = None) -> None:
        self._out = out
        self._redactor = redactor
        self._on_drop = on_drop
        self._lines: deque[bytes | dict[str, Any]] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0
        atexit.register(self.flush)

    def write(self, line: bytes | dict[str, Any]) -> None:
        """Queue one line (no line end), or the fields of one in JSON, which are written out by the thread."""
        if len(self._lines) >= MAX_LINES:
            self._drop(1)
            return
        self._lines.append(line)
        if self._thread is None:
            self._start()

    def _drop(self, count: int) -> None:
        self.dropped += count
        if self._on_drop is not None:
            self._on_drop(count)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            self._wake.wait(FLUSH_S)
            self.flush()

    def flush(self) -> None:
        """Write what waits. A full disk or a reader that has gone costs these lines, not the ones to come."""
        waiting = self._lines
        with self._lock:
            count = len(waiting)
            if count:
                data = b"".join(_written(waiting.popleft()) + b"\n" for _ in range(count))
                try:
                    self._out.write(data if self._redactor is None else self._redactor.in_bytes(data))
                    self._out.flush()
                except (OSError, ValueError):  # ValueError: the stream was closed on our side
                    self._drop(count)


class _Logger:
    """structlog's end of the line: every method queues the rendered bytes."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def msg(self, message: bytes | str) -> None:
        self._writer.write(message if isinstance(message, bytes) else message.encode())

    debug = info = warning = error = critical = msg


class Redactor:
    """Replaces known secrets in text with `***`, also where they stand escaped in JSON or in a URL. Shorter ones than 6 characters are
    left: they would be found in everything.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._fixed = {form for secret in secrets for form in _forms(secret)}
        self._learned: deque[str] = deque(maxlen=64)
        self._settle()

    def keep(self, secret: str) -> None:
        """One more, for good."""
        self._fixed.update(_forms(secret))
        self._settle()

    def learn(self, secret: str) -> None:
        """One more, such as a token that was fetched; the latest are kept."""
        self._learned.append(secret)
        self._settle()

    def _settle(self) -> None:
        known = {*self._fixed, *(form for secret in self._learned for form in _forms(secret))}
        self.secrets = tuple(sorted(known, key=len, reverse=True))
        self._pairs = tuple(secret.encode("utf-8", "surrogatepass") for secret in self.secrets)

    def __call__(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self.secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text

    def in_bytes(self, data: bytes) -> bytes:
        """The same for bytes that are UTF-8 or not."""
        for secret in self._pairs:
            if secret in data:
                data = data.replace(secret, b"***")
        return data


def _forms(secret: str) -> Iterator[str]:
    """A secret as it stands, inside a JSON string, and inside a URL."""
    if len(secret) >= 6:
        yield secret
        yield json.dumps(secret)[1:-1]
        yield json.dumps(secret, ensure_ascii=False)[1:-1]
        yield quote(secret, safe="", errors="replace")


def _render_json(_: Any, __: str, event: EventDict) -> bytes:
    return _encode(event)


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _written(line: bytes | dict[str, Any]) -> bytes:
    if isinstance(line, bytes):
        return line
    try:
        return _encode(line)
    except ValueError:  # half a character of a client: the library's own encoder writes it as an escape
        return json.dumps(line, default=str).encode()


def _timestamp(at_s: float) -> str:
    second, part = divmod(int(at_s * 1000), 1000)
    return f"{_second(second)}.{part:03d}+00:00"


@lru_cache(4)
def _second(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class AccessLog:
    """The one line a request gets. JSON lines skip structlog's chain, which costs more than the line; readable ones go through it."""

    def __init__(self, writer: LineWriter | None = None, *, level: str = "info", json: bool = True) -> None:
        self._lines = writer
        self._writer = writer if json and _LEVELS.get(level.lower(), logging.INFO) <= logging.INFO else None
        self._logger = None if json and writer is not None else structlog.get_logger("gateway")

    def __call__(self, fields: dict[str, Any], at_s: float | None = None) -> None:
        """Queue the line. `at_s`: when what it tells of was over (Unix time); now, where that is not said."""
        if self._writer is not None:
            self._writer.write({"timestamp": _timestamp(time() if at_s is None else at_s), "level": "info", "event": "request", **fields})
        elif self._logger is not None:
            self._logger.info("request", **fields)

    def flush(self) -> None:
        """Write what waits, of all lines."""
        if self._lines is not None:
            self._lines.flush()


def configure(
    level: str = "info", *, development: bool = False, out: BinaryIO | None = None, redactor: Redactor | None = None,
    on_drop: Callable[[int], None] | None = None,
) -> LineWriter:
    """Set up structlog for this process and return the writer (to flush at the end). `on_drop` is told of lines that were given up."""
    writer = LineWriter(out or sys.stdout.buffer, redactor, on_drop)
    processors: list[Processor] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if development:
        processors.append(structlog.dev.ConsoleRenderer(colors=out is None and sys.stdout.isatty(), exception_formatter=plain_traceback))
    else:
        processors += [structlog.processors.format_exc_info, _render_json]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS.get(level.lower(), logging.INFO)),
        logger_factory=lambda *_: _Logger(writer),
        cache_logger_on_first_use=True,
    )
    return writer

