"""Streams, example by example: the wire's oddities on the way in, every snapshot on the way out."""

from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen, check
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Citation, Native, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from llm_api_converter.hub.response import Finish, Response, Usage
from tests.protocols.openai_responses.sdk import CODEC, accumulate, answer, comparable, complaints, decode, frames, sse

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5", "created_at": 5, "output": []}}
MESSAGE = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant"}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f"}
OWN = "~openai_responses"


def text(words: str, **more: Any) -> dict[str, Any]:
    return {**MESSAGE, "content": [{"type": "output_text", "text": words, "annotations": []}], **more}


def added(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(index: int, words: str, kind: str = "output_text", **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": words, **more}


def completed(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": {"id": "resp_1", "model": "gpt-5", "status": "completed", "output": list(output), **more}}


def read(*events: dict[str, Any]) -> list[Event]:
    """Decoded, legal, and the same for any cut."""
    stream = sse(*events)
    got = decode(stream)
    check(got)
    for size in (1, 7, 64):
        assert comparable(decode(stream, size)) == comparable(got)
    return got


def write(parts: list[Part], finish: Finish, **more: Any) -> list[dict[str, Any]]:
    sent = frames(CODEC.stream_encoder(answer(**more), Ledger()).encode(unfold(Response("x", "up", tuple(parts), finish))))
    assert [complaint for event in sent for complaint in complaints(event)] == []
    return sent


# ------------------------------------------------------------------------------------------------------------------ decode


def test_text_streams_through() -> None:
    got = read(CREATED, added(0, {**MESSAGE, "content": []}), delta(0, "He", content_index=0), delta(0, "llo", content_index=0), done(0, text("Hello")),
               completed(text("Hello"), usage={"input_tokens": 9, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 4}}))  # fmt: skip
    assert [type(event) for event in got] == [Begin, Open, Delta, Delta, Attach, Close, UsageSeen, Finished, End]
    response = fold(got)
    assert response.parts == (Text("Hello", extras={OWN: {"id": "msg_1", "status": "completed"}}),)
    assert response.usage is not None
    assert (response.usage.input_total, response.usage.cache_read, response.finish.reason) == (9, 4, "stop")


def test_an_empty_final_output_is_built_from_the_items() -> None:
    response = fold(read(CREATED, added(0, {**MESSAGE, "content": []}), delta(0, "Hi", content_index=0), done(0, text("Hi")), completed()))
    assert [part.text for part in response.parts if isinstance(part, Text)] == ["Hi"]


def test_items_that_only_the_final_answer_shows_are_not_lost() -> None:
    response = fold(read(CREATED, completed(text("Hi"), {**CALL, "arguments": '{"a":1}'})))
    assert [type(part) for part in response.parts] == [Text, ToolCall]
    assert response.finish.reason == "tool_call"


def test_arguments_that_come_only_at_the_end() -> None:
    whole = {**CALL, "arguments": '{"a":1}'}
    end = {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'}
    for middle in ([end], [], [delta(0, '{"a"', "function_call_arguments"), end], [delta(0, '{"a":1}', "function_call_arguments")]):
        got = read(CREATED, added(0, {**CALL, "arguments": ""}), *middle, done(0, whole), completed(whole))
        assert "".join(event.text for event in got if isinstance(event, Delta)) == '{"a":1}'
        assert fold(got).finish.reason == "tool_call"


def test_a_call_without_arguments() -> None:
    whole = {**CALL, "arguments": ""}
    call = fold(read(CREATED, added(0, whole), done(0, whole), completed(whole))).parts[0]
    assert isinstance(call, ToolCall)
    assert call.arguments == "{}"


def test_interleaved_calls_come_one_after_the_other() -> None:
    second = {**CALL, "id": "fc_2", "call_id": "call_2", "name": "g"}
    got = read(
        CREATED, added(0, {**CALL, "arguments": ""}), added(1, {**second, "arguments": ""}),
        delta(1, '{"b":', "function_call_arguments"), delta(0, '{"a":', "function_call_arguments"),
        delta(1, "2}", "function_call_arguments"), delta(0, "1}", "function_call_arguments"),
        done(1, {**second, "arguments": '{"b":2}'}), done(0, {**CALL, "arguments": '{"a":1}'}), completed(),
    )  # fmt: skip
    calls = [part for part in fold(got).parts if isinstance(part, ToolCall)]
    assert [(call.id, call.arguments) for call in calls] == [("call_1", '{"a":1}'), ("call_2", '{"b":2}')]


def test_changing_ids_do_not_matter() -> None:
    item = {**MESSAGE, "content": []}
    got = read(
        CREATED, added(0, {**item, "id": "a"}), delta(0, "x", content_index=0, item_id="b"), delta(0, "y", content_index=0, item_id="c"),
        done(0, text("xy", id="d")), completed(text("xy", id="e")),
    )
    assert fold(got).parts == (Text("xy", extras={OWN: {"id": "a", "status": "completed"}}),)


def test_without_indexes_the_item_id_tells() -> None:
    events = [CREATED, added(0, {**CALL, "arguments": ""}), {"type": "response.function_call_arguments.delta", "item_id": "fc_1", "delta": "{}"}]
    del events[1]["output_index"]
    call = fold(read(*events, {"type": "response.output_item.done", "item": {**CALL, "arguments": "{}"}}, completed())).parts[0]
    assert isinstance(call, ToolCall)
    assert call.arguments == "{}"


def test_reasoning_of_both_kinds() -> None:
    summary = [{"type": "summary_text", "text": "a\n\nb"}, {"type": "summary_text", "text": "c"}]
    first = {"id": "rs_1", "type": "reasoning", "summary": summary, "encrypted_content": "gAAA"}
    raw = {"id": "rs_2", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "raw"}]}
    got = read(
        CREATED,
        added(0, {"id": "rs_1", "type": "reasoning", "summary": []}),
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0, "part": {"type": "summary_text", "text": ""}},
        delta(0, "a\n\nb", "reasoning_summary_text", summary_index=0),
        delta(0, "c", "reasoning_summary_text", summary_index=1),
        done(0, first),
        added(1, {"id": "rs_2", "type": "reasoning", "summary": []}),
        delta(1, "raw", "reasoning_text", content_index=0),
        done(1, raw),
        completed(first, raw),
    )
    response = fold(got)
    one, two = response.parts
    assert isinstance(one, Reasoning)
    assert isinstance(two, Reasoning)
    assert (one.text, one.summary, one.tokens) == ("a\n\nb\n\nc", True, (Opaque("wire.openai_responses", "encrypted", "gAAA", "rs_1"),))
    assert (two.text, two.summary) == ("raw", False)
    sent = frames(CODEC.stream_encoder(answer(), Ledger()).encode(got))
    assert [complaint for event in sent for complaint in complaints(event)] == []
    assert sent[-1]["response"]["output"] == [first, raw]
    assert [event["part"]["text"] for event in sent if event["type"] == "response.reasoning_summary_part.done"] == ["a\n\nb", "c"]
    assert [event["text"] for event in sent if event["type"] == "response.reasoning_text.done"] == ["raw"]


