"""Answers, streams and errors by example: the shapes clients depend on, and what upstreams do besides."""

import json
from typing import Any

import pytest
from anthropic.types import Message, ModelInfo

from llm_api_converter.hub.errors import ERROR_KINDS, ApiError, ErrorKind
from llm_api_converter.hub.events import (
    Aside,
    Attach,
    Begin,
    Close,
    Delta,
    End,
    Event,
    Failed,
    Finished,
    Open,
    UsageSeen,
    check,
)
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    Citation,
    Found,
    Inline,
    Media,
    Native,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
)
from llm_api_converter.hub.response import Finish, FinishReason, Response, Usage
from llm_api_converter.hub.runs import MARK
from llm_api_converter.protocols import base
from llm_api_converter.protocols.anthropic import CODEC
from llm_api_converter.protocols.anthropic.errors import ERROR_OUT
from llm_api_converter.protocols.base import Answer
from tests.protocols.anthropic.sdk import frames, snapshot

ANSWER = Answer(model="asked", new_id=lambda prefix: f"{prefix}new", input_estimate=11)


def encoded(response: Response) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    ledger = Ledger()
    message = json.loads(CODEC.encode_response(response, ANSWER, ledger))
    return message, [(loss.feature, loss.loss_class) for loss in ledger.losses]


def answer(*parts: Part, finish: Finish = Finish("stop"), usage: Usage | None = None) -> Response:  # noqa: B008
    return Response("", "upstream", parts, finish, usage)


def sse(*payloads: dict[str, Any], named: bool = True) -> bytes:
    return b"".join((f"event: {p['type']}\n" if named else "").encode() + b"data: " + json.dumps(p).encode() + b"\n\n" for p in payloads)


def decoded(*payloads: dict[str, Any], named: bool = True) -> list[Event]:
    decoder = CODEC.stream_decoder()
    events = [*decoder.feed(sse(*payloads, named=named)), *decoder.finish()]
    check(events)
    return events


def streamed(*events: Event) -> list[dict[str, Any]]:
    return frames(CODEC.stream_encoder(ANSWER, Ledger()).encode(events))


START = {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1}}}
STOP = {"type": "message_stop"}


def block(index: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def end(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def finish(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 9, **usage}}


# ---------------------------------------------------------------------------------------------------------------- plain answers


def test_an_empty_answer_has_empty_content() -> None:
    message, losses = encoded(answer())
    assert message == {
        "id": "msg_new", "type": "message", "role": "assistant", "model": "asked", "content": [], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0},
    }
    assert losses == []
    Message.model_validate(message)


def test_cached_tokens_are_no_input_tokens() -> None:
    usage = Usage(100, 20, 60, 30, 10, 15)
    message, _ = encoded(answer(Text("hi"), usage=usage))
    assert message["usage"] == {
        "input_tokens": 10, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 60, "output_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 10}, "output_tokens_details": {"thinking_tokens": 15},
    }
    again = CODEC.decode_response(json.dumps(message).encode()).usage
    assert again is not None
    assert (again.input_total, again.output_total, again.cache_read, again.cache_write, again.cache_write_1h, again.reasoning) == (100, 20, 60, 30, 10, 15)


def test_counts_are_never_negative() -> None:
    message, _ = encoded(answer(usage=Usage(5, 1, 9, 3)))
    assert message["usage"]["input_tokens"] == 0


FINISHES: list[tuple[Finish, tuple[Part, ...], str]] = [
    (Finish("stop"), (), "end_turn"),
    (Finish("length"), (), "max_tokens"),
    (Finish("stop_sequence", stop_sequence="X"), (), "stop_sequence"),
    (Finish("tool_call"), (ToolCall("1", "f"),), "tool_use"),
    (Finish("stop"), (ToolCall("1", "f"),), "tool_use"),
    (Finish("length"), (ToolCall("1", "f"),), "max_tokens"),
    (Finish("paused"), (), "pause_turn"),
    (Finish("refused"), (), "refusal"),
    (Finish("stop"), (Refusal("no"),), "refusal"),
    (Finish("filtered", "content_filter"), (), "refusal"),
    (Finish("context_full"), (), "model_context_window_exceeded"),
    (Finish("other", "odd"), (), "end_turn"),
]


