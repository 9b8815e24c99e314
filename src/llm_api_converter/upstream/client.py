"""A pooled HTTP client for upstream calls, behind the narrow interface the pipeline needs.

`Client.post` sends one request and returns when the answer's headers are here; the body is then read whole or piece by piece.
Every failure of the network leaves as an `ApiError` that says which upstream it was. Cancelling the task that waits, or calling
`close` on an unfinished answer, closes the connection at once, so that the upstream sees its client leave.

HTTP/1.1 on asyncio and httptools, made for this one use (docs/decisions/004): no redirects, no cookies, no HTTP/2. No task a request.
"""

import asyncio
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Protocol

from .address import Address, Origin, parse
from .connection import Connection
from .decoding import Inflater, inflater
from .dial import Dialer
from .failures import CUT_SHORT, Failure, failure
from .pool import Pool

# Longest wait for a plain answer's body, and for silence inside a stream, unless the settings say otherwise.
IDLE_TIMEOUT_S = 600.0
JOINED_BYTES = 16 * 1024
"""Bodies up to here are written in one piece with their head; larger ones are not copied."""
_ADDRESSES_KEPT = 4096

_OWN = frozenset({"host", "content-length", "transfer-encoding", "connection", "keep-alive", "expect", "te", "trailer", "upgrade"})
"""Headers that are the client's own business; `host` may be given, the others are left out."""
_CAUGHT = (Failure, OSError)


class UpstreamAnswer(Protocol):
    """An answer whose headers are here. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The whole body."""

    async def read_some(self) -> bytes:
        """What has come since the last call, at least one byte; b"" at the end of the body."""

    def close(self) -> None:
        """Give up the rest: the connection is closed unless the body was read to its end."""


