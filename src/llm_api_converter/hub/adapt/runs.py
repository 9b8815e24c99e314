"""What the provider of another protocol ran (searches, fetches, code) in the history of a conversation.

The target cannot take such items as its own: they are told in words, in the turn they stood in, so that what was found is not lost to a
model that goes on with the conversation. A call and its result go together; neither is ever left alone.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import Message, Part, Text, ToolCall, ToolResult
from ..request import Request
from ..runs import in_words, is_foreign
from .walk import RUNS, Notes, edited

UNTOLD = frozenset({"tool_search"})
"""Kinds whose outcome stands elsewhere: the tools a search found are declared."""


def tell_foreign_runs(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Calls that another provider ran, and what they gave, as text. Without a known protocol they are left to the encoder."""
    if not notes.seen & RUNS or not notes.protocol:
        return request
    foreign = [part for message in request.messages for part in message.parts if _told(part, facts, notes)]
    if not foreign:
        return request
    calls = {part.id for part in foreign if isinstance(part, ToolCall)}
    results = {part.call_id: part for part in foreign if isinstance(part, ToolResult) and part.call_id in calls}

    def edit(part: Part, _: Message) -> tuple[Part, ...] | None:
        if not _told(part, facts, notes):
            return None
        if isinstance(part, ToolCall):
            return _words(part, results.get(part.id), ledger)
        if isinstance(part, ToolResult):
            return () if results.get(part.call_id) is part else _words(None, part, ledger)
        return None

    told = edited(request.messages, edit)
    kept = [after for after, before in zip(told, request.messages, strict=True) if after.parts or not before.parts]
    return replace(request, messages=tuple(kept))


def _told(part: Part, facts: Facts, notes: Notes) -> bool:
    return isinstance(part, (ToolCall, ToolResult)) and is_foreign(part, notes.protocol) and part.name not in facts.foreign_runs


def _words(call: ToolCall | None, result: ToolResult | None, ledger: Ledger) -> tuple[Part, ...]:
    """The text in place of a call and its result, reported for each item of the client's that it stands for."""
    first = call or result
    assert first is not None
    name = first.name or "provider_tool"
    text = None if name in UNTOLD else in_words(call, result)
    for part in _items(call, result):
        if text is None:
            ledger.drop(part.at, name, "tools", "run by another provider")
        else:
            ledger.approximate(part.at, name, "tools", "run by another provider: told in words")
        if part.cache is not None and (text is None or part is not first):
            ledger.drop(part.cache.path(part.at), "cache_control", "cache", "the item it stands on is told in words")
    return () if text is None else (Text(text, cache=first.cache, at=first.at),)


def _items(call: ToolCall | None, result: ToolResult | None) -> Iterable[ToolCall | ToolResult]:
    """Some protocols write a call and its result as one item."""
    if call is not None:
        yield call
    if result is not None and (call is None or result.at != call.at):
        yield result
