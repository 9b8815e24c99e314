"""Lists in the order of time, read from the partitions of an index: newest first and in pages, or all in any order."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar
from zlib import crc32

from msgspec import Struct

from ..base import Page
from .client import Client
from .values import FIRST, LAST, Item, cursor_of, moment, packed, place_of, unpacked

T = TypeVar("T")

SHARDS = ("0", "1", "2", "3")
"""Partitions that a list is spread over: one takes a thousand writes of a kilobyte a second."""
READ = 300
"""Items of one read where all are wanted; DynamoDB cuts at 1 MB by itself."""


def shard_of(row_id: str) -> str:
    """The partition of a row: always the same one."""
    return SHARDS[crc32(row_id.encode()) % len(SHARDS)]


class Span(Struct, frozen=True):
    """From `low` on, and before `high`: places in a list."""

    low: str = FIRST
    high: str = LAST


def span(since_s: float | None = None, until_s: float | None = None, cursor: str | None = None) -> Span:
    """Of times (from, before) and of what is behind the cursor. Raises StoreError for what is no cursor."""
    until = LAST if until_s is None else moment(until_s)
    return Span(FIRST if since_s is None else moment(since_s), until if cursor is None else min(until, place_of(cursor)))


class Partition:
    """One partition of an index, read page by page."""

    def __init__(
        self, client: Client, table: str, index: str, key: tuple[str, str], within: Span, *, read: int = READ,
        attributes: Sequence[str] = (), is_consistent: bool = False,
    ) -> None:  # fmt: skip
        names = {"#k": key[0], "#at": "at", **{f"#{name}": name for name in attributes}}
        self._client, self._table = client, table
        self._asked = {
            "IndexName": index, "KeyConditionExpression": "#k = :k AND #at BETWEEN :low AND :high", "ExpressionAttributeNames": names,
            "ScanIndexForward": False, "Limit": read, "ConsistentRead": is_consistent,
            "ExpressionAttributeValues": packed({":k": key[1], ":low": within.low, ":high": within.high}),
            **({"ProjectionExpression": ", ".join(f"#{name}" for name in attributes)} if attributes else {}),
        }  # fmt: skip
        self._high = within.high
        self._is_read = within.low >= within.high  # DynamoDB refuses a range that ends before it begins
        self.items: deque[Item] = deque()

    async def fill(self) -> bool:
        """Have an item at hand; False where there are no more."""
        while not self.items and not self._is_read:
            answer = await self._client.call("query", self._table, **self._asked)
            found = (unpacked(item) for item in answer["Items"])
            self.items.extend(item for item in found if item["at"] != self._high)  # BETWEEN holds its upper end as well
            self._is_read = "LastEvaluatedKey" not in answer
            if not self._is_read:
                self._asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        return bool(self.items)


async def page(partitions: Sequence[Partition], decode: Callable[[str], T], wanted: Callable[[T], bool], limit: int) -> Page[T]:
    """The newest of what is wanted, over all of the partitions."""
    found: list[tuple[str, T]] = []
    while len(found) <= limit:
        await asyncio.gather(*(partition.fill() for partition in partitions))
        left = [partition for partition in partitions if partition.items]
        if not left:
            break
        item = max(left, key=lambda partition: str(partition.items[0]["at"])).items.popleft()
        record = decode(item["data"])
        if wanted(record):
            found.append((item["at"], record))
    more = cursor_of(found[limit - 1][0]) if len(found) > limit else None
    return Page(tuple(record for _, record in found[:limit]), more)


async def each(partitions: Sequence[Partition]) -> AsyncIterator[Item]:
    """All items, one partition after the other."""
    for partition in partitions:
        while await partition.fill():
            while partition.items:
                yield partition.items.popleft()


def shards(client: Client, table: str, within: Span, *, read: int = READ, attributes: Sequence[str] = ()) -> list[Partition]:
    """Those of the index `newest` of a table."""
    return [Partition(client, table, "newest", ("shard", name), within, read=read, attributes=attributes) for name in SHARDS]


async def delete_before(client: Client, table: str, before_s: float) -> int:
    """Delete the rows of a table that are older than this; how many."""
    count = 0
    for partition in shards(client, table, span(until_s=before_s), attributes=("id", "at")):
        while await partition.fill():
            ids = [str(item["id"]) for item in partition.items]
            partition.items.clear()
            await client.delete_all(table, [{"id": row_id} for row_id in ids])
            count += len(ids)
    return count
