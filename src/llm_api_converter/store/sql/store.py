"""The store in SQL: its parts together, and its migrations."""

from pathlib import Path

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ..base import StoreError
from .engine import Database
from .kept import SqlContinuations, SqlResponses
from .keys import SqlKeys
from .records import SqlAudit, SqlModels
from .usage import SqlUsage

_MIGRATIONS = Path(__file__).parent / "migrations"
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
        if self._db.file is not None:
            await self.migrate()
            return
        async with self._db.read() as connection:
            current = await connection.run_sync(_revision)
        if current != _newest():
            raise StoreError(_behind(current))

    async def migrate(self) -> list[str]:
        if self._db.file is not None:
            with self._db.errors():
                self._db.file.parent.mkdir(parents=True, exist_ok=True)
        async with self._db.write() as tx:  # of SQLite it is alone with the file from here on
            if not self._db.is_sqlite:
                await tx.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            return await tx.run_sync(_upgrade)

    async def ping(self) -> None:
        await self._db.ping()

    async def close(self) -> None:
        await self._db.close()


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def _newest() -> str | None:
    return _scripts().get_current_head()


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _behind(current: str | None) -> str:
    if current is None:
        return "the database has no tables of this gateway yet: run `llm-api-converter migrate`"
    if current not in {script.revision for script in _scripts().walk_revisions()}:
        return f"the database is of a newer gateway (its tables are of revision {current}): update this one"
    return f"the tables are of revision {current}, and this gateway needs {_newest()}: run `llm-api-converter migrate`"


def _upgrade(connection: Connection) -> list[str]:
    """Bring the tables up to date inside the transaction of `connection`; what was done."""
    current, scripts = _revision(connection), _scripts()
    known = {script.revision: script for script in scripts.walk_revisions()}
    if current is not None and current not in known:
        raise StoreError(_behind(current))
    done: list[str] = []

    def steps(revision: object, context: MigrationContext) -> list[object]:
        found = scripts._upgrade_revs("head", revision)  # type: ignore[arg-type]
        done.extend(f"tables: {step.revision.revision} {step.revision.doc}" for step in found)
        return list(found)

    context = MigrationContext.configure(connection, opts={"fn": steps})
    with Operations.context(context):
        context.run_migrations()
    return done
