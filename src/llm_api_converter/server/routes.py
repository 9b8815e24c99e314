"""Path -> (protocol, operation). Data only; nobody else knows the paths.

The protocol of an unknown path is guessed from its looks, so that its 404 comes in a form the caller's SDK understands.
"""

import re
from typing import Literal
from urllib.parse import unquote

from msgspec import Struct

Operation = Literal[
    "generate", "count", "compact", "stored", "embed", "models", "model", "capabilities", "explain", "health", "ready", "metrics",
    "sink", "head", "unknown",
]


class Match(Struct, frozen=True):
    """What a path asks for. `argument` is the model (or other id) the path carries, decoded. `stream` where the path decides it;
    `array`: the stream is wanted as one JSON array; `envelope`: the form the protocol comes in (`protocols.envelope`).
    """

    protocol: str
    operation: Operation
    method: str
    argument: str = ""
    stream: bool | None = None
    array: bool = False
    envelope: str = ""


OPENAI_MODELS = Match("openai_chat", "models", "GET")
CATALOGUE = Match("openai_responses", "models", "GET")
"""Asked for with `?client_version=`, the list says of each model what a coding agent wants to know."""
EXACT: dict[str, Match] = {
    "/v1/messages": Match("anthropic", "generate", "POST"),
    "/v1/messages/count_tokens": Match("anthropic", "count", "POST"),
    "/v1/chat/completions": Match("openai_chat", "generate", "POST"),
    "/chat/completions": Match("openai_chat", "generate", "POST"),
    "/v1/embeddings": Match("openai_chat", "embed", "POST"),
    "/embeddings": Match("openai_chat", "embed", "POST"),
    "/v1/responses": Match("openai_responses", "generate", "POST"),
    "/responses": Match("openai_responses", "generate", "POST"),
    "/v1/responses/compact": Match("openai_responses", "compact", "POST"),
    "/v1/responses/input_tokens": Match("openai_responses", "count", "POST"),
    "/openai/v1/chat/completions": Match("openai_chat", "generate", "POST"),
    "/openai/v1/responses": Match("openai_responses", "generate", "POST"),
    "/openai/v1/embeddings": Match("openai_chat", "embed", "POST"),
    "/openai/v1/models": OPENAI_MODELS,
    "/v1/models": OPENAI_MODELS,
    "/v1beta/models": Match("gemini", "models", "GET"),
    "/models": OPENAI_MODELS,
    "/v1/capabilities": Match("openai_chat", "capabilities", "GET"),
    "/v1/explain": Match("openai_chat", "explain", "POST"),
    "/health": Match("openai_chat", "health", "GET"),
    "/liveness": Match("openai_chat", "health", "GET"),
    "/ready": Match("openai_chat", "ready", "GET"),
    "/metrics": Match("openai_chat", "metrics", "GET"),
    "/api/event_logging/batch": Match("anthropic", "sink", "POST"),
    "/": Match("openai_chat", "head", "GET"),
}
PREFIXES: tuple[tuple[str, Match], ...] = (
    ("/v1/responses/", Match("openai_responses", "stored", "")), ("/v1/models/", Match("openai_chat", "model", "GET")),
    ("/v1beta/models/", Match("gemini", "model", "GET")),
)
LOOKS: tuple[tuple[str, str], ...] = (
    ("/v1/messages", "anthropic"), ("/v1beta/", "gemini"), ("/model/", "bedrock_converse"), ("/v1/responses", "openai_responses"),
)
# Which protocol's list a caller of /v1/models wants, told by a header only its clients send.
ASKER: tuple[tuple[bytes, str], ...] = ((b"anthropic-version", "anthropic"), (b"x-goog-api-key", "gemini"))

# The model is taken from the raw path: it may hold `/` and `:`, percent-encoded or not; the operation follows the last `:`.
# Some clients leave out `models/` before a name that holds a slash (Vercel's AI SDK); Vertex has its publisher in front, and, without an
# API key, project and place before that. Its SDK takes `a/b` for the model `b` of a publisher `a`.
_GEMINI = re.compile(
    r"(?:/v1beta1?|/v1alpha1?|/v1)?/(?:(?:projects/[^/]+/locations/[^/]+/)?publishers/google/)?(?:models/)?(.+):(\w+)"
)
_PUBLISHED = re.compile(r"^publishers/([^/]+)/models/(.+)$")
_GEMINI_OPERATIONS: dict[str, tuple[Operation, bool | None]] = {
    "generateContent": ("generate", False), "streamGenerateContent": ("generate", True), "countTokens": ("count", None),
    "embedContent": ("embed", None), "batchEmbedContents": ("embed", None),
}
_BEDROCK = re.compile(r"/model/(.+)/([a-z-]+)")
_BEDROCK_OPERATIONS: dict[str, tuple[Operation, bool | None]] = {
    "converse": ("generate", False), "converse-stream": ("generate", True), "count-tokens": ("count", None),
}
_INVOKE = {"invoke": False, "invoke-with-response-stream": True}
_DEPLOYMENT = re.compile(r"/openai/deployments/([^/]+)/(chat/completions|embeddings)")


def match(raw_path: bytes, query: bytes = b"") -> Match:
    """The match of a path as it was sent; `unknown` with the likeliest protocol where there is none."""
    path = raw_path.decode("latin-1")
    found = EXACT.get(path)
    if found is not None:
        return CATALOGUE if query and found is OPENAI_MODELS and b"client_version=" in query else found
    carried = _carried(path, query)
    if carried is not None:
        return carried
    for prefix, template in PREFIXES:
        if path.startswith(prefix) and len(path) > len(prefix):
            return Match(template.protocol, template.operation, template.method, unquote(path[len(prefix):]))
    protocol = next((name for prefix, name in LOOKS if path.startswith(prefix)), "openai_chat")
    return Match(protocol, "unknown", "")


def _carried(path: str, query: bytes) -> Match | None:
    """Paths that carry a model."""
    if (found := _GEMINI.fullmatch(path)) and found[2] in _GEMINI_OPERATIONS:
        operation, stream = _GEMINI_OPERATIONS[found[2]]
        model = _PUBLISHED.sub(r"\1/\2", unquote(found[1]))
        return Match("gemini", operation, "POST", model, stream, stream is True and b"alt=sse" not in query)
    if (found := _BEDROCK.fullmatch(path)) and found[2] in _BEDROCK_OPERATIONS:
        operation, stream = _BEDROCK_OPERATIONS[found[2]]
        return Match("bedrock_converse", operation, "POST", unquote(found[1]), stream)
    if found and found[2] in _INVOKE:
        return Match("anthropic", "generate", "POST", unquote(found[1]), _INVOKE[found[2]], envelope="bedrock")
    if found := _DEPLOYMENT.fullmatch(path):
        return Match("openai_chat", "generate" if found[2].startswith("chat") else "embed", "POST", unquote(found[1]))
    return None


def served() -> frozenset[str]:
    """The protocols that have a path."""
    return frozenset((*(m.protocol for m in EXACT.values()), "bedrock_converse"))
