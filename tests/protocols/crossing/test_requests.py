"""Every recorded request of every protocol, written in every other one.

It is valid for that protocol; every fact of it arrives or is in the report; each line of the report names a place that is really
there in the client's request; and a conversation of text and tools crosses with an empty report.
"""

import json
import re
from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.ledger import compact
from llm_api_converter.hub.messages import Message, Part, Text, ToolCall, ToolResult
from llm_api_converter.hub.request import Request, Tool
from tests.protocols.crossing.accepted import complaints
from tests.protocols.crossing.corpus import (
    KIT,
    PAIRS,
    SERVER_STATE,
    cross,
    decode,
    excused,
    kit,
    limitless,
    needs_kit,
    requests,
    some,
    target,
    thinks,
)

# Requests whose facts differ without a loss, by a piece of their id: the judge is blind there, or asks for more than can be had.
EXCUSED = {
    "pydantic-ai.test_tool_search-test_anthropic_": "a deferred tool that the client's own search has not loaded yet is not declared",
    "opentelemetry-instrumentation-vertexai-test_": (
        "types of a schema given as numbers of Google's enum, which the judge does not read"
    ),
    "dd-trace-js.llmobs-openai-openai_chat_completions_post_": "tools called `1`, `2`: Google's names begin with a letter, so others are sent",
    "ellmer.testthat-_vcr-chat-tools-dangling": "arguments that are an array, where an object is demanded: wrapped and reported",
    "rig.chatgpt-codex_tool_choice-specific_multiple_functions_use_allowed_tools": "a choice limited to some tools: the others are left out",
    "pydantic-ai.ltimodal_tool_returns-test_multimodal_tool_return_matrix_direct-url-document-google_vertex": (
        "a document in a tool result that the target cannot fetch: a short text stands in its place, reported"
    ),
}


@needs_kit
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_every_request_is_valid_and_every_fact_arrives_or_is_reported(client: str, upstream: str) -> None:
    schema, facts_req = kit("schema"), kit("facts_req")
    found: dict[str, Any] = {}
    total = 0
    for case in requests(client):
        if SERVER_STATE & case.body.keys():  # type: ignore[union-attr]  # a request has a body
            continue
        total += 1
        think = thinks(case)
        try:
            body, ledger = cross(case, client, upstream, *target(upstream, think))
        except ApiError as error:
            if not facts_req.named(facts_req.refusal_causes(case.rec.F, KIT[upstream]), error.message):
                found[case.id] = f"refused: {error.message}"
            continue
        problems = schema.check(KIT[upstream], body)
        got = facts_req.extract(KIT[upstream], body, case.stream)
        report = compact(ledger.losses)
        deep = think and upstream in ("openai_chat", "openai_responses")
        for loss in facts_req.compare(case.rec.F, got, KIT[client], KIT[upstream], think_model=deep):
            if loss[0] in facts_req.CORE or not facts_req.is_reported(loss, report):
                problems.append(" ".join(map(str, loss))[:200])
        if problems:
            found[case.id] = problems[:3]
    wrong = {name: why for name, why in found.items() if not excused(name, EXCUSED)}
    assert total > 200
    assert not wrong, (len(wrong), list(wrong.items())[:5])
    assert len(found) < total / 100, "the exceptions are no longer few"


@needs_kit
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_the_vendors_own_types_take_every_request(client: str, upstream: str) -> None:
    wrong = []
    for case in some(requests(client), 40):
        try:
            body, _ = cross(case, client, upstream, *target(upstream, thinks(case)))
        except ApiError:
            continue
        found = complaints(upstream, json.loads(json.dumps(body)))
        if found:
            wrong.append((case.id, found))
    assert not wrong, (len(wrong), wrong[:5])


@needs_kit
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_every_loss_names_a_place_in_the_clients_request(client: str, upstream: str) -> None:
    lost = set()
    for case in requests(client):
        try:
            _, ledger = cross(case, client, upstream, *target(upstream, thinks(case)))
        except ApiError:
            continue
        body = {**case.body, "anthropic-beta": dict.fromkeys(decode(case, client).betas, True)}  # type: ignore[dict-item]
        lost |= {(case.id, loss.path, loss.feature) for loss in ledger.losses if not there(body, loss.path)}
    assert not lost, (len(lost), sorted(lost)[:12])