def test_citations_are_sent_once() -> None:
    note = {"type": "url_citation", "url": "https://example.com", "title": "t", "start_index": 0, "end_index": 2}
    whole = {**MESSAGE, "content": [{"type": "output_text", "text": "ab", "annotations": [note, {**note, "start_index": 1}]}]}
    got = read(
        CREATED, added(0, {**MESSAGE, "content": []}), delta(0, "ab", content_index=0),
        {"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation_index": 0, "annotation": note},
        done(0, whole), completed(whole),
    )  # fmt: skip
    part = fold(got).parts[0]
    assert isinstance(part, Text)
    assert [(citation.url, citation.start, citation.end) for citation in part.citations] == [("https://example.com", 0, 2), ("https://example.com", 1, 2)]


def test_a_refusal_is_a_refusal() -> None:
    whole = {**MESSAGE, "content": [{"type": "refusal", "refusal": "No."}]}
    response = fold(read(CREATED, added(0, {**MESSAGE, "content": []}), delta(0, "No.", "refusal", content_index=0), done(0, whole), completed(whole)))
    assert isinstance(response.parts[0], Refusal)
    assert response.finish.reason == "refused"


def test_hosted_tools_and_their_progress() -> None:
    item = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}}
    begun = {**item, "status": "in_progress"}
    progress = {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1", "sequence_number": 99}
    listed = {"id": "mcpl_1", "type": "mcp_list_tools", "server_label": "s", "tools": []}
    got = read(CREATED, added(0, begun), progress, done(0, item), added(1, {**listed}), done(1, listed), {"type": "keepalive"}, completed())
    assert [type(event) for event in got if isinstance(event, Aside)] == [Aside, Aside]
    call, result, native = fold(got).parts
    assert isinstance(call, ToolCall)
    assert (call.runs, call.name) == ("provider", "web_search")
    assert isinstance(result, ToolResult)
    assert isinstance(native, Native)
    out = CODEC.stream_encoder(answer(), Ledger()).encode(got)
    sent = frames(out)
    assert [event["type"] for event in sent[2:]] == [
        "response.output_item.added", "response.web_search_call.searching", "response.output_item.done", "response.output_item.added",
        "response.output_item.done", "response.completed",
    ]  # fmt: skip
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    assert b": keepalive" in out
    assert sent[-1]["response"]["output"] == [item, listed]


def test_why_it_ended() -> None:
    for status, details, reason, raw in (
        ("incomplete", {"reason": "max_output_tokens"}, "length", "max_output_tokens"),
        ("incomplete", {"reason": "content_filter"}, "filtered", "content_filter"),
        ("incomplete", {"reason": "steered"}, "other", "steered"),
        ("completed", None, "stop", "completed"),
    ):
        final = {"id": "resp_1", "model": "m", "status": status, "incomplete_details": details, "output": [text("x")]}
        finish = fold(read(CREATED, {"type": f"response.{status}", "response": final})).finish
        assert (finish.reason, finish.raw) == (reason, raw)


FAILURES: list[tuple[dict[str, Any], str]] = [
    ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "slow"}}}, "rate_limited"),
    ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error", "message": "oh"}}}, "upstream_failed"),
    ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_is_overloaded", "message": "oh"}}}, "overloaded"),
    ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "context_length_exceeded", "message": "oh"}}}, "context_too_long"),
    ({"type": "response.failed", "response": {"status": "failed", "error": {"code": "invalid_prompt", "message": "oh"}}}, "invalid"),
    ({"type": "response.failed", "response": {"status": "failed"}}, "upstream_failed"),
    ({"type": "error", "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "pay"}}, "quota_exhausted"),
    ({"type": "error", "code": "server_error", "message": "oh", "param": None}, "upstream_failed"),
]


@pytest.mark.parametrize(("frame", "kind"), FAILURES)
def test_failures_inside_a_stream(frame: dict[str, Any], kind: str) -> None:
    got = read(CREATED, added(0, {**MESSAGE, "content": []}), delta(0, "x", content_index=0), frame, completed(text("x")))
    assert isinstance(got[-1], Failed)
    assert got[-1].error.kind == kind


@pytest.mark.parametrize("cut", [b"", sse(CREATED), sse(CREATED, delta(0, "x", content_index=0)), sse(CREATED)[:-9]])
def test_a_stream_that_breaks_off(cut: bytes) -> None:
    got = decode(cut)
    check(got)
    assert isinstance(got[-1], Failed)
    assert got[-1].error.kind == "upstream_incomplete"


def test_a_final_event_whose_blank_line_never_came() -> None:
    assert isinstance(decode(sse(CREATED, completed(text("x"))).rstrip())[-1], End)


def test_what_cannot_be_read_breaks_the_stream() -> None:
    for bad in (b"data: {oh\n\n", sse(done(0, {"type": "function_call", "call_id": "c"}))):
        got = decode(sse(CREATED) + bad + sse(completed()))
        check(got)
        assert isinstance(got[-1], Failed)
        assert got[-1].error.kind == "upstream_failed"


def test_comments_done_and_names_only_in_event_lines() -> None:
    stream = b': hi\n\nevent: response.created\ndata: {"response":{"id":"resp_1","model":"m"}}\n\n' + sse(completed(text("x"))) + b"data: [DONE]\n\n"
    got = decode(stream)
    assert isinstance(got[-1], End)
    assert got[0] == Begin("resp_1", "m", extras={OWN: {}})


# ------------------------------------------------------------------------------------------------------------------ encode


def test_every_snapshot_of_a_text() -> None:
    sent = write([Text("Hi", (Citation("https://example.com", "t", start=0, end=2),))], Finish("stop"), model="gpt-5")
    assert [event["type"] for event in sent] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
        "response.output_text.annotation.added", "response.output_text.done", "response.content_part.done", "response.output_item.done",
        "response.completed",
    ]  # fmt: skip
    final = sent[-1]["response"]
    assert (final["model"], final["status"], final["created_at"], final["id"]) == ("gpt-5", "completed", 7, "resp_0")
    assert sent[-2]["item"] == final["output"][0]
    assert accumulate(sent) is not None


