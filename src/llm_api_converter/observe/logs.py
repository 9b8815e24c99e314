"""Structured logs: JSON lines in production, readable lines in development.

structlog makes the events; lines are gathered and written a few times a second, so that the hot path never waits for a terminal
or a disk. What could hold a secret goes through `Redactor` first.
"""

import atexit
import logging
import sys
import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, BinaryIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
FLUSH_S = 0.2
MAX_LINES = 50_000


class LineWriter:
    """Lines wait here for a background thread. Bounded: when the disk cannot follow, lines are dropped and counted."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._lines: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self.dropped = 0
        atexit.register(self.flush)

    def write(self, line: bytes) -> None:
        """Queue one line (no line end)."""
        if len(self._lines) >= MAX_LINES:
            self.dropped += 1
            return
        self._lines.append(line)
        if self._thread is None:
            self._start()

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
        """Write what waits."""
        waiting = self._lines
        with self._lock:
            if waiting:
                self._out.write(b"".join(waiting.popleft() + b"\n" for _ in range(len(waiting))))
                self._out.flush()


class _Logger:
    """structlog's end of the line: every method queues the rendered bytes."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def msg(self, message: bytes | str) -> None:
        self._writer.write(message if isinstance(message, bytes) else message.encode())

    debug = info = warning = error = critical = msg


class Redactor:
    """Replaces known secrets in text with `***`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._fixed = {x for x in secrets if len(x) >= 6}
        self._learned: deque[str] = deque(maxlen=64)
        self.secrets = tuple(sorted(self._fixed, key=len, reverse=True))

    def learn(self, secret: str) -> None:
        """One more, such as a token that was fetched; the latest are kept."""
        self._learned.append(secret)
        self.secrets = tuple(sorted({*self._fixed, *self._learned}, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self.secrets:
            if secret in text:
                text = text.replace(secret, "***")
        return text

    def in_bytes(self, data: bytes) -> bytes:
        """The same for bytes that are UTF-8 or not."""
        for secret in self.secrets:
            if secret.encode() in data:
                data = data.replace(secret.encode(), b"***")
        return data


def _render_json(_: Any, __: str, event: EventDict) -> bytes:
    return msgspec.json.encode(event, enc_hook=str)


class AccessLog:
    """The one line a request gets. JSON lines skip structlog's chain, which costs more than the line; readable ones go through it."""

    def __init__(self, writer: LineWriter | None = None, *, level: str = "info", json: bool = True) -> None:
        self._writer = writer if json and _LEVELS.get(level.lower(), logging.INFO) <= logging.INFO else None
        self._logger = None if json and writer is not None else structlog.get_logger("gateway")

    def __call__(self, fields: dict[str, Any]) -> None:
        """Queue the line."""
        if self._writer is not None:
            line = {"timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"), "level": "info", "event": "request", **fields}
            self._writer.write(msgspec.json.encode(line))
        elif self._logger is not None:
            self._logger.info("request", **fields)


def configure(
    level: str = "info", *, development: bool = False, out: BinaryIO | None = None, redactor: Redactor | None = None
) -> LineWriter:
    """Set up structlog for this process and return the writer (to flush at the end)."""
    writer = LineWriter(out or sys.stdout.buffer)
    processors: list[Processor] = [structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    if redactor is not None:
        processors.append(_redacting(redactor))
    processors.append(
        structlog.dev.ConsoleRenderer(colors=out is None and sys.stdout.isatty()) if development else _render_json)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS.get(level.lower(), logging.INFO)),
        logger_factory=lambda *_: _Logger(writer),
        cache_logger_on_first_use=True,
    )
    return writer


def _redacting(redactor: Redactor) -> Processor:
    def process(_: Any, __: str, event: EventDict) -> EventDict:
        for key, value in event.items():
            if type(value) is str and len(value) > 8:
                event[key] = redactor(value)
        return event

    return process
