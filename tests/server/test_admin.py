"""The admin API: what it does, what it refuses, and that it is written down."""

import asyncio
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import KEY
from tests.server.team import ADMIN, PATH, team
from tests.server.test_keys import always

pytestmark = pytest.mark.anyio


async def test_the_life_of_a_key(tmp_path: Path) -> None:
    async with team(always, tmp_path) as t:
        status, made = await t.admin("POST", "/keys", {"name": "ci", "owner": "zoe", "tags": {"a": "b"}, "limits": {"requests": 5}, "expires": "30d"})
        assert status == 201
        assert made["key"].startswith("sk-")
        assert made["hint"] == "..." + made["key"][-4:]
        assert abs(made["expires_s"] - time.time() - 30 * 86_400) < 5
        shown = {name: value for name, value in made.items() if name != "key"}
        assert await t.admin("GET", f"/keys/{made['id']}") == (200, shown)
        status, changed = await t.admin("PATCH", f"/keys/{made['id']}", {"team": "web", "owner": None})
        assert (status, changed) == (200, {**shown, "team": "web", "owner": None, "version": 2})
        _, rotated = await t.admin("POST", f"/keys/{made['id']}/rotate", {"grace": "24h"})
        assert (rotated["version"], rotated["key"] != made["key"]) == (3, True)
        status, revoked = await t.admin("DELETE", f"/keys/{made['id']}")
        assert (status, revoked["revoked_s"] is not None) == (200, True)
        _, listed = await t.admin("GET", "/keys")
        assert [key["id"] for key in listed["data"]] == [made["id"]]
        assert all("digest" not in key and "key" not in key for key in listed["data"])
        _, audit = await t.admin("GET", "/audit?action=key.*")
        assert [entry["action"] for entry in audit["data"]] == ["key.revoke", "key.rotate", "key.update", "key.create"]
        assert {entry["subject"] for entry in audit["data"][:3]} == {made["id"]}
        assert {entry["actor"] for entry in audit["data"]} == {"admin"}
        assert not any(made["key"] in str(entry) or rotated["key"] in str(entry) for entry in audit["data"])


async def test_lists_come_in_pages(tmp_path: Path) -> None:
    async with team(always, tmp_path) as t:
        for number in range(5):
            await t.key(f"k{number}", team="web" if number % 2 else "ops")
        names: list[str] = []
        cursor = ""
        while True:
            _, page = await t.admin("GET", f"/keys?limit=2{cursor}")
            names += [key["name"] for key in page["data"]]
            if page["cursor"] is None:
                break
            cursor = f"&cursor={page['cursor']}"
        assert names == ["k4", "k3", "k2", "k1", "k0"]
        _, page = await t.admin("GET", "/keys?team=web")
        assert [key["name"] for key in page["data"]] == ["k3", "k1"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "param", "words"),
    [
        ("POST", "/keys", {}, 400, "name", "required"),
        ("POST", "/keys", {"name": "a", "model": ["x"]}, 400, "model", "unknown field"),
        ("POST", "/keys", {"name": "a", "limits": {"requests": -1}}, 400, "limits.requests", "greater"),
        ("POST", "/keys", {"name": "a", "expires": "soon"}, 400, "expires", "expected a date"),
        ("POST", "/keys", {"name": "a", "addresses": ["x"]}, 400, "addresses.0", "an address or a network"),
        ("PATCH", "/keys/key_none", {"team": "a"}, 404, None, "key_none"),
        ("GET", "/keys/key_none", None, 404, None, "key_none"),
        ("GET", "/keys?limit=0", None, 400, "limit", "greater"),
        ("GET", "/keys?cursor=x!", None, 400, "cursor", "is not one of"),
        ("POST", "/keys/key_none/rotate", {"grace": "-1"}, 400, "grace", ""),
        ("GET", "/nothing", None, 404, None, "openapi.json"),
        ("PUT", "/models/fast", {"provider": "nope", "model": "x"}, 400, "provider", "no provider 'nope' is configured"),
        ("PUT", "/models/m", {"provider": "up", "model": "x"}, 400, "name", "stands in the settings file"),
        ("PUT", "/models/fast", {"provider": "up"}, 400, "model", "required"),
        ("DELETE", "/models/fast", None, 404, None, "fast"),
    ],
)
async def test_what_is_refused_says_why(
    tmp_path: Path, method: str, path: str, body: Any, status: int, param: str | None, words: str
) -> None:
    async with team(always, tmp_path) as t:
        got, answer = await t.admin(method, path, body)
        assert (got, answer["error"]["param"]) == (status, param), answer
        assert words in answer["error"]["message"]


async def test_bodies_that_are_none(tmp_path: Path) -> None:
    async with team(always, tmp_path) as t:
        for raw, words in ((b"{", "not valid JSON"), (b"[]", ""), (b'"' + b"x" * 2_000_000 + b'"', "larger than")):
            status, answer = await t.admin("POST", "/keys", raw=BytesIO(raw))
            assert (status, words in answer["error"]["message"]) == (400, True)


