"""What only DynamoDB has: its tables, its bounds, its time to live."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from botocore.session import Session  # type: ignore[import-untyped]

from llm_api_converter.store.base import Page, StoreError
from llm_api_converter.store.dynamodb.address import TABLES
from llm_api_converter.store.dynamodb.store import DynamoStore
from llm_api_converter.store.records import AuditEntry, AuditFilter, KeptResponse, KeyRecord, UsageFilter, UsageRow
from tests.engines import dynamodb

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

NOON = 1_795_521_600.0


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name.replace('[', '-').replace(']', '')[:60]}-"


@pytest.fixture
def raw(dynamodb_endpoint: str) -> Any:
    return Session().create_client("dynamodb", region_name="us-east-1", endpoint_url=dynamodb_endpoint)


@pytest.fixture
def url(prefix: str, dynamodb_endpoint: str) -> str:
    return f"dynamodb://us-east-1?prefix={prefix}&endpoint={dynamodb_endpoint}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[DynamoStore]:
    made = DynamoStore(url)
    await made.migrate()
    await made.open()
    yield made
    await made.close()


def row(number: int, **more: Any) -> UsageRow:
    fields: dict[str, Any] = {
        "id": f"use_{number:05}", "at_s": NOON + number, "request_id": "r", "operation": "generate", "protocol": "p", "model": "m", "status": 200,
        "key_id": f"key_{number % 30}", "team": f"team_{number % 3}", "cost_usd": Decimal("0.000000037500") * (number + 1),
    }  # fmt: skip
    return UsageRow(**{**fields, **more})


async def test_without_tables_the_command_is_named(url: str, prefix: str) -> None:
    store = DynamoStore(url)
    with pytest.raises(StoreError, match=f"no tables {prefix}api_keys, {prefix}usage.*run `llm-api-converter migrate`"):
        await store.open()
    with pytest.raises(StoreError, match="missing: run `llm-api-converter migrate`"):
        await store.usage.add([row(1)])
    await store.close()


async def test_tables_are_made_as_they_are_wanted(store: DynamoStore, raw: Any, prefix: str) -> None:
    for name in TABLES:
        made = raw.describe_table(TableName=prefix + name)["Table"]
        assert (made["BillingModeSummary"]["BillingMode"], made["TableStatus"]) == ("PAY_PER_REQUEST", "ACTIVE")
        ttl = raw.describe_time_to_live(TableName=prefix + name)["TimeToLiveDescription"]
        assert ttl["TimeToLiveStatus"] == ("ENABLED" if name in ("continuations", "responses") else "DISABLED")


async def test_tables_may_have_names_of_their_own(url: str, prefix: str, raw: Any) -> None:
    store = DynamoStore(url, {"usage": f"our.{prefix}calls"})
    await store.migrate()
    await store.open()
    await store.usage.add([row(1)])
    assert raw.scan(TableName=f"our.{prefix}calls", Select="COUNT")["Count"] == 1
    await store.close()


async def test_what_was_left_half_made_is_finished(url: str, store: DynamoStore, raw: Any, prefix: str) -> None:
    raw.delete_table(TableName=prefix + "audit")
    raw.update_time_to_live(TableName=prefix + "responses", TimeToLiveSpecification={"Enabled": False, "AttributeName": "ttl"})
    done = await store.migrate()
    assert [line.partition(", ")[0] for line in done] == [
        f"{prefix}responses: items expire by ttl", f"{prefix}audit: created", f"{prefix}audit: without point-in-time recovery",
    ]  # fmt: skip
    await store.open()


async def test_a_table_of_somebody_else_is_left_alone(url: str, raw: Any, prefix: str) -> None:
    raw.create_table(
        TableName=prefix + "api_keys", BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "api_key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "api_key", "KeyType": "HASH"}],
    )  # fmt: skip
    store = DynamoStore(url)
    with pytest.raises(StoreError, match=r"has other keys: give another name in store\.tables\.api_keys"):
        await store.migrate()
    await store.close()


async def test_sums_are_exact_where_four_write_and_rows_come_twice(store: DynamoStore, url: str) -> None:
    """Many keys: a batch does not fit into one transaction."""
    several = [store, *(DynamoStore(url) for _ in range(3))]
    rows = [row(number) for number in range(400)]
    added = await asyncio.gather(*(s.usage.add(rows[start : start + 250]) for s, start in zip(several, (0, 50, 100, 150), strict=True)))
    assert sum(added) == 400
    whole = sum((x.cost_usd or Decimal(0) for x in rows), Decimal(0))
    assert sum([await store.usage.spent(f"team:team_{n}", "total", NOON) for n in range(3)]) == whole
    assert sum([await store.usage.spent(f"key:key_{n}", "month", NOON) for n in range(30)]) == whole
    (total,) = await store.usage.totals(UsageFilter())
    assert (total.requests, total.cost_usd) == (400, whole)
    for other in several[1:]:
        await other.close()


async def test_money_far_apart_stays_exact(store: DynamoStore) -> None:
    amounts = [Decimal("1E-12"), Decimal("123456789012.5"), Decimal("0.000000037500")]
    for number, amount in enumerate(amounts):
        await store.usage.add([row(number, key_id="k", cost_usd=amount)])
    assert await store.usage.spent("key:k", "total", NOON) == sum(amounts)


async def test_lists_longer_than_an_answer_of_dynamodb(store: DynamoStore) -> None:
    """An answer ends at 1 MB."""
    rows = [row(number, raw="x" * 9_000) for number in range(600)]
    assert await store.usage.add(rows) == 600
    found, cursor = list[UsageRow](), None
    while True:
        page: Page[UsageRow] = await store.usage.rows(UsageFilter(), cursor=cursor, limit=250)
        found, cursor = [*found, *page.items], page.cursor
        if cursor is None:
            break
    assert found == rows[::-1]
    assert len((await store.usage.rows(UsageFilter(team="team_1"), limit=500)).items) == 200
    assert [x.id for x in (await store.usage.rows(UsageFilter(model="m"), limit=1)).items] == ["use_00599"]
    assert await store.usage.forget(NOON + 590) == 590
    assert len((await store.usage.rows(UsageFilter())).items) == 10


async def test_many_entries_of_the_audit_log(store: DynamoStore) -> None:
    entries = [AuditEntry(id=f"a{n:03}", at_s=NOON, actor="x", action="key.create", subject=str(n)) for n in range(300)]
    await store.audit.append(entries)
    assert list((await store.audit.query(AuditFilter(), limit=500)).items) == entries[::-1]


async def test_many_changes_of_keys_are_seen_each(store: DynamoStore) -> None:
    mark, _ = await store.keys.changed_since(-1)
    await asyncio.gather(*(
        store.keys.create(KeyRecord(id=f"key_{n}", name="n", digest=n.to_bytes(32, "big"), hint="h", created_s=NOON + n)) for n in range(12)
    ))  # fmt: skip
    now, changed = await store.keys.changed_since(mark)
    assert (now - mark, len(changed)) == (12, 12)
    assert await store.keys.changed_since(now + 100) == (now, frozenset())  # the mark of a store that was put back to an older state


async def test_ids_of_any_length(store: DynamoStore) -> None:
    """Clients make ids of kilobytes: some put a signature into them."""
    long = "call_" + "é" * 5_000
    await store.continuations.put("team:a", [long, "c"], b"1", NOON * 2)
    assert await store.continuations.get("team:a", ["c", long], NOON) == {long: b"1", "c": b"1"}
    await store.responses.put(KeptResponse(id=long, scope="key:a", created_s=NOON, expires_s=NOON * 2, sealed=b"x"), [long])
    assert [x.id for x in await store.responses.holding("key:a", [long], NOON)] == [long]


async def test_what_has_expired_goes_by_itself_with_all_of_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an engine of its own: DynamoDB Local looks at one table after another, and those of the other tests are many."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    with dynamodb() as engine:
        store = DynamoStore(f"dynamodb://us-east-1?endpoint={engine.url}")
        await store.migrate()
        client = Session().create_client("dynamodb", region_name="us-east-1", endpoint_url=engine.url)

        def counts() -> dict[str, int]:
            return {name: client.scan(TableName=f"gateway-{name}", Select="COUNT")["Count"] for name in ("responses", "continuations")}

        soon = time.time() + 3
        await store.responses.put(KeptResponse(id="r", scope="team:a", created_s=1.0, expires_s=soon, sealed=b"x" * 800_000), ["i1", "i2"])
        await store.continuations.put("team:a", ["c"], b"y" * 400_000, soon)
        assert counts() == {"responses": 6, "continuations": 3}
        end = time.monotonic() + 60
        while time.monotonic() < end and any(counts().values()):
            await asyncio.sleep(0.5)
        assert counts() == {"responses": 0, "continuations": 0}
        await store.close()


async def test_a_deleted_answer_leaves_none_of_its_bytes(store: DynamoStore, raw: Any, prefix: str) -> None:
    await store.responses.put(KeptResponse(id="r", scope="team:a", created_s=NOON, expires_s=NOON * 2, sealed=b"x" * 800_000), ["i1"])
    assert await store.responses.delete("team:a", "r")
    left = raw.scan(TableName=prefix + "responses")["Items"]
    assert [sorted(item) for item in left] == [["expires_s", "pk", "response_id", "scope", "ttl"]]
