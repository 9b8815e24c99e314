"""Where clients put their keys, and where they are."""

import re
from ipaddress import ip_network

import pytest

from llm_api_converter.access.credentials import client_address, digest_of, digests_of, given_keys, make_key

SIGV4 = b"AWS4-HMAC-SHA256 Credential=%s/20261124/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab"


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({}, b"", []),
        ({b"authorization": b"Bearer sk-1"}, b"", [b"sk-1"]),
        ({b"authorization": b"bearer  sk-1 "}, b"", [b"sk-1"]),
        ({b"authorization": b"Basic c2s="}, b"", []),
        ({b"authorization": SIGV4 % b"sk-1"}, b"", [b"sk-1"]),
        ({b"authorization": SIGV4 % b"sk-a/b/c"}, b"", [b"sk-a/b/c"]),
        ({b"x-api-key": b"sk-1"}, b"", [b"sk-1"]),
        ({b"api-key": b"sk-1"}, b"", [b"sk-1"]),
        ({b"x-goog-api-key": b"sk-1"}, b"", [b"sk-1"]),
        ({}, b"alt=sse&key=sk-1", [b"sk-1"]),
        ({b"authorization": b"Bearer sk-1", b"x-api-key": b"sk-2"}, b"key=sk-3", [b"sk-1", b"sk-2", b"sk-3"]),
    ],
)
def test_every_place_a_client_puts_its_key(headers: dict[bytes, bytes], query: bytes, expected: list[bytes]) -> None:
    assert given_keys(headers, query) == expected
    for _ in range(2):  # the second time from memory, where it is remembered
        assert digests_of(headers, query) == tuple(map(digest_of, expected))


def test_a_key_that_is_sent_twice_is_one() -> None:
    assert digests_of({b"authorization": b"Bearer sk-1", b"x-api-key": b"sk-1"}, b"") == (digest_of(b"sk-1"),)


def test_a_made_key_is_as_the_contract_says() -> None:
    keys = {make_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"sk-[A-Za-z0-9_-]{43}", key) for key in keys)


PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("1.2.3.4", None, "1.2.3.4"),
        ("1.2.3.4", "5.6.7.8", "1.2.3.4"),  # not from a proxy of ours: anyone can write that header
        ("10.0.0.1", "5.6.7.8", "5.6.7.8"),
        ("10.0.0.1", "9.9.9.9, 5.6.7.8, 10.0.0.2", "5.6.7.8"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.9", "10.0.0.1"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        (None, "5.6.7.8", None),
    ],
)
def test_the_address_behind_proxies(peer: str | None, forwarded: str | None, expected: str | None) -> None:
    headers = {} if forwarded is None else {b"x-forwarded-for": forwarded.encode()}
    assert client_address(peer, headers, PROXIES) == expected


def test_without_trusted_proxies_nobody_is_believed() -> None:
    assert client_address("10.0.0.1", {b"x-forwarded-for": b"5.6.7.8"}, ()) == "10.0.0.1"
