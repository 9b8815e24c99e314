"""Content blocks <-> parts: text, thinking, tool results, and the table of everything else.

    decode_content("Hi" | [blocks], path) -> parts          encode_content(parts, side) -> "Hi" | [blocks]

A string and a list with one text block mean the same; which of them it was can be told from the path (`messages[0].content` against
`messages[0].content[0]`), so a conversation comes out as it went in. Blocks without a neutral meaning (container_upload, compaction,
tool_addition, unknown ones) are `Native`. Source: anthropic SDK 2.12.0, types/content_block_param.py, types/content_block.py;
https://platform.claude.com/docs/en/api/messages (November 2026).
"""

from collections.abc import Callable
from typing import Any, assert_never

from msgspec import Struct

from ...hub.errors import invalid
from ...hub.ledger import Ledger
from ...hub.messages import (
    Media,
    Native,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
)
from ..fields import Fields, type_name
from .calls import arguments_of, decode_provider_call, decode_provider_result, decode_tool_use, encode_call, encode_provider_result
from .citations import decode_citation, encode_citation
from .marks import put_cache, put_extras, take_cache
from .media import decode_document, decode_image, decode_search_result, encode_media
from .wire import PROTOCOL, REALM


class Side(Struct, frozen=True):
    """Which way blocks are written: into a request for an upstream, or into an answer for a client (`answer`).

    `realms` are those whose opaque tokens may be written besides this protocol's own; `unsigned`: thinking without a signature may be.
    """

    ledger: Ledger
    answer: bool = False
    realms: tuple[str, ...] = ()
    unsigned: bool = False


def decode_content(value: Any, at: str) -> tuple[Part, ...]:
    """A string or a list of blocks -> parts."""
    if type(value) is str:
        return (Text(value, at=at),)
    if type(value) is not list:
        raise invalid(at, "required" if value is None else f"expected a string or an array of blocks, got {type_name(value)}")
    return tuple([decode_block(block, f"{at}[{i}]") for i, block in enumerate(value)])


def decode_block(block: Any, at: str) -> Part:
    """One block -> one part."""
    if type(block) is not dict:
        raise invalid(at, f"expected an object, got {type_name(block)}")
    kind = block.get("type")
    plain = _decode_plain(block, kind, at)
    if plain is not None:
        return plain
    if type(kind) is not str:
        raise invalid(f"{at}.type", "required" if kind is None else f"expected a string, got {type_name(kind)}")
    f = Fields(block, at)
    f.take("type")
    reader = READERS.get(kind)
    if reader is not None:
        part = reader(f)
        return _native(block, kind, at) if part is None else part
    if kind in ("server_tool_use", "mcp_tool_use"):
        return decode_provider_call(f, kind)
    if kind.endswith("_tool_result"):
        return decode_provider_result(f, kind)
    return _native(block, kind, at)


def _decode_plain(block: dict[str, Any], kind: Any, at: str) -> Part | None:
    """The three blocks a long history is made of, with nothing on them but what they must have; None for all others."""
    size = len(block)
    if kind == "text":
        text = block.get("text")
        return Text(text, at=at) if size == 2 and type(text) is str else None
    if kind == "tool_use" and size == 4:
        id, name, input = block.get("id"), block.get("name"), block.get("input")
        if type(id) is str and type(name) is str and type(input) is dict:
            return ToolCall(id, name, arguments_of(input), at=at)
    elif kind == "tool_result" and size == 3:
        call_id, content = block.get("tool_use_id"), block.get("content")
        if type(call_id) is str and content is not None:
            return ToolResult(call_id, decode_content(content, at + ".content"), at=at)
    return None


def _decode_text(f: Fields) -> Text:
    text, citations, cache = f.text_required("text"), f.array("citations"), take_cache(f)
    return Text(text, tuple(map(decode_citation, citations or ())), cache, extras=f.extras(PROTOCOL), at=f.path)


