"""OpenAI Responses as it stands on the wire: names shared by all files of this codec, and the typed frame of its streams.

Sources: openai 3.54.0 `types/responses/*.py`; https://platform.openai.com/docs/api-reference/responses; recordings of OpenAI, Azure,
xAI, DeepSeek, OpenRouter, LM Studio, Copilot and Bedrock (read November 2026).
"""

from typing import Any

import msgspec
from msgspec import Struct

from ...hub.ledger import Ledger
from ...hub.messages import Extras, wording

PROTOCOL = "openai_responses"
REALM = f"wire.{PROTOCOL}"
WORDING = wording(PROTOCOL)
"""Owner in `extras` of item ids, states, spellings and echoes of the request."""

FILE_REALMS = (PROTOCOL, "openai_chat")
"""Whose file ids mean the same: one file store serves both of OpenAI's protocols."""


class Frame(Struct, gc=False):
    """One event of a stream: the union of the fields that any of its types may carry. Padding (`obfuscation`) is ignored."""

    type: str = ""
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    item_id: str | None = None
    delta: Any = None
    text: Any = None
    arguments: Any = None
    input: Any = None
    refusal: Any = None
    item: Any = None
    part: Any = None
    annotation: Any = None
    response: Any = None
    error: Any = None
    code: Any = None
    message: Any = None
    param: Any = None


decode_frame = msgspec.json.Decoder(Frame).decode
decode_json = msgspec.json.Decoder().decode
encode_json = msgspec.json.Encoder().encode


def worded(extras: Extras | None) -> dict[str, Any]:
    """This protocol's bookkeeping on a part or message; {} on what came from another protocol."""
    return (extras.get(WORDING) or {}) if extras else {}


def extras_of(words: dict[str, Any], rest: dict[str, Any]) -> Extras | None:
    """`extras` from bookkeeping and from fields nobody knows."""
    if not words:
        return {PROTOCOL: rest} if rest else None
    return {WORDING: words, PROTOCOL: rest} if rest else {WORDING: words}


def put_own(body: dict[str, Any], own: dict[str, Any]) -> None:
    """Writes leftovers back; `text.foo` is the field `foo` of the object `text`."""
    for name, value in own.items():
        place, field = body, name
        while "." in field:
            outer, _, field = field.partition(".")
            place = place.setdefault(outer, {})
        place[field] = value


TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
TIERS_OUT = {"standard": "default"}


def encode_tier(tier: str | None, extras: Extras | None, ledger: Ledger, path: str = "service_tier") -> str | None:
    """A tier this protocol has a word for; its own clients and upstreams may say what they like."""
    if tier is None or tier in TIERS or worded(extras):
        return tier
    if tier in TIERS_OUT:
        return TIERS_OUT[tier]
    ledger.drop(path, "service_tier", "tuning", f"there is no tier {tier!r}")
    return None
