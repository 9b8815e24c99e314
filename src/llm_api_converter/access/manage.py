"""What administrators do to keys. A key is shown once, when it is made; what is kept of it is a digest."""

from collections.abc import Callable
from secrets import token_hex
from time import time
from typing import Any

from msgspec.structs import replace

from ..store.base import Conflict, Keys
from ..store.records import KeyRecord
from .credentials import HINT_LENGTH, digest_of, make_key
from .spec import KeyChange, KeySpec

TRIES = 5


class NoSuchKey(Exception):
    """There is no key with this id (or, where names are taken, of this name)."""


class KeyManager:
    """Keys of one store. `clock` gives Unix seconds."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = time) -> None:
        self._keys = keys
        self._clock = clock

    async def create(self, spec: KeySpec) -> tuple[KeyRecord, str]:
        """The record and the key itself, which is not to be had again."""
        key = make_key()
        record = KeyRecord(
            id="key_" + token_hex(8), digest=digest_of(key.encode()), hint=key[-HINT_LENGTH:], created_s=self._clock(), **spec.fields()
        )
        await self._keys.create(record)
        return record, key

    async def show(self, key_id: str) -> KeyRecord:
        """Raises NoSuchKey."""
        record = await self._keys.get(key_id)
        if record is None:
            raise NoSuchKey(f"there is no key with the id {key_id!r}; `keys list` shows them")
        return record

    async def update(self, key_id: str, change: KeyChange) -> KeyRecord:
        """Change what was said in `change`."""
        return await self._change(key_id, lambda record: change.fields())

    async def rotate(self, key_id: str, grace_s: float) -> tuple[KeyRecord, str]:
        """A new key in the place of the old one, which stays good for `grace_s` seconds."""
        key = make_key()

        def fields(record: KeyRecord) -> dict[str, Any]:
            return {
                "digest": digest_of(key.encode()), "hint": key[-HINT_LENGTH:],
                "old_digest": record.digest, "old_until_s": self._clock() + grace_s,
            }

        return await self._change(key_id, fields), key

    async def revoke(self, key_id: str) -> KeyRecord:
        """The key stops; its record stays."""
        return await self._change(key_id, lambda record: {"revoked_s": record.revoked_s or self._clock()})

    async def _change(self, key_id: str, fields: Callable[[KeyRecord], dict[str, Any]]) -> KeyRecord:
        for left in reversed(range(TRIES)):
            record = await self.show(key_id)
            changed = replace(record, version=record.version + 1, **fields(record))
            try:
                await self._keys.replace(changed)
            except Conflict:
                if not left:
                    raise
                continue
            return changed
        raise AssertionError


def shown(record: KeyRecord) -> dict[str, Any]:
    """A key as people and programs see it: everything but its digests."""
    return {
        "id": record.id, "name": record.name, "hint": "..." + record.hint, "owner": record.owner, "team": record.team,
        "tags": dict(record.tags), "models": record.models, "protocols": record.protocols, "addresses": record.addresses,
        "limits": record.limits, "budget": record.budget, "on_loss": dict(record.on_loss), "created_s": record.created_s,
        "expires_s": record.expires_s, "revoked_s": record.revoked_s, "old_until_s": record.old_until_s, "version": record.version,
    }
