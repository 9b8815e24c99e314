"""API keys in DynamoDB: a record, a copy of it under each digest, and a counter that numbers the changes, all changed together."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..base import Conflict, Page
from ..records import KeyRecord
from .client import Client, Lost, Unmet, again
from .timeline import READ, Partition, page, span
from .values import Item, Value, packed, place, unpacked

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(KeyRecord).decode

_TABLE = "api_keys"
_COUNTER: dict[str, Value] = {"pk": "counter", "sk": "changes"}
_NEW = "attribute_not_exists(pk)"


class DynamoKeys:
    """`Keys`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def create(self, record: KeyRecord) -> None:
        await self._change(lambda number: [
            self._put(record, number, _NEW), *(self._put_digest(digest, record, _NEW) for digest in _digests(record))
        ])  # fmt: skip

    async def by_digest(self, digest: bytes) -> KeyRecord | None:
        return _record(await self._client.get(_TABLE, _digest_key(digest)))

    async def get(self, key_id: str) -> KeyRecord | None:
        return _record(await self._client.get(_TABLE, _key(key_id)))

    async def list(self, *, team: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[KeyRecord]:
        read = limit + 1 if team is None else READ
        listed = Partition(self._client, _TABLE, "newest", ("pk", "keys"), span(cursor=cursor), read=read, is_consistent=True)
        return await page([listed], _decode, lambda record: team is None or record.team == team, limit)

    async def replace(self, record: KeyRecord) -> None:
        before = await self.get(record.id)
        if before is None or before.version != record.version - 1:
            raise _changed(record)
        old, new = _digests(before), _digests(record)
        await self._change(lambda number: [
            self._put(record, number, "version = :version", version=before.version),
            *(self._put_digest(digest, record, None if digest in old else _NEW) for digest in new),
            *(self._client.delete(_TABLE, _digest_key(digest)) for digest in old - new),
        ])  # fmt: skip

    async def changed_since(self, mark: int) -> tuple[int, frozenset[str]]:
        counted = await self._counted()
        if mark < 0 or counted == mark:
            return counted, frozenset()
        # Changes are numbered in the order they are made: what the counter knew of before this query, the query finds.
        asked: dict[str, Any] = {
            "IndexName": "changes", "KeyConditionExpression": "pk = :keys AND changed > :mark", "ConsistentRead": True,
            "ExpressionAttributeValues": packed({":keys": "keys", ":mark": mark}), "ProjectionExpression": "sk",
        }  # fmt: skip
        found: set[str] = set()
        while True:
            answer = await self._client.call("query", _TABLE, **asked)
            found |= {str(unpacked(item)["sk"]) for item in answer["Items"]}
            if "LastEvaluatedKey" not in answer:
                return counted, frozenset(found)
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def _change(self, writes: Callable[[int], Sequence[dict[str, Any]]]) -> None:
        """Make these writes together, as the change of the next number. Raises Conflict where their conditions are not met."""
        async for attempt in again(Lost):
            with attempt:
                counted = await self._counted()
                condition, values = ("attribute_not_exists(pk)", {}) if counted == 0 else ("counted = :old", {"old": counted})
                count = self._client.update(_TABLE, _COUNTER, "SET counted = :new", condition, new=counted + 1, **values)
                try:
                    await self._client.transact(count, *writes(counted + 1))
                except Unmet as error:
                    if error.positions != {0}:
                        raise Conflict("there is a key of this id or digest already, or it was changed by somebody else") from error
                    raise Lost("DynamoDB: too many change keys at the same time") from error

    async def _counted(self) -> int:
        found = await self._client.get(_TABLE, _COUNTER)
        return 0 if found is None else int(found["counted"])

    def _put(self, record: KeyRecord, number: int, condition: str, **values: Value) -> dict[str, Any]:
        item: dict[str, Value] = {
            **_key(record.id), "at": place(record.created_s, record.id), "version": record.version, "changed": number,
            "data": _encode(record).decode(),
        }  # fmt: skip
        return self._client.put(_TABLE, item, condition, **values)

    def _put_digest(self, digest: bytes, record: KeyRecord, condition: str | None) -> dict[str, Any]:
        return self._client.put(_TABLE, {**_digest_key(digest), "data": _encode(record).decode()}, condition)


def _digests(record: KeyRecord) -> set[bytes]:
    return {record.digest} if record.old_digest is None else {record.digest, record.old_digest}


def _key(key_id: str) -> dict[str, Value]:
    return {"pk": "keys", "sk": key_id}


def _digest_key(digest: bytes) -> dict[str, Value]:
    """A partition of its own: what every call asks for is spread over all of them."""
    return {"pk": f"digest#{digest.hex()}", "sk": "digest"}


def _record(item: Item | None) -> KeyRecord | None:
    return None if item is None else _decode(item["data"])


def _changed(record: KeyRecord) -> Conflict:
    return Conflict(f"the key {record.id} is not there, or was changed by somebody else")
