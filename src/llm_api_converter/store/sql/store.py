"""The store in SQL: its parts together, and its tables."""

from sqlalchemy import Connection

from ..base import StoreError
from .engine import Database
from .kept import SqlContinuations, SqlResponses
from .keys import SqlKeys
from .records import SqlAudit, SqlModels
from .revisions import behind, current, known, newest
from .usage import SqlUsage

_LOCK = 7_235_901_442
"""A number of our own, for the lock that lets one process at a time change the tables."""


class SqlStore:
    """`Store` on SQLite or PostgreSQL."""

    def __init__(self, url: str) -> None:
        self._db = Database(url)
        self.keys = SqlKeys(self._db)
        self.usage = SqlUsage(self._db)
        self.continuations = SqlContinuations(self._db)
        self.responses = SqlResponses(self._db)
        self.audit = SqlAudit(self._db)
        self.models = SqlModels(self._db)

    async def open(self) -> None:
        if self._db.is_sqlite:
            await self.migrate()
            return
        async with self._db.read() as connection:
            found = await connection.run_sync(current)
        if found != newest():
            raise StoreError(behind(found))

    async def migrate(self) -> list[str]:
        if self._db.file is not None:
            with self._db.errors():
                self._db.file.parent.mkdir(parents=True, exist_ok=True)
        async with self._db.write() as tx:  # of SQLite it is alone with the file from here on
            if not self._db.is_sqlite:
                await tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            return await tx.run_sync(_bring_up_to_date)

    async def ping(self) -> None:
        await self._db.ping()

    async def close(self) -> None:
        await self._db.close()


def _bring_up_to_date(connection: Connection) -> list[str]:
    found = current(connection)
    if found == newest():
        return []
    if found is not None and found not in known():
        raise StoreError(behind(found))
    from .upgrade import upgrade

    return upgrade(connection)
