"""Names of this protocol, and its streaming frames as typed structs.

Only the frames that come often are typed; the rest is read as plain objects. Source: anthropic SDK 2.12.0,
types/raw_message_stream_event.py; https://platform.claude.com/docs/en/build-with-claude/streaming (November 2026).
"""

from typing import Any

from msgspec import Struct

from ...hub.messages import Extras, wording
from ..decoration import split

PROTOCOL = "anthropic"
REALM = "wire.anthropic"
WORDING = wording(PROTOCOL)
VERSION = "2023-06-01"


def leftovers(fields: dict[str, Any]) -> Extras | None:
    """What nobody read of an answer, as extras."""
    return split(fields, PROTOCOL, frozenset())


class BlockDelta(Struct):
    """`content_block_delta.delta`: `text_delta`, `input_json_delta`, `thinking_delta`, `signature_delta` or `citations_delta`."""

    type: str
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    citation: Any = None


class DeltaFrame(Struct):
    """`content_block_delta`."""

    index: int
    delta: BlockDelta
