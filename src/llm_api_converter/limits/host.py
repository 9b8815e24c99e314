"""Limits that hold over all processes of one machine, with nothing but a file that they share.

The file is mapped into memory. A decision is made under `flock`, which the kernel lets go of when its process dies; before anything is
changed, the old values are written beside it, so that a process killed in the middle leaves a journal which the next one rolls back.

    head     magic, boot id; journal: number of entries, (offset, level, at_s) each
    buckets  BUCKETS records: digest of the name (16 bytes), level, at_s (CLOCK_BOOTTIME seconds), burst
    slots    SLOTS records: digest (16), one counter (u16) a worker

A bucket lives in one of `WINDOW` records from its home on. When all are taken, one that is full again (idle) makes room, else the fullest.
Slots belong to workers: each holds a lock on a file of its own for as long as it lives, and the counters of one that is dead are cleared
when its slots are needed, and every `SWEEP_S` seconds. After a reboot everything begins anew.
"""

import asyncio
import fcntl
import mmap
import os
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from ..observe.tasks import background
from .base import Decision, Denied, Grant, Log, Rule
from .bucket import EPSILON, level_at, price, wait_s

MAGIC = b"GATEWAYLIMITS001"
BUCKETS = 65_536
SLOTS = 2_048
WORKERS = 256
WINDOW = 16
SWEEP_S = 5.0
SLOT_RETRY_S = 1.0
"""What a client is told to wait for a slot: when one gets free nobody knows."""
LOCK_S = 1.0
"""Longest wait for the lock: whoever holds it does so for microseconds, unless it was stopped."""

_BUCKET = struct.Struct("<16s3d")
_STATE = struct.Struct("<2d")
_ENTRY = struct.Struct("<Q2d")
_COUNT = struct.Struct("<H")
_DIGEST = 16
_BUCKET_SIZE = 64
_SLOT_SIZE = _DIGEST + 2 * WORKERS
_JOURNAL = 64
_ENTRIES = 72
_JOURNAL_MAX = 32
_HEAD = 4096
_SLOTS_AT = _HEAD + BUCKETS * _BUCKET_SIZE
_SIZE = _SLOTS_AT + SLOTS * _SLOT_SIZE
_FREE = bytes(_DIGEST)
_REMEMBERED = 100_000
_Found = tuple[Rule, int, float, float]
"""A rule, where its record is, how much is there, and what is taken."""


class LockBusy(Exception):
    """Somebody holds the lock and does not let go (a process that was stopped)."""


