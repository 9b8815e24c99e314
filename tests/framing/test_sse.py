import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.framing.sse import SseReader, sse_data, sse_event

# (bytes on the wire, events, comments)
STREAMS: list[tuple[bytes, list[tuple[bytes, bytes]], int]] = [
    (b"", [], 0),
    (b"data: a\n\n", [(b"", b"a")], 0),
    (b"data:a\n\n", [(b"", b"a")], 0),
    (b"data:  a\n\n", [(b"", b" a")], 0),
    (b"data:\n\n", [(b"", b"")], 0),
    (b"event: ping\ndata: {}\n\n", [(b"ping", b"{}")], 0),
    (b"data: {}\nevent: ping\n\n", [(b"ping", b"{}")], 0),
    (b"event: x\n\ndata: a\n\n", [(b"", b"a")], 0),
    (b"event: x\ndata: a\n\ndata: b\n\n", [(b"x", b"a"), (b"", b"b")], 0),
    (b"data: a\ndata: b\ndata:\n\n", [(b"", b"a\nb\n")], 0),
    (b": hello\n\ndata: a\n\n:\n\n", [(b"", b"a")], 2),
    (b"id: 3\nretry: 10\ndata: a\nodd\n\n", [(b"", b"a")], 0),
    (b"data: a\r\n\r\ndata: b\r\n\r\n", [(b"", b"a"), (b"", b"b")], 0),
    (b"data: a\r\rdata: b\r\r", [(b"", b"a"), (b"", b"b")], 0),
    (b"event: x\r\ndata: a\ndata: b\r\r\n", [(b"x", b"a\nb")], 0),
    (b"\n\n\ndata: a\n\n\n\n", [(b"", b"a")], 0),
    # Separators that are line breaks elsewhere are text here.
    ('data: {"t":"a\u2028b\u2029c\u0085d\x0b\x0c"}\n\n'.encode(), [(b"", '{"t":"a\u2028b\u2029c\u0085d\x0b\x0c"}'.encode())], 0),
    # An event whose blank line never came.
    (b"data: a\n\ndata: b", [(b"", b"a"), (b"", b"b")], 0),
    (b"data: a\n\ndata: b\n", [(b"", b"a"), (b"", b"b")], 0),
    (b"event: x\ndata: b\r", [(b"x", b"b")], 0),
    (b"data: [DONE]\n\n", [(b"", b"[DONE]")], 0),
]


def read(pieces: list[bytes]) -> tuple[list[tuple[bytes, bytes]], int]:
    reader = SseReader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.finish(), reader.comments


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 7, 64, 10_000])
@pytest.mark.parametrize(("data", "events", "comments"), STREAMS)
def test_reads_alike_in_pieces_of_any_size(data: bytes, events: list[tuple[bytes, bytes]], comments: int, size: int) -> None:
    assert read(cut(data, size)) == (events, comments)


@given(st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"data: a", b"event: b", b":", b"", b"data:", b"x"]), max_size=12), st.data())
@settings(max_examples=300)
def test_any_two_cuts_read_alike(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    a, b = sorted((data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, len(whole)))))
    assert read([whole[:a], whole[a:b], whole[b:]]) == read([whole])


def test_an_event_is_given_as_soon_as_it_is_complete() -> None:
    reader = SseReader()
    assert reader.feed(b"data: a\r\n\r") == [(b"", b"a")]
    assert reader.feed(b"\ndata: b\n") == []
    assert reader.feed(b"\n") == [(b"", b"b")]
    assert reader.finish() == []


payloads = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20).map(str.encode)
names = st.sampled_from(["", "message_start", "ping"])


@given(st.lists(st.tuples(names, payloads), max_size=5), st.integers(1, 9))
@settings(max_examples=100)
def test_reads_what_it_writes(events: list[tuple[str, bytes]], size: int) -> None:
    wire = b"".join(sse_event(name, data) if name else sse_data(data) for name, data in events)
    assert read(cut(wire, size))[0] == [(name.encode(), data) for name, data in events]


def test_long_streams_are_read_in_linear_time() -> None:
    event = sse_data(b"x" * 100)
    assert len(read(list(itertools.repeat(event, 5000)))[0]) == 5000
