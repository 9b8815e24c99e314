"""Parts of an answer -> output items, for plain answers and for streams alike.

A *group* is the run of parts that make one item: neighbouring Text and Refusal parts are one message, a hosted call takes its result
along, everything else stands alone. What this protocol cannot say makes a group without an item.
"""

from typing import Any, Literal

from msgspec import Struct

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Inline, Media, Native, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from ...hub.response import Finish
from ..base import Answer
from .hosted import ID_PREFIX, drop_hosted, encode_foreign_call, own_item
from .items import encode_call, encode_message, encode_reasoning, message_id
from .wire import PROTOCOL, REALM, worded

GroupKind = Literal["message", "reasoning", "call", "hosted", "image", "whole", "none"]

CUT_SHORT = frozenset({"length", "context_full", "filtered"})
"""Finish reasons that leave the last item incomplete."""


class Group(Struct):
    """An item in the making: what it will be, its id, its parts so far."""

    kind: GroupKind
    id: str
    parts: list[Part]


class Writer:
    """Takes the parts of an answer in order; `finish` gives the items."""

    __slots__ = ("_answer", "_groups", "_ledger")

    def __init__(self, answer: Answer, ledger: Ledger) -> None:
        self._answer = answer
        self._ledger = ledger
        self._groups: list[Group] = []

    def add(self, part: Part) -> None:
        """The next part."""
        if self._groups and joins(self._groups[-1], part):
            self._groups[-1].parts.append(part)
        else:
            self._groups.append(new_group(part, self._answer))

    def finish(self, finish: Finish) -> list[dict[str, Any]]:
        """All items. The last one is incomplete where the answer was cut short."""
        last = self._groups[-1] if self._groups else None
        cut = finish.reason in CUT_SHORT
        items = [encode_group(group, self._ledger, cut=cut and group is last) for group in self._groups]
        return [item for item in items if item is not None]


def joins(group: Group, part: Part) -> bool:
    """Does the part belong to the item that is being made?"""
    if group.kind == "message":
        return isinstance(part, (Text, Refusal)) and message_id(part) == message_id(group.parts[0])
    call = group.parts[0]
    return isinstance(call, ToolCall) and call.runs == "provider" and isinstance(part, ToolResult) and part.call_id == call.id


def new_group(part: Part, answer: Answer) -> Group:
    """The item a part begins, with its id: the one it had in this protocol, or a new one."""
    match part:
        case Text() | Refusal():
            return Group("message", message_id(part) or answer.new_id("msg_"), [part])
        case Reasoning():
            return Group("reasoning", worded(part.extras).get("id") or answer.new_id("rs_"), [part])
        case ToolCall(runs="client"):
            return Group("call", worded(part.extras).get("id") or answer.new_id("ctc_" if part.custom else "fc_"), [part])
        case ToolCall():
            if own_item(part) is not None:
                return Group("hosted", "", [part])
            return Group("hosted" if part.name in ID_PREFIX else "none", "", [part])
        case ToolResult() | Native():
            return Group("whole" if own_item(part) is not None else "none", "", [part])
        case Media(kind="image", source=Inline()):
            return Group("image", answer.new_id("ig_"), [part])
        case _:
            return Group("none", "", [part])


def encode_group(group: Group, ledger: Ledger, *, cut: bool) -> dict[str, Any] | None:
    """The whole item. `cut`: the answer ended in the middle of it."""
    status = "incomplete" if cut else "completed"
    first = group.parts[0]
    match first:
        case Text() | Refusal():
            texts = [part for part in group.parts if isinstance(part, (Text, Refusal))]
            message = encode_message(texts, ledger, complete=True)
            return {"id": group.id, "status": status, **message}
        case Reasoning():
            return {**encode_reasoning(first, ledger, shown_tokens(first, ledger)), "id": group.id}
        case ToolCall(runs="client"):
            return {"id": group.id, "status": status, **encode_call(first, ledger)}
        case Media() if group.kind == "image" and isinstance(first.source, Inline):
            unknown_extras(first.extras, PROTOCOL, first.at, ledger)
            return {"id": group.id, "type": "image_generation_call", "status": "completed", "result": first.source.data}
        case ToolCall():
            return _encode_hosted(first, group, ledger)
        case ToolResult() | Native():
            item = own_item(first)
            if item is None:
                _drop(first, ledger)
            return item
        case _:
            _drop(first, ledger)
            return None


def shown_tokens(part: Reasoning, ledger: Ledger) -> list[Opaque]:
    """The state a client of this protocol can echo: our seal, or what an upstream of this protocol issued."""
    shown = [x for x in part.tokens if x.kind == "seal" or x.realm == REALM]
    if len(shown) < len(part.tokens):
        ledger.drop(part.at, "thinking_signature", "state")
    return shown


def _encode_hosted(call: ToolCall, group: Group, ledger: Ledger) -> dict[str, Any] | None:
    item = own_item(call)
    if item is not None:
        return item
    result = next((part for part in group.parts if isinstance(part, ToolResult)), None)
    unknown_extras(call.extras, PROTOCOL, call.at, ledger)
    if group.kind == "none":
        drop_hosted(call, ledger)
        return None
    if result is not None:
        unknown_extras(result.extras, PROTOCOL, result.at, ledger)
    for token in call.tokens:
        ledger.drop(call.at, token.kind, "state")
    return encode_foreign_call(call, result, ledger)


def _drop(part: Part, ledger: Ledger) -> None:
    """What has no item here."""
    if isinstance(part, ToolResult):
        drop_hosted(part, ledger)
        return
    ledger.drop(part.at, getattr(part, "kind", type(part).__name__.lower()), "content")
    unknown_extras(getattr(part, "extras", None), PROTOCOL, part.at, ledger)
