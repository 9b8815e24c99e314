"""Converse's names, and the types of its stream frames.

Only the fields that matter to a translation are typed; what a frame of another shape says goes by `contentBlockIndex` and is
decoded a second time, whole. `p` is padding.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ConverseStreamOutput` (November 2026), recordings for what it leaves out.
"""

from typing import Any

import msgspec
from msgspec import Struct

from ...hub.messages import wording

PROTOCOL = "bedrock_converse"
WORDING = wording(PROTOCOL)
REALM = f"wire.{PROTOCOL}"

# Neutral kind of a provider-run tool <-> Converse `systemTool` names.
SYSTEM_TOOLS = {"nova_code_interpreter": "code_execution", "nova_grounding": "web_search"}


class ToolUseDelta(Struct):
    """A fragment of call arguments."""

    input: str = ""


class ReasoningDelta(Struct):
    """One of text, signature, redactedContent (base64)."""

    text: str | None = None
    signature: str | None = None
    redactedContent: str | None = None


class BlockDelta(Struct):
    """One of its members."""

    text: str | None = None
    toolUse: ToolUseDelta | None = None
    reasoningContent: ReasoningDelta | None = None
    citation: dict[str, Any] | None = None
    toolResult: list[dict[str, Any]] | None = None
    image: dict[str, Any] | None = None


class ContentBlockDelta(Struct):
    """More of a block."""

    delta: BlockDelta
    contentBlockIndex: int = 0


class ContentBlockStart(Struct):
    """A block begins: `{toolUse}`, `{toolResult}` or `{image}`; text and reasoning have no start."""

    start: dict[str, Any]
    contentBlockIndex: int = 0


class ContentBlockStop(Struct):
    """A block is complete."""

    contentBlockIndex: int = 0


decode_delta = msgspec.json.Decoder(ContentBlockDelta).decode
decode_start = msgspec.json.Decoder(ContentBlockStart).decode
decode_stop = msgspec.json.Decoder(ContentBlockStop).decode
decode_json = msgspec.json.Decoder().decode
encode_json = msgspec.json.Encoder().encode
