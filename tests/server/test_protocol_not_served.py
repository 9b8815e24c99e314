"""A provider that is known to speak several protocols, at an address that serves only one of them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.fakes import FakeUpstream, Reply, Running, Seen, config, gateway, json_reply, upstream

from .test_pipeline import ANTHROPIC_ANSWER, ANTHROPIC_ASK, CHAT_ANSWER, CHAT_ASK
from .test_pipeline import post as post_raw

pytestmark = pytest.mark.anyio

NOT_THERE = json_reply({"detail": "Not Found"}, 404)


async def post(http: aiohttp.ClientSession, url: str, body: Any) -> tuple[int, Any]:
    status, raw, _ = await post_raw(http, url, body)
    return status, json.loads(raw)


def only(path: str, answer: Any) -> Any:
    return lambda seen: json_reply(answer) if seen.path == path else NOT_THERE


@asynccontextmanager
async def deepseek(script: Any) -> AsyncIterator[tuple[Running, FakeUpstream, aiohttp.ClientSession]]:
    async with upstream(script) as fake:
        providers = {"deepseek": {"type": "deepseek", "base_url": fake.url, "api_key": "sk-upstream-1"}}
        models = [{"name": "m", "provider": "deepseek", "model": "deepseek-chat"}]
        async with gateway(config(providers, models)) as running, aiohttp.ClientSession() as http:
            yield running, fake, http


async def test_the_next_protocol_answers_and_is_remembered() -> None:
    async with deepseek(only("/chat/completions", CHAT_ANSWER)) as (running, fake, http):
        for _ in range(2):
            status, body = await post(http, running.url + "/v1/messages", ANTHROPIC_ASK)
            assert (status, body["content"]) == (200, [{"type": "text", "text": "hello there"}])
        assert [seen.path for seen in fake.seen] == ["/anthropic/v1/messages", "/chat/completions", "/chat/completions"]


async def test_a_client_of_the_third_protocol() -> None:
    async with deepseek(only("/anthropic/v1/messages", ANTHROPIC_ANSWER)) as (running, fake, http):
        status, body = await post(http, running.url + "/v1/responses", {"model": "m", "input": "hi"})
        assert status == 200
        assert body["output"][0]["content"][0]["text"] == "hello there"
        assert [seen.path for seen in fake.seen] == ["/responses", "/chat/completions", "/anthropic/v1/messages"]


@pytest.mark.parametrize("message", ["The model `deepseek-chat` does not exist", "deepseek-chat: not found"])
async def test_a_model_that_is_missing_is_missing(message: str) -> None:
    async with deepseek(lambda seen: json_reply({"error": {"message": message, "type": "x"}}, 404)) as (running, fake, http):
        status, body = await post(http, running.url + "/v1/chat/completions", CHAT_ASK)
        assert (status, len(fake.seen)) == (404, 1)
        assert message in body["error"]["message"]


async def test_nothing_served_at_all_is_the_first_refusal_and_no_lesson() -> None:
    async with deepseek(lambda seen: NOT_THERE) as (running, fake, http):
        for times in (1, 2):
            status, body = await post(http, running.url + "/v1/messages", ANTHROPIC_ASK)
            assert (status, body) == (404, {"detail": "Not Found"})
            assert len(fake.seen) == 3 * times


async def test_a_refusal_of_the_next_protocol_is_what_the_client_sees() -> None:
    def script(seen: Seen) -> Reply:
        return json_reply({"error": {"message": "bad key", "type": "x"}}, 401) if seen.path == "/chat/completions" else NOT_THERE

    async with deepseek(script) as (running, fake, http):
        for _ in range(2):
            status, body = await post(http, running.url + "/v1/messages", ANTHROPIC_ASK)
            assert (status, body["type"]) == (401, "error")
            assert "bad key" in body["error"]["message"]
        assert [seen.path for seen in fake.seen] == ["/anthropic/v1/messages", "/chat/completions", "/chat/completions"]
