"""The parts of a stream as its chunks add to them.

There is at most one *flow* (text, reasoning, refusal or sound) that goes on until something else comes, and any number of calls. A
call ends when its arguments are a whole JSON object and something else begins, else at the end; until then `Sequencer` holds what
comes after it.
"""

from typing import Any

import msgspec

from ...hub.events import Event
from ...hub.messages import Extras, Inline, Media, Native, Part, Reasoning, Refusal, Text, ToolCall
from ..base import UNREADABLE
from ..fields import Fields
from ..sequencer import Piece, Sequencer
from .calls import minted_id, tokens_of
from .parts import decode_data_url, decode_part
from .reasoning import ENCRYPTED, SUMMARY, TEXT, Run, decode_token
from .response import media_start
from .wire import PROTOCOL, CallDelta, ChunkDelta, Detail, decode_json


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
        except UNREADABLE:
            return False


class StreamParts:
    """Pieces of parts -> events. `flow` is the kind of the flow that goes on ("": none), `flow_key` its key in `seq`. `kinds` are
    all kinds of flow there were. `owner` makes ids for calls without one.
    """

    __slots__ = ("_at_index", "_by_id", "_run", "_slots", "_sound", "_thought", "flow", "flow_key", "kinds", "owner", "seq")

    def __init__(self) -> None:
        self.seq = Sequencer()
        self.owner = "answer"
        self.flow = ""
        self.flow_key = 0
        self.kinds: set[str] = set()
        self._run = Run()
        self._slots: list[Slot] = []
        self._at_index: dict[int, Slot] = {}
        self._by_id: dict[str, Slot] = {}
        self._thought: list[str] = []  # the live reasoning, as far as it came as plain text
        self._sound: dict[str, Any] = {}  # fields of the live sound

    @property
    def has_calls(self) -> bool:
        """Has any call begun?"""
        return bool(self._slots)

    def end(self, out: list[Event]) -> None:
        """Everything is complete."""
        self._leave(out)
        for slot in self._slots:
            if not slot.opened:
                self._open(slot, out)
        self.seq.close_all(out)

    def add(self, piece: Piece, out: list[Event]) -> None:
        """More of the flow."""
        self.seq.add(self.flow_key, piece, out)

    def call_extras(self, delta: CallDelta, extras: Extras, out: list[Event]) -> None:
        """Fields of a fragment that the typed frame does not know."""
        self._piece(self._slot(delta, None), extras, out)

    def say(self, kind: str, text: str, out: list[Event]) -> None:
        """More of a flow; another kind than the last begins a new part."""
        if self.flow != kind:
            self._enter(kind, _EMPTY[kind], out)
        self.seq.add(self.flow_key, text, out)

    def _enter(self, kind: str, part: Part, out: list[Event]) -> None:
        self._leave(out)
        self._settle(out)
        self.flow = kind
        self.kinds.add(kind)
        self.flow_key += 1
        self.seq.open(self.flow_key, part, out)

    def reasoning(self, delta: ChunkDelta, out: list[Event]) -> None:
        """Details that hold text repeat the plain field, so that is read only beside details without."""
        details = delta.reasoning_details or ()
        text = delta.reasoning_content or delta.reasoning
        if text and not any(x.text or x.summary for x in details):
            if self.flow != "reasoning" or self._run.sealed:
                self._enter("reasoning", _EMPTY["reasoning"], out)
                self._run.begin()
                self._thought = []
            self._thought.append(text)
            self.seq.add(self.flow_key, text, out)
        for detail in details:
            self._detail(detail, text is None, out)

    def _detail(self, detail: Detail, alone: bool, out: list[Event]) -> None:
        """One entry. `alone`: no plain text came with it; it may then repeat, with its state, what was streamed."""
        kind = detail.type or TEXT
        text = detail.text or detail.summary
        plain = alone and self.flow == "reasoning" and not self._run.kind and not self._run.sealed
        if plain and text and "".join(self._thought).endswith(text):
            text = None
        if kind not in (TEXT, SUMMARY, ENCRYPTED):
            entry = {k: v for k, v in msgspec.to_builtins(detail).items() if v is not None}
            self._enter("reasoning", Reasoning("", extras={PROTOCOL: {"entry": entry}}), out)
            self._run.sealed = True
            return
        if not (text or detail.signature or detail.data):
            return
        if self.flow != "reasoning" or not self._run.takes(kind, detail.index):
            token = decode_token("encrypted", detail.data, None, detail.format) if detail.data and not text else None
            redacted = token is not None and token.kind == "redacted" and not detail.signature
            self._enter("reasoning", Reasoning("", summary=kind == SUMMARY, redacted=redacted), out)
            self._run.begin(kind, detail.index)
        if text:
            self.seq.add(self.flow_key, text, out)
        for word, data in (("signature", detail.signature), ("encrypted", detail.data)):
            if data:
                self.seq.add(self.flow_key, decode_token(word, data, detail.id, detail.format), out)
                self._run.sealed = True

    def call(self, delta: CallDelta, out: list[Event]) -> None:
        """A fragment of a call. It is opened once its name is known."""
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
        call_id = slot.id or minted_id(self.owner, slot.number)
        self.seq.open(slot, ToolCall(call_id, slot.name, "" if slot.custom else "{}", custom=slot.custom), out)
        for piece in slot.held:
            self.seq.add(slot, piece, out)
        slot.held = []

    def _piece(self, slot: Slot, piece: Piece, out: list[Event]) -> None:
        if slot.opened:
            self.seq.add(slot, piece, out)
        else:
            slot.held.append(piece)

    def content_array(self, content: list[Any], out: list[Event]) -> None:
        """Mistral: thinking and text as parts. Any other part comes whole."""
        for i, value in enumerate(content):
            part = decode_part(value, f"content[{i}]")
            if isinstance(part, Text):
                if part.text:
                    self.say("text", part.text, out)
            elif isinstance(part, Reasoning):
                if part.text:
                    self.reasoning(ChunkDelta(reasoning_content=part.text), out)
            else:
                self._whole(msgspec.structs.replace(part, at=""), out)

    def audio(self, audio: dict[str, Any], out: list[Event]) -> None:
        """`id` first, then `data` and `transcript` in pieces, `expires_at` last."""
        if self.flow != "audio":
            self._enter("audio", Media("audio", Inline("")), out)
        f = Fields(audio, "audio")
        data, transcript = f.text("data"), f.text("transcript")
        if data:
            self.add(data, out)
        if transcript:
            self._sound["transcript"] = self._sound.get("transcript", "") + transcript
        self._sound.update(f.rest())

    def image(self, value: Any, out: list[Event]) -> None:
        """One of `delta.images`, whole."""
        f = Fields(value, "images")
        inner = Fields(f.required("image_url"), "images.image_url")
        url = inner.text_required("url")
        self._enter("image", media_start(url), out)
        source, _ = decode_data_url(url)
        if isinstance(source, Inline):
            self.seq.add(self.flow_key, source.data, out)
        f.take("type")
        f.take("index")
        extras = f.extras(PROTOCOL)
        if extras:
            self.seq.add(self.flow_key, extras, out)
        self._leave(out)

    def beside_text(self, piece: Piece, out: list[Event]) -> None:
        """What belongs to the text: to the part that goes on, else to an empty one."""
        if self.flow != "text":
            self._enter("text", _EMPTY["text"], out)
        self.seq.add(self.flow_key, piece, out)

    def _whole(self, part: Part, out: list[Event]) -> None:
        self._enter("native" if isinstance(part, Native) else "media", part, out)
        self._leave(out)

    def _leave(self, out: list[Event]) -> None:
        if self.flow:
            if self._sound:
                self.seq.add(self.flow_key, {PROTOCOL: self._sound}, out)
                self._sound = {}
            self.seq.close(self.flow_key, out)
            self.flow = ""

    def _settle(self, out: list[Event]) -> None:
        """Something new begins: calls that are whole are over."""
        for slot in self._slots:
            if slot.opened and not slot.closed and slot.whole():
                slot.closed = True
                self.seq.close(slot, out)


_EMPTY: dict[str, Part] = {"text": Text(""), "reasoning": Reasoning(""), "refusal": Refusal("")}
