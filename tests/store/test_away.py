"""An engine that stops and starts again: errors in between, and the same store goes on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llm_api_converter.store.base import Store, StoreError
from llm_api_converter.store.open import open_store
from tests.engines import DynamoDb, Postgres, dynamodb, postgres

from .test_contract import key, row

pytestmark = [pytest.mark.anyio, pytest.mark.engine]


@asynccontextmanager
async def on(engine: str, folder: Path) -> AsyncIterator[tuple[Postgres | DynamoDb, Store]]:
    """An engine of its own, and an open store on it."""
    running = postgres(folder) if engine == "postgresql" else dynamodb(folder)
    with running as started:
        store = open_store(started.url if engine == "postgresql" else f"dynamodb://us-east-1?endpoint={started.url}")
        await store.migrate()
        await store.open()
        yield started, store
        await store.close()


@pytest.mark.parametrize("engine", ["postgresql", "dynamodb"])
async def test_a_store_goes_on_when_its_engine_is_back(engine: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    async with on(engine, tmp_path_factory.mktemp("away")) as (started, store):
        await store.keys.create(key(1))
        assert await store.usage.add([row(1)]) == 1
        await asyncio.to_thread(started.stop)
        for do in (store.ping(), store.keys.by_digest(key(1).digest), store.usage.add([row(1), row(2)]), store.keys.changed_since(0), store.models.list()):
            began = time.monotonic()
            with pytest.raises(StoreError):
                await do
            assert time.monotonic() - began < 10
        await asyncio.to_thread(started.start)
        await working(store)
        assert await store.keys.by_digest(key(1).digest) == key(1)
        assert await store.usage.add([row(1), row(2)]) == 1


async def working(store: Store) -> None:
    """Until it answers: a database listens before it has recovered."""
    end = time.monotonic() + 60
    while True:
        try:
            return await store.ping()
        except StoreError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
