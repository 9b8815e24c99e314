"""Tools and the choice among them.

A tool of the client's own has `input_schema` (`type` absent or `custom`); any other type is run or defined by the provider
(`web_search_20250305`, `computer_20251124`, `mcp_toolset`, ...). `disable_parallel_tool_use` sits inside `tool_choice`.
Source: anthropic SDK 2.12.0, tool_param.py, tool_union_param.py, tool_choice_param.py (November 2026).
"""

from typing import Any

from ...hub.errors import invalid
from ...hub.ledger import Ledger
from ...hub.request import ProviderTool, Request, Tool, ToolChoice
from ..fields import Fields
from .calls import kind_of
from .marks import keep_nested, put_cache, put_extras, take_cache, with_wording
from .wire import PROTOCOL

CHOICE_IN = {"auto": "auto", "any": "any", "tool": "one", "none": "none"}
CHOICE_OUT = {"auto": "auto", "any": "any", "one": "tool", "none": "none"}


def decode_tools(value: list[Any] | None) -> tuple[Tool | ProviderTool, ...]:
    """`tools` -> Tool, ProviderTool."""
    return tuple([_decode_tool(tool, f"tools[{i}]") for i, tool in enumerate(value or ())])


def _decode_tool(tool: Any, at: str) -> Tool | ProviderTool:
    if type(tool) is dict and len(tool) == 3:
        plain = tool.get("name"), tool.get("description"), tool.get("input_schema")
        if type(plain[0]) is str and type(plain[1]) is str and type(plain[2]) is dict:
            return Tool(plain[0], plain[1], plain[2], at=at)
    f = Fields(tool, at)
    kind = f.text("type")
    if kind in (None, "custom"):
        name, description, schema, strict = f.text_required("name"), f.text("description"), f.object("input_schema"), f.flag("strict")
        deferred, cache = f.flag("defer_loading") or False, take_cache(f)
        extras = f.extras(PROTOCOL) if kind is None else with_wording(f.extras(PROTOCOL), {"type": kind})
        return Tool(name, description, schema, strict, cache, deferred=deferred, extras=extras, at=at)
    assert kind is not None
    cache = take_cache(f)
    body = {**tool}
    if not any(name.startswith("cache_control.") for name in f.rest()):
        body.pop("cache_control", None)
    called = body.get("name")
    return ProviderTool(kind_of(kind), PROTOCOL, body, called if isinstance(called, str) else None, cache, at)


def decode_choice(f: Fields) -> tuple[ToolChoice | None, bool | None]:
    """`tool_choice` -> the choice, and whether calls may be parallel."""
    choice = f.sub("tool_choice")
    if choice is None:
        return None, None
    kind = choice.text_required("type")
    if kind not in CHOICE_IN:
        raise invalid("tool_choice.type", f"expected one of {', '.join(CHOICE_IN)}, got {kind!r}")
    name = choice.text_required("name") if kind == "tool" else None
    single = choice.flag("disable_parallel_tool_use")
    keep_nested(f, "tool_choice", choice)
    mode: Any = CHOICE_IN[kind]
    return ToolChoice(mode, name), None if single is None else not single


def encode_tools(request: Request, ledger: Ledger) -> list[dict[str, Any]]:
    """Tool, ProviderTool -> `tools`. A tool only another protocol has is a loss."""
    written = [_encode_own(tool, ledger) if isinstance(tool, Tool) else _encode_provider(tool, ledger) for tool in request.tools]
    return [tool for tool in written if tool is not None]


def _encode_own(tool: Tool, ledger: Ledger) -> dict[str, Any] | None:
    if tool.custom:
        ledger.drop(tool.at, "custom_tool", "tools", "tools with raw text input")
        return None
    out: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    schema = tool.schema or {}
    out["input_schema"] = schema if "type" in schema or "$ref" in schema else {"type": "object", **schema}
    if tool.strict is not None:
        out["strict"] = tool.strict
    if tool.deferred:
        out["defer_loading"] = True
    if tool.namespace is not None:
        ledger.approximate(tool.at, "namespace", "tools")
        if tool.namespace_description is not None:
            ledger.drop(tool.at, "namespace_description", "tools")
    if tool.format is not None:
        ledger.drop(tool.at, "tool_format", "tools")
    put_cache(out, tool.cache, tool.at, ledger)
    put_extras(out, tool.extras, tool.at, ledger)
    return out


def _encode_provider(tool: ProviderTool, ledger: Ledger) -> dict[str, Any] | None:
    if tool.protocol != PROTOCOL:
        ledger.drop(tool.at, tool.kind, "tools", f"a tool of {tool.protocol}")
        return None
    out = dict(tool.body)
    if tool.cache is None:
        out.pop("cache_control", None)
    elif "cache_control" not in out:
        put_cache(out, tool.cache, tool.at, ledger)
    return out


def encode_choice(request: Request, has_tools: bool, ledger: Ledger) -> dict[str, Any] | None:
    """The choice and the parallel switch -> `tool_choice`, which may stand beside tools only.

    Parallel calls are allowed unless it says otherwise.
    """
    choice, parallel = request.tool_choice, request.parallel_tools
    if not has_tools:
        if choice is not None and choice.mode in ("any", "one"):
            ledger.drop(request.path("tool_choice"), "tool_choice", "tuning", "there is no tool to choose")
        return None
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if parallel is False else None
    out: dict[str, Any] = {"type": CHOICE_OUT[choice.mode]}
    if choice.mode == "one":
        out["name"] = choice.name
    if parallel is not None and choice.mode != "none":
        out["disable_parallel_tool_use"] = not parallel
    if choice.allowed:
        ledger.drop(request.path("tool_choice"), "allowed_tools", "tuning", "a choice among some of the tools")
    put_extras(out, choice.extras, request.path("tool_choice"), ledger)
    return out
