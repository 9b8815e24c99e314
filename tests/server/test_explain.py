"""`POST /v1/explain` through the whole gateway: what it shows, what it hides, and that it calls nobody."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.fakes import KEY, FakeUpstream, config, gateway, json_reply, upstream

pytestmark = pytest.mark.anyio

SECRET = "sk-upstream-secret-1"
ASK: dict[str, Any] = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}


class Asker:
    """Asks for explanations; knows the upstream that must not hear of them."""

    def __init__(self, url: str, http: aiohttp.ClientSession, fake: FakeUpstream) -> None:
        self.url, self.http, self.fake = url, http, fake

    async def __call__(self, ask: Any, key: str | None = KEY, method: str = "POST") -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with self.http.request(method, self.url + "/v1/explain", data=json.dumps(ask), headers=headers) as answer:
            text = await answer.text()
            assert SECRET not in text
            assert KEY not in text
            return answer.status, json.loads(text)

    async def shown(self, ask: Any) -> dict[str, Any]:
        status, answer = await self(ask)
        assert status == 200, answer
        assert set(answer) == {"route", "request", "report", "rejected"}
        assert answer["request"]["method"] == "POST"
        return dict(answer)


@asynccontextmanager
async def case(**settings: Any) -> AsyncIterator[Asker]:
    async with upstream(lambda _: json_reply({"error": "never asked"}, 500)) as fake:
        providers = {
            "chat": {"type": "openai_compatible", "base_url": fake.url + "/v1", "api_key": SECRET},
            "claude": {"type": "anthropic", "base_url": fake.url, "api_key": SECRET, "headers": {"x-extra": SECRET}},
        }
        models = [
            {"name": "m", "provider": "chat", "model": "up-model"},
            {"name": "both", "targets": [{"provider": "claude", "model": "claude-sonnet-4-5"}, {"provider": "chat", "model": "other"}]},
        ]
        async with gateway(config(providers, models, **settings)) as running, aiohttp.ClientSession() as http:
            yield Asker(running.url, http, fake)
        assert not fake.seen


async def test_a_translation_with_its_report() -> None:
    async with case() as ask:
        shown = await ask.shown({"protocol": "anthropic", "body": {**ASK, "system": "Be brief.", "top_k": 5}})
    assert shown == {
        "route": {"name": "m", "provider": "chat", "model": "up-model", "protocol": "openai_chat", "mode": "translated"},
        "request": {
            "method": "POST", "path": "/chat/completions",
            "body": {"model": "up-model", "max_tokens": 50,
                     "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]},
        },
        "report": [{"path": "top_k", "feature": "top_k", "action": "dropped", "class": "tuning"}],
        "rejected": [],
    }  # fmt: skip


async def test_the_protocol_and_the_model_come_from_the_path() -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    async with case() as ask:
        shown = await ask.shown({"path": "/v1beta/models/m:streamGenerateContent?alt=sse", "body": body})
        assert shown["request"]["body"]["stream"] is True
        assert shown["route"]["model"] == "up-model"
        shown = await ask.shown({"path": "/model/m/converse", "body": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}})
        assert shown["request"]["body"]["messages"] == [{"role": "user", "content": "hi"}]
        shown = await ask.shown({"path": "/v1/messages", "body": ASK})
        assert shown["request"]["body"]["model"] == "up-model"


async def test_the_same_protocol_passes_through() -> None:
    body = {"model": "m", "messages": [], "made_up": {"a": 1}}
    async with case() as ask:
        shown = await ask.shown({"protocol": "openai_chat", "body": body})
        assert shown["route"]["mode"] == "verbatim"
        assert shown["request"]["body"] == {**body, "model": "up-model"}
        shown = await ask.shown({"protocol": "openai_chat", "body": {**body, "stream": True}})
        assert shown["route"]["mode"] == "patched"
        assert shown["request"]["body"]["stream_options"] == {"include_usage": True}
        assert shown["report"] == []


async def test_to_another_model() -> None:
    async with case() as ask:
        shown = await ask.shown({"protocol": "openai_chat", "body": {"messages": ASK["messages"]}, "to": "claude/claude-opus-4-6"})
        assert shown["route"] == {
            "name": "claude/claude-opus-4-6", "provider": "claude", "model": "claude-opus-4-6", "protocol": "anthropic", "mode": "translated",
        }  # fmt: skip
        assert shown["request"]["path"] == "/v1/messages"
        shown = await ask.shown({"protocol": "bedrock_converse", "to": "both", "body": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}})
        assert shown["route"]["then"] == [{"provider": "chat", "model": "other", "protocol": "openai_chat"}]
        assert shown["request"]["body"]["model"] == "claude-sonnet-4-5"


@pytest.mark.parametrize(
    ("protocol", "path", "said"),
    [
        ("openai_chat", "/chat/completions", "messages"),
        ("openai_responses", "/responses", "input"),
        ("gemini", "/v1beta/models/any-model:generateContent", "contents"),
        ("bedrock_converse", "/model/any-model/converse", "inferenceConfig"),
        ("anthropic", "/v1/messages", "messages"),
    ],
)
async def test_to_a_protocol_whoever_serves_the_model(protocol: str, path: str, said: str) -> None:
    async with case() as ask:
        shown = await ask.shown({"protocol": "anthropic", "body": {**ASK, "model": "any-model"}, "to": protocol})
    mode = "verbatim" if protocol == "anthropic" else "translated"
    assert shown["route"] == {"model": "any-model", "protocol": protocol, "mode": mode}
    assert shown["request"]["path"] == path
    assert said in shown["request"]["body"]


async def test_losses_that_would_be_refused_are_marked() -> None:
    async with case(conversion={"on_loss": {"tuning": "reject"}}) as ask:
        shown = await ask.shown({"protocol": "anthropic", "body": {**ASK, "top_k": 5}})
    loss = {"path": "top_k", "feature": "top_k", "action": "dropped", "class": "tuning"}
    assert (shown["report"], shown["rejected"]) == ([loss], [loss])


async def test_secrets_are_blanked_wherever_they_stand() -> None:
    async with case() as ask:
        body = {**ASK, "messages": [{"role": "user", "content": f"my key is {SECRET}, yours {KEY}"}]}
        shown = await ask.shown({"protocol": "anthropic", "body": body})
    assert shown["request"]["body"]["messages"][0]["content"] == "my key is ***, yours ***"


async def test_it_needs_a_key_and_its_method() -> None:
    async with case() as ask:
        assert (await ask({"protocol": "anthropic", "body": ASK}, key=None))[0] == 401
        assert (await ask({"protocol": "anthropic", "body": ASK}, key="sk-wrong"))[0] == 401
        assert (await ask({}, method="GET"))[0] == 405


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        ([], 400, "expected an object, got an array"),
        ({"body": ASK}, 400, "protocol: required"),
        ({"protocol": "chat", "body": ASK}, 400, "protocol: expected one of anthropic"),
        ({"protocol": "anthropic"}, 400, "body: required"),
        ({"protocol": "anthropic", "body": "hi"}, 400, "body: expected the request's JSON object"),
        ({"protocol": "anthropic", "body": ASK, "too": "m"}, 400, "too: not known here"),
        ({"path": "/v1/models", "body": ASK}, 400, "path: /v1/models is no path that asks for an answer"),
        ({"path": "/v1/messages", "protocol": "gemini", "body": ASK}, 400, "protocol: /v1/messages is a path of anthropic"),
        ({"protocol": "gemini", "body": {"contents": "hi"}}, 400, "path: required"),
        ({"protocol": "anthropic", "body": {**ASK, "model": "no-such-model"}}, 404, "is not configured"),
        ({"protocol": "anthropic", "body": {"model": "m"}}, 400, "messages: required"),
        ({"protocol": "openai_chat", "body": {**ASK, "n": 2}, "to": "anthropic"}, 400, "n: more than one answer"),
    ],
)
async def test_what_cannot_be_explained_is_told(wrong: Any, status: int, said: str) -> None:
    async with case() as ask:
        got, answer = await ask(wrong)
    assert got == status
    assert said in answer["error"]["message"]
