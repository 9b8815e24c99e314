"""Which tables a database has, and which this gateway needs: Alembic's bookkeeping, read without Alembic. Importing that takes a tenth of a
second and 10 MB in every worker, and only a change of tables (`upgrade`) needs it.
"""

import re
from functools import cache
from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, inspect, select

VERSIONS = Path(__file__).parent / "migrations" / "versions"
_NAME = re.compile(r"(\d{4})_\w+\.py")
_version = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


@cache
def known() -> tuple[str, ...]:
    """The revisions of this gateway, oldest first: the numbers its migrations' files begin with."""
    return tuple(sorted(match[1] for match in map(_NAME.fullmatch, (file.name for file in VERSIONS.iterdir())) if match))


def newest() -> str:
    """The revision this gateway needs."""
    return known()[-1]


def current(connection: Connection) -> str | None:
    """The database's own revision; None: it has no tables of a gateway."""
    if not inspect(connection).has_table(_version.name):
        return None
    found: str | None = connection.execute(select(_version.c.version_num)).scalar_one_or_none()
    return found


def behind(revision: str | None) -> str:
    """What is to be done about a database of another revision than the newest."""
    if revision is None:
        return "the database has no tables of this gateway yet: run `llm-api-converter migrate`"
    if revision not in known():
        return f"the database is of a newer gateway (its tables are of revision {revision}): update this one"
    return f"the tables are of revision {revision}, and this gateway needs {newest()}: run `llm-api-converter migrate`"
