"""Calls for the tests of this folder, a watcher that notes what it is told, and a store that can be away."""

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from msgspec import structs

from llm_api_converter.hub.response import Usage
from llm_api_converter.store.base import Page, StoreError, UsageLog
from llm_api_converter.store.records import GroupBy, Period, UsageFilter, UsageRow, UsageTotal
from llm_api_converter.usage.account import Spent, bill
from llm_api_converter.usage.prices import Called, Price, Prices

PRICES = Prices([Price(provider="one", model="*", input=Decimal(1), output=Decimal(2))])
AT_S = 1_790_000_000.0
USED = Usage()
ONE = Called("one", "openai_compatible", "http://one", "m")


def a_row(
    number: int, *, called: Called | None = ONE, usage: Usage | None = USED, tier: str | None = None, earlier: tuple[Spent, ...] = (), **more: Any
) -> UsageRow:
    """The record of the call of this number: 10 tokens and `number % 7` out."""
    out = number % 7
    fields: dict[str, Any] = {
        "id": f"use_{number}", "at_s": AT_S + number / 1000, "request_id": f"req_{number}", "operation": "generate", "protocol": "anthropic",
        "model": "asked", "status": 200, "upstream_protocol": "openai_chat", "tries": 1, "key_id": "key_1", "team": "red",
    }  # fmt: skip
    if usage is USED:
        usage = Usage(10, out, raw={"prompt_tokens": 10, "completion_tokens": out}, protocol="openai_chat")
    if called is not None:
        fields |= {"provider": called.provider, "upstream_model": called.model}
    spent = (*earlier, Spent(called, usage, tier)) if called is not None and usage is not None else earlier
    return UsageRow(**(fields | structs.asdict(bill(spent, PRICES, AT_S)) | more))


class Notes:
    """A `Watcher`."""

    def __init__(self) -> None:
        self.rows: list[UsageRow] = []
        self.sent: list[str] = []
        self.waits = (-1, -1)
        self.given_up = 0

    def accounted(self, rows: Sequence[UsageRow]) -> None:
        self.rows += rows

    def delivered(self, rows: Sequence[UsageRow]) -> None:
        self.sent += [row.id for row in rows]

    def waiting(self, records: int, size_bytes: int) -> None:
        self.waits = (records, size_bytes)

    def dropped(self, records: int) -> None:
        self.given_up += records


class Gate:
    """A store's usage log that can be shut, and that refuses records of some ids."""

    def __init__(self, log: UsageLog) -> None:
        self._log = log
        self.shut = False
        self.slow_s = 0.0
        self.hangs = False
        self.refused: set[str] = set()
        self.tries = 0
        self.batches: list[int] = []

    async def add(self, rows: Sequence[UsageRow]) -> int:
        self.tries += 1
        if self.shut:
            raise StoreError("away")
        if any(row.id in self.refused for row in rows):
            raise StoreError("value out of range")
        self.batches.append(len(rows))
        await asyncio.sleep(self.slow_s)
        added = await self._log.add(rows)
        if self.hangs:  # they are there, and nobody is told
            await asyncio.sleep(3600)
        return added

    async def spent(self, scope: str, period: Period, at_s: float) -> Decimal:
        if self.shut:
            raise StoreError("away")
        return await self._log.spent(scope, period, at_s)

    async def rows(self, which: UsageFilter, *, cursor: str | None = None, limit: int = 100) -> Page[UsageRow]:
        return await self._log.rows(which, cursor=cursor, limit=limit)

    async def totals(self, which: UsageFilter, by: tuple[GroupBy, ...] = ()) -> list[UsageTotal]:
        return await self._log.totals(which, by)

    async def forget(self, before_s: float) -> int:
        return await self._log.forget(before_s)


async def until(true: Callable[[], bool], within_s: float = 10.0) -> None:
    """Wait for it."""
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.02)
