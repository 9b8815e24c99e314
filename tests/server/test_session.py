"""The key of a conversation for the caches of upstreams; prompt caching from each protocol to each, over real sockets."""

import json
from typing import Any

import aiohttp
import pytest

from llm_api_converter import convert_request
from llm_api_converter.hub.request import Request
from llm_api_converter.server.session import cache_key
from tests.fakes import KEY, config, gateway, json_reply, upstream

from .test_pipeline import CHAT_ANSWER

CLAUDE_USER = json.dumps({"device_id": "d0", "account_uuid": "", "session_id": "s-1234"})


def test_the_key_is_the_clients_own_or_a_digest() -> None:
    asked = Request("m", (), user=CLAUDE_USER)
    assert cache_key({}, Request("m", (), cache_key="mine", user="u"), "a") == "mine"
    assert cache_key({}, Request("m", ()), "a") is None
    assert cache_key({b"session-id": b""}, None, "a") is None
    of_user, of_header = cache_key({}, asked, "a"), cache_key({b"x-claude-code-session-id": b"s-1234"}, asked, "a")
    assert of_user is not None
    assert of_header is not None
    assert len(of_user) == len(of_header) == 32
    assert of_user != of_header == cache_key({b"session-id": b"s-1234"}, None, "a")
    assert of_user != cache_key({}, asked, "b"), "two callers never share a key"
    assert "1234" not in of_user + of_header


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("facts", "said", "field", "header"),
    [
        ({"cache_key": True}, {"x-claude-code-session-id": "s-1"}, True, False),
        ({"cache_key": True}, {}, True, False),  # by metadata.user_id
        ({"cache_key_header": "x-session-affinity"}, {"x-claude-code-session-id": "s-1"}, False, True),
        ({}, {"x-claude-code-session-id": "s-1"}, False, False),
    ],
)
async def test_an_upstream_is_told_what_belongs_together(facts: dict[str, Any], said: dict[str, str], field: bool, header: bool) -> None:
    async with upstream([json_reply(CHAT_ANSWER)]) as fake:
        provider = {"type": "openai_compatible", "base_url": fake.url, "api_key": "sk-upstream-secret-1", "facts": facts}
        async with gateway(config({"up": provider})) as running, aiohttp.ClientSession(headers={"x-api-key": KEY, **said}) as http:
            body = {"model": "up/m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "metadata": {"user_id": "user-5555"}}
            for _ in range(2):
                async with http.post(running.url + "/v1/messages", json=body) as answer:
                    assert answer.status == 200
    first, second = ((seen.json.get("prompt_cache_key"), seen.headers.get("x-session-affinity")) for seen in fake.seen)
    assert first == second
    assert (first[0] is not None, first[1] is not None) == (field, header)
    assert "5555" not in str(first)


@pytest.mark.anyio
async def test_the_header_goes_up_with_what_passes_through() -> None:
    body = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
    async with upstream([json_reply(CHAT_ANSWER)]) as fake:
        facts = {"cache_key_header": "x-session-affinity"}
        provider = {"type": "openai_compatible", "base_url": fake.url, "api_key": "sk-upstream-secret-1", "facts": facts}
        async with (
            gateway(config({"up": provider})) as running,
            aiohttp.ClientSession(headers={"x-api-key": KEY, "session-id": "s-1"}) as http,
            http.post(running.url + "/v1/chat/completions", json=body) as answer,
        ):
            assert answer.status == 200
    assert len(fake.seen[0].headers["x-session-affinity"]) == 32


# ------------------------------------------------------------------------------------------------------------ marks, protocol to protocol
HOUR = {"type": "ephemeral", "ttl": "1h"}
ANTHROPIC: dict[str, Any] = {
    "model": "m", "max_tokens": 9, "system": [{"type": "text", "text": "s", "cache_control": HOUR}],
    "tools": [{"name": "f", "input_schema": {"type": "object"}, "cache_control": HOUR}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
        {"role": "user", "content": [{"type": "text", "text": "c", "cache_control": {"type": "ephemeral"}}]},
    ],
}  # fmt: skip
RESULT: dict[str, Any] = {
    "model": "m", "max_tokens": 9, "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok", "cache_control": {"type": "ephemeral"}}]},
    ],
}  # fmt: skip
CHAT: dict[str, Any] = {
    "model": "m", "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
}  # fmt: skip
RESPONSES: dict[str, Any] = {
    "model": "m", "prompt_cache_key": "k", "input": [{"role": "user", "content": [
        {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}, {"type": "input_text", "text": "b"}
    ]}],
}  # fmt: skip


