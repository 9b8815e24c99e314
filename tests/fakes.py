"""Real local servers for tests: a scripted upstream on a raw socket, and the gateway itself under uvicorn."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llm_api_converter.config import Config
from llm_api_converter.hub.seal import SealKey
from llm_api_converter.server.app import Gateway, build
from llm_api_converter.server.cork import CorkedProtocol

CUT = object()
"""In a reply: close the connection here, without ending the body."""
HANG = object()
"""In a reply: send nothing more, until the other side closes."""
KEY = "sk-test-master-key-0123456789"


@dataclass
class Seen:
    """One request as the upstream got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What the upstream answers. Pieces are bytes to write, numbers to sleep (s), CUT or HANG. Without `length` the body is chunked."""

    pieces: list[Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def json_reply(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply([json.dumps(value).encode()], status, {k.replace("_", "-"): v for k, v in headers.items()})


def sse_reply(*pieces: Any) -> Reply:
    return Reply(list(pieces), content_type="text/event-stream")


class FakeUpstream:
    """Answers each request with what `script` says; keeps every request. `script` may be a list of replies, used one after another."""

    def __init__(self, script: Callable[[Seen], Reply] | list[Reply]) -> None:
        self.script = script
        self.seen: list[Seen] = []
        self.open_connections = 0
        self.url = ""

    def _reply(self, seen: Seen) -> Reply:
        if isinstance(self.script, list):
            return self.script[min(len(self.seen) - 1, len(self.script) - 1)]
        return self.script(seen)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            return False
        method, path, _ = head[0].split(" ")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
        seen = Seen(method, path, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        self.seen.append(seen)
        return await self._write(self._reply(seen), seen, reader, writer)

    async def _write(self, reply: Reply, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = {"content-type": reply.content_type, "transfer-encoding": "chunked", **reply.headers}
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{k}: {v}" for k, v in head.items())]
        left = asyncio.ensure_future(_left(reader, seen))
        try:
            if reply.pieces and reply.pieces[0] is HANG:
                await seen.closed.wait()
                return False
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
            for piece in reply.pieces:
                if piece is CUT:
                    await writer.drain()
                    return False
                if piece is HANG:
                    await seen.closed.wait()
                    return False
                if isinstance(piece, int | float):
                    await asyncio.wait([asyncio.ensure_future(seen.closed.wait())], timeout=piece)
                    if seen.closed.is_set():
                        return False
                    continue
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        finally:
            left.cancel()
        return not seen.closed.is_set()


async def _left(reader: asyncio.StreamReader, seen: Seen) -> None:
    """Notices that the other side has closed while the answer is being written."""
    while not reader.at_eof():
        await asyncio.sleep(0.002)
    seen.closed.set()


@asynccontextmanager
async def upstream(script: Callable[[Seen], Reply] | list[Reply]) -> AsyncIterator[FakeUpstream]:
    fake = FakeUpstream(script)
    server = await asyncio.start_server(fake.handle, "127.0.0.1", 0)
    fake.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()


def config(providers: Mapping[str, Any] | None = None, models: list[Any] | None = None, **more: Any) -> Config:
    """Settings as a user would write them; the master key is KEY."""
    tree = {"auth": {"master_api_key": KEY}, "providers": providers or {"demo": {"type": "demo"}}, "models": models or [], **more}
    return Config.model_validate(tree)


class Lines(list[dict[str, Any]]):
    """The lines of requests, where a gateway's log should be."""

    def __call__(self, fields: dict[str, Any], at_s: float | None = None) -> None:
        self.append(fields)

    def flush(self) -> None:
        """They are here."""


@dataclass
class Running:
    """A gateway that listens."""

    url: str
    app: Gateway


@asynccontextmanager
async def gateway(settings: Config, server_protocol: type[HttpToolsProtocol] = CorkedProtocol) -> AsyncIterator[Running]:
    app = build(settings, master_key=KEY, seal_keys=(SealKey("k1", b"a test secret of thirty-two bytes"),))
    settled = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", access_log=False, lifespan="on", http=server_protocol, ws="websockets-sansio"
    )
    server = uvicorn.Server(settled)
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if task.done():
            await task
    try:
        yield Running(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", app)
    finally:
        server.should_exit = True
        await task
