"""The audit log and model names added at run time, in DynamoDB."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from ..base import Conflict, Page
from ..records import AuditEntry, AuditFilter, StoredModel
from .client import Client, Unmet
from .timeline import READ, delete_before, page, shard_of, shards, span
from .values import Item, Value, packed, place, unpacked

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(AuditEntry).decode


class DynamoAudit:
    """`Audit`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        await asyncio.gather(*(self._append(entry) for entry in entries))

    async def _append(self, entry: AuditEntry) -> None:
        item = {"id": entry.id, "shard": shard_of(entry.id), "at": place(entry.at_s, entry.id), "data": _encode(entry).decode()}
        try:
            await self._client.call("put_item", "audit", Item=packed(item), ConditionExpression="attribute_not_exists(id)")
        except Unmet:
            return  # it is there already, and stays as it is

    async def query(self, which: AuditFilter, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]:
        is_narrow = which.actor is not None or which.action is not None or which.subject is not None
        within = span(which.since_s, which.until_s, cursor)
        partitions = shards(self._client, "audit", within, read=READ if is_narrow else limit + 1)
        return await page(partitions, _decode, lambda entry: _is_meant(entry, which), limit)

    async def rotate(self, before_s: float) -> int:
        return await delete_before(self._client, "audit", before_s)


class DynamoModels:
    """`Models`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list(self) -> list[StoredModel]:
        asked: dict[str, Any] = {"ConsistentRead": True}
        found: list[StoredModel] = []
        while True:
            answer = await self._client.call("scan", "models", **asked)
            found += [_model(unpacked(item)) for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                return sorted(found, key=lambda model: model.name)
            asked["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def put(self, model: StoredModel) -> None:
        item: dict[str, Value] = {"name": model.name, "entry": model.entry, "updated_s": model.updated_s, "version": model.version}
        if model.version == 1:
            write = self._client.put("models", item, "attribute_not_exists(entry)")
        else:
            write = self._client.put("models", item, "version = :before", before=model.version - 1)
        try:
            await self._client.transact(write)  # a transaction, for its token: a put whose answer was lost must not conflict with itself
        except Unmet as error:
            said = "is there already" if model.version == 1 else "is not there, or was changed by somebody else"
            raise Conflict(f"the model {model.name} {said}") from error

    async def delete(self, name: str) -> bool:
        found = await self._client.get("models", {"name": name})
        await self._client.delete_all("models", [{"name": name}])
        return found is not None


def _model(item: Item) -> StoredModel:
    return StoredModel(name=item["name"], entry=item["entry"], updated_s=float(item["updated_s"]), version=int(item["version"]))


def _is_meant(entry: AuditEntry, which: AuditFilter) -> bool:
    """All but the time, which is in the place."""
    if which.action is not None:
        begins = which.action.removesuffix("*")
        if not (entry.action.startswith(begins) if which.action.endswith("*") else entry.action == begins):
            return False
    return which.actor in (None, entry.actor) and which.subject in (None, entry.subject)