def test_neighbouring_texts_are_one_message_of_several_parts() -> None:
    sent = write([Text("a"), Text("b"), ToolCall("call_1", "f"), Text("c")], Finish("tool_call"))
    output = sent[-1]["response"]["output"]
    assert [(item["type"], len(item.get("content", ()))) for item in output] == [("message", 2), ("function_call", 0), ("message", 1)]
    assert [event["content_index"] for event in sent if event["type"] == "response.content_part.added"] == [0, 1, 0]
    assert [event["output_index"] for event in sent if event["type"] == "response.output_item.done"] == [0, 1, 2]


def test_calls_of_all_kinds() -> None:
    parts: list[Part] = [ToolCall("call_1", "f"), ToolCall("call_2", "g", '{"a":1}', namespace="n"), ToolCall("call_3", "patch", "***", custom=True)]
    sent = write(parts, Finish("tool_call"))
    first, second, third = sent[-1]["response"]["output"]
    assert (first["type"], first["arguments"], first["id"][:3], first["call_id"]) == ("function_call", "{}", "fc_", "call_1")
    assert second["namespace"] == "n"
    assert (third["type"], third["input"], third["id"][:4]) == ("custom_tool_call", "***", "ctc_")
    added_calls = [event["item"] for event in sent if event["type"] == "response.output_item.added"]
    assert [(item["status"], item.get("arguments", item.get("input"))) for item in added_calls] == [("in_progress", "")] * 3
    assert "".join(event["delta"] for event in sent if event["type"] == "response.function_call_arguments.delta") == '{}{"a":1}'


