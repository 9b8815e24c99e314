"""Numbers for the workers of one gateway: who holds one has its file locked, and the kernel lets go of it when the process ends.

A worker that is started again takes a number that is free, and with it the metrics of the one that died: the folder holds no more
files than there ever were workers at once.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SLOTS = 1024
_held: list[int] = []
"""Open files of this process's slots; open as long as it lives."""


def claim(folder: Path) -> int:
    """The lowest number no living worker holds, held from now on until this process ends. Raises RuntimeError when all are taken."""
    for slot in range(SLOTS):
        handle = _lock(folder, slot)
        if handle is not None:
            _held.append(handle)
            return slot
    raise RuntimeError(f"{folder}: all {SLOTS} slots are taken")


@contextmanager
def dead(folder: Path) -> Iterator[list[int]]:
    """The numbers that were held and are no more; nobody gets one of them inside the block."""
    found: dict[int, int] = {}
    for file in folder.glob("slot-*.lock"):
        slot = int(file.stem.partition("-")[2])
        handle = _lock(folder, slot)
        if handle is not None:
            found[slot] = handle
    try:
        yield sorted(found)
    finally:
        for handle in found.values():
            os.close(handle)


def _lock(folder: Path, slot: int) -> int | None:
    handle = os.open(folder / f"slot-{slot}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
