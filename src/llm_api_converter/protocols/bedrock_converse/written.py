"""Parts -> content blocks of one request or answer; what Converse cannot say goes to the ledger at the part's own path.

Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ContentBlock`, `ToolResultContentBlock` (November 2026).
"""

from base64 import b64encode
from typing import Any

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
from ...hub.runs import is_foreign
from ...hub.seal import is_seal
from ..base import UNREADABLE, Json
from ..citing import lose_citations
from .citations import encode_citation, own_citations
from .content import TTL_IN
from .media import DocumentNames, encode_media
from .system_tools import foreign_call, foreign_result
from .wire import PROTOCOL, REALM, WORDING, decode_json


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
        except UNREADABLE:
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
    except UNREADABLE:
        return {"text": text}