def marks_in(value: Any, path: str = "") -> dict[str, Any]:
    """Every mark of any protocol, by its place."""
    found: dict[str, Any] = {}
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if key in ("cache_control", "cachePoint", "prompt_cache_breakpoint"):
            found[path] = inner
        else:
            found |= marks_in(inner, f"{path}.{key}" if path else str(key))
    return found


@pytest.mark.parametrize(
    ("body", "client", "to", "kind", "model", "marks", "lost"),
    [
        (ANTHROPIC, "anthropic", "bedrock_converse", "bedrock", "anthropic.claude-sonnet-4-5-v1:0", [
            ("toolConfig.tools.1", {"type": "default", "ttl": "1h"}), ("system.1", {"type": "default", "ttl": "1h"}),
            ("messages.0.content.1", {"type": "default"}), ("messages.2.content.1", {"type": "default"}),
        ], []),
        # An hour is no lifetime there: the longest that is not longer is half an hour. Tools take no mark.
        (ANTHROPIC, "anthropic", "openai_chat", "openai", "gpt-5.6-sol", [
            ("messages.0.content.0", {"mode": "explicit", "ttl": "30m"}), ("messages.1.content.0", {"mode": "explicit"}),
            ("messages.3.content.0", {"mode": "explicit"}),
        ], ["cache_control", "cache_ttl"]),
        # Nor does the result of a call: what the newest message ends with is marked there by itself.
        (RESULT, "anthropic", "openai_chat", "openai", "gpt-5.6-sol", [], ["cache_control"]),
        (RESULT, "anthropic", "openai_responses", "openai", "gpt-5.6-sol", [], ["cache_control"]),
        (RESPONSES, "openai_responses", "anthropic", "anthropic", "claude-sonnet-4-5", [
            ("messages.0.content.0", {"type": "ephemeral", "ttl": "1h"}),
        ], ["cache_key", "cache_ttl"]),
        (RESPONSES, "openai_responses", "openai_chat", "openai", "gpt-5.6-sol", [
            ("messages.0.content.0", {"mode": "explicit", "ttl": "12h"}),
        ], []),
        (CHAT, "openai_chat", "anthropic", "anthropic", "claude-sonnet-4-5", [
            ("system.0", {"type": "ephemeral"}), ("messages.0.content.0", {"type": "ephemeral"}), ("messages.2.content.0", {"type": "ephemeral"}),
            ("tools.0", {"type": "ephemeral"}),
        ], []),
        (CHAT, "openai_chat", "bedrock_converse", "bedrock", "anthropic.claude-sonnet-4-5-v1:0", [
            ("system.1", {"type": "default"}), ("messages.0.content.1", {"type": "default"}), ("messages.2.content.1", {"type": "default"}),
            ("toolConfig.tools.1", {"type": "default"}),
        ], []),
        (CHAT, "openai_chat", "openai_responses", "openai", "gpt-5.6-sol", [], []),
    ],
)  # fmt: skip
def test_marks_cross(body: Any, client: str, to: str, kind: str, model: str, marks: list[Any], lost: list[str]) -> None:
    wire, report = convert_request(body, client=client, upstream=to, provider=kind, model=model)
    assert sorted(marks_in(wire.body).items()) == sorted(marks)
    assert sorted({loss["feature"] for loss in report if loss["class"] == "cache"}) == lost
