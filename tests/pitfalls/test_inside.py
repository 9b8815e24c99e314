"""Pitfalls with a side that no client sees from outside: what is told of repairs and refusals, whose budget it is, what stays in memory."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from llm_api_converter.hub.response import Usage
from llm_api_converter.usage.prices import UNKNOWN, Called, Prices
from tests.fakes import KEY, FakeUpstream, Reply, Running, config, gateway, json_reply, upstream
from tests.server.team import team

pytestmark = pytest.mark.anyio

OK_CHAT = json_reply({
    "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
})  # fmt: skip
OK_CLAUDE = json_reply({
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn",
    "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 3},
})  # fmt: skip
HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


class Asked:
    """The gateway, its upstream, and a client."""

    def __init__(self, running: Running, fake: FakeUpstream, http: aiohttp.ClientSession) -> None:
        self.running, self.fake, self.http = running, fake, http

    async def post(self, path: str, body: Any) -> tuple[int, Any, Mapping[str, str]]:
        async with self.http.post(self.running.url + path, json=body, headers={"authorization": f"Bearer {KEY}"}) as answer:
            return answer.status, await answer.json(content_type=None), dict(answer.headers)


def report(headers: Mapping[str, str]) -> set[tuple[str, str]]:
    """What it tells: (feature, action)."""
    return {(entry["feature"], entry["action"]) for entry in json.loads(headers.get("x-conversion-report", "[]"))}


@asynccontextmanager
async def asked(script: list[Reply], kind: str, **settings: Any) -> AsyncIterator[Asked]:
    async with upstream(script) as fake:
        base = fake.url if kind == "anthropic" else fake.url + "/v1"
        provider = {"type": kind, "base_url": base, "api_key": "sk-upstream-secret-1"}
        models = [{"name": "m", "provider": "up", "model": "claude-sonnet-4-5" if kind == "anthropic" else "up-model"}]
        settings.setdefault("retry", {"attempts": 0, "max_wait_s": 0})
        async with gateway(config({"up": provider}, models, **settings)) as running, aiohttp.ClientSession() as http:
            yield Asked(running, fake, http)


async def test_14_thinking_that_is_turned_off_for_a_call_is_reported() -> None:
    """aws-samples/bedrock-access-gateway#119"""
    history = [*HI, {"role": "assistant", "content": None, "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "c1", "content": "1"}]
    async with asked([OK_CLAUDE], "anthropic") as a:
        status, _, headers = await a.post("/v1/chat/completions", {"model": "m", "messages": history, "tools": [TOOL], "reasoning_effort": "high"})
        assert status == 200
        assert a.fake.seen[0].json.get("thinking", {}).get("type", "disabled") == "disabled"
        assert "reasoning" in {feature for feature, _ in report(headers)}


async def test_20_what_gives_way_to_a_forced_tool_is_reported() -> None:
    """vercel/ai#11227"""
    async with asked([OK_CLAUDE], "anthropic") as a:
        body = {"model": "m", "messages": HI, "tools": [TOOL], "tool_choice": "required", "reasoning_effort": "high"}
        status, _, headers = await a.post("/v1/chat/completions", body)
        assert status == 200
        assert report(headers)


def test_23_a_price_nobody_knows_is_no_zero() -> None:
    """BerriAI/litellm#11364"""
    used = Usage(input_total=100, output_total=3)
    assert Prices().cost(Called("up", "openai_compatible", "http://127.0.0.1:1/v1", "a-model-nobody-knows"), used, 0.0) is UNKNOWN
    assert UNKNOWN.usd is None


SPENT = {"anthropic": 402, "openai_chat": 429, "openai_responses": 429, "gemini": 429, "bedrock_converse": 400}
"""How each protocol says that there is no money left."""
BOOKED_S = 10.0
"""At most, until what was spent is known to whoever decides."""
CONTENTS = [{"role": "user", "parts": [{"text": "hi"}]}]
ASK: dict[str, tuple[str, dict[str, Any]]] = {
    "anthropic": ("/v1/messages", {"max_tokens": 9, "messages": HI}),
    "openai_chat": ("/v1/chat/completions", {"messages": HI}),
    "openai_responses": ("/v1/responses", {"input": "hi"}),
    "gemini": ("/v1beta/models/{model}:generateContent", {"contents": CONTENTS}),
    "bedrock_converse": ("/model/{model}/converse", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}),
}


async def test_28_a_budget_holds_on_every_protocol_and_leaves_free_models_alone(tmp_path: Path) -> None:
    """BerriAI/litellm#38176 BerriAI/litellm#29912"""
    prices = [{"model": "up-other", "input": 0, "output": 0}, {"model": "*", "input": 1000, "output": 1000}]
    async with team(lambda seen: OK_CHAT, tmp_path, prices=prices) as t:
        keys = {protocol: (await t.key(budget={"total": "0.01"}))[1] for protocol in ASK}

        async def statuses(model: str) -> dict[str, int]:
            found = {}
            for protocol, (path, body) in ASK.items():
                given = {"authorization": f"Bearer {keys[protocol]}"}
                async with t.http.post(t.url + path.replace("{model}", model), json={"model": model, **body}, headers=given) as answer:
                    found[protocol] = answer.status
            return found

        assert set((await statuses("m")).values()) == {200}
        async with asyncio.timeout(BOOKED_S):
            while await statuses("m") != SPENT:
                await asyncio.sleep(0.1)
        calls = len(t.fake.seen)
        assert await statuses("m") == SPENT
        assert len(t.fake.seen) == calls
        assert set((await statuses("other")).values()) == {200}


async def test_36_a_repair_is_reported() -> None:
    """farion1231/cc-switch#6044"""
    history = [*HI, {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}]}, *HI]
    async with asked([OK_CHAT], "openai_compatible", retry={"attempts": 0, "max_wait_s": 0}) as a:
        status, _, headers = await a.post("/v1/messages", {"model": "m", "max_tokens": 9, "messages": history})
        assert status == 200
        assert "repaired" in {action for _, action in report(headers)}


