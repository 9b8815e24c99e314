"""An answer sent in one go against the same as uvicorn sends it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llm_api_converter.server.cork import CorkedProtocol
from llm_api_converter.server.http import SEND_WHOLE, Receive, Responder, Scope, Send

pytestmark = pytest.mark.anyio

JSON = (b"content-type", b"application/json")
Answer = tuple[int, list[tuple[bytes, bytes]], bytes] | tuple[int, list[tuple[bytes, bytes]], bytes, bytes]


@asynccontextmanager
async def serving(protocol: type[HttpToolsProtocol], answer: Answer, sent: list[bool]) -> AsyncIterator[int]:
    """The port of a server that gives this answer, and notes whether it went in one go."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        status, headers, body, *lines = answer
        send_whole = scope.pop(SEND_WHOLE, None)
        responder = Responder(send, send_whole and (lambda *it: sent.append(send_whole(*it)) or sent[-1]))
        await responder.whole(status, list(headers), body, *lines)
        assert (responder.started, responder.ended, responder.status, responder.bytes_out) == (True, True, status, len(body))

    settled: Any = uvicorn.Config(app, port=0, log_level="critical", lifespan="off", http=protocol, server_header=False)
    server = uvicorn.Server(settled)
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def told(port: int, request: bytes) -> bytes:
    """Everything that comes until the connection ends; without the time of day, which is not ours."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(5):
        data = await reader.read()
    writer.close()
    return b"\r\n".join(line for line in data.split(b"\r\n") if not line.startswith(b"date: "))


LAST = b"connection: close\r\n"


@pytest.mark.parametrize(
    ("answer", "request_", "in_one_go"),
    [
        ((200, [JSON], b"{}"), b"GET / HTTP/1.1\r\nhost: x\r\n%b\r\n" % LAST, [True]),
        ((404, [JSON, (b"x-a", b"1"), (b"x-a", b"\xe4\t2")], b'{"no":1}'), b"GET / HTTP/1.1\r\nhost: x\r\n%b\r\n" % LAST, [True]),
        ((200, [], b""), b"GET / HTTP/1.1\r\nhost: x\r\n%b\r\n" % LAST, [True]),
        ((200, [JSON], b"x" * 3_000_000), b"GET / HTTP/1.1\r\nhost: x\r\n%b\r\n" % LAST, [True]),
        ((200, [JSON], b"{}"), b"GET / HTTP/1.0\r\n\r\n", [True]),
        ((200, [JSON], b"{}"), b"HEAD / HTTP/1.1\r\nhost: x\r\n%b\r\n" % LAST, [False]),
        ((200, [JSON], b"{}"), b"GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n%b\r\n" % LAST, [True, True]),
        ((200, [JSON], b"{}", b"x-left: 1\r\nx-reset: 2s\r\n"), b"GET / HTTP/1.1\r\nhost: x\r\n%b\r\n" % LAST, [True]),
        ((200, [JSON], b"{}", b"x-left: 1\r\n"), b"HEAD / HTTP/1.1\r\nhost: x\r\n%b\r\n" % LAST, [False]),
        ((200, [JSON], b"{}"), b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n%b\r\n{}" % LAST, [True]),
    ],
    ids=["plain", "repeated-and-odd", "empty", "large", "http-1.0", "head", "pipelined", "lines", "lines-head", "post"],
)
async def test_it_is_what_uvicorn_sends(answer: Answer, request_: bytes, in_one_go: list[bool]) -> None:
    ours: list[bool] = []
    async with serving(CorkedProtocol, answer, ours) as port:
        got = await told(port, request_)
    async with serving(HttpToolsProtocol, answer, []) as port:
        wanted = await told(port, request_)
    assert ours == in_one_go
    assert sorted(got.split(b"\r\n")) == sorted(wanted.split(b"\r\n"))
    assert [piece.count(b"\r\n") for piece in got.split(b"\r\n\r\n")] == [piece.count(b"\r\n") for piece in wanted.split(b"\r\n\r\n")]


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: x=1", b"a\nb", b"a\rb", b"a\0b", b"\x7f", b"\x1b[2J"])
async def test_what_must_not_be_in_a_header_is_in_none(value: bytes) -> None:
    async with serving(CorkedProtocol, (200, [(b"x-model", value)], b"{}"), []) as port:
        got = await told(port, b"GET / HTTP/1.1\r\nhost: x\r\n" + LAST + b"\r\n")
    assert got.startswith(b"HTTP/1.1 500 ")
    assert value not in got
