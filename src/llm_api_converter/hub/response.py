"""An answer in neutral form: its parts, why it ended, what it used."""

from typing import Any, Literal

from msgspec import Struct

from .messages import Extras, Part

FinishReason = Literal[
    "stop", "length", "stop_sequence", "tool_call", "refused", "filtered", "paused", "context_full", "malformed_call", "other"
]


class Finish(Struct, frozen=True):
    """Why the answer ended. `raw` is the upstream's own word, `detail` more of its words, `stop_sequence` the one that matched.

    A decoder that has seen a client-run tool call never reports plain `stop` (litellm #34692).
    """

    reason: FinishReason
    raw: str | None = None
    detail: str | None = None
    stop_sequence: str | None = None
    extras: Extras | None = None


class Usage(Struct, frozen=True):
    """Tokens. `input_total` and `output_total` are *totals*; the other counts are parts of them, None where not said.

    `cache_read` and `cache_write` are parts of `input_total`; `reasoning` is a part of `output_total`; `cache_write_1h` is the
    part of `cache_write` with the one-hour lifetime. Anthropic's and Converse's `input_tokens` exclude cached ones, OpenAI's and
    Gemini's include them: decoders add up, encoders subtract. `raw` is the upstream's usage object, `protocol` its language.
    """

    input_total: int = 0
    output_total: int = 0
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None
    raw: dict[str, Any] | None = None
    protocol: str = ""


class Response(Struct, frozen=True):
    """A whole answer. `model` is what the upstream calls itself. `usage` None: the upstream did not say."""

    id: str
    model: str
    parts: tuple[Part, ...]
    finish: Finish
    usage: Usage | None = None
    service_tier: str | None = None
    created_s: int | None = None
    extras: Extras | None = None