def there(body: Any, path: str) -> bool:
    """Is there something at this path? A step into text that is JSON goes on inside it; one that a protocol calls by its other name
    (`maxOutputTokens`, `max_output_tokens`) counts.
    """
    at, rest = body, path
    while rest:
        if isinstance(at, str) and at[:1] in ("{", "["):
            at = json.loads(at)
        if isinstance(at, dict):
            named = sorted((str(key) for key in at), key=len, reverse=True)
            hit = next((key for key in named if rest == key or rest.startswith((f"{key}.", f"{key}["))), None)
            if hit is None:
                return False
            at, rest = at[hit], rest[len(hit) :].removeprefix(".")
        elif isinstance(at, list):
            found = re.match(r"\[(\d+)\]\.?", rest)
            if found is None or int(found.group(1)) >= len(at):
                return False
            at, rest = at[int(found.group(1))], rest[found.end() :]
        else:
            return False
    return True


# What a protocol (and not a model) cannot take of a conversation of text and tools: where a turn may stand, how far a number may go.
OWN_LIMITS = {
    "first_turn": "a conversation that begins with the assistant",
    "prefill": "one that ends with it",
    "system_inline": "system text in the middle of it",
    "system": "system text in the middle of it",
    "temperature": "a temperature beyond what is taken",
    "max_tokens": "fewer tokens than are given at least",
    "blank_text": "text of white space only",
    "tools": "calls without declared tools",
    "tool_choice": "no tool is to be called, where that cannot be said",
}


@needs_kit
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_text_and_tools_cross_with_an_empty_report(client: str, upstream: str) -> None:
    facts, model = limitless(upstream)
    crossed, noisy = 0, []
    for case in requests(client):
        request = decode(case, client)
        if not _only_text_and_tools(request):
            continue
        _, ledger = cross(case, client, upstream, facts, model)
        said = [loss for loss in ledger.losses if loss.feature not in OWN_LIMITS and "schema" not in loss.detail]
        crossed += not ledger.losses
        if said:
            noisy.append((case.id, compact(said)))
    assert crossed > 30
    assert not noisy, (len(noisy), noisy[:6])


def _only_text_and_tools(request: Request) -> bool:
    """Text, calls and results, function tools with a schema, and numbers every protocol has: nothing else, and nothing on them."""
    plain = Request(
        request.model, request.messages, request.tools, request.tool_choice, max_tokens=request.max_tokens, sampling=request.sampling,
        stream=request.stream, stream_usage=request.stream_usage, extras=request.extras, paths=request.paths,
    )  # fmt: skip
    if request != plain or _odd(request.extras) or (request.tool_choice is not None and request.tool_choice.allowed):
        return False
    sampling = request.sampling
    if any(getattr(sampling, name) for name in ("top_k", "seed", "stop", "frequency_penalty", "presence_penalty", "top_p")):
        return False
    return all(map(_plain_tool, request.tools)) and all(map(_plain_message, request.messages))


def _odd(extras: dict[str, Any] | None) -> bool:
    return any(owner[0] != "~" for owner in extras or ())


def _plain_tool(tool: Any) -> bool:
    if not isinstance(tool, Tool) or _odd(tool.extras):
        return False
    return tool == Tool(tool.name, tool.description, tool.schema, extras=tool.extras, at=tool.at)


def _plain_message(message: Message) -> bool:
    return message.name is None and not _odd(message.extras) and all(map(_plain_part, message.parts))


def _plain_part(part: Part) -> bool:
    """Text, a call with an object of arguments, a result of text."""
    if _odd(getattr(part, "extras", None)):
        return False
    if isinstance(part, Text):
        return part == Text(part.text, extras=part.extras, at=part.at)
    if isinstance(part, ToolCall):
        same = part == ToolCall(part.id, part.name, part.arguments, extras=part.extras, at=part.at)
        return same and part.arguments.startswith("{") and part.arguments.endswith("}")
    return isinstance(part, ToolResult) and not (part.is_error or part.cache or part.custom) and part.runs == "client" and all(
        isinstance(inner, Text) and _plain_part(inner) for inner in part.parts
    )


def test_places() -> None:
    body = {"a": [{"b.c": "x"}], "d": '{"e": [1]}', "f": "text"}
    assert all(there(body, path) for path in ("a", "a[0]", "a[0].b.c", "d.e[0]", "f"))
    assert not any(there(body, path) for path in ("b", "a[1]", "a[0].b", "d.e[1]", "f.g", "f[0]"))
