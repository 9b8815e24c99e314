"""Limits that hold over all processes of one machine, with nothing but a file that they share (`table`).

A decision reads and writes a few words of it under a lock, in microseconds, and never waits for another machine; so it is made at once,
without `await`. Slots belong to workers: what one held that has died is free as soon as it is needed, or its number is.
"""

import asyncio
from collections.abc import Sequence
from operator import sub
from pathlib import Path
from time import clock_gettime
from typing import Any, Literal

from .base import Decision, Denied, Grant, Log, Rule, Take
from .bucket import decide, price
from .table import AT, CLOCK, COUNTS, FREED, LEVEL, MOST_WORDS, TAKEN, WORKERS, LockBusy, StillBusy, Table, mark_of
from .workers import Workers

__all__ = ["HostLimiter", "LockBusy", "StillBusy"]

SLOT_RETRY_S = 1.0
"""What a client is told to wait for a slot: when one gets free nobody knows."""
SETTLE_S = 0.01
"""How long the truth about tokens may wait for that of other calls."""
AGAIN_S = 1.0
MOST = MOST_WORDS // 2
"""Buckets that one change can be about."""
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

    settles_at_once = True

    def __init__(self, folder: Path, log: Log | None = None) -> None:
        self._folder = folder
        self._log = log
        self._buckets: dict[tuple[Rule, ...], tuple[_Bucket, ...]] = {}
        self._due: dict[int, tuple[_Bucket, float]] = {}
        """By the mark of the record: what is to be taken from it, or given back."""
        self._later: asyncio.TimerHandle | None = None
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
        self._settle_due()
        self._is_open = False
        if self._later is not None:
            self._later.cancel()
        self._workers.close()  # whoever needs the slots of this worker finds it gone
        self._table.close()

    @property
    def away(self) -> int:
        return self._table.refused if self._is_open else 0

    def status(self) -> dict[str, Any]:
        if not self._is_open:
            return {"backend": "host", "reachable": False, "away": self.away}
        return {"backend": "host", "reachable": not self._table.is_stuck, "away": self.away, "forgotten": self._table.forgotten}

    # ------------------------------------------------------------ decisions

    def reserve(self, rules: tuple[Rule, ...], tokens: float) -> Grant | Denied:
        """Raises LockBusy."""
        buckets = self._buckets.get(rules) or self._known(rules)
        table = self._table
        words, marks = table.words, table.marks
        table.lock()
        try:
            now_s = clock_gettime(CLOCK)
            while True:  # once, but where the dead gave slots back, which changes what was seen before
                denied, longest_s, lease = None, 0.0, ""
                levels: list[float] = []
                costs: list[float] = []
                old: list[float] = []
                new: list[tuple[int, float]] = []
                for bucket in buckets:
                    place = bucket.place
                    if marks[place] != bucket.mark:
                        place = self._find(bucket, buckets, now_s)
                    if bucket.is_slots:
                        cost, lease = 1.0, "held"
                        level = bucket.burst - words[place + TAKEN]
                        if level < 1 and self._free_dead(place):
                            break
                        wait_s = 0.0 if level >= 1 else SLOT_RETRY_S
                        self._hold(place, 1.0, old, new)
                    else:
                        cost = price(tokens, bucket.burst) if bucket.by_tokens else 1.0
                        before, at_s = words[place + LEVEL], words[place + AT]
                        level, wait_s = decide(before, at_s, now_s, bucket.rate_per_s, bucket.burst, cost)
                        old += (place + LEVEL, before, place + AT, at_s)
                        new += ((place + LEVEL, level - cost), (place + AT, now_s))
                    levels.append(level)
                    costs.append(cost)
                    if wait_s > longest_s:
                        longest_s, denied = wait_s, bucket.rule
                else:
                    break
            told = None if self._log is None else (table.order(), self._freed(buckets))
            if denied is None:
                table.change(old, new)
            if told is not None:
                self._tell("reserve", now_s, denied is None, buckets, levels, costs, *told)
        finally:
            table.unlock()
        if denied is not None:
            return Denied(denied, longest_s, rules, tuple(levels))
        return Grant(rules, tokens, tuple(map(sub, levels, costs)), lease)

    def settle(self, grant: Grant, tokens: float | None) -> None:
        """Slots are freed at once, the truth about tokens is told within `SETTLE_S`, that of many calls together. Never fails: what cannot
        be settled now is settled later.
        """
        due = self._due
        for bucket in self._buckets.get(grant.rules) or self._known(grant.rules):
            if bucket.is_slots:
                cost = -1.0
            elif bucket.by_tokens and tokens is not None:
                cost = tokens - price(grant.tokens, bucket.burst)
            else:
                continue
            before = due.get(bucket.mark)
            due[bucket.mark] = bucket, cost if before is None else before[1] + cost
        if grant.lease:
            self._settle_due()
        elif self._later is None and due:
            self._later = self._loop.call_later(SETTLE_S, self._settle_due)

    def _settle_due(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if not self._is_open:  # what ends after its worker leaves its estimate
            return
        due = [(bucket, cost) for bucket, cost in self._due.values() if cost]
        try:
            for start in range(0, len(due), MOST):
                self._table.lock()
                try:
                    self._give(*zip(*due[start : start + MOST], strict=True))
                finally:
                    self._table.unlock()
                for bucket, _ in due[start : start + MOST]:
                    del self._due[bucket.mark]
        except LockBusy:
            self._later = self._loop.call_later(AGAIN_S, self._settle_due)
            return
        self._due.clear()

    def _give(self, buckets: Sequence[_Bucket], costs: Sequence[float]) -> None:
        table = self._table
        words, marks = table.words, table.marks
        now_s = clock_gettime(CLOCK)
        levels: list[float] = []
        old: list[float] = []
        new: list[tuple[int, float]] = []
        for bucket, cost in zip(buckets, costs, strict=True):
            place = bucket.place
            if marks[place] != bucket.mark:
                place = self._find(bucket, buckets, now_s)
            if bucket.is_slots:
                level = bucket.burst - words[place + TAKEN]
                self._hold(place, cost, old, new)
            else:
                before, at_s = words[place + LEVEL], words[place + AT]
                level = decide(before, at_s, now_s, bucket.rate_per_s, bucket.burst, 0.0)[0]
                after = level - cost
                old += (place + LEVEL, before, place + AT, at_s)
                new += ((place + LEVEL, after if after < bucket.burst else bucket.burst), (place + AT, now_s))
            levels.append(level)
        told = None if self._log is None else (table.order(), self._freed(buckets))
        table.change(old, new)
        if told is not None:
            self._tell("settle", now_s, True, buckets, levels, costs, *told)

    def _hold(self, place: int, count: float, old: list[float], new: list[tuple[int, float]]) -> None:
        """Note the change: so many slots of a record more for this worker."""
        words, own = self._table.words, place + COUNTS + self._worker
        taken, mine = words[place + TAKEN], words[own]
        old += (place + TAKEN, taken, own, mine)
        new += ((place + TAKEN, taken + count), (own, mine + count))

    def _tell(
        self, kind: Literal["reserve", "settle"], now_s: float, granted: bool, buckets: Sequence[_Bucket], levels: Sequence[float],
        costs: Sequence[float], order: int, freed: Sequence[float],
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
        if len(rules) > MOST:
            raise ValueError(f"a request cannot count against more than {MOST} limits")
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
