"""The settings as one frozen tree of types. See `docs/settings.md` for the meaning of every field; a test compares the two.

Nothing here reads a file or the environment: `Config.load` hands over to `load.py`, once, at start. Secrets are `SecretStr`, so that
no log, error or description of the settings shows one. Unknown names are errors everywhere.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, PrivateAttr, SecretStr

from ..hub.ledger import LossClass, Policy
from .section import Int, Number, Secret, Section
from .team import (
    AdminConfig,
    AuditConfig,
    AuthConfig,
    ContinuationsConfig,
    PriceConfig,
    RateLimitConfig,
    RatesConfig,
    RedisConfig,
    ResponsesConfig,
    StoreConfig,
    TeamConfig,
    TracingConfig,
    UsageConfig,
)

Strategy = Literal["failover", "weighted", "round_robin", "least_latency", "cheapest"]
ProtocolName = Literal["anthropic", "openai_chat", "openai_responses", "gemini", "bedrock_converse"]


class ServerConfig(Section):
    """Where the gateway listens. `max_body_bytes` is the largest request body taken. `trusted_proxies` are networks whose
    `x-forwarded-for` is believed.
    """

    host: str = "127.0.0.1"
    port: Int = Field(default=8000, ge=0, le=65535)
    workers: Int = Field(default=1, ge=1, le=256)
    max_body_bytes: Int = Field(default=33_554_432, ge=1024)
    trusted_proxies: tuple[str, ...] = ()


class ProviderConfig(Section):
    """One upstream. `type` names its entry in the catalogue; whatever is unsaid comes from there.

    `claims` are patterns of bare model ids that belong to this provider, instead of the catalogue's. `headers` go with every call.
    """

    type: str
    base_url: str | None = Field(default=None, pattern=r"^https?://[^\s]+$")
    api_key: Secret | None = None
    protocol: ProtocolName | None = None
    claims: tuple[str, ...] | None = None
    headers: Mapping[str, SecretStr] = Field(default_factory=dict)
    facts: Mapping[str, Any] = Field(default_factory=dict)
    timeout_s: Number | None = Field(default=None, gt=0)
    api_version: str | None = None
    region: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_session_token: SecretStr | None = None
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    project: str | None = None
    location: str | None = None
    credentials_file: str | None = None
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None


class TargetConfig(Section):
    """One target of a model: which provider, and the model's id there (`*`: the name that was asked for)."""

    provider: str
    model: str = Field(min_length=1)
    weight: Int = Field(default=1, ge=1)


class StoredModelConfig(Section):
    """What a model name leads to: one target (`provider`, `model`) or several (`targets`, `strategy`)."""

    provider: str | None = None
    model: str | None = Field(default=None, min_length=1)
    targets: tuple[TargetConfig, ...] = ()
    strategy: Strategy = "failover"
    facts: Mapping[str, Any] = Field(default_factory=dict)
    on_loss: Mapping[LossClass, Policy] = Field(default_factory=dict)
    rate_limit: RatesConfig = RatesConfig()

    def all_targets(self) -> tuple[TargetConfig, ...]:
        """The targets in order; the short form is a list of one."""
        if self.targets or self.provider is None or self.model is None:
            return self.targets
        return (TargetConfig(provider=self.provider, model=self.model),)


class ModelConfig(StoredModelConfig):
    """A name clients may ask for, exact or a pattern."""

    name: str = Field(min_length=1)


class OnLoss(Section):
    """What happens when something cannot be said in the target's language, by class of loss."""

    content: Policy = "reject"
    state: Policy = "report"
    tools: Policy = "report"
    privacy: Policy = "report"
    tuning: Policy = "report"
    cache: Policy = "report"
    unknown: Policy = "report"

    def table(self) -> dict[LossClass, Policy]:
        """As a mapping, for `Route.on_loss`."""
        return {
            "content": self.content, "state": self.state, "tools": self.tools, "privacy": self.privacy,
            "tuning": self.tuning, "cache": self.cache, "unknown": self.unknown,
        }


class ConversionConfig(Section):
    """How strict translation is."""

    on_loss: OnLoss = OnLoss()


