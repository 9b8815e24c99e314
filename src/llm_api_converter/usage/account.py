"""What a finished call has used and cost, as its record says it. Pure."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from ..hub.response import Usage
from .prices import Called, Cost, Prices

MAX_RAW = 4096
MAX_LOSSES = 50
MAX_TEXT = 200
MAX_COUNT = 2**53
"""No upstream counts so many tokens: a larger number is damage, and would not fit every store."""
CLIENT_GONE = "client_gone"


class Spent(Struct, frozen=True):
    """One upstream call of a request, and what the upstream said it used."""

    called: Called
    usage: Usage
    tier: str | None = None


class Bill(Struct, frozen=True):
    """What the upstreams of a request said it used, added up, and what that cost; as `UsageRow` has it (`raw` of several tries: a list)."""

    input_total: int | None = None
    output_total: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    raw: str | None = None
    cost_usd: Decimal | None = None
    price: str | None = None


def bill(spent: Sequence[Spent], prices: Prices, at_s: float) -> Bill:
    """The bill of a request made at `at_s` (Unix time), for all of its tries that reported usage. A call that a client left keeps what the
    upstream had said by then; nothing is made up.
    """
    if len(spent) == 1:
        return _bill(spent[0], prices, at_s)
    bills = [_bill(each, prices, at_s) for each in spent]
    said = [x.raw for x in bills if x.raw is not None]
    raw = said[0] if len(said) == 1 else f"[{','.join(said)}]" if said else None
    cost = _together(bills)
    return Bill(
        _sum(x.input_total for x in bills), _sum(x.output_total for x in bills), _sum(x.cache_read for x in bills),
        _sum(x.cache_write for x in bills), _sum(x.reasoning for x in bills), raw if raw is None or len(raw) <= MAX_RAW else None,
        cost.usd, cost.price,
    )  # fmt: skip


def _bill(one: Spent, prices: Prices, at_s: float) -> Bill:
    usage = one.usage
    cost = prices.cost(one.called, usage, at_s, one.tier)
    return Bill(
        _sane(usage.input_total), _sane(usage.output_total), _sane(usage.cache_read), _sane(usage.cache_write), _sane(usage.reasoning),
        _raw(usage), cost.usd, cost.price,
    )  # fmt: skip


def _together(bills: Sequence[Bill]) -> Cost:
    """Of all tries; where one's price is not known, that of all is not."""
    amounts = [x.cost_usd for x in bills if x.cost_usd is not None]
    if not bills or len(amounts) < len(bills):
        return Cost()
    return Cost(sum(amounts, Decimal(0)), " + ".join(dict.fromkeys(x.price for x in bills if x.price)))


def _sane(count: int | None) -> int | None:
    """Damage is not counted."""
    return count if count is None or 0 <= count <= MAX_COUNT else None


def _sum(counts: Iterable[int | None]) -> int | None:
    """None where none was said."""
    said = [count for count in counts if count is not None]
    return sum(said) if said else None


class _Said(Struct):
    protocol: str
    usage: dict[str, Any]


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _raw(usage: Usage) -> str | None:
    """The upstream's own object, with its protocol. One that is too large is left out."""
    if usage.raw is None:
        return None
    text = _encode(_Said(usage.protocol, usage.raw))
    return text.decode() if len(text) <= MAX_RAW else None


def clean(value: str) -> str:
    """What clients name, as every store takes it: without NUL and lone surrogates, not too long."""
    if value.isascii() and value.isprintable() and len(value) <= MAX_TEXT:
        return value
    return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_TEXT]
