"""URLs, and the proxies the environment names for them.

In: a URL as the settings and codecs build it, percent-encoded; its path goes out exactly as given. Out: the `Origin` to connect to and
the first lines of a request. Proxies follow `urllib.request` (HTTP_PROXY, HTTPS_PROXY, NO_PROXY); a plain-text URL goes through its proxy
in absolute form, an HTTPS one through a tunnel (RFC 9112, 3.2.2 and 3.2.3).
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from .failures import NOT_A_URL, Failure

PORTS = {"http": 80, "https": 443}
_ASCII = "".join(map(chr, range(0x21, 0x7F)))


class Proxy(NamedTuple):
    """A proxy. `authorization` is the value of Proxy-Authorization, "" for none."""

    tls: bool
    host: str
    port: int
    authorization: str


class Origin(NamedTuple):
    """Where connections go; one pool for each. `host` is fit for look-up and for TLS, without brackets."""

    tls: bool
    host: str
    port: int
    proxy: Proxy | None


class Address:
    """One URL, taken apart. `authorization` is the value for Authorization where the URL holds a user, else "".

    `last_head` is the head last sent, without its length: headers seldom change between calls of one target.
    """

    __slots__ = ("authorization", "host", "last_head", "last_headers", "last_method", "origin", "target")

    def __init__(self, origin: Origin, host: str, target: str, authorization: str) -> None:
        self.origin = origin
        self.host = host
        self.target = target
        self.authorization = authorization
        self.last_method = ""
        self.last_headers: Mapping[str, str] = {}
        self.last_head = b""

    def start(self, method: str, host: str) -> list[str]:
        """Request line and Host; `host` is usually the own one."""
        lines = [f"{method} {self.target} HTTP/1.1", f"host: {host}"]
        proxy = self.origin.proxy
        if proxy is not None and proxy.authorization and not self.origin.tls:
            lines.append(f"proxy-authorization: {proxy.authorization}")
        return lines


def parse(url: str) -> Address:
    """Raises `Failure(internal)` for what is no http(s) URL."""
    parts, host, port = _split(url)
    tls = parts.scheme == "https"
    shown = f"[{host}]" if ":" in host else host
    if port != PORTS[parts.scheme]:
        shown = f"{shown}:{port}"
    target = quote(parts.path or "/", safe=_ASCII) + ("?" + quote(parts.query, safe=_ASCII) if parts.query else "")
    proxy = _proxy(parts.scheme, f"{host}:{port}" if ":" not in host else shown)
    if proxy is not None and not tls:
        target = f"http://{shown}{target}"
    return Address(Origin(tls, host, port, proxy), shown, target, _basic(parts))


def _split(url: str, kinds: Iterable[str] = tuple(PORTS)) -> tuple[SplitResult, str, int]:
    """(parts, host, port); the host as it is looked up."""
    if any(c <= " " or c == "\x7f" for c in url):
        raise Failure("internal", NOT_A_URL, "white space in it")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if host is not None and not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError as error:
        raise Failure("internal", NOT_A_URL, str(error)) from error
    if parts.scheme not in kinds or not host:
        raise Failure("internal", NOT_A_URL, "it must begin with http:// or https:// and name a host")
    return parts, host, PORTS[parts.scheme] if port is None else port


def _basic(parts: SplitResult) -> str:
    """User and password of a URL as a Basic credential."""
    if parts.username is None and parts.password is None:
        return ""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode("ascii")


def _proxy(scheme: str, host: str) -> Proxy | None:
    named = getproxies().get(scheme)
    if not named or proxy_bypass(host):
        return None
    try:
        parts, proxy_host, port = _split(named if "://" in named else f"http://{named}")
    except Failure as error:
        raise Failure("internal", "has a proxy whose address is not an http:// or https:// URL; check the environment") from error
    return Proxy(parts.scheme == "https", proxy_host, port, _basic(parts))
