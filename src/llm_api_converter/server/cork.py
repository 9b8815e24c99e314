"""One packet instead of two: the head of an answer waits for the first bytes of its body.

uvicorn writes head and body apart, which costs a system call and a packet an answer (about 4 % of the CPU of a small one). Here the
transport keeps the head until the next write, and no longer than the current turn of the event loop.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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
