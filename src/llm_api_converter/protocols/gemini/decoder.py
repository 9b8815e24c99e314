"""A Gemini stream -> events: server-sent events, or a JSON array where the upstream streams one.

States: before the first frame; no part open; text, thought or a call in pieces open; over. Text and thoughts stay open until another
kind of part comes, everything else comes whole. Google may send text, signatures and even another finish reason after a finish
reason, so the answer ends with its input: then come the usage, the last finish reason and `End`. An input that ends without a
finish reason, or an error frame, or the bare JSON error Vertex sends in mid-stream, gives `Failed`.
Source: recordings; https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent (read November 2026).
"""

from typing import Any

import msgspec

from ...framing.json_array import JsonArrayReader
from ...framing.sse import SseReader
from ...hub.errors import ApiError
from ...hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from ...hub.messages import Opaque, Part, Reasoning, Text, ToolCall
from ..base import UNREADABLE, Json
from .errors import decode_status, find_error
from .grounding import decode_citations, decode_runs
from .outcome import decode_blocked, decode_finish, decode_service_tier, decode_usage
from .partial import PartialCall
from .parts import NO_SIGNATURES, CallIds, decode_part, object_text, parts_list
from .response import CANDIDATE, answer_ids, sorted_extras
from .spelling import PROTOCOL, REALM, GeminiFields, standard_base64
from .wire import PlainChunk, PlainPart, decode_plain

_WHITE = b" \t\r\n"


