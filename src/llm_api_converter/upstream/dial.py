"""Making a connection: name look-up, TCP, a proxy's tunnel, TLS. All of it within `CONNECT_TIMEOUT_S`.

Where a name has several addresses they are tried 0.25 s apart, IPv6 and IPv4 in turn, and the first to answer wins (RFC 8305): a host
whose IPv6 leads nowhere costs a quarter of a second, not the whole time. Certificates are verified against the system's list
(SSL_CERT_FILE and SSL_CERT_DIR are OpenSSL's own way to name another).
"""

import asyncio
import socket
import ssl
from functools import cache
from itertools import chain, zip_longest
from typing import cast

from .address import Origin, Proxy
from .connection import Connection
from .failures import UNKNOWN_HOST, UNREACHABLE, Failure

CONNECT_TIMEOUT_S = 10.0
STAGGER_S = 0.25
NAMES_KEPT_S = 60.0
"""Connections are seldom made, but when they are, then often many at once: a look-up is shared and kept for this long."""

Target = tuple[int, tuple[object, ...]]
"""Address family and socket address."""


@cache
def tls_context() -> ssl.SSLContext:
    """Made when first needed: reading the certificates takes milliseconds."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


class Dialer:
    """Makes connections and remembers names."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names: dict[tuple[str, int], tuple[float, asyncio.Task[list[Target]]]] = {}

    async def dial(self, origin: Origin, connection: Connection) -> None:
        """Connect. Raises `OSError` of any kind (`TimeoutError` and TLS errors are such) or `Failure`."""
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            proxy = origin.proxy
            if proxy is None:
                await self._plain(connection, origin.host, origin.port, origin.tls)
            elif origin.tls:
                await self._through(proxy, origin, connection)
            else:
                await self._plain(connection, proxy.host, proxy.port, proxy.tls)

    async def _plain(self, protocol: asyncio.Protocol, host: str, port: int, tls: bool) -> asyncio.Transport:
        sock = await self._connected(host, port)
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: protocol, sock=sock, ssl=tls_context() if tls else None, server_hostname=host if tls else None
        )
        return transport

    async def _through(self, proxy: Proxy, origin: Origin, connection: Connection) -> None:
        """CONNECT, then TLS inside the tunnel."""
        tunnel = _Tunnel()
        transport = await self._plain(tunnel, proxy.host, proxy.port, proxy.tls)
        try:
            host = f"[{origin.host}]" if ":" in origin.host else origin.host
            place = f"{host}:{origin.port}"
            ask = f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n"
            if proxy.authorization:
                ask += f"proxy-authorization: {proxy.authorization}\r\n"
            transport.write(f"{ask}\r\n".encode("latin-1"))
            await tunnel.open
            inner = await asyncio.get_running_loop().start_tls(transport, connection, tls_context(), server_hostname=origin.host)
            if inner is None:
                raise ConnectionResetError("the proxy closed the tunnel")
        except BaseException:
            transport.abort()
            raise
        connection.connection_made(inner)

    async def _connected(self, host: str, port: int) -> socket.socket:
        """A connected socket to the first address that answers."""
        try:
            targets = await self._look_up(host, port)
        except socket.gaierror as error:
            raise Failure("upstream_failed", UNKNOWN_HOST, f"{host}: {error.strerror}") from error
        try:
            return await _race(targets)
        except TimeoutError:
            raise
        except OSError as error:
            self._names.pop((host, port), None)
            raise Failure("upstream_failed", UNREACHABLE, f"{host}:{port}: {error}") from error

    async def _look_up(self, host: str, port: int) -> list[Target]:
        loop = asyncio.get_running_loop()
        known = self._names.get((host, port))
        if known is None or known[0] < loop.time() or (known[1].done() and (known[1].cancelled() or known[1].exception() is not None)):
            if len(self._names) > 1000:
                self._names.clear()
            known = self._names[host, port] = loop.time() + NAMES_KEPT_S, loop.create_task(_addresses(host, port))
        return await asyncio.shield(known[1])


async def _addresses(host: str, port: int) -> list[Target]:
    """All addresses of a host, the resolver's first family first, families in turn."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    targets = [(int(family), cast(tuple[object, ...], address)) for family, _, _, _, address in found]
    if not targets:
        raise socket.gaierror(socket.EAI_NONAME, "no address")
    first = [x for x in targets if x[0] == targets[0][0]]
    other = [x for x in targets if x[0] != targets[0][0]]
    return [x for x in chain.from_iterable(zip_longest(first, other)) if x is not None]


async def _race(targets: list[Target]) -> socket.socket:
    if len(targets) == 1:
        return await _connect(targets[0])
    loop = asyncio.get_running_loop()
    left = targets[::-1]
    running: set[asyncio.Task[socket.socket]] = set()
    failed: list[OSError] = []
    try:
        while left or running:
            if left:
                running.add(loop.create_task(_connect(left.pop())))
            done, running = await asyncio.wait(running, timeout=STAGGER_S if left else None, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if error is None:
                    running |= done - {task}
                    return task.result()
                if not isinstance(error, OSError):
                    raise error
                failed.append(error)
    finally:
        for task in running:
            task.add_done_callback(_discard)
            task.cancel()
    raise failed[0] if len(failed) == 1 else OSError("; ".join(map(str, failed)))


def _discard(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of one who came second."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _connect(target: Target) -> socket.socket:
    family, address = target
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


class _Tunnel(asyncio.Protocol):
    """Waits for a proxy's answer to CONNECT."""

    def __init__(self) -> None:
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if self.open.done():
            return
        head, end, rest = self._data.partition(b"\r\n\r\n")
        if not end and len(self._data) < 64 * 1024:
            return
        line = head.partition(b"\r\n")[0].decode("latin-1")
        words = line.split(" ", 2)
        if not end or rest or not words[0].startswith("HTTP/1.") or len(words) < 2:
            self._refuse("its proxy does not speak HTTP")
        elif not words[1].startswith("2"):
            self._refuse(f"its proxy answered {' '.join(words[1:])}")
        else:
            self._transport.pause_reading()
            self.open.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse("its proxy closed the connection")

    def _refuse(self, why: str) -> None:
        if not self.open.done():
            self.open.set_exception(Failure("upstream_failed", UNREACHABLE, why))
            self.open.exception()  # it may be that nobody waits any more
