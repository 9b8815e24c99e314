"""Tools as the target can have them: none at all, no deferred ones, no raw text input, its own provider-run ones.

The answer's calls get the client's words back through `Notes.names` (`hub.names.ToolName`), which `names.fit_names` fills.
"""

import json
from typing import Any

from msgspec.structs import replace

from ..errors import ApiError
from ..facts import Facts
from ..ledger import Ledger
from ..messages import Message, Part, Text, ToolCall, ToolReference, ToolResult
from ..request import ProviderTool, Request, Tool, ToolChoice
from .history import as_text
from .walk import CALLS, CUSTOM, REFERENCES, RESULTS, Notes, edited

INPUT = "input"
"""The property that carries the raw text of a custom tool where the target has no such tools."""


def without_tools(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """A target without tools: declarations go, calls and results of the history become text."""
    if facts.accepts_tools:
        return request
    for tool in request.tools:
        ledger.drop(tool.at, "tools", "tools", "the target takes no tools")
    choice = request.tool_choice
    if choice is not None and choice.mode in ("any", "one"):
        ledger.drop(request.path("tool_choice"), "tool_choice", "tools", "the target takes no tools")
    if request.tools or choice is not None or request.parallel_tools is not None:
        request = replace(request, tools=(), tool_choice=None, parallel_tools=None)
    if not notes.seen & (CALLS | RESULTS):
        return request

    def edit(part: Part, _: Message) -> tuple[Part, ...] | None:
        if isinstance(part, ToolCall) and part.runs == "client":
            ledger.approximate(part.at, "tool_call", "content", "the target takes no tools: shown as text")
            return (Text(f"[Called tool {part.name} with {part.arguments}]", cache=part.cache, at=part.at),)
        if isinstance(part, ToolResult) and part.runs == "client":
            ledger.approximate(part.at, "tool_result", "content", "the target takes no tools: shown as text")
            return as_text(part)
        return None

    return replace(request, messages=edited(request.messages, edit))


def fit_deferred(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Deferred tools where the target has no tool search.

    Loaded ones are declared like any other. Where the client itself searches (it has a search tool, or its history loads tools),
    those not loaded yet are left out: the model is not to know them before. Else all are declared.
    """
    if facts.deferred_tools:
        return request
    loaded: set[str] = set()
    if notes.seen & REFERENCES:
        request = replace(request, messages=edited(request.messages, _reference_as_text(loaded, ledger)))
    if not any(isinstance(tool, Tool) and tool.deferred for tool in request.tools):
        return request
    hidden = bool(loaded) or any(map(_searches, request.tools))
    tools: list[Tool | ProviderTool] = []
    for tool in request.tools:
        if not isinstance(tool, Tool) or not tool.deferred:
            tools.append(tool)
        elif hidden and tool.name not in loaded:
            ledger.emulate(tool.at, "defer_loading", "tools", "not declared before the client's search has loaded it")
        else:
            ledger.emulate(request.tool_path(tool, "deferred"), "defer_loading", "tools", "declared like any other tool")
            tools.append(replace(tool, deferred=False))
    return replace(request, tools=tuple(tools))


def _searches(tool: Tool | ProviderTool) -> bool:
    """Is this a tool search that the client runs? Clients name it so: `ToolSearch`, `tool_search`."""
    return isinstance(tool, Tool) and not tool.deferred and tool.name.replace("_", "").replace("-", "").lower() == "toolsearch"


def _reference_as_text(loaded: set[str], ledger: Ledger) -> Any:
    """An edit that turns "this tool is loaded" into words and gathers the names."""

    def text(part: ToolReference) -> Text:
        loaded.add(part.name)
        ledger.approximate(part.at, "tool_reference", "tools", "sent as text; the tool is declared")
        return Text(f"Tool loaded: {part.name}", at=part.at)

    def edit(part: Part, _: Message) -> tuple[Part, ...] | None:
        if isinstance(part, ToolReference):
            return (text(part),)
        if isinstance(part, ToolResult) and any(isinstance(inner, ToolReference) for inner in part.parts):
            return (replace(part, parts=tuple(text(x) if isinstance(x, ToolReference) else x for x in part.parts)),)
        return None

    return edit


def fit_late(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Tools declared in the middle of the conversation are declared from its beginning, where there is no other way."""
    if facts.late_tools or not any(isinstance(tool, Tool) and tool.since for tool in request.tools):
        return request
    tools: list[Tool | ProviderTool] = []
    for tool in request.tools:
        if isinstance(tool, Tool) and tool.since:
            ledger.emulate(tool.since, "additional_tools", "tools", "declared from the beginning")
            tool = replace(tool, since="")
        tools.append(tool)
    return replace(request, tools=tuple(tools))


def fit_custom(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Custom tools (raw text input) become functions with one string property, where the target has none; so do their calls."""
    if facts.custom_tools:
        return request
    if any(isinstance(tool, Tool) and tool.custom for tool in request.tools):
        request = replace(request, tools=tuple(_wrapped(tool, ledger, notes) for tool in request.tools))
    if not notes.seen & CUSTOM:
        return request

    def edit(part: Part, _: Message) -> tuple[Part, ...] | None:
        if isinstance(part, ToolCall) and part.custom:
            notes.wrapped.add((part.namespace, part.name))
            arguments = json.dumps({INPUT: part.arguments}, ensure_ascii=False)
            return (replace(part, arguments=arguments, custom=False),)
        if isinstance(part, ToolResult) and part.custom:
            return (replace(part, custom=False),)
        return None

    return replace(request, messages=edited(request.messages, edit))


def _wrapped(tool: Tool | ProviderTool, ledger: Ledger, notes: Notes) -> Tool | ProviderTool:
    """A custom tool as a function."""
    if not isinstance(tool, Tool) or not tool.custom:
        return tool
    notes.wrapped.add((tool.namespace, tool.name))
    ledger.emulate(tool.at, "custom_tool", "tools", "a function with one string property carries its text")
    about = "The tool's input as raw text."
    if tool.format and tool.format.get("type") not in (None, "text"):
        about = f"The tool's input as raw text, which must match this {_format_words(tool.format)}"
    schema = {
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": about}},
        "required": [INPUT],
        "additionalProperties": False,
    }
    return replace(tool, custom=False, format=None, schema=schema)


def _format_words(format_: dict[str, Any]) -> str:
    """The grammar of a custom tool, in words a model can follow."""
    syntax, definition = format_.get("syntax"), format_.get("definition")
    if isinstance(definition, str):
        return f"{syntax if isinstance(syntax, str) else 'formal'} grammar:\n{definition}"
    return f"format: {json.dumps(format_, ensure_ascii=False)}"


def fit_strict(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """`strict` on tools where a definition takes none. Not strict is what such a target does anyway."""
    if facts.strict_tools or not any(isinstance(tool, Tool) and tool.strict is not None for tool in request.tools):
        return request
    for tool in request.tools:
        if isinstance(tool, Tool) and tool.strict:
            ledger.drop(request.tool_path(tool, "strict"), "strict", "tuning", "the target checks no arguments against the schema")
    tools = tuple(replace(tool, strict=None) if isinstance(tool, Tool) else tool for tool in request.tools)
    return replace(request, tools=tools)


def fit_provider_tools(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Another protocol's provider-run tool becomes the target's own of that kind; one it has not is left out, before anything is chosen
    among the tools. Without a known protocol it is left to the encoder.
    """
    if not notes.protocol or not any(_foreign(tool, notes) for tool in request.tools):
        return request
    tools: list[Tool | ProviderTool] = []
    for tool in request.tools:
        if isinstance(tool, ProviderTool) and _foreign(tool, notes):
            declared = facts.provider_tools.get(tool.kind)
            if declared is None:
                ledger.drop(tool.at, tool.kind, "tools", f"the target has no {tool.kind.replace('_', ' ')} tool of its own")
                if tool.cache is not None:
                    ledger.drop(tool.cache.path(tool.at), "cache_control", "cache", "the tool it stands on is left out")
                continue
            ledger.approximate(tool.at, tool.kind, "tools", "sent as the target's own tool of this kind")
            tool = replace(tool, protocol=notes.protocol, body=dict(declared))
        tools.append(tool)
    if any(tool.kind == "tool_search" for tool in request.tools if isinstance(tool, ProviderTool)) and not any(map(_finds, tools)):
        tools = [_declared(tool, request, ledger) for tool in tools]
    if tools or request.tool_choice is None:
        return replace(request, tools=tuple(tools))
    # The choice is settled here: `declare_called` may declare tools that it does not speak of.
    if request.tool_choice.mode in ("any", "one"):
        ledger.drop(request.path("tool_choice"), "tool_choice", "tools", "no tool is left to choose")
    return replace(request, tools=(), tool_choice=None)


def _finds(tool: Tool | ProviderTool) -> bool:
    """Is this a tool search, of the provider or the client?"""
    return _searches(tool) or (isinstance(tool, ProviderTool) and tool.kind == "tool_search")


def _declared(tool: Tool | ProviderTool, request: Request, ledger: Ledger) -> Tool | ProviderTool:
    """A deferred tool that nothing would find any more, declared like any other."""
    if not isinstance(tool, Tool) or not tool.deferred:
        return tool
    ledger.emulate(request.tool_path(tool, "deferred"), "defer_loading", "tools", "declared at once: nothing is left to find it")
    return replace(tool, deferred=False)


def _foreign(tool: Tool | ProviderTool, notes: Notes) -> bool:
    return isinstance(tool, ProviderTool) and tool.protocol != notes.protocol


def fit_count(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Tools declared twice under one name are declared once; too many are refused, since only the client can choose among them."""
    tools = request.tools
    if not tools:
        return request
    if len(tools) > 1:
        # A tool declared deferred, and again as loaded, is two things to a target that has deferred tools.
        seen: dict[tuple[str | None, str, bool], Tool] = {}
        kept: list[Tool | ProviderTool] = []
        for tool in tools:
            if not isinstance(tool, Tool):
                kept.append(tool)
                continue
            first = seen.setdefault((tool.namespace, tool.name, tool.deferred), tool)
            if first is tool:
                kept.append(tool)
            elif (first.schema, first.description) == (tool.schema, tool.description):
                ledger.repair(tool.at, "duplicate_tool", "tools", f"the tool {tool.name!r} is declared twice")
            else:
                ledger.drop(tool.at, "duplicate_tool", "tools", f"another tool {tool.name!r} is declared before it")
        if len(kept) < len(tools):
            request = replace(request, tools=tuple(kept))
    if facts.max_tools is not None and len(request.tools) > facts.max_tools:
        raise ApiError(
            "invalid",
            f"{request.path('tools')}: {len(request.tools)} tools are declared and the model takes {facts.max_tools}; "
            f"leave out {len(request.tools) - facts.max_tools}",
            path=request.path("tools"),
        )
    return request


def declare_called(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Declarations made from the history's calls, where the target wants tools declared whenever the history holds calls."""
    if request.tools or not facts.tools_required_by_history or not facts.accepts_tools or not notes.calls:
        return request
    found: dict[tuple[str | None, str], ToolCall] = {}
    for call in notes.calls:
        found.setdefault((call.namespace, call.name), call)
    tools = tuple(
        Tool(call.name, "A tool used earlier in this conversation.", {"type": "object"}, namespace=call.namespace, at=call.at)
        for call in found.values()
    )
    for call in found.values():
        ledger.emulate(call.at, "tools", "tools", f"the tool {call.name!r} is declared for the sake of the history")
    # The client offered no tool, so the model should call none; where that cannot be said, it may.
    choice = ToolChoice("none") if facts.tool_choice_none else None
    return replace(request, tools=tools, tool_choice=choice)
