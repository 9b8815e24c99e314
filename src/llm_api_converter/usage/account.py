"""From a finished call to its record. Pure, and done off the hot path: a request leaves a `Finished`, nothing more."""

from decimal import Decimal

import msgspec
from msgspec import Struct

from ..hub.response import Usage
from ..store.records import UsageRow
from .prices import UNKNOWN, Called, Prices

MAX_RAW = 4096
MAX_LOSSES = 50
CLIENT_GONE = "client_gone"


class Finished(Struct, kw_only=True):
    """A call that is over. `at_s` is Unix time; `usage` is what the upstream said until the end, None where it said nothing."""

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
    latency_s: float = 0.0
    first_s: float | None = None
    losses: tuple[str, ...] = ()


def row_of(call: Finished, prices: Prices) -> UsageRow:
    """The record. A call that a client left keeps what the upstream had said by then; nothing is made up."""
    usage = call.usage
    cost = UNKNOWN
    if usage is not None and call.called is not None:
        cost = prices.cost(call.called, usage, call.at_s)
    return UsageRow(
        id=call.id, at_s=call.at_s, request_id=call.request_id, operation=call.operation, protocol=call.protocol, model=call.model,
        status=call.status, key_id=call.key_id, key_name=call.key_name, owner=call.owner, team=call.team, route=call.route,
        provider=call.called.provider if call.called else None, upstream_model=call.called.model if call.called else None,
        upstream_protocol=call.upstream_protocol, stream=call.stream, error=call.error, tries=call.tries,
        input_total=usage.input_total if usage else None, output_total=usage.output_total if usage else None,
        cache_read=usage.cache_read if usage else None, cache_write=usage.cache_write if usage else None,
        reasoning=usage.reasoning if usage else None, raw=_raw(usage), cost_usd=cost.usd, price=cost.price, latency_s=call.latency_s,
        first_s=call.first_s, losses=call.losses[:MAX_LOSSES],
    )  # fmt: skip


def _raw(usage: Usage | None) -> str | None:
    """The upstream's own object, with its protocol; too large a one is left out."""
    if usage is None or usage.raw is None:
        return None
    text = msgspec.json.encode({"protocol": usage.protocol, "usage": usage.raw}, enc_hook=str).decode()
    return text if len(text) <= MAX_RAW else None


def money(row: UsageRow) -> Decimal:
    """What counts against budgets: an unknown price counts nothing."""
    return row.cost_usd or Decimal(0)
