"""Neutral parts -> Gemini parts, for requests and answers alike.

`PartWriter` turns one neutral part into zero or more Gemini parts; what Gemini cannot say goes to the ledger at the part's own path.
A thought signature may stand on any part; a part takes one. In requests reasoning is written only where the target wants it back,
and the signature of reasoning that is left out moves to the part after it, where Google itself puts signatures.
Source: https://ai.google.dev/gemini-api/docs/thought-signatures (read November 2026).
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import (
    FileRef,
    Inline,
    Media,
    Native,
    Opaque,
    Part,
    PartList,
    PlainText,
    Ran,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    Url,
    wording,
)
from ...hub.runs import code_of, is_marked, ran_by
from ..base import UNREADABLE, Json
from ..citing import lose_citations
from .parts import MINTED, OUTCOME_FAILED, OUTCOME_OK
from .spelling import PROTOCOL

# Extras that stand beside the data of a part; all others stand inside it.
_BESIDE = frozenset({
    "videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing", "audioTranscription", "speechMetadata", "documentMetadata",
    "spreadsheetMetadata", "audioMetadata", "thought", "thoughtSignature",
})
TOKEN_FEATURE = {"signature": "thought_signature", "redacted": "redacted_thinking", "encrypted": "encrypted_reasoning"}
_TYPE_OF_KIND = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "document": "application/pdf"}


class PartWriter:
    """Writes parts. `accepts` says which tokens go out; `names` maps call ids to function names."""

    __slots__ = ("accepts", "ledger", "names", "native_media")

    def __init__(
        self, ledger: Ledger, accepts: Callable[[Opaque], bool], names: Mapping[str, str], native_media: bool = True
    ) -> None:
        self.ledger = ledger
        self.accepts = accepts
        self.names = names
        self.native_media = native_media

    def write(self, part: Part) -> list[Json]:
        """One neutral part as Gemini parts, without its cache mark."""
        match part:
            case Text():
                return self._text(part)
            case ToolCall(runs="client"):
                return self.signed(self.call(part), part.tokens, part.at)
            case ToolCall():
                return self._provider_call(part)
            case ToolResult(runs="client"):
                return [self._result(part)]
            case ToolResult():
                return self._provider_result(part)
            case Media():
                return self.signed(self._media(part), part.tokens, part.at)
            case Reasoning():
                extras = unknown_extras(part.extras, PROTOCOL, part.at, self.ledger)
                return self.signed({"text": part.text, "thought": True, **extras}, part.tokens, part.at)
            case Refusal():
                self.ledger.approximate(part.at, "refusal", "content", "written as text")
                return [{"text": part.text, **unknown_extras(part.extras, PROTOCOL, part.at, self.ledger)}]
            case Native():
                return self._native(part)
            case ToolReference():
                self.ledger.drop(part.at, "tool_reference", "tools")
                return []

    def token(self, tokens: Iterable[Opaque], at: str) -> list[str]:
        """The signatures that go out; each other token is a state loss."""
        out = []
        for token in tokens:
            if self.accepts(token):
                out.append(token.data)
            else:
                self.ledger.drop(at, TOKEN_FEATURE.get(token.kind, token.kind), "state", f"made for {token.realm}")
        return out

    def signed(self, body: Json | None, tokens: tuple[Opaque, ...], at: str) -> list[Json]:
        """`body` with its signature. Further signatures follow on empty text, as Google's own streams carry them."""
        signatures = self.token(tokens, at) if tokens else []
        if body is None:
            return [{"text": "", "thoughtSignature": signature} for signature in signatures]
        if not signatures:
            return [body]
        body["thoughtSignature"] = signatures[0]
        empty: Json = {"text": "", "thought": True} if body.get("thought") else {"text": ""}
        return [body, *({**empty, "thoughtSignature": signature} for signature in signatures[1:])]

    def call(self, part: ToolCall) -> Json:
        """ToolCall -> `{"functionCall": ...}`; arguments that are no JSON object are wrapped in one."""
        inner, beside = self._extras(part)
        body: Json = {"name": part.name, "args": self._arguments(part), **inner}
        if not part.id.startswith(MINTED):
            body["id"] = part.id
        if part.namespace is not None:
            self.ledger.drop(part.at, "namespace", "tools")
        return {"functionCall": body, **beside}

    def _arguments(self, part: ToolCall) -> Json:
        if part.custom:
            self.ledger.emulate(part.at, "custom_tool", "tools", "the raw input is the argument `input`")
            return {"input": part.arguments}
        args = parsed_object(part.arguments or "{}")
        if args is None:
            self.ledger.approximate(part.at, "arguments", "content", "no JSON object: sent as the argument `input`")
            return {"input": part.arguments}
        return args

    def _extras(self, part: ToolCall | ToolResult | Media) -> tuple[Json, Json]:
        """Own extras: (those inside the data, those beside it)."""
        extras = unknown_extras(part.extras, PROTOCOL, part.at, self.ledger) | _wording(part)
        if not extras:
            return {}, {}
        inner = {key: value for key, value in extras.items() if key not in _BESIDE}
        return inner, {key: value for key, value in extras.items() if key in _BESIDE}

    def _text(self, part: Text) -> list[Json]:
        if part.citations:
            lose_citations(part.at, self.ledger, "requests have no place for the citations of an earlier answer")
        return self.signed({"text": part.text, **unknown_extras(part.extras, PROTOCOL, part.at, self.ledger)}, part.tokens, part.at)

    def _result(self, part: ToolResult) -> Json:
        """ToolResult -> `{"functionResponse": ...}`: `{"output": text}`, `{"error": text}`, or the JSON object it is."""
        texts, media = [], []
        for item in part.parts:
            match item:
                case Text(text):
                    texts.append(text)
                    unknown_extras(item.extras, PROTOCOL, item.at, self.ledger)
                case Media() if self.native_media:
                    body = self._media(item)
                    media.extend([body] if body else [])
                case Media():
                    self.ledger.drop(item.at, item.kind, "content", "this target takes no media in results")
                case Native(protocol=owner, body=body) if owner == PROTOCOL:
                    media.append(body)
                case Native(kind=kind, at=at):
                    self.ledger.drop(at, kind, "content")
                case ToolReference(at=at):
                    self.ledger.drop(at, "tool_reference", "tools")
                case _:
                    self.ledger.drop(item.at, type(item).__name__.lower(), "content")
        inner, beside = self._extras(part)
        name = self.names.get(part.call_id) or part.name or part.call_id
        body = {"name": name, "response": _response(part, texts), **inner}
        if media:
            body["parts"] = media
        if not part.call_id.startswith(MINTED):
            body["id"] = part.call_id
        return {"functionResponse": body, **beside}

    def _provider_call(self, part: ToolCall) -> list[Json]:
        """A call the provider ran itself: Google's own come back as they were, code of others as `executableCode`."""
        args = parsed_object(part.arguments or "{}")
        if part.name in CODE_KINDS:
            inner, beside = self._extras(part)
            body: Json = {**_code(part, args or {}), **inner}
            key = "executableCode"
        elif "toolType" in _wording(part):
            inner, beside = self._extras(part)
            body, key = ({"args": args} if args else {}) | inner, "toolCall"
        else:
            self.ledger.drop(part.at, part.name, "tools", "a call the provider ran itself")
            unknown_extras(part.extras, PROTOCOL, part.at, self.ledger)
            return self.signed(None, part.tokens, part.at)
        if not _made_up(part.id):
            body["id"] = part.id
        return self.signed({key: body, **beside}, part.tokens, part.at)

    def _provider_result(self, part: ToolResult) -> list[Json]:
        own = _wording(part)
        text = "\n".join(item.text for item in part.parts if isinstance(item, Text))
        body: Json = {}
        if "toolType" in own:
            inner, beside = self._extras(part)
            response = parsed_object(text) if part.parts else None
            body.update({} if response is None else {"response": response}, **inner)
            key = "toolResponse"
        elif part.name in CODE_KINDS:
            inner, beside = self._extras(part)
            body["outcome"] = OUTCOME_FAILED if part.is_error else OUTCOME_OK
            body.update(self._output(part), **inner)
            key = "codeExecutionResult"
        else:
            self.ledger.drop(part.at, part.name or "tool_result", "tools", "a result the provider made itself")
            unknown_extras(part.extras, PROTOCOL, part.at, self.ledger)
            return []
        if not _made_up(part.call_id):
            body["id"] = part.call_id
        return [{key: body, **beside}]

    def _output(self, part: ToolResult) -> Json:
        """What code wrote, as `output`; left out where it wrote nothing."""
        texts = [item.text for item in part.parts if isinstance(item, Text)]
        for item in part.parts:
            if not isinstance(item, Text):
                self.ledger.drop(item.at or part.at, "code_execution_result", "tools", "only the text of a result can be said")
        if isinstance(part.outcome, Ran) and ran_by(part) != PROTOCOL:
            texts = [text for text in (part.outcome.output, part.outcome.errors) if text]
        return {"output": "\n".join(texts)} if texts else {}

    def _media(self, part: Media) -> Json | None:
        """Media -> `inlineData` or `fileData`; None (and a loss) where the source is nothing Google can read."""
        for feature, value in (("document_context", part.context), ("citations", part.cite), ("image_detail", part.detail)):
            if value and value != "auto":
                self.ledger.drop(part.at, feature, "tuning")
        inner, beside = self._extras(part)
        named: Json = {"displayName": part.name} | inner if part.name else inner
        match part.source:
            case Inline(data):
                return {"inlineData": {"mimeType": part.media_type or _TYPE_OF_KIND[part.kind], "data": data, **named}, **beside}
            case PlainText(text):
                return {"inlineData": {"mimeType": "text/plain", "data": b64encode(text.encode()).decode(), **named}, **beside}
            case Url(uri) | FileRef(realm="gemini", id=uri):
                typed: Json = {"mimeType": part.media_type} if part.media_type else {}
                return {"fileData": {**typed, "fileUri": uri, **named}, **beside}
            case FileRef(realm=realm):
                self.ledger.drop(part.at, "file_id", "content", f"a file id of {realm}")
            case PartList(parts):
                return self._spelled_out(part, parts)
        return None

    def _spelled_out(self, part: Media, parts: tuple[Part, ...]) -> Json | None:
        """A document given as parts: its text as a text file; other parts are lost."""
        texts = [item.text for item in parts if isinstance(item, Text)]
        for item in parts:
            if not isinstance(item, Text):
                self.ledger.drop(item.at or part.at, "document", "content", "only the text of the document is sent")
        return self._media(msgspec.structs.replace(part, source=PlainText("\n".join(texts)), context=None, cite=None, detail=None))

    def _native(self, part: Native) -> list[Json]:
        if part.protocol == PROTOCOL:
            return [part.body]
        self.ledger.drop(part.at, part.kind, "content")
        return []


