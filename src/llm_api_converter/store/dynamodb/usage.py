"""Calls and what they cost, in DynamoDB. A row and its sums are in one transaction, so that each row is counted once, whoever adds it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from ..base import Page
from ..records import GroupBy, Period, UsageFilter, UsageRow, UsageTotal
from ..sums import NOTHING, PERIODS, is_unpriced, periods, scopes
from .client import Client, Unmet
from .timeline import READ, Partition, delete_before, each, page, shard_of, shards, span
from .values import Value, place

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(UsageRow).decode

_WRITES = 100
_BYTES = 3_000_000
"""A transaction's bounds: a hundred writes, 4 MB with the names of attributes."""
_SUMMED = ("input_total", "output_total", "cache_read", "cache_write", "reasoning")


class DynamoUsage:
    """`UsageLog`. Of many rows each hundred writes are all or none; what is left of them is harmless to add again."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, rows: Sequence[UsageRow]) -> int:
        known = {row.id: row for row in rows}
        return sum([await self._add_together(batch) for batch in _batches(list(known.values()))])

    async def _add_together(self, batch: "list[UsageRow]") -> int:
        while batch:
            try:
                await self._client.transact(*(self._put(row) for row in batch), *self._sums(batch))
            except Unmet as error:  # those rows are there: the others go without them
                batch = [row for position, row in enumerate(batch) if position not in error.positions]
            else:
                break
        return len(batch)

    def _put(self, row: UsageRow) -> dict[str, Any]:
        item: dict[str, Value | None] = {
            "id": row.id, "shard": shard_of(row.id), "at": place(row.at_s, row.id), "key_id": row.key_id or None, "team": row.team or None,
            "data": _encode(row).decode(),
        }  # fmt: skip
        return self._client.put("usage", item, "attribute_not_exists(id)")

    def _sums(self, batch: "list[UsageRow]") -> Iterator[dict[str, Any]]:
        sums: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for row in batch:
            for counted in _counted(row):
                sums[counted] += row.cost_usd or 0
        for (scope, period), amount in sums.items():
            yield self._client.update("spent", {"scope": scope, "period": period}, "ADD cost_usd :cost", cost=amount)

    async def rows(self, which: UsageFilter, *, cursor: str | None = None, limit: int = 100) -> Page[UsageRow]:
        read = limit + 1 if which.model is None and which.provider is None else READ
        return await page(self._partitions(which, cursor, read), _decode, lambda row: _is_meant(row, which), limit)

    async def totals(self, which: UsageFilter, by: tuple[GroupBy, ...] = ()) -> "list[UsageTotal]":
        found: dict[tuple[str | None, ...], UsageTotal] = {} if by else {(): NOTHING}
        async for item in each(self._partitions(which, None, READ)):
            row = _decode(item["data"])
            if _is_meant(row, which):
                group = tuple(_group(row, name) for name in by)
                found[group] = _with(found.get(group), row, group)
        return sorted(found.values(), key=lambda total: [value or "" for value in total.group])

    async def spent(self, scope: str, period: Period, at_s: float) -> Decimal:
        name = periods(at_s)[PERIODS.index(period)]
        item = await self._client.get("spent", {"scope": scope, "period": name})
        return Decimal(0) if item is None else Decimal(item["cost_usd"])

    async def forget(self, before_s: float) -> int:
        return await delete_before(self._client, "usage", before_s)

    def _partitions(self, which: UsageFilter, cursor: str | None, read: int) -> "list[Partition]":
        """The fewest that hold everything meant."""
        within = span(which.since_s, which.until_s, cursor)
        for index, attribute, value in (("of_key", "key_id", which.key_id), ("of_team", "team", which.team)):
            if value:
                return [Partition(self._client, "usage", index, (attribute, value), within, read=read)]
        return shards(self._client, "usage", within, read=read)


def _counted(row: UsageRow) -> list[tuple[str, str]]:
    """The sums (scope, period) a row adds to."""
    return [(scope, period) for scope in scopes(row.key_id, row.team) for period in periods(row.at_s)] if row.cost_usd else []


def _batches(rows: list[UsageRow]) -> Iterator[list[UsageRow]]:
    """Rows that go into one transaction with their sums; those of one key stand together, for they share them."""
    batch: list[UsageRow] = []
    sums: set[tuple[str, str]] = set()
    size = 0
    for row in sorted(rows, key=lambda row: (row.team or "", row.key_id or "", row.id)):
        together, grown = sums.union(_counted(row)), size + len(_encode(row)) + 1000
        if batch and (len(batch) + 1 + len(together) > _WRITES or grown > _BYTES):
            yield batch
            batch, together, grown = [], set(_counted(row)), len(_encode(row)) + 1000
        batch, sums, size = [*batch, row], together, grown
    if batch:
        yield batch


def _is_meant(row: UsageRow, which: UsageFilter) -> bool:
    """All but the time, which is in the place."""
    asked = ((which.key_id, row.key_id), (which.team, row.team), (which.model, row.model), (which.provider, row.provider))
    return all(wanted is None or wanted == found for wanted, found in asked)


def _group(row: UsageRow, by: GroupBy) -> str | None:
    if by in ("day", "month"):
        return periods(row.at_s)[PERIODS.index(by)]
    value = getattr(row, by)
    return None if value is None else str(value)


def _with(total: UsageTotal | None, row: UsageRow, group: tuple[str | None, ...]) -> UsageTotal:
    before = total or NOTHING
    return UsageTotal(
        group=group, requests=before.requests + 1, errors=before.errors + (row.status >= 400),
        cost_usd=before.cost_usd + (row.cost_usd or 0), unpriced=before.unpriced + is_unpriced(row),
        **{name: getattr(before, name) + (getattr(row, name) or 0) for name in _SUMMED},
    )  # fmt: skip
