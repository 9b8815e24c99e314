"""The way of usage records to the store, which may be away: from memory to a file at once, from the file to the store when it takes them.

Each worker has a file of its own, which it holds locked. Twice a second what has happened is appended and given to the kernel, so that a
killed process loses at most that half second; a task sends the file's records on in batches and shortens the file when all are delivered. A
file whose worker is dead is adopted by a living one. A record may reach the store twice (killed between delivery and the note of it): it
has an id, and the store takes it once.

    a line   crc32 of the rest in eight hex digits, a space, the record as JSON, a newline
"""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from time import time_ns
from typing import Protocol
from zlib import crc32

import msgspec
import structlog

from ..observe.tasks import background
from ..store.base import StoreError, UsageLog
from ..store.records import UsageRow
from .account import Finished, row_of
from .prices import Prices, load_prices

log = structlog.get_logger("gateway")

FLUSH_S = 0.4
BATCH = 500
READ_BYTES = 512 * 1024
AGAIN_S = (0.5, 1.0, 2.0, 5.0)
ADOPT_S = 5.0
SUFFIX = ".usage"

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(UsageRow).decode


class Watcher(Protocol):
    """Who is told what happens (metrics, budgets)."""

    def accounted(self, row: UsageRow, call: Finished) -> None:
        """A call has its record."""

    def delivered(self, rows: list[UsageRow]) -> None:
        """Records have reached the store."""

    def waiting(self, records: int, size_bytes: int) -> None:
        """What waits now."""

    def dropped(self, records: int) -> None:
        """Records were given up: there was no room."""


class Spool:
    """One worker's. `add` is all that a request does."""

    def __init__(self, folder: Path, store: UsageLog, prices: Prices, watcher: Watcher, *, max_bytes: int) -> None:
        self._folder = folder
        self._store = store
        self._prices = prices
        self._watcher = watcher
        self._max_bytes = max_bytes
        self._fresh: list[Finished] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._written = 0
        self._read = 0
        self._records = 0
        self._full = False
        self._wake = asyncio.Event()

    def add(self, call: Finished) -> None:
        """A call is over. Costs an append to a list."""
        self._fresh.append(call)

    async def start(self) -> None:
        """Take a file, and begin. Raises OSError where the folder cannot be written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._path = self._folder / f"{time_ns()}-{os.getpid()}{SUFFIX}"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        await asyncio.to_thread(load_prices)
        self._tasks = [background(work()) for work in (self._flushing, self._delivering, self._adopting)]

    async def stop(self, wait_s: float = 5.0) -> None:
        """Write what is there, and deliver what can be delivered in time; the rest stays in the file for the next start."""
        if not self._tasks:
            return
        self.flush()
        try:
            async with asyncio.timeout(wait_s):
                while self._read < self._written:
                    if not await self._deliver_some():
                        break
        except TimeoutError:
            pass
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._read >= self._written:
            self._path.unlink(missing_ok=True)
        os.close(self._file)

    # ------------------------------------------------------------ writing

    async def _flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            self.flush()

    def flush(self) -> None:
        """Give what has happened since to the kernel."""
        calls, self._fresh = self._fresh, []
        if not calls:
            return
        lines = []
        for call in calls:
            row = row_of(call, self._prices)
            self._watcher.accounted(row, call)
            lines.append(line_of(row))
        data = b"".join(lines)
        if self._written - self._read + len(data) > self._max_bytes:
            if not self._full:
                log.error("usage records given up", records=len(lines), why="the spool is full (usage.spool_max_bytes)")
            self._full = True
            self._watcher.dropped(len(lines))
            return
        self._full = False
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._written += len(data)
        self._records += len(lines)
        self._watcher.waiting(self._records, self._written - self._read)
        self._wake.set()

    # ------------------------------------------------------------ delivering

    async def _delivering(self) -> None:
        failed = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._read < self._written:
                if await self._deliver_some():
                    if failed:
                        log.info("usage records are delivered again")
                    failed = 0
                    continue
                await asyncio.sleep(AGAIN_S[min(failed, len(AGAIN_S) - 1)])
                failed += 1

    async def _deliver_some(self) -> bool:
        """One batch of the file; whether it reached the store."""
        data = os.pread(self._file, READ_BYTES, self._read)
        rows, size = batch_of(data)
        if rows and not await self._send(rows):
            return False
        if not size:  # a record larger than a read, or torn: nobody can read it
            size = data.find(b"\n") + 1 or len(data)
            log.error("usage record unreadable", bytes=size)
        self._read += size
        self._records = max(0, self._records - len(rows))
        if self._read >= self._written:
            os.ftruncate(self._file, 0)
            self._read = self._written = self._records = 0
        self._watcher.waiting(self._records, self._written - self._read)
        return True

    async def _send(self, rows: list[UsageRow]) -> bool:
        try:
            await self._store.add(rows)
        except StoreError as error:
            log.warning("usage records wait", records=len(rows), error=str(error))
            return False
        self._watcher.delivered(rows)
        return True

    # ------------------------------------------------------------ what the dead left

    async def _adopting(self) -> None:
        while True:
            for path in sorted(self._folder.glob(f"*{SUFFIX}")):
                if path != self._path:
                    await self._adopt(path)
            await asyncio.sleep(ADOPT_S)

    async def _adopt(self, path: Path) -> None:
        """Deliver the file of a worker that is dead; one that lives holds its lock."""
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            at = 0
            while data := os.pread(handle, READ_BYTES, at):
                rows, size = batch_of(data)
                if rows and not await self._send(rows):
                    return
                if not size:
                    break  # the torn end of a write
                at += size
            os.unlink(path)
        except BlockingIOError:
            return
        finally:
            os.close(handle)


def line_of(row: UsageRow) -> bytes:
    """A record as a line."""
    text = _encode(row)
    return b"%08x %b\n" % (crc32(text), text)


def batch_of(data: bytes) -> tuple[list[UsageRow], int]:
    """The whole, undamaged records at the beginning, at most `BATCH`, and how many bytes they are. Damaged lines are skipped."""
    rows: list[UsageRow] = []
    size = 0
    for line in _lines(data):
        size += len(line)
        text = line[9:-1]
        if line[8:9] == b" " and line[:8] == b"%08x" % crc32(text):
            rows.append(_decode(text))
        if len(rows) == BATCH:
            break
    return rows, size


def _lines(data: bytes) -> Iterator[bytes]:
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        yield data[at : end + 1]
        at = end + 1


