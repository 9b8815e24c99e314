"""Events -> a Responses stream, with every snapshot its clients wait for.

    response.created, response.in_progress
    response.output_item.added    (content_part.added  *.delta  *.done  content_part.done)*    response.output_item.done
    response.completed | response.incomplete | response.failed

An item is done when the next one begins or the answer finishes: by then it is known whether the answer was cut short in the middle
of it, and whether more parts belong to it. Items come from `output`, so the last snapshot equals the plain answer.
Codex takes calls from `output_item.done`; the SDK takes the answer from the last event. Source: openai 3.54.0 (November 2026).
"""

from collections.abc import Sequence
from typing import Any

from ...hub.errors import ApiError
from ...hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from ...hub.fold import Folder
from ...hub.ledger import Ledger
from ...hub.messages import Part, Reasoning, Refusal, Text, ToolCall
from ...hub.response import Finish
from ..base import Answer
from .hosted import own_item
from .items import BETWEEN_SUMMARIES, encode_output_part
from .output import CUT_SHORT, Group, encode_group, joins, new_group
from .response import encode_answer, encode_echo, encode_id, failed_answer, skeleton
from .wire import PROTOCOL, WORDING, encode_json, encode_tier, worded

Fields = dict[str, Any]


class ResponsesEncoder:
    """`encode(events)`, `ping()`."""

    __slots__ = (
        "_answer", "_echo", "_folder", "_group", "_head", "_id", "_index", "_items", "_ledger", "_middle", "_part", "_pieces",
        "_sequence", "_skip", "_start_at", "_summary", "_tail", "_texting",
    )

    def __init__(self, answer: Answer, ledger: Ledger) -> None:
        self._answer = answer
        self._ledger = ledger
        self._folder = Folder()
        self._sequence = 0
        self._id = ""
        self._echo: dict[str, Any] = {}
        self._items: list[dict[str, Any]] = []
        self._group: Group | None = None
        self._index = -1
        self._part: Part | None = None
        self._pieces: list[str] = []
        self._texting = False
        self._summary = self._start_at = 0
        self._skip = False
        self._head = self._middle = self._tail = b""

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes of these events."""
        out: list[bytes] = []
        for event in events:
            kind = type(event)
            if kind is Delta:
                self._delta(event.text, out)  # type: ignore[union-attr]
            else:
                HANDLERS[kind](self, event, out)
        return b"".join(out)

    def ping(self) -> bytes:
        """A comment: clients of this protocol skip it."""
        return b": keepalive\n\n"

    # ------------------------------------------------------------------------------------------------------------ the answer

    def _begin(self, event: Begin, out: list[bytes]) -> None:
        self._folder.add(event)
        self._start(encode_id(event.id, event.extras, self._answer), event, out)

    def _start(self, response_id: str, begin: Begin | None, out: list[bytes]) -> None:
        self._id = response_id
        self._echo = encode_echo(self._answer, begin.extras if begin else None)
        body = skeleton(response_id, "in_progress", self._answer, self._echo, created_s=begin.created_s if begin else None)
        tier = encode_tier(begin.service_tier, begin.extras, self._ledger) if begin is not None else None
        if tier is not None:
            body["service_tier"] = tier
        out.append(self._event("response.created", {"response": body}))
        out.append(self._event("response.in_progress", {"response": body}))

    def _note(self, event: Event, out: list[bytes]) -> None:
        """What only the last snapshot shows."""
        self._folder.add(event)

    def _finished(self, event: Finished, out: list[bytes]) -> None:
        self._folder.add(event)
        self._end_item(event.finish, out)

    def _end(self, _: End, out: list[bytes]) -> None:
        response = self._folder.response()
        echo = encode_echo(self._answer, response.extras) if worded(response.extras) else self._echo
        body = encode_answer(response, self._id, self._items, self._answer, echo, self._ledger)
        status = body["status"]
        kind = status if status in ("incomplete", "failed") else "completed"
        out.append(self._event(f"response.{kind}", {"response": body}))

    def _failed(self, event: Failed, out: list[bytes]) -> None:
        """The terminal event at once: nothing else is ended, so that no half-written call looks whole."""
        error: ApiError = event.error
        if not self._id:
            self._start(self._answer.new_id("resp_"), None, out)
        body = failed_answer(self._id, error, self._items, self._answer, self._echo)
        out.append(self._event("response.failed", {"response": body}))

    def _aside(self, event: Aside, out: list[bytes]) -> None:
        """Progress of a hosted tool, put at the place its item has here; other frames as they are."""
        if event.ping:
            out.append(self.ping())
        elif event.protocol == PROTOCOL and isinstance(event.frame, dict):
            frame = dict(event.frame)
            kind = frame.pop("type", "")
            frame.pop("sequence_number", None)
            if "output_index" in frame:
                if self._group is None or self._group.kind != "hosted":
                    return
                frame["output_index"] = self._index
            out.append(self._event(kind, frame))

    # ----------------------------------------------------------------------------------------------------------------- items

    def _open(self, event: Open, out: list[bytes]) -> None:
        self._folder.add(event)
        part = event.part
        self._part, self._pieces, self._texting = part, [], False
        if self._group is not None and joins(self._group, part):
            self._group.parts.append(part)
        else:
            self._end_item(None, out)
            self._begin_item(part, out)
        self._begin_part(part, out)

    def _begin_item(self, part: Part, out: list[bytes]) -> None:
        """`output_item.added`, with as much of the item as its first part says."""
        group = self._group = new_group(part, self._answer)
        if group.kind != "none":
            self._index += 1
        item: Fields | None = None
        if group.kind == "message":
            item = {"id": group.id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
            if "phase" in worded(part.extras):  # type: ignore[union-attr]
                item["phase"] = worded(part.extras)["phase"]  # type: ignore[union-attr]
        elif group.kind == "reasoning":
            item = {"id": group.id, "type": "reasoning", "summary": []}
        elif isinstance(part, ToolCall) and group.kind == "call":
            item = {
                "id": group.id, "type": "custom_tool_call" if part.custom else "function_call", "status": "in_progress",
                "call_id": part.id, "name": part.name, "input" if part.custom else "arguments": "",
            }
            if part.namespace is not None:
                item["namespace"] = part.namespace
        elif group.kind == "hosted" and isinstance(part, ToolCall):
            item = own_item(part)
        if item is not None:
            out.append(self._event("response.output_item.added", {"output_index": self._index, "item": item}))

    def _begin_part(self, part: Part, out: list[bytes]) -> None:
        """Gets the delta event ready; `content_part.added` for text."""
        group = self._group
        assert group is not None
        match part:
            case Text() | Refusal() if not worded(part.extras).get("empty"):
                refusal = isinstance(part, Refusal)
                at = {"item_id": group.id, "output_index": self._index, "content_index": len(group.parts) - 1}
                empty: Fields = {"type": "refusal", "refusal": ""} if refusal else {
                    "type": "output_text", "annotations": [], "logprobs": [], "text": "",
                }
                out.append(self._event("response.content_part.added", {**at, "part": empty}))
                kind = "response.refusal.delta" if refusal else "response.output_text.delta"
                self._ready(kind, at, b"}\n\n" if refusal else b',"logprobs":[]}\n\n')
            case Reasoning():
                self._summary, self._start_at, self._skip = 0, 0, False
                self._head = b""
            case ToolCall() if group.kind == "call":
                kind = "response.custom_tool_call_input.delta" if part.custom else "response.function_call_arguments.delta"
                self._ready(kind, {"item_id": group.id, "output_index": self._index}, b"}\n\n")
            case _:
                self._head = b""

    def _ready(self, kind: str, at: Fields, tail: bytes) -> None:
        """What stands around the sequence number and the text of each delta."""
        name = kind.encode()
        self._head = b"event: " + name + b'\ndata: {"type":"' + name + b'","sequence_number":'
        self._middle = b"," + encode_json(at)[1:-1] + b',"delta":'
        self._tail = tail

    def _delta(self, text: str, out: list[bytes]) -> None:
        self._pieces.append(text)
        if not self._head:
            if not isinstance(self._part, Reasoning):
                return
            self._begin_thought(out)
        if self._skip:
            self._skip = False
            text = text.removeprefix(BETWEEN_SUMMARIES)
            if not text:
                return
        out.append(b"%b%d%b%b%b" % (self._head, self._sequence, self._middle, encode_json(text), self._tail))
        self._sequence += 1

    def _attach(self, event: Attach, out: list[bytes]) -> None:
        """Shown when the part is complete. A new length of a summary part says that the next one begins."""
        self._folder.add(event)
        if isinstance(event.value, dict) and isinstance(self._part, Reasoning):
            lengths = (event.value.get(WORDING) or {}).get("lengths")
            if lengths and len(lengths) == self._summary + 1 and self._texting:
                self._end_thought(out)
                self._summary += 1
                self._start_at = sum(lengths) + len(BETWEEN_SUMMARIES) * len(lengths)
                self._skip = True

    def _close(self, event: Close, out: list[bytes]) -> None:
        group, text = self._group, "".join(self._pieces)
        assert group is not None
        if text:
            self._folder.add(Delta(event.index, text))
        self._folder.add(event)
        part = group.parts[-1] = self._folder.parts[-1]
        match part:
            case Text() | Refusal() if not worded(part.extras).get("empty"):
                self._end_text(part, group, out)
            case Reasoning() if self._texting:
                self._end_thought(out)
            case ToolCall() if group.kind == "call":
                self._end_call(part, group, text, out)

    def _end_text(self, part: Text | Refusal, group: Group, out: list[bytes]) -> None:
        at = {"item_id": group.id, "output_index": self._index, "content_index": len(group.parts) - 1}
        whole = encode_output_part(part, self._ledger, complete=True)
        for number, annotation in enumerate(whole.get("annotations", ())):
            fields = {**at, "annotation_index": number, "annotation": annotation}
            out.append(self._event("response.output_text.annotation.added", fields))
        if isinstance(part, Refusal):
            out.append(self._event("response.refusal.done", {**at, "refusal": part.text}))
        else:
            out.append(self._event("response.output_text.done", {**at, "text": part.text, "logprobs": []}))
        out.append(self._event("response.content_part.done", {**at, "part": whole}))

    def _end_call(self, part: ToolCall, group: Group, text: str, out: list[bytes]) -> None:
        at = {"item_id": group.id, "output_index": self._index}
        if part.custom:
            out.append(self._event("response.custom_tool_call_input.done", {**at, "input": part.arguments}))
            return
        if part.arguments != text:
            # A call without arguments: clients that add up the deltas need the empty object too.
            out.append(self._event("response.function_call_arguments.delta", {**at, "delta": part.arguments}))
        out.append(self._event("response.function_call_arguments.done", {**at, "arguments": part.arguments}))

    def _end_item(self, finish: Finish | None, out: list[bytes]) -> None:
        """`output_item.done`. Items that come whole are added and done in one go."""
        group, self._group = self._group, None
        if group is None:
            return
        item = encode_group(group, self._ledger, cut=finish is not None and finish.reason in CUT_SHORT)
        if item is None:
            return
        first = group.parts[0]
        if group.kind in ("image", "whole") or (isinstance(first, ToolCall) and first.runs == "provider" and own_item(first) is None):
            begun = {**item, "status": "in_progress"} if "status" in item and group.kind != "whole" else item
            out.append(self._event("response.output_item.added", {"output_index": self._index, "item": begun}))
        self._items.append(item)
        out.append(self._event("response.output_item.done", {"output_index": self._index, "item": item}))

    # ------------------------------------------------------------------------------------------------------------- reasoning

    def _begin_thought(self, out: list[bytes]) -> None:
        """A summary part, or raw reasoning text where the upstream spoke this protocol and gave it."""
        at = self._thought_at()
        if "content_index" in at:
            part = {"type": "reasoning_text", "text": ""}
            out.append(self._event("response.content_part.added", {**at, "part": part}))
            self._ready("response.reasoning_text.delta", at, b"}\n\n")
        else:
            part = {"type": "summary_text", "text": ""}
            out.append(self._event("response.reasoning_summary_part.added", {**at, "part": part}))
            self._ready("response.reasoning_summary_text.delta", at, b"}\n\n")
        self._texting = True

    def _end_thought(self, out: list[bytes]) -> None:
        at, text = self._thought_at(), "".join(self._pieces)[self._start_at :]
        if "content_index" in at:
            part = {"type": "reasoning_text", "text": text}
            out.append(self._event("response.reasoning_text.done", {**at, "text": text}))
            out.append(self._event("response.content_part.done", {**at, "part": part}))
        else:
            part = {"type": "summary_text", "text": text}
            out.append(self._event("response.reasoning_summary_text.done", {**at, "text": text}))
            out.append(self._event("response.reasoning_summary_part.done", {**at, "part": part}))
        self._texting = False
        self._head = b""

    def _thought_at(self) -> Fields:
        group, part = self._group, self._part
        assert group is not None
        assert isinstance(part, Reasoning)
        raw = not part.summary and bool(worded(part.extras))
        return {"item_id": group.id, "output_index": self._index, "content_index" if raw else "summary_index": self._summary}

    def _event(self, kind: str, fields: Fields) -> bytes:
        """One event, numbered."""
        body = encode_json({"type": kind, "sequence_number": self._sequence, **fields})
        self._sequence += 1
        return b"event: " + kind.encode() + b"\ndata: " + body + b"\n\n"


HANDLERS: dict[type, Any] = {
    Begin: ResponsesEncoder._begin,
    Open: ResponsesEncoder._open,
    Attach: ResponsesEncoder._attach,
    Close: ResponsesEncoder._close,
    UsageSeen: ResponsesEncoder._note,
    Finished: ResponsesEncoder._finished,
    Aside: ResponsesEncoder._aside,
    End: ResponsesEncoder._end,
    Failed: ResponsesEncoder._failed,
}