class HostLimiter:
    """`Limiter` over the processes that use the same folder. `log` is told of every decision."""

    def __init__(self, folder: Path, log: Log | None = None) -> None:
        self._folder = folder
        self._log = log
        self.away = 0
        self._digests: dict[str, bytes] = {}
        self._places: dict[str, tuple[int, bytes]] = {}
        self._sweeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._folder / "limits", os.O_RDWR | os.O_CREAT, 0o600)
        self._map = self._mapped()
        self._worker, self._own = self._claim()
        self._sweeping = background(self._sweep())

    async def close(self) -> None:
        if self._sweeping is None:
            return
        self._sweeping.cancel()
        await asyncio.gather(self._sweeping, return_exceptions=True)
        self._sweeping = None
        self._lock()
        try:
            self._clear(self._worker)
        finally:
            self._unlock()
        self._map.close()
        os.close(self._file)
        os.close(self._own)

    # ------------------------------------------------------------ decisions

    def reserve(self, rules: tuple[Rule, ...], tokens: float) -> Grant | Denied:
        self._lock()
        try:
            now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
            found: list[_Found] = []
            denied: Rule | None = None
            longest_s = 0.0
            slots = False
            for rule in rules:
                if rule.dimension == "concurrent":
                    slots = True
                    at, level, lacking_s = self._slot(rule)
                    cost = 1.0
                else:
                    burst = rule.burst
                    at = self._bucket_of(rule, now_s)
                    was, at_s = _STATE.unpack_from(self._map, at + _DIGEST)
                    level = level_at(was, at_s, now_s, rule.rate_per_s, burst)
                    cost = tokens if rule.dimension == "tokens" else 1.0
                    if cost > burst:
                        cost = burst
                    lacking_s = 0.0 if level >= cost else wait_s(level, cost, rule.rate_per_s, burst)
                found.append((rule, at, level, cost))
                if lacking_s > longest_s:
                    longest_s, denied = lacking_s, rule
            if denied is None:
                self._take(found, now_s, slots)
            if self._log is not None:
                self._tell(found, now_s, "reserve", denied is None)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        if denied is not None:
            return Denied(denied, longest_s, rules, tuple([level for _, _, level, _ in found]))
        return Grant(rules, tokens, tuple([level - cost for _, _, level, cost in found]), "held" if slots else "")

    def settle(self, grant: Grant, tokens: float | None) -> None:
        owed = 0.0 if tokens is None else tokens
        changes = [
            (rule, owed - price(grant.tokens, rule.burst)) for rule in grant.rules if rule.dimension == "tokens" and tokens is not None
        ]
        slots = [rule for rule in grant.rules if rule.dimension == "concurrent"] if grant.lease else []
        if not slots and all(abs(cost) < EPSILON for _, cost in changes):
            return
        self._lock()
        try:
            now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
            found = []
            for rule, cost in changes:
                at = self._bucket_of(rule, now_s)
                was, at_s = _STATE.unpack_from(self._map, at + _DIGEST)
                found.append((rule, at, level_at(was, at_s, now_s, rule.rate_per_s, rule.burst), cost))
            for rule, at, level, cost in found:
                _STATE.pack_into(self._map, at + _DIGEST, min(rule.burst, level - cost), now_s)
            if self._log is not None:
                self._tell(found, now_s, "settle", True)
            for rule in slots:
                at = self._slot_of(rule.name)
                place = at + _DIGEST + 2 * self._worker
                count = _COUNT.unpack_from(self._map, place)[0]
                _COUNT.pack_into(self._map, place, max(0, count - 1))
                if self._log is not None:
                    self._log(Decision(rule.name, now_s, 0.0, rule.burst, -1.0, rule.burst - self._taken(at) - 1, "settle", True))
        finally:
            self._unlock()

    def _slot(self, rule: Rule) -> tuple[int, float, float]:
        """(place, free slots, seconds to wait). Where none is free, those of dead workers are looked for first."""
        at = self._slot_of(rule.name)
        level = rule.burst - self._taken(at)
        if level < 1 and self._free_dead():
            level = rule.burst - self._taken(at)
        return at, level, 0.0 if level >= 1 else SLOT_RETRY_S

    def _take(self, found: "Sequence[_Found]", now_s: float, slots: bool) -> None:
        """Take from every bucket; killed in the middle, the next one gives everything back."""
        mapped = self._map
        if len(found) > 1:
            number = 0
            for rule, at, _, _ in found[:_JOURNAL_MAX]:
                if rule.dimension != "concurrent":
                    place = at + _DIGEST
                    _ENTRY.pack_into(mapped, _ENTRIES + number * _ENTRY.size, place, *_STATE.unpack_from(mapped, place))
                    number += 1
            mapped[_JOURNAL] = number
        for rule, at, level, cost in found:
            if rule.dimension != "concurrent":
                _STATE.pack_into(mapped, at + _DIGEST, level - cost, now_s)
        if len(found) > 1:
            mapped[_JOURNAL] = 0
        if slots:
            for rule, at, _, _ in found:
                if rule.dimension == "concurrent":
                    place = at + _DIGEST + 2 * self._worker
                    _COUNT.pack_into(mapped, place, _COUNT.unpack_from(mapped, place)[0] + 1)

    def _tell(self, found: "Sequence[_Found]", now_s: float, kind: Literal["reserve", "settle"], granted: bool) -> None:
        assert self._log is not None
        for rule, _, level, cost in found:
            self._log(Decision(rule.name, now_s, rule.rate_per_s, rule.burst, cost, level, kind, granted))

    # ------------------------------------------------------------ records

    def _digest(self, name: str) -> bytes:
        found = self._digests.get(name)
        if found is None:
            if len(self._digests) > _REMEMBERED:
                self._digests.clear()
            found = self._digests[name] = blake2b(name.encode(), digest_size=_DIGEST).digest()
        return found

    def _bucket_of(self, rule: Rule, now_s: float) -> int:
        """Where the bucket stands; a new one is full."""
        name = rule.name
        known = self._places.get(name)
        if known is not None and self._map[known[0] : known[0] + _DIGEST] == known[1]:
            return known[0]
        digest = self._digest(name)
        start = _HEAD + int.from_bytes(digest[:4], "little") % (BUCKETS - WINDOW) * _BUCKET_SIZE
        at = self._find(digest, start, start + WINDOW * _BUCKET_SIZE, _BUCKET_SIZE)
        if at < 0:
            at = self._room(start, now_s)
            _BUCKET.pack_into(self._map, at, digest, rule.burst, now_s, rule.burst)
        if len(self._places) > _REMEMBERED:
            self._places.clear()
        self._places[name] = at, digest
        return at

    def _find(self, digest: bytes, start: int, end: int, size: int) -> int:
        at = self._map.find(digest, start, end)
        while at >= 0 and (at - start) % size:
            at = self._map.find(digest, at + 1, end)
        return at

    def _room(self, start: int, now_s: float) -> int:
        """A free record of the window, else that of the bucket which is nearest to full."""
        best, most = start, -1.0
        for at in range(start, start + WINDOW * _BUCKET_SIZE, _BUCKET_SIZE):
            digest, level, at_s, burst = _BUCKET.unpack_from(self._map, at)
            if digest == _FREE:
                return at
            idle = (level / burst if burst else 1.0) + (now_s - at_s) / 86_400
            if idle > most:
                best, most = at, idle
        return best

    def _slot_of(self, name: str) -> int:
        digest = self._digest(name)
        start = _SLOTS_AT + int.from_bytes(digest[:4], "little") % (SLOTS - WINDOW) * _SLOT_SIZE
        end = start + WINDOW * _SLOT_SIZE
        at = self._find(digest, start, end, _SLOT_SIZE)
        if at >= 0:
            return at
        for at in range(start, end, _SLOT_SIZE):
            if self._map[at : at + _DIGEST] == _FREE or not any(self._map[at + _DIGEST : at + _SLOT_SIZE]):
                self._map[at : at + _SLOT_SIZE] = digest + bytes(2 * WORKERS)
                return at
        raise LockBusy("there is no room for another limit on what runs at a time")

    def _taken(self, at: int) -> int:
        return sum(struct.unpack_from(f"<{WORKERS}H", self._map, at + _DIGEST))

    # ------------------------------------------------------------ workers

    def _claim(self) -> tuple[int, int]:
        """The lowest number no living worker has, with the open file whose lock says so."""
        self._lock()
        try:
            for number in range(WORKERS):
                handle = self._alive(number)
                if handle is not None:
                    self._clear(number)
                    return number, handle
        finally:
            self._unlock()
        raise LockBusy(f"more than {WORKERS} workers share {self._folder}")

    def _alive(self, number: int) -> int | None:
        """None where the worker lives; else its file, locked by us."""
        handle = os.open(self._folder / f"worker-{number}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle

    def _free_dead(self) -> bool:
        """Clear the counters of dead workers; whether there were any."""
        cleared = False
        for number in range(WORKERS):
            if number == self._worker or not (self._folder / f"worker-{number}").exists():
                continue
            handle = self._alive(number)
            if handle is not None:
                cleared = self._clear(number) or cleared
                os.close(handle)
        return cleared

    def _clear(self, worker: int) -> bool:
        cleared = False
        for at in range(_SLOTS_AT, _SIZE, _SLOT_SIZE):
            place = at + _DIGEST + 2 * worker
            if self._map[place] or self._map[place + 1]:
                _COUNT.pack_into(self._map, place, 0)
                cleared = True
        return cleared

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            with suppress(LockBusy):
                self._lock()
                try:
                    self._free_dead()
                finally:
                    self._unlock()

    # ------------------------------------------------------------ the file

    def _mapped(self) -> mmap.mmap:
        """The file, made or begun anew where it is of another boot."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            if os.fstat(self._file).st_size != _SIZE:
                os.ftruncate(self._file, 0)
                os.ftruncate(self._file, _SIZE)
            mapped = mmap.mmap(self._file, _SIZE)
            head = MAGIC + _boot()
            if mapped[: len(head)] != head:
                mapped.close()
                os.ftruncate(self._file, 0)
                os.ftruncate(self._file, _SIZE)
                mapped = mmap.mmap(self._file, _SIZE)
                mapped[: len(head)] = head
            return mapped
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait_for_lock()
        if self._map[_JOURNAL]:
            self._roll_back()

    def _wait_for_lock(self) -> None:
        end_s = time.monotonic() + LOCK_S
        while True:
            os.sched_yield()
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end_s:
                    raise LockBusy(f"the limits in {self._folder} are locked for over {LOCK_S:g} s") from None

    def _unlock(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def _roll_back(self) -> None:
        """Undo what a killed process had begun."""
        for number in range(self._map[_JOURNAL]):
            place, level, at_s = _ENTRY.unpack_from(self._map, _ENTRIES + number * _ENTRY.size)
            _STATE.pack_into(self._map, place, level, at_s)
        self._map[_JOURNAL] = 0


def _boot() -> bytes:
    """Which boot of the machine this is: the clock of the file begins with it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()[:36]
    except OSError:
        return b"unknown boot".ljust(36)
