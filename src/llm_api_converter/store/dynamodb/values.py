"""Python values as DynamoDB writes them, and places in time as text that sorts. Pure."""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ..base import StoreError

Value = str | bytes | int | float | Decimal
Item = dict[str, Any]
"""Attributes as Python values: text, bytes, `Decimal`."""

FIRST, LAST = "0", "g"
"""Before and behind every place."""


def packed(values: Mapping[str, Value | None]) -> dict[str, dict[str, Any]]:
    """Attributes for the wire; None has none."""
    return {name: _packed(value) for name, value in values.items() if value is not None}


def unpacked(wire: Mapping[str, Mapping[str, Any]]) -> Item:
    """The other way round. Numbers become `Decimal`."""
    found: Item = {}
    for name, typed in wire.items():
        ((kind, value),) = typed.items()
        found[name] = Decimal(value) if kind == "N" else value
    return found


def _packed(value: Value) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bytes):
        return {"B": value}
    return {"N": format(value, "f") if isinstance(value, Decimal) else repr(value)}


def moment(at_s: float) -> str:
    """Sixteen hexadecimal digits that sort as the times do, exact to the last bit (`1.5` < `2.0` < `2.0000000000000004`)."""
    (bits,) = struct.unpack(">Q", struct.pack(">d", at_s + 0.0))  # + 0.0: -0.0 is 0.0
    return f"{bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 0x8000000000000000):016x}"


def place(at_s: float, row_id: str) -> str:
    """Where a row stands in its list: by time, then by id."""
    return f"{moment(at_s)}#{row_id}"


def cursor_of(found: str) -> str:
    """The cursor behind this place."""
    return urlsafe_b64encode(found.encode()).decode().rstrip("=")


def place_of(cursor: str) -> str:
    """The place before the next page. Raises StoreError for what is no cursor."""
    try:
        found = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        int(found[:16], 16)
    except ValueError as error:
        raise StoreError("cursor: is not one of a page of this list") from error
    if found[16:17] != "#" or len(found) > 1024:
        raise StoreError("cursor: is not one of a page of this list")
    return found
