"""Tool choice and parallel calls: the client's wish by the nearest means the target has.

Order of the fallbacks: a limited list becomes a shorter list of tools; "this one" becomes "any" where it is the only tool; what
still cannot be said becomes `auto`, and is reported. With reasoning on, some targets take `auto` and `none` only: a client that asked
for reasoning in the same breath gets the weaker choice, one that did not gets no reasoning.
"""

from typing import Literal

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..request import ProviderTool, ReasoningAsk, Request, Tool, ToolChoice
from .reasoning import fit_reasoning
from .walk import CALLS, RESULTS, Notes, reasoning_asked, reasoning_on


def fit_choice(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """The tool choice, the tools it is limited to, and `parallel_tools`."""
    return _fit_parallel(_chosen(request, facts, ledger, notes), facts, ledger)


def _chosen(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    choice = request.tool_choice
    if choice is None:
        return request
    if not request.tools:
        if choice.mode in ("any", "one"):
            ledger.repair(request.path("tool_choice"), "tool_choice", "tuning", "no tools are declared")
        return replace(request, tool_choice=None)
    if choice.mode == "auto" and not choice.allowed:
        return request
    if choice.mode == "none":
        return _fit_none(request, choice, facts, ledger, notes)
    request = _fit_allowed(request, choice, facts, ledger)
    return _fit_forced(request, facts, ledger, notes)


def _fit_parallel(request: Request, facts: Facts, ledger: Ledger) -> Request:
    parallel = request.parallel_tools
    if parallel is None or (facts.parallel_control and request.tools):
        return request
    if not parallel and request.tools:
        ledger.drop(request.path("parallel_tools"), "parallel_tool_calls", "tools", "parallel calls cannot be turned off")
    return replace(request, parallel_tools=None)


def _names(tool: Tool | ProviderTool) -> tuple[str, ...]:
    """What a choice may call a tool."""
    if isinstance(tool, Tool):
        return (tool.name,)
    return (tool.name, tool.kind) if tool.name else (tool.kind,)


def _fit_none(request: Request, choice: ToolChoice, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """No tool is to be called: said, or brought about by leaving the tools out."""
    if facts.tool_choice_none:
        return request
    path = request.path("tool_choice")
    if facts.tools_required_by_history and notes.seen & (CALLS | RESULTS):
        ledger.approximate(path, "tool_choice", "tools", "the history needs the tools: the model may call them")
        return replace(request, tool_choice=ToolChoice("auto", extras=choice.extras))
    ledger.emulate(path, "tool_choice", "tools", "the tools are left out, so that none is called")
    return replace(request, tools=(), tool_choice=None)


def _fit_allowed(request: Request, choice: ToolChoice, facts: Facts, ledger: Ledger) -> Request:
    """A list of allowed tools: kept, or the other tools are left out."""
    if not choice.allowed or facts.tool_choice_allowed:
        return request
    allowed = set(choice.allowed)
    tools = tuple(tool for tool in request.tools if not allowed.isdisjoint(_names(tool)))
    if not tools:
        ledger.approximate(request.path("tool_choice"), "allowed_tools", "tools", "none of the allowed tools is declared")
        return replace(request, tool_choice=replace(choice, allowed=()))
    if len(tools) < len(request.tools):
        ledger.emulate(request.path("tool_choice"), "allowed_tools", "tools", "the other tools are left out")
    return replace(request, tools=tools, tool_choice=replace(choice, allowed=()))


def _without_reasoning(request: Request, facts: Facts, notes: Notes) -> Request | None:
    """The request with reasoning turned off; None where the target cannot be told."""
    if not facts.reasoning_can_disable:
        return None
    quiet = fit_reasoning(replace(request, reasoning=ReasoningAsk(mode="off")), facts, Ledger(), notes)
    return None if reasoning_on(quiet, facts) else quiet


def _fit_forced(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """A call is demanded: of one tool, or of any."""
    choice = request.tool_choice
    path = request.path("tool_choice")
    if choice is None or choice.mode not in ("any", "one"):
        return request
    if choice.mode == "one" and not any(choice.name in _names(tool) for tool in request.tools):
        ledger.approximate(path, "tool_choice", "tools", f"the tool {choice.name!r} is not declared")
        return replace(request, tool_choice=ToolChoice("auto", extras=choice.extras))
    if not facts.forced_choice_with_reasoning and reasoning_on(request, facts):
        quiet = None if reasoning_asked(request) else _without_reasoning(request, facts, notes)
        if quiet is None:
            ledger.approximate(path, "tool_choice", "tools", "the target takes no forced choice while it reasons: the model chooses")
            return replace(request, tool_choice=ToolChoice("auto", allowed=choice.allowed, extras=choice.extras))
        ledger.approximate(path, "reasoning", "tuning", "the model does not reason in this call, for then it takes no forced choice")
        request = quiet
    mode: Literal["auto", "any", "one"] = choice.mode
    if mode == "one" and not facts.tool_choice_one:
        if len(request.tools) > 1:
            ledger.approximate(path, "tool_choice", "tools", "the target cannot be held to one tool")
        mode = "any"
    if mode == "any" and not facts.tool_choice_any:
        if len(request.tools) == 1 and facts.tool_choice_one:
            only = _names(request.tools[0])[0]
            return replace(request, tool_choice=ToolChoice("one", only, extras=choice.extras))
        ledger.approximate(path, "tool_choice", "tools", "the target cannot be held to calling a tool")
        mode = "auto"
    if mode == choice.mode:
        return request
    return replace(request, tool_choice=ToolChoice(mode, allowed=choice.allowed, extras=choice.extras))
