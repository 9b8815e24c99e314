"""Requests in the audit log, where that is asked for."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from llm_api_converter.server import audit
from llm_api_converter.store.base import StoreError
from tests.fakes import KEY, json_reply, sse_reply
from tests.server.team import Team, team
from tests.server.test_pipeline import CHAT_ANSWER, CHAT_STREAM

pytestmark = pytest.mark.anyio

WORDS = "the moon is made of marble"


async def entries(t: Team, action: str = "request.*") -> list[dict[str, Any]]:
    """Newest first."""
    assert t.app.runtime.services is not None
    assert t.app.runtime.services.audit is not None
    await t.app.runtime.services.audit.flush()
    status, page = await t.admin("GET", f"/audit?action={action}")
    assert status == 200
    found: list[dict[str, Any]] = page["data"]
    return found


def detail(entry: dict[str, Any]) -> dict[str, Any]:
    said = entry["detail"]
    told: dict[str, Any] = json.loads(said) if isinstance(said, str) else said
    return told


async def ask(t: Team, key: str, **body: Any) -> str:
    """The request's id."""
    body = {"model": "m", "messages": [{"role": "user", "content": WORDS}], **body}
    async with t.http.post(t.url + "/v1/chat/completions", json=body, headers={"x-api-key": key}) as got:
        await got.read()
        return got.headers["x-request-id"]


async def test_who_asked_for_what_and_how_it_ended(tmp_path: Path) -> None:
    async with team([json_reply(CHAT_ANSWER), json_reply({"error": {"message": "no: sk-upstream-secret-1"}}, 401)], tmp_path, audit={"requests": True}) as t:
        _, key = await t.key("ci")
        first, second, third = await ask(t, key), await ask(t, key), await ask(t, "sk-wrong")
        failed, refused, done = await entries(t)
    assert [(e["request_id"], e["actor"], e["subject"], e["action"], e["outcome"]) for e in (done, refused, failed)] == [
        (first, "ci", "m", "request.generate", "done"), (second, "ci", "m", "request.generate", "unauthenticated"),
        (third, "nobody", "", "request.generate", "unauthenticated"),
    ]  # fmt: skip
    assert done["address"] == "127.0.0.1"
    said = detail(done)
    assert said.pop("ms") >= 0
    assert said == {
        "protocol": "openai_chat", "status": 200, "stream": False, "provider": "up", "upstream_model": "up-model", "input_tokens": 11, "output_tokens": 3}
    assert "sk-upstream" not in str(refused)
    assert "***" in detail(refused)["message"]


@pytest.mark.parametrize("bodies", ["redacted", "full"])
@pytest.mark.parametrize("stream", [False, True])
async def test_bodies(tmp_path: Path, bodies: str, stream: bool) -> None:
    reply = sse_reply(*CHAT_STREAM) if stream else json_reply(CHAT_ANSWER)
    async with team([reply], tmp_path, audit={"requests": True, "bodies": bodies}) as t:
        await ask(t, KEY, stream=stream, user="sk-upstream-secret-1")
        (entry,) = await entries(t)
    said = detail(entry)
    if bodies == "full":
        assert json.loads(said["request"])["messages"][0]["content"] == WORDS
        assert json.loads(said["request"])["user"] == "***"
        assert ("hel" in said["answer"]) if stream else (json.loads(said["answer"]) == CHAT_ANSWER)
    else:
        assert WORDS not in str(entry)
        assert said["request"]["messages"] == [{"role": "user", "content": f"<{len(WORDS)} characters>"}]
        if stream:
            assert said["answer"].endswith(" bytes>")
        else:
            assert said["answer"]["choices"][0]["message"] == {"role": "assistant", "content": "<11 characters>"}


async def test_nothing_is_noted_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with team([json_reply(CHAT_ANSWER)], tmp_path) as t:
        await ask(t, KEY)
        assert (await t.admin("GET", "/audit?action=request.*"))[1]["data"] == []


async def test_what_waits_when_the_gateway_stops_is_written(tmp_path: Path) -> None:
    async with team([json_reply(CHAT_ANSWER)], tmp_path, audit={"requests": True}) as t:
        first = await ask(t, KEY)
    async with team([json_reply(CHAT_ANSWER)], tmp_path, audit={"requests": True}) as t:
        assert [entry["request_id"] for entry in await entries(t)] == [first]


async def test_a_store_that_is_away_gets_them_when_it_is_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with team([json_reply(CHAT_ANSWER)], tmp_path, audit={"requests": True}) as t:
        services = t.app.runtime.services
        assert services is not None
        assert services.audit is not None
        taken = type(services.store.audit).append

        async def away(*_: Any) -> None:
            raise StoreError("the store is away")

        monkeypatch.setattr(type(services.store.audit), "append", away)
        with capture_logs() as lines:
            asked = [await ask(t, KEY) for _ in range(3)]
            await services.audit.flush()
            await services.audit.flush()
            monkeypatch.setattr(audit, "WAITING_BYTES", 0)
            await ask(t, KEY)
            await asyncio.sleep(0)
            monkeypatch.setattr(type(services.store.audit), "append", taken)
            await services.audit.flush()
        assert [entry["request_id"] for entry in reversed(await entries(t))] == asked
    told = [(line["event"], line.get("given_up")) for line in lines if line["event"].startswith("audited")]
    assert told == [("audited requests wait", None), ("audited requests are given up", None), ("audited requests are written again", 1)]
