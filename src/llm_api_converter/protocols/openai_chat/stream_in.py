"""`chat.completion.chunk` frames -> events.

States: *waiting* (no frame that names the answer yet), *begun*, *over* (`[DONE]`, an error, or the end of input). A
`finish_reason` is only remembered: usage, state and a second finish reason may follow it. `[DONE]` ends the stream, and so does the
end of input after a `finish_reason`. `stream_parts` says how parts come about.

Ordinary chunks are read as typed frames; the first one, and any with a field no frame knows, as plain JSON. Recordings, November 2026.
"""

from typing import Any

import msgspec

from ...framing.sse import SseReader
from ...hub.errors import ApiError
from ...hub.events import Begin, End, Event, Failed, Finished, UsageSeen
from ...hub.response import Finish
from ..base import UNREADABLE
from ..fields import Fields
from .calls import tokens_of
from .errors import decode_error_value
from .response import decode_citation
from .stream_parts import StreamParts
from .usage import decode_finish, decode_usage
from .wire import (
    PROTOCOL,
    CallDelta,
    ChunkChoice,
    ChunkDelta,
    CustomDelta,
    Detail,
    FunctionDelta,
    decode_chunk,
    decode_json,
    decode_tier,
    leftovers,
)

TOP_FIELDS = frozenset(("id", "object", "created", "model", "choices", "usage", "service_tier", "obfuscation", "p"))
DELTA_FIELDS = frozenset((*ChunkDelta.__struct_fields__, "function_call", "audio", "images", "annotations", "extra_content"))
CALL_FIELDS = frozenset(CallDelta.__struct_fields__)

LEGACY = -1
"""The index of a legacy `function_call` among the calls."""


