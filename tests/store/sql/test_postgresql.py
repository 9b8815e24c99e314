"""What may stand in a URL of PostgreSQL, and what comes of it. No password is in a message."""

import pytest

from llm_api_converter.store.base import StoreError
from llm_api_converter.store.open import open_store
from tests.engines import Postgres, free_port

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "rest",
    [
        "@127.0.0.1:{port}/gateway", "@127.0.0.1:{port}/gateway?sslmode=require", "@127.0.0.1:{port}/gateway?sslmode=nonsense", "@127.0.0.1:port/gateway",
        "@127.0.0.1:{port}/gateway?sslmode=verify-full&sslrootcert=/none", "@[::1/gateway", "@/gateway?host=/none",
    ],
)  # fmt: skip
async def test_what_leads_nowhere_is_a_store_error(rest: str) -> None:
    store = open_store("postgresql://me:geheim" + rest.format(port=free_port()))
    for do in (store.ping, store.open, store.migrate):
        with pytest.raises(StoreError) as error:
            await do()
        assert "PostgreSQL" in str(error.value)
        assert "geheim" not in str(error.value)
    await store.close()


@pytest.mark.engine
@pytest.mark.parametrize("options", ["", "?sslmode=disable", "?sslmode=prefer", "?application_name=gateway", "?target_session_attrs=read-write"])
async def test_options_that_any_client_of_postgresql_knows(running_postgres: Postgres, options: str) -> None:
    store = open_store(running_postgres.url + options)
    await store.ping()
    await store.close()


@pytest.mark.engine
@pytest.mark.parametrize(
    ("rest", "why"),
    [("postgres?sslmode=require", "rejected SSL"), ("none", 'database "none" does not exist'), ("postgres?colour=red", 'parameter "colour"')],
)
async def test_what_it_refuses_is_said(running_postgres: Postgres, rest: str, why: str) -> None:
    store = open_store(running_postgres.url.removesuffix("postgres") + rest)
    with pytest.raises(StoreError, match=why):
        await store.ping()
    await store.close()