async def test_46_a_parameter_that_was_refused_is_reported() -> None:
    """ericc-ch/copilot-api#222"""
    refused = json_reply({"error": {"message": "Unsupported parameter: 'top_p'", "param": "top_p", "code": "unsupported_parameter"}}, 400)
    async with asked([refused, OK_CHAT], "openai_compatible") as a:
        for _ in range(2):
            status, _, headers = await a.post("/v1/messages", {"model": "m", "max_tokens": 9, "messages": HI, "top_p": 0.5})
            assert (status, ("top_p", "dropped") in report(headers)) == (200, True)
        assert len(a.fake.seen) == 3


@pytest.mark.parametrize(("policy", "status", "told"), [("report", 200, True), ("allow", 200, False), ("reject", 400, False)])
async def test_48_what_becomes_of_a_loss_is_the_users_choice(policy: str, status: int, told: bool) -> None:
    """langwatch/langwatch#6318"""
    async with asked([OK_CLAUDE], "anthropic", conversion={"on_loss": {"tuning": policy}}) as a:
        found, body, headers = await a.post("/v1/chat/completions", {"model": "m", "messages": HI, "seed": 7})
        assert (found, bool(report(headers))) == (status, told)
        assert status == 200 or "seed" in body["error"]["message"]


ROUNDS, A_ROUND = 3, 80
GROWTH_BYTES = 80_000
"""For a round of requests: a kilobyte a request is too much, and each brings one."""


async def test_50_memory_does_not_grow_with_the_number_of_requests() -> None:
    """BerriAI/litellm#12685 BerriAI/litellm#13202"""
    async with asked([OK_CHAT], "openai_compatible") as a:
        gate = asyncio.Semaphore(8)

        async def one(number: int) -> int:
            async with gate:
                body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": f"{number} " + "word " * 200}]}
                return (await a.post("/v1/messages", body))[0]

        async def grown() -> int:
            before = _held()
            assert set(await asyncio.gather(*(one(number) for number in range(A_ROUND)))) == {200}
            a.fake.seen.clear()
            return _held() - before

        tracemalloc.start()
        try:
            await grown()  # what is made once: connections, caches, code
            growth = [await grown() for _ in range(ROUNDS)]
        finally:
            tracemalloc.stop()
    assert min(growth) < GROWTH_BYTES, growth


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
