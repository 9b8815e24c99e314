"""Calls and what they cost, in SQL."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cache, partial
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import ColumnElement, case, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ..base import Page
from ..records import GroupBy, Period, UsageFilter, UsageRow, UsageTotal
from ..sums import NOTHING, PERIODS, costs, is_unpriced, periods
from .engine import Database, again
from .old import delete_old
from .paging import after, cursor_of
from .tables import joined_money, spent, split_money, usage


class _Rest(Struct, omit_defaults=True):
    """What of a record has no column of its own: the JSON in `data`. Records of the first version have all of it there."""

    request_id: str
    operation: str
    route: str | None = None
    upstream_protocol: str | None = None
    stream: bool = False
    error: str | None = None
    tries: int = 1
    raw: str | None = None
    price: str | None = None
    latency_s: float = 0.0
    first_s: float | None = None
    losses: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Rest).decode

_SUMMED = ("input_total", "output_total", "cache_read", "cache_write", "reasoning")
BATCH = 50
"""Rows of one statement."""
ASKED = 500
"""Ids of one question: SQLite of old takes 999 values."""


class SqlUsage:
    """`UsageLog`."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @again
    async def add(self, rows: Sequence[UsageRow]) -> int:
        if not rows:
            return 0
        known = {row.id: row for row in rows}
        if self._db.is_sqlite:
            return await self._db.straight(partial(_put_straight, known, _flat(list(known.values())), _sums(known.values())))
        async with self._db.write() as tx:
            new = await self._put(tx, known)
            if sums := _sums([known[row_id] for row_id in new]):
                await tx.execute(text(_ADD_UP), sums)
        return len(new)

    async def _put(self, tx: AsyncConnection, known: Mapping[str, UsageRow]) -> list[str]:
        """Write those that are not there; their ids."""
        new: list[str] = []
        ordered = sorted(known)  # one order for all, so that two writers of the same rows wait for each other instead of crossing
        for start in range(0, len(ordered), BATCH):
            values = [dict(zip(_NAMES, _values(known[row_id]), strict=True)) for row_id in ordered[start : start + BATCH]]
            statement = self._db.insert(usage).values(values).on_conflict_do_nothing(index_elements=["id"]).returning(usage.c.id)
            new += (await tx.execute(statement)).scalars().all()
        return new

    async def rows(self, which: UsageFilter, *, cursor: str | None = None, limit: int = 100) -> Page[UsageRow]:
        asked = select(usage).where(*_conditions(which))
        if cursor is not None:
            asked = asked.where(after(cursor, usage.c.at_s, usage.c.id))
        async with self._db.read() as connection:
            found = (await connection.execute(asked.order_by(usage.c.at_s.desc(), usage.c.id.desc()).limit(limit + 1))).all()
        more = cursor_of(found[limit - 1].at_s, found[limit - 1].id) if len(found) > limit else None
        return Page(tuple(map(_row, found[:limit])), more)

    async def totals(self, which: UsageFilter, by: tuple[GroupBy, ...] = ()) -> list[UsageTotal]:
        groups = [usage.c[name] for name in by]
        asked = select(
            *groups, func.count().label("requests"), func.sum(case((usage.c.failed, 1), else_=0)).label("errors"),
            *(func.sum(usage.c[name]).label(name) for name in _SUMMED),
            func.sum(usage.c.cost_usd).label("cost_usd"), func.sum(usage.c.cost_pico).label("cost_pico"),
            func.sum(usage.c.unpriced).label("unpriced"),
        ).where(*_conditions(which)).group_by(*groups)  # fmt: skip
        async with self._db.read() as connection:
            found = (await connection.execute(asked)).all()
        totals = [_total(row, len(by)) for row in found if by or row.requests]
        return sorted(totals or ([] if by else [NOTHING]), key=lambda total: [value or "" for value in total.group])

    async def spent(self, scope: str, period: Period, at_s: float) -> Decimal:
        name = periods(at_s)[PERIODS.index(period)]
        async with self._db.read() as connection:
            asked = select(spent.c.cost_usd, spent.c.cost_pico).where(spent.c.scope == scope, spent.c.period == name)
            row = (await connection.execute(asked)).one_or_none()
        return Decimal(0) if row is None else joined_money(row.cost_usd, row.cost_pico)

    async def forget(self, before_s: float) -> int:
        return await delete_old(self._db, usage, usage.c.at_s < before_s)


