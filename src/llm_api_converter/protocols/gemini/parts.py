"""Gemini parts -> neutral parts, for requests and answers alike.

In goes one entry of `contents[].parts` or `candidates[0].content.parts`; out comes one neutral part. A part holds one of text,
inlineData, fileData, functionCall, functionResponse, executableCode, codeExecutionResult, toolCall, toolResponse; beside it may stand
`thought` and `thoughtSignature`. What it does not know becomes `Native`. Calls without ids get one from `CallIds`, by position, so
that results find them. Sources: https://ai.google.dev/api/caching#Part, google-genai `types.Part` (read November 2026).
"""

from hashlib import blake2b
from typing import Any, Literal

import msgspec

from ...hub.errors import invalid
from ...hub.messages import (
    Extras,
    FileRef,
    Found,
    Inline,
    Media,
    Native,
    Opaque,
    Outcome,
    Part,
    Ran,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
    Url,
    wording,
)
from ..fields import type_name
from .spelling import PROTOCOL, REALM, GeminiFields, standard_base64

# Ids this codec makes up; they are never written to a Gemini wire, where calls and results match by order and name.
MINTED = "gemini_"
# What Google documents for "there is no signature": it decodes to no token. Clients that send bytes send it in base64.
NO_SIGNATURE = "skip_thought_signature_validator"
NO_SIGNATURES = frozenset({
    NO_SIGNATURE, "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
    "context_engineering_is_the_way_to_go", "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
})
# toolType of a provider-run call -> neutral kind.
TOOL_TYPE_IN = {
    "GOOGLE_SEARCH_WEB": "web_search", "GOOGLE_SEARCH_IMAGE": "other", "URL_CONTEXT": "web_fetch", "GOOGLE_MAPS": "maps",
    "FILE_SEARCH": "file_search", "MEDIA_PROCESSING": "other",
}
OUTCOME_OK, OUTCOME_FAILED = "OUTCOME_OK", "OUTCOME_FAILED"
OUTCOME_NUMBERS = {1: OUTCOME_OK, 2: OUTCOME_FAILED, 3: "OUTCOME_DEADLINE_EXCEEDED"}
_FILES_API = "generativelanguage.googleapis.com"
_BY_SUFFIX: dict[str, Literal["image", "audio", "video"]] = {
    "png": "image", "jpg": "image", "jpeg": "image", "gif": "image", "webp": "image", "heic": "image", "heif": "image",
    "mp3": "audio", "wav": "audio", "ogg": "audio", "flac": "audio", "aac": "audio", "m4a": "audio",
    "mp4": "video", "mov": "video", "webm": "video", "mpeg": "video", "mpg": "video", "avi": "video",
}


class CallIds:
    """Ids of calls and of the results that answer them, over one conversation or answer.

    `salted`: position alone does not tell one answer from the next, so what is called is part of the id.
    A result without an id, or with one nobody gave, answers the oldest open call of its name in the latest turn that has one.
    """

    __slots__ = ("_code", "_known", "_open", "_turn", "prefix", "salted")

    def __init__(self, prefix: str, *, salted: bool = False) -> None:
        self.prefix = prefix
        self.salted = salted
        self._turn = 0
        self._open: list[tuple[int, str, str]] = []
        self._known: set[str] = set()
        self._code = ""

    def next_turn(self) -> None:
        """Another message begins."""
        self._turn += 1

    def call(self, given: str | None, name: str, where: str, arguments: str = "") -> str:
        """The id of a call; made up from its position when the client gave none."""
        if self.salted and not given:
            where = f"{where}_{blake2b(f'{name}{arguments}'.encode(), digest_size=6).hexdigest()}"
        call_id = given or f"{self.prefix}{where}"
        self._known.add(call_id)
        self._open.append((self._turn, name, call_id))
        return call_id

    def result(self, given: str | None, name: str, where: str) -> str:
        """The id of the call this result answers."""
        if given and given in self._known:
            self._open = [entry for entry in self._open if entry[2] != given]
            return given
        latest = max((turn for turn, called, _ in self._open if called == name), default=None)
        for entry in self._open:
            turn, called, call_id = entry
            if called == name and turn == latest and (not given or call_id.startswith(self.prefix)):
                self._open.remove(entry)
                return call_id
        return given or f"{self.prefix}{where}"

    def code(self, given: str | None, where: str) -> str:
        """The id of executable code."""
        self._code = given or f"{self.prefix}{where}"
        return self._code

    def code_result(self, given: str | None, where: str) -> str:
        """The id of the code a result belongs to: the one before it."""
        return given or self._code or f"{self.prefix}{where}"


