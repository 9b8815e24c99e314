"""Making connections: names, several addresses, TLS with a certificate made for the test, proxies and tunnels."""

import asyncio
import base64
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.upstream import dial
from llm_api_converter.upstream.client import Client

from .wire import CUT, HANG, http, listening, peer, read_request, until

pytestmark = pytest.mark.anyio
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="no `openssl` to make a certificate with")


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    dial.tls_context.cache_clear()
    yield
    dial.tls_context.cache_clear()


async def refused(url: str) -> ApiError:
    async with Client() as own:
        with pytest.raises(ApiError) as caught:
            await own.post(url, b"{}", {}, "up")
        assert all(x.unused for x in own._pools.values())
        return caught.value


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that refuses: somebody holds it, and nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield int(sock.getsockname()[1])


# ---------------------------------------------------------------- names and addresses


async def test_nobody_listens(dead_port: int) -> None:
    error = await refused(f"http://127.0.0.1:{dead_port}/")
    assert error.kind == "upstream_failed"
    assert error.message.startswith(f"the upstream `up` cannot be reached (127.0.0.1:{dead_port}: ")


async def test_a_name_nobody_knows() -> None:
    error = await refused("http://no-such-host.invalid/")
    assert error.kind == "upstream_failed"
    assert error.message.startswith("the upstream `up` has a host name that cannot be resolved (no-such-host.invalid: ")


async def test_a_connection_that_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 0.2)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        fill = [socket.socket() for _ in range(4)]
        try:
            for sock in fill:
                sock.setblocking(False)
                sock.connect_ex(("127.0.0.1", port))
            error = await refused(f"http://127.0.0.1:{port}/")
        finally:
            for sock in fill:
                sock.close()
    assert (error.kind, error.message) == ("timeout", "the upstream `up` did not accept the connection in time")


def names(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> list[str]:
    """`many.test` has these addresses; gives the list of look-ups."""
    asked: list[str] = []

    async def addresses(host: str, port: int) -> list[Any]:
        asked.append(host)
        await asyncio.sleep(0.01)
        if host == "down.test":
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [(socket.AF_INET, (x, port)) for x in hosts]

    monkeypatch.setattr(dial, "_addresses", addresses)
    return asked


async def test_the_next_address_is_tried_when_one_refuses(dead_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, "127.0.0.2", "127.0.0.3", "127.0.0.1")
    async with peer([http()]) as up, Client() as own:
        assert await (await own.post(f"http://many.test:{up.port}/", b"", {}, "up")).read() == b"ok"
        assert dict(up.requests[0].headers)["host"] == f"many.test:{up.port}"
    error = await refused(f"http://many.test:{dead_port}/")
    assert "cannot be reached" in error.message


async def test_an_address_that_leads_nowhere_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "STAGGER_S", 0.03)
    names(monkeypatch, "127.0.0.9", "127.0.0.1")
    connect = dial._connect
    left: list[bool] = []

    async def blackhole(target: Any) -> socket.socket:
        if target[1][0] == "127.0.0.9":
            try:
                await asyncio.sleep(60)
            finally:
                left.append(True)
        return await connect(target)

    monkeypatch.setattr(dial, "_connect", blackhole)
    async with peer([http()]) as up, Client() as own:
        async with asyncio.timeout(2):
            assert await (await own.post(f"http://many.test:{up.port}/", b"", {}, "up")).read() == b"ok"
        await until(lambda: left == [True])


async def test_who_comes_second_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "STAGGER_S", 0.0)
    both = asyncio.Event()
    made: list[socket.socket] = []

    async def connect(target: Any) -> socket.socket:
        made.append(socket.socket())
        if len(made) == 2:
            both.set()
        own = made[-1]
        await both.wait()
        return own

    monkeypatch.setattr(dial, "_connect", connect)
    winner = await dial._race([(socket.AF_INET, ("127.0.0.1", 1)), (socket.AF_INET, ("127.0.0.2", 1))])
    await asyncio.sleep(0)
    assert winner.fileno() != -1
    assert [x.fileno() for x in made if x is not winner] == [-1]
    winner.close()


async def test_look_ups_are_shared_and_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch, "127.0.0.1")
    async with peer([http(b"ok", "connection: close")]) as up, Client() as own:
        url = f"http://many.test:{up.port}/"
        for _ in range(3):
            await asyncio.gather(*[own.post(url, b"", {}, "up") for _ in range(5)])
        assert asked == ["many.test"]
        tasks = [asyncio.create_task(own.post(f"http://other.test:{up.port}/", b"", {}, "up")) for _ in range(2)]
        await asyncio.sleep(0.005)
        tasks[0].cancel()  # the one who asked first leaves
        assert (await tasks[1]).status == 200
        assert asked == ["many.test", "other.test"]


