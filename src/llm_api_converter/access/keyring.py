"""API keys, from the store through a small cache.

A key that is in the cache costs one look-up. Every second the store is asked which keys have changed; those are dropped from the cache, so
that a revoked key stops within two seconds everywhere. While the store is away, what is in the cache goes on for `offline_s` seconds after
the store was last heard of; a key that is not in the cache cannot be judged then, and its caller is told to come back.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import time
from typing import NamedTuple

import structlog
from cachetools import LRUCache

from ..hub.errors import ApiError
from ..observe.tasks import background, stopped
from ..store.base import Keys, StoreError
from ..store.records import KeyRecord
from .principal import Principal, principal_of

log = structlog.get_logger("gateway")

WATCH_S = 1.0
UNKNOWN_S = 1.0
"""How long a key that is nobody's is not looked up again."""
CACHED = 10_000
RETRY_AFTER_S = 5.0

WRONG = (
    "this API key is not one of this gateway's. Use the gateway's own key (MASTER_API_KEY, or the file the gateway named at its "
    "start, or one made with `llm-api-converter keys create`), not a provider's. Trying again will not help"
)


class _Entry(NamedTuple):
    principal: Principal
    record: KeyRecord


class KeyRing:
    """Finds the caller of a key's digest. `team_models` are the settings' allow-lists of teams; `clock` gives Unix seconds."""

    def __init__(
        self, keys: Keys, *, team_models: Mapping[str, tuple[str, ...] | None], offline_s: float, clock: Callable[[], float] = time
    ) -> None:
        self._keys = keys
        self._team_models = team_models
        self._offline_s = offline_s
        self._clock = clock
        self._entries: dict[bytes, _Entry] = {}
        self._unknown: LRUCache[bytes, float] = LRUCache(CACHED)
        self._mark = -1
        self._heard_s = 0.0
        self._changes = 0
        self._watching: asyncio.Task[None] | None = None

    def known(self, digest: bytes) -> Principal | None:
        """The caller, from the cache; None: ask `find`. Raises `ApiError` for a key that is no longer good."""
        entry = self._entries.get(digest)
        now_s = self._clock()
        if entry is None or now_s - self._heard_s > self._offline_s:
            return None
        return _good(entry, digest, now_s)

    async def find(self, digest: bytes) -> Principal:
        """The caller, from the store. Raises `ApiError`: unauthenticated, or overloaded where the store is away."""
        now_s = self._clock()
        if self._unknown.get(digest, 0.0) > now_s:
            raise ApiError("unauthenticated", WRONG)
        while True:
            changes = self._changes
            try:
                record = await self._keys.by_digest(digest)
            except StoreError as error:
                log.warning("key store away", error=str(error))
                raise ApiError(
                    "overloaded", "the store of API keys is away, and this key is not known here yet; try again in a moment",
                    status=503, retry_after_s=RETRY_AFTER_S,
                ) from error
            if changes == self._changes:
                break
        if record is None:
            self._unknown[digest] = now_s + UNKNOWN_S
            raise ApiError("unauthenticated", WRONG)
        entry = _Entry(principal_of(record, self._team_models.get(record.team or "")), record)
        if len(self._entries) >= CACHED:
            del self._entries[next(iter(self._entries))]
        self._entries[digest] = entry
        if self._watching is None:
            self._heard_s = now_s
        return _good(entry, digest, now_s)

    def start(self) -> None:
        """Watch for changes from now on."""
        self._watching = background(self._watch())

    async def stop(self) -> None:
        """Watch no more."""
        await stopped((self._watching,))
        self._watching = None

    async def _watch(self) -> None:
        away = False
        while True:
            try:
                await self.refresh()
                away = False
            except StoreError as error:
                if not away:
                    log.warning("key store away", error=str(error), known_keys_go_on_for_s=self._offline_s)
                away = True
            await asyncio.sleep(WATCH_S)

    async def refresh(self) -> None:
        """Ask once what has changed, and drop it. Raises StoreError."""
        self._mark, changed = await self._keys.changed_since(self._mark)
        self._heard_s = self._clock()
        if changed:
            self._changes += 1
            self._unknown.clear()
            for digest in [digest for digest, entry in self._entries.items() if entry.record.id in changed]:
                del self._entries[digest]


def _good(entry: _Entry, digest: bytes, now_s: float) -> Principal:
    record = entry.record
    if record.revoked_s is not None:
        raise ApiError("unauthenticated", f"this API key (`{record.name}`) was revoked on {day(record.revoked_s)}. Ask for a new one")
    if record.expires_s is not None and record.expires_s <= now_s:
        raise ApiError("unauthenticated", f"this API key (`{record.name}`) expired on {day(record.expires_s)}. Ask for a new one")
    if digest != record.digest and (record.old_until_s or 0.0) <= now_s:
        raise ApiError(
            "unauthenticated",
            f"this API key (`{record.name}`) was replaced, and the old one ended on {day(record.old_until_s or 0.0)}. Use the new one",
        )
    return entry.principal


def day(at_s: float) -> str:
    """`2026-11-24 09:30 UTC`."""
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M UTC")
