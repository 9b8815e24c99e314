"""What a provider ran (a search, code), from every upstream to every client as the client's own items, and from there to every upstream.

The answers below are one answer in five protocols: a search for "ruby" that found one page, code that printed 1, and a text that cites
the page. Sources: recordings (November 2026).
"""

import json
from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger, compact
from llm_api_converter.hub.messages import Found, Ran, Text, ToolCall, ToolResult
from llm_api_converter.hub.response import Response
from llm_api_converter.hub.runs import MARK, code_of, queries_of
from llm_api_converter.protocols import PROTOCOLS, codec
from llm_api_converter.protocols.base import Answer
from llm_api_converter.providers.catalog import Catalog
from tests.protocols.crossing import accepted, understood

URL, TITLE, TEXT = "https://ruby-lang.org", "Ruby", "Ruby 4 is out."

ANTHROPIC = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
    "content": [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "ruby"}},
        {
            "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
            "content": [{"type": "web_search_result", "url": URL, "title": TITLE, "encrypted_content": "Eo", "page_age": "6 days ago"}],
        },
        {"type": "server_tool_use", "id": "srvtoolu_2", "name": "code_execution", "input": {"code": "print(1)"}},
        {
            "type": "code_execution_tool_result", "tool_use_id": "srvtoolu_2",
            "content": {"type": "code_execution_result", "stdout": "1\n", "stderr": "", "return_code": 0, "content": []},
        },
        {
            "type": "text", "text": TEXT,
            "citations": [{"type": "web_search_result_location", "url": URL, "title": TITLE, "encrypted_index": "Ei", "cited_text": "4 is"}],
        },
    ],
}  # fmt: skip
RESPONSES = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed",
    "usage": {
        "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
    },
    "output": [
        {
            "type": "web_search_call", "id": "ws_1", "status": "completed",
            "action": {"type": "search", "query": "ruby", "queries": ["ruby"], "sources": [{"type": "url", "url": URL}]},
        },
        {
            "type": "code_interpreter_call", "id": "ci_1", "status": "completed", "container_id": "cntr_1", "code": "print(1)",
            "outputs": [{"type": "logs", "logs": "1\n"}],
        },
        {
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{
                "type": "output_text", "text": TEXT,
                "annotations": [{"type": "url_citation", "url": URL, "title": TITLE, "start_index": 0, "end_index": 6}],
            }],
        },
    ],
}  # fmt: skip
GEMINI = {
    "responseId": "r1", "modelVersion": "m", "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
    "candidates": [{
        "index": 0, "finishReason": "STOP",
        "content": {"role": "model", "parts": [
            {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
            {"text": TEXT},
        ]},
        "groundingMetadata": {
            "webSearchQueries": ["", "ruby"], "groundingChunks": [{"web": {"uri": URL, "title": TITLE}}],
            "groundingSupports": [{"segment": {"endIndex": 6, "text": "Ruby 4"}, "groundingChunkIndices": [0]}],
            "searchEntryPoint": {"renderedContent": "<style>"},
        },
    }],
}  # fmt: skip
CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "tooluse_1", "name": "nova_grounding", "type": "server_tool_use", "input": {"query": "ruby"}}},
        {"toolResult": {"toolUseId": "tooluse_1", "type": "nova_grounding_result", "status": "success", "content": [{"text": "[HIDDEN]"}]}},
        {"toolUse": {"toolUseId": "tooluse_2", "name": "nova_code_interpreter", "type": "server_tool_use", "input": {"snippet": "print(1)"}}},
        {"toolResult": {
            "toolUseId": "tooluse_2", "type": "nova_code_interpreter_result", "status": "success",
            "content": [{"json": {"stdOut": "1\n", "stdErr": "", "exitCode": 0, "isError": False}}],
        }},
        {"citationsContent": {"content": [{"text": TEXT}], "citations": [{"title": TITLE, "location": {"web": {"url": URL, "domain": "r"}}}]}},
    ]}},
    "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1},
}  # fmt: skip
UPSTREAMS: dict[str, dict[str, Any]] = {
    "anthropic": ANTHROPIC, "openai_responses": RESPONSES, "gemini": GEMINI, "bedrock_converse": CONVERSE,
}  # fmt: skip
SHOWS_HITS = ("anthropic", "openai_responses", "gemini")
"""Bedrock does not say what a search found."""

