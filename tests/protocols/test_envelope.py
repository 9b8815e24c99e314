"""Anthropic's protocol in the envelopes of InvokeModel and rawPredict: requests, answers, streams, both directions."""

import base64
import json
from typing import Any

import msgspec
import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.framing.aws_event_stream import aws_event, aws_exception
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Failed, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols import codec
from llm_api_converter.protocols.base import Answer, Codec, Json
from llm_api_converter.protocols.envelope import BEDROCK, VERTEX, FramesToSse, SseToFrames, holds_messages, metered, refit, reframer
from tests.recordings import load, needs_recordings

PLAIN = codec("anthropic")
ASKED: Json = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
ANSWER = Answer(model="m", new_id=lambda prefix: prefix + "1")
EVENTS: list[Json] = [
    {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                                          "stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "žluť\u2028😀"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}},
]  # fmt: skip


def frame(event: Json) -> bytes:
    payload = json.dumps({"bytes": base64.b64encode(json.dumps(event, ensure_ascii=False).encode()).decode(), "p": "abc"}).encode()
    return aws_event({":event-type": "chunk", ":content-type": "application/json", ":message-type": "event"}, payload)


def sse(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode()


FRAMES = b"".join(map(frame, EVENTS))
SSE = b"".join(map(sse, EVENTS))


def by_botocore(frames: bytes) -> list[Json]:
    """What an AWS client reads out of the chunks."""
    buffer = EventStreamBuffer()
    buffer.add_data(frames)
    return [json.loads(base64.b64decode(json.loads(message.payload)["bytes"])) for message in buffer]


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[i:i + size] for i in range(0, len(data), size)] if size else [data]


# ----------------------------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("source", "to", "body", "headers", "expected", "sent"),
    [
        (PLAIN, BEDROCK, {**ASKED, "stream": True}, {"anthropic-version": "2023-06-01", "anthropic-beta": "a-1, b-2"},
         {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": ASKED["messages"], "anthropic_beta": ["a-1", "b-2"]}, {}),
        (PLAIN, BEDROCK, ASKED, {"anthropic-version": "2026-10-21"},
         {"anthropic_version": "2026-10-21", "max_tokens": 5, "messages": ASKED["messages"]}, {}),
        (PLAIN, VERTEX, {**ASKED, "stream": True}, {"anthropic-beta": "a-1"},
         {"anthropic_version": "vertex-2023-10-16", "max_tokens": 5, "messages": ASKED["messages"], "stream": True}, {"anthropic-beta": "a-1"}),
        (BEDROCK, PLAIN, {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5, "messages": [], "anthropic_beta": ["x"], "new": 1.50},
         {"anthropic-beta": "h"}, {"model": "target", "max_tokens": 5, "messages": [], "new": 1.50, "stream": True},
         {"anthropic-version": "2023-06-01", "anthropic-beta": "h,x"}),
        (BEDROCK, VERTEX, {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 5}, {},
         {"anthropic_version": "vertex-2023-10-16", "max_tokens": 5, "stream": True}, {}),
        (BEDROCK, PLAIN, {"anthropic_version": "2026-10-21"}, {}, {"model": "target", "stream": True}, {"anthropic-version": "2026-10-21"}),
    ],
)  # fmt: skip
def test_bodies_change_envelopes(source: Codec, to: Codec, body: Json, headers: dict[str, str], expected: Json, sent: dict[str, str]) -> None:
    stream = bool(body.get("stream", source is BEDROCK))
    changed, given_headers = refit(json.dumps(body).encode(), source, to, model="target", stream=stream, headers=headers)
    assert json.loads(changed) == expected
    assert given_headers == sent


def test_values_keep_their_bytes() -> None:
    body = b'{"model":"m","max_tokens":5,"x":1.0e2,"messages":[{"role":"user","content":"\\u00e9 \\/"}]}'
    changed, _ = refit(body, PLAIN, BEDROCK, model="t", stream=False, headers={})
    assert changed == b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"x":1.0e2,"messages":[{"role":"user","content":"\\u00e9 \\/"}]}'


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"anthropic_version":3}', b'{"anthropic_version":"x","anthropic_beta":"y"}', b"\xff"])
def test_bodies_that_cannot_be_refitted_are_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        refit(body, BEDROCK, PLAIN, model="m", stream=False, headers={})
    assert caught.value.kind == "invalid"


