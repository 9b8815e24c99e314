"""A Responses stream -> events.

Items may overlap and may repeat what was sent: deltas stream through, and each `*.done`, `output_item.done` and the final answer only
add what is missing. So a server that sends arguments or whole items only at the end loses nothing, and the events fold to the same
answer as the final object decodes to.

States of an item: *waiting* (reasoning whose kind of text is not known yet), *open* (its parts are in the sequencer), *done*.
Event names, sequence numbers and padding are not needed. An item is known by `output_index` (some servers change its id on the way).
"""

from typing import Any

from msgspec.structs import replace

from ...framing.sse import SseReader
from ...hub.errors import ApiError
from ...hub.events import Aside, Begin, End, Event, Failed, Finished, UsageSeen
from ...hub.fold import taken_apart
from ...hub.messages import Citation, Extras, Native, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from ..base import UNREADABLE
from ..fields import Fields
from ..sequencer import Sequencer
from .content import decode_annotation
from .errors import answer_error
from .hosted import HOSTED, hosted_call
from .items import BETWEEN_SUMMARIES, decode_item
from .response import decode_echo, decode_finish, decode_time, decode_usage, is_client_call
from .wire import PROTOCOL, WORDING, Frame, decode_frame, decode_json

Key = tuple[int, Any]
"""(output index, content index), or (output index, one of the names below)."""
CALL, REASONING, RESULT, WHOLE = "call", "reasoning", "result", "whole"

ARGUMENTS = frozenset({"function_call_arguments", "custom_tool_call_input", "mcp_call_arguments"})
OPENED_AT_ONCE = frozenset({"function_call", "custom_tool_call"})
QUIET = frozenset({"response.in_progress", "response.queued", "response.content_part.done", "response.reasoning_part.done"})
TERMINAL = {"response.completed", "response.incomplete", "response.failed", "response.cancelled"}


