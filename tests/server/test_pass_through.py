"""The name of the model in answers that pass through: the upstream's own; what the client asked for where it asks for thinking, for
clients match thinking with the name of the model that wrote it.
"""

import json
from typing import Any

import aiohttp
import pytest

from tests.fakes import Reply, config, gateway, sse_reply, upstream

from .test_pipeline import ANTHROPIC_ANSWER, ANTHROPIC_ASK, case, json_reply, post

pytestmark = pytest.mark.anyio

THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
START = b'event: message_start\ndata: {"type":"message_start","message":%b}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@pytest.mark.parametrize(("asked", "named"), [("m", "m"), ("up/claude-up", "up/claude-up"), ("claude-up", "claude-up-20260101")])
async def test_answers_with_thinking(asked: str, named: str) -> None:
    answer: dict[str, Any] = {**ANTHROPIC_ANSWER, "model": "claude-up-20260101"}
    stream = sse_reply(START % json.dumps({**answer, "content": []}).encode(), STOP)
    async with case([json_reply(answer), stream], "anthropic") as (running, _, http):
        _, raw, _ = await post(http, running.url + "/v1/messages", {**ANTHROPIC_ASK, **THINKING, "model": asked})
        assert json.loads(raw) == {**answer, "model": named}
        _, raw, _ = await post(http, running.url + "/v1/messages", {**ANTHROPIC_ASK, **THINKING, "model": asked, "stream": True})
        assert json.loads(raw.split(b"data: ")[1].split(b"\n")[0])["message"]["model"] == named


async def test_all_others_pass_untouched() -> None:
    raw_answer = json.dumps({**ANTHROPIC_ANSWER, "model": "claude-up-20260101"}, indent=1).encode()
    async with case([Reply([raw_answer])], "anthropic") as (running, _, http):
        _, raw, _ = await post(http, running.url + "/v1/messages", ANTHROPIC_ASK)
        assert raw == raw_answer


async def test_the_version_a_plain_http_client_leaves_out() -> None:
    async with case([json_reply(ANTHROPIC_ANSWER)], "anthropic") as (running, fake, http):
        await post(http, running.url + "/v1/messages", ANTHROPIC_ASK)
        await post(http, running.url + "/v1/messages", ANTHROPIC_ASK, **{"anthropic-version": "2026-10-21"})
        await post(http, running.url + "/v1/messages/count_tokens", {k: v for k, v in ANTHROPIC_ASK.items() if k != "max_tokens"})
        assert [x.headers["anthropic-version"] for x in fake.seen] == ["2023-06-01", "2026-10-21", "2023-06-01"]


async def test_gemini_as_an_array_passes_as_it_comes() -> None:
    """Google's stream without `alt=sse` has the content type of a plain answer."""
    part = {"candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}, "index": 0}]}
    last = {"candidates": [{"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}]}
    pieces = [b"[" + json.dumps(part).encode(), b"\n,\n" + json.dumps(last).encode(), b"\n]"]
    async with upstream([Reply([pieces[0], 0.05, *pieces[1:]])]) as fake:
        providers = {"up": {"type": "gemini", "base_url": fake.url, "api_key": "sk-upstream-1"}}
        async with gateway(config(providers)) as running, aiohttp.ClientSession() as http:
            status, raw, _ = await post(http, running.url + "/v1beta/models/up/gemini-2.5-pro:streamGenerateContent", {"contents": [{"parts": [{"text": "hi"}]}]})
        assert (status, raw) == (200, b"".join(pieces))
        assert fake.seen[0].path == "/v1beta/models/gemini-2.5-pro:streamGenerateContent"


@pytest.mark.parametrize(
    ("body", "path"),
    [({"input": "hi", "previous_response_id": "resp_1"}, "previous_response_id"),
     ({"input": [{"role": "user", "content": "hi"}, {"type": "item_reference", "id": "msg_1"}]}, "input[1]")],
)
async def test_what_only_another_upstream_could_have_kept_is_refused_with_advice(body: dict[str, Any], path: str) -> None:
    async with case([json_reply({})], "openai_chat") as (running, fake, http):
        status, raw, _ = await post(http, running.url + "/v1/responses", {"model": "m", **body})
        error = json.loads(raw)["error"]
        assert (status, error["param"], fake.seen) == (400, path, [])
        assert "the setting `responses.keep` keeps answers" in error["message"]
