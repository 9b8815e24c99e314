"""Fields of an answer that no client of another protocol can miss: what a server writes about itself, and what says that nothing was.

Decoders put them into the bookkeeping (`hub.messages.wording`), so that their own protocol's clients get them back and no report
names them. What is left is unknown for good and is reported.
"""

from typing import Any

from ..hub.messages import Extras, wording

_FLAGS = frozenset({"filtered", "detected", "blocked"})


def says_nothing(value: Any) -> bool:
    """Null, zero, no, an empty text, or an object or array of nothing but such."""
    if type(value) is dict:
        return all(map(says_nothing, value.values()))
    if type(value) is list:
        return all(map(says_nothing, value))
    return not value


def nothing_filtered(value: Any) -> bool:
    """A content filter's findings, none of which hit."""
    if type(value) is dict:
        return all(not (inner is True and name in _FLAGS) and nothing_filtered(inner) for name, inner in value.items())
    return all(map(nothing_filtered, value)) if type(value) is list else True


def split(fields: dict[str, Any], protocol: str, decoration: frozenset[str], filters: frozenset[str] = frozenset()) -> Extras | None:
    """Leftovers as extras: `decoration`, filter findings without a hit and empty values as bookkeeping, all others as unknown."""
    if not fields:
        return None
    words: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for name, value in fields.items():
        quiet = name in decoration or says_nothing(value) or (name in filters and nothing_filtered(value))
        (words if quiet else own)[name] = value
    extras: Extras = {}
    if words:
        extras[wording(protocol)] = words
    if own:
        extras[protocol] = own
    return extras
