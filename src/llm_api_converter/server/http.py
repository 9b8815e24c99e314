"""The ASGI side of one exchange: reading the body, writing the answer, noticing that the client has left."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from time import monotonic
from types import TracebackType
from typing import Any

from ..hub.errors import ApiError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
SendWhole = Callable[[int, list[tuple[bytes, bytes]], bytes, bytes], bool]
SEND_WHOLE = "llm_api_converter.send_whole"
"""Where a scope has a `SendWhole`, if its server can: status, headers, lines of further headers and body of an answer, sent in one go.
False: it was not.

To be taken out: it knows the connection, which knows the scope, and such a circle is left to the collector.
"""


class ClientGone(Exception):
    """The client closed its connection; nobody is left to answer."""


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The whole request body. Raises `ApiError(too_large)` as soon as it is known to be over `limit` bytes."""
    said = headers.get(b"content-length")
    if said is not None and said.isdigit() and int(said) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        if len(body) > limit:
            raise _too_large(limit)
        return body
    pieces, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(limit: int) -> ApiError:
    return ApiError("too_large", f"the request body is larger than this gateway's limit of {limit} bytes (server.max_body_bytes)")


def headers_of(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Lines of a head as names and values."""
    return [(name, value) for name, _, value in (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])]


async def _ended(message: Message) -> None:
    raise RuntimeError("this answer has ended")


class Responder:
    """Writes one answer. Each write is one ASGI message, so pings from a timer never land inside another write.

    `started` once the status line is committed, `ended` once the body is complete; `first_s`/`last_s` are monotonic times of the body's
    first and last write.
    """

    __slots__ = ("_send", "_send_whole", "bytes_out", "ended", "first_s", "last_s", "started", "status")

    def __init__(self, send: Send, send_whole: SendWhole | None = None) -> None:
        self._send = send
        self._send_whole = send_whole
        self.started = False
        self.ended = False
        self.status = 0
        self.first_s = 0.0
        self.last_s = monotonic()
        self.bytes_out = 0

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Commit status and headers."""
        self.started = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """A piece of the body; `more=False` ends it."""
        self.last_s = monotonic()
        if not self.first_s:
            self.first_s = self.last_s
        self.bytes_out += len(data)
        self.ended = not more
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, lines: bytes = b"") -> None:
        """A complete answer. `lines` are further headers as they stand in a head, each with its line's end."""
        if self._send_whole is not None and self._send_whole(status, headers, lines, body):
            self.started = self.ended = True
            self.status = status
            self.first_s = self.last_s = monotonic()
            self.bytes_out = len(body)
            return
        await self.start(status, [*headers, (b"content-length", b"%d" % len(body)), *headers_of(lines)])
        await self.write(body, more=False)

    def let_go(self) -> None:
        """Nothing is written any more; what is known of it stays."""
        self._send, self._send_whole = _ended, None


class KeepAlive:
    """Calls `ping` whenever nothing was written for `after_s` seconds. One timer a stream, moved lazily, not on every chunk."""

    __slots__ = ("_after_s", "_loop", "_ping", "_responder", "_task", "_timer")

    def __init__(self, responder: Responder, after_s: float, ping: Callable[[], Awaitable[None]]) -> None:
        self._loop = asyncio.get_running_loop()
        self._responder = responder
        self._after_s = after_s
        self._ping = ping
        self._task: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(after_s, self._check)

    def _check(self) -> None:
        left_s = self._responder.last_s + self._after_s - monotonic()
        if left_s <= 0:
            self._task = self._loop.create_task(self._send_ping())
            left_s = self._after_s
        self._timer = self._loop.call_later(left_s, self._check)

    async def _send_ping(self) -> None:
        if not self._responder.ended:
            await self._ping()

    def stop(self) -> None:
        """No more pings."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()


LEAVING = "llm_api_converter.leaving"
"""Where a scope has its `Leaving`, if its server tells."""


class Leaving:
    """Of one request: whether its client has left, and whom to tell. `look` lets the server read the connection, or it would not see."""

    __slots__ = ("_gone", "_look", "_tell")

    def __init__(self, look: Callable[[], None]) -> None:
        self._look = look
        self._tell: Callable[[], None] | None = None
        self._gone = False

    def happened(self) -> None:
        """It has left. Called once."""
        self._gone = True
        if self._tell is not None:
            self._tell()

    def watch(self, tell: Callable[[], None]) -> bool:
        """Call this when it leaves. True: it has left already."""
        self._tell = tell
        if not self._gone:
            self._look()
        return self._gone

    def forget(self) -> None:
        """Tell nobody."""
        self._tell = None


class Waiting:
    """The same on a server that has nothing but ASGI: a task waits for its message."""

    __slots__ = ("_receive", "_task")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def watch(self, tell: Callable[[], None]) -> bool:
        """Call this when it leaves. Whether it has left already is not known yet."""
        self._task = asyncio.get_running_loop().create_task(self._wait(tell))
        return False

    def forget(self) -> None:
        """Tell nobody."""
        self._task.cancel()

    async def _wait(self, tell: Callable[[], None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        tell()


class Departure:
    """`async with Departure(leaving):` watches for the client leaving; then what runs inside is cancelled, wherever it waits, and
    `ClientGone` is raised.
    """

    __slots__ = ("_gone", "_leaving", "_serving")

    def __init__(self, leaving: Leaving | Waiting) -> None:
        self._leaving = leaving
        self._gone = False

    async def __aenter__(self) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        self._serving = serving
        if self._leaving.watch(self._left):
            raise ClientGone

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._leaving.forget()
        if kind is asyncio.CancelledError and self._gone:
            self._serving.uncancel()
            raise ClientGone from None

    def _left(self) -> None:
        self._gone = True
        self._serving.cancel()
