"""A search one provider ran, shown to a client as its own items, and that client's history given to another provider, over real sockets."""

import json
from typing import Any

import aiohttp
import pytest

from llm_api_converter.hub.runs import MARK
from tests.fakes import KEY, config, gateway, json_reply, upstream

pytestmark = pytest.mark.anyio

RESPONSES_ANSWER: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-up", "status": "completed",
    "usage": {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2},
    "output": [
        {
            "type": "web_search_call", "id": "ws_1", "status": "completed",
            "action": {"type": "search", "query": "ruby", "sources": [{"type": "url", "url": "https://ruby-lang.org"}]},
        },
        {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "4.0", "annotations": []}]},
    ],
}  # fmt: skip
ANTHROPIC_ANSWER: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-up", "content": [{"type": "text", "text": "Yes."}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip
SEARCH = {"type": "web_search_20250305", "name": "web_search"}


async def test_a_search_shown_to_one_client_reaches_no_other_provider_as_its_own() -> None:
    async with upstream([json_reply(RESPONSES_ANSWER)]) as openai, upstream([json_reply(ANTHROPIC_ANSWER)] * 2) as claude:
        providers: dict[str, Any] = {
            "openai": {"type": "openai", "base_url": openai.url + "/v1", "api_key": "sk-a", "protocol": "openai_responses"},
            "claude": {"type": "anthropic", "base_url": claude.url, "api_key": "sk-b"},
        }
        models = [
            {"name": "gpt", "provider": "openai", "model": "gpt-4.1"}, {"name": "opus", "provider": "claude", "model": "claude-sonnet-4-5"},
        ]  # fmt: skip
        async with gateway(config(providers, models)) as running, aiohttp.ClientSession() as http:

            async def ask(model: str, messages: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
                body = {"model": model, "max_tokens": 99, "messages": messages, "tools": [SEARCH]}
                async with http.post(f"{running.url}/v1/messages", json=body, headers={"x-api-key": KEY}) as answer:
                    assert answer.status == 200, await answer.text()
                    return await answer.json(), answer.headers.get("x-conversion-report", "")

            asked: dict[str, Any] = {"role": "user", "content": "Which Ruby?"}
            answer, report = await ask("gpt", [asked])
            sent = json.loads(openai.seen[0].body)
            assert sent["tools"] == [{"type": "web_search"}]
            assert "web_search_call.action.sources" in sent["include"]

            kinds = [block["type"] for block in answer["content"]]
            assert kinds == ["server_tool_use", "web_search_tool_result", "text"]
            assert answer["content"][1]["content"][0]["url"] == "https://ruby-lang.org"
            told = [(loss["path"], loss["feature"], loss["action"]) for loss in json.loads(report)]
            assert told == [("tools[0]", "web_search", "approximated"), ("content", "web_search", "approximated")]

            _, report = await ask("opus", [asked, {"role": "assistant", "content": answer["content"]}, {"role": "user", "content": "Sure?"}])
            received = claude.seen[0].body.decode()
            assert MARK not in received
            assert "server_tool_use" not in received
            assert "https://ruby-lang.org" in received
            assert json.loads(received)["tools"][0]["type"] == SEARCH["type"]
            assert [loss["path"] for loss in json.loads(report)] == ["messages[1].content[0]", "messages[1].content[1]"]

            # What Claude itself ran passes as it came.
            own = [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
                   {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}, {"type": "text", "text": "a"}]
            _, report = await ask("opus", [asked, {"role": "assistant", "content": own}, {"role": "user", "content": "Sure?"}])
            assert json.loads(claude.seen[1].body)["messages"][1]["content"] == own
            assert report == ""
