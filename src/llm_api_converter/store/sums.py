"""What a call adds to: the scopes whose budgets it counts against, and the periods they are counted in. Pure, shared by the engines."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from .records import Period, UsageRow, UsageTotal

DAY_S = 86_400
PERIODS: tuple[Period, ...] = ("day", "month", "total")
NOTHING = UsageTotal(
    group=(), requests=0, errors=0, input_total=0, output_total=0, cache_read=0, cache_write=0, reasoning=0, cost_usd=Decimal(0), unpriced=0
)
"""The total of no calls."""


def scopes(key_id: str | None, team: str | None) -> list[str]:
    """Whose budgets a call of this key and team counts against."""
    return [f"{kind}:{name}" for kind, name in (("key", key_id), ("team", team)) if name is not None]


def periods(at_s: float) -> tuple[str, str, str]:
    """The day, the month (UTC), and all time, as they are called in a store; in the order of `PERIODS`."""
    return _periods(int(at_s // DAY_S))


@lru_cache(64)
def _periods(day: int) -> tuple[str, str, str]:
    at = datetime.fromtimestamp(day * DAY_S, UTC)
    return at.strftime("%Y-%m-%d"), at.strftime("%Y-%m"), "total"


def costs(rows: Iterable[UsageRow]) -> dict[tuple[str, str], Decimal]:
    """What calls add to which sums: (scope, period name) -> US dollars. Calls that are alike are added up first, as most of a batch are."""
    alike: defaultdict[tuple[str | None, str | None, float], Decimal] = defaultdict(Decimal)
    for row in rows:
        if row.cost_usd:
            alike[row.key_id, row.team, row.at_s // DAY_S] += row.cost_usd
    sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for (key_id, team, day), cost in alike.items():
        for scope in scopes(key_id, team):
            for name in _periods(int(day)):
                sums[scope, name] += cost
    return sums


def is_unpriced(row: UsageRow) -> bool:
    """Tokens were used, and what they cost is not known."""
    return bool(row.input_total or row.output_total) and row.cost_usd is None
