"""The connections to one origin: reuse, a limit with a queue, and the end of idle ones.

The connection used last is taken first, so that a quiet pool shrinks: those at the far end reach `KEEP_S` and are closed by a timer that
runs only while something is idle. At the limit callers wait in order; a connection that comes back goes to the first of them.
"""

import asyncio
from collections import deque

from .address import Origin
from .connection import Connection
from .dial import Dialer
from .failures import NO_ANSWER, Failure

KEEP_S = 55.0
"""Idle connections are closed after this long: load balancers drop them after 60 s, some without a word."""


class Pool:
    """One origin's connections. `limit` 0: none."""

    __slots__ = ("_all", "_closed", "_dialer", "_idle", "_idle_s", "_limit", "_loop", "_open", "_origin", "_sweeper", "_waiting")

    def __init__(self, origin: Origin, dialer: Dialer, *, limit: int, idle_timeout_s: float) -> None:
        self._origin = origin
        self._dialer = dialer
        self._limit = limit
        self._idle_s = idle_timeout_s
        self._loop = asyncio.get_running_loop()
        self._all: set[Connection] = set()
        self._idle: list[Connection] = []
        self._open = 0  # with those that are being made
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def unused(self) -> bool:
        """Nobody would miss this pool."""
        return not self._open and not self._waiting

    def take(self) -> Connection | None:
        """An idle connection, if there is one."""
        idle = self._idle
        if not idle:
            return None
        now = self._loop.time()
        while idle:
            connection = idle.pop()
            if now - connection.idle_since < connection.keep_s:
                return connection
            connection.abort()
        return None

    async def connect(self, *, fresh: bool = False) -> Connection:
        """A connection: at the limit the first that comes back, else a new one; `fresh`: a new one in any case."""
        if self._closed:
            raise Failure("upstream_failed", "cannot be called: this gateway is stopping")
        given = await self._place(fresh)
        if given is not None:
            return given
        try:
            connection = Connection(self._idle_s, self.lost)
            await self._dialer.dial(self._origin, connection)
            if self._closed or connection.dead:
                connection.abort()
                raise Failure("upstream_failed", NO_ANSWER)
        except BaseException:
            self._freed()
            raise
        self._all.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """After an answer: keep the connection for the next, or close it."""
        now = self._loop.time()
        if not connection.rest(now):
            connection.abort()
            return
        connection.keep_s = _keep_s(connection.headers)
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(connection.keep_s, self._sweep)

    def lost(self, connection: Connection) -> None:
        """A connection is closed."""
        if connection in self._all:
            self._all.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            self._freed()

    def close(self) -> None:
        """Close everything; whoever waits for an answer gets a failure."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(Failure("upstream_failed", "cannot be called: this gateway is stopping"))
        for connection in list(self._all):
            connection.abort()

    async def _place(self, fresh: bool) -> Connection | None:
        """The right to make a connection, or one that came back instead."""
        while self._limit and self._open >= self._limit:
            given = await self._turn()
            if given is None:
                return None
            if given.dead:
                continue
            if not fresh:
                return given
            self._all.discard(given)  # closed, and its place kept
            given.abort()
            return None
        self._open += 1
        return None

    async def _turn(self) -> Connection | None:
        """Wait in the queue: for a connection, or (None) for the right to make one."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.done() and waiter.exception() is None:
                given = waiter.result()
                if given is None:
                    self._freed()
                else:
                    self.give_back(given)
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise

    def _freed(self) -> None:
        """A place is free: for the first in the queue, if there is one."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._open -= 1

    def _sweep(self) -> None:
        self._sweeper = None
        now = self._loop.time()
        for connection in [x for x in self._idle if now - x.idle_since >= x.keep_s]:
            connection.abort()
        if self._idle:
            first = min(x.idle_since + x.keep_s for x in self._idle)
            self._sweeper = self._loop.call_later(max(first - now, 0.05), self._sweep)


def _keep_s(headers: dict[str, str]) -> float:
    """How long an idle connection is kept: less where the server says that it will close it sooner (`keep-alive: timeout=5`)."""
    hint = headers.get("keep-alive")
    if hint is None:
        return KEEP_S
    for item in hint.split(","):
        name, _, value = item.strip().partition("=")
        if name.lower() == "timeout" and value.isdecimal():
            return min(KEEP_S, max(int(value) - 1.0, 0.5))
    return KEEP_S
