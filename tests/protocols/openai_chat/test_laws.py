"""Laws over everything that can be said: streams the official SDK reads, requests of which nothing goes missing in silence."""

import json
from typing import Any

from hypothesis import given, settings
from msgspec.structs import replace
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from llm_api_converter.hub.events import Event, Failed, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import FileRef, Inline, Media, Part, PartList, PlainText, Reasoning, Text, ToolCall, ToolResult, Url
from llm_api_converter.hub.request import ProviderTool, Request, Tool
from llm_api_converter.hub.response import Response
from llm_api_converter.protocols.openai_chat import CODEC
from tests.protocols.openai_chat.wire_examples import answer, decoded, frames, sdk_snapshot
from tests.strategies import answer_parts, event_lists, media_parts, requests, responses

CHUNK = TypeAdapter(ChatCompletionChunk)
WHOLE = TypeAdapter(ChatCompletion)


def plain(value: Any) -> Any:
    """As a plain answer says it: absent is null, and entries of lists have no numbers."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v not in (None, []) and k not in ("index", "object", "parsed", "parsed_arguments")}
    return [plain(x) for x in value] if isinstance(value, list) else value


@settings(max_examples=120, deadline=None)
@given(event_lists(answer_parts() | media_parts()))
def test_the_sdk_reads_every_stream_as_the_plain_answer(events: list[Event]) -> None:
    check(events)
    streamed, whole = Ledger(), Ledger()
    data = CODEC.stream_encoder(answer(), streamed).encode(events)
    chunks = frames(data)
    for value in chunks:
        CHUNK.validate_json(json.dumps(value), strict=True)
        assert (value["id"], value["model"], value["created"]) == (chunks[0]["id"], "model-1", 17)
    body = json.loads(CODEC.encode_response(fold(events), answer(), whole))
    WHOLE.validate_json(json.dumps(body), strict=True)
    if fold(events).usage is None:  # a plain answer has counts always, a stream where there are any
        assert body.pop("usage")["total_tokens"] == 0
    snapshot = sdk_snapshot(chunks)
    assert plain(snapshot) == plain(body)
    assert {(x.feature, x.action) for x in streamed.losses} == {(x.feature, x.action) for x in whole.losses}
    assert data.endswith(b"data: [DONE]\n\n")


@settings(max_examples=80, deadline=None)
@given(event_lists(fails=True))
def test_event_by_event_is_the_same_as_all_at_once(events: list[Event]) -> None:
    one, many = CODEC.stream_encoder(answer(), Ledger()), CODEC.stream_encoder(answer(), Ledger())
    out = b"".join(one.encode([event]) for event in events)
    assert out == many.encode(events)
    if isinstance(events[-1], Failed):
        assert b"[DONE]" not in out
        assert frames(out)[-1]["error"]["message"] == events[-1].error.message


@settings(max_examples=120, deadline=None)
@given(responses())
def test_a_stream_of_ours_reads_back(response: Response) -> None:
    """Up to what Chat has no words for: borders between texts and between thoughts, foreign state, citations without an address."""
    events = decoded(CODEC.stream_encoder(answer(), Ledger()).encode(unfold(response)))
    check(events)
    back = fold(events)
    assert said(back, Text) == said(response, Text)
    assert said(back, Reasoning) == said(response, Reasoning)
    assert [(x.id, x.name, x.arguments) for x in of(back, ToolCall)] == [(x.id, x.name, x.arguments) for x in of(response, ToolCall)]
    assert (back.usage and (back.usage.input_total, back.usage.output_total)) == (
        response.usage and (response.usage.input_total, response.usage.output_total)
    )
    seals = sorted(x.data for part in response.parts if isinstance(part, Text | Reasoning | ToolCall) for x in part.tokens if x.kind == "seal")
    found = [x.data for part in back.parts if isinstance(part, Text | Reasoning | ToolCall) for x in part.tokens]
    assert [x for x in seals if x not in found] == []


def of(response: Response, kind: type) -> list[Any]:
    return [part for part in response.parts if isinstance(part, kind)]


def said(response: Response, kind: type) -> str:
    return "".join(part.text for part in of(response, kind))


FACTS = (
    Facts(),
    Facts(reasoning_field="reasoning_details", reasoning_input="toggle", cache_marks=4, custom_tools=True, accepts_realms=("wire.anthropic",)),
    Facts(reasoning_field="reasoning", reasoning_input="budget", tool_result_media="none", system_role="developer", usage_in_stream=False),
)


@settings(max_examples=150, deadline=None)
@given(requests())
def test_nothing_of_a_request_goes_missing_in_silence(request: Request) -> None:
    for facts in FACTS:
        ledger = Ledger()
        body = CODEC.encode_request(request, facts, ledger).body
        text = json.dumps(body, ensure_ascii=False)
        lost = {loss.path for loss in ledger.losses}
        for message in request.messages:
            for part in message.parts:
                _check_part(part, body, text, lost)
        _check_fields(request, facts, body, lost)


def _check_part(part: Part, body: Any, text: str, lost: set[str]) -> None:
    def there(value: str) -> bool:
        return json.dumps(value, ensure_ascii=False)[1:-1] in text

    match part:
        case Text():
            assert there(part.text)
        case Reasoning():
            assert there(part.text)
            assert all(there(x.data) for x in part.tokens) or part.at in lost
        case ToolCall():
            assert there(part.id)
            assert there(part.name)
            assert there(part.arguments)
            assert all(there(x.data) for x in part.tokens) or part.at in lost
        case ToolResult():
            assert there(part.call_id)
            assert not part.is_error or "error" in text.lower()
            for inner in part.parts:
                _check_part(inner, body, text, lost)
        case Media(source=source):
            match source:
                case Inline(data) | PlainText(data) | Url(data):
                    assert there(data) or part.at in lost
                case FileRef(_, file_id):
                    assert there(file_id) or part.at in lost
                case PartList(parts):
                    assert all(there(x.text) for x in parts if isinstance(x, Text))
            assert part.name is None or there(part.name) or f"{part.at}.name" in lost or part.at in lost
            assert part.detail is None or there(part.detail) or part.at in lost
        case _:
            raise AssertionError(part)
    mark = getattr(part, "cache", None)
    if mark is not None:
        assert "cache_control" in text or f"{part.at}.cache_control" in lost or part.at in lost


def _check_fields(request: Request, facts: Facts, body: dict[str, Any], lost: set[str]) -> None:
    for name in ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty"):
        value = getattr(request.sampling, name)
        assert body.get(name) == value
    assert body.get("stop", []) == list(request.sampling.stop)
    assert body.get(facts.max_tokens_field) == request.max_tokens
    renamed = {"cache_key": "prompt_cache_key"}
    declared = not request.tools or any(isinstance(tool, Tool) for tool in request.tools)
    assert body.get("parallel_tool_calls") == (request.parallel_tools if declared else None)
    for name in ("cache_key", "service_tier", "user", "metadata", "store", "verbosity"):
        assert body.get(renamed.get(name, name)) == getattr(request, name)
    assert body.get("modalities", []) == list(request.modalities)
    assert (request.audio is None) == ("audio" not in body)
    assert (request.output is None) == ("response_format" not in body)
    assert body.get("stream", False) == request.stream
    assert request.cache is None or "cache_control" in body or "cache_control" in lost
    assert ("tool_choice" in body) == (declared and request.tool_choice is not None)
    forced = request.tool_choice is not None and request.tool_choice.mode in ("any", "one")
    assert declared or not forced or "tool_choice" in lost
    _check_reasoning(request, body, lost)
    for tool in request.tools:
        if isinstance(tool, ProviderTool):
            assert tool.at in lost
            continue
        assert tool.name in json.dumps(body["tools"])
        assert not tool.deferred or f"{tool.at}.defer_loading" in lost
    for owner in request.extras or ():
        assert body.get("odd_field") == 1 if owner == "openai_chat" else "odd_field" in lost


def _check_reasoning(request: Request, body: dict[str, Any], lost: set[str]) -> None:
    ask = request.reasoning
    if ask is None:
        return
    written = {"thinking", "reasoning", "reasoning_effort"} & body.keys()
    if ask.mode or ask.effort or ask.budget_tokens:
        assert written or lost & {"reasoning.mode", "reasoning.budget_tokens"}
    if ask.show in ("none", "summary"):
        assert "reasoning.show" in lost or "reasoning" in written


@settings(max_examples=60, deadline=None)
@given(requests())
def test_what_we_write_we_read(request: Request) -> None:
    body = json.loads(json.dumps(CODEC.encode_request(request, FACTS[1], Ledger()).body))
    back = CODEC.decode_request(body)
    again = CODEC.encode_request(back, FACTS[1], Ledger()).body

    assert replace(back, paths={}).model == request.model
    assert again.get("messages") == body["messages"]
