"""The way of usage records to the store, which may be away: several times a second to the store itself; to a file, and from there to the
store when it takes them, what it has not taken at once.

Each worker has files of its own (`segment`). A killed process loses what has happened in the last `FLUSH_S`, and what was under way to the
store: less than a second together, however slow the store is. Files of dead workers are adopted by living ones. A record may reach the
store twice (a worker is killed between the delivery and its note of it): it has an id, and the store takes it once.

Nothing here makes a request wait. Where the disk is full, or more waits than may, records are given up, counted and logged.
"""

import asyncio
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from time import monotonic, time_ns
from typing import Protocol

import structlog

from ..observe.tasks import background, stopped
from ..providers.published import published
from ..store.base import StoreError, UsageLog
from ..store.records import UsageRow
from .segment import SUFFIX, Segment, line_of

log = structlog.get_logger("gateway")

FLUSH_S = 0.25
STRAIGHT_S = 0.2
"""How long the store may take for what is in no file: so much for a batch, and no other is begun when it has passed."""
CHUNK = 64
"""Records that are written to the file in one go, before it is looked whether there is room for more."""
GATHER_S = 0.25
BATCH = 500
SEGMENT_BYTES = 16 * 1024 * 1024
AGAIN_S = (0.5, 1.0, 2.0, 5.0)
ADOPT_S = 5.0
SEND_S = 30.0
PROBES = 10
REFUSED = "refused.jsonl"


class Watcher(Protocol):
    """Who is told what happens (metrics, budgets)."""

    def accounted(self, rows: Sequence[UsageRow]) -> None:
        """Calls have cost something, and their records are on their way."""

    def delivered(self, rows: Sequence[UsageRow]) -> None:
        """Records of this worker have reached the store."""

    def waiting(self, records: int, size_bytes: int) -> None:
        """What waits now."""

    def dropped(self, records: int) -> None:
        """Records were given up: there was no room, or the store takes others but not these."""


