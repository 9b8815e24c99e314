"""Streams: what recordings do not hold, and what boto3 makes of the encoder's frames."""

import json
from typing import Any

import pytest
from botocore.exceptions import EventStreamError

from llm_api_converter.framing.aws_event_stream import AwsEventReader, aws_event, aws_exception
from llm_api_converter.hub.errors import ERROR_KINDS, ApiError
from llm_api_converter.hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen, check
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Citation, Inline, Media, Native, Opaque, Reasoning, Refusal, Text, ToolCall, ToolResult
from llm_api_converter.hub.response import Finish, Usage
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.bedrock_converse import CODEC
from tests.protocols.bedrock_converse.boto import accumulate, parse_stream

ANSWER = Answer(model="model", new_id=lambda prefix: f"{prefix}1")
REALM = "wire.bedrock_converse"


def frame(kind: str, **payload: Any) -> bytes:
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return aws_event(headers, json.dumps(payload).encode())


def delta(index: int, **value: Any) -> bytes:
    return frame("contentBlockDelta", contentBlockIndex=index, delta=value, p="abc")


def stop(index: int) -> bytes:
    return frame("contentBlockStop", contentBlockIndex=index)


START = frame("messageStart", role="assistant")
STOP = frame("messageStop", stopReason="end_turn")
USAGE = frame("metadata", usage={"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, metrics={"latencyMs": 4})


def decoded(*frames: bytes) -> list[Event]:
    decoder = CODEC.stream_decoder()
    events = decoder.feed(b"".join(frames)) + decoder.finish()
    check(events)
    return events


def encoded(*events: Event) -> tuple[list[dict[str, Any]], Ledger]:
    ledger = Ledger()
    whole = [Begin("", ""), *events, Finished(Finish("stop")), End()]
    check(whole)
    return parse_stream(CODEC.stream_encoder(ANSWER, ledger).encode(whole)), ledger


# ---------------------------------------------------------------------- decode


def test_text_opens_at_the_first_delta_that_says_something() -> None:
    events = decoded(START, delta(0, text=""), delta(0, text="a"), delta(0, text=""), delta(0, text="b"), stop(0), STOP, USAGE)
    assert events[1:5] == [Open(0, Text("")), Delta(0, "a"), Delta(0, "b"), Close(0)]


def test_an_empty_text_block_is_no_part_and_indexes_close_up() -> None:
    events = decoded(START, delta(0, text=""), stop(0), delta(4, reasoningContent={"text": "r"}), stop(4), STOP, USAGE)
    assert events[1:4] == [Open(0, Reasoning("")), Delta(0, "r"), Close(0)]


def test_usage_comes_before_the_finish_that_waits_for_it() -> None:
    events = decoded(START, STOP, USAGE)
    assert [type(x) for x in events] == [Begin, UsageSeen, Finished, End]
    assert [type(x) for x in decoded(START, USAGE, STOP)] == [Begin, UsageSeen, Finished, End]


def test_trace_tier_and_model_fields_come_with_the_finish() -> None:
    metadata = frame("metadata", usage={}, metrics={"latencyMs": 1}, trace={"guardrail": {}}, serviceTier={"type": "flex"})
    events = decoded(START, frame("messageStop", stopReason="end_turn", additionalModelResponseFields={"x": 1}), metadata)
    extras = {"additionalModelResponseFields": {"x": 1}, "trace": {"guardrail": {}}}
    assert events[-2] == Finished(Finish("stop", "end_turn"), {"bedrock_converse": extras}, "flex")
    again = parse_stream(CODEC.stream_encoder(ANSWER, Ledger()).encode(events))
    assert again[-2]["messageStop"]["additionalModelResponseFields"] == {"x": 1}
    assert again[-1]["metadata"]["serviceTier"] == {"type": "flex"}
    assert again[-1]["metadata"]["trace"] == {"guardrail": {}}


def test_a_signature_in_pieces_is_one_token() -> None:
    pieces = [delta(0, reasoningContent=x) for x in ({"text": "t"}, {"signature": "ab"}, {"signature": "cd"})]
    assert fold(decoded(START, *pieces, stop(0), STOP)).parts == (Reasoning("t", tokens=(Opaque(REALM, "signature", "abcd"),)),)


def test_redacted_reasoning_in_pieces_is_the_base64_of_all_its_bytes() -> None:
    pieces = [delta(0, reasoningContent={"redactedContent": x}) for x in ("AAE=", "Ag==")]
    part = Reasoning("", tokens=(Opaque(REALM, "redacted", ":AAEC"),), redacted=True)
    assert fold(decoded(START, *pieces, stop(0), STOP)).parts == (part,)


def test_a_block_that_changes_its_kind_is_two_parts() -> None:
    frames = (delta(0, reasoningContent={"text": "r"}), delta(0, text="t"), stop(0))
    assert fold(decoded(START, *frames, STOP)).parts == (Reasoning("r"), Text("t"))


def test_interleaved_blocks_come_out_one_after_the_other() -> None:
    start = frame("contentBlockStart", contentBlockIndex=1, start={"toolUse": {"toolUseId": "c", "name": "f"}})
    frames = (delta(0, text="a"), start, delta(1, toolUse={"input": '{"x":'}), delta(0, text="b"), delta(1, toolUse={"input": "1}"}))
    assert fold(decoded(START, *frames, stop(1), stop(0), STOP)).parts == (Text("ab"), ToolCall("c", "f", '{"x":1}'))


def test_blocks_without_their_stop_end_with_the_message() -> None:
    assert fold(decoded(START, delta(0, text="a"), delta(1, text="b"), STOP)).parts == (Text("a"), Text("b"))


def test_a_call_without_arguments_and_a_plain_stop_is_a_call() -> None:
    start = frame("contentBlockStart", contentBlockIndex=0, start={"toolUse": {"toolUseId": "c", "name": "f"}})
    response = fold(decoded(START, start, delta(0, toolUse={"input": ""}), stop(0), STOP))
    assert (response.parts, response.finish) == ((ToolCall("c", "f", "{}"),), Finish("tool_call", "end_turn"))


def test_an_image_in_pieces() -> None:
    start = frame("contentBlockStart", contentBlockIndex=0, start={"image": {"format": "png"}})
    pieces = [delta(0, image={"source": {"bytes": x}}) for x in ("AAE=", "Ag==")]
    assert fold(decoded(START, start, *pieces, stop(0), STOP)).parts == (Media("image", Inline("AAEC"), "image/png"),)


def test_unknown_frames_and_deltas_are_shown_to_the_same_protocol() -> None:
    events = decoded(START, frame("ping"), frame("newEvent", x=1), delta(0, newDelta={"y": 2}), STOP, USAGE)
    odd = {"contentBlockIndex": 0, "delta": {"newDelta": {"y": 2}}, "p": "abc"}
    expected = [Aside("bedrock_converse", {}, ping=True), Aside("bedrock_converse", {"newEvent": {"x": 1}})]
    assert events[1:4] == [*expected, Aside("bedrock_converse", {"contentBlockDelta": odd})]
    frames = AwsEventReader().feed(CODEC.stream_encoder(ANSWER, Ledger()).encode(events))
    assert [headers[":event-type"] for headers, _ in frames] == [
        "messageStart", "ping", "newEvent", "contentBlockDelta", "messageStop", "metadata",
    ]  # fmt: skip


EXCEPTIONS = [
    ("throttlingException", {"message": "m"}, "rate_limited"),
    ("serviceUnavailableException", {"message": "m"}, "overloaded"),
    ("modelTimeoutException", {"message": "m"}, "timeout"),
    ("validationException", {"message": "m"}, "invalid"),
    ("validationException", {"message": "Input is too long for requested model"}, "context_too_long"),
    ("internalServerException", {"message": "m"}, "upstream_failed"),
    ("modelStreamErrorException", {"message": "m", "originalStatusCode": 424}, "upstream_failed"),
    ("modelStreamErrorException", {"message": "m", "originalStatusCode": 408}, "timeout"),
    ("newException", {"Message": "m"}, "upstream_failed"),
]


@pytest.mark.parametrize(("name", "body", "kind"), EXCEPTIONS)
def test_an_exception_frame_fails_the_stream(name: str, body: dict[str, Any], kind: str) -> None:
    events = decoded(START, delta(0, text="a"), aws_exception(name, json.dumps(body).encode()), delta(0, text="b"), STOP)
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert (failed.error.kind, failed.error.message) == (kind, next(iter(body.values())))
    assert events[:-1] == [Begin("", ""), Open(0, Text("")), Delta(0, "a")]


def test_an_error_frame_fails_the_stream() -> None:
    broken = aws_event({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "oh"}, b"")
    (failed,) = decoded(broken)
    assert isinstance(failed, Failed)
    assert (failed.error.kind, failed.error.message, failed.error.code) == ("upstream_failed", "oh", "InternalFailure")


@pytest.mark.parametrize("size", [1, 5, 4096])
def test_damage_fails_the_stream_after_what_came_before(size: int) -> None:
    bad = delta(0, text="b")
    data = START + delta(0, text="a") + bad[:-1] + bytes([bad[-1] ^ 1]) + STOP
    decoder, events = CODEC.stream_decoder(), []
    for at in range(0, len(data), size):
        events += decoder.feed(data[at : at + size])
    events += decoder.finish()
    check(events)
    assert events[:3] == [Begin("", ""), Open(0, Text("")), Delta(0, "a")]
    assert isinstance(events[3], Failed)


@pytest.mark.parametrize(
    "odd",
    [delta(0, text=5), frame("contentBlockDelta", contentBlockIndex=0), delta(0, toolUse={"input": "x"}), frame("messageStop", stopReason=None)],
)
def test_frames_that_make_no_sense(odd: bytes) -> None:
    last = decoded(START, odd)[-1]
    if isinstance(last, Failed):
        assert last.error.kind == "upstream_failed"
    else:
        assert isinstance(last, End)  # a stop without a reason is still a stop


def test_end_of_input_without_a_stop_is_incomplete() -> None:
    for frames in ((), (START,), (START, delta(0, text="a"), stop(0)), (START, STOP[:-5])):
        failed = decoded(*frames)[-1]
        assert isinstance(failed, Failed)
        assert failed.error.kind == "upstream_incomplete"


# ---------------------------------------------------------------------- encode


def test_boto3_reads_text_reasoning_and_calls() -> None:
    seal = Opaque("seal", "seal", "c2VhbA==")
    found, ledger = encoded(
        Open(0, Reasoning("")), Delta(0, "think"), Attach(0, seal), Close(0),
        Open(1, Text("")), Delta(1, 'say "ü"'), Close(1),
        Open(2, ToolCall("c", "f")), Delta(2, '{"a":'), Delta(2, "1}"), Close(2),
        Open(3, ToolCall("d", "g")), Close(3),
        UsageSeen(Usage(10, 5, cache_read=4, cache_write=3, cache_write_1h=1)),
    )  # fmt: skip
    assert ledger.losses == []
    deltas = [x["contentBlockDelta"] for x in found if "contentBlockDelta" in x]
    assert [(x["contentBlockIndex"], x["delta"]) for x in deltas] == [
        (0, {"reasoningContent": {"text": "think"}}),
        (0, {"reasoningContent": {"signature": "c2VhbA=="}}),
        (1, {"text": 'say "ü"'}),
        (2, {"toolUse": {"input": '{"a":'}}),
        (2, {"toolUse": {"input": "1}"}}),
        (3, {"toolUse": {"input": "{}"}}),
    ]
    starts = [x["contentBlockStart"] for x in found if "contentBlockStart" in x]
    assert starts[0] == {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "c", "name": "f"}}}
    assert found[-1]["metadata"] == {
        "usage": {
            "inputTokens": 3, "outputTokens": 5, "totalTokens": 15, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 3,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 2}, {"ttl": "1h", "inputTokens": 1}],
        },
        "metrics": {"latencyMs": 0},
    }  # fmt: skip