def decode_part(value: Any, path: str, ids: CallIds, where: str) -> Part:
    """One Gemini part -> one neutral part. `where` is its position, for ids made up."""
    if type(value) is str:
        return Text(value, at=path)
    if type(value) is dict and len(value) == 1 and type(text := value.get("text")) is str:
        return Text(text, at=path)
    fields = GeminiFields(value, path)
    tokens = _tokens(fields)
    thought = fields.flag("thought") is True
    if thought and not fields.has("text"):
        fields.put_back("thought", True)
    if fields.has("functionCall"):
        return _decode_call(fields, tokens, ids, where)
    if fields.has("functionResponse"):
        return _decode_result(fields, ids, where)
    if fields.has("inlineData") or fields.has("fileData"):
        return _decode_media(fields, tokens)
    if fields.has("text"):
        text = fields.text("text") or ""
        extras = fields.extras(PROTOCOL)
        if thought:
            return Reasoning(text, summary=True, tokens=tokens, extras=extras, at=path)
        return Text(text, tokens=tokens, extras=extras, at=path)
    if fields.has("executableCode"):
        return _decode_code(fields, tokens, ids, where)
    if fields.has("codeExecutionResult"):
        return _decode_code_result(fields, tokens, ids, where)
    if fields.has("toolCall"):
        return _decode_provider_call(fields, tokens, ids, where)
    if fields.has("toolResponse"):
        return _decode_provider_result(fields, tokens, ids, where)
    rest = fields.rest()
    if tokens and rest.keys() <= {"thought"}:
        return Reasoning("", summary=True, tokens=tokens, at=path) if rest else Text("", tokens=tokens, at=path)
    return Native(PROTOCOL, next(iter(rest), "empty"), value, at=path)


def object_text(value: Any) -> str:
    """A JSON value as its text."""
    return msgspec.json.encode(value).decode()


def _tokens(fields: GeminiFields) -> tuple[Opaque, ...]:
    signature = fields.text("thoughtSignature")
    if not signature or signature in NO_SIGNATURES:
        return ()
    return (Opaque(REALM, "signature", standard_base64(signature)),)


def _decode_call(fields: GeminiFields, tokens: tuple[Opaque, ...], ids: CallIds, where: str) -> ToolCall:
    """`{"functionCall": {"name", "args"?, "id"?}}` -> ToolCall."""
    call = fields.sub("functionCall")
    if call is None:
        raise fields.error("functionCall", "required")
    name = call.text_required("name")
    args = call.object("args")
    given = call.text("id")
    extras = {**call.rest(), **fields.rest()}
    arguments = object_text(args) if args else "{}"
    call_id = ids.call(given, name, where, arguments)
    return ToolCall(call_id, name, arguments, tokens=tokens, extras={PROTOCOL: extras} if extras else None, at=fields.path)


def _decode_result(fields: GeminiFields, ids: CallIds, where: str) -> ToolResult:
    """`functionResponse` -> ToolResult. `{"output": text}` and `{"error": ...}` are Google's own wording for success and failure."""
    result = fields.sub("functionResponse")
    if result is None:
        raise fields.error("functionResponse", "required")
    name = result.text_required("name")
    given = result.text("id")
    text, is_error, as_json = _decode_outcome(result.object("response"))
    parts: list[Part] = [] if text is None else [Text(text, at=fields.path and result.at("response"))]
    for i, item in enumerate(result.array("parts") or ()):
        parts.append(decode_part(item, fields.path and f"{result.at('parts')}[{i}]", ids, where))
    extras = {**result.rest(), **fields.rest()}
    return ToolResult(
        ids.result(given, name, where), tuple(parts), name=name, is_error=is_error, json=as_json,
        extras={PROTOCOL: extras} if extras else None, at=fields.path,
    )


def _decode_outcome(response: dict[str, Any] | None) -> tuple[str | None, bool | None, bool]:
    """(text, is_error, is it JSON text)."""
    if response is None:
        return None, None, False
    if len(response) == 1:
        if type(output := response.get("output")) is str:
            return output, None, False
        if "error" in response:
            error = response["error"]
            return (error, True, False) if type(error) is str else (object_text(error), True, True)
    return object_text(response), None, True


def _decode_media(fields: GeminiFields, tokens: tuple[Opaque, ...]) -> Media:
    """`inlineData` (base64) or `fileData` (a URI) -> Media; its kind follows from the MIME type."""
    source: Source
    inline = fields.sub("inlineData")
    if inline is not None:
        media_type, name = inline.text("mimeType"), inline.text("displayName")
        source = Inline(standard_base64(inline.text("data") or ""))
        kind = media_kind(media_type, "")
        rest = inline.rest()
    else:
        file = fields.sub("fileData")
        if file is None:
            raise fields.error("fileData", "required")
        media_type, name = file.text("mimeType"), file.text("displayName")
        uri = file.text_required("fileUri")
        source = FileRef(PROTOCOL, uri) if uri.startswith("files/") or (_FILES_API in uri and "/files/" in uri) else Url(uri)
        kind = media_kind(media_type, uri)
        rest = file.rest()
    extras = {**rest, **fields.rest()}
    return Media(
        kind, source, media_type=media_type, name=name, tokens=tokens, extras={PROTOCOL: extras} if extras else None, at=fields.path
    )


