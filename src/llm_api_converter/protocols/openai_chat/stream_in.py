"""`chat.completion.chunk` frames -> events.

States: *waiting* (no frame that names the answer yet), *begun*, *over* (`[DONE]`, an error, or the end of input). Within *begun*
there is at most one *flow* (text, reasoning, refusal or sound that goes on until another kind comes) and any number of calls. A
call ends when its arguments are a whole JSON object and something else begins, else at the end; until then `Sequencer` holds what
comes after it. A `finish_reason` is only remembered: usage, state and a second finish reason may follow it. `[DONE]` ends the
stream, and so does the end of input after a `finish_reason`.

Ordinary chunks are read as typed frames; the first one, and any with a field no frame knows, as plain JSON. Recordings, November 2026.
"""

from typing import Any

import msgspec

from ...framing.sse import SseReader
from ...hub.errors import ApiError
from ...hub.events import Begin, End, Event, Failed, Finished, UsageSeen
from ...hub.messages import Inline, Media, Native, Part, Reasoning, Refusal, Text, ToolCall
from ...hub.response import Finish
from ..fields import Fields
from ..sequencer import Piece, Sequencer
from .calls import minted_id, tokens_of
from .errors import decode_error_value
from .parts import decode_data_url, decode_part
from .reasoning import ENCRYPTED, SUMMARY, TEXT, Run, decode_token
from .response import decode_citation, media_start
from .usage import decode_finish, decode_usage
from .wire import PROTOCOL, CallDelta, ChunkChoice, ChunkDelta, CustomDelta, Detail, FunctionDelta, decode_chunk, decode_json

TOP_FIELDS = frozenset(("id", "object", "created", "model", "choices", "usage", "service_tier", "obfuscation", "p"))
CHOICE_FIELDS = frozenset(("index", "delta", "message", "finish_reason", "logprobs"))
DELTA_FIELDS = frozenset((*ChunkDelta.__struct_fields__, "function_call", "audio", "images", "annotations", "extra_content"))
CALL_FIELDS = frozenset(CallDelta.__struct_fields__)

LEGACY = -1
"""The index of a legacy `function_call` among the calls."""


class Slot:
    """One call: what is known of it before it may be opened (a name), and its arguments."""

    __slots__ = ("arguments", "closed", "custom", "held", "id", "name", "number", "opened")

    def __init__(self, number: int) -> None:
        self.number = number
        self.id = ""
        self.name = ""
        self.custom = False
        self.opened = False
        self.closed = False
        self.arguments: list[str] = []
        self.held: list[Piece] = []

    def whole(self) -> bool:
        """Are the arguments so far a whole JSON object?"""
        if self.custom or not self.arguments:
            return False
        try:
            return type(decode_json("".join(self.arguments))) is dict
        except msgspec.DecodeError:
            return False


