"""Kept state in SQL: continuations and answers of the Responses protocol, both sealed before they come here."""

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import delete, select, tuple_

from ..base import StoreError
from ..records import KeptResponse
from .engine import Database, again
from .tables import continuations, response_items, responses

LONGEST = 1000
"""Bytes of an id that is kept as it is: PostgreSQL's indexes take 2,700, and some clients put a signature of kilobytes into an id."""
NUL = "\0"
"""PostgreSQL's text has none, JSON's may."""


def name_of(client_id: str) -> str:
    """An id that a client may have made as it likes, as it stands in a table: the same one, or its digest."""
    said = client_id.encode()
    return client_id if len(said) <= LONGEST and NUL not in client_id else f"sha256:{sha256(said).hexdigest()}"


class SqlContinuations:
    """`Continuations`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    async def put(self, scope: str, call_ids: Sequence[str], sealed: bytes, expires_s: float) -> None:
        if not call_ids:
            return
        names = sorted({name_of(call_id) for call_id in call_ids})
        values = [{"scope": scope, "call_id": name, "sealed": sealed, "expires_s": expires_s} for name in names]
        statement = self._db.insert(continuations).values(values)
        fresh = {name: statement.excluded[name] for name in ("sealed", "expires_s")}
        async with self._db.write() as tx:
            await tx.execute(statement.on_conflict_do_update(index_elements=["scope", "call_id"], set_=fresh))

    async def get(self, scope: str, call_ids: Sequence[str], now_s: float) -> dict[str, bytes]:
        names = {name_of(call_id): call_id for call_id in call_ids}
        asked = select(continuations.c.call_id, continuations.c.sealed).where(
            continuations.c.scope == scope, continuations.c.call_id.in_(names), continuations.c.expires_s > now_s
        )
        async with self._db.read() as connection:
            return {names[row.call_id]: row.sealed for row in (await connection.execute(asked)).all()}

    @again
    async def sweep(self, now_s: float) -> int:
        async with self._db.write() as tx:
            return (await tx.execute(delete(continuations).where(continuations.c.expires_s <= now_s))).rowcount


class SqlResponses:
    """`Responses`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    async def put(self, kept: KeptResponse, item_ids: Sequence[str]) -> None:
        if name_of(kept.id) != kept.id:
            raise StoreError(f"a response whose id is longer than {LONGEST} bytes, or holds NUL, is not kept")
        row = {
            "scope": kept.scope, "id": kept.id, "created_s": kept.created_s, "expires_s": kept.expires_s, "sealed": kept.sealed
        }
        statement = self._db.insert(responses).values(row)
        async with self._db.write() as tx:
            await tx.execute(statement.on_conflict_do_update(index_elements=["scope", "id"], set_=row))
            for name in sorted({name_of(item_id) for item_id in item_ids}):
                held = {"scope": kept.scope, "item_id": name, "response_id": kept.id}
                item = self._db.insert(response_items).values(held)
                await tx.execute(item.on_conflict_do_update(index_elements=["scope", "item_id"], set_=held))

    async def get(self, scope: str, response_id: str, now_s: float) -> KeptResponse | None:
        asked = select(responses).where(responses.c.scope == scope, responses.c.id == name_of(response_id), responses.c.expires_s > now_s)
        async with self._db.read() as connection:
            row = (await connection.execute(asked)).mappings().one_or_none()
        return None if row is None else KeptResponse(**row)

    async def holding(self, scope: str, item_ids: Sequence[str], now_s: float) -> list[KeptResponse]:
        names = {name_of(item_id) for item_id in item_ids}
        held = select(response_items.c.response_id).where(response_items.c.scope == scope, response_items.c.item_id.in_(names))
        asked = select(responses).where(responses.c.scope == scope, responses.c.id.in_(held), responses.c.expires_s > now_s)
        async with self._db.read() as connection:
            found = (await connection.execute(asked.order_by(responses.c.created_s))).mappings().all()
        return [KeptResponse(**row) for row in found]

    @again
    async def delete(self, scope: str, response_id: str) -> bool:
        name = name_of(response_id)
        async with self._db.write() as tx:
            await tx.execute(delete(response_items).where(response_items.c.scope == scope, response_items.c.response_id == name))
            done = await tx.execute(delete(responses).where(responses.c.scope == scope, responses.c.id == name))
            return done.rowcount > 0

    @again
    async def sweep(self, now_s: float) -> int:
        gone = select(responses.c.scope, responses.c.id).where(responses.c.expires_s <= now_s)
        async with self._db.write() as tx:
            await tx.execute(delete(response_items).where(tuple_(response_items.c.scope, response_items.c.response_id).in_(gone)))
            return (await tx.execute(delete(responses).where(responses.c.expires_s <= now_s))).rowcount