def _decode_thinking(f: Fields) -> Reasoning:
    text, signature = f.text("thinking") or "", f.text("signature")
    tokens = (Opaque(REALM, "signature", signature),) if signature else ()
    return Reasoning(text, tokens=tokens, cache=take_cache(f), extras=f.extras(PROTOCOL), at=f.path)


def _decode_redacted(f: Fields) -> Reasoning:
    tokens = (Opaque(REALM, "redacted", f.text_required("data")),)
    return Reasoning("", tokens=tokens, redacted=True, cache=take_cache(f), extras=f.extras(PROTOCOL), at=f.path)


def _decode_result(f: Fields) -> ToolResult:
    call_id, content, is_error, cache = f.text_required("tool_use_id"), f.take("content"), f.flag("is_error"), take_cache(f)
    parts = () if content is None else decode_content(content, f.at("content"))
    return ToolResult(call_id, parts, is_error=is_error, cache=cache, extras=f.extras(PROTOCOL), at=f.path)


def _decode_reference(f: Fields) -> ToolReference:
    return ToolReference(f.text_required("tool_name"), f.extras(PROTOCOL), f.path)


def _native(block: dict[str, Any], kind: str, at: str) -> Native:
    f = Fields(block, at)
    cache = take_cache(f) if isinstance(block.get("cache_control"), dict) else None
    return Native(PROTOCOL, kind, f.rest(), cache, at)


READERS: dict[str, Callable[[Fields], Part | None]] = {
    "text": _decode_text,
    "thinking": _decode_thinking,
    "redacted_thinking": _decode_redacted,
    "tool_use": decode_tool_use,
    "tool_result": _decode_result,
    "tool_reference": _decode_reference,
    "image": decode_image,
    "document": lambda f: decode_document(f, decode_content),
    "search_result": lambda f: decode_search_result(f, decode_content),
}


def encode_content(parts: tuple[Part, ...], side: Side) -> str | list[dict[str, Any]]:
    """Parts -> a list of blocks, or the string where it was given as one."""
    if len(parts) == 1:
        part = parts[0]
        if type(part) is Text and is_string(part):
            return part.text
    return encode_blocks(parts, side)


def encode_blocks(parts: tuple[Part, ...], side: Side) -> list[dict[str, Any]]:
    """Parts -> blocks; what cannot be said is left out and in the ledger."""
    blocks = []
    for part in parts:
        if type(part) is Text and part.cache is None and part.extras is None and not part.citations and not part.tokens:
            blocks.append({"type": "text", "text": part.text})
            continue
        block = encode_block(part, side)
        if block is not None:
            blocks.append(block)
    return blocks


def is_string(part: Text) -> bool:
    """Was this text the whole content as a string, and is there nothing on it that needs a block?"""
    return part.at[-1:] not in ("", "]") and part.cache is None and part.extras is None and not part.citations and not part.tokens


def encode_block(part: Part, side: Side) -> dict[str, Any] | None:
    """One part -> one block; None where it cannot be said (a loss)."""
    match part:
        case Text():
            return _encode_text(part, side)
        case ToolCall():
            return encode_call(part, side.ledger, answer=side.answer)
        case ToolResult():
            return encode_provider_result(part, side.ledger, answer=side.answer) if part.runs == "provider" else _encode_result(part, side)
        case Reasoning():
            return encode_reasoning(part, side)
        case Media():
            return _encode_media(part, side)
        case Refusal():
            return encode_refusal(part, side)
        case ToolReference():
            return _encode_reference(part, side)
        case Native():
            return _encode_native(part, side.ledger)
        case _:
            assert_never(part)


def _encode_text(part: Text, side: Side) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": part.text}
    if part.citations:
        written = [encode_citation(citation, part.at, side.ledger, answer=side.answer) for citation in part.citations]
        citations = [citation for citation in written if citation is not None]
        if citations:
            block["citations"] = citations
    put_cache(block, part.cache, part.at, side.ledger)
    put_extras(block, part.extras, part.at, side.ledger)
    for token in part.tokens:
        side.ledger.drop(part.at or "content", token.kind, "state")
    return block


