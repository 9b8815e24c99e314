"""Laws over any legal stream and any request."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.errors import ERROR_KINDS, ApiError
from llm_api_converter.hub.events import Begin, Event, Failed
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import ToolCall, ToolResult
from llm_api_converter.hub.request import Request
from llm_api_converter.hub.response import Response
from tests.protocols.openai_responses.sdk import ANSWER, CODEC, accumulate, answer, comparable, complaints, decode, frames
from tests.strategies import answer_parts, arguments, event_lists, media_parts, requests, responses

CODES_OF_OPENAI = ("context_length_exceeded", "insufficient_quota")
"""Real codes that the SDK's list of codes does not have."""


@st.composite
def hosted(draw: Any) -> ToolCall:
    """A call the provider ran."""
    name = draw(st.sampled_from(["web_search", "web_fetch", "code_execution", "bash", "file_search", "mcp", "memory"]))
    return ToolCall("srv_1", name, draw(arguments), "provider")


anything = st.one_of(
    answer_parts(), answer_parts(), answer_parts(), media_parts(), hosted(),
    st.just(ToolResult("srv_1", (), "web_search", runs="provider")),
)


@settings(max_examples=150, deadline=None)
@given(event_lists(anything))
def test_every_event_suits_the_sdk_and_the_last_one_holds_the_plain_answer(events: list[Event]) -> None:
    sent = frames(CODEC.stream_encoder(answer(), Ledger()).encode(events))
    assert [complaint for event in sent for complaint in complaints(event)] == []
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    final = sent[-1]["response"]
    assert final == json.loads(CODEC.encode_response(fold(events), answer(), Ledger()))
    assert [event["item"] for event in sent if event["type"] == "response.output_item.done"] == final["output"]
    accumulate(sent)


@settings(max_examples=60, deadline=None)
@given(event_lists(anything), st.integers(1, 4))
def test_the_same_bytes_however_the_events_come(events: list[Event], size: int) -> None:
    whole, cut = CODEC.stream_encoder(answer(), Ledger()), CODEC.stream_encoder(answer(), Ledger())
    assert whole.encode(events) == b"".join(cut.encode(events[i : i + size]) for i in range(0, len(events), size))


@settings(max_examples=80, deadline=None)
@given(responses(anything))
def test_plain_answers_suit_the_sdk(response: Response) -> None:
    ANSWER.validate_json(CODEC.encode_response(response, answer(), Ledger()), strict=True)


@settings(max_examples=80, deadline=None)
@given(event_lists())
def test_what_was_sent_is_read_back(events: list[Event]) -> None:
    """Text, calls and their order survive the way out and in again."""
    stream = CODEC.stream_encoder(answer(), Ledger()).encode(events)
    back = decode(stream)
    assert comparable(decode(stream, 7)) == comparable(back)
    first, second = json.loads(CODEC.encode_response(fold(events), answer(), Ledger())), fold(back)
    again = json.loads(CODEC.encode_response(second, answer(), Ledger()))
    assert again["output"] == first["output"]
    assert again["status"] == first["status"]


@settings(max_examples=80, deadline=None)
@given(event_lists(fails=True))
def test_a_broken_stream_ends_in_response_failed(events: list[Event]) -> None:
    sent = frames(CODEC.stream_encoder(answer(), Ledger()).encode(events))
    if isinstance(events[-1], Failed):
        assert sent[0]["type"] == "response.created"
        last = sent[-1]
        assert last["type"] == "response.failed"
        assert last["response"]["status"] == "failed"
        assert last["response"]["error"]["message"]
        assert len({event["response"]["id"] for event in sent if "response" in event}) == 1
        if last["response"]["error"]["code"] not in CODES_OF_OPENAI:
            assert complaints(last) == []


def test_the_sdk_complains_of_what_is_wrong() -> None:
    """The judge of the laws above is no yes-man."""
    assert complaints({"type": "response.output_text.delta", "sequence_number": 1, "item_id": "x", "output_index": 0, "content_index": 0})
    assert complaints({"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": {"type": "function_call"}})
    assert complaints({"type": "response.of_no_kind", "sequence_number": 1})


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_every_error_ends_the_stream(kind: Any) -> None:
    sent = frames(CODEC.stream_encoder(answer(), Ledger()).encode([Begin("resp_1", "m"), Failed(ApiError(kind, "why"))]))
    assert sent[-1]["type"] == "response.failed"
    assert frames(CODEC.stream_error(ApiError(kind, "why"), "1"))[0]["type"] == "response.failed"


