"""Answers: every way a body may be framed, broken or cut, at every split, on real sockets."""

import asyncio
import gzip
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.upstream.client import Client
from llm_api_converter.upstream.connection import HEAD_BYTES, UNREAD_BYTES, Connection

from .wire import CUT, HANG, RESET, Script, chunked, http, peer, until

pytestmark = pytest.mark.anyio

BODY = b'{"a": "some answer"}'


async def fetch(script: Script, **client: Any) -> tuple[int, dict[str, str], bytes]:
    async with peer(script) as up, Client(**client) as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        return answer.status, dict(answer.headers), await answer.read()


async def fails(script: Script, **client: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await fetch(script, **client)
    return caught.value


# name, bytes of the answer (then the connection is closed), status, body
WHOLE: dict[str, tuple[bytes, int, bytes]] = {
    "length": (http(BODY), 200, BODY),
    "empty": (http(b""), 200, b""),
    "chunks": (chunked(b"ab", b"c" * 20, b"d"), 200, b"ab" + b"c" * 20 + b"d"),
    "no chunks": (chunked(), 200, b""),
    "extensions and trailers": (chunked(b"ab", b"cd", extension=';x="y"', trailers="t: 1\r\nu: 2\r\n"), 200, b"abcd"),
    "until the end": (b"HTTP/1.1 200 OK\r\ncontent-type: x\r\n\r\nabc", 200, b"abc"),
    "until the end, nothing": (b"HTTP/1.1 200 OK\r\n\r\n", 200, b""),
    "version 1.0": (b"HTTP/1.0 200 OK\r\n\r\nabc", 200, b"abc"),
    "continue first": (b"HTTP/1.1 100 Continue\r\n\r\n" + http(BODY), 200, BODY),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 P\r\n\r\n" + http(BODY), 200, BODY),
    "no content": (b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", 204, b""),
    "not modified": (b"HTTP/1.1 304 X\r\ntransfer-encoding: chunked\r\n\r\n", 304, b""),
    "an error": (http(BODY, status=429), 429, BODY),
    "no reason": (b"HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nok", 200, b"ok"),
    "bare line feeds": (b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", 200, b"ok"),
    "blanks behind the size": (b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n2  \r\nok\r\n0\r\n\r\n", 200, b"ok"),
}


@pytest.mark.parametrize("name", WHOLE)
async def test_every_framing_split_at_every_byte(name: str) -> None:
    data, status, body = WHOLE[name]
    scripts: list[Script] = [[data, CUT]] + [[data[:n], 0.002, data[n:], CUT] for n in range(1, len(data))]
    async with peer(*scripts) as up, Client() as own:

        async def one() -> None:
            answer = await own.post(up.url, b"{}", {}, "up")
            assert answer.status == status
            assert await answer.read() == body
            assert "link" not in answer.headers
            assert "t" not in answer.headers
            assert "u" not in answer.headers

        for at in range(0, len(scripts), 16):
            await asyncio.gather(*[one() for _ in scripts[at : at + 16]])
    assert len(up.requests) == len(scripts)


@pytest.mark.parametrize("name", WHOLE)
async def test_every_framing_byte_by_byte(name: str) -> None:
    data, status, body = WHOLE[name]
    script: Script = []
    for n in range(len(data)):
        script += [data[n : n + 1], 0]
    got = await fetch([*script, CUT])
    assert (got[0], got[2]) == (status, body)


async def test_headers_are_lower_case_joined_and_latin_1() -> None:
    _, headers, _ = await fetch([http(b"", "X-One: a", "x-ONE: b", "Empty:", "Wide: \xe9", "Folded: a\r\n  b")])
    assert headers.pop("folded").split() == ["a", "b"]
    assert headers == {"x-one": "a, b", "empty": "", "wide": "\xe9", "content-length": "0"}


# what the upstream sends, the kind of error, words of its message
BROKEN: dict[str, tuple[Script, str, str]] = {
    "closed at once": ([CUT], "upstream_failed", "closed the connection without an answer"),
    "reset at once": ([RESET], "upstream_failed", "closed the connection without an answer"),
    "closed in the headers": ([b"HTTP/1.1 200 OK\r\ncontent-", CUT], "upstream_failed", "closed the connection without an answer"),
    "closed after 100": ([b"HTTP/1.1 100 Continue\r\n\r\n", CUT], "upstream_failed", "closed the connection without an answer"),
    "closed in the body": ([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", CUT], "upstream_incomplete", "cut its answer short"),
    "closed before the body": ([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", CUT], "upstream_incomplete", "cut its answer short"),
    "closed in the chunks": ([chunked(b"abc")[:-5], CUT], "upstream_incomplete", "cut its answer short"),
    "closed before the last line": ([chunked(b"abc")[:-1], CUT], "upstream_incomplete", "cut its answer short"),
    "reset in an open body": ([b"HTTP/1.1 200 OK\r\n\r\nabc", 0.02, RESET], "upstream_incomplete", "cut its answer short"),
    "bad chunk": ([b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"], "upstream_incomplete", "cut its answer short"),
    "ssh": ([b"SSH-2.0-OpenSSH_9.6\r\n"], "upstream_failed", "does not speak HTTP"),
    "tls": ([b"\x15\x03\x01\x00\x02\x02\x46"], "upstream_failed", "does not speak HTTP"),
    "html": ([b"<html>\r\n\r\n"], "upstream_failed", "does not speak HTTP"),
    "two lengths": ([b"HTTP/1.1 200 X\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"], "upstream_failed", "does not speak HTTP"),
    "length and chunks": (
        [b"HTTP/1.1 200 X\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"], "upstream_failed", "does not speak HTTP",
    ),
    "switching": ([b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"], "upstream_failed", "(status 101)"),
    "status 99": ([b"HTTP/1.1 099 S\r\n\r\n"], "upstream_failed", "(status 99)"),
    "large header": ([http(b"", "x: " + "a" * HEAD_BYTES)], "upstream_failed", "too large"),
    "many headers": ([http(b"", *[f"x{n}: {n:060}" for n in range(1200)])], "upstream_failed", "too large"),
    "header without an end": ([b"HTTP/1.1 200 X\r\nx: ", *([b"a" * 1000, 0] * 70), HANG], "upstream_failed", "too large"),
    "interim answers without an end": ([b"HTTP/1.1 100 C\r\n\r\n" * 4000, HANG], "upstream_failed", "too large"),
    "silence": ([HANG], "timeout", "sent nothing for too long"),
    "slow header": ([b"HTTP/1.1 200 OK\r\nx: ", *([b"a", 0.06] * 10), HANG], "timeout", "sent nothing for too long"),
    "silence in the body": ([b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", HANG], "timeout", "sent nothing for too long"),
    "silence in a chunk": ([chunked(b"abc")[:-7], HANG], "timeout", "sent nothing for too long"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
async def test_what_goes_wrong_is_said(name: str) -> None:
    script, kind, words = BROKEN[name]
    error = await fails(script, idle_timeout_s=0.25)
    assert error.kind == kind
    assert error.message.startswith("the upstream `up` ")
    assert words in error.message


async def test_large_headers_below_the_limit_pass() -> None:
    _, headers, body = await fetch([http(b"b" * 300_000, "x: " + "a" * (HEAD_BYTES - 200))])
    assert len(headers["x"]) == HEAD_BYTES - 200
    assert len(body) == 300_000


async def test_what_has_come_is_read_before_the_failure() -> None:
    async with peer([chunked(b"abc")[:-5], CUT]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        await until(lambda: up.open == 0)
        assert await answer.read_some() == b"abc"
        with pytest.raises(ApiError, match="cut its answer short"):
            await answer.read_some()


async def test_silence_counts_from_the_last_bytes() -> None:
    pieces: Script = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *[x for _ in range(8) for x in (b"1\r\na\r\n", 0.08)]]
    _, _, body = await fetch([*pieces, b"0\r\n\r\n"], idle_timeout_s=0.3)
    assert body == b"a" * 8


async def test_bytes_that_give_no_body_yet_are_no_silence() -> None:
    slow: Script = [x for n in range(8) for x in (b"0", 0.08)]
    _, _, body = await fetch([b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *slow, b"1\r\na\r\n0\r\n\r\n"], idle_timeout_s=0.3)
    assert body == b"a"


async def test_interim_answers_are_no_silence() -> None:
    alive: Script = [x for _ in range(8) for x in (b"HTTP/1.1 102 Processing\r\n\r\n", 0.08)]
    assert (await fetch([*alive, http(BODY)], idle_timeout_s=0.3))[2] == BODY


async def test_one_read_gives_all_that_has_come() -> None:
    async with peer([chunked(*[b"x%02d" % n for n in range(50)])]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        await asyncio.sleep(0.05)
        assert await answer.read_some() == b"".join(b"x%02d" % n for n in range(50))
        assert await answer.read_some() == b""
        assert await answer.read_some() == b""
        assert await answer.read() == b""


async def test_read_after_read_some_gives_the_rest() -> None:
    async with peer([chunked(b"abc")[:-5], 0.03, b"3\r\ndef\r\n0\r\n\r\n"]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        assert await answer.read_some() == b"abc"
        assert await answer.read() == b"def"


async def test_an_answer_that_was_closed_says_so() -> None:
    async with peer([http(b"abc")[:-1], HANG]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        answer.close()
        answer.close()
        with pytest.raises(ApiError, match="closed on this side"):
            await answer.read()


# ---------------------------------------------------------------- compressed bodies


TEXT = b"data: " + b"something said again and again. " * 3000
RAW = zlib.compressobj(wbits=-15)
PACKED: dict[str, tuple[str, bytes, bytes]] = {
    "gzip": ("gzip", gzip.compress(TEXT), TEXT),
    "x-gzip": ("X-GZip", gzip.compress(TEXT), TEXT),
    "two members": ("gzip", gzip.compress(b"one") + gzip.compress(b"two"), b"onetwo"),
    "padded": ("gzip", gzip.compress(b"one") + b"\0\0\0", b"one"),
    "deflate": ("deflate", zlib.compress(TEXT), TEXT),
    "raw deflate": ("deflate", RAW.compress(TEXT) + RAW.flush(), TEXT),
    "nothing": ("gzip", b"", b""),
    "identity": ("identity", b"plain", b"plain"),
    "large": ("gzip", gzip.compress(b"0" * 5_000_000), b"0" * 5_000_000),
}


@pytest.mark.parametrize("name", PACKED)
async def test_bodies_compressed_unasked_are_unpacked(name: str) -> None:
    coding, data, text = PACKED[name]
    status, headers, body = await fetch([http(data, f"content-encoding: {coding}", "x: y")])
    assert (status, body) == (200, text)
    assert headers.get("content-encoding") == (None if coding != "identity" else "identity")
    assert headers["x"] == "y"


async def test_a_compressed_stream_comes_as_it_goes() -> None:
    pack = zlib.compressobj(wbits=31)
    first = pack.compress(b"first") + pack.flush(zlib.Z_SYNC_FLUSH)
    rest = pack.compress(b"second") + pack.flush()
    head = b"HTTP/1.1 200 X\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n"
    async with peer([head + b"%x\r\n%b\r\n" % (len(first), first), 0.1, b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest)]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        assert await answer.read_some() == b"first"
        assert await answer.read_some() == b"second"
        assert await answer.read_some() == b""
        await (await own.post(up.url, b"{}", {}, "up")).read()
        assert up.connections == 1


async def test_a_small_body_that_swells_comes_in_bounded_pieces() -> None:
    async with peer([http(gzip.compress(b"0" * 20_000_000), "content-encoding: gzip")]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        sizes = []
        while piece := await answer.read_some():
            sizes.append(len(piece))
    assert sum(sizes) == 20_000_000
    assert max(sizes) <= 1024 * 1024


@pytest.mark.parametrize(
    ("coding", "data", "kind", "words"),
    [
        ("gzip", gzip.compress(TEXT)[:-9], "upstream_incomplete", "cut its answer short"),
        ("gzip", b"not packed at all", "upstream_failed", "cannot be unpacked"),
        ("br", b"x", "upstream_failed", "nobody asked for (br)"),
    ],
)
async def test_compressed_bodies_that_cannot_be_read(coding: str, data: bytes, kind: str, words: str) -> None:
    error = await fails([http(data, f"content-encoding: {coding}")])
    assert error.kind == kind
    assert words in error.message


# ---------------------------------------------------------------- back pressure


async def test_50_mb_with_a_slow_reader_stay_bounded() -> None:
    block = bytes(range(256)) * 4096
    async with peer([b"HTTP/1.1 200 X\r\ncontent-length: %d\r\n\r\n" % (50 * len(block)), *[block] * 50]) as up, Client() as own:
        answer = await own.post(up.url, b"{}", {}, "up")
        await asyncio.sleep(0.2)
        held = up.sent
        assert held < 20 * len(block), "the sender was not slowed down"
        got, at, biggest = 0, 0, 0
        while piece := await answer.read_some():
            assert piece[0] == at % 256
            got, at, biggest = got + len(piece), at + len(piece), max(biggest, len(piece))
        assert got == 50 * len(block)
        assert biggest <= 2 * UNREAD_BYTES
        await (await own.post(up.url, b"{}", {}, "up")).read()
        assert up.connections == 1


async def test_a_body_read_whole_is_not_held_up() -> None:
    block = b"x" * 1_000_000
    _, _, body = await fetch([b"HTTP/1.1 200 X\r\n\r\n", *[block] * 12, CUT])
    assert body == block * 12


# ---------------------------------------------------------------- any chunking


class Still(asyncio.Transport):
    """A transport that goes nowhere."""

    def write(self, data: Any) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0


BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    BODIES, st.sampled_from(["length", "chunked", "end"]), st.lists(st.integers(1, 30), min_size=1, max_size=12), st.booleans(),
)  # fmt: skip
def test_any_chunking_and_any_reads_give_the_same_body(pieces: list[bytes], framing: str, sizes: list[int], interim: bool) -> None:
    body = b"".join(pieces)
    data = {"length": http(body), "chunked": chunked(*pieces, trailers="a: b\r\n"), "end": b"HTTP/1.1 200 X\r\n\r\n" + body}[framing]
    data = b"HTTP/1.1 100 Continue\r\n\r\n" + data if interim else data

    async def run() -> None:
        connection = Connection(5.0, lambda _: None)
        connection.connection_made(Still())
        for _ in range(2 if framing != "end" else 1):  # the second answer on the same parser
            connection.send([b"x"])
            got, at, turn = b"", 0, 0
            while at < len(data):
                size = sizes[turn % len(sizes)]
                connection.data_received(data[at : at + size])
                at, turn = at + size, turn + 1
                if turn % 3 == 0:
                    got += connection.take()
            if framing == "end":
                connection.eof_received()
            assert connection.over
            assert connection.failed is None
            assert got + connection.take() == body
            assert "a" not in connection.headers
            assert connection.rest(0.0) is (framing != "end")

    asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"HTTP/1.1 200 X\r\n", http(b"abc"), chunked(b"abc")[:-5]]))
def test_garbage_never_gets_through_as_an_exception(garbage: bytes, start: bytes) -> None:
    async def run() -> None:
        connection = Connection(5.0, lambda _: None)
        connection.connection_made(Still())
        connection.send([b"x"])
        connection.data_received(start)
        connection.data_received(garbage)
        connection.connection_lost(None)
        assert connection.over or connection.failed is not None

    asyncio.run(run())