class GeminiStreamDecoder:
    """Upstream bytes -> events. See the module for its states."""

    __slots__ = (
        "_array", "_begun", "_call", "_called", "_finish_message", "_finish_word", "_has_finish", "_head", "_ids",
        "_index", "_last_text", "_left", "_live", "_over", "_ran", "_sse", "_texts", "_usage",
    )

    def __init__(self) -> None:
        self._sse: SseReader | None = None
        self._array: JsonArrayReader | None = None
        self._head = b""
        self._begun = self._over = False
        self._ids: CallIds | None = None
        self._index = -1
        self._live: type[Text] | type[Reasoning] | None = None
        self._call: PartialCall | None = None
        self._called = False
        self._texts: list[str] = []
        self._last_text: list[str] = []
        self._ran: list[Part] = []  # calls of tools Google ran
        self._usage: msgspec.Raw | Json | None = None
        self._has_finish = False
        self._finish_word: Any = None
        self._finish_message: str | None = None
        self._left: Json = {}

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes completed."""
        out: list[Event] = []
        for frame in self._frames(data):
            if self._over:
                break
            try:
                chunk = decode_plain(frame)
            except UNREADABLE:
                self._odd_frame(frame, out)
            else:
                self._plain(chunk, out)
        return out

    def finish(self) -> list[Event]:
        """The input ended."""
        out: list[Event] = []
        for frame in self._rest():
            if not self._over:
                self._odd_frame(frame, out)
        if self._over:
            return out
        self._over = True
        self._close(out)
        self._see_usage(out)
        if self._has_finish:
            self._beside(out)
        feedback = self._left.get("promptFeedback")
        blocked = type(feedback) is dict and bool(feedback.get("blockReason"))
        if not self._has_finish and not blocked:
            out.append(Failed(ApiError("upstream_incomplete", "the upstream ended its stream without a finish reason")))
            return out
        if self._has_finish:
            finish = decode_finish(self._finish_word, self._finish_message, self._called)
        else:
            finish = decode_blocked(feedback or {})
        out.append(Finished(finish, sorted_extras(self._left), decode_service_tier(self._usage)))
        out.append(End())
        return out

    def _frames(self, data: bytes) -> list[bytes]:
        """The frames these bytes completed, whichever way they are framed."""
        if self._sse is not None:
            return [frame for _, frame in self._sse.feed(data)]
        if self._array is not None:
            return self._array.feed(data)
        head = (self._head + data).lstrip(_WHITE)
        self._head = head
        if not head:
            return []
        self._head = b""
        if head[0] in b"[{":
            self._array = JsonArrayReader()
        else:
            self._sse = SseReader()
        return self._frames(head)

    def _rest(self) -> list[bytes]:
        """What the end of input completes; the bare JSON that broke off a stream of server-sent events counts."""
        if self._sse is None:
            return []
        frames = [frame for _, frame in self._sse.finish()]
        if self._sse.stray:
            frames.append(b"\n".join(self._sse.stray))
        return frames

    def _plain(self, chunk: PlainChunk, out: list[Event]) -> None:
        """A frame of text and thoughts."""
        if not self._begun:
            self._begin(chunk.responseId, chunk.modelVersion, out)
        if chunk.usageMetadata:
            self._usage = chunk.usageMetadata
        if chunk.createTime:
            self._left["createTime"] = chunk.createTime
        candidate = chunk.candidates[0]
        if candidate.index == 0:
            for part in candidate.content.parts:
                if part.thoughtSignature:
                    self._signed_text(part, out)
                elif part.text:
                    self._text(part.text, Reasoning if part.thought else Text, out)

    def _text(self, text: str, kind: type[Text] | type[Reasoning], out: list[Event]) -> None:
        if self._live is not kind:
            self._open_text(kind, out)
        out.append(Delta(self._index, text))
        if kind is Text:
            self._last_text.append(text)

    def _signed_text(self, part: PlainPart, out: list[Event]) -> None:
        """Text with a signature. Empty text only carries it: it belongs to the text before it, if there is any."""
        kind: type[Text] | type[Reasoning] = Reasoning if part.thought else Text
        token = token_of(part.thoughtSignature)
        if part.text:
            self._text(part.text, kind, out)
        elif token is not None and self._live is not kind:
            self._open_text(kind, out)
        if token is not None:
            out.append(Attach(self._index, token))

    def _begin(self, response_id: str, model: str, out: list[Event]) -> None:
        self._begun = True
        self._ids = answer_ids(response_id)
        out.append(Begin(response_id, model))

    def _open_text(self, kind: type[Text] | type[Reasoning], out: list[Event]) -> None:
        self._close(out)
        self._index += 1
        self._live = kind
        out.append(Open(self._index, Text("") if kind is Text else Reasoning("", summary=True)))

    def _close(self, out: list[Event]) -> None:
        """The open part, if any, is complete."""
        if self._call is not None:
            if self._call.args:
                out.append(Delta(self._index, object_text(self._call.args)))
            self._call = None
            out.append(Close(self._index))
        elif self._live is not None:
            if self._live is Text:
                self._cite(out)
            self._live = None
            out.append(Close(self._index))

    def _cite(self, out: list[Event]) -> None:
        """What the sources seen so far say about the text that ends here."""
        self._texts.append("".join(self._last_text))
        self._last_text = []
        left = self._left
        grounding, recited = left.get(CANDIDATE + "groundingMetadata"), left.get(CANDIDATE + "citationMetadata")
        if grounding or recited:
            last = len(self._texts) - 1
            found = decode_citations(self._texts, grounding, recited)
            out.extend(Attach(self._index, citation) for place, citation in found if place == last)

    def _beside(self, out: list[Event]) -> None:
        """Searches and pages that are told beside the content."""
        assert self._ids is not None
        grounding, opened = self._left.get(CANDIDATE + "groundingMetadata"), self._left.get(CANDIDATE + "urlContextMetadata")
        for part in decode_runs(grounding, opened, self._ran, self._ids.prefix):
            self._whole(part, out)

    def _odd_frame(self, frame: bytes, out: list[Event]) -> None:
        """Any other frame."""
        if not frame.strip(_WHITE):
            return
        try:
            value: Any = msgspec.json.decode(frame)
        except UNREADABLE as error:
            self._fail(ApiError("upstream_failed", f"a frame of the upstream's stream is no JSON: {error}"), out)
            return
        status = find_error(value)
        if status is not None:
            self._fail(decode_status(200, {}, status, frame), out)
        elif value == {}:
            out.append(Aside(PROTOCOL, None, ping=True))
        else:
            try:
                self._chunk(GeminiFields(value, ""), out)
            except ApiError as error:
                self._fail(ApiError("upstream_failed", f"a frame of the upstream's stream is malformed: {error.message}"), out)

    def _fail(self, error: ApiError, out: list[Event]) -> None:
        self._over = True
        self._see_usage(out)
        out.append(Failed(error))

    def _see_usage(self, out: list[Event]) -> None:
        if isinstance(self._usage, msgspec.Raw):
            self._usage = msgspec.json.decode(self._usage)
        usage = decode_usage(self._usage)
        if usage is None and self._usage:
            self._left["usageMetadata"] = self._usage
        elif usage is not None and self._begun:
            out.append(UsageSeen(usage))

    def _chunk(self, fields: GeminiFields, out: list[Event]) -> None:
        response_id, model = fields.text("responseId"), fields.text("modelVersion")
        if not self._begun:
            self._begin(response_id or "", model or "", out)
        usage = fields.object("usageMetadata")
        if usage is not None:
            self._usage = usage
        candidates = fields.array("candidates")
        self._left.update(fields.rest())
        if candidates:
            self._candidate(GeminiFields(candidates[0], "candidates[0]"), out)

    def _candidate(self, fields: GeminiFields, out: list[Event]) -> None:
        if fields.take("index"):
            return
        content = fields.sub("content")
        for part in parts_list(content.take("parts"), "parts") if content is not None else ():
            self._part(part, out)
        word, message = fields.take("finishReason"), fields.text("finishMessage")
        if word is not None:
            self._has_finish, self._finish_word = True, word
        if message is not None:
            self._finish_message = message
        for name, value in fields.rest().items():
            if value != {}:
                key = CANDIDATE + name
                self._left[key] = merged_field(name, self._left.get(key), value)

    def _part(self, raw: Any, out: list[Event]) -> None:
        if type(raw) is dict and type(raw.get("functionCall")) is dict:
            self._function_call(raw, raw["functionCall"], out)
            return
        if raw == {}:
            return
        assert self._ids is not None
        part = decode_part(raw, "", self._ids, str(self._index + 1))
        if isinstance(part, (Text, Reasoning)):
            if part.text or part.tokens or part.extras:
                self._odd_text(part, out)
            return
        self._whole(part, out)

    def _odd_text(self, part: Text | Reasoning, out: list[Event]) -> None:
        """Text read field by field: the same as `_signed_text`, and what stands beside it."""
        if part.text:
            self._text(part.text, type(part), out)
        elif self._live is not type(part):
            self._open_text(type(part), out)
        out.extend(Attach(self._index, token) for token in part.tokens)
        if part.extras:
            out.append(Attach(self._index, part.extras))

    def _function_call(self, raw: Json, call: Json, out: list[Event]) -> None:
        """A call: whole, or in pieces under `willContinue` until a frame without it."""
        pieces, goes_on = call.get("partialArgs"), call.get("willContinue") is True
        if call.get("name") is None:
            if self._call is not None:
                self._more_of_call(raw, call, out)
            return
        assert self._ids is not None
        plain = {name: value for name, value in call.items() if name not in ("partialArgs", "willContinue")}
        part = decode_part({**raw, "functionCall": plain}, "", self._ids, str(self._index + 1))
        self._called = True
        if pieces is None and not goes_on:
            self._whole(part, out)
            return
        self._close(out)
        self._index += 1
        self._call = PartialCall()
        if isinstance(part, ToolCall):
            out.append(Open(self._index, msgspec.structs.replace(part, arguments="{}", tokens=())))
            out.extend(Attach(self._index, token) for token in part.tokens)
            self._call.args.update(msgspec.json.decode(part.arguments))
        self._more_of_call({}, call, out)

    def _more_of_call(self, raw: Json, call: Json, out: list[Event]) -> None:
        assert self._call is not None
        token = token_of(raw.get("thoughtSignature") or "")
        if token is not None:
            out.append(Attach(self._index, token))
        self._call.add(call.get("partialArgs"))
        if call.get("willContinue") is not True:
            self._close(out)

    def _whole(self, part: Part, out: list[Event]) -> None:
        """A part that comes in one piece."""
        self._close(out)
        self._index += 1
        if isinstance(part, ToolCall):
            if part.runs == "provider":
                self._ran.append(part)
            out.append(Open(self._index, msgspec.structs.replace(part, arguments="{}", tokens=())))
            if part.arguments != "{}":
                out.append(Delta(self._index, part.arguments))
            out.extend(Attach(self._index, token) for token in part.tokens)
        else:
            out.append(Open(self._index, part))
        out.append(Close(self._index))


def token_of(signature: str) -> Opaque | None:
    """A thought signature as the wire has it -> token."""
    if not signature or signature in NO_SIGNATURES:
        return None
    return Opaque(REALM, "signature", standard_base64(signature))


def merged_field(name: str, before: Any, value: Any) -> Any:
    """A field of the candidate that came again: sources add up field by field, citations and log probabilities end to end."""
    if type(before) is not dict or type(value) is not dict:
        return value
    if name == "groundingMetadata":
        return {**before, **value}
    if name in ("citationMetadata", "logprobsResult"):
        return {
            key: [*before.get(key, []), *item] if type(item) is list and type(before.get(key, [])) is list else item
            for key, item in {**before, **value}.items()
        }
    return value
