"""What only SQLite has: its file, its lock, its driver's own errors."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from llm_api_converter.store.base import StoreError
from llm_api_converter.store.open import open_store
from llm_api_converter.store.records import UsageFilter
from llm_api_converter.store.sql.engine import BUSY_S
from llm_api_converter.store.sql.store import SqlStore

from ..test_contract import row

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "that is not there" / "gateway.db"


@pytest.fixture
async def store(file: Path) -> AsyncIterator[SqlStore]:
    made = SqlStore(f"sqlite:///{file}")
    await made.open()
    yield made
    await made.close()


async def test_every_connection_waits_for_others_and_writes_ahead(store: SqlStore) -> None:
    async with store._db.read() as one, store._db.read() as other, store._db.write() as third:
        for connection in (one, other, third):
            said = [(await connection.exec_driver_sql(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "busy_timeout", "synchronous")]
            assert said == ["wal", int(BUSY_S * 1000), 1]


async def test_readers_go_on_while_somebody_writes(store: SqlStore, file: Path) -> None:
    await store.usage.add([row(1)])
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(1):
            assert len((await store.usage.rows(UsageFilter())).items) == 1
            await store.ping()
        adding = asyncio.ensure_future(store.usage.add([row(2)]))
        await asyncio.sleep(0.2)
        assert not adding.done()
        writer.execute("ROLLBACK")
    assert await adding == 1


async def test_a_write_that_is_not_wanted_any_more_leaves_no_lock(store: SqlStore, file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        adding = asyncio.ensure_future(store.usage.add([row(1)]))
        await asyncio.sleep(0.2)
        adding.cancel()
        writer.execute("ROLLBACK")
        with pytest.raises(asyncio.CancelledError):
            await adding
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("ROLLBACK")
    assert await store.usage.add([row(1), row(2)]) == 2


async def test_errors_of_the_driver_are_store_errors(store: SqlStore, file: Path) -> None:
    """Records go past the library."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("DROP TABLE usage")
    for do in (store.usage.add([row(1)]), store.usage.rows(UsageFilter()), store.usage.totals(UsageFilter())):
        with pytest.raises(StoreError, match="SQLite: no such table"):
            await do


@pytest.mark.parametrize("url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite://data/gateway.db", "mysql://root@localhost/gateway", "gateway.db"])
def test_what_names_no_store_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match=r"store\.url: expected sqlite:///FILE"):
        open_store(url)


async def test_what_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_bytes(b"this is not a database at all. " * 100)
    for path, why in (("text.db", "not a database"), (".", "unable to open"), ("text.db/below.db", "File exists|Not a directory")):
        store = open_store(f"sqlite:///{tmp_path}/{path}")
        with pytest.raises(StoreError, match=f"SQLite: .*({why})"):
            await store.open()
        await store.close()
        while any("connection_worker" in thread.name for thread in threading.enumerate()):  # the driver's, on its way out: it tells this loop
            await asyncio.sleep(0.01)
