"""The environment variables, as a table. `load` walks it once; `docs/settings.md` and `.env.example` are tested against it.

A row either sets one path of the tree (`path`), belongs to a provider (`providers/catalog.yaml` says which: it is found through the
catalogue, and is listed here for its text only), is read `together` with others (`storage`), or belongs to something that is not built
yet (`accepts` are the values that ask for nothing; any other value is refused by name) or is merely noted as unused (`unused` says why).
"""

from collections.abc import Callable
from typing import Any, NamedTuple


class Variable(NamedTuple):
    """One environment variable. A `name` ending in `*` or holding one is a pattern."""

    name: str
    path: str = ""
    provider: bool = False
    accepts: tuple[str, ...] | None = None
    together: bool = False
    unused: str = ""
    refusal: str = ""


_SHORT = {"warn": "warning", "dev": "development", "prod": "production"}


def _word(text: str) -> str:
    word = text.strip().lower()
    return _SHORT.get(word, word)


def _seal_keys(text: str) -> list[dict[str, str]]:
    """`id:secret,id:secret` -> list. A pair without a colon is left to the validation, which names the field."""
    pairs = (pair.strip().partition(":") for pair in text.split(",") if pair.strip())
    return [{"id": key_id, "secret": secret} if colon else {"id": key_id} for key_id, colon, secret in pairs]


# How the text of a variable becomes a value, where it is not simply the text.
PARSE: dict[str, Callable[[str], Any]] = {"LOG_LEVEL": _word, "ENVIRONMENT": _word, "SEAL_KEYS": _seal_keys}

_POOLS = "pools of credentials are not built yet"

VARIABLES: tuple[Variable, ...] = (
    Variable("HOST", "server.host"),
    Variable("PORT", "server.port"),
    Variable("LOG_LEVEL", "logging.level"),
    Variable("ENVIRONMENT", "environment"),
    Variable("DATA_DIR", "data_dir"),
    Variable("REQUIRE_API_KEY", "auth.require_api_key"),
    Variable("MASTER_API_KEY", "auth.master_api_key"),
    Variable("ADMIN_API_KEY", "admin.api_key"),
    Variable("SEAL_KEYS", "seal.keys"),
    Variable("RATE_LIMIT_ENABLED", "rate_limit.enabled"),
    Variable("RATE_LIMIT_REQUESTS_PER_WINDOW", "rate_limit.requests"),
    Variable("RATE_LIMIT_WINDOW_SECONDS", "rate_limit.window_s"),
    Variable("REDIS_URL", "redis.url"),
    Variable("ENABLE_TOOL_USE", "features.tools"),
    Variable("ENABLE_EXTENDED_THINKING", "features.reasoning"),
    Variable("ENABLE_DOCUMENT_SUPPORT", "features.documents"),
    Variable("PROMPT_CACHING_ENABLED", "features.prompt_cache"),
    Variable("STREAMING_TIMEOUT_SECONDS", "upstream.timeout_s"),
    Variable("PRINT_PROMPTS", "logging.print_prompts"),
    Variable("ANTHROPIC_DEFAULT_MODEL", "claude_models.default"),
    Variable("ANTHROPIC_DEFAULT_OPUS_MODEL", "claude_models.opus"),
    Variable("ANTHROPIC_DEFAULT_SONNET_MODEL", "claude_models.sonnet"),
    Variable("ANTHROPIC_DEFAULT_HAIKU_MODEL", "claude_models.haiku"),
    Variable("OPENAI_API_KEY", provider=True),
    Variable("OPENAI_BASE_URL", provider=True),
    Variable("ANTHROPIC_API_KEY", provider=True),
    Variable("ANTHROPIC_BASE_URL", provider=True),
    Variable("DEEPSEEK_API_KEY", provider=True),
    Variable("DEEPSEEK_BASE_URL", provider=True),
    Variable("GEMINI_API_KEY", provider=True),
    Variable("GEMINI_BASE_URL", provider=True),
    Variable("AZURE_OPENAI_API_KEY", provider=True),
    Variable("AZURE_OPENAI_ENDPOINT", provider=True),
    Variable("OPENAI_API_VERSION", provider=True),
    Variable("GOOGLE_CLOUD_PROJECT", provider=True),
    Variable("GOOGLE_CLOUD_LOCATION", provider=True),
    Variable("GOOGLE_APPLICATION_CREDENTIALS", provider=True),
    Variable("AWS_REGION", provider=True),
    Variable("AWS_ACCESS_KEY_ID", provider=True),
    Variable("AWS_SECRET_ACCESS_KEY", provider=True),
    Variable("AWS_SESSION_TOKEN", provider=True),
    Variable("AWS_BEARER_TOKEN_BEDROCK", provider=True),
    Variable("BEDROCK_ENDPOINT_URL", provider=True),
    Variable("GEMINI_API_KEYS", accepts=("",), refusal=_POOLS + "; use GEMINI_API_KEY"),
    Variable("BEDROCK_PROFILES", accepts=("",), refusal=_POOLS),
    Variable("BACKEND_LOAD_BALANCE_STRATEGY", accepts=("", "failover"), refusal="only failover is built yet"),
    Variable("BACKEND_MAX_FAILURES", unused="circuit breakers are not built yet"),
    Variable("BACKEND_RETRY_AFTER_SECS", unused="circuit breakers are not built yet"),
    Variable("STORAGE_BACKEND", together=True),
    Variable("DATABASE_URL", together=True),
    Variable("DYNAMODB_ENDPOINT_URL", together=True),
    Variable("DYNAMODB_*_TABLE", together=True),
)
