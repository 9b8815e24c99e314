"""What every store does, whatever engine it is on."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from llm_api_converter.store.base import Conflict, Page, Store, StoreError
from llm_api_converter.store.records import (
    AuditEntry,
    AuditFilter,
    Budget,
    KeptResponse,
    KeyRecord,
    Limits,
    StoredModel,
    UsageFilter,
    UsageRow,
)

pytestmark = pytest.mark.anyio

NOON = 1_795_521_600.0  # 2026-11-24 12:00 UTC
DAY = 86_400.0
LATER = 4_102_444_800.0
"""2100: an engine that deletes by the time of day what has expired leaves this alone."""
SWEEPS_BY_ITSELF = {"dynamodb"}
"""What has expired is not found, but when it is deleted is up to the engine: it does so by its time to live."""


def key(number: int, **more: Any) -> KeyRecord:
    fields = {"id": f"key_{number}", "name": f"clé {number} ☃", "digest": bytes([number]) * 32, "hint": "abcd", "created_s": NOON + number}
    return KeyRecord(**{**fields, **more})


FULL = key(
    1, owner="Zoë", team="web", tags={"a": "b", "ключ": "值"}, models=("claude-*", "fast"), protocols=("anthropic",), addresses=("10.0.0.0/8",),
    limits=Limits(requests=5, window_s=1.5), budget=Budget(day=Decimal("0.000000001"), total=Decimal("1234567.89")),
    on_loss={"content": "report"}, expires_s=NOON + 0.125, revoked_s=NOON, old_digest=b"o" * 32, old_until_s=NOON + 1,
)  # fmt: skip


def row(number: int, **more: Any) -> UsageRow:
    fields: dict[str, Any] = {
        "id": f"use_{number:04}", "at_s": NOON + number, "request_id": f"req_{number}", "operation": "generate", "protocol": "anthropic", "model": "fast",
        "status": 200, "key_id": "key_1", "team": "web", "provider": "up", "input_total": 10, "output_total": 5, "cost_usd": Decimal("0.000000037500"),
    }  # fmt: skip
    return UsageRow(**{**fields, **more})


async def everything(ask: Callable[[str | None], Any]) -> list[Any]:
    """All pages of a list."""
    found: list[Any] = []
    cursor = None
    while True:
        page: Page[Any] = await ask(cursor)
        found += page.items
        if page.cursor is None:
            return found
        cursor = page.cursor


# ---------------------------------------------------------------- keys


async def test_a_key_comes_back_as_it_was_and_is_found_by_both_digests(store: Store) -> None:
    await store.keys.create(FULL)
    assert await store.keys.get("key_1") == FULL
    assert await store.keys.by_digest(FULL.digest) == FULL
    assert await store.keys.by_digest(b"o" * 32) == FULL
    assert await store.keys.by_digest(b"x" * 32) is None
    assert await store.keys.get("key_2") is None


@pytest.mark.parametrize("again", [key(1, digest=b"x" * 32), key(2, digest=key(1).digest), key(2, digest=b"y" * 32, old_digest=key(1).digest)])
async def test_an_id_or_digest_is_taken_once_and_what_was_refused_leaves_nothing(store: Store, again: KeyRecord) -> None:
    await store.keys.create(key(1))
    with pytest.raises(Conflict):
        await store.keys.create(again)
    assert [record.id for record in (await store.keys.list()).items] == ["key_1"]
    assert await store.keys.by_digest(b"y" * 32) is None


async def test_a_change_needs_the_version_before_it(store: Store) -> None:
    await store.keys.create(key(1))
    rotated = key(1, version=2, digest=b"n" * 32, old_digest=key(1).digest, team="web")
    await store.keys.replace(rotated)
    assert await store.keys.by_digest(b"n" * 32) == await store.keys.by_digest(key(1).digest) == rotated
    for late in (key(1, version=2), key(1, version=4), key(7, version=2)):
        with pytest.raises(Conflict):
            await store.keys.replace(late)
    await store.keys.replace(replace(rotated, version=3, old_digest=None))
    assert await store.keys.by_digest(key(1).digest) is None


async def test_of_changes_at_once_one_wins(stores: Callable[[], Store]) -> None:
    several = [stores() for _ in range(4)]
    for store in several:
        await store.open()
    await several[0].keys.create(key(1))
    done = await asyncio.gather(*(s.keys.replace(key(1, version=2, name=str(i))) for i, s in enumerate(several)), return_exceptions=True)
    assert sorted(str(type(x).__name__) for x in done) == ["Conflict"] * 3 + ["NoneType"]


async def test_changes_are_seen_by_other_stores(stores: Callable[[], Store]) -> None:
    one, other = stores(), stores()
    await one.open()
    await other.open()
    mark, changed = await other.keys.changed_since(-1)
    assert changed == frozenset()
    await one.keys.create(key(1))
    await one.keys.create(key(2))
    mark, changed = await other.keys.changed_since(mark)
    assert changed >= {"key_1", "key_2"}
    assert await other.keys.changed_since(mark) == (mark, frozenset())
    await one.keys.replace(key(2, version=2, revoked_s=NOON))
    later, changed = await other.keys.changed_since(mark)
    assert changed == {"key_2"}
    assert later > mark
    assert (await other.keys.by_digest(key(2).digest)) == key(2, version=2, revoked_s=NOON)


async def test_keys_are_listed_in_pages_newest_first(store: Store) -> None:
    for number in range(1, 8):
        await store.keys.create(key(number, team="web" if number % 2 else None))
    newest = [f"key_{number}" for number in range(7, 0, -1)]
    assert [x.id for x in await everything(lambda c: store.keys.list(cursor=c, limit=3))] == newest
    assert [x.id for x in await everything(lambda c: store.keys.list(team="web", cursor=c, limit=2))] == newest[::2]
    assert await everything(lambda c: store.keys.list(team="none", cursor=c)) == []


# ---------------------------------------------------------------- usage


async def test_rows_come_back_as_they_were(store: Store) -> None:
    whole = row(
        1, key_name="clé", owner="Zoë", route="fast", upstream_model="m", upstream_protocol="gemini", stream=True, error="client_gone", tries=3,
        cache_read=1, cache_write=2, reasoning=3, raw='{"a":1}', price="p", latency_s=1.25, first_s=0.5, losses=("dropped temperature",), status=499,
    )  # fmt: skip
    bare = row(2, key_id=None, team=None, provider=None, input_total=None, output_total=None, cost_usd=None)
    assert await store.usage.add([whole, bare]) == 2
    assert list((await store.usage.rows(UsageFilter())).items) == [bare, whole]


async def test_adding_twice_changes_nothing(stores: Callable[[], Store]) -> None:
    several = [stores() for _ in range(3)]
    for store in several:
        await store.open()
    rows = [row(number) for number in range(60)]
    batches = [rows[:40], rows[20:], rows[10:50], rows, rows[::-1]]
    added = await asyncio.gather(*(several[i % 3].usage.add(batch) for i, batch in enumerate(batches)))
    assert sum(added) == 60
    assert await several[0].usage.add(rows) == 0
    (total,) = await several[1].usage.totals(UsageFilter())
    cost = 60 * Decimal("0.0000000375")
    assert (total.requests, total.input_total, total.output_total, total.cost_usd) == (60, 600, 300, cost)
    for scope in ("key:key_1", "team:web"):
        assert [await several[2].usage.spent(scope, period, NOON) for period in ("day", "month", "total")] == [cost] * 3


async def test_what_was_spent_is_of_its_day_and_month(store: Store) -> None:
    times = (NOON, NOON + DAY, NOON + 10 * DAY)
    await store.usage.add([row(n, at_s=at, cost_usd=Decimal(n + 1)) for n, at in enumerate(times)])
    assert await store.usage.spent("key:key_1", "day", NOON) == 1
    assert await store.usage.spent("key:key_1", "month", NOON) == 3
    assert await store.usage.spent("key:key_1", "month", NOON + 10 * DAY) == 3
    assert await store.usage.spent("key:key_1", "total", NOON) == 6
    assert await store.usage.spent("key:other", "total", NOON) == 0


async def test_totals_by_groups(store: Store) -> None:
    await store.usage.add([
        row(1), row(2, model="slow", team="ops"), row(3, status=429, input_total=None, output_total=None, cost_usd=None),
        row(4, cost_usd=None), row(5, at_s=NOON + DAY, cache_read=4, cache_write=3, reasoning=2),
    ])  # fmt: skip
    found = {total.group: total for total in await store.usage.totals(UsageFilter(), ("team", "model"))}
    assert set(found) == {("web", "fast"), ("ops", "slow")}
    web = found["web", "fast"]
    assert (web.requests, web.errors, web.unpriced, web.input_total) == (4, 1, 1, 30)
    assert (web.cache_read, web.cache_write, web.reasoning, web.cost_usd) == (4, 3, 2, 2 * Decimal("0.0000000375"))
    days = await store.usage.totals(UsageFilter(team="web"), ("day",))
    assert [(total.group, total.requests) for total in days] == [(("2026-11-24",), 3), (("2026-11-25",), 1)]
    assert [t.group for t in await store.usage.totals(UsageFilter(), ("status",))] == [("200",), ("429",)]
    (none,) = await store.usage.totals(UsageFilter(key_id="nobody"))
    assert (none.requests, none.cost_usd, len(none.group)) == (0, Decimal(0), 0)


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        (UsageFilter(since_s=NOON + 2, until_s=NOON + 4), [3, 2]), (UsageFilter(key_id="key_2"), [4]), (UsageFilter(team="ops"), [1]),
        (UsageFilter(model="slow", provider="up"), [2]), (UsageFilter(team="ops", model="slow"), []),
    ],
)  # fmt: skip
async def test_rows_are_found_by_what_they_are(store: Store, which: UsageFilter, numbers: list[int]) -> None:
    await store.usage.add([row(0), row(1, team="ops"), row(2, model="slow"), row(3), row(4, key_id="key_2")])
    found = await everything(lambda c: store.usage.rows(which, cursor=c, limit=1))
    assert [int(x.id[4:]) for x in found] == numbers


async def test_pages_of_rows_hold_when_rows_are_added(store: Store) -> None:
    await store.usage.add([row(number) for number in range(10)])
    first = await store.usage.rows(UsageFilter(), limit=4)
    await store.usage.add([row(number) for number in range(100, 103)])
    rest = await everything(lambda c: store.usage.rows(UsageFilter(), cursor=c or first.cursor, limit=4))
    assert [int(x.id[4:]) for x in (*first.items, *rest)] == list(range(9, -1, -1))


async def test_rows_may_be_forgotten_but_not_what_was_spent(store: Store) -> None:
    await store.usage.add([row(1, cost_usd=Decimal(1)), row(2, cost_usd=Decimal(2))])
    assert await store.usage.forget(NOON + 2) == 1
    assert [x.id for x in (await store.usage.rows(UsageFilter())).items] == ["use_0002"]
    assert await store.usage.spent("key:key_1", "total", NOON) == 3


async def test_a_cursor_that_is_none_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="cursor"):
        await store.usage.rows(UsageFilter(), cursor="what?")


# ---------------------------------------------------------------- kept state


async def test_continuations(store: Store, engine: str) -> None:
    await store.continuations.put("team:a", ["c1", "c2"], b"\x00sealed", LATER + 10)
    await store.continuations.put("team:a", ["c2"], b"newer", LATER + 20)
    assert await store.continuations.get("team:a", ["c1", "c2", "c3"], LATER) == {"c1": b"\x00sealed", "c2": b"newer"}
    assert await store.continuations.get("team:b", ["c1"], LATER) == {}
    assert await store.continuations.get("team:a", ["c1", "c2"], LATER + 10) == {"c2": b"newer"}
    await store.continuations.sweep(LATER + 15)
    if engine in SWEEPS_BY_ITSELF:
        return
    assert await store.continuations.get("team:a", ["c1", "c2"], LATER) == {"c2": b"newer"}


def kept(number: int, **more: Any) -> KeptResponse:
    fields = {"id": f"resp_{number}", "scope": "team:a", "created_s": LATER, "expires_s": LATER + 10, "sealed": b"x" * number}
    return KeptResponse(**{**fields, **more})


async def test_kept_responses_and_their_items(store: Store, engine: str) -> None:
    big = kept(1_000_000)
    await store.responses.put(big, ["msg_1", "rs_1"])
    await store.responses.put(kept(2, created_s=LATER + 1), ["fc_2"])
    assert await store.responses.get("team:a", big.id, LATER) == big
    assert await store.responses.get("team:b", big.id, LATER) is None
    assert await store.responses.get("team:a", big.id, LATER + 10) is None
    assert await store.responses.holding("team:a", ["msg_1", "rs_1", "fc_2", "no"], LATER) == [big, kept(2, created_s=LATER + 1)]
    assert await store.responses.holding("team:b", ["msg_1"], LATER) == []
    assert (await store.responses.delete("team:b", big.id), await store.responses.delete("team:a", big.id)) == (False, True)
    assert await store.responses.delete("team:a", big.id) is False
    assert await store.responses.holding("team:a", ["msg_1"], LATER) == []
    await store.responses.sweep(LATER + 10)
    if engine in SWEEPS_BY_ITSELF:
        return
    assert await store.responses.get("team:a", "resp_2", LATER) is None


async def test_ids_are_whatever_clients_make_of_them(store: Store) -> None:
    """Some put a signature of kilobytes into one; JSON has NUL."""
    ids = ["call_" + "é☃" * 3_000, "call_" + "é☃" * 2_999 + "x", "nul\0", "nul", "", "sha256:", "'); --", "C", "c"]
    for number, call_id in enumerate(ids):
        await store.continuations.put("team:a", [call_id], b"%d" % number, LATER)
    assert await store.continuations.get("team:a", [*ids, "other" * 1_000], NOON) == {call_id: b"%d" % number for number, call_id in enumerate(ids)}
    await store.responses.put(kept(1), ids)
    for item_id in ids:
        assert await store.responses.holding("team:a", [item_id], LATER) == [kept(1)]
    for response_id in ("no" * 3_000, "nul\0", "C"):
        assert await store.responses.get("team:a", response_id, LATER) is None
        assert await store.responses.delete("team:a", response_id) is False


# ---------------------------------------------------------------- audit, models


def entry(number: int, **more: Any) -> AuditEntry:
    fields = {"id": f"a{number}", "at_s": NOON + number, "actor": "admin", "action": "key.create", "subject": f"key_{number}"}
    return AuditEntry(**{**fields, **more})


async def test_the_audit_log(store: Store) -> None:
    entries = [entry(0), entry(1, action="key.revoke"), entry(2, actor="zoë", detail='{"é":1}'), entry(3, action="model_put", subject="fast")]
    await store.audit.append(entries)
    await store.audit.append([entry(0, actor="forged")])
    assert await everything(lambda c: store.audit.query(AuditFilter(), cursor=c, limit=3)) == entries[::-1]
    for which, numbers in (
        (AuditFilter(action="key.*"), [2, 1, 0]), (AuditFilter(action="key.revoke"), [1]), (AuditFilter(actor="zoë"), [2]), (AuditFilter(subject="fast"), [3]),
        (AuditFilter(since_s=NOON + 1, until_s=NOON + 3), [2, 1]), (AuditFilter(action="model.*"), []),
    ):  # fmt: skip
        assert [int(x.id[1:]) for x in await everything(lambda c, w=which: store.audit.query(w, cursor=c, limit=2))] == numbers  # type: ignore[misc]
    assert await store.audit.rotate(NOON + 2) == 2
    assert [x.id for x in (await store.audit.query(AuditFilter())).items] == ["a3", "a2"]


async def test_stored_models(store: Store) -> None:
    first = StoredModel(name="a/b é", entry='{"provider":"p"}', updated_s=NOON)
    await store.models.put(first)
    await store.models.put(StoredModel(name="A", entry="{}", updated_s=NOON))
    with pytest.raises(Conflict):
        await store.models.put(first)
    second = replace(first, entry="{}", version=2)
    await store.models.put(second)
    with pytest.raises(Conflict):
        await store.models.put(second)
    assert {model.name: model for model in await store.models.list()}["a/b é"] == second
    assert (await store.models.delete("a/b é"), await store.models.delete("a/b é")) == (True, False)
    assert [model.name for model in await store.models.list()] == ["A"]


# ---------------------------------------------------------------- its life


async def test_migrating_again_does_nothing(store: Store) -> None:
    await store.keys.create(key(1))
    assert await store.migrate() == []
    await store.ping()
    assert await store.keys.get("key_1") == key(1)


async def test_first_starts_at_once(url: str, stores: Callable[[], Store]) -> None:
    several = [stores() for _ in range(4)]
    await asyncio.gather(*(store.migrate() for store in several))
    await asyncio.gather(*(store.open() for store in several))
    await several[0].keys.create(key(1))
    assert await several[3].keys.get("key_1") == key(1)
