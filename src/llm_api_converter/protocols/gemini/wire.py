"""The frames of a Gemini stream whose shape is frequent: typed, for speed.

A frame that holds anything else fails to decode and is read field by field. Names are Google's own.
Source: google-genai `types.GenerateContentResponse` (read November 2026).
"""

from msgspec import Raw, Struct
from msgspec.json import Decoder

NOTHING = Raw(b"")


class PlainPart(Struct, forbid_unknown_fields=True):
    """Text or a thought, or a signature on either."""

    text: str = ""
    thought: bool = False
    thoughtSignature: str = ""


class PlainContent(Struct, forbid_unknown_fields=True):
    """The content of a candidate."""

    parts: list[PlainPart] = []
    role: str | None = None


class PlainCandidate(Struct, forbid_unknown_fields=True):
    """A candidate that has not ended."""

    content: PlainContent
    index: int = 0


class PlainChunk(Struct, forbid_unknown_fields=True):
    """A frame in the middle of an answer."""

    candidates: tuple[PlainCandidate]
    usageMetadata: Raw = NOTHING
    modelVersion: str = ""
    responseId: str = ""
    createTime: str = ""


decode_plain = Decoder(PlainChunk).decode
