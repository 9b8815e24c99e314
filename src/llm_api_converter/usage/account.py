"""From a finished call to its record. Pure, and done off the hot path: a request leaves a `Finished`, nothing more."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from ..hub.response import Usage
from ..store.records import UsageRow
from .prices import Called, Cost, Prices

MAX_RAW = 4096
MAX_LOSSES = 50
MAX_TEXT = 200
MAX_COUNT = 2**53
"""No upstream counts so many tokens: a larger number is damage, and would not fit every store."""
CLIENT_GONE = "client_gone"

_COUNTS = ("input_total", "output_total", "cache_read", "cache_write", "reasoning")


class Spent(Struct, frozen=True):
    """One upstream call of a request, and what the upstream said it used."""

    called: Called
    usage: Usage
    tier: str | None = None


class Finished(Struct, kw_only=True):
    """A call that is over. `at_s` is Unix time; `usage` is what the upstream said until the end, None where it said nothing.

    `earlier` are tries before the last that had reported usage: they count too. `tier` is the service tier the answer was given.
    """

    id: str
    at_s: float
    request_id: str
    operation: str
    protocol: str
    model: str
    status: int
    key_id: str | None = None
    key_name: str | None = None
    owner: str | None = None
    team: str | None = None
    route: str | None = None
    called: Called | None = None
    upstream_protocol: str | None = None
    stream: bool = False
    error: str | None = None
    tries: int = 0
    usage: Usage | None = None
    tier: str | None = None
    earlier: tuple[Spent, ...] = ()
    latency_s: float = 0.0
    first_s: float | None = None
    losses: tuple[str, ...] = ()


def row_of(call: Finished, prices: Prices) -> UsageRow:
    """The record. A call that a client left keeps what the upstream had said by then; nothing is made up."""
    called, usage = call.called, call.usage
    last = None if usage is None or called is None else Spent(called, usage, call.tier)
    spent = call.earlier if last is None else (*call.earlier, last)
    costs = [prices.cost(each.called, each.usage, call.at_s, each.tier) for each in spent]
    cost = costs[0] if len(costs) == 1 else _together(costs)
    counts = [_count(spent, name) for name in _COUNTS]
    return UsageRow(
        id=call.id, at_s=call.at_s, request_id=_text(call.request_id), operation=call.operation, protocol=call.protocol,
        model=_text(call.model), status=call.status, key_id=call.key_id, key_name=_maybe(call.key_name), owner=_maybe(call.owner),
        team=_maybe(call.team), route=_maybe(call.route), provider=None if called is None else _text(called.provider),
        upstream_model=None if called is None else _text(called.model), upstream_protocol=call.upstream_protocol, stream=call.stream,
        error=call.error, tries=call.tries, input_total=counts[0], output_total=counts[1], cache_read=counts[2], cache_write=counts[3],
        reasoning=counts[4], raw=_raw([each.usage for each in spent]), cost_usd=cost.usd, price=cost.price,
        latency_s=call.latency_s, first_s=call.first_s,
        losses=tuple(map(_text, call.losses[:MAX_LOSSES])) if call.losses else (),
    )  # fmt: skip


def _together(costs: list[Cost]) -> Cost:
    """Of all tries; where one's price is not known, that of all is not."""
    amounts = [cost.usd for cost in costs if cost.usd is not None]
    if not costs or len(amounts) < len(costs):
        return Cost()
    return Cost(sum(amounts, Decimal(0)), " + ".join(dict.fromkeys(cost.price for cost in costs if cost.price)))


def _count(spent: Sequence[Spent], name: str) -> int | None:
    """One of the counts, added up. None where it was not said; damage is not counted."""
    total = None
    for each in spent:
        count = getattr(each.usage, name)
        if count is not None and 0 <= count <= MAX_COUNT:
            total = (total or 0) + count
    return total


def _raw(usages: list[Usage]) -> str | None:
    """The upstream's own objects, each with its protocol: one, or a list where several tries reported. Too large ones are left out."""
    said = [_Said(usage.protocol, usage.raw) for usage in usages if usage.raw is not None]
    if not said:
        return None
    text = _encode(said[0] if len(said) == 1 else said)
    return text.decode() if len(text) <= MAX_RAW else None


class _Said(Struct):
    protocol: str
    usage: dict[str, Any]


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _text(value: str) -> str:
    """What clients name, as every store takes it: without NUL and lone surrogates, not too long."""
    if value.isascii() and value.isprintable() and len(value) <= MAX_TEXT:
        return value
    return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")[:MAX_TEXT]


def _maybe(value: str | None) -> str | None:
    return None if value is None else _text(value)
