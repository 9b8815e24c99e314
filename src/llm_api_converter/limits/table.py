"""The buckets and slots of one machine, in a file that its processes map into memory. Everything is read and written under the file's lock
(`flock`), which the kernel lets go of when its holder dies.

Killed in the middle, a process leaves the old state or the new one: before words are changed, their old values are written to a journal in
the file, and whoever takes the lock next writes them back. The machine going down needs no care: with another boot everything begins anew.

The file, in words of 8 bytes:

    head     which boot; words in the journal; the order of the next decision; the journal: (place, old value) each
    buckets  BUCKETS x BUCKET: mark, level, at_s, rate_per_s, burst
    slots    SLOTS x SLOT: mark, taken, freed, -, then what each worker has taken

A mark is 64 bits of a digest of the bucket's name. A record lives in one of `WINDOW` places from its home on. When all are taken, a bucket
that is full again makes room, which loses nothing: a new bucket is full. Where none is, the one that would be so soonest goes, and
`forgotten` counts it; that takes tens of thousands of busy keys. Slots make room when nobody holds any.
"""

import fcntl
import mmap
import os
import time
from collections.abc import Collection, Sequence
from hashlib import blake2b
from pathlib import Path
from struct import Struct

BUCKETS = 65_536
SLOTS = 4_096
WORKERS = 128
WINDOW = 32
LOCK_S = 1.0
"""Longest wait for the lock: whoever holds it does so for microseconds, unless it was stopped."""
STUCK_S = 10.0
"""After such a wait nobody waits again for so long, unless the lock was had meanwhile."""

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_REALTIME)
"""One clock for all processes, that does not stand still while the machine sleeps."""

LEVEL, AT, RATE, BURST = 1, 2, 3, 4
TAKEN, FREED, COUNTS = 1, 2, 4

_NAME = "limits-2"
"""Says the layout: one that is changed is another file."""
_WORD = 8
_IDENTITY = 8 * _WORD
_JOURNAL, _ORDER, _ENTRIES, _HEAD = 8, 9, 16, 512
_BUCKET, _SLOT = 8, COUNTS + WORKERS
_SLOTS_AT = _HEAD + BUCKETS * _BUCKET
_SIZE = (_SLOTS_AT + SLOTS * _SLOT) * _WORD
MOST_WORDS = (_HEAD - _ENTRIES) // 2
"""So many may be changed at once."""
_JOURNALS = [Struct(f"={2 * count}d") for count in range(MOST_WORDS + 1)]
_JOURNAL_AT = _ENTRIES * _WORD
_SPINS = 200
_PAUSE_S = 0.0002


class LockBusy(Exception):
    """The limits of this machine cannot be asked for: somebody holds the lock and does not let go (a process that was stopped), or there
    is no room.
    """


class StillBusy(LockBusy):
    """As before: whoever asked a moment ago was told."""


