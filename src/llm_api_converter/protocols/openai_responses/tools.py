"""`tools`, `additional_tools`, `tool_choice` <-> Tool, ProviderTool, ToolChoice.

Namespaces are flattened: each of their tools is a Tool that knows its namespace. Neighbouring tools of one namespace become one
`namespace` tool again. Tools that an input item declares (`additional_tools`, `tool_search_output`) carry its number in their
bookkeeping, so that they are written where they came from.
Sources: openai 3.54.0 `types/responses/tool_param.py`, `tool_choice_*.py`; Codex CLI 0.169 requests (November 2026).
"""

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.request import ProviderTool, Request, Tool, ToolChoice
from ..fields import Fields, type_name
from .history import ToolItem
from .wire import PROTOCOL, WORDING, extras_of, worded

PROVIDER_KINDS: dict[str, str] = {
    "web_search": "web_search",
    "web_search_2025_08_26": "web_search",
    "web_search_preview": "web_search",
    "web_search_preview_2025_03_11": "web_search",
    "file_search": "file_search",
    "code_interpreter": "code_execution",
    "image_generation": "image_generation",
    "computer": "computer",
    "computer_use_preview": "computer",
    "mcp": "mcp",
    "local_shell": "shell",
    "shell": "shell",
    "apply_patch": "text_editor",
    "tool_search": "tool_search",
}
"""Type of a hosted tool -> neutral kind. Types nobody knows are `other`."""

MODES_IN: dict[str, Any] = {"auto": "auto", "none": "none", "required": "any"}
MODES_OUT = {"auto": "auto", "none": "none", "any": "required"}

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


# ---------------------------------------------------------------------------------------------------------------- decode


def decode_tools(value: list[Any] | None, items: list[ToolItem]) -> tuple[Tool | ProviderTool, ...]:
    """The declared tools, and those that input items bring. A tool that is declared already is not repeated for a search."""
    out: list[Tool | ProviderTool] = []
    for i, tool in enumerate(value or ()):
        out.extend(_decode_tool(tool, f"tools[{i}]", {}))
    for item in items:
        found = item.item.get("tools")
        if type(found) is not list:
            raise invalid(f"{item.at}.tools", f"expected an array, got {type_name(found)}")
        searched = item.item.get("type") == "tool_search_output"
        known = {(x.namespace, x.name) for x in out if isinstance(x, Tool)} if searched else set()
        for i, tool in enumerate(found):
            read = _decode_tool(tool, f"{item.at}.tools[{i}]", {"found" if searched else "item": item.index})
            if not searched:
                read = [replace(x, since=item.at) if isinstance(x, Tool) else x for x in read]
            out.extend(x for x in read if not searched or (isinstance(x, Tool) and (x.namespace, x.name) not in known))
    return tuple(out)


def _decode_tool(value: Any, at: str, words: dict[str, Any]) -> Iterable[Tool | ProviderTool]:
    f = Fields(value, at)
    kind = f.text_required("type")
    if kind == "function":
        return (_decode_function(f, words),)
    if kind == "custom":
        return (_decode_custom(f, words),)
    if kind == "namespace":
        return _decode_namespace(f, words)
    return (_decode_provider(value, kind, at, words),)


def _decode_provider(value: dict[str, Any], kind: str, at: str, words: dict[str, Any]) -> ProviderTool:
    # A ProviderTool has no extras: where it came from an input item its body says so under a name of ours.
    body = {**value, WORDING: words} if words else value
    return ProviderTool(PROVIDER_KINDS.get(kind, "other"), PROTOCOL, body, at=at)


def _decode_function(f: Fields, words: dict[str, Any]) -> Tool:
    """A function. Here an absent `strict` means "strict if the schema allows it", elsewhere it means no: the wording tells."""
    strict = f.flag("strict")
    if strict is None:
        words = {**words, "strict": None}
    return Tool(
        f.text_required("name"), f.text("description"), f.object("parameters"), strict, deferred=f.flag("defer_loading") or False,
        extras=extras_of(words, f.rest()), at=f.path,
    )


def _decode_custom(f: Fields, words: dict[str, Any]) -> Tool:
    return Tool(
        f.text_required("name"), f.text("description"), custom=True, format=f.object("format"), deferred=f.flag("defer_loading") or False,
        extras=extras_of(words, f.rest()), at=f.path,
    )


def _decode_namespace(f: Fields, words: dict[str, Any]) -> list[Tool | ProviderTool]:
    name, description, tools = f.text_required("name"), f.text("description"), f.array_required("tools")
    rest = f.rest()
    if rest:
        words = {**words, "namespace": rest}
    out: list[Tool | ProviderTool] = []
    for i, value in enumerate(tools):
        at = f"{f.path}.tools[{i}]"
        inner = Fields(value, at)
        kind = inner.text_required("type")
        if kind in ("function", "custom"):
            tool = _decode_function(inner, words) if kind == "function" else _decode_custom(inner, words)
            out.append(_in_namespace(tool, name, description))
        else:
            whole = {"type": "namespace", "name": name, "description": description, **rest, "tools": [value]}
            out.append(_decode_provider(whole, kind, at, words))
    return out


def _in_namespace(tool: Tool, name: str, description: str | None) -> Tool:
    return Tool(
        tool.name, tool.description, tool.schema, tool.strict, tool.cache, tool.custom, tool.format, tool.deferred, name, description,
        tool.extras, tool.at,
    )


