"""The settings: one YAML file, environment variables and `.env` -> one frozen `Config`.

`model` is the tree (`team` its part for gateways that many share), `environ` the table of variables, `storage` joins those that name
the store, `source` reads the file (with line numbers) and references, `load` puts all together, `checks` finds what types cannot
(contradictions, features not built yet), `describe` lists the result for `check-config`.
"""

from .model import (
    Config,
    FeaturesConfig,
    LoggingConfig,
    ModelConfig,
    ProviderConfig,
    RetryConfig,
    SealKey,
    ServerConfig,
    TargetConfig,
)
from .section import ConfigError
from .team import AuthConfig, BudgetConfig, RateLimitConfig, RatesConfig, TeamConfig

__all__ = [
    "AuthConfig",
    "BudgetConfig",
    "Config",
    "ConfigError",
    "FeaturesConfig",
    "LoggingConfig",
    "ModelConfig",
    "ProviderConfig",
    "RateLimitConfig",
    "RatesConfig",
    "RetryConfig",
    "SealKey",
    "ServerConfig",
    "TargetConfig",
    "TeamConfig",
]
