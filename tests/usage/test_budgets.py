"""What may still be spent, by the store's sums and what has not reached it."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from structlog.testing import capture_logs

from llm_api_converter.store.base import Store
from llm_api_converter.store.records import Budget, UsageRow
from llm_api_converter.store.sums import periods
from llm_api_converter.usage import budgets as module
from llm_api_converter.usage.budgets import Bound, Budgets, resets_s, standings
from tests.usage.calls import Gate, a_row, until

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400.0


def bound(scope: str = "key:key_1", **budget: str) -> Bound:
    limits: dict[str, Any] = {name: Decimal(amount) for name, amount in budget.items()}
    return Bound(scope, f"the API key of {scope}", Budget(**limits))


def row(number: int, usd: str, at_s: float = NOON, **more: Any) -> UsageRow:
    made = a_row(number, at_s=at_s, **more)
    return UsageRow(**{**{name: getattr(made, name) for name in made.__struct_fields__}, "cost_usd": Decimal(usd)})


def clock() -> float:
    return NOON


@pytest.fixture
def gate(store: Store) -> Gate:
    return Gate(store.usage)


@pytest.mark.parametrize(
    ("spent", "undelivered", "states"),
    [
        ("0", "0", ["ok", "ok", "ok"]), ("7.99", "0", ["ok", "ok", "ok"]), ("7.99", "0.01", ["warned", "ok", "ok"]),
        ("9.999999", "0", ["warned", "ok", "ok"]), ("9", "1", ["spent", "ok", "ok"]), ("80", "0", ["spent", "warned", "ok"]),
        ("100", "0", ["spent", "spent", "ok"]), ("0", "1000", ["spent", "spent", "spent"]),
    ],
)  # fmt: skip
def test_standings(spent: str, undelivered: str, states: list[str]) -> None:
    names = periods(NOON)
    found = standings(
        bound(day="10", month="100", total="1000"), dict.fromkeys(names, Decimal(spent)), dict.fromkeys(names, Decimal(undelivered)), NOON
    )
    assert [standing.state for standing in found] == states
    assert [standing.period for standing in found] == ["day", "month", "total"]


def test_a_budget_of_nothing_is_spent() -> None:
    (standing,) = standings(bound(month="0"), {}, {}, NOON)
    assert (standing.state, standing.share, standing.period) == ("spent", 1.0, "month")


@pytest.mark.parametrize(
    ("now", "day", "month"),
    [
        ("2026-11-24T12:00", "2026-11-25", "2026-12-01"), ("2026-12-31T23:59", "2027-01-01", "2027-01-01"),
        ("2028-02-29T00:00", "2028-03-01", "2028-03-01"), ("2026-01-31T00:00", "2026-02-01", "2026-02-01"),
    ],
)  # fmt: skip
def test_when_periods_begin_anew(now: str, day: str, month: str) -> None:
    now_s = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    for period, expected in (("day", day), ("month", month)):
        found = resets_s(period, now_s)  # type: ignore[arg-type]
        assert found is not None
        assert datetime.fromtimestamp(found, UTC).isoformat() == f"{expected}T00:00:00+00:00"
    assert resets_s("total", now_s) is None


async def test_what_is_in_the_store_counts(gate: Gate) -> None:
    await gate.add([row(1, "6"), row(2, "5", at_s=NOON - DAY_S), row(3, "3", key_id="key_2")])
    budgets = Budgets(gate, clock=clock)
    assert await budgets.check([bound(day="8")]) is None
    warned = await budgets.check([bound(day="7")])
    assert warned is not None
    assert (warned.state, warned.spent, warned.limit, warned.passed) == ("warned", Decimal(6), Decimal(7), 0.8)
    spent = await budgets.check([bound(day="7"), bound(month="11")])
    assert spent is not None
    assert (spent.state, spent.period, spent.spent) == ("spent", "month", Decimal(11))
    team = await budgets.check([bound(day="100"), bound("team:red", day="9")])
    assert team is not None
    assert (team.bound.scope, team.spent) == ("team:red", Decimal(9))
    await budgets.stop()


async def test_what_waits_for_delivery_counts_once(gate: Gate) -> None:
    budgets = Budgets(gate, clock=clock)
    first, second = row(1, "4"), row(2, "4")
    budgets.accounted([first])  # before anybody asks for its scope
    for step in ("waits", "is known", "is delivered", "is asked for again"):
        if step == "is known":
            budgets.accounted([second])
        elif step == "is delivered":
            await gate.add([first, second])
            budgets.delivered([first, second])
        elif step == "is asked for again":
            await budgets._ask("key:key_1", budgets._known["key:key_1"])
        standing = await budgets.check([bound(day="6")])
        assert standing is None if step == "waits" else standing is not None and standing.spent == 8, step
    await budgets.stop()


async def test_what_other_gateways_spend_is_heard_of(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.02)
    budgets = Budgets(gate, clock=clock)
    budgets.start()
    assert await budgets.check([bound(total="5")]) is None
    await gate.add([row(1, "6")])
    async with asyncio.timeout(5):
        while await budgets.check([bound(total="5")]) is None:
            await asyncio.sleep(0.02)
    await budgets.stop()


async def test_scopes_nobody_asks_for_are_forgotten(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.02)
    now = [NOON]
    budgets = Budgets(gate, clock=lambda: now[0])
    budgets.start()
    await budgets.check([bound(day="5")])
    assert budgets._known
    now[0] += 3600
    await until(lambda: not budgets._known)
    await budgets.stop()


async def test_requests_that_come_together_ask_once_and_all_hear_the_answer(gate: Gate) -> None:
    await gate.add([row(1, "6")])
    budgets = Budgets(gate, clock=clock)
    found = await asyncio.gather(*(budgets.check([bound(day="5")]) for _ in range(20)))
    assert all(standing is not None and standing.state == "spent" for standing in found)
    await budgets.stop()


async def test_while_the_store_is_away_known_sums_go_on_counting(gate: Gate) -> None:
    await gate.add([row(1, "3")])
    budgets = Budgets(gate, clock=clock)
    assert await budgets.check([bound(day="5")]) is None
    gate.shut = True
    await budgets._ask("key:key_1", budgets._known["key:key_1"])
    assert await budgets.check([bound(day="5")]) is None
    budgets.accounted([row(2, "2")])
    standing = await budgets.check([bound(day="5")])
    assert standing is not None
    assert (standing.state, standing.spent) == ("spent", Decimal(5))
    assert await budgets.check([bound("key:new", day="5")]) is None  # nothing is known of it: it is let in
    await budgets.stop()


async def test_a_store_that_hangs_holds_up_only_the_first_request(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_S", 0.1)
    hanging = asyncio.Lock()
    await hanging.acquire()
    budgets = Budgets(gate, hanging, clock=clock)
    async with asyncio.timeout(0.5):
        assert await budgets.check([bound(day="5")]) is None
    async with asyncio.timeout(0.05):
        assert await budgets.check([bound(day="5")]) is None
    await budgets.stop()


async def test_a_new_day_begins_with_nothing_spent(gate: Gate) -> None:
    await gate.add([row(1, "6")])
    now = [NOON]
    budgets = Budgets(gate, clock=lambda: now[0])
    standing = await budgets.check([bound(day="5")])
    assert standing is not None
    assert standing.resets_s == datetime(2026, 11, 25, tzinfo=UTC).timestamp()
    now[0] = standing.resets_s
    assert await budgets.check([bound(day="5")]) is None
    await budgets.stop()


async def test_each_threshold_is_told_once_a_period(gate: Gate) -> None:
    budgets = Budgets(gate, clock=clock)
    with capture_logs() as logs:
        for number, usd in enumerate(("7.9", "0.1", "0.1", "1.4", "0.1", "0.5", "1")):
            budgets.accounted([row(number, usd)])
            for _ in range(3):
                await budgets.check([bound(day="10")])
    told = [(entry["event"], entry["spent_usd"]) for entry in logs]
    assert told == [("budget nearly spent", "8.0"), ("budget nearly spent", "9.5"), ("budget spent", "10.1")]
    await budgets.stop()


async def test_a_call_without_a_price_counts_nothing(gate: Gate) -> None:
    budgets = Budgets(gate, clock=clock)
    unpriced = a_row(1, called=None, usage=None)
    budgets.accounted([unpriced])
    budgets.delivered([unpriced])
    assert await budgets.check([bound(day="0.01")]) is None
    await budgets.stop()