def test_reasoning_is_a_summary_with_the_seal() -> None:
    sent = write([Reasoning("think", tokens=(Opaque("seal", "seal", "c2VhbA=="),)), Text("x")], Finish("stop"))
    item = sent[-1]["response"]["output"][0]
    assert item == {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "think"}], "encrypted_content": "c2VhbA=="}
    assert "".join(event["delta"] for event in sent if event["type"] == "response.reasoning_summary_text.delta") == "think"


def test_an_answer_that_was_cut_short() -> None:
    sent = write([Text("x"), ToolCall("call_1", "f", '{"a')], Finish("length"))
    final = sent[-1]
    assert (final["type"], final["response"]["incomplete_details"]) == ("response.incomplete", {"reason": "max_output_tokens"})
    assert [item["status"] for item in final["response"]["output"]] == ["completed", "incomplete"]
    assert [event["item"]["status"] for event in sent if event["type"] == "response.output_item.done"] == ["completed", "incomplete"]


def test_a_malformed_call_is_no_success() -> None:
    assert write([], Finish("malformed_call"))[-1]["type"] == "response.failed"


def test_usage_that_comes_late_is_in_the_last_event() -> None:
    events: list[Event] = [Begin("x", "m"), Finished(Finish("stop")), UsageSeen(Usage(10, 5, 4, reasoning=2)), End()]
    sent = frames(CODEC.stream_encoder(answer(), Ledger()).encode(events))
    assert sent[-1]["response"]["usage"] == {
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 15,
    }  # fmt: skip