@pytest.mark.parametrize(("finish", "parts", "word"), FINISHES)
def test_stop_reasons(finish: Finish, parts: tuple[Part, ...], word: str) -> None:
    message, losses = encoded(answer(*parts, finish=finish))
    assert (message["stop_reason"], message["stop_sequence"]) == (word, finish.stop_sequence)
    assert losses == ([("other", "unknown")] if finish.reason == "other" else [])
    Message.model_validate(message)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"), ("max_tokens", "length"), ("stop_sequence", "stop_sequence"), ("tool_use", "tool_call"), ("pause_turn", "paused"),
        ("refusal", "refused"), ("model_context_window_exceeded", "context_full"), ("something_new", "other"),
    ],
)
def test_stop_reasons_of_upstreams_come_back(word: str, reason: FinishReason) -> None:
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": word, "usage": {"input_tokens": 1, "output_tokens": 1}}
    response = CODEC.decode_response(json.dumps(body).encode())
    assert (response.finish.reason, response.finish.raw) == (reason, word)
    assert encoded(response)[0]["stop_reason"] == word


def test_a_turn_with_a_call_is_never_a_plain_stop() -> None:
    body = {"id": "msg_1", "model": "m", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}], "stop_reason": "end_turn"}
    assert CODEC.decode_response(json.dumps(body).encode()).finish.reason == "tool_call"


def test_why_an_answer_was_refused() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "because"}
    body = {"id": "msg_1", "model": "m", "content": [], "stop_reason": "refusal", "stop_details": details}
    response = CODEC.decode_response(json.dumps(body).encode())
    assert response.finish.detail == "because"
    assert encoded(response)[0]["stop_details"] == details
    foreign = encoded(answer(finish=Finish("filtered", "content_filter", "violence")))[0]
    assert foreign["stop_details"] == {"type": "refusal", "category": None, "explanation": "violence"}
    Message.model_validate(foreign)


def test_a_call_nobody_can_read_is_an_error() -> None:
    response = answer(Text("x"), finish=Finish("malformed_call", "MALFORMED_FUNCTION_CALL", "print(1)"))
    with pytest.raises(ApiError) as error:
        encoded(response)
    assert (error.value.kind, error.value.message) == ("upstream_failed", "the model wrote a tool call that cannot be read (MALFORMED_FUNCTION_CALL): print(1)")
    last = streamed(*unfold(response))[-1]
    assert last == {"type": "error", "error": {"type": "api_error", "message": error.value.message}}


# part -> block, losses
PARTS: list[tuple[Part, dict[str, Any] | None, list[tuple[str, str]]]] = [
    (Text("hi"), {"type": "text", "text": "hi"}, []),
    (Refusal("no"), {"type": "text", "text": "no"}, []),
    (Reasoning("hm"), {"type": "thinking", "thinking": "hm", "signature": ""}, []),
    (Reasoning("hm", tokens=(Opaque("seal", "seal", "SEAL"),)), {"type": "thinking", "thinking": "hm", "signature": "SEAL"}, []),
    (Reasoning("hm", tokens=(Opaque("wire.anthropic", "signature", "sig"),)), {"type": "thinking", "thinking": "hm", "signature": "sig"}, []),
    (Reasoning("hm", tokens=(Opaque("wire.gemini", "signature", "sig"),)), {"type": "thinking", "thinking": "hm", "signature": ""}, [("signature", "state")]),
    (Reasoning("", redacted=True, tokens=(Opaque("seal", "seal", "SEAL"),)), {"type": "redacted_thinking", "data": "SEAL"}, []),
    (Reasoning("", redacted=True), None, [("redacted_thinking", "state")]),
    (ToolCall("1", "f", '{"a":1}'), {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}}, []),
    (ToolCall("1", "f"), {"type": "tool_use", "id": "1", "name": "f", "input": {}}, []),
    (ToolCall("1", "memory", runs="provider"), None, [("memory", "tools")]),
    (ToolResult("1", name="memory", runs="provider"), None, [("memory", "tools")]),
    (ToolResult("1"), None, [("tool_result", "content")]),
    (ToolReference("f"), None, [("tool_reference", "tools")]),
    (
        Reasoning("hm", tokens=(Opaque("wire.anthropic", "redacted", "d"),)), {"type": "thinking", "thinking": "hm", "signature": ""},
        [("redacted", "state")],
    ),
    (Media("audio", Inline("AAAA")), None, [("audio", "content")]),
    (Media("image", Inline("AAAA")), None, [("image", "content")]),
    (Native("gemini", "executableCode", {}), None, [("executableCode", "content")]),
    (
        Text("a", (Citation("https://x", "T", "q"),)),
        {"type": "text", "text": "a", "citations": [{"type": "web_search_result_location", "url": "https://x", "title": "T", "cited_text": "q", "encrypted_index": MARK}]},
        [("citation_span", "state")],
    ),
    (
        Text("a", (Citation(title="D", quote="qq", document=1),)),
        {"type": "text", "text": "a", "citations": [{"type": "char_location", "document_index": 1, "document_title": "D", "cited_text": "qq", "start_char_index": 0, "end_char_index": 2}]},
        [("citation_span", "state")],
    ),
    (Text("a", (Citation(title="D"),)), {"type": "text", "text": "a"}, [("citations", "state")]),
]