class ResponsesDecoder:
    """`feed(bytes)`, `finish()`."""

    __slots__ = (
        "_begun",
        "_calls",
        "_citations",
        "_done",
        "_ended",
        "_ids",
        "_live",
        "_opened",
        "_over",
        "_parts",
        "_refusal",
        "_sent",
        "_sequencer",
        "_sse",
        "_waiting",
    )

    def __init__(self) -> None:
        self._sse = SseReader()
        self._sequencer = Sequencer()
        self._begun = False
        self._over = self._ended = False
        self._sent: dict[Key, list[str]] = {}
        self._opened: dict[Key, Part] = {}
        self._citations: dict[Key, int] = {}
        self._parts: dict[int, list[int]] = {}
        self._waiting: dict[int, Reasoning] = {}
        self._done: dict[int, tuple[str, str]] = {}
        self._ids: dict[str, int] = {}
        self._live = 0
        self._calls = self._refusal = False

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes completed."""
        out: list[Event] = []
        for name, payload in self._sse.feed(data):
            if self._over or payload == b"[DONE]":
                continue
            try:
                frame = decode_frame(payload)
            except UNREADABLE as e:
                if not self._ended:
                    self._fail(ApiError("upstream_failed", f"the upstream's stream holds what is not JSON: {e}"), out)
                continue
            if frame.type == "response.output_text.delta":
                key = (frame.output_index, frame.content_index)
                text = frame.delta
                if key == self._sequencer.live and type(text) is str and text:
                    self._sent[key].append(text)  # type: ignore[index]
                    self._sequencer.add(key, text, out)
                else:
                    self._text(frame, out)
            else:
                self._take(name, frame, payload, out)
        return out

    def finish(self) -> list[Event]:
        """The input ended. A last event that was cut off in its middle is none."""
        self._ended = True
        out = self.feed(b"\n\n")
        if not self._over:
            self._fail(ApiError("upstream_incomplete", "the upstream ended its stream before the answer was complete"), out)
        return out

    def _take(self, name: bytes, frame: Frame, payload: bytes, out: list[Event]) -> None:
        """Any event but a delta of text."""
        try:
            self._dispatch(frame.type or name.decode("utf-8", "replace"), frame, payload, out)
        except ApiError as e:
            # What no decoder can read (an item without its fields) breaks the answer; the upstream is to blame.
            self._fail(ApiError("upstream_failed", f"the upstream's stream cannot be read: {e.message}"), out)

    def _dispatch(self, kind: str, frame: Frame, payload: bytes, out: list[Event]) -> None:
        handler = HANDLERS.get(kind)
        if handler is not None:
            handler(self, frame, out)
        elif kind in TERMINAL:
            self._end(kind, frame.response, out)
        elif kind == "error":
            self._fail(_event_error(frame, payload), out)
        elif kind not in QUIET:
            self._aside(kind, frame, payload, out)
        elif not self._begun and isinstance(frame.response, dict):
            self._created(frame, out)

    # ------------------------------------------------------------------------------------------------------------ the answer

    def _created(self, frame: Frame, out: list[Event]) -> None:
        if self._begun:
            return
        self._begun = True
        answer = frame.response if isinstance(frame.response, dict) else {}
        out.append(
            Begin(
                _text(answer.get("id")),
                _text(answer.get("model")),
                decode_time(answer.get("created_at")),
                _text(answer.get("service_tier")) or None,
                decode_echo(answer, early=True) if answer else None,
            )
        )

    def _end(self, kind: str, answer: Any, out: list[Event]) -> None:
        """The final answer: what of it was never sent, then why it ended."""
        answer = answer if isinstance(answer, dict) else {}
        status = _text(answer.get("status")) or kind.rpartition(".")[2]
        if status == "failed":
            self._fail(answer_error(answer.get("error")), out)
            return
        if not self._begun:
            self._created(Frame(response=answer), out)
        output = answer.get("output")
        for index, item in enumerate(output if isinstance(output, list) else ()):
            if index not in self._done and _identity(item) not in self._done.values():
                self._item_done(index, item, out)
        self._open_waiting(out)
        self._sequencer.close_all(out)
        usage = decode_usage(answer.get("usage"))
        if usage is not None:
            out.append(UsageSeen(usage))
        finish = decode_finish({**answer, "status": status}, calls=self._calls, refusal=self._refusal)
        out.append(Finished(finish, decode_echo(answer), _text(answer.get("service_tier")) or None))
        out.append(End())
        self._over = True

    def _fail(self, error: ApiError, out: list[Event]) -> None:
        self._over = True
        out.append(Failed(error))

    def _aside(self, kind: str, frame: Frame, payload: bytes, out: list[Event]) -> None:
        """Progress of a hosted tool, and frames nobody knows. Those of an item that is held are let go: it arrives whole."""
        if kind == "keepalive":
            out.append(Aside(PROTOCOL, None, ping=True))
        elif self._begun and (frame.output_index is None or self._sequencer.live == (frame.output_index, CALL)):
            out.append(Aside(PROTOCOL, {**decode_json(payload), "type": kind}))

    # ----------------------------------------------------------------------------------------------------------------- items

    def _key(self, frame: Frame, slot: Any) -> Key:
        """The part a frame speaks of. Without an output index the item id tells, else it is the newest item."""
        index = frame.output_index
        if index is None:
            index = self._ids.get(frame.item_id, self._live) if frame.item_id is not None else self._live
        return index, slot

    def _added(self, frame: Frame, out: list[Event]) -> None:
        """An item begins: a call at once, reasoning when its first text shows of which kind it is, others with their first part."""
        item = frame.item
        if not isinstance(item, dict):
            return
        self._open_waiting(out)
        index = frame.output_index if frame.output_index is not None else len(self._ids)
        self._live = index
        item_id = item.get("id")
        self._ids[item_id if isinstance(item_id, str) else f"#{index}"] = index
        kind = _text(item.get("type")) or "message"
        if kind in OPENED_AT_ONCE and item.get("call_id"):
            written = "input" if kind == "custom_tool_call" else "arguments"
            self._open((index, CALL), decode_item({**item, written: "", "status": None}, "")[0], out)
            self._add((index, CALL), item.get(written), ToolCall, out)
        elif kind == "reasoning":
            words = {"id": _text(item_id) or None}
            self._waiting[index] = Reasoning("", True, extras={WORDING: words})
        elif kind in HOSTED:
            call = hosted_call(item, HOSTED[kind], "")
            self._open((index, CALL), replace(call, arguments="{}"), out)
        elif kind == "message":
            self._opened[index, None] = _message_start(item)

    def _open(self, key: Key, part: Part, out: list[Event]) -> None:
        if not self._begun:
            self._created(Frame(), out)
        self._opened[key] = part
        self._sent[key] = []
        self._sequencer.open(key, part, out)

    def _open_waiting(self, out: list[Event], *, summary: bool = True) -> None:
        for index, part in self._waiting.items():
            self._open((index, REASONING), part if summary else replace(part, summary=False), out)
        self._waiting.clear()

    def _add(self, key: Key, text: Any, kind: type[Part], out: list[Event]) -> None:
        """More text of a part; opens it where no frame has."""
        sent = self._sent.get(key)
        if sent is None:
            sent = self._open_unseen(key, kind, out)
        if sent is not None and type(text) is str and text:
            sent.append(text)
            self._sequencer.add(key, text, out)

    def _open_unseen(self, key: Key, kind: type[Part], out: list[Event]) -> list[str] | None:
        """A part whose beginning was not told. Calls cannot be opened without a name: they wait for their item."""
        if kind is ToolCall or key[0] in self._done:
            return None
        if kind is Reasoning:
            self._open(key, Reasoning("", True, extras={WORDING: {"id": None}}), out)
        else:
            start = self._opened.get((key[0], None))
            extras = start.extras if isinstance(start, Text) else None
            if key[1]:
                # The next part of a message: the one before it is complete.
                self._sequencer.close((key[0], key[1] - 1), out)
            self._open(key, Refusal("", extras) if kind is Refusal else Text("", extras=extras), out)
        return self._sent[key]

    def _missing(self, key: Key, whole: Any, kind: type[Part], out: list[Event]) -> None:
        """The text of a `.done`: only what its deltas left out."""
        if type(whole) is not str or not whole:
            return
        sent = "".join(self._sent.get(key, ()))
        if whole.startswith(sent) and len(whole) > len(sent):
            self._add(key, whole[len(sent) :], kind, out)

    def _text(self, frame: Frame, out: list[Event]) -> None:
        self._add(self._key(frame, frame.content_index or 0), frame.delta, Text, out)

    def _text_done(self, frame: Frame, out: list[Event]) -> None:
        self._missing(self._key(frame, frame.content_index or 0), frame.text, Text, out)

    def _refused(self, frame: Frame, out: list[Event]) -> None:
        self._add(self._key(frame, frame.content_index or 0), frame.delta, Refusal, out)

    def _refusal_done(self, frame: Frame, out: list[Event]) -> None:
        self._missing(self._key(frame, frame.content_index or 0), frame.refusal, Refusal, out)

    def _part_added(self, frame: Frame, out: list[Event]) -> None:
        part = frame.part if isinstance(frame.part, dict) else {}
        kind = part.get("type")
        if kind == "output_text":
            self._add(self._key(frame, frame.content_index or 0), part.get("text"), Text, out)
        elif kind == "refusal":
            self._add(self._key(frame, frame.content_index or 0), part.get("refusal"), Refusal, out)
        elif kind == "reasoning_text" and frame.output_index in self._waiting:
            self._open_waiting(out, summary=False)

    def _annotated(self, frame: Frame, out: list[Event]) -> None:
        key = self._key(frame, frame.content_index or 0)
        if isinstance(frame.annotation, dict) and key in self._sent:
            self._citations[key] = self._citations.get(key, 0) + 1
            self._sequencer.add(key, decode_annotation(frame.annotation), out)

    def _arguments(self, frame: Frame, out: list[Event]) -> None:
        self._add(self._key(frame, CALL), frame.delta, ToolCall, out)

    def _arguments_done(self, frame: Frame, out: list[Event]) -> None:
        self._missing(self._key(frame, CALL), frame.arguments if frame.arguments is not None else frame.input, ToolCall, out)

    def _summarised(self, frame: Frame, out: list[Event]) -> None:
        """A delta of a summary part, or its beginning."""
        self._think(frame, frame.summary_index or 0, out, summary=True)

    def _thought(self, frame: Frame, out: list[Event]) -> None:
        """A delta of raw reasoning text."""
        self._think(frame, frame.content_index or 0, out, summary=False)

    def _think(self, frame: Frame, part: int, out: list[Event], *, summary: bool) -> None:
        """Parts are joined by a blank line; the lengths so far tell where it stands."""
        key = self._key(frame, REASONING)
        if key[0] in self._waiting:
            self._open_waiting(out, summary=summary)
        lengths = self._parts.get(key[0], [])
        while part > len(lengths) and key in self._sent:
            start = sum(lengths) + len(BETWEEN_SUMMARIES) * len(lengths)
            lengths = self._parts[key[0]] = [*lengths, sum(map(len, self._sent[key])) - start]
            self._sequencer.add(key, {WORDING: {"lengths": lengths}}, out)
            self._add(key, BETWEEN_SUMMARIES, Reasoning, out)
        self._add(key, frame.delta, Reasoning, out)

    def _item_done_event(self, frame: Frame, out: list[Event]) -> None:
        if isinstance(frame.item, dict):
            self._item_done(self._key(frame, None)[0], frame.item, out)

    def _item_done(self, index: int, item: Any, out: list[Event]) -> None:
        """An item is complete: whatever of it has not been sent is sent now."""
        if index in self._done or not isinstance(item, dict):
            return
        self._done[index] = _identity(item)
        parts = decode_item(item, "")
        if index in self._waiting:
            self._open_waiting(out, summary=getattr(parts[0], "summary", True))
        for position, part in enumerate(parts):
            self._settle((index, _slot(part, position)), part, out)
            self._calls = self._calls or is_client_call(part)
            self._refusal = self._refusal or isinstance(part, Refusal)

    def _settle(self, key: Key, part: Part, out: list[Event]) -> None:
        """Brings a part to its final state and closes it."""
        start, text, attached = taken_apart(part)
        opened = self._opened.get(key) if key in self._sent else None
        if opened is None:
            self._open(key, start, out)
            opened = start
        self._missing(key, text, type(part), out)
        skip = self._citations.get(key, 0)
        for value in attached:
            if isinstance(value, Citation) and skip:
                skip -= 1
                continue
            self._sequencer.add(key, value, out)
        late = _late_extras(opened, part)
        if late:
            self._sequencer.add(key, late, out)
        self._sequencer.close(key, out)


HANDLERS: dict[str, Any] = {
    "response.created": ResponsesDecoder._created,
    "response.output_item.added": ResponsesDecoder._added,
    "response.output_item.done": ResponsesDecoder._item_done_event,
    "response.content_part.added": ResponsesDecoder._part_added,
    "response.reasoning_part.added": ResponsesDecoder._part_added,
    "response.output_text.delta": ResponsesDecoder._text,
    "response.output_text.done": ResponsesDecoder._text_done,
    "response.output_text.annotation.added": ResponsesDecoder._annotated,
    "response.refusal.delta": ResponsesDecoder._refused,
    "response.refusal.done": ResponsesDecoder._refusal_done,
    "response.reasoning_summary_part.added": ResponsesDecoder._summarised,
    "response.reasoning_summary_text.delta": ResponsesDecoder._summarised,
    "response.reasoning_summary_text.done": lambda *_: None,
    "response.reasoning_summary_part.done": lambda *_: None,
    "response.reasoning_text.delta": ResponsesDecoder._thought,
    "response.reasoning_text.done": lambda *_: None,
    "response.function_call_arguments.delta": ResponsesDecoder._arguments,
    "response.function_call_arguments.done": ResponsesDecoder._arguments_done,
    "response.custom_tool_call_input.delta": ResponsesDecoder._arguments,
    "response.custom_tool_call_input.done": ResponsesDecoder._arguments_done,
    "response.mcp_call_arguments.delta": ResponsesDecoder._arguments,
    "response.mcp_call_arguments.done": ResponsesDecoder._arguments_done,
}


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _slot(part: Part, position: int) -> Any:
    """The second half of a part's key."""
    match part:
        case Text() | Refusal():
            return position
        case ToolCall():
            return CALL
        case Reasoning():
            return REASONING
        case ToolResult():
            return RESULT
        case _:
            return WHOLE


