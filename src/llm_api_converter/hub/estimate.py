"""A token estimate for texts nobody has counted: shown at the start of a stream and where an upstream has no counter.

Four bytes of JSON a token is close for English and code and errs upwards for other scripts, which is the safe side for clients that
compact their history in time. Media do not count by their base64 size: an image is about 1,600 tokens at the size providers scale
it to, a page of a document about 2,000 (https://platform.claude.com/docs/en/build-with-claude/vision, read November 2026).
"""

from .messages import Inline, Media, Part, PartList, PlainText, ToolResult
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
            kind = type(part)
            if kind is Media or kind is ToolResult:
                for media in _media_of(part):
                    size, cost = _media(media)
                    inline += size
                    tokens += cost
    return max(1, (body_bytes - inline) // BYTES_A_TOKEN + tokens)


def _media_of(part: Part) -> list[Media]:
    """The media in a part, however deep."""
    if type(part) is ToolResult:
        return [x for inner in part.parts if type(inner) is Media for x in _media_of(inner)]
    assert type(part) is Media
    if type(part.source) is PartList:
        return [x for inner in part.source.parts if type(inner) is Media for x in _media_of(inner)]
    return [part]


def _media(media: Media) -> tuple[int, int]:
    """(bytes of base64, tokens) of one."""
    if type(media.source) is Inline:
        size = len(media.source.data)
        return size, _inline_tokens(media.kind, size * 3 // 4)
    return 0, 0 if type(media.source) is PlainText else IMAGE_TOKENS if media.kind == "image" else PAGE_TOKENS


def _inline_tokens(kind: str, size: int) -> int:
    if kind == "image":
        return IMAGE_TOKENS
    if kind == "document":
        return PAGE_TOKENS * max(1, round(size / PAGE_BYTES))
    return max(1, size // AUDIO_BYTES_A_TOKEN)