def _values(row: UsageRow) -> tuple[Any, ...]:
    """Its columns, in the table's order."""
    (
        row_id, at_s, request_id, operation, protocol, model, status, key_id, key_name, owner, team, route, provider, upstream_model,
        upstream_protocol, stream, error, tries, input_total, output_total, cache_read, cache_write, reasoning, raw, cost_usd, price,
        latency_s, first_s, losses,
    ) = structs.astuple(row)  # fmt: skip
    day, month, _ = periods(at_s)
    usd, pico = (None, None) if cost_usd is None else split_money(cost_usd)
    rest = _Rest(
        request_id, operation, route, upstream_protocol, stream, error, tries, raw, price, latency_s, first_s, losses
    )
    return (
        row_id, at_s, day, month, key_id, key_name, owner, team, model, provider, upstream_model, protocol, status, status >= 400,
        input_total, output_total, cache_read, cache_write, reasoning, usd, pico, int(is_unpriced(row)), _encode(rest).decode(),
    )  # fmt: skip


def _row(found: Any) -> UsageRow:
    rest = _decode(found.data)
    return UsageRow(
        **{name: getattr(found, name) for name in _PLAIN}, **structs.asdict(rest),
        cost_usd=None if found.cost_pico is None else joined_money(found.cost_usd, found.cost_pico),
    )


_PLAIN = tuple(name for name in UsageRow.__struct_fields__ if name in usage.c and name != "cost_usd")
_NAMES = tuple(column.name for column in usage.columns)
_PLACES = f"({', '.join('?' * len(_NAMES))})"
_SIZES = (100, 10, 1)


@cache
def _insert(count: int) -> str:
    return f"INSERT OR IGNORE INTO usage ({', '.join(_NAMES)}) VALUES " + ", ".join([_PLACES] * count)


def _flat(rows: Sequence[UsageRow]) -> list[tuple[str, list[Any]]]:
    """Statements that write them. Many a statement: the driver lets other threads run once a statement, and taking turns costs more than
    a record does.
    """
    statements = []
    at = 0
    for size in _SIZES:
        while len(rows) - at >= size:
            values: list[Any] = []
            for row in rows[at : at + size]:
                values += _values(row)
            statements.append((_insert(size), values))
            at += size
    return statements


def _put_straight(
    known: Mapping[str, UsageRow], statements: Sequence[tuple[str, list[Any]]], sums: list[dict[str, Any]], connection: sqlite3.Connection
) -> int:
    """Write those that are not there, and add up what they cost; how many they are. Nearly always all are new, and `statements` and `sums`
    of all will do; where some are not, it is asked which.
    """
    connection.execute("SAVEPOINT rows")
    before = connection.total_changes
    for statement, values in statements:
        connection.execute(statement, values)
    if connection.total_changes - before < len(known):
        connection.execute("ROLLBACK TO rows")
        there: set[str] = set()
        ids = list(known)
        for start in range(0, len(ids), ASKED):
            some = ids[start : start + ASKED]
            asked = f"SELECT id FROM usage WHERE id IN ({', '.join('?' * len(some))})"
            there.update(row_id for (row_id,) in connection.execute(asked, some))
        known = {row_id: row for row_id, row in known.items() if row_id not in there}
        for statement, values in _flat(list(known.values())):
            connection.execute(statement, values)
        sums = _sums(known.values())
    connection.execute("RELEASE rows")
    connection.executemany(_ADD_UP, sums)
    return len(known)


_ADD_UP = (
    "INSERT INTO spent (scope, period, cost_usd, cost_pico) VALUES (:scope, :period, :cost_usd, :cost_pico) ON CONFLICT (scope, period) "
    "DO UPDATE SET cost_usd = spent.cost_usd + excluded.cost_usd, cost_pico = spent.cost_pico + excluded.cost_pico"
)
"""Of both engines."""


def _sums(rows: Iterable[UsageRow]) -> list[dict[str, Any]]:
    """What they add to `spent`."""
    found = []
    for (scope, period), amount in sorted(costs(rows).items()):
        usd, pico = split_money(amount)
        found.append({"scope": scope, "period": period, "cost_usd": usd, "cost_pico": pico})
    return found


def _conditions(which: UsageFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if which.since_s is not None:
        found.append(usage.c.at_s >= which.since_s)
    if which.until_s is not None:
        found.append(usage.c.at_s < which.until_s)
    for name in ("key_id", "team", "model", "provider"):
        value = getattr(which, name)
        if value is not None:
            found.append(usage.c[name] == value)
    return found


def _total(row: Any, groups: int) -> UsageTotal:
    sums = {name: int(getattr(row, name) or 0) for name in ("requests", "errors", *_SUMMED, "unpriced")}
    return UsageTotal(
        group=tuple(None if value is None else str(value) for value in row[:groups]),
        cost_usd=joined_money(row.cost_usd, row.cost_pico), **sums,
    )  # fmt: skip