def _message_start(item: dict[str, Any]) -> Text:
    """A message's bookkeeping as far as it is known when it begins. Kept as a Text that is never sent."""
    f = Fields(item, "")
    words = {name: value for name in ("id", "phase") if (value := f.text(name)) is not None}
    return Text("", extras={WORDING: words} if words else None)


def _late_extras(opened: Part, part: Part) -> Extras | None:
    """What the finished part's extras say that its beginning did not. An item keeps the id it began with."""
    if isinstance(part, Native):
        return None
    before = opened.extras or {} if not isinstance(opened, Native) else {}
    late: Extras = {}
    for owner, fields in (part.extras or {}).items():
        had = before.get(owner) or {}
        new = {
            name: value for name, value in fields.items()
            if had.get(name) != value and not (name == "id" and owner == WORDING and had.get("id") is not None)
        }
        if new:
            late[owner] = new
    return late or None


def _identity(item: Any) -> tuple[str, str]:
    """What an item is known by in the final answer."""
    if not isinstance(item, dict):
        return "", ""
    return _text(item.get("type")), _text(item.get("call_id")) or _text(item.get("id"))


def _event_error(frame: Frame, payload: bytes) -> ApiError:
    """An `error` event: the fields at its top, or in an `error` object."""
    if frame.error is not None:
        return answer_error(frame.error)
    return answer_error({"message": frame.message, "code": frame.code, "param": frame.param})
