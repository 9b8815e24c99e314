"""Content blocks -> parts, for requests and whole answers; `written` is the way back.

A block is an object with one member that names its kind. A `cachePoint` becomes the `CacheMark` of the part before it; a guarded
text is a `Text` whose `guardContent` rides in `extras`; provider-run calls and results keep their own name and `type` in the bookkeeping.
Blocks of unknown kinds are `Native`. Extras of nested objects have dotted keys: their path inside the block.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ContentBlock`, `ToolResultContentBlock`, `SystemContentBlock` (November 2026).
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from ...hub.errors import invalid
from ...hub.fold import merge_extras
from ...hub.messages import (
    CacheMark,
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
from ...hub.runs import is_marked
from ...hub.seal import is_seal
from ..base import Json
from ..fields import Fields
from .citations import decode_citation
from .media import MEDIA_KINDS, decode_media, decode_search_result
from .system_tools import kind_of_result, outcome_of
from .wire import PROTOCOL, REALM, SYSTEM_TOOLS, WORDING, encode_json

TTL_IN = {"5m": 300, "1h": 3600}
STATUS_IN = {"success": False, "error": True}
_TYPED_AS_USUAL = {"text": "text", "toolUse": "tool_use"}
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_")


# ---------------------------------------------------------------------- decode


def decode_content(blocks: list[Any], path: str) -> tuple[Part, ...]:
    """`content[]` -> parts. `path` "" in answers. Results of client-run tools come first, as everywhere in the hub."""
    parts: list[Part] = []
    for i, block in enumerate(blocks):
        at = f"{path}[{i}]" if path else ""
        if type(block) is dict and len(block) == 1:
            text = block.get("text")
            if type(text) is str:
                parts.append(Text(text, at=at))
                continue
            mark = block.get("cachePoint")
            if mark is not None and parts and _mark_last(parts, mark, at):
                continue
        parts.append(decode_block(block, at))
    results = [part for part in parts if type(part) is ToolResult and part.runs == "client"]
    if results and parts[: len(results)] != results:
        parts = results + [part for part in parts if not (type(part) is ToolResult and part.runs == "client")]
    return tuple(parts)


def _mark_last(parts: list[Part], value: Any, at: str) -> bool:
    """Put a cache point on the part before it; False where it says more than a `CacheMark` can."""
    mark, last = decode_cache_point(value, at), parts[-1]
    if mark is None or isinstance(last, (Refusal, ToolReference)) or last.cache is not None:
        return False
    parts[-1] = replace(last, cache=mark)
    return True


def decode_cache_point(value: Any, at: str) -> CacheMark | None:
    """`{type: default, ttl?}` -> CacheMark; None for any other cache point."""
    if value == {"type": "default"}:
        return CacheMark(at=f"{at}.cachePoint")
    if type(value) is dict and value.keys() == {"type", "ttl"} and value["type"] == "default" and type(value["ttl"]) is str:
        ttl_s = TTL_IN.get(value["ttl"])
        return None if ttl_s is None else CacheMark(ttl_s, f"{at}.cachePoint")
    return None


def decode_block(block: Any, at: str) -> Part:
    """One content block of a message, a system list or a tool result."""
    if type(block) is not dict or not block:
        raise invalid(at or "content", "expected an object with one member that names the kind of the block")
    kind = next((key for key in block if key != "type"), "type")
    if len(block) > 1 and block != {kind: block[kind], "type": _TYPED_AS_USUAL.get(kind)}:
        return Native(PROTOCOL, kind, block, at=at)
    decode = DECODE.get(kind)
    return Native(PROTOCOL, kind, block, at=at) if decode is None else decode(block[kind], at)


def _inside(at: str, kind: str) -> str:
    return f"{at}.{kind}" if at else kind


def _dotted(kind: str, rest: Json) -> dict[str, Json] | None:
    return {PROTOCOL: {f"{kind}.{key}": value for key, value in rest.items()}} if rest else None


def _decode_text(value: Any, at: str) -> Part:
    if type(value) is not str:
        raise invalid(_inside(at, "text"), "expected a string")
    return Text(value, at=at)


def _decode_tool_use(value: Any, at: str) -> Part:
    f = Fields(value, _inside(at, "toolUse"))
    call_id, name = f.text_required("toolUseId"), f.text_required("name")
    given = f.take("input")
    arguments = "{}" if given is None or given == "" else given if type(given) is str else encode_json(given).decode()
    return tool_call(call_id, name, f.text("type"), arguments, f.rest(), at)


def tool_call(call_id: str, name: str, call_type: str | None, arguments: str, rest: Json, at: str) -> ToolCall:
    """A call the client runs, or, with a `type` of its own, one the provider runs: named by its neutral kind."""
    if call_type in (None, "tool_use"):
        return ToolCall(call_id, name, arguments, extras=_dotted("toolUse", rest), at=at)
    words = None if is_marked(call_id) else {WORDING: {"toolUse.name": name, "toolUse.type": call_type}}
    extras = merge_extras(words, _dotted("toolUse", rest))
    return ToolCall(call_id, SYSTEM_TOOLS.get(name, "other"), arguments, runs="provider", extras=extras, at=at)


def _decode_tool_result(value: Any, at: str) -> Part:
    f = Fields(value, _inside(at, "toolResult"))
    return tool_result(f, f.array("content") or [], at)


def tool_result(f: Fields, content: list[Any], at: str) -> ToolResult:
    """`{toolUseId, status?, type?}` with its content blocks. One `json` block is the JSON text of the result."""
    call_id, result_type = f.text_required("toolUseId"), f.text("type")
    left: Json = {}
    status = f.text("status")
    if status is not None and status not in STATUS_IN:
        left["toolResult.status"] = status
    ours = result_type is None or is_marked(call_id)
    words = None if ours else {WORDING: {"toolResult.type": result_type}}
    left.update({f"toolResult.{key}": item for key, item in f.rest().items()})
    path = f.at("content") if at else ""
    structured = len(content) == 1 and type(content[0]) is dict and content[0].keys() == {"json"}
    if structured:
        inner: tuple[Part, ...] = (Text(encode_json(content[0]["json"]).decode(), at=f"{path}[0].json" if path else ""),)
    else:
        inner = tuple(_decode_result_block(block, f"{path}[{i}]" if path else "") for i, block in enumerate(content))
    name = kind_of_result(result_type)
    return ToolResult(
        call_id,
        inner,
        name=name,
        is_error=STATUS_IN.get(status) if status else None,
        json=structured,
        runs="client" if result_type is None else "provider",
        extras=merge_extras(words, {PROTOCOL: left} if left else None),
        at=at,
        outcome=outcome_of(name, inner, structured),
    )


def _decode_result_block(block: Any, at: str) -> Part:
    if type(block) is dict and block.keys() == {"json"}:
        return Text(encode_json(block["json"]).decode(), extras={PROTOCOL: {"json": True}}, at=at)
    return decode_block(block, at)


def _decode_reasoning(value: Any, at: str) -> Part:
    f = Fields(value, _inside(at, "reasoningContent"))
    redacted = f.text("redactedContent")
    if redacted is not None:
        token = Opaque(REALM, "redacted", decode_redacted(redacted))
        return Reasoning("", tokens=(token,), redacted=True, extras=_dotted("reasoningContent", f.rest()), at=at)
    inner = f.sub("reasoningText")
    if inner is None:
        return Native(PROTOCOL, "reasoningContent", {"reasoningContent": value}, at=at)
    text, signature = inner.text("text") or "", inner.text("signature")
    tokens = (Opaque(REALM, "signature", signature),) if signature else ()
    rest = {**f.rest(), **{f"reasoningText.{key}": item for key, item in inner.rest().items()}}
    return Reasoning(text, tokens=tokens, extras=_dotted("reasoningContent", rest), at=at)


def decode_redacted(data: str) -> str:
    """Base64 of bytes -> token data. Claude's bytes are base64 text themselves: then that text is the token, as it stands in the
    other protocol Claude speaks. Other bytes keep their base64 behind a colon, which base64 has not. A seal stands as it is, so
    that it can be seen in the raw body."""
    if is_seal(data):
        return data
    try:
        raw = b64decode(data, validate=True)
    except (Base64Error, ValueError):
        return f":{data}"
    if raw and _BASE64.issuperset(raw) and b64encode(raw).decode() == data:
        return raw.decode("ascii")
    return f":{data}"


def _decode_guarded(value: Any, at: str) -> Part:
    """Text or an image that guardrails are told about."""
    f = Fields(value, _inside(at, "guardContent"))
    text = f.sub("text")
    if text is not None:
        content = text.text_required("text")
        return Text(content, extras={PROTOCOL: {"guardContent": {**text.rest(), **f.rest()}}}, at=at)
    image = f.object("image")
    if image is None or f.rest():
        return Native(PROTOCOL, "guardContent", {"guardContent": value}, at=at)
    media = decode_media("image", image, at)
    return replace(media, extras={PROTOCOL: {**(media.extras or {}).get(PROTOCOL, {}), "guardContent": {}}})


def _decode_cited(value: Any, at: str) -> Part:
    """`citationsContent`: text with its citations. Several pieces of text are one text."""
    f = Fields(value, _inside(at, "citationsContent"))
    texts = [Fields(x, f"{f.at('content')}[{i}]").text("text") or "" for i, x in enumerate(f.array("content") or [])]
    path = f"{f.at('citations')}" if at else "citations"
    citations = tuple(decode_citation(x, f"{path}[{i}]") for i, x in enumerate(f.array("citations") or []))
    return Text("".join(texts), citations, extras=_dotted("citationsContent", f.rest()), at=at)


def _media_decoder(kind: Any) -> Callable[[Any, str], Part]:
    return lambda value, at: decode_media(kind, value, at)


DECODE: dict[str, Callable[[Any, str], Part]] = {
    "text": _decode_text,
    "toolUse": _decode_tool_use,
    "toolResult": _decode_tool_result,
    "reasoningContent": _decode_reasoning,
    "guardContent": _decode_guarded,
    "citationsContent": _decode_cited,
    "searchResult": decode_search_result,
    **{kind: _media_decoder(kind) for kind in MEDIA_KINDS},
}