@pytest.mark.parametrize(("part", "expected", "losses"), PARTS, ids=[f"{i}-{type(x[0]).__name__}" for i, x in enumerate(PARTS)])
def test_parts_of_answers(part: Part, expected: dict[str, Any] | None, losses: list[tuple[str, str]]) -> None:
    message, found = encoded(answer(part))
    assert message["content"] == ([] if expected is None else [expected])
    assert found == losses
    Message.model_validate(message)
    ledger = Ledger()
    stream = CODEC.stream_encoder(ANSWER, ledger).encode(unfold(answer(part)))
    assert snapshot(stream)["content"] == message["content"]
    assert [(loss.feature, loss.loss_class) for loss in ledger.losses] == losses


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"id":"x"}', b'{"content":[{"type":"text"}]}'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(ApiError) as error:
        CODEC.decode_response(body)
    assert error.value.kind == "upstream_failed"


def test_an_error_with_status_200() -> None:
    with pytest.raises(ApiError) as error:
        CODEC.decode_response(b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}')
    assert (error.value.kind, error.value.message) == ("overloaded", "Overloaded")


# -------------------------------------------------------------------------------------------------------------- reading streams


def test_a_stream_of_every_kind_of_block() -> None:
    citation = {"type": "page_location", "cited_text": "q", "document_index": 0, "document_title": "D", "start_page_number": 1, "end_page_number": 2}
    search = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}
    events = decoded(
        START,
        block(0, {"type": "thinking", "thinking": "", "signature": ""}), {"type": "ping"}, delta(0, "thinking_delta", thinking="hm"),
        delta(0, "signature_delta", signature="first"), delta(0, "signature_delta", signature="sig"), end(0),
        block(1, {"type": "redacted_thinking", "data": "d"}), end(1),
        block(2, {"type": "text", "text": ""}), delta(2, "text_delta", text="a"), delta(2, "citations_delta", citation=citation), end(2),
        block(3, {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}), delta(3, "input_json_delta", partial_json='{"query":"x"}'), end(3),
        block(4, search), end(4),
        block(5, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}), delta(5, "input_json_delta", partial_json=""), end(5),
        {**finish("tool_use", input_tokens=6), "context_management": {"applied_edits": []}}, STOP,
    )
    response = fold(events)
    assert response.parts == (
        Reasoning("hm", tokens=(Opaque("wire.anthropic", "signature", "sig"),)),
        Reasoning("", tokens=(Opaque("wire.anthropic", "redacted", "d"),), redacted=True),
        Text("a", (Citation(title="D", quote="q", document=0, extras={"anthropic": {"start_page_number": 1, "end_page_number": 2}, "~anthropic": {"location": citation}}),)),
        ToolCall("s1", "web_search", '{"query":"x"}', "provider", extras={"~anthropic": {"block": {"type": "server_tool_use", "name": "web_search"}}}),
        ToolResult("s1", name="web_search", runs="provider", extras={"~anthropic": {"block": {"type": "web_search_tool_result", "content": []}}}, outcome=Found()),
        ToolCall("t1", "f"),
    )
    assert response.finish == Finish("tool_call", "tool_use")
    assert response.extras == {"~anthropic": {"context_management": {"applied_edits": []}}}
    assert response.usage is not None
    assert (response.usage.input_total, response.usage.output_total, response.usage.cache_read) == (13, 9, 7)


