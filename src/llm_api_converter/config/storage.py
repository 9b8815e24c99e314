"""Where the store is, from the variables that say it together: `STORAGE_BACKEND`, `DATABASE_URL`, `DYNAMODB_...`."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

BACKENDS = ("sqlite", "postgres", "postgresql", "dynamodb")
_TABLE = ("DYNAMODB_", "_TABLE")


class Said(NamedTuple):
    """The store's URL and the tables' own names as the environment says them, and what is wrong or unused in that."""

    url: str | None
    tables: dict[str, str]
    errors: list[str]
    notes: list[str]


def from_environment(env: Mapping[str, str]) -> Said:
    """`STORAGE_BACKEND` decides which of the other variables are read; those that are not are noted."""
    backend = env.get("STORAGE_BACKEND", "").strip().lower()
    database = env.get("DATABASE_URL", "").strip()
    said = {name: value.strip() for name, value in env.items() if _is_table(name) and value.strip()}
    tables = {name[len(_TABLE[0]):-len(_TABLE[1])].lower(): value for name, value in said.items()}
    dynamodb = [name for name in env if name == "DYNAMODB_ENDPOINT_URL" or _is_table(name)]
    if backend and backend not in BACKENDS:
        return Said(None, {}, [f"STORAGE_BACKEND: expected sqlite, postgres or dynamodb, not {backend!r}"], [])
    notes, errors, url = [], [], None
    if backend == "dynamodb":
        region = env.get("AWS_REGION", "").strip() or "us-east-1"
        endpoint = env.get("DYNAMODB_ENDPOINT_URL", "").strip()
        url = f"dynamodb://{quote(region)}" + (f"?{urlencode({'endpoint': endpoint})}" if endpoint else "")
    elif backend.startswith("postgres"):
        if not database:
            errors.append("DATABASE_URL: required with STORAGE_BACKEND=postgres")
        elif not database.startswith(("postgres://", "postgresql://")):
            errors.append("DATABASE_URL: expected postgresql://USER:PASSWORD@HOST/NAME")
        else:
            url = "postgresql://" + database.partition("://")[2]
    elif backend == "sqlite" and database.startswith("sqlite:///"):
        url = database
    elif database:
        notes.append("DATABASE_URL is set but not used: it is read with STORAGE_BACKEND=postgres")
    if backend != "dynamodb":
        notes += [f"{name} is set but not used: it is read with STORAGE_BACKEND=dynamodb" for name in dynamodb]
        tables = {}
    return Said(url, tables, errors, notes)


def _is_table(name: str) -> bool:
    return name.startswith(_TABLE[0]) and name.endswith(_TABLE[1]) and len(name) > len("".join(_TABLE))