class Table:
    """The mapped file. `words` and `marks` are the same words, as numbers and as marks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stuck_until_s = 0.0
        self.refused = 0
        """How often the lock could not be had."""
        self._file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.forgotten = 0
        try:
            self._map = self._mapped()
        except BaseException:
            os.close(self._file)
            raise
        whole = memoryview(self._map)
        self.words, self.marks = whole.cast("d"), whole.cast("Q")
        whole.release()

    def close(self) -> None:
        """Let go of the file."""
        self.words.release()
        self.marks.release()
        self._map.close()
        os.close(self._file)

    # ------------------------------------------------------------ the lock

    @property
    def is_stuck(self) -> bool:
        """Whether the lock could not be had a moment ago."""
        return time.monotonic() < self._stuck_until_s

    def lock(self) -> None:
        """Take the lock, and mend what its last holder left half done. Raises LockBusy."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait()
        if self._stuck_until_s:
            self._stuck_until_s = 0.0
        if self.marks[_JOURNAL]:
            self._roll_back()

    def unlock(self) -> None:
        """Let the others."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def _wait(self) -> None:
        """The event loop waits too, so not for long, and not once a request while a stopped process holds the lock."""
        if self.is_stuck:
            self.refused += 1
            raise StillBusy(f"the limits in {self._folder} are still locked")
        end_s = time.monotonic() + LOCK_S
        spins = 0
        while True:
            if spins < _SPINS:
                spins += 1
                os.sched_yield()
            else:
                time.sleep(_PAUSE_S)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end_s:
                    self._stuck_until_s = time.monotonic() + STUCK_S
                    self.refused += 1
                    raise LockBusy(f"the limits in {self._folder} were locked for over {LOCK_S:g} s: is a process stopped?") from None

    # ------------------------------------------------------------ changes

    def change(self, old: Sequence[float], new: Sequence[tuple[int, float]]) -> None:
        """Write all of these words, or none: at most `MOST_WORDS`. `new`: places and what they will hold. `old`: the place of each, and
        what it holds now, in turn.
        """
        words, marks = self.words, self.marks
        _JOURNALS[len(new)].pack_into(self._map, _JOURNAL_AT, *old)
        marks[_JOURNAL] = len(new)
        for place, value in new:
            words[place] = value
        marks[_JOURNAL] = 0

    def _roll_back(self) -> None:
        words = self.words
        for at in range(_ENTRIES, _ENTRIES + 2 * self.marks[_JOURNAL], 2):
            words[int(words[at])] = words[at + 1]
        self.marks[_JOURNAL] = 0

    def order(self) -> int:
        """The number of the next decision."""
        number = self.marks[_ORDER]
        self.marks[_ORDER] = number + 1
        return number

    # ------------------------------------------------------------ records

    def bucket(self, mark: int, rate_per_s: float, burst: float, now_s: float, kept: Collection[int]) -> int:
        """Where the bucket stands; a new one is full. Those at `kept` do not make room for it."""
        words, marks = self.words, self.marks
        home = _HEAD + mark % (BUCKETS - WINDOW) * _BUCKET
        window = range(home, home + WINDOW * _BUCKET, _BUCKET)
        for place in window:
            if marks[place] == mark:
                words[place + RATE], words[place + BURST] = rate_per_s, burst
                return place
        place = self._room(window, now_s, kept)
        marks[place] = 0
        words[place + LEVEL], words[place + AT], words[place + RATE], words[place + BURST] = burst, now_s, rate_per_s, burst
        marks[place] = mark
        return place

    def _room(self, window: range, now_s: float, kept: Collection[int]) -> int:
        words = self.words
        soonest, soonest_s = -1, float("inf")
        for place in window:
            if self.marks[place] == 0:
                return place
            if place in kept:
                continue
            lacking, rate_per_s = words[place + BURST] - words[place + LEVEL], words[place + RATE]
            full_s = words[place + AT] + (0.0 if lacking <= 0 else lacking / rate_per_s if rate_per_s > 0 else float("inf"))
            if soonest < 0 or full_s < soonest_s:
                soonest, soonest_s = place, full_s
        if soonest < 0:
            raise LockBusy("a request counts against more limits than there is room for")
        if soonest_s > now_s:
            self.forgotten += 1
        return soonest

    def slot(self, mark: int, kept: Collection[int]) -> int:
        """Where the slots stand; of new ones none is taken."""
        marks = self.marks
        home = _SLOTS_AT + mark % (SLOTS - WINDOW) * _SLOT
        window = range(home, home + WINDOW * _SLOT, _SLOT)
        for place in window:
            if marks[place] == mark:
                return place
        for place in window:
            if place not in kept and (marks[place] == 0 or self.words[place + TAKEN] == 0):
                marks[place] = 0
                for at in range(place + TAKEN, place + _SLOT):
                    self.words[at] = 0.0
                marks[place] = mark
                return place
        raise LockBusy("there is no room for another limit on what runs at a time")

    def holders(self, place: int) -> list[int]:
        """The workers that hold slots of a record."""
        return [number for number, count in enumerate(self.words[place + COUNTS : place + _SLOT].tolist()) if count]

    def clear(self, worker: int) -> None:
        """Free every slot a worker holds."""
        column = self.words[_SLOTS_AT + COUNTS + worker :: _SLOT].tolist()
        for number, count in enumerate(column):
            if count:
                place = _SLOTS_AT + number * _SLOT
                taken, freed = self.words[place + TAKEN], self.words[place + FREED]
                own = place + COUNTS + worker
                self.change(
                    (own, count, place + TAKEN, taken, place + FREED, freed),
                    ((own, 0.0), (place + TAKEN, taken - count), (place + FREED, freed + count)),
                )

    # ------------------------------------------------------------ the file

    def _mapped(self) -> mmap.mmap:
        """The file, begun anew where it is of another boot. It never shrinks: others may have it mapped. Its room on the disk is taken
        at once, for a disk that is full would end whoever writes to it later. Raises LockBusy, OSError.
        """
        self._wait()
        try:
            if os.fstat(self._file).st_size < _SIZE:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(self._file, 0, _SIZE)
                else:
                    os.ftruncate(self._file, _SIZE)
            mapped = mmap.mmap(self._file, _SIZE)
            identity = _boot().ljust(_IDENTITY)
            if mapped[:_IDENTITY] != identity:
                mapped[:] = bytes(_SIZE)
                mapped[:_IDENTITY] = identity
            return mapped
        finally:
            self.unlock()


def mark_of(name: str) -> int:
    """The mark of a bucket's name; never 0, which is a free record's."""
    return int.from_bytes(blake2b(name.encode(), digest_size=_WORD).digest(), "little") or 1


def _boot() -> bytes:
    """Which boot of the machine this is."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()[:36]
    except OSError:
        return b"unknown boot"  # not Linux: there the clock is that of the calendar, which goes on
