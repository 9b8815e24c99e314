"""Limits that hold over all processes of one machine, with nothing but a file that they share (`table`).

A decision reads and writes a few words of it under a lock, in microseconds, and never waits for another machine; so it is made at once,
without `await`. Slots belong to workers: what one held that has died is free as soon as it is needed, or its number is.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from .base import Decision, Denied, Grant, Log, Rule, Take
from .bucket import decide, price
from .table import AT, CLOCK, COUNTS, FREED, LEVEL, MOST_WORDS, TAKEN, WORKERS, LockBusy, Table, mark_of
from .workers import Workers

__all__ = ["HostLimiter", "LockBusy"]

SLOT_RETRY_S = 1.0
"""What a client is told to wait for a slot: when one gets free nobody knows."""
AGAIN_S = 1.0
_REMEMBERED = 20_000


class _Bucket:
    """What is known of a rule: how its record is marked and where it was last seen."""

    __slots__ = ("burst", "by_tokens", "is_slots", "mark", "place", "rate_per_s", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.rate_per_s = rule.rate_per_s
        self.burst = rule.burst
        self.is_slots = rule.dimension == "concurrent"
        self.by_tokens = rule.dimension == "tokens"
        self.mark = mark_of(rule.name)
        self.place = 0


class HostLimiter:
    """`Limiter` over the processes that use the same folder, on a disk of this machine. `log` is told of every decision."""

    def __init__(self, folder: Path, log: Log | None = None) -> None:
        self._folder = folder
        self._log = log
        self.away = 0
        self._buckets: dict[tuple[Rule, ...], tuple[_Bucket, ...]] = {}
        self._owed: deque[tuple[Grant, float | None]] = deque()
        self._again: asyncio.TimerHandle | None = None
        self._is_open = False

    async def open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._table = Table(self._folder)
        self._workers = Workers(self._folder, WORKERS)
        self._table.lock()
        try:
            worker = self._workers.claim()
            if worker is None:
                raise LockBusy(f"more than {WORKERS} workers share {self._folder}: give the gateways different folders (data_dir)")
            self._table.clear(worker)
        finally:
            self._table.unlock()
        self._worker = worker
        self._loop = asyncio.get_running_loop()
        self._is_open = True

    async def close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        if self._again is not None:
            self._again.cancel()
        self._workers.close()  # whoever needs the slots of this worker finds it gone
        self._table.close()

    def status(self) -> dict[str, Any]:
        if not self._is_open:
            return {"backend": "host", "reachable": False, "away": self.away}
        return {"backend": "host", "reachable": not self._table.is_stuck, "away": self.away, "forgotten": self._table.forgotten}

    # ------------------------------------------------------------ decisions

    def reserve(self, rules: tuple[Rule, ...], tokens: float) -> Grant | Denied:
        """Raises LockBusy."""
        buckets = self._buckets.get(rules)
        if buckets is None:
            buckets = self._known(rules)
        table = self._table
        words, marks = table.words, table.marks
        levels, costs = [], []
        denied, longest_s, slots = None, 0.0, False
        self._lock()
        try:
            now_s = time.clock_gettime(CLOCK)
            for bucket in buckets:
                place = bucket.place
                if marks[place] != bucket.mark:
                    place = self._find(bucket, buckets, now_s)
                if bucket.is_slots:
                    slots = True
                    cost = 1.0
                    level = bucket.burst - words[place + TAKEN]
                    if level < 1 and self._free_dead(place):
                        level = bucket.burst - words[place + TAKEN]
                    wait_s = 0.0 if level >= 1 else SLOT_RETRY_S
                else:
                    cost = tokens if bucket.by_tokens else 1.0
                    if cost > bucket.burst:
                        cost = bucket.burst
                    level, wait_s = decide(words[place + LEVEL], words[place + AT], now_s, bucket.rate_per_s, bucket.burst, cost)
                levels.append(level)
                costs.append(cost)
                if wait_s > longest_s:
                    longest_s, denied = wait_s, bucket.rule
            order = 0 if self._log is None else table.order()
            freed = () if self._log is None else self._freed(buckets)
            if denied is None:
                self._take(buckets, levels, costs, now_s)
            if self._log is not None:
                self._tell("reserve", order, now_s, denied is None, buckets, levels, costs, freed)
        finally:
            table.unlock()
        if denied is not None:
            return Denied(denied, longest_s, rules, tuple(levels))
        return Grant(rules, tokens, tuple([level - cost for level, cost in zip(levels, costs, strict=True)]), "held" if slots else "")

    def settle(self, grant: Grant, tokens: float | None) -> None:
        """Never fails: what cannot be settled now is settled later."""
        buckets, costs = [], []
        for bucket in self._buckets.get(grant.rules) or self._known(grant.rules):
            if bucket.is_slots:
                cost = -1.0
            elif bucket.by_tokens and tokens is not None:
                cost = tokens - price(grant.tokens, bucket.burst)
            else:
                continue
            if cost:
                buckets.append(bucket)
                costs.append(cost)
        if not buckets:
            return
        try:
            self._lock()
        except LockBusy:
            self._owed.append((grant, tokens))
            if self._again is None:
                self._again = self._loop.call_later(AGAIN_S, self._settle_owed)
            return
        try:
            self._give(buckets, costs)
        finally:
            self._table.unlock()

    def _give(self, buckets: list[_Bucket], costs: list[float]) -> None:
        words, marks = self._table.words, self._table.marks
        now_s = time.clock_gettime(CLOCK)
        levels = []
        for bucket in buckets:
            place = bucket.place
            if marks[place] != bucket.mark:
                place = self._find(bucket, buckets, now_s)
            if bucket.is_slots:
                levels.append(bucket.burst - words[place + TAKEN])
            else:
                levels.append(decide(words[place + LEVEL], words[place + AT], now_s, bucket.rate_per_s, bucket.burst, 0.0)[0])
        order = 0 if self._log is None else self._table.order()
        freed = () if self._log is None else self._freed(buckets)
        self._take(buckets, levels, costs, now_s)
        if self._log is not None:
            self._tell("settle", order, now_s, True, buckets, levels, costs, freed)

    def _settle_owed(self) -> None:
        self._again = None
        for _ in range(len(self._owed)):
            self.settle(*self._owed.popleft())

    def _take(self, buckets: Sequence[_Bucket], levels: Sequence[float], costs: Sequence[float], now_s: float) -> None:
        """Take from every bucket; killed in the middle, from none."""
        words = self._table.words
        places: list[int] = []
        values: list[float] = []
        for bucket, level, cost in zip(buckets, levels, costs, strict=True):
            place = bucket.place
            if bucket.is_slots:
                own = place + COUNTS + self._worker
                places += (place + TAKEN, own)
                values += (words[place + TAKEN] + cost, words[own] + cost)
            else:
                level -= cost
                places += (place + LEVEL, place + AT)
                values += (level if level < bucket.burst else bucket.burst, now_s)
        self._table.change(places, values)

    def _tell(
        self, kind: Literal["reserve", "settle"], order: int, now_s: float, granted: bool, buckets: Sequence[_Bucket],
        levels: Sequence[float], costs: Sequence[float], freed: Sequence[float],
    ) -> None:  # fmt: skip
        assert self._log is not None
        takes = tuple(
            Take(bucket.rule.name, bucket.rate_per_s, bucket.burst, cost, level, back)
            for bucket, level, cost, back in zip(buckets, levels, costs, freed, strict=True)
        )
        self._log(Decision(order, now_s, kind, granted, takes))

    def _freed(self, buckets: Sequence[_Bucket]) -> tuple[float, ...]:
        """The slots of each that came back from dead workers, told once."""
        words = self._table.words
        found = []
        for bucket in buckets:
            found.append(words[bucket.place + FREED] if bucket.is_slots else 0.0)
            if found[-1]:
                words[bucket.place + FREED] = 0.0
        return tuple(found)

    # ------------------------------------------------------------ records

    def _known(self, rules: tuple[Rule, ...]) -> tuple[_Bucket, ...]:
        if 2 * len(rules) > MOST_WORDS:
            raise ValueError(f"a request cannot count against more than {MOST_WORDS // 2} limits")
        if len(self._buckets) >= _REMEMBERED:
            self._buckets.clear()
        found = self._buckets[rules] = tuple(_Bucket(rule) for rule in rules)
        return found

    def _find(self, bucket: _Bucket, among: Sequence[_Bucket], now_s: float) -> int:
        """Where its record is; the records of the others, found before, stay where they are."""
        kept = {other.place for other in among}
        if bucket.is_slots:
            bucket.place = self._table.slot(bucket.mark, kept)
        else:
            bucket.place = self._table.bucket(bucket.mark, bucket.rate_per_s, bucket.burst, now_s, kept)
        return bucket.place

    def _free_dead(self, place: int) -> bool:
        """Free the slots of workers that hold some of this record and are dead; whether there were any."""
        dead = [number for number in self._table.holders(place) if number != self._worker and self._workers.is_dead(number)]
        for number in dead:
            self._table.clear(number)
        return bool(dead)

    def _lock(self) -> None:
        try:
            self._table.lock()
        except LockBusy:
            self.away += 1
            raise
