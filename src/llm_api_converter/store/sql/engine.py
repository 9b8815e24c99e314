"""Connections, transactions, and one place where the library's errors become ours.

SQLite: write-ahead log, so that several workers read and write one file; a writer takes its lock at the beginning of its transaction, and
waits for it up to `BUSY_S`. PostgreSQL: a small pool, connections checked before use, bounded waits.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from threading import Event
from typing import Any, ParamSpec, TypeVar

import stamina
from sqlalchemy import Insert, Table, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ..base import Conflict, StoreError

P = ParamSpec("P")
T = TypeVar("T")

BUSY_S = 5.0
CONNECT_S = 5.0
COMMAND_S = 10.0
PING_S = 2.0
PAGE_BYTES = 8192
POOL = 4
TRIES = 4
_LOST = ("deadlock detected", "could not serialize", "database is locked")


class Database:
    """One SQL database. `url` is as in the settings."""

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite:")
        self.file = Path(url.removeprefix("sqlite:///")) if self.is_sqlite else None
        self._shown = "SQLite" if self.is_sqlite else "PostgreSQL"
        self.engine = _sqlite(url) if self.is_sqlite else _postgresql(url)
        self._writer: _Writer | None = None

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A connection to read with. Raises StoreError."""
        with self.errors():
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, kept where the block ends without an error. Raises StoreError, Conflict for a name that is taken."""
        with self.errors():
            async with self.engine.connect() as connection:
                connection = await connection.execution_options(writes=True)
                async with connection.begin():
                    yield connection

    async def straight(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """A transaction of SQLite's, in one go on a thread of its own and straight through the driver: what is written all the time should
        not take turns with the event loop for every statement. Raises StoreError. Cancelled at its end, it may be kept all the same.
        """
        assert self.file is not None
        if self._writer is None:
            self._writer = _Writer(self.file)
        with self.errors():
            return await self._writer.run(work)

    def errors(self) -> "Errors":
        """A block in which the library's errors become ours."""
        return Errors(self._shown)

    def insert(self, table: Table) -> Any:
        """An insert that knows `on_conflict_...`, in the engine's dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def ping(self) -> None:
        """Raises StoreError where the engine does not answer in time."""
        try:
            async with asyncio.timeout(PING_S), self.read() as connection:
                await connection.exec_driver_sql("SELECT 1")
        except TimeoutError as error:
            raise StoreError(f"{self._shown} does not answer within {PING_S:g} s") from error

    async def close(self) -> None:
        """Give connections back."""
        if self._writer is not None:
            await self._writer.close()
            self._writer = None
        await self.engine.dispose()


class _Writer:
    """A connection to a file, and the thread that has it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread = ThreadPoolExecutor(1, "sqlite")
        self._connection: sqlite3.Connection | None = None

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        dropped = Event()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work, dropped)
        except asyncio.CancelledError:
            dropped.set()
            raise

    def _run(self, work: Callable[[sqlite3.Connection], T], dropped: Event) -> T:
        if self._connection is None:
            self._connection = sqlite3.connect(self._file, timeout=BUSY_S)
            _prepare(self._connection)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            done = work(connection)
            connection.execute("ROLLBACK" if dropped.is_set() else "COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return done

    async def close(self) -> None:
        """When what runs is done."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class Errors:
    """Context manager: what the library raises becomes StoreError or Conflict, without the statement's values."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, IntegrityError):
            raise Conflict("there is one with this id already") from error
        if isinstance(error, DBAPIError):
            raise StoreError(f"{self._shown}: {_first_line(error.orig)}") from error
        if isinstance(error, SQLAlchemyError | sqlite3.Error | OSError):  # of the driver itself: records go straight through it
            raise StoreError(f"{self._shown}: {_first_line(error)}") from error


def _first_line(error: BaseException | None) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:300]


def _sqlite(url: str) -> AsyncEngine:
    engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:", 1), connect_args={"timeout": BUSY_S}, pool_size=POOL)

    @event.listens_for(engine.sync_engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        _prepare(connection)

    @event.listens_for(engine.sync_engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _prepare(connection: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, not by the driver
    cursor = connection.cursor()
    # The size of a page is for a file that is new: records are written a hundred at a time, next to each other.
    for statement in (f"page_size={PAGE_BYTES}", "journal_mode=WAL", f"busy_timeout={int(BUSY_S * 1000)}", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {statement}")
    cursor.close()


def _postgresql(url: str) -> AsyncEngine:
    import asyncpg  # type: ignore[import-untyped]

    async def connect() -> Any:
        # The driver reads the URL by itself: it knows what may stand in one (sslmode, sslrootcert, target_session_attrs, settings).
        try:
            return await asyncpg.connect(url, timeout=CONNECT_S, command_timeout=COMMAND_S)
        except TimeoutError as error:
            raise StoreError(f"PostgreSQL does not answer within {CONNECT_S:g} s") from error
        except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
            raise StoreError(f"PostgreSQL: {_first_line(error)}") from error

    return create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, pool_size=POOL, max_overflow=POOL, pool_pre_ping=True, pool_recycle=1800,
        pool_timeout=CONNECT_S,
    )


def _passing(error: Exception) -> bool:
    return isinstance(error, StoreError) and any(words in str(error) for words in _LOST)


def again(transaction: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """For whole transactions that lost against another one: they are done again, for two seconds at most.

    In a block of its own, for a decorated function's arguments would be logged with each try, and records are among them.
    """

    @wraps(transaction)
    async def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        async for attempt in stamina.retry_context(on=_passing, attempts=TRIES, timeout=2.0, wait_initial=0.02, wait_max=0.5):
            with attempt:
                return await transaction(*args, **kwargs)
        raise AssertionError("unreachable: the last try returns or raises")

    return tried


__all__ = ["Database", "Insert", "again"]