def decode_tool_choice(value: Any) -> ToolChoice | None:
    """A word, a named tool, a kind of hosted tool, or a list of allowed tools."""
    if value is None:
        return None
    if type(value) is str:
        mode = MODES_IN.get(value)
        if mode is None:
            raise invalid("tool_choice", f"expected one of {', '.join(MODES_IN)} or an object")
        return ToolChoice(mode)
    f = Fields(value, "tool_choice")
    kind = f.text_required("type")
    if kind == "allowed_tools":
        word, tools = f.text("mode") or "auto", f.array_required("tools")
        mode = MODES_IN.get(word)
        if mode is None:
            raise f.error("mode", "expected auto or required")
        return ToolChoice(mode, allowed=tuple(map(_choice_name, tools)), extras=extras_of({"tools": tools}, f.rest()))
    if kind in ("function", "custom"):
        return ToolChoice("one", f.text_required("name"), extras=extras_of({"type": kind}, f.rest()))
    return ToolChoice("one", _choice_name(value), extras={WORDING: {"choice": value}})


def _choice_name(tool: Any) -> str:
    """What an entry of a choice is called: a function's name, a server's label, else its type."""
    for field in ("name", "server_label", "type"):
        name = tool.get(field) if isinstance(tool, dict) else None
        if type(name) is str:
            return name
    return ""


# ---------------------------------------------------------------------------------------------------------------- encode


def encode_tools(
    tools: tuple[Tool | ProviderTool, ...], facts: Facts, ledger: Ledger
) -> tuple[list[dict[str, Any]], dict[int, list[dict[str, Any]]]]:
    """(`tools`, and the tools of each `additional_tools` item by its place in the input)."""
    out: list[dict[str, Any]] = []
    by_item: dict[int, list[dict[str, Any]]] = {}
    for tool in tools:
        words = tool.body.get(WORDING, {}) if isinstance(tool, ProviderTool) else worded(tool.extras)
        if "found" in words:
            continue
        place = by_item.setdefault(words["item"], []) if "item" in words else out
        if isinstance(tool, ProviderTool):
            _encode_provider(tool, place, facts, ledger)
            continue
        item = _encode_tool(tool, facts, ledger)
        if tool.namespace is None:
            place.append(item)
        elif place and place[-1]["type"] == "namespace" and place[-1]["name"] == tool.namespace:
            place[-1]["tools"].append(item)
        else:
            place.append(_namespace(tool, item, words))
    return out, by_item


def _namespace(tool: Tool, item: dict[str, Any], words: dict[str, Any]) -> dict[str, Any]:
    said = {"type": "namespace", "name": tool.namespace, "description": tool.namespace_description}
    return {**{k: v for k, v in said.items() if v is not None}, **words.get("namespace", {}), "tools": [item]}


def _encode_provider(tool: ProviderTool, place: list[dict[str, Any]], facts: Facts, ledger: Ledger) -> None:
    """Our own declaration as it stood; a foreign one as the target's facts say."""
    if tool.cache is not None:
        ledger.drop(tool.cache.path(tool.at), "cache_control", "cache")
    if tool.protocol == PROTOCOL:
        place.append({k: v for k, v in tool.body.items() if k != WORDING})
    elif tool.kind in facts.provider_tools:
        place.append(dict(facts.provider_tools[tool.kind]))
    else:
        ledger.drop(tool.at, tool.kind, "tools")


def _encode_tool(tool: Tool, facts: Facts, ledger: Ledger) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "custom" if tool.custom else "function", "name": tool.name}
    if tool.description is not None:
        item["description"] = tool.description
    if tool.custom:
        if tool.format is not None:
            item["format"] = tool.format
    else:
        item["parameters"] = NO_PARAMETERS if tool.schema is None else tool.schema
        if tool.strict is not None:
            item["strict"] = tool.strict
        elif facts.strict_tools and "strict" not in worded(tool.extras):
            item["strict"] = False
    if tool.deferred:
        item["defer_loading"] = True
    if tool.cache is not None:
        ledger.drop(tool.cache.path(tool.at), "cache_control", "cache")
    item.update(unknown_extras(tool.extras, PROTOCOL, tool.at, ledger))
    return item


def encode_tool_choice(
    choice: ToolChoice, tools: tuple[Tool | ProviderTool, ...], at: str, ledger: Ledger
) -> str | dict[str, Any] | None:
    """The choice in this protocol's words. `at` is the client's path of it."""
    words = worded(choice.extras)
    own = unknown_extras(choice.extras, PROTOCOL, at, ledger)
    if choice.mode == "one":
        if "choice" in words:
            return words["choice"]  # type: ignore[no-any-return]
        kinds = {tool.name: "custom" for tool in tools if isinstance(tool, Tool) and tool.custom}
        for tool in tools:
            if isinstance(tool, ProviderTool) and choice.name in (tool.name, tool.kind) and tool.protocol == PROTOCOL:
                return {"type": tool.body["type"]}
        return {"type": kinds.get(choice.name or "", "function"), "name": choice.name, **own}
    if choice.allowed:
        customs = {tool.name for tool in tools if isinstance(tool, Tool) and tool.custom}
        spelled = {_choice_name(tool): tool for tool in words.get("tools", ())}
        listed = [
            spelled.get(name) or {"type": "custom" if name in customs else "function", "name": name} for name in choice.allowed
        ]
        return {"type": "allowed_tools", "mode": MODES_OUT[choice.mode], "tools": listed, **own}
    return MODES_OUT[choice.mode]


def without_choice(request: Request, ledger: Ledger) -> Request:
    """The request without choice and parallel switch where every tool of another protocol was lost: they may stand beside tools only."""
    if all(isinstance(tool, ProviderTool) and tool.protocol == PROTOCOL for tool in request.tools):
        return request
    if request.tool_choice is not None and request.tool_choice.mode in ("any", "one"):
        ledger.drop(request.path("tool_choice"), "tool_choice", "tools", "no tool is left to choose")
    return replace(request, tool_choice=None, parallel_tools=None)
