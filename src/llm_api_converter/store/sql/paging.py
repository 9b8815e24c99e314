"""Pages of what is listed newest first: a cursor is the place after which the next page begins."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from ..base import BadCursor


def cursor_of(at_s: float, row_id: str) -> str:
    """The cursor behind this row."""
    return urlsafe_b64encode(f"{at_s!r}|{row_id}".encode()).decode().rstrip("=")


def after(cursor: str, at_s: ColumnElement[Any], row_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Rows behind the cursor, in descending order. Raises BadCursor for what is no cursor."""
    try:
        place, _, last = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
        value = float(place)
    except ValueError as error:
        raise BadCursor("cursor: is not one of a page of this list") from error
    return or_(at_s < value, and_(at_s == value, row_id < last))
