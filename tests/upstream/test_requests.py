"""Requests as they stand on the wire: addresses, headers, bodies, and what is refused before anything is sent."""

import base64
from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.upstream import client as client_module
from llm_api_converter.upstream.address import Address, Origin, parse
from llm_api_converter.upstream.client import JOINED_BYTES, Client, _request
from llm_api_converter.upstream.failures import Failure, failure

from .wire import Request, http, peer

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def sent(path: str, body: bytes | None = b"{}", headers: dict[str, str] | None = None) -> Request:
    async with peer([http()]) as up, Client() as own:
        url = f"http://127.0.0.1:{up.port}{path}"
        answer = await (own.get(url, headers or {}, "up") if body is None else own.post(url, body, headers or {}, "up"))
        await answer.read()
        return up.requests[0]


async def test_a_post_holds_what_it_was_given_and_nothing_more() -> None:
    request = await sent("/v1/x?y=z", b"some bytes", {"Content-Type": "application/json", "x-key": "s\xe9cret"})
    assert request.line == "POST /v1/x?y=z HTTP/1.1"
    names = [k for k, _ in request.headers]
    assert names == ["host", "Content-Type", "x-key", "content-length"]
    assert dict(request.headers)["x-key"] == "s\xe9cret"
    assert dict(request.headers)["host"].startswith("127.0.0.1:")
    assert request.body == b"some bytes"


async def test_a_get_has_no_length() -> None:
    request = await sent("/v1/models", None, {"accept": "*/*"})
    assert request.line == "GET /v1/models HTTP/1.1"
    assert [k for k, _ in request.headers] == ["host", "accept"]


@pytest.mark.parametrize("size", [0, 1, JOINED_BYTES, JOINED_BYTES + 1, 3_000_000])
async def test_bodies_of_any_size(size: int) -> None:
    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    assert (await sent("/", body)).body == body


def test_large_bodies_are_not_copied() -> None:
    body = b"x" * (JOINED_BYTES + 1)
    pieces = _request(parse("http://h/"), "POST", {}, body)
    assert pieces[1] is body
    assert len(_request(parse("http://h/"), "POST", {}, b"small")) == 1


@pytest.mark.parametrize(
    "path",
    ["/a%2Fb%20c", "/a/../b/./c", "//double//", "/model/arn%3Aaws%3Abedrock%3A1/converse", "/a;b=c,d:e@f!$&'()*+", "/x?q=%7B%7D&r=a+b", "/?"],
)
async def test_paths_go_out_exactly_as_given(path: str) -> None:
    assert (await sent(path)).line == f"POST {path.removesuffix('?')} HTTP/1.1"


async def test_headers_that_are_the_clients_own_business_are_left_out() -> None:
    given = {"Content-Length": "999", "Transfer-Encoding": "chunked", "CONNECTION": "close", "Expect": "100-continue", "Host": "vhost", "x": "y"}
    request = await sent("/", b"body", given)
    assert request.headers == [("host", "vhost"), ("x", "y"), ("content-length", "4")]
    assert request.body == b"body"


