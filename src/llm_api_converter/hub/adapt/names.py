"""Tool names and call ids the target takes, the same ones everywhere in the request, and the way back.

Both maps are deterministic and without collisions, so a conversation keeps its names from turn to turn (and its prompt cache).
Nothing is lost by them, so nothing is reported. A tool in a namespace is called `namespace__name` where the target has none.
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from functools import cache

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import Message, Part, ToolCall, ToolResult
from ..names import ToolName
from ..request import ProviderTool, Request, Tool, ToolChoice
from .walk import Notes, edited

Key = tuple[str | None, str]
"""A tool as the client knows it: namespace and name."""


def fits(pattern: str, text: str) -> bool:
    """Does the whole text match? "" matches anything."""
    return not pattern or _compiled(pattern)(text) is not None


@cache
def _compiled(pattern: str) -> Callable[[str], re.Match[str] | None]:
    return re.compile(pattern).fullmatch


def fit_names(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Tool names within `facts.tool_name_pattern`, unique, and without namespaces where the target has none."""
    if not request.tools and not notes.calls:
        return request
    keys = _keys(request, notes.calls)
    if not notes.wrapped and all(_plain(key, facts) for key in keys):
        return request
    sent = _mapping(keys, facts, {tool.name for tool in request.tools if isinstance(tool, ProviderTool) and tool.name})
    for key, name in sent.items():
        if name != key[1] or key in notes.wrapped or (key[0] is not None and not facts.namespaces):
            notes.names[name] = ToolName(key[1], namespace=key[0], custom=key in notes.wrapped)
    changed = {key: name for key, name in sent.items() if name != key[1] or (key[0] is not None and not facts.namespaces)}
    return _renamed(request, changed, facts) if changed else request


def _keys(request: Request, calls: list[ToolCall]) -> list[Key]:
    """Every tool declared or called, once, declared ones first."""
    keys: dict[Key, None] = {}
    for tool in request.tools:
        if isinstance(tool, Tool):
            keys[tool.namespace, tool.name] = None
    for call in calls:
        keys[call.namespace, call.name] = None
    return list(keys)


def _plain(key: Key, facts: Facts) -> bool:
    return (key[0] is None or facts.namespaces) and fits(facts.tool_name_pattern, key[1])


def _mapping(keys: Iterable[Key], facts: Facts, taken: set[str]) -> dict[Key, str]:
    """What each tool is called upstream. Names that can stay stay, whatever stands before them."""
    keys = list(keys)
    sent: dict[Key, str] = {}
    for key in keys:
        if _plain(key, facts) and key[1] not in taken:
            sent[key] = key[1]
            taken.add(key[1])
    for key in keys:
        if key in sent:
            continue
        whole = key[1] if key[0] is None or facts.namespaces else f"{key[0]}__{key[1]}"
        # As it is, else with a letter in front (some targets want names to begin with one), else made anew.
        free = (x for x in (whole, f"t_{whole}") if x not in taken and fits(facts.tool_name_pattern, x))
        name = next(free, None) or _made(whole, key, facts, taken)
        sent[key] = name
        taken.add(name)
    return {key: sent[key] for key in keys}


def _made(whole: str, key: Key, facts: Facts, taken: set[str]) -> str:
    """A name made of what can stay of `whole` and a digest of the whole key."""
    digest = hashlib.sha256("\0".join((key[0] or "", key[1])).encode("utf-8", "surrogatepass")).hexdigest()
    clean = re.sub(r"[^a-zA-Z0-9_-]", "_", whole)
    if not clean[:1].isalpha():
        clean = f"t_{clean}"
    for width in (8, 16, 32, 64):
        for room in (64, 48, 32, 20, 12, width + 2):
            name = f"{clean[: max(room - width - 1, 1)]}_{digest[:width]}"
            if name not in taken and fits(facts.tool_name_pattern, name):
                return name
    return whole


def _renamed(request: Request, changed: dict[Key, str], facts: Facts) -> Request:
    """The new names in declarations, choice, calls and results."""
    by_call: dict[str, str] = {}

    def edit(part: Part, _: Message) -> tuple[Part, ...] | None:
        if isinstance(part, ToolCall) and part.runs == "client":
            name = changed.get((part.namespace, part.name))
            by_call[part.id] = name or part.name
            if name is not None:
                return (replace(part, name=name, namespace=part.namespace if facts.namespaces else None),)
        elif isinstance(part, ToolResult) and part.runs == "client" and part.name is not None:
            name = by_call.get(part.call_id, part.name)
            if name != part.name:
                return (replace(part, name=name),)
        return None

    described: set[str | None] = set()
    return replace(
        request,
        tools=tuple(_renamed_tool(tool, changed, facts, described) for tool in request.tools),
        tool_choice=_renamed_choice(request.tool_choice, changed),
        messages=edited(request.messages, edit),
    )


def _renamed_tool(
    tool: Tool | ProviderTool, changed: dict[Key, str], facts: Facts, described: set[str | None]
) -> Tool | ProviderTool:
    """A declaration under its new name. The first tool of a namespace that goes takes the namespace's description along."""
    if not isinstance(tool, Tool):
        return tool
    name = changed.get((tool.namespace, tool.name))
    if name is None:
        return tool
    if facts.namespaces or tool.namespace is None:
        return replace(tool, name=name)
    about = tool.description
    if tool.namespace_description and tool.namespace not in described:
        about = f"{about}\n\n{tool.namespace_description}" if about else tool.namespace_description
    described.add(tool.namespace)
    return replace(tool, name=name, description=about, namespace=None, namespace_description=None)


def _renamed_choice(choice: ToolChoice | None, changed: dict[Key, str]) -> ToolChoice | None:
    """A choice names tools without their namespace; the first tool of that name is meant."""
    if choice is None:
        return None
    first: dict[str, str] = {}
    for (_, name), sent in changed.items():
        first.setdefault(name, sent)
    return replace(
        choice,
        name=first.get(choice.name, choice.name) if choice.name is not None else None,
        allowed=tuple(first.get(name, name) for name in choice.allowed),
    )


def fit_ids(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Call ids within `facts.tool_id_pattern`, the same on a call and its result."""
    pattern = facts.tool_id_pattern
    # Every result has its call since the history was repaired.
    if not pattern or all(fits(pattern, call.id) for call in notes.calls):
        return request

    def edit(part: Part, _: Message) -> tuple[Part, ...] | None:
        if isinstance(part, ToolCall) and part.runs == "client" and not fits(pattern, part.id):
            return (replace(part, id=_short_id(pattern, part.id)),)
        if isinstance(part, ToolResult) and part.runs == "client" and not fits(pattern, part.call_id):
            return (replace(part, call_id=_short_id(pattern, part.call_id)),)
        return None

    return replace(request, messages=edited(request.messages, edit))


def _short_id(pattern: str, id_: str) -> str:
    """An id made of a digest of the client's, in the first of a few shapes the pattern takes."""
    digest = hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()
    for shape in (f"call_{digest[:24]}", digest[:32], digest[:9]):
        if fits(pattern, shape):
            return shape
    return id_