class RetryConfig(Section):
    """`attempts` more tries before the first event that is not a ping, each at most `max_wait_s` after the one before."""

    attempts: Int = Field(default=2, ge=0, le=10)
    max_wait_s: Number = Field(default=10, ge=0)


class UpstreamConfig(Section):
    """Calls to providers. `timeout_s` is the longest silence of an upstream before its call is given up."""

    timeout_s: Number = Field(default=600, gt=0)


class CacheConfig(Section):
    """A cache of whole answers. Not built yet."""

    enabled: bool = False
    ttl_s: Int = Field(default=300, ge=1)


class SealKey(Section):
    """One key that authenticates sealed state. `id` is written into each seal."""

    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,16}$")
    secret: SecretStr = Field(min_length=16)


class SealConfig(Section):
    """Keys for sealed state, newest first; all replicas need the same. Empty: made and kept in `data_dir` at the first start."""

    keys: tuple[SealKey, ...] = ()


class FeaturesConfig(Section):
    """Switches over all targets: `false` takes the ability from every one."""

    tools: bool = True
    reasoning: bool = True
    documents: bool = True
    prompt_cache: bool = True


class ClaudeModelsConfig(Section):
    """Where a `claude-*` name goes that no configured provider claims: by family, else `default`."""

    default: str | None = None
    opus: str | None = None
    sonnet: str | None = None
    haiku: str | None = None


class LoggingConfig(Section):
    """`format` auto: console in development, JSON in production. `print_prompts` writes requests and answers to the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    print_prompts: bool = False


class Config(Section):
    """All settings."""

    environment: Literal["development", "production"] = "development"
    data_dir: str = Field(default="data", min_length=1)
    server: ServerConfig = ServerConfig()
    auth: AuthConfig = AuthConfig()
    admin: AdminConfig = AdminConfig()
    teams: Mapping[str, TeamConfig] = Field(default_factory=dict)
    rate_limit: RateLimitConfig = RateLimitConfig()
    store: StoreConfig = StoreConfig()
    redis: RedisConfig = RedisConfig()
    providers: Mapping[str, ProviderConfig] = Field(default_factory=dict)
    models: tuple[ModelConfig, ...] = ()
    claude_models: ClaudeModelsConfig = ClaudeModelsConfig()
    conversion: ConversionConfig = ConversionConfig()
    retry: RetryConfig = RetryConfig()
    upstream: UpstreamConfig = UpstreamConfig()
    responses: ResponsesConfig = ResponsesConfig()
    continuations: ContinuationsConfig = ContinuationsConfig()
    usage: UsageConfig = UsageConfig()
    prices: tuple[PriceConfig, ...] = ()
    audit: AuditConfig = AuditConfig()
    tracing: TracingConfig = TracingConfig()
    cache: CacheConfig = CacheConfig()
    seal: SealConfig = SealConfig()
    features: FeaturesConfig = FeaturesConfig()
    logging: LoggingConfig = LoggingConfig()

    _sources: Mapping[str, str] = PrivateAttr(default_factory=lambda: MappingProxyType({}))
    _notes: tuple[str, ...] = PrivateAttr(default=())

    @classmethod
    def load(cls, path: Path | None, environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any] | None = None) -> "Config":
        """Read the settings once: `flags` (dotted setting -> value) over the file, over the environment, over `.env`, over defaults.

        `path` None: `gateway.yaml` in `cwd`, if there is one. Raises ConfigError with every error at once.
        """
        from .load import load

        return load(path, environ, cwd, flags or {})

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know at start, though it is no error: variables that are not used, an open gateway."""
        return self._notes

    @property
    def sources(self) -> Mapping[str, str]:
        """Dotted setting -> where its value comes from. What is not listed is a default."""
        return self._sources

    @property
    def store_url(self) -> str:
        """Where the store is; the usual file stands in `data_dir`."""
        url = self.store.url.get_secret_value()
        return f"sqlite:///{self.data_dir}/gateway.db" if url == StoreConfig().url.get_secret_value() else url

    @property
    def json_logs(self) -> bool:
        """Whether log lines are JSON."""
        return self.logging.format == "json" or (self.logging.format == "auto" and self.environment == "production")

    def describe(self) -> list[tuple[str, str, str]]:
        """Every setting as (path, value, source), secrets masked."""
        from .describe import describe

        return describe(self)