class ChatStreamDecoder:
    """Upstream bytes -> events."""

    __slots__ = (
        "_begun", "_blank", "_choice_extras", "_extras", "_fast", "_fingerprint", "_finish", "_late", "_late_tier", "_logprobs", "_over",
        "_parts", "_provider", "_sse", "_tier",
    )  # fmt: skip

    def __init__(self) -> None:
        self._sse = SseReader()
        self._parts = StreamParts()
        self._begun = False
        self._fast = False  # is the next frame likely to be an ordinary chunk?
        self._over = False
        self._tier: str | None = None
        self._late_tier: str | None = None
        self._fingerprint: str | None = None
        self._provider: str | None = None
        self._extras: dict[str, Any] = {}  # fields of the answer before it began
        self._late: dict[str, Any] = {}  # and after
        self._choice_extras: dict[str, Any] = {}
        self._logprobs: dict[str, Any] = {}
        self._finish: str | None = None
        self._blank = False

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes completed."""
        out: list[Event] = []
        for _, frame in self._sse.feed(data):
            self._frame(frame, out)
        return out

    def finish(self) -> list[Event]:
        """The input ended."""
        out: list[Event] = []
        for _, frame in self._sse.finish():
            self._frame(frame, out)
        if not self._over:
            if self._finish is not None and self._begun:
                self._end(out)
            else:
                self._fail(ApiError("upstream_incomplete", "the upstream ended its stream without finishing the answer"), out)
        return out

    def _frame(self, data: bytes, out: list[Event]) -> None:
        if self._over:
            return
        if self._fast:
            try:
                chunk = decode_chunk(data)
            except UNREADABLE:
                self._slow(data, out)
                return
            for choice in chunk.choices:
                if not choice.index:
                    self._choice(choice, out)
            if chunk.usage:
                out.append(UsageSeen(decode_usage(chunk.usage)))
            if chunk.service_tier is not None and chunk.service_tier != self._tier:
                self._late_tier = chunk.service_tier
            if chunk.system_fingerprint != self._fingerprint or chunk.provider != self._provider:
                self._note(chunk.system_fingerprint, chunk.provider)
            return
        self._slow(data, out)

    def _note(self, fingerprint: str | None, provider: str | None) -> None:
        """Fields of the whole answer that stand on every chunk of some dialects, and change or come late in others."""
        for name, known, value in (("system_fingerprint", self._fingerprint, fingerprint), ("provider", self._provider, provider)):
            if value is not None and value != known:
                self._late[name] = value
        self._fingerprint, self._provider = fingerprint, provider

    def _choice(self, choice: ChunkChoice, out: list[Event]) -> None:
        delta = choice.delta
        if delta is not None:
            parts = self._parts
            text = delta.content
            if text and parts.flow == "text":
                parts.seq.add(parts.flow_key, text, out)
            elif delta.reasoning_details is not None or delta.reasoning_content or delta.reasoning:
                parts.reasoning(delta, out)
                if text:
                    parts.say("text", text, out)
            elif text:
                parts.say("text", text, out)
            if delta.refusal:
                parts.say("refusal", delta.refusal, out)
            if delta.tool_calls:
                for call in delta.tool_calls:
                    parts.call(call, out)
        word = choice.finish_reason
        if word is not None:
            if word:
                self._finish = word
            else:
                self._blank = True
        if choice.native_finish_reason is not None:
            self._choice_extras["native_finish_reason"] = choice.native_finish_reason
        if choice.logprobs is not None:
            self._add_logprobs(choice.logprobs)

    def _slow(self, data: bytes, out: list[Event]) -> None:
        """A frame as plain JSON: `[DONE]`, an error, or a chunk with fields the typed frames do not know."""
        if data.strip() == b"[DONE]":
            self._done(out)
            return
        try:
            value = decode_json(data)
        except UNREADABLE as e:
            self._fail(ApiError("upstream_failed", f"the upstream sent a frame that is not JSON: {e}"), out)
            return
        if type(value) is not dict:
            self._fail(ApiError("upstream_failed", "the upstream sent a frame that is not a JSON object"), out)
            return
        if value.get("error"):
            if self._begun and type(value.get("usage")) is dict:
                out.append(UsageSeen(decode_usage(value["usage"])))
            self._fail(decode_error_value(value), out)
            return
        try:
            self._loose_chunk(value, out)
        except (msgspec.ValidationError, ApiError) as e:
            self._fail(ApiError("upstream_failed", f"the upstream sent a chunk that cannot be read: {e}"), out)

    def _loose_chunk(self, value: dict[str, Any], out: list[Event]) -> None:
        f = Fields(value, "")
        choices = [Fields(x, f"choices[{i}]") for i, x in enumerate(f.array("choices") or ())]
        self._fingerprint, self._provider = value.get("system_fingerprint"), value.get("provider")
        for name, field in value.items():
            if name not in TOP_FIELDS and field is not None:
                (self._late if self._begun else self._extras)[name] = field
        if not self._begun:
            if not choices and not value.get("id"):
                return
            self._begin(value, out)
        elif type(value.get("service_tier")) is str and value["service_tier"] != self._tier:
            self._late_tier = value["service_tier"]
        for choice in choices:
            if not choice.whole("index"):
                self._fast = True
                self._loose_choice(choice, out)
        usage = value.get("usage")
        beside = value.get("x_groq")
        if not usage and type(beside) is dict:
            usage = beside.get("usage")
        if type(usage) is dict and usage:
            out.append(UsageSeen(decode_usage(usage)))

    def _begin(self, value: dict[str, Any], out: list[Event]) -> None:
        f = Fields(value, "")
        answer_id, model = f.text("id") or "", f.text("model") or ""
        self._tier = f.text("service_tier")
        self._parts.owner = answer_id or "answer"
        self._begun = True
        out.append(Begin(answer_id, model, f.whole("created"), decode_tier(self._tier, self._extras), leftovers(self._extras)))

    def _loose_choice(self, f: Fields, out: list[Event]) -> None:
        """Puts what the typed frames know into one, and reads the rest field by field."""
        delta, message = f.object("delta"), f.object("message")
        if delta is None:
            delta = message or {}
        word, logprobs = f.text("finish_reason"), f.take("logprobs")
        self._choice_extras.update(f.rest())
        content = delta.get("content")
        known = {k: v for k, v in delta.items() if k in ChunkDelta.__struct_fields__ and not (k == "content" and type(content) is list)}
        calls, leftovers = _known_calls(known.get("tool_calls"))
        if calls is not None:
            known["tool_calls"] = calls
        beside: dict[str, Any] = {}
        if type(known.get("reasoning_details")) is list:
            for entry in known["reasoning_details"]:
                if type(entry) is dict:
                    beside.update({k: v for k, v in entry.items() if k not in Detail.__struct_fields__ and v is not None})
            known["reasoning_details"] = [_known_fields(x, Detail.__struct_fields__) for x in known["reasoning_details"]]
        typed = msgspec.convert(known, ChunkDelta)
        if type(content) is list:
            self._parts.content_array(content, out)
        self._choice(ChunkChoice(0, typed, word, None, logprobs), out)
        if beside and self._parts.flow == "reasoning":
            self._parts.add({PROTOCOL: beside}, out)
        for i, left in leftovers:
            call = typed.tool_calls[i] if typed.tool_calls else CallDelta()
            self._parts.call_extras(call, {PROTOCOL: left}, out)
        self._other_fields(delta, out)

    def _other_fields(self, delta: dict[str, Any], out: list[Event]) -> None:
        f = Fields(delta, "")
        legacy = f.object("function_call")
        if legacy and (legacy.get("name") or legacy.get("arguments")):
            g = Fields(legacy, "function_call")
            self._parts.call(CallDelta(LEGACY, function=FunctionDelta(g.text("name"), g.text("arguments"))), out)
        audio = f.object("audio")
        if audio and any(audio.values()):
            self._parts.audio(audio, out)
        for image in f.array("images") or ():
            self._parts.image(image, out)
        for annotation in f.array("annotations") or ():
            self._annotation(annotation, out)
        tokens, left = tokens_of(f.take("extra_content"))
        for token in tokens:
            self._parts.beside_text(token, out)
        self._late.update({f"message.{k}": v for k, v in left.items()})
        for name, field in delta.items():
            if name not in DELTA_FIELDS and field is not None:
                self._late[f"message.{name}"] = field

    def _annotation(self, value: Any, out: list[Event]) -> None:
        citation = decode_citation(value) if type(value) is dict else None
        if citation is not None and "text" in self._parts.kinds:
            self._parts.beside_text(citation, out)
        else:
            self._late.setdefault("message.annotations", []).append(value)

    def _add_logprobs(self, value: Any) -> None:
        """Lists grow from chunk to chunk."""
        if type(value) is not dict:
            return
        for name, field in value.items():
            there = self._logprobs.get(name)
            if type(field) is list and type(there) is list:
                there.extend(field)
            elif field is not None:
                self._logprobs[name] = list(field) if type(field) is list else field

    def _done(self, out: list[Event]) -> None:
        if not self._begun:
            self._fail(ApiError("upstream_incomplete", "the upstream ended its stream without an answer"), out)
            return
        self._end(out)

    def _end(self, out: list[Event]) -> None:
        self._parts.end(out)
        if self._logprobs:
            self._choice_extras["logprobs"] = self._logprobs
        tier = decode_tier(self._late_tier, self._late)
        word = self._finish if self._finish is not None else "" if self._blank else None
        has_calls, has_refusal = self._parts.has_calls, "refusal" in self._parts.kinds
        reason = decode_finish("unsaid" if word is None else word, has_calls=has_calls, has_refusal=has_refusal)
        out.append(Finished(Finish(reason, word, extras=leftovers(self._choice_extras)), leftovers(self._late), tier))
        out.append(End())
        self._over = True

    def _fail(self, error: ApiError, out: list[Event]) -> None:
        out.append(Failed(error))
        self._over = True


def _known_calls(values: Any) -> tuple[list[dict[str, Any]] | None, list[tuple[int, dict[str, Any]]]]:
    """Call fragments with the fields the frames know, and what else each held."""
    if type(values) is not list:
        return None, []
    known: list[dict[str, Any]] = []
    leftovers: list[tuple[int, dict[str, Any]]] = []
    for i, value in enumerate(values):
        f = Fields(value, f"tool_calls[{i}]")
        call = {k: v for k, v in value.items() if k in CALL_FIELDS}
        left = {k: v for k, v in value.items() if k not in CALL_FIELDS and v is not None}
        for name, frame in (("function", FunctionDelta), ("custom", CustomDelta)):
            inner = f.object(name)
            if inner is None:
                continue
            call[name] = _known_fields(inner, frame.__struct_fields__)
            left.update({f"{name}.{k}": v for k, v in inner.items() if k not in frame.__struct_fields__ and v is not None})
            arguments = call[name].get("arguments")
            if type(arguments) is dict:
                call[name]["arguments"] = msgspec.json.encode(arguments).decode()
        known.append(call)
        if left:
            leftovers.append((i, left))
    return known, leftovers


def _known_fields(value: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    return {k: v for k, v in value.items() if k in fields} if type(value) is dict else {}
