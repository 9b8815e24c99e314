"""A token estimate for texts nobody has counted: shown at the start of a stream and where an upstream has no counter.

Four bytes of JSON a token is close for English and code and errs upwards for other scripts, which is the safe side for clients that
compact their history in time. Media do not count by their base64 size: an image is about 1,600 tokens at the size providers scale
it to, a page of a document about 2,000 (https://platform.claude.com/docs/en/build-with-claude/vision, read November 2026).
"""

from collections.abc import Iterable

from .messages import Inline, Media, Part, PartList, ToolResult
from .request import Request

BYTES_A_TOKEN = 4
IMAGE_TOKENS = 1600
PAGE_TOKENS = 2000
PAGE_BYTES = 60_000
AUDIO_BYTES_A_TOKEN = 200


def estimate_input(request: Request, body_bytes: int) -> int:
    """Tokens of a request whose JSON body has `body_bytes` bytes; at least 1."""
    inline = tokens = 0
    for message in request.messages:
        for part in message.parts:
            if type(part) is Media or type(part) is ToolResult:
                size, cost = _media((part,))
                inline += size
                tokens += cost
    return max(1, (body_bytes - inline) // BYTES_A_TOKEN + tokens)


def _media(parts: Iterable[Part]) -> tuple[int, int]:
    """(bytes of base64, tokens) of the media among parts."""
    size = cost = 0
    for part in parts:
        match part:
            case Media(kind=kind, source=Inline(data)):
                size += len(data)
                cost += _inline_tokens(kind, len(data) * 3 // 4)
            case Media(source=PartList(inner)):
                more = _media(inner)
                size, cost = size + more[0], cost + more[1]
            case Media(kind="image"):
                cost += IMAGE_TOKENS
            case Media():
                cost += PAGE_TOKENS
            case ToolResult(parts=inner):
                more = _media(inner)
                size, cost = size + more[0], cost + more[1]
            case _:
                pass
    return size, cost


def _inline_tokens(kind: str, size: int) -> int:
    if kind == "image":
        return IMAGE_TOKENS
    if kind == "document":
        return PAGE_TOKENS * max(1, round(size / PAGE_BYTES))
    return max(1, size // AUDIO_BYTES_A_TOKEN)