def _made_up(call_id: str) -> bool:
    """Is this an id no provider gave: by this codec, or for a client that another provider's run was shown to?"""
    return call_id.startswith(MINTED) or is_marked(call_id)


CODE_KINDS = ("code_execution", "bash")


def _code(part: ToolCall, args: Json) -> Json:
    """Google's own code as it came; that of others by its text, or by all the arguments where no code is named."""
    if type(args.get("code")) is str and ran_by(part) == PROTOCOL:
        return {"language": "PYTHON", **args}
    code = code_of(part)
    python = code is not None and "command" not in args
    return {"language": "PYTHON" if python else "LANGUAGE_UNSPECIFIED", "code": part.arguments if code is None else code}


def parsed_object(text: str) -> Json | None:
    """The JSON object `text` is; None where it is none."""
    try:
        value: Any = msgspec.json.decode(text)
    except UNREADABLE:
        return None
    return value if isinstance(value, dict) else None


def _wording(part: ToolCall | ToolResult | Media) -> Json:
    return part.extras.get(wording(PROTOCOL), {}) if part.extras else {}


def _response(part: ToolResult, texts: list[str]) -> Json:
    """The `response` object of a result."""
    if part.json and len(texts) == 1:
        try:
            value: Any = msgspec.json.decode(texts[0])
        except UNREADABLE:
            value = texts[0]
        if part.is_error:
            return {"error": value}
        return value if isinstance(value, dict) else {"output": value}
    return {"error" if part.is_error else "output": "\n".join(texts)}