async def test_failed_look_ups_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch)
    async with Client() as own:
        for _ in range(2):
            with pytest.raises(ApiError, match="cannot be resolved"):
                await own.post("http://down.test/", b"", {}, "up")
    assert len(asked) == 2


async def test_names_are_asked_again_after_a_while_and_after_a_failure(dead_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = names(monkeypatch, "127.0.0.1")
    async with peer([http(b"", "connection: close")]) as up, Client() as own:
        await own.post(f"http://many.test:{up.port}/", b"", {}, "up")
        monkeypatch.setattr(dial, "NAMES_KEPT_S", -1.0)
        own._dialer._names.clear()
        for _ in range(2):
            await own.post(f"http://many.test:{up.port}/", b"", {}, "up")
        assert len(asked) == 3
    monkeypatch.setattr(dial, "NAMES_KEPT_S", 60.0)
    asked.clear()
    async with Client() as own:
        for _ in range(2):
            with pytest.raises(ApiError, match="cannot be reached"):
                await own.post(f"http://many.test:{dead_port}/", b"", {}, "up")
    assert len(asked) == 2


async def test_localhost_by_its_name() -> None:
    async with peer([http()]) as up, Client() as own:
        assert await (await own.post(f"http://localhost:{up.port}/", b"", {}, "up")).read() == b"ok"


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for localhost, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    whole = folder / "both.pem"
    whole.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return whole


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


@needs_openssl
async def test_tls_with_a_certificate_that_is_known(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = server_tls(certificate)
    seen: list[str | None] = []
    tls.sni_callback = lambda _sock, name, _context: seen.append(name)
    async with peer([http()], [http(b"x" * 3_000_000)], [http(b"ok")], tls=tls) as up, Client() as own:
        assert await (await own.post(up.url, b"{}", {}, "up")).read() == b"ok"
        assert await (await own.post(up.url, b"y" * 2_000_000, {}, "up")).read() == b"x" * 3_000_000
        assert await (await own.post(up.url, b"{}", {}, "up")).read() == b"ok"
        assert (up.connections, seen) == (1, ["localhost"])
        assert up.writers[0].get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        assert up.requests[1].body == b"y" * 2_000_000


@needs_openssl
async def test_tls_bodies_until_the_end_cuts_and_departures(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    scripts: list[list[object]] = [[b"HTTP/1.1 200 X\r\n\r\nabc", CUT], [http(b"abc")[:-1], CUT], [http(b"abc")[:-1], HANG]]
    async with peer(*scripts, tls=server_tls(certificate)) as up, Client() as own:
        assert await (await own.post(up.url, b"{}", {}, "up")).read() == b"abc"
        with pytest.raises(ApiError, match="cut its answer short"):
            await (await own.post(up.url, b"{}", {}, "up")).read()
        answer = await own.post(up.url, b"{}", {}, "up")
        answer.close()
        await until(lambda: up.open == 0, 0.5)


@needs_openssl
async def test_tls_with_a_certificate_nobody_vouches_for(certificate: Path) -> None:
    async with peer([http()], tls=server_tls(certificate)) as up:
        error = await refused(up.url)
        assert not up.requests
    assert error.kind == "upstream_failed"
    assert "has a TLS certificate that cannot be verified" in error.message


@needs_openssl
async def test_tls_with_a_certificate_for_another_name(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with peer([http()], tls=server_tls(certificate)) as up:
        error = await refused(f"https://127.0.0.1:{up.port}/")
        assert not up.requests
    assert "has a TLS certificate that cannot be verified" in error.message


async def test_tls_where_there_is_none() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(http(b"", status=400))
        writer.close()

    async with listening(plain) as port:
        error = await refused(f"https://127.0.0.1:{port}/")
    assert error.kind == "upstream_failed"
    assert "failed in TLS" in error.message


async def test_tls_that_is_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 0.2)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(silent) as port:
        error = await refused(f"https://127.0.0.1:{port}/")
    assert (error.kind, error.message) == ("timeout", "the upstream `up` did not accept the connection in time")


# ---------------------------------------------------------------- proxies


TUNNEL_OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


@asynccontextmanager
async def proxy(answer: bytes = TUNNEL_OPEN, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """A tiny proxy: (port, heads of the requests it got). CONNECT is joined to the place it names, all else answered with "by proxy"."""
    heads: list[str] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (request := await read_request(reader, 0)) is not None:
            heads.append(request.head.decode())
            if not request.line.startswith("CONNECT "):
                writer.write(http(b"by proxy"))
                continue
            writer.write(answer[:10])
            await asyncio.sleep(0.005)
            writer.write(answer[10:])
            if answer == TUNNEL_OPEN:
                host, port = request.line.split()[1].rsplit(":", 1)
                far_reader, far_writer = await asyncio.open_connection(host, int(port))
                await asyncio.gather(pipe(reader, far_writer), pipe(far_reader, writer), return_exceptions=True)
                far_writer.close()
            break
        writer.close()

    async with listening(handle, tls) as port:
        yield port, heads


async def test_plain_urls_go_through_the_proxy_in_absolute_form(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as (port, heads):
        monkeypatch.setenv("http_proxy", f"http://me:s%20cret@127.0.0.1:{port}/")
        async with Client() as own:
            for path in ("/a%2Fb?c=d", "/"):
                assert await (await own.post(f"http://upstream.test:8080{path}", b"{}", {"x": "y"}, "up")).read() == b"by proxy"
    credential = base64.b64encode(b"me:s cret").decode()
    assert heads[0].split("\r\n") == [
        "POST http://upstream.test:8080/a%2Fb?c=d HTTP/1.1", "host: upstream.test:8080", f"proxy-authorization: Basic {credential}", "x: y", "content-length: 2",
    ]  # fmt: skip
    assert heads[1].startswith("POST http://upstream.test:8080/ HTTP/1.1\r\n")


@pytest.mark.parametrize("rule", ["127.0.0.1", "*", "example.org, 127.0.0.1"])
async def test_no_proxy_is_heeded(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", rule)
    async with peer([http()]) as up, Client() as own:
        assert await (await own.post(up.url, b"{}", {}, "up")).read() == b"ok"
        assert up.requests[0].line == "POST /v1 HTTP/1.1"


async def test_no_proxy_may_name_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as (port, _), peer([http()]) as up, Client() as own:
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", f"127.0.0.1:{up.port}")
        assert await (await own.post(up.url, b"{}", {}, "up")).read() == b"ok"
        assert await (await own.post("http://127.0.0.1:1/", b"{}", {}, "up")).read() == b"by proxy"


@needs_openssl
@pytest.mark.parametrize("secure", [False, True], ids=["http-proxy", "https-proxy"])
async def test_https_urls_go_through_a_tunnel(secure: bool, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = server_tls(certificate)
    async with proxy(tls=tls if secure else None) as (port, heads), peer([http(b"z" * 500_000)], tls=tls) as up, Client() as own:
        monkeypatch.setenv("https_proxy", f"{'https' if secure else 'http'}://me:pw@localhost:{port}")
        for _ in range(3):
            assert await (await own.post(up.url, b"q" * 300_000, {"secret": "s"}, "up")).read() == b"z" * 500_000
        assert (up.connections, len(up.requests), up.requests[0].body) == (1, 3, b"q" * 300_000)
        assert up.requests[0].line == "POST /v1 HTTP/1.1"
        assert "proxy-authorization" not in dict(up.requests[0].headers)
        credential = base64.b64encode(b"me:pw").decode()
        place = f"localhost:{up.port}"
        assert heads == [f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\nproxy-authorization: Basic {credential}"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "(its proxy answered 407 Proxy Authentication Required)"),
        (b"SSH-2.0-OpenSSH_9.6 and more\r\n\r\n", "(its proxy does not speak HTTP)"),
        (b"HTTP/1.1 200 OK\r\n\r\nearly", "(its proxy does not speak HTTP)"),
        (b"HTTP/1.1 200", "(its proxy closed the connection)"),
        (b"", "(its proxy closed the connection)"),
        (b"x" * 70_000, "(its proxy does not speak HTTP)"),
    ],
)
async def test_tunnels_that_are_refused(answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(answer) as (port, _):
        monkeypatch.setenv("https_proxy", f"http://me:pw@127.0.0.1:{port}")
        error = await refused("https://upstream.test/v1")
    assert error.kind == "upstream_failed"
    assert error.message == f"the upstream `up` cannot be reached {words}"


async def test_a_proxy_that_refuses_and_stays_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left = asyncio.Event()

    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        await reader.read()
        left.set()
        writer.close()

    async with listening(stay) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        assert "403 Forbidden" in (await refused("https://upstream.test/v1")).message
        async with asyncio.timeout(0.5):
            await left.wait()


async def test_a_proxy_that_is_down(dead_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", f"http://me:pw@127.0.0.1:{dead_port}")
    error = await refused("https://upstream.test/v1")
    assert "cannot be reached" in error.message
    assert "pw" not in error.message


@pytest.mark.parametrize("named", ["socks5://127.0.0.1:1080", "http://", "http://h:x"])
async def test_proxies_of_other_kinds_are_refused_by_name(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", named)
    error = await refused("https://upstream.test/v1")
    assert error.kind == "internal"
    assert "has a proxy whose address is not an http:// or https:// URL" in error.message
