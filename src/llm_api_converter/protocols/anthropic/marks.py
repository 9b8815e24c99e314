"""Cache marks, and the fields of this protocol that have no neutral meaning.

`cache_control: {"type": "ephemeral", "ttl": "5m" | "1h"}` <-> `CacheMark`. Unknown fields of nested objects ride in extras under a
dotted name (`cache_control.scope`), so that a loss names the leaf. Source: anthropic SDK 2.12.0, cache_control_ephemeral_param.py;
https://platform.claude.com/docs/en/build-with-claude/prompt-caching (November 2026).
"""

from typing import Any

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import CacheMark, Extras
from ..fields import Fields
from .wire import PROTOCOL, WORDING

TTL_S = {"5m": 300, "1h": 3600}
TTL_OUT = {300: "5m", 3600: "1h"}

# Objects whose unknown fields are kept under a dotted name. One that is not written does not come back for their sake.
_NESTED = frozenset({"cache_control", "source", "citations", "thinking", "output_config", "metadata", "tool_choice"})
_NEEDED = frozenset({"cache_control", "tool_choice"})
# Bookkeeping that is no field of the block itself.
_NO_FIELDS = frozenset({"block", "location", "search_result"})


def take_cache(f: Fields) -> CacheMark | None:
    """`cache_control` of a block -> CacheMark. What it holds besides stays in `f`'s leftovers under a dotted name."""
    mark = f.sub("cache_control")
    if mark is None:
        return None
    kind, ttl = mark.text("type"), mark.text("ttl")
    if kind not in (None, "ephemeral"):
        f.keep("cache_control.type", kind)
    if ttl is not None and ttl not in TTL_S:
        f.keep("cache_control.ttl", ttl)
    keep_nested(f, "cache_control", mark)
    return CacheMark(TTL_S.get(ttl) if ttl else None)


def keep_nested(f: Fields, name: str, sub: Fields) -> None:
    """What nobody took of the object `name` becomes leftovers of `f`: `name.field`."""
    for field, value in sub.rest().items():
        f.keep(f"{name}.{field}", value)


def put_cache(block: dict[str, Any], mark: CacheMark | None, at: str, ledger: Ledger) -> None:
    """CacheMark -> `cache_control`. A lifetime other than five minutes or an hour becomes the nearest that is not shorter."""
    if mark is None:
        return
    if mark.ttl_s is None:
        block["cache_control"] = {"type": "ephemeral"}
        return
    ttl = TTL_OUT.get(mark.ttl_s)
    if ttl is None:
        ttl = "5m" if mark.ttl_s < 300 else "1h"
        ledger.approximate(f"{mark.path(at)}.ttl", "cache_ttl", "cache", f"{mark.ttl_s} s became {ttl}")
    block["cache_control"] = {"type": "ephemeral", "ttl": ttl}


def put_extras(block: dict[str, Any], extras: Extras | None, at: str, ledger: Ledger) -> None:
    """Writes this protocol's own extras into `block`; those of other protocols become losses."""
    if not extras:
        return
    for name, value in unknown_extras(extras, PROTOCOL, at, ledger).items():
        head, dot, field = name.partition(".")
        if not dot or head not in _NESTED:
            block[name] = value
        elif head in block or head not in _NEEDED:
            block.setdefault(head, {})[field] = value
    block.update({name: value for name, value in extras.get(WORDING, {}).items() if name not in _NO_FIELDS})


def with_wording(extras: Extras | None, fields: dict[str, Any]) -> Extras:
    """`extras` and bookkeeping: what no other protocol gives a meaning to."""
    return {**(extras or {}), WORDING: fields}


def worded(extras: Extras | None, name: str) -> Any:
    """A piece of bookkeeping, None where there is none."""
    return extras.get(WORDING, {}).get(name) if extras else None
