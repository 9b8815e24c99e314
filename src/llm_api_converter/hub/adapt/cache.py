"""Prompt-cache marks: no more than the target takes, with a lifetime it knows. The client's own marks, in a fixed order of worth.

Worth keeping first: the last mark on the tools, the last on the leading system text, a mark on the whole request, then those in
the conversation from its end backwards. That is where the next request finds its prefix again.
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import CacheMark, Message, Part, Refusal, ToolReference, ToolResult
from ..request import ProviderTool, Request, Tool
from .walk import MARKS, Notes, edited

Marked = TypeVar("Marked", bound="Part | Tool | ProviderTool")
Fit = Callable[[CacheMark, str], "CacheMark | None"]
"""(mark, path of what it sits on) -> the mark to send there."""


def fit_cache(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Marks beyond `facts.cache_marks` go; lifetimes become accepted ones."""
    on_tools = any(tool.cache is not None for tool in request.tools)
    on_parts = bool(notes.seen & MARKS)
    if not on_tools and not on_parts and request.cache is None:
        return request
    kept = _worth_keeping(request, facts.cache_marks)
    if kept is None and all(mark.ttl_s is None or mark.ttl_s in facts.cache_ttls_s for mark in _all_marks(request)):
        return request

    def fit(mark: CacheMark, path: str) -> CacheMark | None:
        if kept is not None and path not in kept:
            why = f"the target takes {facts.cache_marks} marks" if facts.cache_marks else "the target takes no cache marks"
            ledger.drop(f"{path}.cache_control" if path else request.path("cache"), "cache_control", "cache", why)
            return None
        return _with_known_ttl(mark, path, facts, ledger)

    messages = edited(request.messages, lambda part, _: _fitted_part(part, fit)) if on_parts else request.messages
    tools = tuple(_fitted(tool, tool.at, fit) for tool in request.tools) if on_tools else request.tools
    whole = fit(request.cache, "") if request.cache is not None else None
    return replace(request, messages=messages, tools=tools, cache=whole)


def _fitted_part(part: Part, fit: Fit) -> tuple[Part, ...] | None:
    """A part with its own mark and those inside a result fitted; None where nothing changes."""
    if isinstance(part, Refusal | ToolReference):
        return None
    after = _fitted(part, part.at, fit)
    if isinstance(after, ToolResult):
        inner = tuple(x if isinstance(x, Refusal | ToolReference) else _fitted(x, x.at, fit) for x in after.parts)
        if any(map(_differs, inner, after.parts)):
            after = replace(after, parts=inner)
    return None if after is part else (after,)


def _differs(first: Part, second: Part) -> bool:
    return first is not second


def _fitted(thing: Marked, path: str, fit: Fit) -> Marked:
    mark = None if isinstance(thing, Refusal | ToolReference) else thing.cache
    if mark is None:
        return thing
    after = fit(mark, path)
    return thing if after is mark else replace(thing, cache=after)


def _with_known_ttl(mark: CacheMark, path: str, facts: Facts, ledger: Ledger) -> CacheMark:
    """The longest accepted lifetime within the wanted one, else the shortest."""
    ttls = facts.cache_ttls_s
    if mark.ttl_s is None or mark.ttl_s in ttls or not ttls:
        return mark
    shorter = [ttl for ttl in ttls if ttl <= (mark.ttl_s or 0)]
    ttl = max(shorter) if shorter else min(ttls)
    ledger.approximate(f"{path}.cache_control.ttl" if path else "cache_control.ttl", "cache_ttl", "cache", f"sent as {ttl} s")
    return CacheMark(ttl)


def _parts(messages: tuple[Message, ...]) -> list[Part]:
    """Every part in the order a prompt is read, those inside results before the result itself."""
    return [
        part
        for message in messages
        for outer in message.parts
        for part in ((*outer.parts, outer) if isinstance(outer, ToolResult) else (outer,))
        if not isinstance(part, Refusal | ToolReference)
    ]


def _all_marks(request: Request) -> list[CacheMark]:
    marks = [part.cache for part in _parts(request.messages) if not isinstance(part, Refusal | ToolReference)]
    return [mark for mark in (request.cache, *(tool.cache for tool in request.tools), *marks) if mark is not None]


def _worth_keeping(request: Request, limit: int) -> frozenset[str] | None:
    """The paths of the marks to keep ("" for the whole request); None: all of them."""
    lead = 0
    while lead < len(request.messages) and request.messages[lead].role == "system":
        lead += 1
    tools = [tool.at for tool in request.tools if tool.cache is not None]
    system = _marked(request.messages[:lead])
    turns = _marked(request.messages[lead:])
    whole = [""] if request.cache is not None else []
    if len(tools) + len(system) + len(turns) + len(whole) <= limit:
        return None
    by_worth = [*tools[-1:], *system[-1:], *whole, *reversed(turns), *reversed(system[:-1]), *reversed(tools[:-1])]
    return frozenset(by_worth[:limit])


def _marked(messages: tuple[Message, ...]) -> list[str]:
    return [
        part.at for part in _parts(messages) if not isinstance(part, Refusal | ToolReference) and part.cache is not None
    ]
