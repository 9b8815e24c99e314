"""Answers of the Responses protocol that later requests refer to, where the upstream that answered keeps none.

With `responses.keep` they are in the store, encrypted, and `previous_response_id`, `GET` and `DELETE` work on every replica. Without it
only references to single items of recent answers are followed, from the memory of this process: some clients send nothing else, though
they never asked for anything to be kept. A client that says `store: false` has nothing kept.

What is found is written into the request before anything else looks at it, so that it can go to any target. What is not found stays as it
is: an upstream that speaks the protocol may know it.
"""

import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from time import time
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from ..hub.errors import ApiError
from ..protocols.openai_responses.kept import Item, Kept, finished, input_items, output_ids, refers_to, written_out
from ..protocols.relay import parse
from ..store.base import Responses, StoreError
from ..store.records import KeptResponse
from .vault import Unreadable, Vault

log = structlog.get_logger("gateway")

MEMORY_BYTES = 64 * 1024 * 1024
MEMORY_S = 3600.0

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(Kept).decode


class KeptStore(Struct, frozen=True):
    """Where `responses.keep` keeps answers, how long, and what encrypts them."""

    responses: Responses
    vault: Vault
    ttl_s: float


class _Remembered(Struct, frozen=True):
    scope: str
    until_s: float
    packed: bytes
    item_ids: tuple[str, ...]


class Recent:
    """Answers of the last hour, by the ids of their items; the oldest go when there are too many bytes."""

    def __init__(self, max_bytes: int = MEMORY_BYTES) -> None:
        self._answers: OrderedDict[str, _Remembered] = OrderedDict()
        self._holding: dict[tuple[str, str], str] = {}
        self._bytes = 0
        self._max_bytes = max_bytes

    def put(self, scope: str, response_id: str, packed: bytes, item_ids: Sequence[str], now_s: float) -> None:
        """Remember one."""
        self._drop(response_id)
        self._answers[response_id] = _Remembered(scope, now_s + MEMORY_S, packed, tuple(item_ids))
        self._bytes += len(packed)
        for item_id in item_ids:
            self._holding[scope, item_id] = response_id
        while self._answers and (self._bytes > self._max_bytes or next(iter(self._answers.values())).until_s <= now_s):
            self._drop(next(iter(self._answers)))

    def holding(self, scope: str, item_ids: Sequence[str], now_s: float) -> list[bytes]:
        """Those that hold any of these items."""
        found = dict.fromkeys(self._holding[scope, item_id] for item_id in item_ids if (scope, item_id) in self._holding)
        return [kept.packed for response_id in found if (kept := self._answers[response_id]).until_s > now_s]

    def _drop(self, response_id: str) -> None:
        gone = self._answers.pop(response_id, None)
        if gone is not None:
            self._bytes -= len(gone.packed)
            for item_id in gone.item_ids:
                if self._holding.get((gone.scope, item_id)) == response_id:
                    del self._holding[gone.scope, item_id]


class KeptResponses:
    """Both places. `store` None: only the memory. `clock` gives Unix seconds."""

    def __init__(self, store: KeptStore | None, clock: Callable[[], float] = time) -> None:
        self._store = store
        self._recent = Recent()
        self._clock = clock

    @property
    def keeps(self) -> bool:
        """Whether whole answers are kept."""
        return self._store is not None

    async def write_out(self, scope: str, body: bytes) -> bytes:
        """A request's body with what it refers to, and is kept here, put into it."""
        if b'"previous_response_id"' not in body and b'"item_reference"' not in body:
            return body
        asked = parse(body)
        previous, item_ids = refers_to(asked)
        before = await self._one(scope, previous) if previous is not None else None
        items = await self._items(scope, item_ids)
        return _encode(written_out(asked, before, items)) if before is not None or items else body

    async def keep(self, scope: str, asked: Any, sent: bytes) -> None:
        """Keep the finished answer in what is about to be sent, where the client did not say otherwise. `asked` is the request's JSON."""
        if asked.get("store") is False:
            return
        answer = finished(sent)
        if answer is None or not isinstance(answer.get("id"), str):
            return
        output = answer.get("output") or []
        packed = zlib.compress(_encode(Kept(input_items(asked), output, answer)), 1)
        response_id, ids, now_s = answer["id"], output_ids(output), self._clock()
        if self._store is None:
            self._recent.put(scope, response_id, packed, ids, now_s)
            return
        sealed = self._store.vault.close(packed, f"{scope}/{response_id}")
        kept = KeptResponse(id=response_id, scope=scope, created_s=now_s, expires_s=now_s + self._store.ttl_s, sealed=sealed)
        try:
            await self._store.responses.put(kept, ids)
        except StoreError as error:
            log.error("answer not kept", response_id=response_id, error=str(error))

    async def show(self, scope: str, response_id: str) -> Item:
        """The answer as its client got it. Raises `ApiError(not_found)`."""
        return (await self._required(scope, response_id)).body

    async def shown_input(self, scope: str, response_id: str) -> list[Item]:
        """The items it answered. Raises `ApiError(not_found)`."""
        return (await self._required(scope, response_id)).input

    async def forget(self, scope: str, response_id: str) -> None:
        """Delete one. Raises `ApiError(not_found)`."""
        if self._store is None or not await _away(self._store.responses.delete(scope, response_id)):
            raise _not_found(response_id, self.keeps)

    async def _required(self, scope: str, response_id: str) -> Kept:
        found = await self._one(scope, response_id)
        if found is None:
            raise _not_found(response_id, self.keeps)
        return found

    async def _one(self, scope: str, response_id: str) -> Kept | None:
        if self._store is None:
            return None
        found = await _away(self._store.responses.get(scope, response_id, self._clock()))
        return None if found is None else self._opened(found)

    async def _items(self, scope: str, item_ids: Sequence[str]) -> dict[str, Item]:
        if not item_ids:
            return {}
        now_s = self._clock()
        if self._store is None:
            found = [_unpacked(packed) for packed in self._recent.holding(scope, item_ids, now_s)]
        else:
            rows = await _away(self._store.responses.holding(scope, item_ids, now_s))
            found = [kept for row in rows if (kept := self._opened(row)) is not None]
        return {item["id"]: item for kept in found for item in kept.output if item.get("id") in item_ids}

    def _opened(self, row: KeptResponse) -> Kept | None:
        assert self._store is not None
        try:
            return _unpacked(self._store.vault.open(row.sealed, f"{row.scope}/{row.id}"))
        except Unreadable as error:
            log.warning("kept answer unreadable", response_id=row.id, error=str(error))
            return None


def _unpacked(packed: bytes) -> Kept:
    return _decode(zlib.decompress(packed))


async def _away(asked: Any) -> Any:
    """What the store says; its absence as an error for the client."""
    try:
        return await asked
    except StoreError as error:
        log.warning("store away", error=str(error))
        raise ApiError("overloaded", "the store of kept answers is away; try again in a moment", status=503, retry_after_s=5.0) from error


def _not_found(response_id: str, keeps: bool) -> ApiError:
    why = "" if keeps else ". This gateway keeps none: the setting `responses.keep` turns that on"
    return ApiError("not_found", f"Response with id '{response_id}' not found{why}", path="response_id")
