"""What a store holds, as frozen values. Times are Unix seconds (UTC); money is a `Decimal` in US dollars, exact.

No secret is among them: of an API key only a digest is kept.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from ..hub.ledger import LossClass, Policy

Period = Literal["day", "month", "total"]


class Limits(Struct, frozen=True, kw_only=True):
    """Rates of one key or team. `requests` and `tokens` are a window's allowance, `burst` what may come at once on top of an even flow;
    None: the default of the settings; 0 for `requests`, `tokens` or `concurrent`: without limit.
    """

    requests: int | None = None
    tokens: int | None = None
    concurrent: int | None = None
    window_s: float | None = None
    burst: int | None = None


class Budget(Struct, frozen=True, kw_only=True):
    """What may be spent, in US dollars a day and month (UTC) and in all; None: no bound. At the shares `warn_at` a warning is given."""

    day: Decimal | None = None
    month: Decimal | None = None
    total: Decimal | None = None
    warn_at: tuple[float, ...] = (0.8, 0.95)


class KeyRecord(Struct, frozen=True, kw_only=True):
    """One API key. `digest` is the SHA-256 of the key; `hint` its last four characters.

    After a rotation `old_digest` is good until `old_until_s`. `models` and `protocols` are what may be asked for (models: names or
    patterns), None: all. `addresses` are networks (CIDR) the key may be used from, None: any. `version` rises with every change.
    """

    id: str
    name: str
    digest: bytes
    hint: str
    created_s: float
    owner: str | None = None
    team: str | None = None
    tags: Mapping[str, str] = {}
    models: tuple[str, ...] | None = None
    protocols: tuple[str, ...] | None = None
    addresses: tuple[str, ...] | None = None
    limits: Limits | None = None
    budget: Budget | None = None
    on_loss: Mapping[LossClass, Policy] = {}
    expires_s: float | None = None
    revoked_s: float | None = None
    old_digest: bytes | None = None
    old_until_s: float | None = None
    version: int = 1


class UsageRow(Struct, frozen=True):
    """One call, as it will be billed. `id` is unique over all gateways and makes adding it twice harmless.

    Token counts are totals with their parts (see `hub.response.Usage`), None where the upstream did not say; `raw` is its own usage
    object as JSON text. `cost_usd` is None where no price is known, never zero; `price` says which price was used.
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
    provider: str | None = None
    upstream_model: str | None = None
    upstream_protocol: str | None = None
    stream: bool = False
    error: str | None = None
    tries: int = 1
    input_total: int | None = None
    output_total: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    raw: str | None = None
    cost_usd: Decimal | None = None
    price: str | None = None
    latency_s: float = 0.0
    first_s: float | None = None
    losses: tuple[str, ...] = ()


class UsageFilter(Struct, frozen=True, kw_only=True):
    """Which rows are asked for: from `since_s` (inclusive) to `until_s` (exclusive); None: any."""

    since_s: float | None = None
    until_s: float | None = None
    key_id: str | None = None
    team: str | None = None
    model: str | None = None
    provider: str | None = None


GroupBy = Literal["key_id", "key_name", "owner", "team", "model", "provider", "upstream_model", "protocol", "day", "month", "status"]
"""What rows can be added up by; days and months are UTC."""


class UsageTotal(Struct, frozen=True, kw_only=True):
    """Rows added up. `unpriced` are calls with tokens whose price is not known: the cost is then a lower bound."""

    group: tuple[str | None, ...]
    requests: int
    errors: int
    input_total: int
    output_total: int
    cache_read: int
    cache_write: int
    reasoning: int
    cost_usd: Decimal
    unpriced: int


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One thing an administrator did, or one request where that is turned on. `detail` is JSON text without secrets."""

    id: str
    at_s: float
    actor: str
    action: str
    subject: str
    outcome: str = "done"
    address: str | None = None
    request_id: str | None = None
    detail: str = "{}"


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which entries are asked for; None: any. `action` may end in `*`."""

    since_s: float | None = None
    until_s: float | None = None
    actor: str | None = None
    action: str | None = None
    subject: str | None = None


class KeptResponse(Struct, frozen=True, kw_only=True):
    """A whole exchange of the Responses protocol, kept because its client asked for it. `body` and `input` are sealed with a key of the
    gateway before they come here: a store sees no prompt. `scope` is whose it is: nobody else finds it.
    """

    id: str
    scope: str
    created_s: float
    expires_s: float
    sealed: bytes


class StoredModel(Struct, frozen=True, kw_only=True):
    """A model name added at run time. `entry` is JSON text of what one entry of `models:` in the settings says."""

    name: str
    entry: str
    updated_s: float
    version: int = 1