class Spool:
    """One worker's. `add` is all that a request does. `max_bytes` is what may wait in this worker's files.

    `sending` is held while records are on their way to the store: whoever holds it sees sums of the store that fit `Watcher.delivered`.
    """

    def __init__(self, folder: Path, store: UsageLog, watcher: Watcher, *, max_bytes: int) -> None:
        self.sending = asyncio.Lock()
        self._folder = folder
        self._store = store
        self._watcher = watcher
        self._max_bytes = max_bytes
        self._fresh: list[UsageRow] = []
        self._is_quick = True
        self._segments: deque[Segment] = deque()
        self._current: Segment | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._straight: asyncio.Task[str | None] | None = None
        self._giving_up = False
        self._limit = BATCH
        self._wake = asyncio.Event()

    def add(self, row: UsageRow) -> None:
        """A call is over. Costs an append to a list."""
        self._fresh.append(row)

    async def start(self) -> None:
        """Take a file, and begin. Raises OSError where the folder cannot be written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._begin_segment()
        self._told()
        await asyncio.to_thread(published)  # some milliseconds that no request should wait for
        self._tasks = [background(work()) for work in (self._flushing, self._delivering, self._adopting)]

    async def stop(self, wait_s: float = 5.0) -> None:
        """Write what is there, and deliver what can be delivered in time; the rest stays in its files for whoever comes next."""
        await stopped(self._tasks)
        await stopped((self._straight,))
        self._tasks = []
        if self._current is None:
            return
        while self._fresh:
            self._write(self._next(CHUNK))
        try:
            async with asyncio.timeout(wait_s):
                while (segment := self._first()) is not None and await self._deliver(segment):
                    pass
        except TimeoutError:
            log.warning("usage records wait for the next start", bytes=self._waiting())
        for segment in self._segments:
            segment.close()
        self._segments.clear()
        self._current = None

    # ------------------------------------------------------------ straight to the store

    async def _flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            left = len(self._fresh)  # what comes meanwhile has its turn later: many at a time cost less
            until_s = monotonic() + STRAIGHT_S
            while left > 0:
                if self._is_quick and self._first() is None and monotonic() < until_s:
                    rows = self._next(min(left, BATCH))
                    await self._send_straight(rows)
                else:
                    rows = self._next(min(left, CHUNK))
                    self._write(rows)
                    await asyncio.sleep(0)
                left -= len(rows)

    def _next(self, count: int) -> list[UsageRow]:
        """The next records, from here on in somebody's hands."""
        rows, self._fresh = self._fresh[:count], self._fresh[count:]
        self._watcher.accounted(rows)
        return rows

    async def _send_straight(self, rows: list[UsageRow]) -> None:
        """To the store; what it does not take, or not soon, to the file."""
        sending = self._straight = asyncio.get_running_loop().create_task(self._send(rows, own=True))
        try:
            await asyncio.wait((sending,), timeout=STRAIGHT_S)
        finally:
            if not sending.done():
                sending.cancel()  # which may take its time; the file does not
                self._is_quick = False
                self._write(rows)
            elif sending.result() is not None:
                self._write(rows)

    # ------------------------------------------------------------ writing

    def _write(self, rows: list[UsageRow]) -> None:
        """Give them to the kernel, as far as there is room."""
        for start in range(0, len(rows), CHUNK):
            self._write_together(rows[start : start + CHUNK])

    def _write_together(self, rows: list[UsageRow]) -> None:
        lines = []
        for row in rows:
            try:
                lines.append(line_of(row))
            except (ValueError, TypeError):  # one call's damage must not cost the others their records
                log.exception("usage record not written", request_id=row.request_id)
                self._watcher.dropped(1)
        if not lines:
            return
        try:
            if self._waiting() >= self._max_bytes:
                raise OSError(f"more than usage.spool_max_bytes wait ({self._max_bytes})")
            if self._current is None or self._current.size >= SEGMENT_BYTES:
                self._begin_segment()
            assert self._current is not None
            self._current.append(lines)
        except OSError as error:
            if not self._giving_up:
                log.error("usage records are given up", why=str(error))
            self._giving_up = True
            self._watcher.dropped(len(lines))
            return
        self._giving_up = False
        self._told()
        self._wake.set()

    def _begin_segment(self) -> None:
        self._current = Segment.make(self._folder / f"{time_ns()}-{os.getpid()}{SUFFIX}")
        self._segments.append(self._current)

    def _waiting(self) -> int:
        return sum(segment.waiting for segment in self._segments)

    def _told(self) -> None:
        self._watcher.waiting(sum(segment.records for segment in self._segments), self._waiting())

    # ------------------------------------------------------------ delivering

    async def _delivering(self) -> None:
        failed = 0
        while True:
            self._wake.clear()
            while (segment := self._first()) is not None:
                if await self._deliver(segment):
                    if failed:
                        log.info("usage records are delivered again")
                    failed = 0
                else:
                    await asyncio.sleep(AGAIN_S[min(failed, len(AGAIN_S) - 1)])
                    failed += 1
            await self._wake.wait()
            await asyncio.sleep(GATHER_S)

    def _first(self) -> Segment | None:
        return next((segment for segment in self._segments if segment.waiting), None)

    async def _deliver(self, segment: Segment) -> bool:
        """The next batch of a file; whether it is done with. A batch that fails again and again is tried in ever smaller parts."""
        rows, size, damaged = segment.peek(self._limit)
        if rows:
            error = await self._send(rows, own=segment.own)
            if error is not None and (len(rows) > 1 or not await self._is_refused(rows[0], segment)):
                if self._limit == BATCH:
                    log.warning("usage records wait", error=error, bytes=self._waiting())
                self._limit = max(1, self._limit // 2)
                return False
            if error is not None:
                self._put_aside(rows[0], error)
            self._limit = BATCH
        if not size:  # the torn end of a write that was not finished
            damaged, size = 1, segment.waiting
        if damaged:
            log.warning("usage records unreadable", file=segment.path.name, lines=damaged)
        segment.advance(len(rows), size)
        if segment is not self._current and not segment.waiting:
            self._segments.remove(segment)
            segment.close()
        self._told()
        return True

    async def _send(self, rows: list[UsageRow], *, own: bool) -> str | None:
        """Hand them to the store; what it says against it."""
        async with self.sending:
            try:
                began_s = monotonic()
                async with asyncio.timeout(SEND_S):
                    await self._store.add(rows)
                self._is_quick = monotonic() - began_s < STRAIGHT_S
            except (StoreError, ValueError, TypeError) as error:  # the latter of a record that is damaged
                return str(error)
            except TimeoutError:
                return f"the store takes longer than {SEND_S:g} s"
            if own:
                self._watcher.delivered(rows)
        return None

    async def _is_refused(self, row: UsageRow, segment: Segment) -> bool:
        """Is it this record that the store does not take? Then it takes one of those behind it, and still not this one."""
        others = segment.peek(PROBES + 1)[0][1:]
        for other in others:
            try:
                await self._store.add([other])
            except StoreError:
                continue
            return await self._send([row], own=segment.own) is not None
        return False

    def _put_aside(self, row: UsageRow, error: str) -> None:
        """Keep it for a person to look at: one bad record must not hold up all others."""
        log.error("usage record refused by the store", id=row.id, error=error, kept_in=REFUSED)
        try:
            with (self._folder / REFUSED).open("ab") as file:
                file.write(line_of(row)[9:])
        except OSError as problem:
            log.error("refused usage record not kept", id=row.id, error=str(problem))
        self._watcher.dropped(1)

    # ------------------------------------------------------------ what the dead left

    async def _adopting(self) -> None:
        while True:
            try:
                self._adopt()
            except OSError as error:
                log.warning("usage records of workers that are gone cannot be read", error=str(error))
            await asyncio.sleep(ADOPT_S)

    def _adopt(self) -> None:
        held = {segment.path for segment in self._segments}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            segment = None if path in held else Segment.adopt(path)
            if segment is None:
                continue
            if segment.waiting:
                log.info("usage records of a worker that is gone", file=path.name, bytes=segment.waiting)
                self._segments.appendleft(segment)
                self._wake.set()
            else:
                segment.close()
