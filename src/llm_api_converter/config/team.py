"""Settings of a gateway that many people share: keys, rates, budgets, stores, usage, audit. Secrets are `SecretStr`."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr

from .section import Int, Number, Secret, Section


def _money(value: Any) -> Any:
    """`25.50`, a number or text, is exact: 0.1 is a tenth, not the nearest binary fraction."""
    if isinstance(value, bool):
        raise ValueError("an amount is wanted, not true or false")
    return str(value) if isinstance(value, float) else value


Usd = Annotated[Decimal, BeforeValidator(_money), Field(ge=0, max_digits=18, decimal_places=9, allow_inf_nan=False)]


class AuthConfig(Section):
    """Who may call. Without `master_api_key` the gateway makes one at its first start (`secrets_on_disk.ensure_master_key`).

    While the store is away, keys that were used before go on working for `offline_s` seconds. With a `metrics_key`, `/metrics` asks for it.
    """

    require_api_key: bool = True
    master_api_key: Secret | None = None
    metrics_key: Secret | None = None
    offline_s: Int = Field(default=900, ge=0)


class AdminConfig(Section):
    """The admin API. Its key is made at the first start where `api_key` does not give it."""

    enabled: bool = True
    api_key: Secret | None = None


class RatesConfig(Section):
    """An allowance: `requests` and `tokens` a window, `burst` requests at once, `concurrent` requests at a time. None: no bound.

    `burst` None: as many as `requests`.
    """

    requests: Int | None = Field(default=None, ge=1)
    tokens: Int | None = Field(default=None, ge=1)
    concurrent: Int | None = Field(default=None, ge=1)
    window_s: Number = Field(default=60, gt=0)
    burst: Int | None = Field(default=None, ge=1)


class RateLimitConfig(Section):
    """What each key may do where it has no limits of its own, and where the counts are kept. The master key is exempt.

    `overall` bounds all callers together. `on_failure` is for `redis` alone: let everyone in or nobody while it is away.
    """

    enabled: bool = True
    requests: Int | None = Field(default=100, ge=1)
    window_s: Number = Field(default=60, gt=0)
    burst: Int = Field(default=20, ge=1)
    tokens: Int | None = Field(default=None, ge=1)
    concurrent: Int | None = Field(default=None, ge=1)
    overall: RatesConfig = RatesConfig()
    backend: Literal["host", "redis"] = "host"
    on_failure: Literal["open", "closed"] = "open"

    def per_key(self) -> RatesConfig:
        """The part that is for each key."""
        return RatesConfig(
            requests=self.requests, tokens=self.tokens, concurrent=self.concurrent, window_s=self.window_s, burst=self.burst
        )


class BudgetConfig(Section):
    """US dollars a day, a month (UTC) and in all; None: no bound. At the shares `warn_at` of each a warning is given."""

    day: Usd | None = None
    month: Usd | None = None
    total: Usd | None = None
    warn_at: tuple[Number, ...] = (0.8, 0.95)


class TeamConfig(Section):
    """A team: what its keys may do together, and which models they may ask for (None: all)."""

    rate_limit: RatesConfig = RatesConfig()
    budget: BudgetConfig = BudgetConfig()
    models: tuple[str, ...] | None = None


class StoreConfig(Section):
    """Where keys, usage, audit and kept state are. `tables` are names of DynamoDB tables that differ from the usual ones."""

    url: SecretStr = SecretStr("sqlite:///data/gateway.db")
    tables: Mapping[str, str] = Field(default_factory=dict)


class RedisConfig(Section):
    """Redis or Valkey, for limits that hold over several hosts."""

    url: SecretStr | None = None


class UsageConfig(Section):
    """Records of calls. `spool_max_bytes` bounds what waits on disk while the store is away; `keep_days` None: for ever."""

    enabled: bool = True
    spool_max_bytes: Int = Field(default=268_435_456, ge=1_048_576)
    keep_days: Int | None = Field(default=None, ge=1)


class AuditConfig(Section):
    """What the audit log holds beside admin actions: `requests` of clients, with `bodies` or not; `keep_days` None: for ever."""

    requests: bool = False
    bodies: Literal["none", "redacted", "full"] = "none"
    keep_days: Int | None = Field(default=None, ge=1)


class ContinuationsConfig(Section):
    """Keeping reasoning for clients that cannot carry it themselves, by the ids of their tool calls."""

    enabled: bool = False
    ttl_s: Int = Field(default=86400, ge=60)


class ResponsesConfig(Section):
    """Server-side state for `previous_response_id` and references to items across protocols."""

    keep: bool = False
    ttl_s: Int = Field(default=86400, ge=1)


class PriceConfig(Section):
    """Own prices, in US dollars for a million tokens. `provider` and `model` are names or patterns; the first entry that matches counts."""

    provider: str = "*"
    model: str = Field(min_length=1)
    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None


class TracingConfig(Section):
    """OpenTelemetry traces; where they go is said by the standard `OTEL_...` variables. `propagate`: upstreams get a `traceparent`."""

    enabled: bool = False
    propagate: bool = False