def test_a_seal_without_text_is_reasoning_with_empty_text() -> None:
    found, _ = encoded(Open(0, Reasoning("")), Attach(0, Opaque("seal", "seal", "x")), Close(0))
    assert [x["contentBlockDelta"]["delta"]["reasoningContent"] for x in found[1:3]] == [{"text": ""}, {"signature": "x"}]


def test_redacted_reasoning_is_bytes() -> None:
    part = Reasoning("", redacted=True)
    found, ledger = encoded(Open(0, part), Attach(0, Opaque("seal", "seal", "abcd")), Close(0))
    assert found[1]["contentBlockDelta"]["delta"] == {"reasoningContent": {"redactedContent": "YWJjZA=="}}
    assert ledger.losses == []


def test_parts_that_cannot_be_said_take_no_index_and_are_reported() -> None:
    found, ledger = encoded(
        Open(0, ToolCall("s", "memory", runs="provider")), Delta(0, "{}"), Close(0),
        Open(1, Native("openai_chat", "odd", {})), Close(1),
        Open(2, Reasoning("", redacted=True)), Attach(2, Opaque("other", "redacted", "x")), Close(2),
        Open(3, ToolResult("s", (Text("found"),), runs="provider")), Close(3),
        Open(4, Refusal("")), Delta(4, "no"), Close(4),
    )  # fmt: skip
    blocks = [x["contentBlockDelta"] for x in found if "contentBlockDelta" in x]
    assert blocks == [{"contentBlockIndex": 0, "delta": {"text": "no"}}]
    assert [(x.feature, x.action, x.loss_class) for x in ledger.losses] == [
        ("memory", "dropped", "tools"),
        ("odd", "dropped", "content"),
        ("redacted", "dropped", "state"),
        ("provider_tool_result", "dropped", "tools"),
        ("refusal", "approximated", "content"),
    ]


