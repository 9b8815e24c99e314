"""A request in neutral form. See `messages` for the meaning of `extras`, and of `None`."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

from .messages import CacheMark, Extras, Message

PROVIDER_TOOLS = (
    "web_search", "web_fetch", "code_execution", "file_search", "computer", "mcp", "image_generation", "tool_search",
    "memory", "bash", "text_editor", "shell", "maps", "other",
)
"""Neutral kinds of tools a provider runs or defines itself."""


class Tool(Struct, frozen=True):
    """A tool the client runs. `schema` is a JSON schema (None: none given).

    `custom`: input is raw text (OpenAI custom tools), `format` its form (`{"type": "grammar", "syntax", "definition"}`). `deferred`:
    declared, but to be loaded by tool search only (Anthropic `defer_loading`). `namespace`: the OpenAI namespace it stands in, described
    by `namespace_description`. `since`: the client's path of the item in the conversation that declares it; "" it is declared from the
    beginning.
    """

    name: str
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache: CacheMark | None = None
    custom: bool = False
    format: dict[str, Any] | None = None
    deferred: bool = False
    namespace: str | None = None
    namespace_description: str | None = None
    extras: Extras | None = None
    at: str = ""
    since: str = ""


class ProviderTool(Struct, frozen=True):
    """A tool that the provider runs or defines (web search, code execution, computer use, MCP, ...).

    `kind` is one of PROVIDER_TOOLS, `protocol` and `body` the declaration as it stood in that protocol. `name` is the name the
    model calls it by, where the protocol lets the client choose.
    """

    kind: str
    protocol: str
    body: dict[str, Any]
    name: str | None = None
    cache: CacheMark | None = None
    at: str = ""


class ToolChoice(Struct, frozen=True):
    """`mode` auto, none, any (must call some tool), one (must call `name`). `allowed`: names the choice is limited to."""

    mode: Literal["auto", "none", "any", "one"]
    name: str | None = None
    allowed: tuple[str, ...] = ()
    extras: Extras | None = None


class Sampling(Struct, frozen=True):
    """How tokens are drawn. `stop` are stop sequences."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    frequency_penalty: float | None = None
    presence_penalty: float | None = None


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
EFFORTS: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class ReasoningAsk(Struct, frozen=True):
    """How much the model should think. All None: the client said nothing.

    `mode` on, off or adaptive (the model decides). `effort` is one of EFFORTS, `budget_tokens` a count; both may be given.
    `show` says what of it the client wants to see: none, summary, full.
    """

    mode: Literal["on", "off", "adaptive"] | None = None
    effort: str | None = None
    budget_tokens: int | None = None
    show: Literal["none", "summary", "full"] | None = None
    extras: Extras | None = None


class OutputFormat(Struct, frozen=True):
    """The form of the answer's text: `json` is any JSON object, `schema` one that fits `schema`."""

    kind: Literal["text", "json", "schema"]
    schema: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class AudioOut(Struct, frozen=True):
    """A spoken answer is wanted: voice name and audio format (wav, mp3, pcm16, ...) in the client's words."""

    voice: str | None = None
    format: str | None = None


_TOOL_FIELDS = {"schema": "parameters", "deferred": "defer_loading"}
"""Where fields of a tool stand unless `Request.paths` says otherwise."""


class Request(Struct, frozen=True):
    """One call of a model.

    `modalities`: the kinds of output wanted (text, audio, image), when said. `cache` is a mark on the whole request (automatic
    caching up to the end); `cache_key` a routing hint for caches keyed by the client. `user` identifies the end user,
    `metadata` are free labels, `store` whether the provider may keep the answer. `stream_usage`: a streaming client asked for
    the usage (it is optional in Chat). `betas`: feature flags the client's protocol carries in headers, in order.
    `choices` asks for more than one answer: served by the same protocol only, refused elsewhere.
    `service_tier` is in OpenAI's words (auto, default, flex, priority); decoders translate what means the same.
    `paths` maps a neutral field (`temperature`, `reasoning.effort`) to the client's own path of it (`generationConfig.temperature`)
    where the two differ; use `path`. `tools.schema` and the like are places inside a declaration; use `tool_path`.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool | ProviderTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_tokens: int | None = None
    sampling: Sampling = Sampling()
    reasoning: ReasoningAsk | None = None
    output: OutputFormat | None = None
    modalities: tuple[str, ...] = ()
    audio: AudioOut | None = None
    stream: bool = False
    stream_usage: bool | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    verbosity: str | None = None
    cache: CacheMark | None = None
    cache_key: str | None = None
    betas: tuple[str, ...] = ()
    choices: int | None = None
    extras: Extras | None = None
    paths: Mapping[str, str] = {}

    def path(self, field: str) -> str:
        """The client's path of a neutral field, for errors and losses."""
        return self.paths.get(field, field)

    def tool_path(self, tool: Tool, field: str) -> str:
        """The client's path of a field of a tool's declaration (`tools[0].function.parameters` for `schema`)."""
        return f"{tool.at}.{self.paths.get('tools.' + field) or _TOOL_FIELDS.get(field, field)}"
