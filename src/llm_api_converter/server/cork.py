"""What the gateway adds to uvicorn's HTTP protocol.

One packet instead of two: uvicorn writes head and body of an answer apart, which costs a system call and a packet (about 4 % of the CPU
of a small one). Here the transport keeps the head until the next write, and no longer than the current turn of the event loop.

A whole answer is sent by one call (`http.SEND_WHOLE`): as ASGI messages it takes two turns through uvicorn's state, with two searches for
characters that do not belong into a header for each of them (together 20 us of a small request).

A client that leaves is told of by a call (`http.Leaving`): in ASGI one can only wait for it, which takes a task for each request.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from .http import LEAVING, SEND_WHOLE, Leaving

_HEAD = b"HTTP/1.1 "
_IN_HEADERS = bytes(x for x in range(256) if x == 0x09 or 0x20 <= x != 0x7F)
"""What may stand in a head besides the ends of its lines."""


class CorkedTransport:
    """A transport that joins a head with what follows; everything else goes straight to the real one."""

    __slots__ = ("_held", "_loop", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: bytes | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send, or hold a head."""
        if self._held is not None:
            data, self._held = self._held + data, None
        elif data.startswith(_HEAD):
            self._held = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def send(self, data: bytes) -> None:
        """Send, and hold nothing."""
        self._flush()
        self._transport.write(data)

    def _flush(self) -> None:
        if self._held is not None:
            data, self._held = self._held, None
            self._transport.write(data)

    def close(self) -> None:
        """Send what is held, then close."""
        self._flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class CorkedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol on such a transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class has it
        """A client has connected."""
        super().connection_made(CorkedTransport(transport, self.loop))  # type: ignore[arg-type]  # it has a transport's methods

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # what is between us is in no type
        scope[LEAVING] = Leaving(self.flow.resume_reading)

    def on_headers_complete(self) -> None:
        """Its head is here, and with it who answers."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            scope: dict[str, Any] = self.scope  # type: ignore[assignment]
            scope[SEND_WHOLE] = partial(send_whole, self.cycle)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and with it the client of the request that runs."""
        super().connection_lost(exc)
        if self.cycle is not None and self.cycle.disconnected:
            scope: dict[str, Any] = self.cycle.scope  # type: ignore[assignment]
            scope[LEAVING].happened()


def send_whole(cycle: RequestResponseCycle, status: int, headers: Sequence[tuple[bytes, bytes]], lines: bytes, body: bytes) -> bool:
    """Send an answer as uvicorn would have done: lower-case `headers`, without the body's length, and further `lines` of the head, each
    with its end. False: not now, or not so; nothing was sent then. Raises RuntimeError for what cannot stand in a header.
    """
    if cycle.response_started or cycle.disconnected or cycle.flow.write_paused or cycle.scope["method"] == "HEAD" or status in (204, 304):
        return False
    written = [*cycle.default_headers, *headers, (b"content-length", b"%d" % len(body))]
    end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
    head = STATUS_LINE[status] + b"\r\n".join(map(b": ".join, written)) + b"\r\n" + lines + end
    if head.translate(None, _IN_HEADERS) != b"\r\n" * (1 + len(written) + lines.count(b"\n") + end.count(b"\n")):
        raise RuntimeError("a header holds what must not be in one")
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.send(head + body)  # type: ignore[attr-defined]  # it is ours
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
