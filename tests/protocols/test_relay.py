import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.framing.aws_event_stream import aws_event
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Delta, Event
from llm_api_converter.protocols.relay import Relay, parse, read_head, tap_response, whole_aws, whole_sse, with_model, with_usage_asked

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10**9, 10**9) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["model", "a", 'q"\\', "messages"]), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "messages", "x"]), JSON), st.text(min_size=1), st.integers(0, 3), st.booleans())
def test_only_the_models_bytes_change(rest: dict[str, object], model: str, place: int, ascii_only: bool) -> None:
    fields = list(rest.items())
    fields.insert(min(place, len(fields)), ("model", model))
    body = json.dumps(dict(fields), indent=place or None, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    before = json.dumps(model, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    out = with_model(body, "neu")
    want = dict(fields) | {"model": "neu"}
    assert json.loads(out) == want
    assert list(json.loads(out)) == list(want)
    assert len(out) == len(body) - len(before) + len(b'"neu"')


def test_a_body_without_a_model() -> None:
    with pytest.raises(ApiError, match="model: required"):
        with_model(b'{"x": {"model": "inner"}}', "m")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"), (b"  ", "empty"), (b'{"a":', "not valid JSON at byte 5"), (b'{"a": 1,}', "not valid JSON at byte 8"),
        (b"[1]", "is not a request"), (b'"\xff"', "not UTF-8"), (b'{"stream_options": 3}', "stream_options"),
    ],
)
def test_what_is_no_request_is_said(body: bytes, said: str) -> None:
    with pytest.raises(ApiError, match=said) as caught:
        read_head(body)
    assert caught.value.kind == "invalid"


def test_the_head() -> None:
    head = read_head(b'{"messages": [{"model": "inner"}], "model": "m", "stream": true, "stream_options": {"x": 1}}')
    assert (head.model, head.stream, head.stream_options is not None) == ("m", True, True)
    assert parse(b"[1, 2]") == [1, 2]


@pytest.mark.parametrize("read", [parse, read_head])
def test_a_body_that_is_nested_without_end_is_refused(read: Any) -> None:
    with pytest.raises(ApiError, match="nested too deep"):
        read(b'{"model": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")


@pytest.mark.parametrize(
    ("body", "want"),
    [
        (b'{"model":"m"}', b'{"stream_options":{"include_usage":true},"model":"m"}'),
        (b'{"model":"m","stream_options":{"x":1}}', b'{"model":"m","stream_options":{"x":1,"include_usage":true}}'),
        (b'{"model":"m","stream_options":{"include_usage":false}}', b'{"model":"m","stream_options":{"include_usage":true}}'),
    ],
)
def test_usage_is_asked_for(body: bytes, want: bytes) -> None:
    assert with_usage_asked(body, read_head(body)) == want


@pytest.mark.parametrize(
    ("data", "whole"),
    [(b"", 0), (b"data: 1", 0), (b"data: 1\n\nda", 9), (b"data: 1\r\n\r\nda", 11), (b"a\n\n", 3), (b"a\r\n\r\nb\n\nc", 8)],
)
def test_whole_events(data: bytes, whole: int) -> None:
    assert whole_sse(data) == whole


def test_whole_frames() -> None:
    frame = aws_event({":event-type": "x"}, b"{}")
    assert [whole_aws((frame + frame)[:n]) for n in (0, 3, len(frame) - 1, len(frame), len(frame) + 5)] == [0, 0, 0, len(frame), len(frame)]
    assert whole_aws(frame * 2) == len(frame) * 2
    assert whole_aws(b"\0\0\0\1" * 8) == 0


class Tap:
    """Sees each read as one delta; breaks on the word `break`."""

    def feed(self, data: bytes) -> list[Event]:
        if b"break" in data:
            raise ValueError("a defect")
        return [Delta(0, data.decode())]

    def finish(self) -> list[Event]:
        return []


@given(st.lists(st.sampled_from([b"data: a\n\n", b"data: bb", b"\n\n", b": c\n\n", b"data: d\r\n\r\n", b"x"])))
def test_every_byte_of_whole_events_goes_out_in_order(reads: list[bytes]) -> None:
    relay = Relay(Tap(), "text/event-stream; charset=utf-8")
    out = [relay.feed(x) for x in reads]
    whole = b"".join(reads)
    assert b"".join(out) == whole[:whole_sse(whole)]
    assert all(not x or x.endswith((b"\n\n", b"\r\n\r\n")) for x in out)
    assert relay.finish() == b""


def test_a_tap_that_breaks_disturbs_nothing() -> None:
    relay = Relay(Tap(), "text/event-stream")
    assert relay.feed(b"data: break\n\n") == b"data: break\n\n"
    assert isinstance(relay.tap_error, ValueError)
    assert relay.feed(b"data: on\n\n") == b"data: on\n\n"
    assert relay.events == []


NULL = b'data: {"choices":[{}],"usage":null}\n\n'
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 1}}\n\n'


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (NULL + USAGE + b"data: [DONE]\n\n", NULL + b"data: [DONE]\n\n"),
        (b'data: {"choices":[{"delta":{}}],"usage":{"a":1}}\n\n', b'data: {"choices":[{"delta":{}}],"usage":{"a":1}}\n\n'),
        (b'data: "usage": {"broken\n\n', b'data: "usage": {"broken\n\n'),
        (USAGE, b""),
    ],
)
def test_only_a_chunk_of_nothing_but_usage_is_dropped(data: bytes, want: bytes) -> None:
    assert Relay(Tap(), "text/event-stream", drop_usage=True).feed(data) == want


def test_the_first_name_of_a_stream_is_replaced_and_only_that() -> None:
    first, later = b'event: a\ndata: {"message":{"id":"m","model":"up","content":[]}}\n\n', b'data: {"text":"\\"model\\":\\"up\\"","model":"up"}\n\n'
    ping = b"event: ping\ndata: {}\n\n"
    whole = ping + first + later
    want = ping + first.replace(b'"up"', b'"asked/\xc3\xa9"') + later
    for size in (1, 7, len(whole)):
        relay = Relay(Tap(), "text/event-stream", model="asked/é")
        assert b"".join(relay.feed(whole[i:i + size]) for i in range(0, len(whole), size)) == want


def test_the_tap_of_a_plain_answer_never_raises() -> None:
    def refuse(_: bytes) -> None:
        raise ApiError("upstream_failed", "no")

    assert tap_response(refuse, b"x") is None
    assert tap_response(len, b"abc") == 3