TEXT = (block(0, {"type": "text", "text": ""}), delta(0, "text_delta", text="a"), end(0))

# What upstreams do -> the parts that come of it.
QUIRKS: dict[str, tuple[list[dict[str, Any]], tuple[Part, ...]]] = {
    "message_start twice at the beginning": ([START, START, *TEXT, finish(), STOP], (Text("a"),)),
    "message_start twice between blocks": ([START, *TEXT, START, *TEXT, finish(), STOP], (Text("a"), Text("a"))),
    "input in content_block_start": ([START, block(0, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}), end(0), finish("tool_use"), STOP], (ToolCall("t", "f", '{"a":1}'),)),
    "deltas replace input in content_block_start": (
        [START, block(0, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}), delta(0, "input_json_delta", partial_json='{"b":2}'), end(0), finish("tool_use"), STOP],
        (ToolCall("t", "f", '{"b":2}'),),
    ),
    "text in content_block_start": ([START, block(0, {"type": "text", "text": "x"}), delta(0, "text_delta", text="y"), end(0), finish(), STOP], (Text("xy"),)),
    "thinking without text": (
        [START, block(0, {"type": "thinking", "thinking": ""}), delta(0, "signature_delta", signature="s"), end(0), finish(), STOP],
        (Reasoning("", tokens=(Opaque("wire.anthropic", "signature", "s"),)),),
    ),
    "signature in content_block_start": ([START, block(0, {"type": "thinking", "thinking": "t", "signature": "s"}), end(0), finish(), STOP], (Reasoning("t", tokens=(Opaque("wire.anthropic", "signature", "s"),)),)),
    "no content_block_stop": ([START, *TEXT[:2], block(1, {"type": "text", "text": ""}), delta(1, "text_delta", text="b"), finish(), STOP], (Text("a"), Text("b"))),
    "no content_block_start": ([START, delta(0, "text_delta", text="a"), end(0), finish(), STOP], (Text("a"),)),
    "text inside a thinking block": (
        [START, block(0, {"type": "thinking", "thinking": ""}), delta(0, "thinking_delta", thinking="t"), delta(0, "text_delta", text="a"), end(0), finish(), STOP],
        (Reasoning("t"), Text("a")),
    ),
    "indexes that begin anew": ([START, *TEXT, *TEXT, finish(), STOP], (Text("a"), Text("a"))),
    "content in message_start": ([{**START, "message": {**START["message"], "content": [{"type": "text", "text": "p"}]}}, finish(), STOP], (Text("p"),)),  # type: ignore[dict-item]
    "two message_deltas": ([START, *TEXT, finish(None), finish("end_turn"), STOP], (Text("a"),)),
    "deltas of an unknown kind": (
        [START, block(0, {"type": "compaction", "content": None}), delta(0, "compaction_delta", content="sum"), delta(0, "compaction_delta", content="med"), end(0), finish(), STOP],
        (Native("anthropic", "compaction", {"type": "compaction", "content": "summed"}),),
    ),
    "no usage in message_delta": ([START, *TEXT, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, STOP], (Text("a"),)),
    "a frame after the end": ([START, *TEXT, finish(), STOP, START, *TEXT], (Text("a"),)),
}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("quirk", QUIRKS)
def test_quirks_of_streams(quirk: str, named: bool) -> None:
    payloads, parts = QUIRKS[quirk]
    events = decoded(*payloads, named=named)
    assert fold(events).parts == parts
    assert snapshot(CODEC.stream_encoder(ANSWER, Ledger()).encode(events))["model"] == "asked"


