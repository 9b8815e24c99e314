"""Content blocks <-> parts, for requests and whole answers.

A block is an object with one member that names its kind. A `cachePoint` becomes the `CacheMark` of the part before it; a guarded
text is a `Text` whose `guardContent` rides in `extras`; provider-run calls and results keep their own name and `type` in the bookkeeping.
Blocks of unknown kinds are `Native`. Extras of nested objects have dotted keys: their path inside the block.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ContentBlock`, `ToolResultContentBlock`, `SystemContentBlock` (November 2026).
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any

from msgspec import DecodeError
from msgspec.structs import replace

from ...hub.errors import invalid
from ...hub.fold import merge_extras
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import (
    CacheMark,
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
from ...hub.runs import is_foreign, is_marked
from ...hub.seal import is_seal
from ..base import Json
from ..citing import lose_citations
from ..fields import Fields
from .citations import decode_citation, encode_citation, own_citations
from .media import MEDIA_KINDS, DocumentNames, decode_media, decode_search_result, encode_media
from .system_tools import foreign_call, foreign_result, kind_of_result, outcome_of
from .wire import PROTOCOL, REALM, SYSTEM_TOOLS, WORDING, decode_json, encode_json

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


# ---------------------------------------------------------------------- encode


class ContentEncoder:
    """Parts -> content blocks of one request or answer.

    `realms`: whose opaque tokens are written, besides this protocol's. `seals`: this is an answer, whose client keeps seals for us.
    """

    __slots__ = ("ledger", "names", "realms", "seals")

    def __init__(self, ledger: Ledger, realms: tuple[str, ...] = (), *, seals: bool = False) -> None:
        self.ledger = ledger
        self.names = DocumentNames()
        self.realms = frozenset((REALM, *realms))
        self.seals = seals

    def content(self, parts: tuple[Part, ...], out: list[Json]) -> None:
        """Append the blocks of these parts, cache points included."""
        for part in parts:
            if type(part) is Text and part.cache is None and part.extras is None and not part.citations and not part.tokens:
                out.append({"text": part.text})
                continue
            block = self.block(part)
            if block is not None:
                out.append(block)
            if not isinstance(part, (Refusal, ToolReference)) and part.cache is not None:
                self.cache_point(part.cache, part.at, out)

    def cache_point(self, mark: CacheMark, at: str, out: list[Json]) -> None:
        """A cache point after what stands in `out`; a mark with nothing before it is reported."""
        if not out or "cachePoint" in out[-1]:
            self.ledger.drop(mark.path(at), "cache_control", "cache")
            return
        out.append({"cachePoint": encode_cache_point(mark, at, self.ledger)})

    def block(self, part: Part) -> Json | None:
        """The block of one part, None where there is none (reported)."""
        match part:
            case Text():
                return self._text(part)
            case ToolCall():
                return self._tool_call(part)
            case ToolResult():
                return self._tool_result(part)
            case Reasoning():
                return self._reasoning(part)
            case Media():
                return self._media(part)
            case Refusal(text, extras, at):
                unknown_extras(extras, PROTOCOL, at, self.ledger)
                self.ledger.approximate(at, "refusal", "content", "sent as text")
                return {"text": text}
            case ToolReference(_, extras, at):
                unknown_extras(extras, PROTOCOL, at, self.ledger)
                self.ledger.drop(at, "tool_reference", "tools")
            case Native(protocol, kind, body, _, at):
                if protocol == PROTOCOL and type(body) is dict:
                    return body
                self.ledger.drop(at, kind, "content")
        return None

    def _text(self, part: Text) -> Json:
        for token in part.tokens:
            self.ledger.drop(part.at, token.kind, "state")
        left = unknown_extras(part.extras, PROTOCOL, part.at, self.ledger)
        if "guardContent" in left:
            return {"guardContent": {"text": {"text": part.text, **left["guardContent"]}}}
        citations = part.citations if self.seals else own_citations(part, self.ledger)
        if not citations:
            return {"text": part.text}
        body: Json = {"content": [{"text": part.text}]} if part.text else {}
        body["citations"] = [
            encode_citation(citation, f"{part.at}.citations[{i}]" if part.at else f"citations[{i}]", self.ledger)
            for i, citation in enumerate(citations)
        ]
        body.update(_undotted("citationsContent", left))
        return {"citationsContent": body}

    def _media(self, part: Media) -> Json | None:
        block = encode_media(part, self.names, self.ledger)
        if block is not None and part.kind == "image" and "guardContent" in ((part.extras or {}).get(PROTOCOL) or {}):
            return {"guardContent": block}
        return block

    def _tool_call(self, call: ToolCall) -> Json | None:
        for token in call.tokens:
            self.ledger.drop(call.at, token.kind, "state")
        left = unknown_extras(call.extras, PROTOCOL, call.at, self.ledger)
        if self.shows(call):
            shown = foreign_call(call, self.ledger)
            return None if shown is None else {"toolUse": shown}
        head = tool_use_head(call, left, self.ledger)
        if head is None:
            return None
        return {"toolUse": {**head, "input": self._input(call)}}

    def shows(self, part: ToolCall | ToolResult) -> bool:
        """Is this something another provider ran, in an answer?"""
        return self.seals and is_foreign(part, PROTOCOL)

    def _input(self, call: ToolCall) -> Any:
        if call.custom:
            self.ledger.approximate(call.at, "custom", "tools", "raw text sent as {input}")
            return {"input": call.arguments}
        if not call.arguments:
            return {}
        try:
            value = decode_json(call.arguments)
        except DecodeError:
            value = call.arguments
        if type(value) is not dict:
            self.ledger.approximate(call.at, "arguments", "content", "the arguments are no JSON object; sent as {arguments: text}")
            return {"arguments": call.arguments}
        return value

    def _tool_result(self, result: ToolResult) -> Json | None:
        left = unknown_extras(result.extras, PROTOCOL, result.at, self.ledger)
        if self.shows(result):
            shown = foreign_result(result, self.ledger)
            return None if shown is None else {"toolResult": shown}
        own = _undotted("toolResult", {**_words(result), **left})
        if result.runs == "provider" and "type" not in own:
            self.ledger.drop(result.at, "provider_tool_result", "tools")
            return None
        body: Json = {"toolUseId": result.call_id, "content": self._result_content(result)}
        if result.is_error is not None:
            body["status"] = "error" if result.is_error else "success"
        body.update(own)
        return {"toolResult": body}

    def _result_content(self, result: ToolResult) -> list[Json]:
        content: list[Json] = []
        for part in result.parts:
            if isinstance(part, Text) and (result.json or "json" in ((part.extras or {}).get(PROTOCOL) or {})):
                block: Json | None = _json_block(part.text)
            elif isinstance(part, Media) and part.kind == "audio":
                self.ledger.drop(part.at, "audio", "content", "a Converse tool result holds no sound")
                block = None
            elif isinstance(part, Text) and part.citations:
                lose_citations(part.at, self.ledger)
                block = {"text": part.text}
            else:
                block = self.block(part)
            if block is not None:
                content.append(block)
            if not isinstance(part, (Refusal, ToolReference)) and part.cache is not None:
                self.ledger.drop(part.cache.path(part.at), "cache_control", "cache", "no cache points inside a tool result")
        return content

    def _reasoning(self, part: Reasoning) -> Json | None:
        left = _undotted("reasoningContent", unknown_extras(part.extras, PROTOCOL, part.at, self.ledger))
        token = self._token(part)
        if part.redacted:
            if token is None:
                if not part.tokens:
                    self.ledger.drop(part.at, "redacted_thinking", "state")
                return None
            return {"reasoningContent": {"redactedContent": encode_redacted(token.data), **left}}
        inner: Json = {"text": part.text}
        if token is not None:
            inner["signature"] = token.data
        inner.update({key.partition(".")[2]: left.pop(key) for key in list(left) if key.startswith("reasoningText.")})
        return {"reasoningContent": {"reasoningText": inner, **left}}

    def _token(self, part: Reasoning) -> Opaque | None:
        """The one token a reasoning block has room for."""
        found: Opaque | None = None
        for token in part.tokens:
            if found is None and self.accepts(token):
                found = token
            else:
                self.ledger.drop(part.at, token.kind, "state")
        return found

    def accepts(self, token: Opaque) -> bool:
        """Is this token written as it is?"""
        return self.seals if token.kind == "seal" else token.realm in self.realms


def _words(part: ToolCall | ToolResult) -> Json:
    return (part.extras or {}).get(WORDING) or {}


def _undotted(kind: str, left: Json) -> Json:
    prefix = f"{kind}."
    return {key[len(prefix) :]: value for key, value in left.items() if key.startswith(prefix)}


def tool_use_head(call: ToolCall, left: Json, ledger: Ledger) -> Json | None:
    """`{toolUseId, name, type?}`; None for a call another protocol's provider ran (reported)."""
    own = _undotted("toolUse", {**_words(call), **left})
    if call.runs == "provider" and "name" not in own:
        ledger.drop(call.at, call.name, "tools", "a call its provider ran")
        return None
    if call.namespace is not None:
        ledger.drop(f"{call.at}.namespace", "namespace", "tools")
    return {"toolUseId": call.id, "name": call.name, **own}


def encode_cache_point(mark: CacheMark, at: str, ledger: Ledger) -> Json:
    """`{type: default, ttl?}`. Lifetimes other than five minutes and an hour become the nearest that is not longer, or five minutes."""
    if mark.ttl_s is None:
        return {"type": "default"}
    word = "1h" if mark.ttl_s >= 3600 else "5m"
    if TTL_IN[word] != mark.ttl_s:
        ledger.approximate(f"{mark.path(at)}.ttl", "cache_ttl", "cache", f"{mark.ttl_s} s sent as {word}")
    return {"type": "default", "ttl": word}


def encode_redacted(data: str) -> str:
    """The reverse of `decode_redacted`."""
    if is_seal(data):
        return data
    return data[1:] if data.startswith(":") else b64encode(data.encode()).decode()


def _json_block(text: str) -> Json:
    try:
        return {"json": decode_json(text)}
    except DecodeError:
        return {"text": text}