async def test_the_users_name_in_an_url_becomes_a_credential() -> None:
    async with peer([http()]) as up, Client() as own:
        url = f"http://me:p%40ss@127.0.0.1:{up.port}/"
        await (await own.post(url, b"", {}, "up")).read()
        await (await own.post(url, b"", {"Authorization": "Bearer key"}, "up")).read()
        first, second = (dict(x.headers) for x in up.requests)
    assert first["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert "@" not in first["host"]
    assert second["Authorization"] == "Bearer key"
    assert "authorization" not in second


async def test_changed_headers_and_methods_are_sent_changed() -> None:
    async with peer([http()]) as up, Client() as own:
        headers = {"x": "1"}
        await (await own.post(up.url, b"", headers, "up")).read()
        headers["x"] = "2"
        await (await own.post(up.url, b"", headers, "up")).read()
        await (await own.get(up.url, headers, "up")).read()
        await (await own.post(up.url, b"", {}, "up")).read()
    assert [(x.line.split()[0], dict(x.headers).get("x")) for x in up.requests] == [
        ("POST", "1"), ("POST", "2"), ("GET", "2"), ("POST", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "headers",
    [
        {"x": "a\r\nevil: b"}, {"x": "a\nb"}, {"x": "a\rb"}, {"x": "a\0b"}, {"x\r\nevil": "b"}, {"x": "\r\n\r\nGET / HTTP/1.1"},
        {"host": "a\r\nevil: b"}, {"Host": "a\nb"},
    ],
)  # fmt: skip
async def test_headers_that_would_break_a_request_are_refused(headers: dict[str, str]) -> None:
    async with peer([http()]) as up, Client() as own:
        for _ in range(2):
            with pytest.raises(ApiError, match="line break") as caught:
                await own.post(up.url, b"{}", headers, "up")
            assert caught.value.kind == "internal"
            assert "evil" not in caught.value.message
        await (await own.post(up.url, b"{}", {"x": "fine"}, "up")).read()
        assert len(up.requests) == 1


async def test_header_values_beyond_latin_1_go_out_as_utf_8() -> None:
    assert dict((await sent("/", b"", {"x-title": "日本"})).headers)["x-title"].encode("latin-1").decode() == "日本"


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("url", "origin", "host", "target"),
    [
        ("http://h/p", (False, "h", 80), "h", "/p"),
        ("https://h/p?q", (True, "h", 443), "h", "/p?q"),
        ("https://h:443/p", (True, "h", 443), "h", "/p"),
        ("http://h:443/p", (False, "h", 443), "h:443", "/p"),
        ("http://H.Example:8080", (False, "h.example", 8080), "h.example:8080", "/"),
        ("http://[::1]:8080/x", (False, "::1", 8080), "[::1]:8080", "/x"),
        ("https://[2001:db8::1]/x", (True, "2001:db8::1", 443), "[2001:db8::1]", "/x"),
        ("http://bücher.example/", (False, "xn--bcher-kva.example", 80), "xn--bcher-kva.example", "/"),
        ("http://h/ä", (False, "h", 80), "h", "/%C3%A4"),
        ("http://h/p#fragment", (False, "h", 80), "h", "/p"),
        ("http://h?q=1", (False, "h", 80), "h", "/?q=1"),
        ("http://user@h/p", (False, "h", 80), "h", "/p"),
    ],
)
def test_addresses(url: str, origin: tuple[bool, str, int], host: str, target: str) -> None:
    address = parse(url)
    assert address.origin == Origin(*origin, None)
    assert (address.host, address.target) == (host, target)


@pytest.mark.parametrize(
    "url", ["", "h/p", "ftp://h/", "http:///p", "http://", "http://h:99999/", "http://h:x/", "http://[::1/", "http://h/a b", "http://h/\r\nx: y", "http://h\t/"]
)
async def test_what_is_no_url(url: str) -> None:
    async with Client() as own:
        with pytest.raises(ApiError, match="the upstream `up` has an address that is not a URL") as caught:
            await own.post(url, b"{}", {}, "up")
        assert caught.value.kind == "internal"


async def test_addresses_are_remembered_but_not_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counted(url: str) -> Address:
        parsed.append(url)
        return parse(url)

    monkeypatch.setattr(client_module, "parse", counted)
    monkeypatch.setattr(client_module, "_ADDRESSES_KEPT", 10)
    async with peer([http()]) as up, Client() as own:
        for n in range(25):
            for _ in range(3):
                await (await own.post(f"{up.url}/{n}", b"", {}, "up")).read()
        assert len(parsed) == 25
        assert len(own._addresses) <= 10
        assert up.connections == 1, "the pool outlives forgotten addresses"


# ---------------------------------------------------------------- words for failures


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (Failure("timeout", "sleeps"), "timeout", "the upstream `x` sleeps"),
        (Failure("timeout", "sleeps", "deeply"), "timeout", "the upstream `x` sleeps (deeply)"),
        (TimeoutError(), "timeout", "the upstream `x` did not accept the connection in time"),
        (ConnectionRefusedError(111, "refused"), "upstream_failed", "the upstream `x` cannot be reached ([Errno 111] refused)"),
        (RuntimeError("secret"), "upstream_failed", "the upstream `x` failed (RuntimeError)"),
    ],
)
def test_failures(error: Any, kind: str, message: str) -> None:
    found = failure(error, "x")
    assert (found.kind, found.message) == (kind, message)
