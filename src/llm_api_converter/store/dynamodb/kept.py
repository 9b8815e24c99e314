"""Kept state in DynamoDB: continuations and answers of the Responses protocol, both sealed before they come here.

An item takes 400 KB. What is larger lies in chunks beside its head, written before it under a name of their own, so that a head is only
ever found with all of its chunks. What has expired is not found any more; DynamoDB deletes it by its time to live, free of charge, within
days.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from math import ceil
from uuid import uuid4

from msgspec import Struct

from ..records import KeptResponse
from .client import Client
from .schema import EXPIRES
from .values import Item, Value

CHUNK = 350_000


class Kept(Struct, frozen=True):
    """What lies under one key: the bytes, and the attributes of the head."""

    sealed: bytes
    head: Item


class Blobs:
    """Bytes of any size in one table, found by a key."""

    def __init__(self, client: Client, table: str) -> None:
        self._client, self._table = client, table

    async def put(self, keys: Iterable[str], sealed: bytes, expires_s: float, more: Mapping[str, Value] | None = None) -> None:
        """The same bytes under each of the keys, over what was there. Its chunks expire with it."""
        expires = _expiring(expires_s)
        heads: list[dict[str, Value | None]] = []
        chunks: list[dict[str, Value | None]] = []
        for key in keys:
            name = f"{key}#{uuid4().hex}"
            parts = [] if len(sealed) <= CHUNK else [sealed[at : at + CHUNK] for at in range(0, len(sealed), CHUNK)]
            heads.append({"pk": key, "chunks": len(parts), "name": name, "sealed": None if parts else sealed, **expires, **(more or {})})
            chunks += [{"pk": f"{name}#{number}", "sealed": part, **expires} for number, part in enumerate(parts)]
        await self._client.put_all(self._table, chunks)
        await self._client.put_all(self._table, heads)

    async def get(self, keys: Iterable[str], now_s: float) -> dict[str, Kept]:
        """Those that are there and have not expired."""
        found = await self._client.get_all(self._table, [{"pk": key} for key in dict.fromkeys(keys)])
        heads = [head for head in found if float(head["expires_s"]) > now_s]
        parts = await self._client.get_all(self._table, [{"pk": name} for head in heads for name in _chunks(head)])
        bytes_of = {part["pk"]: part["sealed"] for part in parts}
        kept = {}
        for head in heads:
            if all(name in bytes_of for name in _chunks(head)):  # else it was deleted between the two reads
                kept[str(head["pk"])] = Kept(head.get("sealed") or b"".join(bytes_of[name] for name in _chunks(head)), head)
        return kept

    async def delete(self, key: str) -> bool:
        """Whether there was one."""
        found = await self._client.get_all(self._table, [{"pk": key}])
        await self._client.delete_all(self._table, [{"pk": name} for head in found for name in (str(head["pk"]), *_chunks(head))])
        return bool(found)


class DynamoContinuations:
    """`Continuations`."""

    def __init__(self, client: Client) -> None:
        self._blobs = Blobs(client, "continuations")

    async def put(self, scope: str, call_ids: Sequence[str], sealed: bytes, expires_s: float) -> None:
        await self._blobs.put({_key(scope, "call", call_id) for call_id in call_ids}, sealed, expires_s, {"scope": scope})

    async def get(self, scope: str, call_ids: Sequence[str], now_s: float) -> dict[str, bytes]:
        keys = {call_id: _key(scope, "call", call_id) for call_id in call_ids}
        found = await self._blobs.get(keys.values(), now_s)
        return {call_id: found[key].sealed for call_id, key in keys.items() if key in found}

    async def sweep(self, now_s: float) -> int:
        return 0  # DynamoDB deletes by itself what has expired


class DynamoResponses:
    """`Responses`. Names of items that a deleted answer held stay until they expire: they lead nowhere."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._blobs = Blobs(client, "responses")

    async def put(self, kept: KeptResponse, item_ids: Sequence[str]) -> None:
        more: dict[str, Value] = {"scope": kept.scope, "id": kept.id, "created_s": kept.created_s}
        await self._blobs.put([_key(kept.scope, "response", kept.id)], kept.sealed, kept.expires_s, more)
        await self._client.put_all("responses", [
            {"pk": _key(kept.scope, "item", item_id), "scope": kept.scope, "response_id": kept.id, **_expiring(kept.expires_s)}
            for item_id in dict.fromkeys(item_ids)
        ])  # fmt: skip

    async def get(self, scope: str, response_id: str, now_s: float) -> KeptResponse | None:
        found = await self._find(scope, [response_id], now_s)
        return found[0] if found else None

    async def holding(self, scope: str, item_ids: Sequence[str], now_s: float) -> list[KeptResponse]:
        keys = [_key(scope, "item", item_id) for item_id in dict.fromkeys(item_ids)]
        held = await self._client.get_all("responses", [{"pk": key} for key in keys])
        return await self._find(scope, [str(item["response_id"]) for item in held], now_s)

    async def delete(self, scope: str, response_id: str) -> bool:
        return await self._blobs.delete(_key(scope, "response", response_id))

    async def sweep(self, now_s: float) -> int:
        return 0  # DynamoDB deletes by itself what has expired

    async def _find(self, scope: str, response_ids: Iterable[str], now_s: float) -> list[KeptResponse]:
        found = await self._blobs.get([_key(scope, "response", response_id) for response_id in response_ids], now_s)
        return sorted(map(_response, found.values()), key=lambda answer: answer.created_s)


def _response(kept: Kept) -> KeptResponse:
    created_s, expires_s = float(kept.head["created_s"]), float(kept.head["expires_s"])
    return KeptResponse(id=kept.head["id"], scope=kept.head["scope"], created_s=created_s, expires_s=expires_s, sealed=kept.sealed)


def _key(scope: str, kind: str, name: str) -> str:
    """Of any length, from parts that hold anything: no two triples share one."""
    parts = [part.encode() for part in (scope, kind, name)]
    return sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).hexdigest()


def _chunks(head: Item) -> list[str]:
    return [f"{head['name']}#{number}" for number in range(int(head["chunks"]))]


def _expiring(expires_s: float) -> dict[str, Value]:
    return {"expires_s": expires_s, EXPIRES: ceil(expires_s)}