@pytest.mark.parametrize(("up", "stream", "path"), [
    (BEDROCK, False, "/model/us.anthropic.claude-x-v1%3A0/invoke"), (BEDROCK, True, "/model/us.anthropic.claude-x-v1%3A0/invoke-with-response-stream"),
    (VERTEX, False, "/publishers/anthropic/models/us.anthropic.claude-x-v1%3A0:rawPredict"),
    (VERTEX, True, "/publishers/anthropic/models/us.anthropic.claude-x-v1%3A0:streamRawPredict"),
])  # fmt: skip
def test_translated_requests_are_put_into_the_envelope(up: Codec, stream: bool, path: str) -> None:
    request = PLAIN.decode_request({**ASKED, "model": "us.anthropic.claude-x-v1:0", "stream": stream, "betas": ["b-1"]})
    wire = up.encode_request(request, Facts(), Ledger())
    assert wire.path == path
    assert "model" not in wire.body
    assert wire.body.get("stream", False) is (stream and up is VERTEX)
    assert wire.body["anthropic_version"] == {"bedrock": "bedrock-2023-05-31", "vertex": "vertex-2023-10-16"}[up.envelope]
    assert (wire.body.get("anthropic_beta"), wire.headers.get("anthropic-beta")) == ((["b-1"], None) if up is BEDROCK else (None, "b-1"))


def test_counting() -> None:
    request = PLAIN.decode_count_request(ASKED)  # type: ignore[misc]
    wire = BEDROCK.encode_count_request(request, Facts(), Ledger())  # type: ignore[misc]
    assert wire.path == "/model/m/count-tokens"
    inner = json.loads(base64.b64decode(wire.body["input"]["invokeModel"]["body"]))
    assert inner["anthropic_version"] == "bedrock-2023-05-31"
    assert inner["max_tokens"] > 0
    assert inner["messages"] == ASKED["messages"]
    assert BEDROCK.decode_count(b'{"inputTokens": 7}') == 7  # type: ignore[misc]
    wire = VERTEX.encode_count_request(request, Facts(), Ledger())  # type: ignore[misc]
    assert wire.path == "/publishers/anthropic/models/count-tokens:rawPredict"
    assert wire.body["model"] == "m"


def test_other_families_bodies_are_told_apart() -> None:
    assert holds_messages(b'{"anthropic_version": "x"}')
    assert holds_messages(b'{"anthropic_version": 3}')
    assert not any(holds_messages(body) for body in (b'{"inputText": "x"}', b'{"prompt": {"anthropic_version": 1}}'))


# ------------------------------------------------------------------------------------------------------------ streams


@pytest.mark.parametrize("size", [0, 1, 7, 64])
def test_frames_become_events_and_back(size: int) -> None:
    opened = FramesToSse()
    out = b"".join(opened.feed(piece) for piece in pieces(FRAMES, size))
    assert out == SSE
    closed = SseToFrames()
    assert by_botocore(b"".join(closed.feed(piece) for piece in pieces(SSE, size))) == EVENTS


@pytest.mark.parametrize("size", [0, 1, 7, 64])
def test_the_codec_reads_frames(size: int) -> None:
    decoder = BEDROCK.stream_decoder()
    events = [event for piece in pieces(FRAMES, size) for event in decoder.feed(piece)] + decoder.finish()
    check(events)
    plain = PLAIN.stream_decoder()
    assert fold(events) == fold([*plain.feed(SSE), *plain.finish()])


def test_the_codec_writes_frames() -> None:
    decoder = PLAIN.stream_decoder()
    response = fold([*decoder.feed(SSE), *decoder.finish()])
    encoder = BEDROCK.stream_encoder(ANSWER, Ledger())
    written = by_botocore(encoder.encode(unfold(response)))
    assert [x["type"] for x in written] == [
        "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]
    assert by_botocore(encoder.ping()) == [{"type": "ping"}]


def test_an_exception_in_the_frames_is_an_error_event() -> None:
    broken = frame(EVENTS[0]) + aws_exception("throttlingException", b'{"message":"slow down"}')
    out = FramesToSse().feed(broken)
    assert b'event: error\ndata: {"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}' in out
    decoder = BEDROCK.stream_decoder()
    last = decoder.feed(broken)[-1]
    assert isinstance(last, Failed)
    assert (last.error.kind, last.error.message) == ("rate_limited", "slow down")


def test_an_error_event_is_an_exception_in_the_frames() -> None:
    out = SseToFrames().feed(b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"full"}}\n\n')
    buffer = EventStreamBuffer()
    buffer.add_data(out)
    (message,) = list(buffer)
    assert message.headers[":exception-type"] == "serviceUnavailableException"
    assert json.loads(message.payload)["message"] == "full"


@pytest.mark.parametrize("bad", [b"\0" * 40, frame(EVENTS[0])[:-1] + b"x", aws_event({":event-type": "chunk", ":message-type": "event"}, b"{]")])
def test_damaged_frames_end_in_an_error(bad: bytes) -> None:
    decoder = BEDROCK.stream_decoder()
    events = [*decoder.feed(bad), *decoder.finish()]
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind == "upstream_failed"


