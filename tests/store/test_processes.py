"""Several processes on one engine, each with rows the others have as well. SQLite's file is made by whoever is first."""

import asyncio
import sys
from decimal import Decimal

import pytest

from llm_api_converter.store.open import open_store
from llm_api_converter.store.records import UsageFilter

from .test_contract import NOON

pytestmark = pytest.mark.anyio

RANGES = [(0, 300, 100), (100, 400, 7), (0, 400, 50)]
"""(first, end, step)"""


async def adding(url: str, numbers: tuple[int, int, int]) -> int:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.adding", url, *map(str, numbers), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await child.communicate()
    assert child.returncode == 0, err.decode()
    return int(out)


async def test_every_row_counts_once(url: str, engine: str) -> None:
    store = open_store(url)
    if engine != "sqlite":
        await store.migrate()
    assert sum(await asyncio.gather(*(adding(url, numbers) for numbers in RANGES))) == 400
    await store.open()
    (total,) = await store.usage.totals(UsageFilter())
    cost = 400 * Decimal("0.0000000375")
    assert (total.requests, total.input_total, total.cost_usd) == (400, 4000, cost)
    assert {await store.usage.spent(scope, period, NOON) for scope in ("key:key_1", "team:web") for period in ("day", "month", "total")} == {cost}
    await store.close()