def test_a_failure_ends_nothing_else() -> None:
    """A half-written call must not look whole: Codex runs what `output_item.done` brings."""
    encoder = CODEC.stream_encoder(answer(), Ledger())
    events: list[Event] = [
        Begin("resp_9", "m"), Open(0, ToolCall("call_1", "f")), Delta(0, '{"a":'), Failed(ApiError("rate_limited", "Slow.", retry_after_s=2)),
    ]
    sent = frames(encoder.encode(events))
    assert [event["type"] for event in sent[-2:]] == ["response.function_call_arguments.delta", "response.failed"]
    assert sent[-1]["response"]["id"] == "resp_9"
    assert sent[-1]["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Slow. Please try again in 2s."}
    assert encoder.ping() == b": keepalive\n\n"


def test_a_hosted_call_of_another_provider() -> None:
    parts: list[Part] = [
        ToolCall("srv_1", "web_search", '{"query":"x"}', "provider"), ToolResult("srv_1", (Text("y"),), "web_search", runs="provider"),
        ToolCall("srv_2", "memory", "{}", "provider"), Text("z"),
    ]
    ledger = Ledger()
    sent = frames(CODEC.stream_encoder(answer(), ledger).encode(unfold(Response("", "m", tuple(parts), Finish("stop")))))
    assert [item["type"] for item in sent[-1]["response"]["output"]] == ["web_search_call", "message"]
    assert sent[-1]["response"]["output"][0]["action"] == {"type": "search", "query": "x"}
    assert [(loss.feature, loss.loss_class) for loss in ledger.losses] == [("web_search_result", "tools"), ("memory", "tools")]
    assert [event["output_index"] for event in sent if event["type"] == "response.output_item.added"] == [0, 1]


def test_the_answer_repeats_the_request() -> None:
    body = {
        "model": "gpt-5", "input": "x", "instructions": "I", "temperature": 0.5, "metadata": {"a": "b"}, "tool_choice": "required",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}], "parallel_tool_calls": False,
        "text": {"format": {"type": "json_object"}}, "reasoning": {"effort": "low", "summary": "auto"}, "truncation": "auto",
    }  # fmt: skip
    sent = write([Text("x")], Finish("stop"), request=CODEC.decode_request(body))
    for event in (sent[0], sent[-1]):
        assert {name: event["response"][name] for name in body if name not in ("model", "input")} == {
            name: value for name, value in body.items() if name not in ("model", "input")
        }


def test_a_tier_in_other_words() -> None:
    for tier, said, lost in (("priority", "priority", []), ("standard", "default", []), ("on_demand", None, ["service_tier"])):
        ledger = Ledger()
        events = unfold(Response("", "m", (), Finish("stop"), service_tier=tier))
        sent = frames(CODEC.stream_encoder(answer(), ledger).encode(events))
        assert [event["response"].get("service_tier") for event in sent] == [said] * 3
        assert [loss.feature for loss in ledger.losses] == lost


def test_usage_that_nobody_knows_is_the_estimate() -> None:
    sent = write([Text("x")], Finish("stop"), input_estimate=12)
    assert (sent[-1]["response"]["usage"]["input_tokens"], sent[-1]["response"]["usage"]["output_tokens"]) == (12, 0)