class ChatStreamDecoder:
    """Upstream bytes -> events."""

    __slots__ = (
        "_at_index",
        "_begun",
        "_blank",
        "_by_id",
        "_choice_extras",
        "_extras",
        "_fast",
        "_fingerprint",
        "_finish",
        "_flow",
        "_flow_key",
        "_id",
        "_kinds",
        "_late",
        "_late_tier",
        "_legacy_seen",
        "_logprobs",
        "_over",
        "_provider",
        "_run",
        "_seq",
        "_slots",
        "_sound",
        "_sse",
        "_thought", "_tier",
    )  # fmt: skip

    def __init__(self) -> None:
        self._sse = SseReader()
        self._seq = Sequencer()
        self._begun = False
        self._fast = False
        self._over = False
        self._id = "answer"
        self._tier: str | None = None
        self._late_tier: str | None = None
        self._fingerprint: str | None = None
        self._provider: str | None = None
        self._flow = ""  # the kind of the flow that goes on, "" for none
        self._flow_key = 0
        self._run = Run()
        self._slots: list[Slot] = []
        self._at_index: dict[int, Slot] = {}
        self._by_id: dict[str, Slot] = {}
        self._kinds: set[str] = set()
        self._thought: list[str] = []  # the reasoning that came as plain text only
        self._sound: dict[str, Any] = {}
        self._extras: dict[str, Any] = {}
        self._late: dict[str, Any] = {}
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
            except msgspec.DecodeError:
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
            text = delta.content
            if text and self._flow == "text":
                self._seq.add(self._flow_key, text, out)
            elif delta.reasoning_details is not None or delta.reasoning_content or delta.reasoning:
                self._reasoning(delta, out)
                if text:
                    self._say("text", text, out)
            elif text:
                self._say("text", text, out)
            if delta.refusal:
                self._say("refusal", delta.refusal, out)
            if delta.tool_calls:
                for call in delta.tool_calls:
                    self._call(call, out)
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

    def _say(self, kind: str, text: str, out: list[Event]) -> None:
        """More of a flow; another kind than the last begins a new part."""
        if self._flow != kind:
            self._enter(kind, _EMPTY[kind], out)
        self._seq.add(self._flow_key, text, out)

    def _enter(self, kind: str, part: Part, out: list[Event]) -> None:
        self._leave(out)
        self._settle(out)
        self._flow = kind
        self._kinds.add(kind)
        self._flow_key += 1
        self._seq.open(self._flow_key, part, out)

    def _leave(self, out: list[Event]) -> None:
        if self._flow:
            if self._sound:
                self._seq.add(self._flow_key, {PROTOCOL: self._sound}, out)
                self._sound = {}
            self._seq.close(self._flow_key, out)
            self._flow = ""

    def _settle(self, out: list[Event]) -> None:
        """Something new begins: calls that are whole are over."""
        for slot in self._slots:
            if slot.opened and not slot.closed and slot.whole():
                slot.closed = True
                self._seq.close(slot, out)

    def _reasoning(self, delta: ChunkDelta, out: list[Event]) -> None:
        """Details that hold text repeat the plain field, so that is read only beside details without."""
        details = delta.reasoning_details or ()
        text = delta.reasoning_content or delta.reasoning
        if text and not any(x.text or x.summary for x in details):
            if self._flow != "reasoning" or self._run.sealed:
                self._enter("reasoning", _EMPTY["reasoning"], out)
                self._run.begin()
                self._thought = []
            self._thought.append(text)
            self._seq.add(self._flow_key, text, out)
        for detail in details:
            self._detail(detail, text is None, out)

    def _detail(self, detail: Detail, alone: bool, out: list[Event]) -> None:
        """One entry. `alone`: no plain text came with it; it may then repeat, with its state, what was streamed."""
        kind = detail.type or TEXT
        text = detail.text or detail.summary
        if alone and text and self._flow == "reasoning" and not self._run.kind and not self._run.sealed and "".join(self._thought).endswith(text):
            text = None
        if kind not in (TEXT, SUMMARY, ENCRYPTED):
            entry = {k: v for k, v in msgspec.to_builtins(detail).items() if v is not None}
            self._enter("reasoning", Reasoning("", extras={PROTOCOL: {"entry": entry}}), out)
            self._run.sealed = True
            return
        if not (text or detail.signature or detail.data):
            return
        if self._flow != "reasoning" or not self._run.takes(kind, detail.index):
            token = decode_token("encrypted", detail.data, None, detail.format) if detail.data and not text else None
            redacted = token is not None and token.kind == "redacted" and not detail.signature
            self._enter("reasoning", Reasoning("", summary=kind == SUMMARY, redacted=redacted), out)
            self._run.begin(kind, detail.index)
        if text:
            self._seq.add(self._flow_key, text, out)
        for word, data in (("signature", detail.signature), ("encrypted", detail.data)):
            if data:
                self._seq.add(self._flow_key, decode_token(word, data, detail.id, detail.format), out)
                self._run.sealed = True

    def _call(self, delta: CallDelta, out: list[Event]) -> None:
        inner = delta.function
        name = piece = None
        if inner is not None:
            name, piece = inner.name, inner.arguments
        elif delta.custom is not None:
            name, piece = delta.custom.name, delta.custom.input
        slot = self._slot(delta, name)
        if not slot.opened:
            slot.custom = slot.custom or (delta.custom is not None and inner is None)
            slot.id = slot.id or delta.id or ""
            slot.name = slot.name or name or ""
            if slot.name:
                self._open(slot, out)
        if piece:
            slot.arguments.append(piece)
            self._piece(slot, piece, out)
        if delta.extra_content is not None:
            tokens, left = tokens_of(delta.extra_content)
            for token in tokens:
                self._piece(slot, token, out)
            if left:
                self._piece(slot, {PROTOCOL: left}, out)

    def _slot(self, delta: CallDelta, name: str | None) -> Slot:
        """Which call a fragment belongs to: by index; a new id with a name at a known index is another call. Without an index by
        id, else the last one.
        """
        slot: Slot | None
        if delta.index is None:
            slot = self._by_id.get(delta.id) if delta.id else None
            if slot is None and not delta.id and not name and self._slots:
                slot = self._slots[-1]
        else:
            slot = self._at_index.get(delta.index)
            if slot is not None and delta.id and name and slot.id and slot.id != delta.id:
                slot = self._by_id.get(delta.id)
        if slot is None:
            slot = Slot(len(self._slots))
            self._slots.append(slot)
        if delta.index is not None:
            self._at_index[delta.index] = slot
        if delta.id:
            self._by_id.setdefault(delta.id, slot)
        return slot

    def _open(self, slot: Slot, out: list[Event]) -> None:
        self._leave(out)
        self._settle(out)
        slot.opened = True
        call_id = slot.id or minted_id(self._id, slot.number)
        self._seq.open(slot, ToolCall(call_id, slot.name, "" if slot.custom else "{}", custom=slot.custom), out)
        for piece in slot.held:
            self._seq.add(slot, piece, out)
        slot.held = []

    def _piece(self, slot: Slot, piece: Piece, out: list[Event]) -> None:
        if slot.opened:
            self._seq.add(slot, piece, out)
        else:
            slot.held.append(piece)

    def _slow(self, data: bytes, out: list[Event]) -> None:
        """A frame as plain JSON: `[DONE]`, an error, or a chunk with fields the typed frames do not know."""
        if data.strip() == b"[DONE]":
            self._done(out)
            return
        try:
            value = decode_json(data)
        except msgspec.DecodeError as e:
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
        choices = value.get("choices") or []
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
            if not choice.get("index"):
                self._fast = True
                self._loose_choice(choice, out)
        usage = value.get("usage") or (value.get("x_groq") or {}).get("usage")
        if type(usage) is dict and usage:
            out.append(UsageSeen(decode_usage(usage)))

    def _begin(self, value: dict[str, Any], out: list[Event]) -> None:
        f = Fields(value, "")
        answer_id, model = f.text("id") or "", f.text("model") or ""
        self._tier = f.text("service_tier")
        self._id = answer_id or "answer"
        self._begun = True
        out.append(Begin(answer_id, model, f.whole("created"), self._tier, {PROTOCOL: self._extras} if self._extras else None))

    def _loose_choice(self, choice: dict[str, Any], out: list[Event]) -> None:
        """Puts what the typed frames know into one, and reads the rest field by field."""
        f = Fields(choice, "")
        for name, field in choice.items():
            if name not in CHOICE_FIELDS and field is not None:
                self._choice_extras[name] = field
        delta = f.object("delta")
        if delta is None:
            delta = f.object("message") or {}
        content = delta.get("content")
        known = {k: v for k, v in delta.items() if k in ChunkDelta.__struct_fields__ and not (k == "content" and type(content) is list)}
        calls, leftovers = _known_calls(known.get("tool_calls"))
        if calls is not None:
            known["tool_calls"] = calls
        beside: dict[str, Any] = {}
        if type(known.get("reasoning_details")) is list:
            for entry in known["reasoning_details"]:
                beside.update({k: v for k, v in entry.items() if k not in Detail.__struct_fields__ and v is not None})
            known["reasoning_details"] = [_known_fields(x, Detail.__struct_fields__) for x in known["reasoning_details"]]
        typed = msgspec.convert(known, ChunkDelta)
        if type(content) is list:
            self._content_array(content, out)
        word = f.text("finish_reason")
        self._choice(ChunkChoice(0, typed, word, None, f.take("logprobs")), out)
        if beside and self._flow == "reasoning":
            self._seq.add(self._flow_key, {PROTOCOL: beside}, out)
        for i, left in leftovers:
            call = typed.tool_calls[i] if typed.tool_calls else CallDelta()
            self._piece(self._slot(call, None), {PROTOCOL: left}, out)
        self._other_fields(delta, out)

    def _other_fields(self, delta: dict[str, Any], out: list[Event]) -> None:
        f = Fields(delta, "")
        legacy = f.object("function_call")
        if legacy and (legacy.get("name") or legacy.get("arguments")):
            g = Fields(legacy, "function_call")
            self._call(CallDelta(LEGACY, function=FunctionDelta(g.text("name"), g.text("arguments"))), out)
        audio = f.object("audio")
        if audio and any(audio.values()):
            self._audio(audio, out)
        for image in f.array("images") or ():
            self._image(image, out)
        for annotation in f.array("annotations") or ():
            self._annotation(annotation, out)
        tokens, left = tokens_of(f.take("extra_content"))
        for token in tokens:
            self._beside_text(token, out)
        self._late.update({f"message.{k}": v for k, v in left.items()})
        for name, field in delta.items():
            if name not in DELTA_FIELDS and field is not None:
                self._late[f"message.{name}"] = field

    def _content_array(self, content: list[Any], out: list[Event]) -> None:
        """Mistral: thinking and text as parts. Any other part comes whole."""
        for i, value in enumerate(content):
            part = decode_part(value, f"content[{i}]")
            if isinstance(part, Text):
                if part.text:
                    self._say("text", part.text, out)
            elif isinstance(part, Reasoning):
                if part.text:
                    self._reasoning(ChunkDelta(reasoning_content=part.text), out)
            else:
                self._whole(msgspec.structs.replace(part, at=""), out)

    def _audio(self, audio: dict[str, Any], out: list[Event]) -> None:
        """`id` first, then `data` and `transcript` in pieces, `expires_at` last."""
        if self._flow != "audio":
            self._enter("audio", Media("audio", Inline("")), out)
        for name, value in audio.items():
            if name == "data" and value:
                self._seq.add(self._flow_key, value, out)
            elif name == "transcript" and value:
                self._sound[name] = self._sound.get(name, "") + value
            elif name != "data" and value is not None:
                self._sound[name] = value

    def _image(self, value: Any, out: list[Event]) -> None:
        f = Fields(value, "images")
        inner = Fields(f.required("image_url"), "images.image_url")
        url = inner.text_required("url")
        self._enter("image", media_start(url), out)
        source, _ = decode_data_url(url)
        if isinstance(source, Inline):
            self._seq.add(self._flow_key, source.data, out)
        f.take("type")
        f.take("index")
        extras = f.extras(PROTOCOL)
        if extras:
            self._seq.add(self._flow_key, extras, out)
        self._leave(out)

    def _annotation(self, value: Any, out: list[Event]) -> None:
        citation = decode_citation(value) if type(value) is dict else None
        if citation is not None and "text" in self._kinds:
            self._beside_text(citation, out)
        else:
            self._late.setdefault("message.annotations", []).append(value)

    def _beside_text(self, piece: Piece, out: list[Event]) -> None:
        """What belongs to the text: to the part that goes on, else to an empty one."""
        if self._flow != "text":
            self._enter("text", _EMPTY["text"], out)
        self._seq.add(self._flow_key, piece, out)

    def _whole(self, part: Part, out: list[Event]) -> None:
        self._enter("native" if isinstance(part, Native) else "media", part, out)
        self._leave(out)

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
        self._leave(out)
        for slot in self._slots:
            if not slot.opened:
                self._open(slot, out)
        self._seq.close_all(out)
        if self._logprobs:
            self._choice_extras["logprobs"] = self._logprobs
        word = self._finish if self._finish is not None else "" if self._blank else None
        reason = decode_finish("unsaid" if word is None else word, has_calls=bool(self._slots), has_refusal="refusal" in self._kinds)
        extras = {PROTOCOL: self._choice_extras} if self._choice_extras else None
        out.append(Finished(Finish(reason, word, extras=extras), {PROTOCOL: self._late} if self._late else None, self._late_tier))
        out.append(End())
        self._over = True

    def _fail(self, error: ApiError, out: list[Event]) -> None:
        out.append(Failed(error))
        self._over = True


_EMPTY: dict[str, Part] = {"text": Text(""), "reasoning": Reasoning(""), "refusal": Refusal("")}


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
