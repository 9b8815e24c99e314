"""Cache marks for a conversation whose client set none, where the target caches nothing without them.

Clients of protocols that cache by themselves set no marks; without any, a target that wants them reads the whole conversation anew each
turn, at the full price. Marked are the ends of what the next request repeats: the tools, the leading system text, the last turn of the
user and the one before it. The last is where the request before this one ended: a target looks back from a mark over a limited number of
blocks only, and a turn with many calls is longer than that.

A single question is left alone: writing a cache costs more than reading a prompt once. Marks are no part of what is cached, so that their
moving on does not spoil it.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import CacheMark, Media, Message, Part, Text, ToolResult
from ..request import ProviderTool, Request, Tool
from .walk import Notes

MARK = CacheMark()


def mark_cache(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Up to `facts.cache_marks` marks, the worthiest first; the client's own, where it set any, are all there will be."""
    if not facts.cache_needs_marks or facts.cache_marks == 0 or not _goes_on(request) or _marked(request, notes):
        return request
    places = [*_system(request.messages), *_turns(request.messages), *_tools(request.tools)][: facts.cache_marks]
    messages, tools = list(request.messages), list(request.tools)
    for place, index in places:
        if place is None:
            tools[index] = replace(tools[index], cache=MARK)
        else:
            parts = messages[place].parts
            messages[place] = replace(messages[place], parts=(*parts[:index], _with_mark(parts[index]), *parts[index + 1 :]))
    return replace(request, messages=tuple(messages), tools=tuple(tools)) if places else request


def _goes_on(request: Request) -> bool:
    """Will the prompt be read again: is it a conversation already, or one with tools?"""
    return bool(request.tools) or any(message.role == "assistant" for message in request.messages)


def _marked(request: Request, notes: Notes) -> bool:
    return request.cache is not None or bool(notes.marked) or any(tool.cache is not None for tool in request.tools)


Place = tuple[int | None, int]
"""(index of the message, of the part) or (None, index of the tool)."""


def _system(messages: tuple[Message, ...]) -> Iterable[Place]:
    """The end of the leading system text."""
    lead = 0
    while lead < len(messages) and messages[lead].role == "system":
        lead += 1
    for i in reversed(range(lead)):
        index = _last_markable(messages[i].parts)
        if index is not None:
            return ((i, index),)
    return ()


def _turns(messages: tuple[Message, ...]) -> Iterable[Place]:
    """The ends of the last two turns of the user, the last first."""
    found: list[Place] = []
    after = ""
    for i in reversed(range(len(messages))):
        message = messages[i]
        if message.role == "user" and after != "user":
            index = _last_markable(message.parts)
            if index is not None:
                found.append((i, index))
                if len(found) == 2:
                    break
        after = message.role
    return found


def _tools(tools: tuple[Tool | ProviderTool, ...]) -> Iterable[Place]:
    """The last tool that stands in the prompt from its beginning."""
    for i in reversed(range(len(tools))):
        tool = tools[i]
        if isinstance(tool, ProviderTool) or not tool.deferred:
            return ((None, i),)
    return ()


def _last_markable(parts: tuple[Part, ...]) -> int | None:
    for i in reversed(range(len(parts))):
        part = parts[i]
        if isinstance(part, Media | ToolResult) or (isinstance(part, Text) and part.text and not part.text.isspace()):
            return i
    return None


def _with_mark(part: Part) -> Part:
    assert isinstance(part, Text | Media | ToolResult)
    return replace(part, cache=MARK)
