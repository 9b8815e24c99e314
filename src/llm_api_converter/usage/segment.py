"""One file of records that wait: written at its end by the worker that holds it locked, read from its beginning, gone when it is empty.

    a line   crc32 of the record in eight hex digits, a space, the record as JSON, a newline

The kernel lets go of the lock when its process ends, however that happens; whoever finds a file unlocked may adopt it. A process killed in
the middle of a write leaves a torn last line, which is nobody's record.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import msgspec

from ..store.records import UsageRow

SUFFIX = ".usage"
READ_BYTES = 512 * 1024

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(UsageRow).decode


class Segment:
    """A file, held. `own`: this worker wrote it; else it was adopted. `records` are those that wait; of adopted ones they are not known."""

    def __init__(self, handle: int, path: Path, *, own: bool) -> None:
        self.path = path
        self.own = own
        self.records = 0
        self.size = os.fstat(handle).st_size
        self._handle = handle
        self._read = 0

    @classmethod
    def make(cls, path: Path) -> "Segment":
        """A new one. It gets its name when it is locked, so that nobody adopts it before. Raises OSError."""
        unnamed = path.with_suffix(".new")
        handle = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        unnamed.rename(path)
        return cls(handle, path, own=True)

    @classmethod
    def adopt(cls, path: Path) -> "Segment | None":
        """That of a dead process; None where its process lives, or it is gone. Raises OSError."""
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return cls(handle, path, own=False)

    @property
    def waiting(self) -> int:
        """Bytes that are not delivered."""
        return self.size - self._read

    def append(self, lines: Sequence[bytes]) -> None:
        """Give records (`line_of`) to the kernel: all, or, with an OSError, none."""
        data = memoryview(b"".join(lines))
        at = 0
        try:
            while at < len(data):
                at += os.write(self._handle, data[at:])
        except OSError:
            os.ftruncate(self._handle, self.size)
            raise
        self.size += at
        self.records += len(lines)

    def peek(self, limit: int) -> tuple[list[UsageRow], int, int]:
        """The next records, at most so many; the bytes they are; how many damaged lines are among them. 0 bytes: no line is whole."""
        data = os.pread(self._handle, READ_BYTES, self._read)
        rows: list[UsageRow] = []
        at = damaged = 0
        while len(rows) < limit and (end := data.find(b"\n", at)) >= 0:
            row = row_in(data[at:end])
            if row is None:
                damaged += 1
            else:
                rows.append(row)
            at = end + 1
        return rows, at, damaged

    def advance(self, records: int, size: int) -> None:
        """They are delivered, or given up. A file of which nothing waits begins anew."""
        self._read += size
        self.records = max(0, self.records - records)
        if self.own and self._read >= self.size:
            os.ftruncate(self._handle, 0)
            self._read = self.size = self.records = 0

    def close(self) -> None:
        """Let go of it; it stays where something waits in it."""
        if not self.waiting:
            self.path.unlink(missing_ok=True)
        os.close(self._handle)


def line_of(row: UsageRow) -> bytes:
    """A record as a line."""
    text = _encode(row)
    return b"%08x %b\n" % (crc32(text), text)


def row_in(line: bytes) -> UsageRow | None:
    """The record of a line without its newline; None where it is damaged, or of another version of the gateway."""
    text = line[9:]
    if line[:9] != b"%08x " % crc32(text):
        return None
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