def media_kind(media_type: str | None, uri: str) -> Literal["image", "audio", "video", "document"]:
    """The neutral kind of a MIME type, else of a URI's suffix; YouTube links are videos."""
    head = (media_type or "").partition("/")[0]
    if head == "image":
        return "image"
    if head == "audio":
        return "audio"
    if head == "video":
        return "video"
    if media_type:
        return "document"
    if "youtube.com/" in uri or "youtu.be/" in uri:
        return "video"
    return _BY_SUFFIX.get(uri.rpartition(".")[2].lower(), "document")


def _decode_code(fields: GeminiFields, tokens: tuple[Opaque, ...], ids: CallIds, where: str) -> ToolCall:
    """`executableCode` -> a provider-run call of `code_execution` with `{"language", "code"}`."""
    code = fields.sub("executableCode")
    if code is None:
        raise fields.error("executableCode", "required")
    call_id = ids.code(code.text("id"), where)
    arguments = object_text(code.rest())
    extras = provider_extras(fields.rest(), {})
    return ToolCall(call_id, "code_execution", arguments, runs="provider", tokens=tokens, extras=extras, at=fields.path)


def _decode_code_result(fields: GeminiFields, tokens: tuple[Opaque, ...], ids: CallIds, where: str) -> ToolResult:
    """`codeExecutionResult` -> the result of the code before it."""
    result = fields.sub("codeExecutionResult")
    if result is None:
        raise fields.error("codeExecutionResult", "required")
    call_id = ids.code_result(result.text("id"), where)
    outcome = result.take("outcome")
    outcome = OUTCOME_NUMBERS.get(outcome, outcome) if isinstance(outcome, int) else outcome
    output = result.text("output")
    words = _signature_wording(tokens)
    if outcome not in (OUTCOME_OK, OUTCOME_FAILED):
        words["outcome"] = outcome
    parts = () if output is None else (Text(output, at=fields.path and result.path),)
    return ToolResult(
        call_id, parts, name="code_execution", is_error=outcome != OUTCOME_OK, runs="provider",
        extras=provider_extras({**result.rest(), **fields.rest()}, words), at=fields.path, outcome=Ran(output or ""),
    )


def _decode_provider_call(fields: GeminiFields, tokens: tuple[Opaque, ...], ids: CallIds, where: str) -> ToolCall:
    """`toolCall` (a search or fetch Google runs) -> a provider-run call."""
    call = fields.sub("toolCall")
    if call is None:
        raise fields.error("toolCall", "required")
    kind = call.take("toolType")
    call_id = call.text("id") or f"{ids.prefix}{where}"
    args = call.object("args")
    return ToolCall(
        call_id, TOOL_TYPE_IN.get(str(kind), "other"), "{}" if args is None else object_text(args), runs="provider", tokens=tokens,
        extras=provider_extras({**call.rest(), **fields.rest()}, {"toolType": kind}), at=fields.path,
    )


def _decode_provider_result(fields: GeminiFields, tokens: tuple[Opaque, ...], ids: CallIds, where: str) -> ToolResult:
    """`toolResponse` -> the result of a provider-run call, as JSON text."""
    result = fields.sub("toolResponse")
    if result is None:
        raise fields.error("toolResponse", "required")
    kind = result.take("toolType")
    call_id = result.text("id") or f"{ids.prefix}{where}"
    response = result.object("response")
    parts = () if response is None else (Text(object_text(response), at=fields.path and result.path),)
    name = TOOL_TYPE_IN.get(str(kind), "other")
    # What was found stands in the grounding of the answer.
    outcome: Outcome | None = Found() if name == "web_search" else None
    return ToolResult(
        call_id, parts, name=name, json=bool(parts), runs="provider", at=fields.path, outcome=outcome,
        extras=provider_extras({**result.rest(), **fields.rest()}, {**_signature_wording(tokens), "toolType": kind}),
    )


def _signature_wording(tokens: tuple[Opaque, ...]) -> dict[str, Any]:
    """Results have no place for tokens in neutral form; Google signs those of its own tools all the same."""
    return {"thoughtSignature": tokens[0].data} if tokens else {}


def provider_extras(extras: dict[str, Any], words: dict[str, Any]) -> Extras:
    """Of what Google ran: its bookkeeping is always there, which says whose it is."""
    return {wording(PROTOCOL): words, PROTOCOL: extras} if extras else {wording(PROTOCOL): words}


def part_path(value: Any, path: str, index: int) -> str:
    """The path of one of `parts_list`."""
    return f"{path}[{index}]" if type(value) is list else path


def parts_list(value: Any, path: str) -> list[Any]:
    """`parts` as a list: one part alone, or a string, counts as a list of one."""
    if value is None:
        return []
    if type(value) is list:
        return value
    if type(value) in (dict, str):
        return [value]
    raise invalid(path, f"expected an array, got {type_name(value)}")
