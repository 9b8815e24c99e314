"""What the gateway adds to uvicorn's HTTP protocol.

One packet instead of two: uvicorn writes head and body of an answer apart, which costs a system call and a packet (about 4 % of the CPU
of a small one). Here the transport keeps the head until the next write, and no longer than the current turn of the event loop.

A client that leaves is told of by a call (`http.Leaving`): in ASGI one can only wait for it, which takes a task for each request.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .http import LEAVING, Leaving

_HEAD = b"HTTP/1.1 "


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

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and with it the client of the request that runs."""
        super().connection_lost(exc)
        if self.cycle is not None and self.cycle.disconnected:
            scope: dict[str, Any] = self.cycle.scope  # type: ignore[assignment]
            scope[LEAVING].happened()
