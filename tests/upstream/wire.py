"""A server on a raw socket that answers with scripted bytes, and what it has seen."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CUT = object()
"""In a script: close the connection here."""
RESET = object()
"""In a script: reset the connection here."""
HANG = object()
"""In a script: send nothing more until the other side closes."""

Script = list[object]
"""Bytes to write (each a write of its own), numbers to sleep (s), CUT, RESET or HANG."""


@dataclass
class Request:
    """One request as it came; `connection` counts from 0."""

    head: bytes
    body: bytes
    connection: int

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [(k, v) for k, _, v in (x.partition(": ") for x in lines if x)]


@dataclass
class Peer:
    """The server. `scripts` are answers, by number of the request; the last one goes on for ever."""

    scripts: list[Script]
    url: str = ""
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    sent: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connections
        self.connections += 1
        self.open += 1
        self.writers.append(writer)
        try:
            while (request := await read_request(reader, number)) is not None:
                self.requests.append(request)
                script = self.scripts[min(len(self.requests), len(self.scripts)) - 1]
                if not await self.play(script, reader, writer):
                    break
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            self.left.set()
            writer.close()

    async def play(self, script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        for step in script:
            if step is CUT:
                return False
            if step is RESET:
                reset(writer)
                return False
            if step is HANG:
                await reader.read()
                return False
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
                self.sent += len(step)
            else:
                assert isinstance(step, float | int)
                await asyncio.sleep(step)
        return True


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset instead of a farewell."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def read_request(reader: asyncio.StreamReader, number: int) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return Request(head[:-4], await reader.readexactly(length), number)


@asynccontextmanager
async def peer(*scripts: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Peer]:
    fake = Peer(list(scripts))
    async with listening(fake.handle, tls, host) as port:
        fake.port = port
        fake.url = f"{'https' if tls else 'http'}://{'localhost' if tls else host}:{port}/v1"
        yield fake


@asynccontextmanager
async def listening(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[int]:  # fmt: skip
    """A server whose connections are all over when the block is left. Gives its port."""
    running: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await handle(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            running.discard(task)

    server = await asyncio.start_server(one, host, 0, ssl=tls, limit=2**20, backlog=1024)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        while running:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.002)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for something that happens soon."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.001)


def http(body: bytes = b"ok", *headers: str, status: int = 200) -> bytes:
    """An answer with a length."""
    lines = [f"HTTP/1.1 {status} X", *headers, f"content-length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(*pieces: bytes, trailers: str = "", extension: str = "") -> bytes:
    """An answer in chunks."""
    return (
        b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n"
        + b"".join(b"%x%b\r\n%b\r\n" % (len(x), extension.encode(), x) for x in pieces)
        + b"0\r\n" + trailers.encode() + b"\r\n"
    )  # fmt: skip