@pytest.mark.parametrize("key", ["", KEY, "sk-nobody", ADMIN[:-1]])
async def test_only_the_admin_key_opens_it(tmp_path: Path, key: str) -> None:
    async with team(always, tmp_path) as t:
        _, of_client = await t.key()
        for given in (key, of_client):
            status, answer = await t.admin("GET", "/keys", key=given)
            assert (status, "ADMIN_API_KEY" in answer["error"]["message"]) == (401, True)
        assert (await t.chat(ADMIN))[0] == 401, "and it opens nothing else"


async def test_it_can_be_turned_off(tmp_path: Path) -> None:
    async with team(always, tmp_path, admin={"enabled": False}) as t, t.http.get(t.url + PATH + "/keys") as answer:
        assert answer.status == 404


async def test_a_model_name_is_added_changed_and_taken_away_at_run_time(tmp_path: Path) -> None:
    async with team(always, tmp_path) as t:
        assert (await t.chat(KEY, "fast"))[0] == 404
        status, _ = await t.admin("PUT", "/models/fast", {"provider": "up", "model": "up-fast"})
        assert status == 200
        await _until(t, "fast", 200)
        assert t.fake.seen[-1].json["model"] == "up-fast"
        await t.admin("PUT", "/models/fast", {"targets": [{"provider": "up", "model": "faster"}]})
        end = time.monotonic() + 5
        while t.fake.seen[-1].json["model"] != "faster":
            assert time.monotonic() < end
            await asyncio.sleep(0.1)
            await t.chat(KEY, "fast")
        _, listed = await t.admin("GET", "/models")
        assert [(model["name"], model["version"]) for model in listed["data"]] == [("fast", 2)]
        assert (await t.admin("DELETE", "/models/fast"))[0] == 200
        await _until(t, "fast", 404)


async def _until(t: Any, model: str, status: int) -> None:
    end = time.monotonic() + 5
    while (await t.chat(KEY, model))[0] != status:
        assert time.monotonic() < end
        await asyncio.sleep(0.1)


async def test_usage_is_shown_added_up_and_each_for_itself(tmp_path: Path) -> None:
    async with team(always, tmp_path, prices=[{"model": "up-model", "input": "1.5", "output": 6}]) as t:
        key_id, key = await t.key("ci", team="web")
        for model in ("m", "m", "other"):
            assert (await t.chat(key, model))[0] == 200
        end = time.monotonic() + 5
        while True:
            status, usage = await t.admin("GET", "/usage?by=key,model&since=1d&team=web")
            assert (status, time.monotonic() < end) == (200, True), usage
            if sum(total["requests"] for total in usage["data"]) == 3:
                break
            await asyncio.sleep(0.1)
        shown = [(x["key"], x["model"], x["requests"], x["input_total"], x["cost_usd"], x["unpriced"]) for x in usage["data"]]
        assert shown == [("ci", "m", 2, 22, "0.000069", 0), ("ci", "other", 1, 11, None, 1)]
        _, page = await t.admin("GET", f"/usage/rows?key={key_id}&limit=2")
        assert ([row["model"] for row in page["data"]], page["cursor"] is not None) == (["other", "m"], True)
        assert page["data"][0]["raw"]["usage"]["prompt_tokens"] == 11
        for path, lines in (("/usage?by=day&format=csv", 2), ("/usage/rows?format=csv", 4)):
            async with t.http.get(t.url + PATH + path, headers={"authorization": f"Bearer {ADMIN}"}) as answer:
                assert answer.content_type == "text/csv"
                assert len((await answer.text()).splitlines()) == lines
        for path, param in (("/usage?by=colour", "by"), ("/usage?since=soon", "since"), ("/usage/rows?limit=0", "limit")):
            status, answer_ = await t.admin("GET", path)
            assert (status, answer_["error"]["param"]) == (400, param)


async def test_it_describes_itself(tmp_path: Path) -> None:
    async with team(always, tmp_path) as t:
        status, described = await t.admin("GET", "/openapi.json")
        assert (status, described["openapi"]) == (200, "3.1.0")
        assert "/admin/api/keys/{key_id}/rotate" in described["paths"]
        create = described["paths"]["/admin/api/keys"]["post"]
        assert create["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/KeySpec"}
        assert set(described["components"]["schemas"]) >= {"KeySpec", "LimitsSpec", "BudgetConfig"}
        for path, methods in described["paths"].items():
            for method in methods:
                plain = path.replace("{key_id}", "x").replace("{name}", "x").removeprefix(PATH)
                status, _ = await t.admin(method.upper(), plain, {})
                assert status not in (405, 500), (method, path)
        status, state = await t.admin("GET", "/status")
        assert (status, state["ready"], state["store"], state["limits"]) == (200, True, "sqlite", "host")
