"""From `dynamodb://REGION?prefix=...&endpoint=...` and `store.tables` to where the tables are and what they are called. Pure."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from ..base import StoreError

TABLES = ("api_keys", "usage", "spent", "continuations", "responses", "audit", "models")
"""What the tables are called in `store.tables` (and, in capitals, in `DYNAMODB_..._TABLE`), and behind the prefix in DynamoDB."""
PREFIX = "gateway-"
_NAME = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_REGION = re.compile(r"[a-z0-9-]{1,64}")
_OPTIONS = ("prefix", "endpoint")


class Address(Struct, frozen=True):
    """A region of AWS, or an endpoint that speaks its language; and DynamoDB's name of each of `TABLES`."""

    region: str
    endpoint: str | None
    tables: Mapping[str, str]


def read(url: str, tables: Mapping[str, str]) -> tuple[Address, list[str]]:
    """The address, and what is wrong with it; each problem names its setting."""
    parts = urlsplit(url)
    problems: list[str] = []
    if "@" in parts.netloc:
        problems.append("store.url: credentials do not belong into a dynamodb:// URL; they are looked up as AWS's own tools do")
    region = unquote(parts.netloc)
    if not problems and (not _REGION.fullmatch(region) or parts.path.strip("/")):
        problems.append("store.url: expected a region after dynamodb://, such as dynamodb://us-east-1?prefix=gateway-")
    options: dict[str, str] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in _OPTIONS:
            problems.append(f"store.url: no option {name!r} of dynamodb://{_near(name, _OPTIONS)}")
        elif name in options:
            problems.append(f"store.url: {name} is said twice")
        options[name] = value
    endpoint = options.get("endpoint") or None
    if endpoint is not None and not re.fullmatch(r"https?://[^/@\s]+/?", endpoint):
        problems.append("store.url: endpoint: expected http://HOST:PORT or https://HOST")
    prefix = options.get("prefix", PREFIX)
    problems += [f"store.tables.{name}: no such table{_near(name, TABLES)}" for name in tables if name not in TABLES]
    names = {name: tables.get(name) or prefix + name for name in TABLES}
    for name, value in names.items():
        where = f"store.tables.{name}" if tables.get(name) else "store.url: prefix"
        if not _NAME.fullmatch(value):
            problems.append(f"{where}: {value!r} is no name of a DynamoDB table (3 to 255 of A-Z a-z 0-9 _ . -)")
    for name in tables:
        if name in names and list(names.values()).count(names[name]) > 1:
            problems.append(f"store.tables.{name}: {names[name]!r} is the name of two tables")
    return Address(region, endpoint, names), list(dict.fromkeys(problems))


def address(url: str, tables: Mapping[str, str]) -> Address:
    """As `read`. Raises StoreError where anything is wrong."""
    found, problems = read(url, tables)
    if problems:
        raise StoreError("; ".join(problems))
    return found


def _near(word: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(word, known, n=1)
    return f", did you mean {near[0]}?" if near else "; one of " + ", ".join(known)
