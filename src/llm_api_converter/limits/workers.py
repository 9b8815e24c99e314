"""Which workers of a machine live: each holds the lock of a file of its own, and the kernel lets go of it however its process ends."""

import fcntl
import os
from pathlib import Path


class Workers:
    """The numbers 0 to `most` - 1, one a living worker. Callers see to it that only one of them asks at a time."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._files: dict[int, int] = {}

    def claim(self) -> int | None:
        """The lowest number that no living worker has, held from now on; None when all are taken."""
        for number in range(self._most):
            if self._holds(number, fcntl.LOCK_EX):
                return number
        return None

    def is_dead(self, number: int) -> bool:
        """Whether nobody holds this number (any more)."""
        if not self._holds(number, fcntl.LOCK_SH):
            return False
        fcntl.flock(self._files[number], fcntl.LOCK_UN)
        return True

    def close(self) -> None:
        """Let go of everything."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _holds(self, number: int, how: int) -> bool:
        file = self._files.get(number)
        if file is None:
            file = self._files[number] = os.open(self._folder / f"worker-{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
