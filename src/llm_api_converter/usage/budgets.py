"""What may still be spent. The store knows what all gateways have delivered; this worker adds what it has not delivered yet.

The first request of a scope waits for the store; after that it is asked every `REFRESH_S` seconds while the scope is in use, and no request
waits. So a budget is overrun at most by what is spent in about three seconds. While the store is away the last known sums go on counting.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import time
from typing import Literal

import structlog
from msgspec import Struct

from ..observe.tasks import background
from ..store.base import StoreError, UsageLog
from ..store.records import Budget, Period, UsageRow

log = structlog.get_logger("gateway")

REFRESH_S = 2.0
IDLE_S = 300.0
PERIODS: tuple[Period, ...] = ("day", "month", "total")


class Bound(Struct, frozen=True):
    """A budget and whose it is: `key:ID` or `team:NAME`; `what` is how a person calls it."""

    scope: str
    what: str
    budget: Budget


class Standing(Struct, frozen=True):
    """Where one period of a budget stands. `share` of the limit is spent; `resets_s` (Unix time) is when it begins anew."""

    bound: Bound
    period: Period
    spent: Decimal
    limit: Decimal
    state: Literal["ok", "warned", "spent"]
    resets_s: float | None

    @property
    def share(self) -> float:
        """The part of the limit that is spent."""
        return float(self.spent / self.limit) if self.limit else 1.0


class _Known:
    __slots__ = ("asked_s", "base", "heard_s", "undelivered")

    def __init__(self) -> None:
        self.base: dict[str, Decimal] = {}
        self.undelivered: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.asked_s = 0.0
        self.heard_s = 0.0


class Budgets:
    """One worker's view. `clock` gives Unix seconds."""

    def __init__(self, store: UsageLog, clock: Callable[[], float] = time) -> None:
        self._store = store
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._told: set[tuple[str, str, float]] = set()
        self._task: asyncio.Task[None] | None = None

    async def check(self, bounds: Sequence[Bound]) -> Standing | None:
        """The worst standing: one that is spent, else the nearest to its limit that is worth a warning; None: all is well."""
        worst: Standing | None = None
        now_s = self._clock()
        for bound in bounds:
            known = self._known.get(bound.scope)
            if known is None:
                known = self._known[bound.scope] = _Known()
                await self._ask(bound.scope, known)
            known.asked_s = now_s
            for standing in standings(bound, known.base, known.undelivered, now_s):
                if standing.state == "spent":
                    return standing
                if standing.state == "warned" and (worst is None or standing.share > worst.share):
                    worst = standing
        if worst is not None:
            self._warn(worst, now_s)
        return worst

    def accounted(self, row: UsageRow) -> None:
        """A call of this worker has cost something, and waits for delivery."""
        for known, cost in self._of(row):
            for name in names_of(row.at_s):
                known.undelivered[name] += cost

    def delivered(self, rows: Sequence[UsageRow]) -> None:
        """It has reached the store."""
        for row in rows:
            for known, cost in self._of(row):
                for name in names_of(row.at_s):
                    known.undelivered[name] -= cost
                    known.base[name] = known.base.get(name, Decimal(0)) + cost

    def _of(self, row: UsageRow) -> list[tuple[_Known, Decimal]]:
        if not row.cost_usd:
            return []
        scopes = [f"{kind}:{name}" for kind, name in (("key", row.key_id), ("team", row.team)) if name is not None]
        return [(self._known[scope], row.cost_usd) for scope in scopes if scope in self._known]

    def start(self) -> None:
        """Keep up with the store from now on."""
        self._task = background(self._refreshing())

    async def stop(self) -> None:
        """No longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _refreshing(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            now_s = self._clock()
            for scope, known in list(self._known.items()):
                if now_s - known.asked_s > IDLE_S and not any(known.undelivered.values()):
                    del self._known[scope]
                elif now_s - known.asked_s < IDLE_S:
                    await self._ask(scope, known)

    async def _ask(self, scope: str, known: _Known) -> None:
        now_s = self._clock()
        try:
            known.base = {
                name: await self._store.spent(scope, period, now_s) for period, name in zip(PERIODS, names_of(now_s), strict=True)
            }
            known.heard_s = now_s
        except StoreError as error:
            log.warning("budgets go by what was known", scope=scope, error=str(error))

    def _warn(self, standing: Standing, now_s: float) -> None:
        """Each threshold once a period."""
        passed = max(share for share in standing.bound.budget.warn_at if standing.share >= share)
        mark = (standing.bound.scope, names_of(now_s)[PERIODS.index(standing.period)], passed)
        if mark not in self._told:
            if len(self._told) > 10_000:
                self._told.clear()
            self._told.add(mark)
            log.warning(
                "budget nearly spent", scope=standing.bound.scope, period=standing.period, spent_usd=str(standing.spent),
                limit_usd=str(standing.limit), share=round(standing.share, 3),
            )  # fmt: skip


def standings(bound: Bound, base: dict[str, Decimal], undelivered: dict[str, Decimal], now_s: float) -> list[Standing]:
    """Where each period of a budget stands."""
    found = []
    for period, name in zip(PERIODS, names_of(now_s), strict=True):
        limit: Decimal | None = getattr(bound.budget, period)
        if limit is None:
            continue
        spent = base.get(name, Decimal(0)) + undelivered.get(name, Decimal(0))
        share = float(spent / limit) if limit else 1.0
        warned = any(share >= at for at in bound.budget.warn_at)
        state: Literal["ok", "warned", "spent"] = "spent" if spent >= limit else "warned" if warned else "ok"
        found.append(Standing(bound, period, spent, limit, state, resets_s(period, now_s)))
    return found


def names_of(at_s: float) -> tuple[str, str, str]:
    """The day, the month (UTC), and all time."""
    at = datetime.fromtimestamp(at_s, UTC)
    return at.strftime("%Y-%m-%d"), at.strftime("%Y-%m"), "total"


def resets_s(period: Period, now_s: float) -> float | None:
    """When a period begins anew; a total never does."""
    at = datetime.fromtimestamp(now_s, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return (at + timedelta(days=1)).timestamp()
    if period == "month":
        return (at.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp()
    return None
