"""API keys: who comes in, by which header, for what; and the answers of those who do not."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter.access.credentials import digest_of
from llm_api_converter.access.keyring import KeyRing
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.store.base import StoreError
from llm_api_converter.store.open import open_store
from llm_api_converter.store.records import KeyRecord, UsageFilter
from tests.fakes import KEY, json_reply
from tests.server.team import Team, team

pytestmark = pytest.mark.anyio

OK = json_reply({
    "id": "c", "object": "chat.completion", "created": 1, "model": "up-model", "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
})  # fmt: skip


def always(seen: Any) -> Any:
    return OK


SIGV4 = "AWS4-HMAC-SHA256 Credential=%s/20261124/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=ab"


async def test_a_key_works_in_every_form_a_client_sends_it(tmp_path: Path) -> None:
    async with team(always, tmp_path) as t:
        _, key = await t.key()
        for headers in (
            {"authorization": f"Bearer {key}"}, {"x-api-key": key}, {"api-key": key}, {"x-goog-api-key": key}, {"authorization": SIGV4 % key},
        ):  # fmt: skip
            assert (await t.chat(None, headers=headers))[0] == 200, headers
        async with t.http.post(
            f"{t.url}/v1beta/models/m:generateContent?key={key}", json={"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
        ) as answer:
            assert answer.status == 200
        assert (await t.chat(KEY))[0] == 200


async def test_five_ways_of_not_coming_in_and_five_answers(tmp_path: Path) -> None:
    async with team(always, tmp_path, prices=[{"model": "*", "input": 1000, "output": 1000}]) as t:
        expired = await t.key("old", expires="1s")
        revoked = await t.key("gone")
        await t.admin("DELETE", f"/keys/{revoked[0]}")
        narrow = await t.key("narrow", models=["m-*"])
        poor = await t.key("poor", budget={"day": "0.01"})
        assert (await t.chat(poor[1]))[0] == 200
        await asyncio.sleep(1.2)
        answers = {}
        for name, key in (("wrong", "sk-nobody"), ("expired", expired[1]), ("revoked", revoked[1]), ("model", narrow[1]), ("budget", poor[1])):
            status, body, _ = await t.chat(key)
            answers[name] = (status, body["error"]["message"])
        assert {name: status for name, (status, _) in answers.items()} == {
            "wrong": 401, "expired": 401, "revoked": 401, "model": 403, "budget": 429,
        }  # fmt: skip
        for name, words in (
            ("wrong", "not one of this gateway's"), ("expired", "expired on 20"), ("revoked", "was revoked on 20"),
            ("model", "may not use the model `m`; it may use `m-*`"), ("budget", "has spent today's budget: 0.01 of 0.01 US dollars. It begins anew at"),
        ):  # fmt: skip
            assert words in answers[name][1], answers[name]
        assert len(t.fake.seen) == 1


async def test_what_a_key_is_bound_to(tmp_path: Path) -> None:
    async with team(always, tmp_path, teams={"web": {"models": ["m"]}}, server={"trusted_proxies": ["127.0.0.0/8"]}) as t:
        _, chat_only = await t.key("chat", protocols=["openai_chat"])
        _, inside = await t.key("inside", addresses=["10.0.0.0/8"])
        _, of_team = await t.key("web", team="web", models=["*"])
        assert (await t.chat(chat_only))[0] == 200
        async with t.http.post(t.url + "/v1/messages", json={"model": "m"}, headers={"x-api-key": chat_only}) as answer:
            assert (answer.status, "it is for `openai_chat`" in await answer.text()) == (403, True)
        assert (await t.chat(inside, headers={"x-forwarded-for": "10.1.2.3"}))[0] == 200
        status, body, _ = await t.chat(inside, headers={"x-forwarded-for": "192.0.2.1"})
        assert (status, "192.0.2.1" in body["error"]["message"]) == (403, True)
        assert [(await t.chat(of_team, model))[0] for model in ("m", "other", "up/up-model")] == [200, 403, 403]
        async with t.http.get(t.url + "/v1/models", headers={"authorization": f"Bearer {of_team}"}) as answer:
            assert [model["id"] for model in (await answer.json())["data"]] == ["m"]


async def test_a_revoked_key_stops_within_two_seconds_and_a_changed_one_is_as_changed(tmp_path: Path) -> None:
    async with team(always, tmp_path) as t:
        key_id, key = await t.key()
        assert (await t.chat(key))[0] == 200
        await t.admin("PATCH", f"/keys/{key_id}", {"models": ["other"]})
        await _until(t, key, 403)
        await t.admin("PATCH", f"/keys/{key_id}", {"models": None})
        await _until(t, key, 200)
        await t.admin("DELETE", f"/keys/{key_id}")
        await _until(t, key, 401)


async def _until(t: Team, key: str, status: int) -> None:
    start = time.monotonic()
    while (await t.chat(key))[0] != status:
        assert time.monotonic() - start < 2
        await asyncio.sleep(0.05)


async def test_a_rotated_key_has_a_time_of_grace(tmp_path: Path) -> None:
    async with team(always, tmp_path) as t:
        key_id, old = await t.key()
        status, rotated = await t.admin("POST", f"/keys/{key_id}/rotate", {"grace": "1s"})
        assert (status, rotated["key"] != old) == (200, True)
        assert ((await t.chat(old))[0], (await t.chat(rotated["key"]))[0]) == (200, 200)
        await asyncio.sleep(1.1)
        status, body, _ = await t.chat(old)
        assert (status, "was replaced" in body["error"]["message"]) == (401, True)
        assert (await t.chat(rotated["key"]))[0] == 200


@pytest.mark.parametrize(("own", "status"), [({"content": "report"}, 200), ({}, 400)])
async def test_a_keys_own_policy_for_losses(tmp_path: Path, own: dict[str, str], status: int) -> None:
    async with team(always, tmp_path) as t:
        _, key = await t.key(on_loss=own)
        document = {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}}
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [document, {"type": "text", "text": "hi"}]}]}
        async with t.http.post(t.url + "/v1/messages", json=body, headers={"x-api-key": key}) as answer:
            assert answer.status == status, await answer.text()


class Away:
    """A store of keys that may be away."""

    def __init__(self, record: KeyRecord) -> None:
        self.record, self.is_away = record, False

    async def by_digest(self, digest: bytes) -> KeyRecord | None:
        if self.is_away:
            raise StoreError("away")
        return self.record if digest == self.record.digest else None

    async def changed_since(self, mark: int) -> tuple[int, frozenset[str]]:
        if self.is_away:
            raise StoreError("away")
        return 1, frozenset()


async def test_while_the_store_is_away_known_keys_go_on_for_a_time() -> None:
    now = 1000.0
    known, other = b"sk-known", b"sk-other"
    store = Away(KeyRecord(id="key_1", name="k", digest=digest_of(known), hint="nown", created_s=0))
    ring = KeyRing(store, team_models={}, offline_s=60, clock=lambda: now)  # type: ignore[arg-type]
    await ring.refresh()
    assert (await ring.find(digest_of(known))).name == "k"
    store.is_away = True
    now += 59
    found = ring.known(digest_of(known))
    assert found is not None
    for digest in (digest_of(other), digest_of(known)):
        with pytest.raises(ApiError) as raised:
            await ring.find(digest)
        assert (raised.value.kind, raised.value.status) == ("overloaded", 503)
    now += 2
    assert ring.known(digest_of(known)) is None


async def test_a_store_that_is_away_at_the_start_does_not_keep_from_starting(tmp_path: Path) -> None:
    broken = tmp_path / "data" / "gateway.db"
    broken.parent.mkdir()
    broken.mkdir()  # a folder stands where the file should
    async with team(always, tmp_path / "data") as t:
        assert (await t.chat(KEY))[0] == 200
        async with t.http.get(t.url + "/health") as answer:
            assert answer.status == 200
        async with t.http.get(t.url + "/ready") as answer:
            assert (answer.status, "SQLite" in (await answer.json())["why"]) == (503, True)
        assert (await t.chat("sk-somebody"))[0] == 503
        broken.rmdir()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            async with t.http.get(t.url + "/ready") as answer:
                if answer.status == 200:
                    break
            await asyncio.sleep(0.1)
        _, key = await t.key()
        assert (await t.chat(key))[0] == 200


async def test_usage_is_recorded_with_who_and_what(tmp_path: Path) -> None:
    async with team(always, tmp_path, prices=[{"model": "up-*", "input": "1.5", "output": 6}]) as t:
        key_id, key = await t.key("ci", team="web", owner="zoe")
        assert (await t.chat(key))[0] == 200
        body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        async with t.http.post(t.url + "/v1/messages", json=body, headers={"x-api-key": key}) as answer:
            assert answer.status == 200
        assert (await t.chat(key, "nobody"))[0] == 404
    store = open_store(f"sqlite:///{tmp_path}/gateway.db")
    rows = (await store.usage.rows(UsageFilter())).items
    (total,) = await store.usage.totals(UsageFilter(team="web"), ("key_id",))
    await store.close()
    assert sorted((row.protocol, row.status, row.input_total, row.output_total) for row in rows) == [
        ("anthropic", 200, 11, 3), ("openai_chat", 200, 11, 3), ("openai_chat", 404, None, None),
    ]  # fmt: skip
    assert {(row.key_id, row.key_name, row.team, row.owner) for row in rows} == {(key_id, "ci", "web", "zoe")}
    assert [str(row.cost_usd) for row in rows if row.cost_usd is not None] == ["0.000034500000"] * 2
    assert (total.group, total.requests, total.errors, str(total.cost_usd.normalize())) == ((key_id,), 3, 1, "0.000069")
