"""Path -> (protocol, operation). Data only; nobody else knows the paths.

The protocol of an unknown path is guessed from its looks, so that its 404 comes in a form the caller's SDK understands.
"""

from typing import Literal

from msgspec import Struct

Operation = Literal[
    "generate", "count", "embed", "models", "model", "capabilities", "health", "ready", "metrics", "sink", "head", "unknown",
]


class Match(Struct, frozen=True):
    """What a path asks for. `argument` is what the path carries (a model id), still percent-encoded."""

    protocol: str
    operation: Operation
    method: str
    argument: str = ""


EXACT: dict[str, Match] = {
    "/v1/messages": Match("anthropic", "generate", "POST"),
    "/v1/messages/count_tokens": Match("anthropic", "count", "POST"),
    "/v1/chat/completions": Match("openai_chat", "generate", "POST"),
    "/chat/completions": Match("openai_chat", "generate", "POST"),
    "/v1/models": Match("openai_chat", "models", "GET"),
    "/models": Match("openai_chat", "models", "GET"),
    "/v1/capabilities": Match("openai_chat", "capabilities", "GET"),
    "/health": Match("openai_chat", "health", "GET"),
    "/liveness": Match("openai_chat", "health", "GET"),
    "/ready": Match("openai_chat", "ready", "GET"),
    "/metrics": Match("openai_chat", "metrics", "GET"),
    "/api/event_logging/batch": Match("anthropic", "sink", "POST"),
    "/": Match("openai_chat", "head", "GET"),
}
PREFIXES: tuple[tuple[str, Match], ...] = (("/v1/models/", Match("openai_chat", "model", "GET")),)
LOOKS: tuple[tuple[str, str], ...] = (
    ("/v1/messages", "anthropic"), ("/v1beta/", "gemini"), ("/model/", "bedrock_converse"), ("/v1/responses", "openai_responses"),
)
# Which protocol's list a caller of /v1/models wants, told by a header only its clients send.
ASKER: tuple[tuple[bytes, str], ...] = ((b"anthropic-version", "anthropic"), (b"x-goog-api-key", "gemini"))


def match(path: str) -> Match:
    """The match of a path; `unknown` with the likeliest protocol where there is none."""
    found = EXACT.get(path)
    if found is not None:
        return found
    for prefix, template in PREFIXES:
        if path.startswith(prefix) and len(path) > len(prefix):
            return Match(template.protocol, template.operation, template.method, path[len(prefix):])
    protocol = next((name for prefix, name in LOOKS if path.startswith(prefix)), "openai_chat")
    return Match(protocol, "unknown", "")


def served() -> frozenset[str]:
    """The protocols that have a path."""
    return frozenset(m.protocol for m in EXACT.values())
