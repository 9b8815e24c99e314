"""The tables: keys, indexes, what expires, what is worth recovering. Data, and the two things read from it.

`api_keys` holds, under `pk`, the records (`keys`; `newest` lists them, `changes` finds what has changed: local indexes, which may be
read consistently), each digest with a copy of its record (one consistent read tells who calls), and the counter of changes. `usage` and
`audit` are found by id; their lists are global indexes over a few shards, so that no partition takes all writes. `continuations` and
`responses` are found by a digest of scope and id, which a client may have made as long as it likes.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

EXPIRES = "ttl"
"""The attribute DynamoDB deletes by: Unix seconds, whole."""

Key = tuple[str, str]
"""An attribute and its type: S text, N number."""


class Index(Struct, frozen=True):
    """A second order of a table's items, with all their attributes."""

    name: str
    keys: tuple[Key, Key]
    is_local: bool = False


class Table(Struct, frozen=True, kw_only=True):
    """One table. `expires`: items have a time to live; `recovers`: point-in-time recovery is turned on when it is made."""

    name: str
    keys: tuple[Key, ...]
    indexes: tuple[Index, ...] = ()
    expires: bool = False
    recovers: bool = True


_NEWEST = Index("newest", (("shard", "S"), ("at", "S")))

SCHEMA = (
    Table(
        name="api_keys", keys=(("pk", "S"), ("sk", "S")),
        indexes=(
            Index("newest", (("pk", "S"), ("at", "S")), is_local=True), Index("changes", (("pk", "S"), ("changed", "N")), is_local=True),
        ),
    ),
    Table(
        name="usage", keys=(("id", "S"),),
        indexes=(_NEWEST, Index("of_key", (("key_id", "S"), ("at", "S"))), Index("of_team", (("team", "S"), ("at", "S")))),
    ),
    Table(name="spent", keys=(("scope", "S"), ("period", "S"))),
    Table(name="continuations", keys=(("pk", "S"),), expires=True, recovers=False),
    Table(name="responses", keys=(("pk", "S"),), expires=True, recovers=False),
    Table(name="audit", keys=(("id", "S"),), indexes=(_NEWEST,)),
    Table(name="models", keys=(("name", "S"),)),
)  # fmt: skip


def creation(table: Table, name: str) -> dict[str, Any]:
    """The arguments of CreateTable. Paid by request: there is no capacity to plan."""
    types = dict(table.keys) | {attribute: kind for index in table.indexes for attribute, kind in index.keys}
    wanted: dict[str, Any] = {
        "TableName": name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": _key_schema(table.keys),
        "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": kind} for attribute, kind in types.items()],
    }  # fmt: skip
    for index in table.indexes:
        said = {"IndexName": index.name, "KeySchema": _key_schema(index.keys), "Projection": {"ProjectionType": "ALL"}}
        wanted.setdefault("LocalSecondaryIndexes" if index.is_local else "GlobalSecondaryIndexes", []).append(said)
    return wanted


def difference(table: Table, found: Mapping[str, Any]) -> str | None:
    """What a table of this name lacks to be ours (`found`: as DescribeTable has it), None: nothing."""
    wanted = creation(table, "")
    types = {(x["AttributeName"], x["AttributeType"]) for x in found["AttributeDefinitions"]}
    if found["KeySchema"] != wanted["KeySchema"] or not set(table.keys) <= types:
        return "has other keys"
    for kind in ("LocalSecondaryIndexes", "GlobalSecondaryIndexes"):
        there = {x["IndexName"]: x["KeySchema"] for x in found.get(kind, ())}
        for index in wanted.get(kind, ()):
            if there.get(index["IndexName"]) != index["KeySchema"]:
                return f"has no index {index['IndexName']} such as this gateway needs"
    return None


def _key_schema(keys: tuple[Key, ...]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for (name, _), kind in zip(keys, ("HASH", "RANGE"), strict=False)]
