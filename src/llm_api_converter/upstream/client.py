"""A pooled HTTP client for upstream calls, behind the narrow interface the pipeline needs.

`Client.post` sends one request and returns when the answer's headers are here; the body is then read whole or piece by piece.
Every failure of the network leaves as an `ApiError` that says which upstream it was. Cancelling the task that waits, or calling
`close` on an unfinished answer, closes the connection at once, so that the upstream sees its client leave.

aiohttp does the work. Bodies are read with `readany`, never by line: line iteration refuses lines over its buffer limit.
"""

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from ..hub.errors import ApiError

CONNECT_TIMEOUT_S = 10.0
# Longest wait for a plain answer's body, and for silence inside a stream, unless the settings say otherwise.
IDLE_TIMEOUT_S = 600.0

_KINDS: tuple[tuple[type[BaseException], Any, str], ...] = (
    (aiohttp.ConnectionTimeoutError, "timeout", "did not accept the connection in time"),
    (aiohttp.ServerTimeoutError, "timeout", "sent nothing for too long"),
    (asyncio.TimeoutError, "timeout", "did not answer in time"),
    (aiohttp.ClientConnectorCertificateError, "upstream_failed", "has a TLS certificate that cannot be verified"),
    (aiohttp.ClientConnectorDNSError, "upstream_failed", "has a host name that cannot be resolved"),
    (aiohttp.ClientConnectorError, "upstream_failed", "cannot be reached"),
    (ssl.SSLError, "upstream_failed", "failed in TLS"),
    (aiohttp.ClientPayloadError, "upstream_incomplete", "cut its answer short"),
    (aiohttp.ServerDisconnectedError, "upstream_failed", "closed the connection without an answer"),
    (aiohttp.InvalidURL, "internal", "has an address that is not a URL"),
    (aiohttp.ClientResponseError, "upstream_failed", "does not speak HTTP"),
    (aiohttp.ClientError, "upstream_failed", "failed"),
    (OSError, "upstream_failed", "failed"),
)
_CAUGHT = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


def failure(error: BaseException, upstream: str) -> ApiError:
    """A library's exception -> the error for client and log. `upstream` is the provider's configured name."""
    for kind, word, text in _KINDS:
        if isinstance(error, kind):
            detail = str(error)
            return ApiError(word, f"the upstream `{upstream}` {text}" + (f" ({detail})" if detail else ""))
    return ApiError("upstream_failed", f"the upstream `{upstream}` failed ({type(error).__name__})")


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
    """An `UpstreamAnswer` over HTTP."""

    __slots__ = ("_response", "headers", "status", "upstream")

    def __init__(self, response: aiohttp.ClientResponse, upstream: str) -> None:
        self._response = response
        self.upstream = upstream
        self.status = response.status
        self.headers: Mapping[str, str] = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in response.raw_headers}

    async def read(self) -> bytes:
        try:
            return await self._response.read()
        except _CAUGHT as error:
            raise failure(error, self.upstream) from error

    async def read_some(self) -> bytes:
        try:
            return await self._response.content.readany()
        except _CAUGHT as error:
            raise failure(error, self.upstream) from error

    def close(self) -> None:
        self._response.close()


def _proxy(url: URL) -> str | None:
    if url.host is None or proxy_bypass(url.host):
        return None
    return getproxies().get(url.scheme)


class Client:
    """One connection pool for a worker. `connections` is its limit per upstream host (0: none)."""

    def __init__(self, *, connections: int = 0, idle_timeout_s: float = IDLE_TIMEOUT_S) -> None:
        connector = aiohttp.TCPConnector(
            limit=0, limit_per_host=connections, keepalive_timeout=55, enable_cleanup_closed=True, ttl_dns_cache=60,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
            timeout=aiohttp.ClientTimeout(total=None, connect=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=idle_timeout_s),
            read_bufsize=256 * 1024,
        )
        self._urls: dict[str, tuple[URL, str | None]] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], upstream: str) -> UpstreamAnswer:
        """Send one request. Returns at the answer's headers; raises `ApiError`."""
        return await self._send("POST", url, body, headers, upstream)

    async def get(self, url: str, headers: Mapping[str, str], upstream: str) -> UpstreamAnswer:
        """Fetch something small (a list of models, a health page)."""
        return await self._send("GET", url, None, headers, upstream)

    async def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], upstream: str) -> UpstreamAnswer:
        address, proxy = self._address(url)
        try:
            response = await self._session.request(method, address, data=body, headers=headers, allow_redirects=False, proxy=proxy)
        except _CAUGHT as error:
            raise failure(error, upstream) from error
        return HttpAnswer(response, upstream)

    def _address(self, url: str) -> tuple[URL, str | None]:
        """A URL parsed, and the proxy the environment names for it (HTTPS_PROXY, NO_PROXY, ...); looked up once a URL."""
        known = self._urls.get(url)
        if known is None:
            if len(self._urls) > 4096:
                self._urls.clear()
            parsed = URL(url, encoded=True)
            known = self._urls[url] = parsed, _proxy(parsed)
        return known

    async def close(self) -> None:
        """Close every pooled connection."""
        await self._session.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


