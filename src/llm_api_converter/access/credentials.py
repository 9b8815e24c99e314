"""The credentials in a request, the address it came from, and what is kept of a key."""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import parse_qs

from .principal import Network

KEY_PREFIX = "sk-"
HINT_LENGTH = 4
_PLAIN = (b"x-api-key", b"api-key", b"x-goog-api-key")
_PLACES = (b"authorization", *_PLAIN)
REMEMBERED = 4096
"""Credentials whose digests a worker remembers: making them is the better half of what it costs to know a caller."""


def make_key() -> str:
    """A new API key: `sk-` and 43 characters for 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def digest_of(key: bytes) -> bytes:
    """What is kept of a key. Keys hold 256 random bits, so a plain SHA-256 cannot be turned back by guessing."""
    return hashlib.sha256(key).digest()


def given_keys(headers: Mapping[bytes, bytes], query: bytes) -> list[bytes]:
    """Every key a request carries, wherever its client puts one."""
    keys = []
    authorization = headers.get(b"authorization")
    if authorization:
        scheme, _, rest = authorization.partition(b" ")
        if scheme.lower() == b"bearer":
            keys.append(rest.strip())
        elif b"Credential=" in rest:
            # AWS SDKs: the access key id of `Credential=AKID/date/region/service/aws4_request`; the id itself may hold slashes.
            credential = rest.split(b"Credential=", 1)[1].split(b",", 1)[0]
            keys.append(credential.rsplit(b"/", 4)[0])
    for name in _PLAIN:
        value = headers.get(name)
        if value:
            keys.append(value.strip())
    if query and b"key=" in query:
        keys.extend(value.encode() for value in parse_qs(query.decode("latin-1")).get("key", ()))
    return keys


def digests_of(headers: Mapping[bytes, bytes], query: bytes) -> tuple[bytes, ...]:
    """What is kept of each key a request carries; each once."""
    if (query and b"key=" in query) or b"Credential=" in headers.get(b"authorization", b""):  # no two of these are alike
        return _digests(headers, query)
    return _remembered(*map(headers.get, _PLACES))


def _digests(headers: Mapping[bytes, bytes], query: bytes) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(map(digest_of, given_keys(headers, query))))


@lru_cache(REMEMBERED)
def _remembered(*values: bytes | None) -> tuple[bytes, ...]:
    return _digests({name: value for name, value in zip(_PLACES, values, strict=True) if value is not None}, b"")


def client_address(peer: str | None, headers: Mapping[bytes, bytes], trusted: Sequence[Network]) -> str | None:
    """The client's address: the peer's, or behind trusted proxies the last one in `x-forwarded-for` that none of them has."""
    if not trusted or not _within(peer, trusted):
        return peer
    forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
    for hop in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
        if not _within(hop, trusted):
            return hop
    return peer


def _within(address: str | None, networks: Sequence[Network]) -> bool:
    try:
        here = ip_address(address or "")
    except ValueError:
        return False
    return any(here in network for network in networks)
