"""The built-in model: an answer in every protocol, plain and streamed, with ids of its own."""

import json
from typing import Any

import aiohttp
import pytest

from tests.fakes import KEY, config, gateway

pytestmark = pytest.mark.anyio

TEXT = {"role": "user", "content": "Hello"}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "anthropic": ("/v1/messages", {"model": "demo", "max_tokens": 9, "messages": [TEXT]}),
    "openai_chat": ("/v1/chat/completions", {"model": "demo", "messages": [TEXT]}),
    "openai_responses": ("/v1/responses", {"model": "demo", "input": "Hello"}),
    "gemini": ("/v1beta/models/demo:generateContent", {"contents": [{"parts": [{"text": "Hello"}]}]}),
    "bedrock_converse": ("/model/demo/converse", {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}),
}
STREAMED = {
    "gemini": "/v1beta/models/demo:streamGenerateContent?alt=sse", "bedrock_converse": "/model/demo/converse-stream",
}


@pytest.mark.parametrize("protocol", ASKED)
async def test_plain_and_streamed(protocol: str) -> None:
    path, body = ASKED[protocol]
    async with gateway(config()) as running, aiohttp.ClientSession(headers={"x-api-key": KEY}) as http:
        answers = []
        for _ in range(2):
            async with http.post(running.url + path, json=body) as answer:
                answers.append(await answer.text())
                assert (answer.status, "You said: “Hello”" in answers[-1]) == (200, True)
        stream = body if protocol in STREAMED else {**body, "stream": True}
        async with http.post(running.url + STREAMED.get(protocol, path), json=stream) as answer:
            assert answer.status == 200
            assert answer.content_type == ("application/vnd.amazon.eventstream" if protocol == "bedrock_converse" else "text/event-stream")
            assert b"Hello" in await answer.read()
    ids = [next((value for key, value in json.loads(x).items() if key in ("id", "responseId")), None) for x in answers]
    assert protocol == "bedrock_converse" or (None not in ids and ids[0] != ids[1])


async def test_gemini_as_an_array() -> None:
    path = STREAMED["gemini"].partition("?")[0]
    async with (
        gateway(config()) as running, aiohttp.ClientSession(headers={"x-api-key": KEY}) as http,
        http.post(running.url + path, json=ASKED["gemini"][1]) as answer,
    ):
        assert answer.content_type == "application/json"
        assert json.loads(await answer.read())[-1]["candidates"][0]["finishReason"] == "STOP"
