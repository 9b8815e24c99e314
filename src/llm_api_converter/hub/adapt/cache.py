"""Prompt-cache marks: no more than the target takes, with a lifetime it knows. The client's own marks, in a fixed order of worth.

Worth keeping first: the last mark on the tools, the last on the leading system text, a mark on the whole request, then those in
the conversation from its end backwards. That is where the next request finds its prefix again.
"""

from collections.abc import Callable
from typing import TypeVar

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import CacheMark, Message, Part, ToolResult
from ..request import ProviderTool, Request, Tool
from .walk import UNMARKED, Markable, Notes, edited

Marked = TypeVar("Marked", bound="Part | Tool | ProviderTool")
Fit = Callable[[CacheMark, str], "CacheMark | None"]
"""(mark, path of what it sits on) -> the mark to send there."""


def fit_cache(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Marks beyond `facts.cache_marks` go; lifetimes become accepted ones."""
    on_tools = [tool for tool in request.tools if tool.cache is not None]
    on_parts = notes.marked
    if not on_tools and not on_parts and request.cache is None:
        return request
    kept = _worth_keeping(request, [tool.at for tool in on_tools], on_parts, facts.cache_marks)
    marks = [request.cache, *(tool.cache for tool in on_tools), *(part.cache for _, part in on_parts)]
    if kept is None and all(mark is None or mark.ttl_s is None or mark.ttl_s in facts.cache_ttls_s for mark in marks):
        return request

    def fit(mark: CacheMark, path: str) -> CacheMark | None:
        if kept is not None and path not in kept:
            why = f"the target takes {facts.cache_marks} marks" if facts.cache_marks else "the target takes no cache marks"
            ledger.drop(mark.path(path) if path else request.path("cache"), "cache_control", "cache", why)
            return None
        return _with_known_ttl(mark, path, facts, ledger)

    messages = _fitted_messages(request.messages, {i for i, _ in on_parts}, fit)
    tools = tuple(_fitted(tool, tool.at, fit) for tool in request.tools) if on_tools else request.tools
    whole = fit(request.cache, "") if request.cache is not None else None
    return replace(request, messages=messages, tools=tools, cache=whole)


def _fitted_messages(messages: tuple[Message, ...], touched: set[int], fit: Fit) -> tuple[Message, ...]:
    """Only the messages that hold a mark are looked at again."""
    if not touched:
        return messages
    out = list(messages)
    for i in touched:
        out[i : i + 1] = edited((messages[i],), lambda part, _: _fitted_part(part, fit))
    return tuple(out)


def _fitted_part(part: Part, fit: Fit) -> tuple[Part, ...] | None:
    """A part with its own mark and those inside a result fitted; None where nothing changes."""
    if isinstance(part, UNMARKED):
        return None
    after = _fitted(part, part.at, fit)
    if isinstance(after, ToolResult):
        inner = tuple(x if isinstance(x, UNMARKED) else _fitted(x, x.at, fit) for x in after.parts)
        if any(map(_differs, inner, after.parts)):
            after = replace(after, parts=inner)
    return None if after is part else (after,)


def _differs(first: Part, second: Part) -> bool:
    return first is not second


def _fitted(thing: Marked, path: str, fit: Fit) -> Marked:
    mark = None if isinstance(thing, UNMARKED) else thing.cache
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
    ledger.approximate(f"{mark.path(path)}.ttl", "cache_ttl", "cache", f"sent as {ttl} s")
    return CacheMark(ttl, mark.at)


def _worth_keeping(request: Request, tools: list[str], on_parts: list[tuple[int, Markable]], limit: int) -> frozenset[str] | None:
    """The paths of the marks to keep ("" for the whole request); None: all of them."""
    lead = 0
    while lead < len(request.messages) and request.messages[lead].role == "system":
        lead += 1
    system = [part.at for i, part in on_parts if i < lead]
    turns = [part.at for i, part in on_parts if i >= lead]
    whole = [""] if request.cache is not None else []
    if len(tools) + len(system) + len(turns) + len(whole) <= limit:
        return None
    by_worth = [*tools[-1:], *system[-1:], *whole, *reversed(turns), *reversed(system[:-1]), *reversed(tools[:-1])]
    return frozenset(by_worth[:limit])
