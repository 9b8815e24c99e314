"""What is asked of a store: six narrow interfaces, named by their use. `tests/store/test_contract.py` is their meaning, run against each.

Every method may raise `StoreError` (the engine is away or refuses); nothing else leaves a store. A conflict of versions, or a name that is
taken, is `Conflict`; what does not exist is None or False, never an error. Times come from the caller, so that a store has no clock.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from .records import (
    AuditEntry,
    AuditFilter,
    GroupBy,
    KeptResponse,
    KeyRecord,
    Period,
    StoredModel,
    UsageFilter,
    UsageRow,
    UsageTotal,
)

T = TypeVar("T")


class StoreError(Exception):
    """The store is away, refuses, or has no tables yet. The message says which, and holds no secret."""


class Conflict(StoreError):
    """What was to be made exists, or what was to be changed has been changed by somebody else."""


class BadCursor(StoreError):
    """A cursor that is not one of a page of this list."""


class Page(Struct, Generic[T], frozen=True):
    """Some of what was asked for, newest first; `cursor` asks for the next ones, None: there are no more. Cursors are opaque text."""

    items: tuple[T, ...]
    cursor: str | None = None


class Keys(Protocol):
    """API keys, found by the digest of the key."""

    async def create(self, record: KeyRecord) -> None:
        """Raises Conflict where the id or a digest is taken."""

    async def by_digest(self, digest: bytes) -> KeyRecord | None:
        """The record whose current or old digest this is; whether it is still good is for the caller to judge."""

    async def get(self, key_id: str) -> KeyRecord | None:
        """By its id."""

    async def list(self, *, team: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[KeyRecord]:
        """Newest first."""

    async def replace(self, record: KeyRecord) -> None:
        """Put the record in the place of the one of its id whose version is one lower. Raises Conflict where that is not there."""

    async def changed_since(self, mark: int) -> tuple[int, frozenset[str]]:
        """(new mark, ids changed after `mark`): cheap, asked every second by each worker. A negative mark: the present one, no ids."""


class UsageLog(Protocol):
    """Calls and what they cost."""

    async def add(self, rows: Sequence[UsageRow]) -> int:
        """Write the rows that are not there yet, with their sums for `spent`; how many were new. All or none of them; on DynamoDB that
        holds for each hundred writes, and adding again what failed is right there as well."""

    async def rows(self, which: UsageFilter, *, cursor: str | None = None, limit: int = 100) -> Page[UsageRow]:
        """Newest first."""

    async def totals(self, which: UsageFilter, by: tuple[GroupBy, ...] = ()) -> list[UsageTotal]:
        """Added up by groups, sorted by group; without groups one total."""

    async def spent(self, scope: str, period: Period, at_s: float) -> Decimal:
        """US dollars of `key:ID` or `team:NAME` in the day or month (UTC) of `at_s`, or in all."""

    async def forget(self, before_s: float) -> int:
        """Delete rows older than this (their sums stay); how many."""


class Continuations(Protocol):
    """Sealed reasoning of calls whose client cannot carry it; keyed by the owner's scope and the call's id. Expired ones are not found."""

    async def put(self, scope: str, call_ids: Sequence[str], sealed: bytes, expires_s: float) -> None:
        """One value under each of the ids."""

    async def get(self, scope: str, call_ids: Sequence[str], now_s: float) -> dict[str, bytes]:
        """Those that are there."""

    async def sweep(self, now_s: float) -> int:
        """Delete what has expired; how many. DynamoDB does so by itself, and this does nothing there."""


class Responses(Protocol):
    """Answers of the Responses protocol that clients asked to keep, and the items in them."""

    async def put(self, kept: KeptResponse, item_ids: Sequence[str]) -> None:
        """Keep one; `item_ids` are found by `holding`."""

    async def get(self, scope: str, response_id: str, now_s: float) -> KeptResponse | None:
        """One that is this scope's and has not expired."""

    async def holding(self, scope: str, item_ids: Sequence[str], now_s: float) -> list[KeptResponse]:
        """Those that hold any of these items, each once."""

    async def delete(self, scope: str, response_id: str) -> bool:
        """Whether there was one."""

    async def sweep(self, now_s: float) -> int:
        """Delete what has expired; how many. DynamoDB does so by itself, and this does nothing there."""


class Audit(Protocol):
    """What was done, in order; nothing in it is ever changed."""

    async def append(self, entries: Sequence[AuditEntry]) -> None:
        """Add; an id that is there already is left as it is."""

    async def query(self, which: AuditFilter, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]:
        """Newest first."""

    async def rotate(self, before_s: float) -> int:
        """Delete entries older than this; how many."""


class Models(Protocol):
    """Model names added at run time."""

    async def list(self) -> list[StoredModel]:
        """All, by name."""

    async def put(self, model: StoredModel) -> None:
        """Make it (version 1) or put it in the place of the one whose version is one lower. Raises Conflict where that is not so."""

    async def delete(self, name: str) -> bool:
        """Whether there was one."""


class Store(Protocol):
    """One engine: its six interfaces, and its life."""

    @property
    def keys(self) -> Keys:
        """Its Keys."""

    @property
    def usage(self) -> UsageLog:
        """Its UsageLog."""

    @property
    def continuations(self) -> Continuations:
        """Its Continuations."""

    @property
    def responses(self) -> Responses:
        """Its Responses."""

    @property
    def audit(self) -> Audit:
        """Its Audit."""

    @property
    def models(self) -> Models:
        """Its Models."""

    async def open(self) -> None:
        """Connect. SQLite makes or updates its own tables; elsewhere old or missing tables are a StoreError with the command to run."""

    async def migrate(self) -> list[str]:
        """Make or update the tables; what was done, a line each."""

    async def ping(self) -> None:
        """Raises StoreError where the engine does not answer within a second or two."""

    async def close(self) -> None:
        """Give connections back. Safe to call twice."""
