"""What may still be spent. The store knows what all gateways have delivered; this worker adds what it has not delivered yet.

A scope that is asked for the first time is asked of the store while its request waits, for `FIRST_S` at most; from then on every
`REFRESH_S` in the background, as long as it is in use. So a budget is overrun at most by what runs at that moment and what the other
workers spend in about three seconds. While the store is away the last known sums go on counting, and what this worker spends is added.
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

from ..observe.tasks import background, stopped
from ..store.base import StoreError, UsageLog
from ..store.records import Budget, Period, UsageRow
from ..store.sums import DAY_S, PERIODS, costs, periods

log = structlog.get_logger("gateway")

FIRST_S = 1.0
REFRESH_S = 2.0
IDLE_S = 60.0
TOLD = 10_000
ZERO = Decimal(0)


class Bound(Struct, frozen=True):
    """A budget and whose it is: `key:ID` or `team:NAME`; `what` is how a person calls it."""

    scope: str
    what: str
    budget: Budget


class Standing(Struct, frozen=True):
    """Where one period of a budget stands at a time. `passed` is the highest share of `warn_at` that is reached."""

    bound: Bound
    period: Period
    spent: Decimal
    limit: Decimal
    state: Literal["ok", "warned", "spent"]
    passed: float | None
    at_s: float

    @property
    def resets_s(self) -> float | None:
        """When the period begins anew, as Unix time; None: never."""
        return resets_s(self.period, self.at_s)

    @property
    def share(self) -> float:
        """The part of the limit that is spent."""
        return float(self.spent / self.limit) if self.limit else 1.0


class _Known:
    """What the store last said of a scope, by period names (`periods`). `asking` is under way for the first time; requests wait for it as
    long as `waits` says so.
    """

    __slots__ = ("asked_s", "asking", "periods", "spent", "waits")

    def __init__(self) -> None:
        self.spent: dict[str, Decimal] = {}
        self.periods: set[Period] = set()
        self.asked_s = 0.0
        self.asking: asyncio.Task[None] | None = None
        self.waits = True


class Budgets:
    """One worker's view. `sending` is the spool's lock: the store is asked while none of this worker's records are on their way."""

    def __init__(self, store: UsageLog, sending: asyncio.Lock | None = None, clock: Callable[[], float] = time) -> None:
        self._store = store
        self._sending = sending or asyncio.Lock()
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._undelivered: dict[str, defaultdict[str, Decimal]] = {}
        self._changes = 0
        self._told: set[tuple[str, str, float]] = set()
        self._task: asyncio.Task[None] | None = None

    def mark(self) -> tuple[int, float]:
        """Changes with everything that an answer of `check` goes by. While anybody spends it does every few seconds; so whoever asks again
        only when it has changed keeps its scopes in use.
        """
        return self._changes, self._clock() // DAY_S

    async def check(self, bounds: Sequence[Bound]) -> Standing | None:
        """The worst standing: one that is spent, else the nearest to its limit that is worth a warning; None: all is well."""
        now_s = self._clock()
        worst: Standing | None = None
        for bound in bounds:
            known = self._known.get(bound.scope)
            if known is None or known.waits or not self._covers(known, bound):
                known = await self._asked(bound)
            known.asked_s = now_s
            for standing in standings(bound, known.spent, self._undelivered.get(bound.scope, {}), now_s):
                if standing.state == "ok":
                    continue
                self._warn(standing, now_s)
                if standing.state == "spent":
                    return standing
                if worst is None or standing.share > worst.share:
                    worst = standing
        return worst

    def accounted(self, rows: Sequence[UsageRow]) -> None:
        """Calls of this worker have cost something, and wait for delivery."""
        self._changes += 1
        for (scope, name), cost in costs(rows).items():
            self._undelivered.setdefault(scope, defaultdict(Decimal))[name] += cost

    def delivered(self, rows: Sequence[UsageRow]) -> None:
        """Records told to `accounted` have reached the store."""
        self._changes += 1
        for (scope, name), cost in costs(rows).items():
            known = self._known.get(scope)
            if known is not None:
                known.spent[name] = known.spent.get(name, ZERO) + cost
            waiting = self._undelivered.get(scope)
            if waiting is not None:
                waiting[name] -= cost
                if waiting[name] <= 0:
                    del waiting[name]
                if not waiting:
                    del self._undelivered[scope]

    def start(self) -> None:
        """Keep up with the store from now on."""
        self._task = background(self._refreshing())

    async def stop(self) -> None:
        """No longer."""
        await stopped((self._task, *(known.asking for known in self._known.values())))
        self._task = None

    @staticmethod
    def _covers(known: _Known, bound: Bound) -> bool:
        return all(period in known.periods for period in PERIODS if getattr(bound.budget, period) is not None)

    async def _asked(self, bound: Bound) -> _Known:
        """A scope of which something is not known yet; requests that come together wait for one answer, and not for long."""
        known = self._known.setdefault(bound.scope, _Known())
        known.asked_s = self._clock()
        known.periods |= {period for period in PERIODS if getattr(bound.budget, period) is not None}
        if known.asking is None or known.asking.done():
            known.waits = True
            known.asking = background(self._ask(bound.scope, known))
        await asyncio.wait((known.asking,), timeout=FIRST_S)
        known.waits = False
        return known

    async def _refreshing(self) -> None:
        while True:
            await asyncio.sleep(REFRESH_S)
            now_s = self._clock()
            for scope, known in list(self._known.items()):
                if known.asking is not None and not known.asking.done():
                    continue
                if now_s - known.asked_s < IDLE_S:
                    await self._ask(scope, known)
                else:
                    del self._known[scope]

    async def _ask(self, scope: str, known: _Known) -> None:
        async with self._sending:
            now_s = self._clock()
            try:
                spent = {
                    name: await self._store.spent(scope, period, now_s)
                    for period, name in zip(PERIODS, periods(now_s), strict=True) if period in known.periods
                }  # fmt: skip
            except StoreError as error:
                log.warning("budgets go by what was known", scope=scope, error=str(error))
                return
            known.spent = spent
            self._changes += 1

    def _warn(self, standing: Standing, now_s: float) -> None:
        """Each threshold, and the end, once a period."""
        passed = 1.0 if standing.state == "spent" else standing.passed or 0.0
        mark = (standing.bound.scope, periods(now_s)[PERIODS.index(standing.period)], passed)
        if mark in self._told:
            return
        if len(self._told) >= TOLD:
            self._told.clear()
        self._told.add(mark)
        log.warning(
            "budget spent" if standing.state == "spent" else "budget nearly spent", scope=standing.bound.scope, period=standing.period,
            spent_usd=str(standing.spent), limit_usd=str(standing.limit), share=round(standing.share, 3),
        )  # fmt: skip


def standings(bound: Bound, spent: dict[str, Decimal], undelivered: dict[str, Decimal], now_s: float) -> list[Standing]:
    """Where each bounded period of a budget stands, by what the store has and what it has not got yet."""
    found = []
    for period, name in zip(PERIODS, periods(now_s), strict=True):
        limit: Decimal | None = getattr(bound.budget, period)
        if limit is None:
            continue
        sum_ = spent.get(name, ZERO) + undelivered.get(name, ZERO)
        passed = max((at for at in bound.budget.warn_at if sum_ >= limit * Decimal(str(at))), default=None)
        state: Literal["ok", "warned", "spent"] = "spent" if sum_ >= limit else "ok" if passed is None else "warned"
        found.append(Standing(bound, period, sum_, limit, state, passed, now_s))
    return found


def resets_s(period: Period, now_s: float) -> float | None:
    """When a period begins anew; a total never does."""
    at = datetime.fromtimestamp(now_s, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return (at + timedelta(days=1)).timestamp()
    if period == "month":
        return (at.replace(day=1) + timedelta(days=32)).replace(day=1).timestamp()
    return None
