"""API keys in SQL."""

import msgspec
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ..base import Conflict, Page
from ..records import KeyRecord
from .engine import Database, again
from .paging import after, cursor_of
from .tables import counters, key_digests, keys

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(KeyRecord).decode


class SqlKeys:
    """`Keys`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    async def create(self, record: KeyRecord) -> None:
        async with self._db.write() as tx:
            await tx.execute(keys.insert().values(**_columns(record), changed=await self._count(tx)))
            await self._put_digests(tx, record)

    async def by_digest(self, digest: bytes) -> KeyRecord | None:
        async with self._db.read() as connection:
            found = await connection.execute(
                select(keys.c.data).join(key_digests, key_digests.c.key_id == keys.c.id).where(key_digests.c.digest == digest)
            )
            data = found.scalar_one_or_none()
        return None if data is None else _decode(data)

    async def get(self, key_id: str) -> KeyRecord | None:
        async with self._db.read() as connection:
            data = (await connection.execute(select(keys.c.data).where(keys.c.id == key_id))).scalar_one_or_none()
        return None if data is None else _decode(data)

    async def list(self, *, team: str | None = None, cursor: str | None = None, limit: int = 100) -> Page[KeyRecord]:
        asked = select(keys.c.data, keys.c.created_s, keys.c.id).order_by(keys.c.created_s.desc(), keys.c.id.desc()).limit(limit + 1)
        if team is not None:
            asked = asked.where(keys.c.team == team)
        if cursor is not None:
            asked = asked.where(after(cursor, keys.c.created_s, keys.c.id))
        async with self._db.read() as connection:
            found = (await connection.execute(asked)).all()
        more = cursor_of(found[limit - 1].created_s, found[limit - 1].id) if len(found) > limit else None
        return Page(tuple(_decode(row.data) for row in found[:limit]), more)

    @again
    async def replace(self, record: KeyRecord) -> None:
        async with self._db.write() as tx:
            done = await tx.execute(
                update(keys).where(keys.c.id == record.id, keys.c.version == record.version - 1)
                .values(**_columns(record), changed=await self._count(tx))
            )  # fmt: skip
            if done.rowcount != 1:
                raise Conflict(f"the key {record.id} is not there, or was changed by somebody else")
            await tx.execute(delete(key_digests).where(key_digests.c.key_id == record.id))
            await self._put_digests(tx, record)

    async def changed_since(self, mark: int) -> tuple[int, frozenset[str]]:
        async with self._db.read() as connection:
            if mark < 0:
                newest = (await connection.execute(select(func.max(keys.c.changed)))).scalar_one_or_none()
                return int(newest or 0), frozenset()
            found = (await connection.execute(select(keys.c.id, keys.c.changed).where(keys.c.changed > mark))).all()
        return max((row.changed for row in found), default=mark), frozenset(row.id for row in found)

    async def _count(self, tx: AsyncConnection) -> int:
        """The number of this change; changes are numbered one after another, for the row is locked until the transaction ends."""
        statement = self._db.insert(counters).values(name="keys", value=1)
        counted = await tx.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + 1}).returning(counters.c.value)
        )
        return int(counted.scalar_one())

    async def _put_digests(self, tx: AsyncConnection, record: KeyRecord) -> None:
        digests = {record.digest, *((record.old_digest,) if record.old_digest is not None else ())}
        await tx.execute(key_digests.insert(), [{"digest": digest, "key_id": record.id} for digest in digests])


def _columns(record: KeyRecord) -> dict[str, object]:
    return {
        "id": record.id, "team": record.team, "created_s": record.created_s, "version": record.version, "data": _encode(record).decode()
    }
