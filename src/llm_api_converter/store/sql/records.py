"""The audit log and model names added at run time, in SQL."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import delete, select, update

from ..base import Conflict, Page
from ..records import AuditEntry, AuditFilter, StoredModel
from .engine import Database, again
from .old import delete_old
from .paging import after, cursor_of
from .tables import audit, models

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(AuditEntry).decode


class SqlAudit:
    """`Audit`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    async def append(self, entries: Sequence[AuditEntry]) -> None:
        if not entries:
            return
        values = [
            {"id": e.id, "at_s": e.at_s, "actor": e.actor, "action": e.action, "subject": e.subject, "data": _encode(e).decode()}
            for e in sorted(entries, key=lambda e: e.id)
        ]
        async with self._db.write() as tx:
            await tx.execute(self._db.insert(audit).on_conflict_do_nothing(index_elements=["id"]), values)

    async def query(self, which: AuditFilter, *, cursor: str | None = None, limit: int = 100) -> Page[AuditEntry]:
        asked = select(audit.c.data, audit.c.at_s, audit.c.id)
        if which.since_s is not None:
            asked = asked.where(audit.c.at_s >= which.since_s)
        if which.until_s is not None:
            asked = asked.where(audit.c.at_s < which.until_s)
        if which.actor is not None:
            asked = asked.where(audit.c.actor == which.actor)
        if which.subject is not None:
            asked = asked.where(audit.c.subject == which.subject)
        if which.action is not None:
            begins = which.action.removesuffix("*")
            like = audit.c.action.startswith(begins, autoescape=True) if which.action.endswith("*") else audit.c.action == begins
            asked = asked.where(like)
        if cursor is not None:
            asked = asked.where(after(cursor, audit.c.at_s, audit.c.id))
        async with self._db.read() as connection:
            found = (await connection.execute(asked.order_by(audit.c.at_s.desc(), audit.c.id.desc()).limit(limit + 1))).all()
        more = cursor_of(found[limit - 1].at_s, found[limit - 1].id) if len(found) > limit else None
        return Page(tuple(_decode(row.data) for row in found[:limit]), more)

    async def rotate(self, before_s: float) -> int:
        return await delete_old(self._db, audit, audit.c.at_s < before_s)


class SqlModels:
    """`Models`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def list(self) -> list[StoredModel]:
        async with self._db.read() as connection:
            found = (await connection.execute(select(models).order_by(models.c.name))).mappings().all()
        return [StoredModel(**row) for row in found]

    @again
    async def put(self, model: StoredModel) -> None:
        row = {"name": model.name, "entry": model.entry, "updated_s": model.updated_s, "version": model.version}
        async with self._db.write() as tx:
            if model.version == 1:
                await tx.execute(models.insert().values(row))
                return
            before = update(models).where(models.c.name == model.name, models.c.version == model.version - 1)
            if (await tx.execute(before.values(row))).rowcount != 1:
                raise Conflict(f"the model {model.name} is not there, or was changed by somebody else")

    @again
    async def delete(self, name: str) -> bool:
        async with self._db.write() as tx:
            return (await tx.execute(delete(models).where(models.c.name == name))).rowcount > 0
