"""Chat Completions as it stands on the wire: names shared by all files of this codec, and the typed frames of its streams.

Sources: openai 3.54.0 `types/chat/*.py`; OpenRouter `reasoning_details`; litellm `thinking_blocks`; Google's compatible endpoint
(`extra_content.google.thought_signature`); recordings of some twenty compatible providers (November 2026).

The frames list the fields that the dialects put on ordinary chunks and forbid the rest: a chunk with anything else is read the slow
way (`stream_in`), so that what nobody knows is kept and not dropped by the typed decoder.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Extras, wording
from ..decoration import split

PROTOCOL = "openai_chat"
WORDING = wording(PROTOCOL)
REALM = f"wire.{PROTOCOL}"

FILE_REALMS = (PROTOCOL, "openai_responses")
"""Whose file ids mean the same: one file store serves both of OpenAI's protocols."""

IMAGE_PREFIX = "data:"

DECORATION = frozenset({
    "system_fingerprint", "provider", "generationId", "request_id", "x_groq", "timings", "time_info", "latency_checkpoint", "sla_metrics",
    "prompt", "stream_options", "service_tier", "venice_parameters", "native_finish_reason", "seed", "message.padding",
})  # fmt: skip
"""Fields of an answer in which the many servers of this protocol write about themselves."""
FILTERS = frozenset({"content_filter_results", "prompt_filter_results"})
"""Azure's findings about an answer and its prompt."""


TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
TIERS_IN = {"on_demand": "default", "standard": "default"}
"""Words of other servers of this protocol (Groq, Mistral)."""


def decode_tier(word: str | None, left: dict[str, Any]) -> str | None:
    """`service_tier` in neutral words. A server's own spelling goes to `left`, so that its own clients get it back."""
    if not word:
        return None
    if word in TIERS:
        return word
    left["service_tier"] = word
    return TIERS_IN.get(word)


def encode_tier(tier: str | None, path: str, ledger: Ledger) -> str | None:
    """The word, where this protocol's clients and servers know it. The ordinary tier by another name is no loss."""
    if tier is None or tier in TIERS:
        return tier
    ledger.drop(path, "service_tier", "tuning", f"there is no tier {tier!r}")
    return None


def leftovers(fields: dict[str, Any]) -> Extras | None:
    """What nobody read of an answer or a choice, as extras."""
    return split(fields, PROTOCOL, DECORATION, FILTERS)


def own_fields(extras: Extras | None, ledger: Ledger) -> dict[str, Any]:
    """The reverse of `leftovers`; fields of other protocols are losses."""
    if not extras:
        return {}
    own, words = unknown_extras(extras, PROTOCOL, "", ledger), extras.get(WORDING)
    return {**own, **words} if words else own


class FunctionDelta(Struct, forbid_unknown_fields=True):
    """`delta.tool_calls[].function`."""

    name: str | None = None
    arguments: str | None = None


class CustomDelta(Struct, forbid_unknown_fields=True):
    """`delta.tool_calls[].custom`."""

    name: str | None = None
    input: str | None = None


class CallDelta(Struct, forbid_unknown_fields=True):
    """`delta.tool_calls[]`. Mistral leaves out `index`; some repeat `id` and `type`, or send them empty."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionDelta | None = None
    custom: CustomDelta | None = None
    extra_content: Any = None


class Detail(Struct, forbid_unknown_fields=True):
    """`reasoning_details[]` (OpenRouter): `reasoning.text`, `reasoning.summary` or `reasoning.encrypted`."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


class ChunkDelta(Struct, forbid_unknown_fields=True):
    """`choices[].delta`. `name` and `channel` are decorations that some dialects repeat on every chunk."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None
    reasoning_details: list[Detail] | None = None
    name: str | None = None
    channel: str | None = None


class ChunkChoice(Struct, forbid_unknown_fields=True):
    """`choices[]`."""

    index: int = 0
    delta: ChunkDelta | None = None
    finish_reason: str | None = None
    native_finish_reason: str | None = None
    logprobs: Any = None


class Chunk(Struct, forbid_unknown_fields=True):
    """`chat.completion.chunk`. `obfuscation` and `p` are padding."""

    choices: list[ChunkChoice]
    id: str | None = None
    object: str | None = None
    created: int | None = None
    model: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    provider: str | None = None
    usage: dict[str, Any] | None = None
    obfuscation: str | None = None
    p: str | None = None


class PlainFunction(Struct, forbid_unknown_fields=True):
    """`message.tool_calls[].function` of a whole answer."""

    name: str
    arguments: str


class PlainCall(Struct, forbid_unknown_fields=True):
    """`message.tool_calls[]` of a whole answer."""

    id: str
    function: PlainFunction
    type: Literal["function"] = "function"


class PlainMessage(Struct, forbid_unknown_fields=True):
    """`choices[0].message` that holds text and calls only."""

    content: str | None = None
    tool_calls: list[PlainCall] | None = None
    role: str | None = None
    refusal: None = None
    annotations: list[Any] | None = None


class PlainChoice(Struct, forbid_unknown_fields=True):
    """`choices[0]`."""

    message: PlainMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None


class PlainAnswer(Struct, forbid_unknown_fields=True):
    """`chat.completion` as most answers are: one choice of text and calls. Anything more is read the slow way."""

    choices: list[PlainChoice]
    id: str = ""
    model: str = ""
    created: int | None = None
    usage: dict[str, Any] | None = None
    object: str | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None


decode_plain_answer = msgspec.json.Decoder(PlainAnswer).decode
decode_chunk = msgspec.json.Decoder(Chunk).decode
decode_json = msgspec.json.Decoder().decode
encode_json = msgspec.json.Encoder().encode
