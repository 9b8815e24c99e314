"""Tables as the code knows them, and as the migrations make them."""

from collections.abc import AsyncIterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from llm_api_converter.store.base import StoreError
from llm_api_converter.store.sql.revisions import known
from llm_api_converter.store.sql.store import SqlStore
from llm_api_converter.store.sql.tables import metadata
from llm_api_converter.store.sql.upgrade import scripts

from ..test_contract import key

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    made = SqlStore(url)
    await made.migrate()
    yield made
    await made.close()


both = pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)], indirect=True)


async def has_revision(store: SqlStore, revision: str) -> None:
    async with store._db.write() as tx:
        await tx.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_files_are_numbered_as_the_migrations_are() -> None:
    """What is read from names, so that no worker needs Alembic, is what Alembic reads from the files."""
    in_order = [script.revision for script in scripts().walk_revisions()][::-1]
    assert list(known()) == in_order
    assert scripts().get_heads() == [in_order[-1]]


@both
async def test_migrations_make_the_tables_the_code_knows(store: SqlStore) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))

    async with store._db.read() as connection:
        assert await connection.run_sync(differences) == []


@both
async def test_tables_of_a_newer_gateway_are_not_touched(store: SqlStore) -> None:
    await has_revision(store, "9999")
    for do in (store.open, store.migrate):
        with pytest.raises(StoreError, match=r"newer gateway .* revision 9999"):
            await do()
    async with store._db.read() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one() == "9999"


@pytest.mark.parametrize("engine", [pytest.param("postgresql", marks=pytest.mark.engine)], indirect=True)
async def test_without_tables_the_command_is_named(url: str) -> None:
    store = SqlStore(url)
    with pytest.raises(StoreError, match="no tables of this gateway yet: run `llm-api-converter migrate`"):
        await store.open()
    assert await store.migrate() == ["tables: 0001 the first tables"]
    await store.open()
    await store.keys.create(key(1))
    await store.close()