def test_citations_custom_calls_and_images() -> None:
    found, ledger = encoded(
        Open(0, Text("")), Delta(0, "cited"), Attach(0, Citation("https://a.example", "A", "quote")), Close(0),
        Open(1, ToolCall("c", "free", "", custom=True)), Delta(1, "raw "), Delta(1, "text"), Close(1),
        Open(2, Media("image", Inline(""), "image/png")), Delta(2, "AAEC"), Close(2),
    )  # fmt: skip
    deltas = [x["contentBlockDelta"]["delta"] for x in found if "contentBlockDelta" in x]
    cited = {"title": "A", "sourceContent": [{"text": "quote"}], "location": {"web": {"url": "https://a.example"}}}
    assert deltas[1] == {"citation": cited}
    assert deltas[2] == {"toolUse": {"input": '{"input":"raw text"}'}}
    assert deltas[3] == {"image": {"source": {"bytes": "AAEC"}}}
    assert [x.feature for x in ledger.losses] == ["custom"]


def test_boto3_skips_pings_anywhere() -> None:
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    data = encoder.ping() + encoder.encode([Begin("", "")]) + encoder.ping() + encoder.encode([Finished(Finish("stop")), End()])
    assert [next(iter(x)) for x in parse_stream(data + encoder.ping())] == ["messageStart", "messageStop", "metadata"]


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_a_failure_ends_the_stream_with_an_exception_boto3_raises_with_its_message(kind: Any) -> None:
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    data = encoder.encode([Begin("", ""), Open(0, Text("")), Delta(0, "a"), Failed(ApiError(kind, "what happened"))])
    with pytest.raises(EventStreamError, match="what happened") as caught:
        parse_stream(data)
    assert caught.value.response["Error"]["Code"].endswith("Exception")
    failed = decoded(data)[-1]
    assert isinstance(failed, Failed)
    assert decoded(START, CODEC.stream_error(ApiError(kind, "what happened"), "id"))[-1].error.kind == failed.error.kind


def test_frames_accumulate_to_the_plain_answer() -> None:
    events: list[Event] = [
        Begin("", ""), Open(0, Text("")), Delta(0, "x"), Attach(0, Citation("https://a.example")), Close(0),
        Open(1, ToolCall("c", "f")), Delta(1, '{"a":[1]}'), Close(1), UsageSeen(Usage(1, 1)), Finished(Finish("tool_call")), End(),
    ]  # fmt: skip
    frames = AwsEventReader().feed(CODEC.stream_encoder(ANSWER, Ledger()).encode(events))
    assert accumulate(frames) == json.loads(CODEC.encode_response(fold(events), ANSWER, Ledger()))