class HttpAnswer:
    """An `UpstreamAnswer` over HTTP. It holds its connection until the body's end is read, or `close`, or until nobody holds it."""

    __slots__ = ("_connection", "_given_up", "_pool", "headers", "status", "upstream")

    def __init__(self, connection: Connection, pool: Pool, upstream: str) -> None:
        self._connection: Connection | None = connection
        self._pool = pool
        self._given_up = False
        self.upstream = upstream
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def read(self) -> bytes:
        connection = self._connection
        if connection is not None and connection.over:
            data = connection.take()
            self._done(connection)
            return data
        pieces = []
        while piece := await self.read_some():
            pieces.append(piece)
        return b"".join(pieces)

    async def read_some(self) -> bytes:
        connection = self._connection
        if connection is None:
            if self._given_up:
                raise failure(Failure("upstream_incomplete", CUT_SHORT, "the answer was closed on this side"), self.upstream)
            return b""
        while not connection.pieces:
            if connection.over:
                self._done(connection)
                return b""
            if connection.failed is not None:
                self.close()
                raise failure(connection.failed, self.upstream) from connection.failed
            try:
                await connection.news()
            except BaseException:
                self.close()
                raise
        data = connection.take()
        if connection.over:
            self._done(connection)
        return data

    def close(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if connection.over:
            self._done(connection)
        else:
            self._connection = None
            self._given_up = True
            connection.abort()

    def _done(self, connection: Connection) -> None:
        self._connection = None
        self._pool.give_back(connection)

    def __del__(self) -> None:
        connection = self._connection
        if connection is not None:
            connection.forget()


class InflatedAnswer:
    """An `UpstreamAnswer` whose body is unpacked on the way."""

    __slots__ = ("_answer", "_inflater", "_ready", "headers", "status")

    def __init__(self, answer: HttpAnswer, unpacker: Inflater) -> None:
        self._answer = answer
        self._inflater = unpacker
        self._ready: Iterator[bytes] = iter(())
        self.status = answer.status
        self.headers: Mapping[str, str] = {k: v for k, v in answer.headers.items() if k not in ("content-encoding", "content-length")}

    async def read(self) -> bytes:
        pieces = []
        while piece := await self.read_some():
            pieces.append(piece)
        return b"".join(pieces)

    async def read_some(self) -> bytes:
        try:
            while True:
                for piece in self._ready:
                    return piece
                data = await self._answer.read_some()
                if not data:
                    self._inflater.finish()
                    return b""
                self._ready = self._inflater.feed(data)
        except Failure as error:
            self.close()
            raise failure(error, self._answer.upstream) from error

    def close(self) -> None:
        self._ready = iter(())
        self._answer.close()


def _unpacked(answer: HttpAnswer) -> UpstreamAnswer:
    try:
        unpacker = inflater(answer.headers["content-encoding"])
    except Failure as error:
        answer.close()
        raise failure(error, answer.upstream) from error
    return answer if unpacker is None else InflatedAnswer(answer, unpacker)


class Client:
    """One connection pool for a worker. `connections` is its limit per upstream host (0: none)."""

    def __init__(self, *, connections: int = 0, idle_timeout_s: float = IDLE_TIMEOUT_S) -> None:
        self._limit = connections
        self._idle_s = idle_timeout_s
        self._dialer = Dialer()
        self._pools: dict[Origin, Pool] = {}
        self._addresses: dict[str, tuple[Address, Pool]] = {}
        self._closed = False

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], upstream: str) -> UpstreamAnswer:
        """Send one request. Returns at the answer's headers; raises `ApiError`."""
        return await self._send("POST", url, body, headers, upstream)

    async def get(self, url: str, headers: Mapping[str, str], upstream: str) -> UpstreamAnswer:
        """Fetch something small (a list of models, a health page)."""
        return await self._send("GET", url, None, headers, upstream)

    async def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], upstream: str) -> UpstreamAnswer:
        try:
            address, pool = self._addresses.get(url) or self._address(url)
            data = _request(address, method, headers, body)
            connection = pool.take() or await pool.connect()
            connection.send(data)
            while not connection.status:
                if connection.failed is not None:
                    if not connection.failed.stale:
                        raise connection.failed
                    connection = await pool.connect(fresh=True)
                    connection.send(data)
                try:
                    await connection.news()
                except BaseException:
                    connection.abort()
                    raise
        except _CAUGHT as error:
            raise failure(error, upstream) from error
        answer = HttpAnswer(connection, pool, upstream)
        if "content-encoding" in answer.headers:
            return _unpacked(answer)
        return answer

    def _address(self, url: str) -> tuple[Address, Pool]:
        """A URL parsed, and its pool; the environment's proxies are looked up here, once a URL."""
        address = parse(url)
        if len(self._addresses) >= _ADDRESSES_KEPT:
            self._addresses.clear()
            self._pools = {k: v for k, v in self._pools.items() if not v.unused}
        pool = self._pools.get(address.origin)
        if pool is None:
            pool = self._pools[address.origin] = Pool(address.origin, self._dialer, limit=self._limit, idle_timeout_s=self._idle_s)
            if self._closed:
                pool.close()
        known = self._addresses[url] = address, pool
        return known

    async def close(self) -> None:
        """Close every connection; calls under way fail."""
        self._closed = True
        for pool in self._pools.values():
            pool.close()
        for _ in range(3):  # the transports close in the next rounds of the loop
            await asyncio.sleep(0)

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def _request(address: Address, method: str, headers: Mapping[str, str], body: bytes | None) -> list[bytes]:
    """The bytes of a request, in one piece where the body is small. Raises `Failure(internal)` for headers that would break it."""
    if headers == address.last_headers and method == address.last_method:
        head = address.last_head
    else:
        head = _head(address, method, headers)
        address.last_headers, address.last_method, address.last_head = dict(headers), method, head
    if body is None:
        return [b"%b\r\n" % head]
    if len(body) <= JOINED_BYTES:
        return [b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)]
    return [b"%bcontent-length: %d\r\n\r\n" % (head, len(body)), body]


def _head(address: Address, method: str, headers: Mapping[str, str]) -> bytes:
    host = address.host
    names = {x.lower() for x in headers}
    if not names.isdisjoint(_OWN):
        host = next((v for k, v in headers.items() if k.lower() == "host"), host)
        headers = {k: v for k, v in headers.items() if k.lower() not in _OWN}
    lines = address.start(method, host)
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if address.authorization and "authorization" not in names:
        lines.append(f"authorization: {address.authorization}")
    text = "".join([f"{x}\r\n" for x in lines])
    if text.count("\n") != len(lines) or text.count("\r") != len(lines) or "\0" in text:
        raise Failure("internal", "was to be sent a header that holds a line break; check its `headers`")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()
