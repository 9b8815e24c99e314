"""A value that grows old and is made by a call that blocks: credentials and tokens.

The call runs in a thread, never on the event loop, and one at a time whoever asks. A value that is merely due is renewed in the
background while the old one is used, so that after the first request nobody waits; one that is over is waited for.
"""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from msgspec import Struct

T = TypeVar("T")

RETRY_S = 10.0
"""Pause after a renewal in the background has failed, while the old value still holds."""


class Dated(Struct, Generic[T], frozen=True):
    """A value, and for how many seconds from now it needs no renewal and may be used."""

    value: T
    fresh_s: float
    valid_s: float


class Renewed(Generic[T]):
    """`get` gives the value of `make`, renewed when it is due. What `make` raises reaches the callers once no value holds any more."""

    def __init__(self, make: Callable[[], Dated[T]], clock: Callable[[], float] = monotonic) -> None:
        self._make = make
        self._clock = clock
        self._value: T | None = None
        self._due_s = self._over_s = float("-inf")
        self._renewal: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """The value. Waits only where there is none that holds."""
        now_s = self._clock()
        if now_s < self._due_s:
            assert self._value is not None
            return self._value
        renewal = self._started()
        if now_s < self._over_s:
            assert self._value is not None
            return self._value
        await asyncio.shield(renewal)  # whoever leaves must not take the renewal from the others
        assert self._value is not None
        return self._value

    def forget(self) -> None:
        """The value was refused: the next `get` makes a new one."""
        self._due_s = self._over_s = float("-inf")

    def _started(self) -> "asyncio.Task[None]":
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.ensure_future(self._renew())
            self._renewal.add_done_callback(_seen)
        return self._renewal

    async def _renew(self) -> None:
        started_s = self._clock()
        try:
            dated = await asyncio.to_thread(self._make)
        except BaseException:
            self._due_s = min(started_s + RETRY_S, self._over_s)
            raise
        self._value = dated.value
        self._due_s = started_s + dated.fresh_s
        self._over_s = started_s + dated.valid_s


def _seen(task: "asyncio.Task[None]") -> None:
    """A failure in the background is nobody's to fetch: the old value serves, and the next renewal reports."""
    if not task.cancelled():
        task.exception()
