"""Records of a running gateway: every kind of call; and a spent budget, as the official SDKs take it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import boto3
import botocore.config
import botocore.exceptions
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from llm_api_converter.store.records import UsageFilter, UsageRow
from llm_api_converter.usage.report import every_row
from llm_api_converter.usage.verify import verify
from tests.fakes import CUT, HANG, KEY, Reply, Seen, json_reply, sse_reply
from tests.server.team import Team, team

pytestmark = pytest.mark.anyio
PRICES = [{"model": "up-*", "input": "1", "output": "2"}]
SAID = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}


def chat(usage: dict[str, int] | None = None, model: str = "up-model") -> Reply:
    message = {"role": "assistant", "content": "ok"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    return json_reply({"id": "c", "object": "chat.completion", "created": 1, "model": model, "choices": choices, "usage": usage or SAID})


def chunk(**more: Any) -> bytes:
    return b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "up-model", **more}).encode() + b"\n\n"


WORD = chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": "ok"}, "finish_reason": None}])
STOP = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
COUNTED = chunk(choices=[], usage=SAID)
DONE = b"data: [DONE]\n\n"


async def records(t: Team, count: int) -> list[UsageRow]:
    """What the store has, oldest first, when it has so many."""
    services = t.app.runtime.services
    assert services is not None
    async with asyncio.timeout(10):
        while True:
            rows = [row async for row in every_row(services.store.usage, UsageFilter())]
            if len(rows) >= count:
                return rows[::-1]
            await asyncio.sleep(0.05)


async def post(t: Team, path: str, body: Any) -> int:
    async with t.http.post(t.url + path, json=body, headers={"x-api-key": KEY}) as answer:
        await answer.read()
        return answer.status


HI = [{"role": "user", "content": "hi"}]


async def test_every_kind_of_call_has_its_record(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        if seen.path.endswith("/embeddings"):
            data = [{"object": "embedding", "index": 0, "embedding": [0.1]}]
            return json_reply({"object": "list", "data": data, "model": "up-model", "usage": {"prompt_tokens": 5, "total_tokens": 5}})
        if seen.json.get("stream"):
            return sse_reply(WORD, STOP, COUNTED, DONE)
        return chat()

    async with team(answer, tmp_path, prices=PRICES) as t:
        _, key = await t.key("ci", team="red", owner="ann")
        assert (await t.chat(key))[0] == 200
        for path, body in (
            ("/v1/chat/completions", {"model": "m", "messages": HI, "stream": True}),
            ("/v1/messages", {"model": "m", "messages": HI, "max_tokens": 9, "top_k": 3}),
            ("/v1/messages", {"model": "m", "messages": HI, "max_tokens": 9, "stream": True}),
            ("/v1/responses", {"model": "m", "input": "hi"}),
            ("/v1beta/models/m:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
            ("/model/m/converse", {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}),
            ("/v1/embeddings", {"model": "m", "input": "hi"}),
            ("/v1/messages/count_tokens", {"model": "m", "messages": HI}),
        ):
            assert await post(t, path, body) == 200, path
        assert await post(t, "/v1/messages", {"model": "nobody", "messages": HI, "max_tokens": 9}) == 404
        rows = await records(t, 10)
        (total,) = await t.app.runtime.services.store.usage.totals(UsageFilter())  # type: ignore[union-attr]
    assert (rows[0].key_name, rows[0].team, rows[0].owner, rows[0].model, rows[0].upstream_model) == ("ci", "red", "ann", "m", "up-model")
    assert [(row.protocol, row.operation, row.stream) for row in rows] == [
        ("openai_chat", "generate", False), ("openai_chat", "generate", True), ("anthropic", "generate", False), ("anthropic", "generate", True),
        ("openai_responses", "generate", False), ("gemini", "generate", False), ("bedrock_converse", "generate", False),
        ("openai_chat", "embed", False), ("anthropic", "count", False), ("anthropic", "generate", False),
    ]  # fmt: skip
    for row in rows[:7]:
        assert (row.input_total, row.output_total, str(row.cost_usd), row.provider) == (11, 3, "0.000017000000", "up")
        assert row.price == "settings */up-*: input 1, output 2"
    assert (rows[7].input_total, str(rows[7].cost_usd), rows[7].provider) == (5, "0.000005000000", "up")
    assert (rows[8].status, rows[8].input_total, rows[8].cost_usd) == (200, None, None), "what is only counted uses nothing"
    assert (rows[9].status, rows[9].error, rows[9].provider, rows[9].input_total) == (404, "not_found", None, None)
    assert (total.requests, total.unpriced) == (10, 0)
    assert any(loss.startswith("dropped top_k") for loss in rows[2].losses)
    assert rows[1].first_s is not None
    verdict = verify(rows, total)
    assert (verdict.different, verdict.checked) == (0, 8)


async def test_a_client_that_leaves(tmp_path: Path) -> None:
    def answer(seen: Seen) -> Reply:
        return sse_reply(WORD, COUNTED, HANG) if seen.json["model"] == "up-other" else sse_reply(WORD, HANG)

    async with team(answer, tmp_path, prices=PRICES) as t:
        for model in ("m", "other"):
            body = {"model": model, "messages": HI, "stream": True, "stream_options": {"include_usage": True}}
            async with t.http.post(t.url + "/v1/chat/completions", json=body, headers={"x-api-key": KEY}) as answered:
                await answered.content.readany()
                await asyncio.sleep(0.1)
                answered.close()
        rows = await records(t, 2)
    assert [(row.status, row.error, row.input_total, row.output_total) for row in rows] == [
        (499, "client_gone", None, None), (499, "client_gone", 11, 3),
    ]  # fmt: skip
    assert [row.cost_usd is None for row in rows] == [True, False]


async def test_a_try_that_failed_after_it_had_counted(tmp_path: Path) -> None:
    failed = chunk(choices=[], usage=SAID) + b'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'
    replies = [sse_reply(failed), sse_reply(WORD, STOP, COUNTED, DONE)]
    async with team(replies, tmp_path, prices=PRICES, retry={"attempts": 1, "max_wait_s": 1}) as t:
        assert await post(t, "/v1/messages", {"model": "m", "messages": HI, "max_tokens": 9, "stream": True}) == 200
        (row,) = await records(t, 1)
    assert (row.tries, row.input_total, row.output_total, str(row.cost_usd)) == (2, 22, 6, "0.000034000000")
    assert row.raw is not None
    assert len(json.loads(row.raw)) == 2


async def test_an_upstream_that_breaks_off(tmp_path: Path) -> None:
    async with team([sse_reply(WORD, CUT)], tmp_path, prices=PRICES) as t:
        assert await post(t, "/v1/messages", {"model": "m", "messages": HI, "max_tokens": 9, "stream": True}) == 200
        (row,) = await records(t, 1)
    assert (row.error, row.input_total, row.cost_usd) == ("upstream_incomplete", None, None)


async def test_a_model_at_an_address_nobody_publishes_prices_for_has_none(tmp_path: Path) -> None:
    async with team([chat({"prompt_tokens": 1_000_000, "completion_tokens": 0}, "gpt-5-2025-08-07")], tmp_path) as t:
        await t.chat((await t.key())[1])
        (row,) = await records(t, 1)
    assert (row.cost_usd, row.price, row.input_total) == (None, None, 1_000_000)


# ---------------------------------------------------------------------- a spent budget, to those who ask


Ask = Callable[[str, str], Awaitable[str]]


async def _anthropic(url: str, key: str) -> str:
    async with anthropic.AsyncAnthropic(base_url=url, api_key=key) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert caught.value.status_code == 402
    return caught.value.message


async def _chat(url: str, key: str) -> str:
    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key=key) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "insufficient_quota"
    return caught.value.message


async def _responses(url: str, key: str) -> str:
    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key=key) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.responses.create(model="m", input="hi")
    return caught.value.message


async def _genai(url: str, key: str) -> str:
    client = genai.Client(api_key=key, http_options=genai_types.HttpOptions(base_url=url))
    with pytest.raises(genai_errors.ClientError) as caught:
        await client.aio.models.generate_content(model="m", contents="hi")
    await client.aio.aclose()
    assert caught.value.status == "RESOURCE_EXHAUSTED"
    return caught.value.message or ""


async def _boto3(url: str, key: str) -> str:
    def ask() -> str:
        client = boto3.client(
            "bedrock-runtime", region_name="us-east-1", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key="x",
            config=botocore.config.Config(retries={"mode": "standard"}),
        )  # fmt: skip
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            client.converse(modelId="m", messages=[{"role": "user", "content": [{"text": "hi"}]}])
        assert caught.value.response["Error"]["Code"] == "ServiceQuotaExceededException"
        return str(caught.value)

    return await asyncio.to_thread(ask)


@pytest.mark.parametrize("budget", ["day", "total"])
@pytest.mark.parametrize("ask", [_anthropic, _chat, _responses, _genai, _boto3])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_a_spent_budget_is_told_once_and_not_tried_again(tmp_path: Path, ask: Ask, budget: str) -> None:
    async with team([chat()], tmp_path, prices=[{"model": "*", "input": "1000", "output": "1000"}]) as t:
        _, key = await t.key("poor", budget={budget: "0.01"})
        assert (await t.chat(key))[0] == 200
        await records(t, 1)
        told = await ask(t.url, key)
        async with aiohttp.ClientSession() as http, http.get(t.url + "/metrics") as answer:
            text = await answer.text()
    assert "the API key `poor` has spent" in told
    assert "0.01 of 0.01 US dollars" in told
    assert ("It begins anew at 20" in told) == (budget == "day")
    assert f'llm_converter_budget_refused_total{{period="{budget}",scope="key"}} 1.0' in text
    assert len(t.fake.seen) == 1
