"""Deleting what is old, some at a time: nobody waits long for the lock of SQLite's file, and no statement runs into PostgreSQL's bound."""

from sqlalchemy import ColumnElement, Table, delete, select

from .engine import Database, again

SLICE = 20_000
"""Rows of one transaction: a quarter of a second."""


async def delete_old(database: Database, table: Table, condition: ColumnElement[bool]) -> int:
    """Delete the rows (of a table with an `id`) that the condition is true of; how many."""
    count = 0
    while True:
        deleted = await _delete_some(database, table, condition)
        count += deleted
        if deleted < SLICE:
            return count


@again
async def _delete_some(database: Database, table: Table, condition: ColumnElement[bool]) -> int:
    some = select(table.c.id).where(condition).limit(SLICE)
    async with database.write() as tx:
        return (await tx.execute(delete(table).where(table.c.id.in_(some)))).rowcount
