"""`toolConfig` <-> tools and tool choice.

`toolConfig.tools[]` holds `toolSpec` (a tool the client runs), `systemTool` (one the provider runs) and `cachePoint` (a mark on
the tool before it). There is no choice `none`, and no switch for parallel calls.
Source: botocore 1.44.5 `ToolConfiguration`, `ToolSpecification`, `SystemTool`, `ToolChoice` (November 2026).
"""

from typing import Any

from msgspec.structs import replace

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.request import ProviderTool, Request, Tool, ToolChoice
from ..base import Json
from ..fields import Fields
from .content import decode_cache_point
from .wire import PROTOCOL, SYSTEM_TOOLS
from .written import encode_cache_point

CHOICE_IN = {"auto": "auto", "any": "any", "tool": "one"}
CHOICE_OUT = {"auto": "auto", "any": "any"}
_NO_ARGUMENTS: Json = {"type": "object", "properties": {}}


def decode_tool_config(f: Fields) -> tuple[tuple[Tool | ProviderTool, ...], ToolChoice | None, Json]:
    """`toolConfig` -> tools, choice, and what is left over under dotted keys."""
    tools: list[Tool | ProviderTool] = []
    for i, entry in enumerate(f.array("tools") or []):
        _decode_tool(entry, f"{f.at('tools')}[{i}]", tools)
    choice = f.sub("toolChoice")
    decoded = None if choice is None else _decode_choice(choice)
    return tuple(tools), decoded, {f"toolConfig.{key}": value for key, value in f.rest().items()}


def _decode_tool(entry: Any, at: str, tools: list[Tool | ProviderTool]) -> None:
    if type(entry) is not dict or not entry:
        raise invalid(at, "expected an object with toolSpec, systemTool or cachePoint")
    if entry.keys() == {"toolSpec"}:
        tools.append(_decode_spec(Fields(entry["toolSpec"], f"{at}.toolSpec"), at))
        return
    if entry.keys() == {"cachePoint"} and tools and tools[-1].cache is None:
        mark = decode_cache_point(entry["cachePoint"], at)
        if mark is not None:
            tools[-1] = replace(tools[-1], cache=mark)
            return
    system = entry.get("systemTool")
    name = system.get("name") if type(system) is dict else None
    name = name if type(name) is str else None
    tools.append(ProviderTool(SYSTEM_TOOLS.get(name or "", "other"), PROTOCOL, entry, name, at=at))


def _decode_spec(f: Fields, at: str) -> Tool:
    name, description, strict = f.text_required("name"), f.text("description"), f.flag("strict")
    schema = f.sub("inputSchema")
    if schema is None:
        raise f.error("inputSchema", "required")
    decoded = schema.object("json")
    left = {**{f"toolSpec.inputSchema.{k}": v for k, v in schema.rest().items()}, **{f"toolSpec.{k}": v for k, v in f.rest().items()}}
    return Tool(name, description, decoded, strict, extras={PROTOCOL: left} if left else None, at=at)


def _decode_choice(f: Fields) -> ToolChoice:
    for word, mode in CHOICE_IN.items():
        inner = f.sub(word)
        if inner is None:
            continue
        name = inner.text_required("name") if mode == "one" else None
        left = {**{f"{word}.{k}": v for k, v in inner.rest().items()}, **f.rest()}
        extras = {PROTOCOL: {f"toolConfig.toolChoice.{k}": v for k, v in left.items()}} if left else None
        return ToolChoice(mode, name, extras=extras)  # type: ignore[arg-type]  # CHOICE_IN holds modes only
    raise invalid(f.path, "expected one of auto, any, tool")


def encode_tool_config(request: Request, facts: Facts, ledger: Ledger) -> Json | None:
    """Tools and choice -> `toolConfig`; None without tools."""
    tools: list[Json] = []
    for tool in request.tools:
        entry = _encode_tool(tool, request, ledger) if isinstance(tool, Tool) else _encode_provider_tool(tool, facts, ledger)
        if entry is not None:
            tools.append(entry)
        if tool.cache is not None:
            if entry is None:
                ledger.drop(tool.cache.path(tool.at), "cache_control", "cache")
            else:
                tools.append({"cachePoint": encode_cache_point(tool.cache, tool.at, ledger)})
    choice = _encode_choice(request, bool(tools), ledger)
    if request.parallel_tools is False:
        ledger.drop(request.path("parallel_tools"), "parallel_tools", "tuning")
    if not tools:
        return None
    return {"tools": tools} if choice is None else {"tools": tools, "toolChoice": choice}


def _encode_tool(tool: Tool, request: Request, ledger: Ledger) -> Json | None:
    left = unknown_extras(tool.extras, PROTOCOL, tool.at, ledger)
    if tool.custom:
        ledger.drop(tool.at, "custom_tool", "tools")
        return None
    if tool.namespace is not None:
        ledger.drop(tool.at, "namespace", "tools")
    if tool.namespace_description is not None:
        ledger.drop(tool.at, "namespace_description", "tools")
    if tool.deferred:
        ledger.drop(request.tool_path(tool, "deferred"), "defer_loading", "tools")
    if tool.format is not None:
        ledger.drop(request.tool_path(tool, "format"), "format", "tools")
    spec: Json = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    schema: Json = {"json": _NO_ARGUMENTS if tool.schema is None else tool.schema}
    spec["inputSchema"] = schema
    if tool.strict is not None:
        spec["strict"] = tool.strict
    for key, value in left.items():
        if key.startswith("toolSpec.inputSchema."):
            schema[key.removeprefix("toolSpec.inputSchema.")] = value
        elif key.startswith("toolSpec."):
            spec[key.removeprefix("toolSpec.")] = value
    return {"toolSpec": spec}


def _encode_provider_tool(tool: ProviderTool, facts: Facts, ledger: Ledger) -> Json | None:
    if tool.protocol == PROTOCOL:
        return tool.body
    declared = facts.provider_tools.get(tool.kind)
    if declared is not None:
        return dict(declared)
    ledger.drop(tool.at, tool.kind, "tools")
    return None


def _encode_choice(request: Request, any_tools: bool, ledger: Ledger) -> Json | None:
    choice = request.tool_choice
    if choice is None:
        return None
    path = request.path("tool_choice")
    left = unknown_extras(choice.extras, PROTOCOL, path, ledger)
    if choice.allowed:
        ledger.drop(path, "allowed_tools", "tools")
    if not any_tools:
        if choice.mode in ("any", "one"):
            ledger.drop(path, "tool_choice", "tools", "there are no tools to choose from")
        return None
    if choice.mode == "none":
        ledger.drop(path, "tool_choice", "tools", "Converse has no choice `none`")
        return None
    inner: Json = {"name": choice.name} if choice.mode == "one" else {}
    word = CHOICE_OUT.get(choice.mode, "tool")
    prefix = f"toolConfig.toolChoice.{word}."
    inner.update({key.removeprefix(prefix): value for key, value in left.items() if key.startswith(prefix)})
    return {word: inner}
