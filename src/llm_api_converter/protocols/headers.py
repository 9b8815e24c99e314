"""What of HTTP belongs to a protocol on the pass-through path: the headers that may cross, and the upstream paths.

Names are lower-case; a name that ends in `-*` stands for every header with that beginning. Authentication, cookies, hop-by-hop
headers and whatever describes the client's machine never pass. Sources: what the official SDKs send and read (November 2026).
"""

from collections.abc import Iterable, Mapping

UP: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("anthropic-version", "anthropic-beta", "anthropic-user-profile-id", "idempotency-key"),
    "openai_chat": ("openai-beta", "idempotency-key", "x-client-request-id", "x-title", "http-referer"),
    "openai_responses": (
        "openai-beta", "idempotency-key", "x-client-request-id", "session-id", "thread-id", "originator", "x-openai-*", "x-codex-*",
    ),
    "gemini": ("x-goog-api-client", "x-goog-user-project", "x-server-timeout"),
    "bedrock_converse": ("x-amzn-bedrock-*",),
}

# Headers by which agents name the session a request belongs to (Claude Code, Codex CLI, opencode, xAI's clients; November 2026).
SESSION: tuple[str, ...] = (
    "x-claude-code-session-id", "session-id", "session_id", "x-session-affinity", "x-session-id", "x-grok-conv-id", "thread-id",
)

# What an upstream demands and a client may have left out (curl, a plain HTTP client).
NEEDED: Mapping[str, Mapping[str, str]] = {"anthropic": {"anthropic-version": "2023-06-01"}}

DOWN: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("request-id", "anthropic-*", "retry-after"),
    "openai_chat": ("openai-*", "x-ratelimit-*", "retry-after", "retry-after-ms", "x-should-retry"),
    "openai_responses": (
        "openai-*", "x-ratelimit-*", "retry-after", "retry-after-ms", "x-should-retry", "x-codex-*", "x-reasoning-included",
    ),
    "gemini": ("server-timing", "retry-after"),
    "bedrock_converse": ("x-amzn-*", "retry-after"),
}


# Upstream path of an operation after the base URL. `{model}` is the percent-encoded model id.
PATHS: Mapping[str, Mapping[str, str]] = {
    "anthropic": {"generate": "/v1/messages", "stream": "/v1/messages", "count": "/v1/messages/count_tokens"},
    "openai_chat": {"generate": "/chat/completions", "stream": "/chat/completions", "embed": "/embeddings"},
    "openai_responses": {"generate": "/responses", "stream": "/responses", "count": "/responses/input_tokens"},
    "gemini": {
        "generate": "/v1beta/models/{model}:generateContent", "stream": "/v1beta/models/{model}:streamGenerateContent?alt=sse",
        "count": "/v1beta/models/{model}:countTokens",
    },
    "bedrock_converse": {
        "generate": "/model/{model}/converse", "stream": "/model/{model}/converse-stream", "count": "/model/{model}/count-tokens",
    },
}


def upward(protocol: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The client's headers (lower-case names) that go to an upstream of its protocol, and what that upstream demands."""
    return {**NEEDED.get(protocol, {}), **passing(UP[protocol], headers)}


def passing(allowed: Iterable[str], headers: Mapping[str, str]) -> dict[str, str]:
    """The headers (lower-case names) that the list lets through."""
    out: dict[str, str] = {}
    for rule in allowed:
        if rule.endswith("*"):
            start = rule[:-1]
            out.update((name, value) for name, value in headers.items() if name.startswith(start))
        elif rule in headers:
            out[rule] = headers[rule]
    return out