def test_unknown_frames_are_shown_to_the_same_protocol_only() -> None:
    odd = {"type": "something_new", "x": 1}
    events = decoded(START, odd, delta(0, "odd_delta"), *TEXT, finish(), STOP)
    assert events[2:4] == [Aside("anthropic", odd), Aside("anthropic", delta(0, "odd_delta"))]
    assert odd in streamed(*events)
    assert [frame["type"] for frame in streamed(Begin("x", "m"), Aside("gemini", {"type": "odd"}), Finished(Finish("stop")), End())] == [
        "message_start", "message_delta", "message_stop",
    ]


BREAKS: list[tuple[list[dict[str, Any]], ErrorKind]] = [
    ([], "upstream_incomplete"),
    ([START], "upstream_incomplete"),
    ([START, *TEXT[:2]], "upstream_incomplete"),
    ([START, *TEXT, finish()], "upstream_incomplete"),
    ([START, *TEXT[:2], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}], "overloaded"),
    ([{"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}], "context_too_long"),
    ([START, *TEXT[:2], START], "upstream_failed"),
    ([START, delta(0, "input_json_delta", partial_json="{}")], "upstream_failed"),
    ([START, block(0, {"type": "text"})], "upstream_failed"),
    ([STOP], "upstream_failed"),
]


@pytest.mark.parametrize(("payloads", "kind"), BREAKS)
def test_broken_streams_fail(payloads: list[dict[str, Any]], kind: ErrorKind) -> None:
    last = decoded(*payloads)[-1]
    assert isinstance(last, Failed)
    assert last.error.kind == kind


@pytest.mark.parametrize("data", [b"data: {broken\n\n", b"data: []\n\n", b"data: \xff\n\n", b'event: content_block_delta\ndata: {"index":"0"}\n\n'])
def test_frames_that_cannot_be_read_fail(data: bytes) -> None:
    (event,) = CODEC.stream_decoder().feed(data)
    assert isinstance(event, Failed)
    assert event.error.kind == "upstream_failed"


@pytest.mark.parametrize(
    ("data", "kind", "words"),
    [
        (b"event: error\ndata: upstream is gone\n\n", "upstream_failed", "upstream is gone"),
        (b'data: {"error":{"type":"overloaded_error","message":"Busy"}}\n\n', "overloaded", "Busy"),
        (b'{"type":"error",\n"error":{"type":"rate_limit_error","message":"Slow down"}}', "rate_limited", "Slow down"),
        (b"<html>\n", "upstream_incomplete", "the upstream ended its stream before message_stop"),
        (b'{"other":1}\n', "upstream_incomplete", "the upstream ended its stream before message_stop"),
    ],
)
def test_errors_in_odd_spellings_keep_their_words(data: bytes, kind: ErrorKind, words: str) -> None:
    decoder = CODEC.stream_decoder()
    (event,) = [*decoder.feed(data), *decoder.finish()]
    assert isinstance(event, Failed)
    assert (event.error.kind, event.error.message) == (kind, words)


def test_the_end_mark_of_another_protocol_is_ignored() -> None:
    decoder = CODEC.stream_decoder()
    assert isinstance([*decoder.feed(sse(START, *TEXT, finish()) + b"data: [DONE]\n\n" + sse(STOP)), *decoder.finish()][-1], End)


# -------------------------------------------------------------------------------------------------------------- writing streams


def test_usage_that_comes_last_is_exact_and_the_estimate_comes_first() -> None:
    out = streamed(
        Begin("chatcmpl-1", "m"), Open(0, Text("")), Delta(0, "a"), Close(0), Finished(Finish("stop")), UsageSeen(Usage(100, 7, 40, 10)), End()
    )
    assert out[0]["message"]["usage"] == {"input_tokens": 11, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1}
    assert out[-2]["usage"] == {"input_tokens": 50, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 40, "output_tokens": 7}
    assert [frame["type"] for frame in out] == ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"]


def test_input_tokens_at_the_end_are_at_least_one() -> None:
    out = streamed(Begin("x", "m"), Finished(Finish("stop")), UsageSeen(Usage(40, 7, 40)), End())
    assert (out[-2]["usage"]["input_tokens"], out[-2]["usage"]["cache_read_input_tokens"]) == (1, 40)


def test_events_that_come_one_by_one_give_the_same_bytes() -> None:
    events = [Begin("x", "m"), Open(0, Text("")), Delta(0, "a"), Delta(0, ""), Delta(0, "b"), Close(0), Finished(Finish("stop")), End()]
    one, all_ = CODEC.stream_encoder(ANSWER, Ledger()), CODEC.stream_encoder(ANSWER, Ledger())
    assert b"".join(one.encode([event]) for event in events) == all_.encode(events)


def test_a_text_delta_byte_by_byte() -> None:
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    encoder.encode([Begin("x", "m"), Open(0, Text(""))])
    assert encoder.encode([Delta(0, 'é"\n')]) == (
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"é\\"\\n"}}\n\n'.encode()
    )


def test_a_call_whose_arguments_are_not_json_is_streamed_as_it_is() -> None:
    out = streamed(Begin("x", "m"), Open(0, ToolCall("1", "f", "", custom=True)), Delta(0, "*** Begin"), Close(0), Finished(Finish("tool_call")), End())
    assert out[2]["delta"] == {"type": "input_json_delta", "partial_json": "*** Begin"}


def test_a_call_without_input_gets_an_empty_object() -> None:
    out = streamed(Begin("x", "m"), Open(0, ToolCall("1", "f")), Close(0), Finished(Finish("tool_call")), End())
    assert out[2]["delta"] == {"type": "input_json_delta", "partial_json": "{}"}


def test_indexes_stay_without_gaps_where_a_part_cannot_be_said() -> None:
    out = streamed(*unfold(answer(Text("a"), Media("audio", Inline("AA")), Reasoning("", redacted=True), Text("b"))))
    assert [frame["index"] for frame in out if frame["type"] == "content_block_start"] == [0, 1]


def test_the_signature_comes_once_before_the_block_ends() -> None:
    first, second = Opaque("seal", "seal", "one"), Opaque("seal", "seal", "two")
    out = streamed(Begin("x", "m"), Open(0, Reasoning("")), Attach(0, first), Delta(0, "hm"), Attach(0, second), Close(0), Finished(Finish("stop")), End())
    assert [frame.get("delta", {}).get("type") for frame in out[1:5]] == [None, "thinking_delta", "signature_delta", None]
    assert out[3]["delta"]["signature"] == "one"


def test_a_part_that_has_begun_already() -> None:
    cite = Citation(extras={"~anthropic": {"location": {"type": "char_location"}}})
    out = streamed(
        Begin("x", "m"), Open(0, Text("He", (cite,))), Delta(0, "y"), Close(0), Open(1, ToolCall("1", "f", '{"a":1}')), Close(1),
        Finished(Finish("tool_call")), End(),
    )
    assert [frame["delta"] for frame in out if frame["type"] == "content_block_delta"] == [
        {"type": "text_delta", "text": "He"}, {"type": "citations_delta", "citation": {"type": "char_location"}},
        {"type": "text_delta", "text": "y"}, {"type": "input_json_delta", "partial_json": '{"a":1}'},
    ]


def test_fields_that_come_after_their_block_began_are_reported() -> None:
    ledger = Ledger()
    encoder = CODEC.stream_encoder(ANSWER, ledger)
    encoder.encode([Begin("x", "m"), Open(0, Text("")), Attach(0, {"anthropic": {"a": 1}, "gemini": {"b": 2}}), Close(0)])
    encoder.encode([Open(1, Media("image", Inline("AA"))), Attach(1, Opaque("seal", "seal", "s")), Close(1)])
    assert [loss.feature for loss in ledger.losses] == ["b", "a", "image"]


def test_a_stream_that_never_finished_is_an_error() -> None:
    assert streamed(Begin("x", "m"), End())[-1]["type"] == "error"


def test_service_tiers() -> None:
    body = {"id": "msg_1", "model": "m", "content": [], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1, "service_tier": "standard"}}
    response = CODEC.decode_response(json.dumps(body).encode())
    assert response.service_tier == "default"
    assert encoded(response)[0]["usage"]["service_tier"] == "standard"
    assert encoded(Response("", "m", (), Finish("stop"), service_tier="flex"))[1] == [("service_tier", "tuning")]


def test_a_service_tier_that_comes_late_stands_in_message_delta() -> None:
    out = streamed(Begin("x", "m"), Open(0, Text("")), Close(0), Finished(Finish("stop"), service_tier="default"), End())
    assert "service_tier" not in out[0]["message"]["usage"]
    assert out[-2]["usage"]["service_tier"] == "standard"


def test_a_failure_ends_the_stream_without_message_stop() -> None:
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    stream = encoder.encode([Begin("x", "m"), Open(0, Text("")), Delta(0, "a"), Failed(ApiError("overloaded", "try later"))])
    assert frames(stream)[-1] == {"type": "error", "error": {"type": "overloaded_error", "message": "try later"}}
    assert encoder.encode([Delta(0, "b"), Close(0), Finished(Finish("stop")), End()]) == b""


def test_pings() -> None:
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    assert encoder.ping() == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert frames(encoder.ping() + encoder.encode([Begin("x", "m")]) + encoder.ping())[1]["type"] == "message_start"


def test_what_the_own_upstream_says_of_usage_is_kept() -> None:
    usage = {"input_tokens": 5, "output_tokens": 1, "service_tier": "standard", "inference_geo": "us", "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}}
    events = decoded(
        {**START, "message": {**START["message"], "usage": usage}},  # type: ignore[dict-item]
        *TEXT, finish("end_turn", server_tool_use={"web_search_requests": 2, "web_fetch_requests": 0}), STOP,
    )
    out = streamed(*events)
    assert out[0]["message"]["usage"] == {**usage, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    assert out[-2]["usage"] == {
        "input_tokens": 5, "output_tokens": 9, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    }


def test_late_fields_stand_in_message_delta() -> None:
    late = {"anthropic": {"container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z"}, "context_management": {"applied_edits": []}}}
    frame = streamed(Begin("x", "m"), Finished(Finish("stop"), late), End())[-2]
    assert frame["delta"]["container"]["id"] == "c"
    assert frame["context_management"] == {"applied_edits": []}


# ----------------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_every_kind_of_error_has_a_shape(kind: ErrorKind) -> None:
    written = CODEC.encode_error(ApiError(kind, "words", retry_after_s=2.2), "req_1")
    body = json.loads(written.body)
    assert body["error"]["message"].endswith("words")
    assert (body["type"], body["request_id"]) == ("error", "req_1")
    assert (written.status, body["error"]["type"]) == ERROR_OUT[kind]
    assert written.headers == {"content-type": "application/json", "request-id": "req_1", "retry-after": "3"}
    again = CODEC.decode_error(written.status, written.headers, written.body)
    same = {"upstream_incomplete": "upstream_failed", "internal": "upstream_failed", "refused": "invalid", "unsupported": "invalid"}
    assert (again.kind, again.retry_after_s) == (same.get(kind, kind), 3)
    assert frames(CODEC.stream_error(ApiError(kind, "words"), "req_1"))[0]["error"] == body["error"]


ERRORS: list[tuple[int, Any, ErrorKind, str]] = [
    (400, {"type": "invalid_request_error", "message": "messages: bad"}, "invalid", "messages: bad"),
    (400, {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}, "context_too_long", "prompt is too long: 9 tokens > 8 maximum"),
    (400, {"type": "invalid_request_error", "message": "input length and `max_tokens` exceed context limit: 9 + 9 > 10"}, "context_too_long", "input length"),
    (400, {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API"}, "quota_exhausted", "Your credit"),
    (402, {"type": "billing_error", "message": "pay"}, "quota_exhausted", "pay"),
    (413, {"type": "request_too_large", "message": "big"}, "too_large", "big"),
    (504, {"type": "timeout_error", "message": "slow"}, "timeout", "slow"),
    (529, {"type": "overloaded_error", "message": "busy"}, "overloaded", "busy"),
    (500, {"type": "api_error", "message": "oops"}, "upstream_failed", "oops"),
    (429, {"type": "odd_error", "message": "m"}, "rate_limited", "m"),
    (418, "tea", "invalid", "tea"),
    (502, None, "upstream_failed", "{"),
]


@pytest.mark.parametrize(("status", "error", "kind", "words"), ERRORS)
def test_errors_of_upstreams(status: int, error: Any, kind: ErrorKind, words: str) -> None:
    found = CODEC.decode_error(status, {"retry-after": "7"}, json.dumps({"type": "error", "error": error}).encode())
    assert (found.kind, found.status, found.retry_after_s) == (kind, status, 7)
    assert found.message.startswith(words)
    assert json.loads(CODEC.encode_error(found, "").body)["error"]["message"].endswith(found.message)


@pytest.mark.parametrize(("status", "body"), [(503, b"<html>busy</html>"), (503, b"")])
def test_errors_that_are_not_json(status: int, body: bytes) -> None:
    found = CODEC.decode_error(status, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, body)
    assert (found.kind, found.retry_after_s) == ("overloaded", None)
    assert found.message == (body.decode() or "the upstream answered with status 503 and nothing else")


def test_a_full_context_reads_so_that_claude_code_compacts() -> None:
    body = json.loads(CODEC.encode_error(ApiError("context_too_long", "this model takes 8 tokens"), "").body)
    assert body["error"] == {"type": "invalid_request_error", "message": "prompt is too long: this model takes 8 tokens"}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("context_management: Extra inputs are not permitted", "context_management"),
        ("tools.0.custom.defer_loading: Extra inputs are not permitted", "tools.0.custom.defer_loading"),
        ("`temperature` is deprecated for this model.", "temperature"),
        ("`temperature` and `top_p` cannot both be specified for this model.", "temperature"),
        ("This model does not support the effort parameter.", "effort"),
        ("adaptive thinking is not supported on this model", "thinking"),
        ("Unexpected value(s) `x-2026` for the `anthropic-beta` header.", "anthropic-beta"),
        ("invalid beta flag", "anthropic-beta"),
        ("messages: at least one message is required", None),
    ],
)
def test_fields_an_upstream_does_not_take(message: str, field: str | None) -> None:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    assert CODEC.decode_error(400, {}, json.dumps(body).encode()).unsupported == field


@pytest.mark.parametrize(
    "message",
    ["messages.1.content.0: Invalid `signature` in `thinking` block", "messages.1.content.0: Invalid `data` in `redacted_thinking` block"],
)
def test_signatures_an_upstream_does_not_take(message: str) -> None:
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": message}}
    assert CODEC.decode_error(400, {}, json.dumps(body).encode()).bad_state


# ---------------------------------------------------------------------------------------------------------------- counts, models


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"input_tokens":"3"}'])
def test_what_is_no_count(body: bytes) -> None:
    assert CODEC.decode_count is not None
    with pytest.raises(ApiError) as error:
        CODEC.decode_count(body)
    assert error.value.kind == "upstream_failed"


def test_models() -> None:
    assert CODEC.encode_models is not None
    assert CODEC.encode_model is not None
    models = [base.ModelInfo("a", "A", 1767225600, 200000, 64000), base.ModelInfo("b")]
    page = json.loads(CODEC.encode_models(models))
    assert (page["has_more"], page["first_id"], page["last_id"]) == (False, "a", "b")
    assert page["data"][0] == {
        "type": "model", "id": "a", "display_name": "A", "created_at": "2026-01-01T00:00:00Z", "lifecycle": "active", "max_input_tokens": 200000, "max_tokens": 64000,
    }
    for model in page["data"]:
        ModelInfo.model_validate(model)
    assert json.loads(CODEC.encode_model(models[1])) == page["data"][1]
    assert json.loads(CODEC.encode_models([])) == {"data": [], "has_more": False, "first_id": None, "last_id": None}