ANSWER = Answer(model="m", new_id=lambda prefix: f"{prefix}1", created_s=5, input_estimate=7, include_usage=True)
PAIRS = [(client, upstream) for client in PROTOCOLS for upstream in UPSTREAMS]


def answered(client: str, upstream: str, *, stream: bool) -> tuple[bytes, Ledger]:
    """The answer of an upstream as a client gets it."""
    wire = json.dumps(UPSTREAMS[upstream]).encode()
    ledger = Ledger()
    if not stream:
        return codec(client).encode_response(codec(upstream).decode_response(wire), ANSWER, ledger), ledger
    decoder = codec(upstream).stream_decoder()
    sent = codec(upstream).stream_encoder(ANSWER, Ledger()).encode(unfold(codec(upstream).decode_response(wire)))
    events = [event for at in range(0, len(sent), 7) for event in decoder.feed(sent[at : at + 7])] + decoder.finish()
    return codec(client).stream_encoder(ANSWER, ledger).encode(events), ledger


def read(client: str, data: bytes, *, stream: bool) -> Response:
    if not stream:
        return codec(client).decode_response(data)
    decoder = codec(client).stream_decoder()
    return fold(decoder.feed(data) + decoder.finish())


def ran(response: Response) -> list[tuple[str, Any, Any]]:
    """What was run and what it gave, in the order of the names; each call with the result that follows it."""
    out: list[tuple[str, Any, Any]] = []
    parts = list(response.parts)
    for call, result in pairwise(parts):
        if isinstance(call, ToolCall) and call.runs == "provider":
            assert isinstance(result, ToolResult)
            assert result.call_id == call.id
            if isinstance(result.outcome, Found):
                out.append((call.name, queries_of(call), [hit.url for hit in result.outcome.hits]))
            elif isinstance(result.outcome, Ran):
                out.append((call.name, code_of(call), result.outcome.output.strip()))
    return sorted(out)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_what_was_run_comes_as_the_clients_own_items(client: str, upstream: str, stream: bool) -> None:
    data, ledger = answered(client, upstream, stream=stream)
    assert understood.complaints(client, stream, data) == []
    response = read(client, data, stream=stream)
    found = [URL] if upstream in SHOWS_HITS or client == "gemini" else []
    if client == "openai_chat":
        assert ran(response) == []
        lost = {loss.feature for loss in ledger.losses}
        assert {"web_search", "code_execution"} <= lost
    else:
        assert ran(response) == [("code_execution", "print(1)", "1"), ("web_search", ("ruby",), found)]
    cited = [citation.url for part in response.parts if isinstance(part, Text) for citation in part.citations]
    assert cited == [URL]
    assert "".join(part.text for part in response.parts if isinstance(part, Text)) == TEXT
    assert not any("groundingMetadata" in loss.path and "searchEntryPoint" not in loss.path for loss in ledger.losses)


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_reports_what_a_plain_answer_reports(client: str, upstream: str) -> None:
    _, plain = answered(client, upstream, stream=False)
    _, streamed = answered(client, upstream, stream=True)
    assert {(x.feature, x.action, x.loss_class) for x in plain.losses} == {(x.feature, x.action, x.loss_class) for x in streamed.losses}