# --------------------------------------------------------------------------------------------- requests: encoded, or in the ledger

PLACES: dict[str, str] = {
    "tools": "tools", "tool_choice": "tool_choice", "parallel_tools": "parallel_tool_calls", "max_tokens": "max_output_tokens",
    "output": "text", "service_tier": "service_tier", "user": "user", "metadata": "metadata", "store": "store", "verbosity": "text",
    "cache_key": "prompt_cache_key", "modalities": "", "audio": "", "extras": "", "stream": "stream",
}
"""Neutral field -> where it must stand in the body, unless the ledger has it; "": the ledger must have it."""
SILENT = {"stream_usage", "betas", "paths", "choices", "model", "messages", "sampling", "reasoning", "cache"}
"""Looked at below, or nothing that could be lost: usage always comes, a beta flag alone says nothing."""


@settings(max_examples=120, deadline=None)
@given(requests())
def test_every_field_is_encoded_or_reported(request: Request) -> None:
    ledger = Ledger()
    body = CODEC.encode_request(request, Facts(), ledger).body
    reported = {loss.feature for loss in ledger.losses} | {loss.path for loss in ledger.losses}
    for name in Request.__struct_fields__:
        value = getattr(request, name)
        if name in SILENT or value in (None, (), False) or (name, value) == ("modalities", ("text",)):
            continue
        place = PLACES[name]
        if name == "extras":
            assert "odd_field" in body if "openai_responses" in value else "odd_field" in reported
        elif name == "tools":
            assert body.get("tools") or reported & {"web_search", "code_execution"}
        elif name in ("tool_choice", "parallel_tools") and request.tools and not body.get("tools"):
            assert place not in body  # they may stand beside tools only
            assert name == "parallel_tools" or value.mode in ("auto", "none") or name in reported
        else:
            assert place in body if place else name in reported
    _sampling_is_encoded_or_reported(request, body, reported)
    _texts_are_encoded(request, body)


def _sampling_is_encoded_or_reported(request: Request, body: dict[str, Any], reported: set[str]) -> None:
    for name in request.sampling.__struct_fields__:
        value = getattr(request.sampling, name)
        if value is not None and value != ():
            assert body.get(name) == value or name in reported
    ask = request.reasoning
    if ask is not None and ask.effort is not None and ask.mode != "off":
        assert body["reasoning"]["effort"] == ask.effort
    if ask is not None and ask.budget_tokens is not None and ask.effort is None and ask.mode != "off":
        assert "reasoning_budget" in reported
    if request.cache is not None and request.cache.ttl_s is not None:
        assert "cache_control" in reported


def _texts_are_encoded(request: Request, body: dict[str, Any]) -> None:
    said = json.dumps(body["input"], ensure_ascii=False)
    for message in request.messages:
        for part in message.parts:
            if type(part).__name__ == "Text":
                assert json.dumps(part.text, ensure_ascii=False)[1:-1] in said  # type: ignore[union-attr]
            if isinstance(part, ToolCall | ToolResult):
                assert (part.call_id if isinstance(part, ToolResult) else part.id) in said


@settings(max_examples=60, deadline=None)
@given(requests())
def test_every_part_of_the_history_is_encoded_or_reported(request: Request) -> None:
    """Media, reasoning and marks by their paths."""
    ledger = Ledger()
    body = CODEC.encode_request(request, Facts(), ledger).body
    paths = [loss.path for loss in ledger.losses]
    said = json.dumps(body["input"])
    wanted = {"image": "input_image", "document": "input_file", "audio": "input_audio"}
    for message in request.messages:
        for part in message.parts:
            kind = type(part).__name__
            reported = part.at in paths
            if kind == "Media":
                assert reported or wanted.get(part.kind, "?") in said  # type: ignore[union-attr]
            if kind == "Reasoning":
                assert reported or '"reasoning"' in said
            if getattr(part, "cache", None) is not None:
                assert reported or f"{part.at}.cache_control" in paths
            if getattr(part, "tokens", ()) and kind != "Reasoning":
                assert reported