def encode_refusal(part: Refusal, side: Side) -> dict[str, Any]:
    """The words of refusal are text here; an answer's stop reason says that they are a refusal."""
    if not side.answer:
        side.ledger.approximate(part.at, "refusal", "content", "sent as text")
    block: dict[str, Any] = {"type": "text", "text": part.text}
    put_extras(block, part.extras, part.at, side.ledger)
    return block


def encode_reasoning(part: Reasoning, side: Side) -> dict[str, Any] | None:
    """Reasoning -> `thinking` or `redacted_thinking`. Into a request without a token its reader accepts: only where facts allow it."""
    token = _accepted_token(part, side)
    block: dict[str, Any]
    if part.redacted or (token is not None and token.kind == "redacted"):
        if token is None:
            side.ledger.drop(part.at or "content", "redacted_thinking", "state")
            return None
        block = {"type": "redacted_thinking", "data": token.data}
    elif token is None and not side.answer and not side.unsigned:
        side.ledger.drop(part.at, "thinking", "state", "thinking without a signature that the target accepts")
        return None
    else:
        block = {"type": "thinking", "thinking": part.text, "signature": token.data if token else ""}
    if part.cache is not None:
        side.ledger.drop(part.cache.path(part.at), "cache_control", "cache", "thinking takes no cache mark")
    put_extras(block, part.extras, part.at, side.ledger)
    return block


def _accepted_token(part: Reasoning, side: Side) -> Opaque | None:
    """The first token that may be written; each other one is a loss."""
    found: Opaque | None = None
    for token in part.tokens:
        if found is None and may_write(token, part.redacted, side):
            found = token
        else:
            side.ledger.drop(part.at or "content", token.kind, "state")
    return found


def may_write(token: Opaque, redacted: bool, side: Side) -> bool:
    """Seals go to clients; signatures and redacted thinking to whoever issued them, or where they came from."""
    if token.kind == "seal":
        return side.answer
    if side.answer and (token.kind == "redacted") != redacted:
        return False
    return token.kind in ("signature", "redacted") and (token.realm == REALM or token.realm in side.realms)


def _encode_result(part: ToolResult, side: Side) -> dict[str, Any] | None:
    if side.answer:
        side.ledger.drop("content", "tool_result", "content", "answers hold no results of the client's calls")
        return None
    block: dict[str, Any] = {"type": "tool_result", "tool_use_id": part.call_id}
    if part.parts:
        block["content"] = encode_content(part.parts, side)
    if part.is_error is not None:
        block["is_error"] = part.is_error
    put_cache(block, part.cache, part.at, side.ledger)
    put_extras(block, part.extras, part.at, side.ledger)
    return block


def _encode_reference(part: ToolReference, side: Side) -> dict[str, Any] | None:
    if side.answer:
        side.ledger.drop("content", "tool_reference", "tools", "answers hold no tool references")
        return None
    block: dict[str, Any] = {"type": "tool_reference", "tool_name": part.name}
    put_extras(block, part.extras, part.at, side.ledger)
    return block


def _encode_media(part: Media, side: Side) -> dict[str, Any] | None:
    if side.answer:
        side.ledger.drop(part.at or "content", part.kind, "content", "answers hold no media")
        return None
    for token in part.tokens:
        side.ledger.drop(part.at, token.kind, "state")
    return encode_media(part, side.ledger, lambda parts: encode_content(parts, side))


def _encode_native(part: Native, ledger: Ledger) -> dict[str, Any] | None:
    if part.protocol != PROTOCOL or not isinstance(part.body, dict):
        ledger.drop(part.at or "content", part.kind, "content", f"an item of {part.protocol}")
        return None
    block = dict(part.body)
    if part.cache is None:
        block.pop("cache_control", None)
    put_cache(block, part.cache, part.at, ledger)
    return block
