"""Ten thousand requests, the store stopped and started in the middle, a worker killed: what is recorded is what the upstream said."""

import asyncio
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from llm_api_converter.store.open import open_store
from llm_api_converter.store.records import UsageFilter, UsageRow
from tests.engines import postgres

from .running import admin, ask, counted_upstream, served, settings

pytestmark = [pytest.mark.engine, pytest.mark.anyio, pytest.mark.timeout(300)]

REQUESTS, CLIENTS, WORKERS = 10_000, 48, 3
DELIVERED_S = 60


async def rows_of(url: str) -> list[UsageRow]:
    store = open_store(url)
    found: list[UsageRow] = []
    cursor = None
    while True:
        page = await store.usage.rows(UsageFilter(), cursor=cursor, limit=1000)
        found += page.items
        cursor = page.cursor
        if cursor is None:
            await store.close()
            return found


async def test_rows_are_what_the_upstream_said(tmp_path: Path) -> None:
    with postgres(tmp_path / "engine") as engine:
        url = engine.database("usage")
        prepared = open_store(url)
        await prepared.migrate()
        await prepared.close()
        async with counted_upstream() as upstream, aiohttp.ClientSession() as http:
            asked = settings(upstream, store={"url": url}, rate_limit={"enabled": False})
            with served(tmp_path / "gateway", asked, workers=WORKERS) as gateway:
                key = (await admin(http, gateway, "POST", "/keys", {"name": "load", "team": "web"}))["key"]
                left = iter(range(REQUESTS))
                done: list[float] = []
                killed_s = 0.0

                async def client() -> None:
                    async with aiohttp.ClientSession() as own:
                        for number in left:
                            await ask(own, gateway.url, key, stream=number % 4 == 0)
                            done.append(time.monotonic())

                async def trouble() -> None:
                    nonlocal killed_s
                    while len(done) < REQUESTS * 0.3:
                        await asyncio.sleep(0.02)
                    engine.stop()
                    while len(done) < REQUESTS * 0.5:
                        await asyncio.sleep(0.02)
                    gateway.kill_one()
                    killed_s = time.monotonic()
                    while len(done) < REQUESTS * 0.7:
                        await asyncio.sleep(0.02)
                    await asyncio.to_thread(engine.start)

                await asyncio.gather(trouble(), *(client() for _ in range(CLIENTS)))
                last_second = sum(killed_s - 1 <= at <= killed_s for at in done)
                bound = 2 * last_second // WORKERS + CLIENTS
                said = Counter(upstream.said)
                end = time.monotonic() + DELIVERED_S
                while time.monotonic() < end:
                    rows = await rows_of(url)
                    recorded = Counter((row.input_total or 0, row.output_total or 0) for row in rows if row.input_total is not None)
                    if (said - recorded).total() <= bound:
                        await asyncio.sleep(2)  # nothing more is to come; and nothing may come twice
                        if rows == await rows_of(url):
                            break
                    await asyncio.sleep(0.5)
            rows = await rows_of(url)

    recorded = Counter((row.input_total or 0, row.output_total or 0) for row in rows if row.input_total is not None)
    assert recorded - said == Counter(), "records of calls that never were, or twice"
    missing = (said - recorded).total()
    assert missing <= bound, f"{missing} of {said.total()} calls have no record; {bound} may have been the killed worker's last second"
    assert len({row.id for row in rows}) == len(rows)
    for row in rows:
        if row.input_total is not None and row.output_total is not None:
            assert row.cost_usd == (Decimal("1.5") * row.input_total + Decimal(6) * row.output_total) / 1_000_000
