"""From the settings' URL to a store. What an engine needs is imported only where it is meant.

`sqlite:///FILE` (`sqlite:////absolute/FILE`), `postgresql://USER:PASSWORD@HOST/NAME`, `dynamodb://REGION?prefix=...&endpoint=...`
"""

from collections.abc import Mapping
from importlib.util import find_spec

from .base import Store, StoreError

_SQLITE = "sqlite:///"
_NEEDS = {"postgresql": ("asyncpg", "postgres"), "dynamodb": ("botocore", "dynamodb")}


def open_store(url: str, tables: Mapping[str, str] | None = None) -> Store:
    """The store, not connected yet. Raises StoreError for what cannot be meant."""
    kind = url.partition("://")[0]
    if kind in _NEEDS and find_spec(_NEEDS[kind][0]) is None:
        package, extra = _NEEDS[kind]
        raise StoreError(f"store.url: {kind} needs the package {package}: pip install 'llm-api-converter[{extra}]'")
    if kind == "postgresql" or (kind == "sqlite" and len(url) > len(_SQLITE) and url.startswith(_SQLITE)):
        from .sql.store import SqlStore

        return SqlStore(url)
    if kind == "dynamodb":
        from .dynamodb.store import DynamoStore

        return DynamoStore(url, tables)
    raise StoreError("store.url: expected sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or dynamodb://REGION")