def history(client: str, data: bytes) -> dict[str, Any]:
    """The next request of a client that gives the answer back as it came."""
    answer = json.loads(data)
    if client == "anthropic":
        said: Any = {"role": "assistant", "content": answer["content"]}
        return {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}, said, {"role": "user", "content": "b"}]}
    if client == "openai_responses":
        return {"model": "m", "input": [{"role": "user", "content": "a"}, *answer["output"], {"role": "user", "content": "b"}]}
    if client == "gemini":
        turns = [{"role": "user", "parts": [{"text": "a"}]}, answer["candidates"][0]["content"], {"role": "user", "parts": [{"text": "b"}]}]
        return {"contents": turns}
    said = answer["output"]["message"]
    return {"messages": [{"role": "user", "content": [{"text": "a"}]}, said, {"role": "user", "content": [{"text": "b"}]}]}


MODELS = {
    "anthropic": ("anthropic", "claude-sonnet-4-5"), "openai_chat": ("openai", "gpt-4o"), "openai_responses": ("openai", "gpt-4o"),
    "gemini": ("gemini", "gemini-2.5-flash"), "bedrock_converse": ("bedrock", "us.amazon.nova-2-lite-v1:0"),
}  # fmt: skip


def facts_of(protocol: str) -> Facts:
    return Catalog.load().resolve(protocol, *MODELS[protocol]).facts


def sent_on(client: str, target: str, body: dict[str, Any]) -> tuple[dict[str, Any], Ledger]:
    """The request as an upstream gets it."""
    ledger, facts = Ledger(), facts_of(target)
    request = replace(codec(client).decode_request(body, model="m"), model=MODELS[target][1])
    return codec(target).encode_request(adapt(request, facts, ledger, target).request, facts, ledger).body, ledger


@pytest.mark.parametrize("target", PROTOCOLS)
@pytest.mark.parametrize(("client", "upstream"), [(client, upstream) for client, upstream in PAIRS if client != "openai_chat"])
def test_a_history_of_runs_goes_to_every_upstream(client: str, upstream: str, target: str) -> None:
    """Its own items stay; those of others are told in words and reported. Nothing made up reaches anyone."""
    body, ledger = sent_on(client, target, history(client, answered(client, upstream, stream=False)[0]))
    assert accepted.complaints(target, body) == []
    text = json.dumps(body)
    assert MARK not in text
    assert "print(1)" in text
    # A Gemini client's history holds no searches: they stood beside the answer.
    assert ("ruby" in text) == (client != "gemini")
    told = {loss["feature"] for loss in compact(ledger.losses) if loss["action"] == "approximated"}
    own = client == upstream == target
    assert ("web_search" in told) == (not own and client != "gemini")
    assert ("code_execution" in told) == (not own and target != "gemini")
    assert not any(loss.loss_class == "content" for loss in ledger.losses)


@pytest.mark.parametrize("target", [target for target in PROTOCOLS if target != "openai_chat"])
@pytest.mark.parametrize("client", PROTOCOLS)
def test_a_search_is_asked_of_whoever_has_one(client: str, target: str) -> None:
    """The declaration becomes the target's own; a client of Responses is told the sources."""
    declared: dict[str, dict[str, Any]] = {
        "anthropic": {"max_tokens": 9, "messages": [{"role": "user", "content": "a"}], "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "openai_chat": {"messages": [{"role": "user", "content": "a"}], "web_search_options": {}},
        "openai_responses": {"input": "a", "tools": [{"type": "web_search"}]},
        "gemini": {"contents": [{"role": "user", "parts": [{"text": "a"}]}], "tools": [{"googleSearch": {}}]},
        "bedrock_converse": {
            "messages": [{"role": "user", "content": [{"text": "a"}]}], "toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]},
        },
    }  # fmt: skip
    body, _ = sent_on(client, target, {"model": "m", **declared[client]})
    wanted: dict[str, Any] = {
        "anthropic": lambda: body["tools"][0]["type"] == "web_search_20250305",
        "openai_responses": lambda: body["tools"][0]["type"] == "web_search",
        "gemini": lambda: "googleSearch" in body["tools"][0],
        "bedrock_converse": lambda: body["toolConfig"]["tools"] == [{"systemTool": {"name": "nova_grounding"}}],
    }
    assert wanted[target](), body
    if target == "openai_responses" and client != target:
        assert "web_search_call.action.sources" in body["include"]
