"""A model server that says what a case tells it to, in any protocol, and keeps what it was sent."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct

SILENCE = object()
"""In a reply: say nothing more until the other side leaves."""
CUT = object()
"""In a reply: break the connection off here."""


class Reply(Struct, frozen=True):
    """One answer: pieces to write (bytes, SILENCE, CUT, or seconds to wait), status and headers. Not even the headers are sent where the
    first piece is SILENCE: a model that has not said a word yet.
    """

    pieces: tuple[Any, ...]
    status: int = 200
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Scripted = Reply | Mapping[str, Reply]
"""A reply, or one by what the request's path holds, for models that can be asked in several protocols."""


class Sent(Struct):
    """One request as it came. `left` is set when the other side closes the connection before the answer is over; `written` counts the
    bytes of the answer the network has taken.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    left: asyncio.Event
    written: int = 0


class Upstream:
    """Listens on a port. `replies` are given one after another; the last one again and again."""

    def __init__(self) -> None:
        self.replies: list[Scripted] = []
        self.sent: list[Sent] = []
        self.port = 0
        self._arrived = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        self.unexpected = Reply((b'{"error":{"message":"no case is running","type":"server_error"}}',), 500)

    def play(self, replies: Sequence[Scripted]) -> None:
        """Forget what was sent, and say this from now on."""
        self.replies = list(replies)
        self.sent = []
        self._arrived.clear()

    async def asked(self) -> Sent:
        """The first request since; waits for it."""
        await self._arrived.wait()
        return self.sent[0]

    def _next(self, path: str) -> Reply:
        if not self.replies:
            return self.unexpected
        said = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(said, Reply):
            return said
        return next((reply for part, reply in said.items() if part in path), self.unexpected)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A connection of the gateway."""
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def close(self) -> None:
        """End every connection."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway closed an idle connection
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await _body(reader, headers)
        if method == "GET":
            await _write(writer, Reply((b'{"object":"list","data":[]}',)))
            return True
        sent = Sent(method, path, headers, body, asyncio.Event())
        self.sent.append(sent)
        self._arrived.set()
        return await _play(reader, writer, self._next(path), sent)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> Any:
    if headers.get("transfer-encoding") == "chunked":
        raw = b""
        while size := int(await reader.readline(), 16):
            raw += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    else:
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw


async def _write(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = b"".join(reply.pieces)
    writer.write(_head(reply, f"content-length: {len(body)}") + body)
    await writer.drain()


def _head(reply: Reply, length: str) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} OK", f"content-type: {reply.kind}", length, *(f"{name}: {value}" for name, value in reply.headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reply: Reply, sent: Sent) -> bool:
    """Write the reply; whether the connection can be used again."""
    if not any(piece in (SILENCE, CUT) for piece in reply.pieces) and not reply.kind.startswith(("text/event", "application/vnd")):
        await _write(writer, reply)
        return True
    if reply.pieces[0] is not SILENCE:
        writer.write(_head(reply, "transfer-encoding: chunked"))
    for piece in reply.pieces:
        if piece is CUT:
            await writer.drain()
            writer.transport.abort()
            return False
        if piece is SILENCE:
            await writer.drain()
            await reader.read(1)
            sent.left.set()
            return False
        if isinstance(piece, float):
            await asyncio.sleep(piece)
            continue
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        sent.written += len(piece)
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


@asynccontextmanager
async def listening(port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Upstream]:
    """An upstream for the time of the block."""
    upstream = Upstream()
    server = await asyncio.start_server(upstream.connected, host, port)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        await upstream.close()
