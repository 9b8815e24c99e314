"""The settings: one YAML file, environment variables and `.env` -> one frozen `Config`.

`model` is the tree, `environ` the table of variables, `source` reads the file (with line numbers) and references, `load` joins them,
`checks` finds what types cannot (contradictions, features not built yet), `describe` lists the result for `check-config`.
"""

from .model import (
    AuthConfig,
    Config,
    ConfigError,
    FeaturesConfig,
    LoggingConfig,
    ModelConfig,
    ProviderConfig,
    RetryConfig,
    SealKey,
    ServerConfig,
    TargetConfig,
)

__all__ = [
    "AuthConfig",
    "Config",
    "ConfigError",
    "FeaturesConfig",
    "LoggingConfig",
    "ModelConfig",
    "ProviderConfig",
    "RetryConfig",
    "SealKey",
    "ServerConfig",
    "TargetConfig",
]
