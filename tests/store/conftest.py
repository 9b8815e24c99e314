"""The engines a store may be on: SQLite in every run, the others where they are installed."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from llm_api_converter.store.base import Store
from llm_api_converter.store.open import open_store
from tests.engines import DynamoDb, Postgres, dynamodb, postgres

ENGINES = [
    "sqlite", pytest.param("postgresql", marks=pytest.mark.engine), pytest.param("dynamodb", marks=pytest.mark.engine),
]  # fmt: skip
_numbers = itertools.count()


@pytest.fixture(scope="session")
def running_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("postgres")) as engine:
        yield engine


@pytest.fixture(scope="session")
def running_dynamodb() -> Iterator[DynamoDb]:
    with dynamodb() as engine:
        yield engine


@pytest.fixture
def dynamodb_endpoint(running_dynamodb: DynamoDb, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where it is; it takes any credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    return running_dynamodb.url


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The name of the engine."""
    name: str = request.param
    return name


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A store that nothing is in yet."""
    if engine == "sqlite":
        return f"sqlite:///{tmp_path}/store/gateway.db"
    if engine == "postgresql":
        running: Postgres = request.getfixturevalue("running_postgres")
        return running.database(f"t{next(_numbers)}")
    endpoint: str = request.getfixturevalue("dynamodb_endpoint")
    return f"dynamodb://us-east-1?prefix=t{next(_numbers)}-&endpoint={endpoint}"


@pytest.fixture
async def stores(url: str) -> AsyncIterator[Callable[[], Store]]:
    """Makes stores that are all on the same engine; their tables are there. They have to be opened."""
    made: list[Store] = []

    def make() -> Store:
        made.append(open_store(url))
        return made[-1]

    await make().migrate()
    yield make
    for store in made:
        await store.close()


@pytest.fixture
async def store(stores: Callable[[], Store]) -> Store:
    """One store, open."""
    found = stores()
    await found.open()
    return found