def test_a_cut_stream_is_incomplete() -> None:
    decoder = BEDROCK.stream_decoder()
    events = [*decoder.feed(FRAMES[:-20]), *decoder.finish()]
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind == "upstream_incomplete"


def test_which_streams_are_reframed() -> None:
    assert reframer(BEDROCK, BEDROCK) is None
    assert reframer(VERTEX, PLAIN) is None
    assert isinstance(reframer(BEDROCK, PLAIN), FramesToSse)
    assert isinstance(reframer(VERTEX, BEDROCK), SseToFrames)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fixed_dictionaries({"type": st.sampled_from(["ping", "content_block_delta", "later_event"]), "x": st.text(max_size=9)}), max_size=6),
       st.integers(1, 50))  # fmt: skip
def test_law_there_and_back(events: list[Json], size: int) -> None:
    closed, opened = SseToFrames(), FramesToSse()
    frames = b"".join(closed.feed(piece) for piece in pieces(b"".join(map(sse, events)), size))
    assert b"".join(opened.feed(piece) for piece in pieces(frames, size)) == b"".join(map(sse, events))


# ------------------------------------------------------------------------------------------------------------- errors


def test_errors_are_those_of_the_envelope() -> None:
    wire = BEDROCK.encode_error(ApiError("rate_limited", "slow"), "r")
    assert (wire.status, wire.headers["x-amzn-errortype"], json.loads(wire.body)) == (429, "ThrottlingException", {"message": "slow"})
    assert BEDROCK.decode_error(403, {"x-amzn-errortype": "AccessDeniedException:http://x"}, b'{"message":"no"}').kind == "forbidden"
    own = b'{"type":"error","error":{"type":"overloaded_error","message":"full"}}'
    assert VERTEX.decode_error(529, {}, own).kind == "overloaded"
    google = b'[{"error":{"code":404,"message":"Publisher Model was not found","status":"NOT_FOUND"}}]'
    found = VERTEX.decode_error(404, {}, google)
    assert (found.kind, found.message) == ("not_found", "Publisher Model was not found")
    assert VERTEX.decode_error(502, {}, b"<html>").kind in ("upstream_failed", "overloaded")


# --------------------------------------------------------------------------------------------------------- recordings


def recorded(name: str) -> list[dict[str, Any]]:
    return [r for r in load(name) if r["response"]["status"] == 200 and holds_messages(json.dumps(r["request"]["body"]).encode())]


@needs_recordings
def test_recorded_requests_change_envelopes_and_back() -> None:
    seen = 0
    for record in (*recorded("bedrock_invoke"), *recorded("bedrock_invoke_stream")):
        body = record["request"]["body"]
        raw = json.dumps(body).encode()
        plain, headers = refit(raw, BEDROCK, PLAIN, model="m", stream=record["stream"], headers={})
        PLAIN.decode_request(json.loads(plain), headers=headers)
        again, _ = refit(plain, PLAIN, BEDROCK, model="m", stream=record["stream"], headers=headers)
        assert json.loads(again) == body, record["id"]
        request = BEDROCK.decode_request(body, model=record["model"], stream=record["stream"])
        assert request.model == record["model"]
        assert BEDROCK.encode_request(request, Facts(), Ledger()).path == "/model/" + request.model.replace(":", "%3A") + (
            "/invoke-with-response-stream" if record["stream"] else "/invoke")
        seen += 1
    assert seen > 50


@needs_recordings
def test_recorded_streams_are_read_and_framed_again() -> None:
    seen = 0
    for record in recorded("bedrock_invoke_stream"):
        raw = base64.b64decode(record["response"]["body_b64"])
        for size in (0, 7):
            decoder = BEDROCK.stream_decoder()
            events = [event for piece in pieces(raw, size) for event in decoder.feed(piece)] + decoder.finish()
            check(events)
        assert by_botocore(SseToFrames().feed(FramesToSse().feed(raw))) == by_botocore(raw), record["id"]
        seen += not isinstance(events[-1], Failed)
    assert seen > 20


@needs_recordings
def test_recorded_streams_of_every_family_are_metered() -> None:
    counted = []
    for record in load("bedrock_invoke_stream"):
        if record["response"]["status"] == 200:
            usage = metered(base64.b64decode(record["response"]["body_b64"]))
            counted.append(usage is not None and usage.output_total > 0)
    assert sum(counted) > 0.8 * len(counted)


def test_what_counts_nothing() -> None:
    assert metered(b"") is None
    assert metered(b"x" * 40) is None
    assert metered(frame(EVENTS[0])) is None


@needs_recordings
def test_recorded_answers_are_read() -> None:
    for record in recorded("bedrock_invoke"):
        response = BEDROCK.decode_response(msgspec.json.encode(record["response"]["body"]))
        assert response.usage is not None
