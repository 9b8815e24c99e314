"""`tools`, `tool_choice` and their legacy forms `functions`, `function_call` <-> Tool, ProviderTool, ToolChoice.

Tools of other types (OpenRouter's `openrouter:web_search`, ...) and `web_search_options` are run by the provider: they ride whole.
Sources: openai 3.54.0 `types/chat/chat_completion_*tool*_param.py`, `types/shared_params/function_definition.py`.
"""

from typing import Any

from msgspec.structs import replace

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.request import PROVIDER_TOOLS, ProviderTool, Request, Tool, ToolChoice
from ..fields import Fields
from .parts import decode_cache, encode_cache, put_extras
from .wire import PROTOCOL

CHOICES_IN = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
CHOICES_OUT = {"auto": "auto", "none": "none", "any": "required"}

WEB_SEARCH = "web_search_options"
"""The request field that stands for a search tool; a ProviderTool whose body has it goes back there."""


def decode_tools(f: Fields) -> tuple[Tool | ProviderTool, ...]:
    """All of `tools`, `functions` and `web_search_options`."""
    tools: list[Tool | ProviderTool] = [_decode_tool(x, f"tools[{i}]") for i, x in enumerate(f.array("tools") or ())]
    for i, value in enumerate(f.array("functions") or ()):
        tools.append(_decode_function(Fields(value, f"functions[{i}]")))
    options = f.object(WEB_SEARCH)
    if options is not None:
        tools.append(ProviderTool("web_search", PROTOCOL, {WEB_SEARCH: options}, at=WEB_SEARCH))
    return tuple(tools)


def decode_choice(f: Fields) -> ToolChoice | None:
    """`tool_choice`, else `function_call`."""
    value = f.take("tool_choice")
    at = f.at("tool_choice")
    if value is None:
        value, at = f.take("function_call"), f.at("function_call")
        if type(value) is dict:
            return ToolChoice("one", Fields(value, at).text_required("name"))
    if value is None:
        return None
    if type(value) is str:
        mode: Any = CHOICES_IN.get(value)
        if mode is None:
            raise invalid(at, f"expected one of {', '.join(CHOICES_IN)} or an object, got {value!r}")
        return ToolChoice(mode)
    return _decode_choice_object(Fields(value, at))


def _decode_tool(value: Any, at: str) -> Tool | ProviderTool:
    plain = _plain_tool(value, at)
    if plain is not None:
        return plain
    f = Fields(value, at)
    kind = f.text("type") or "function"
    if kind == "function":
        cache = decode_cache(f)
        return _decode_function(Fields(f.required("function"), f.at("function")), f, cache)
    if kind == "custom":
        return _decode_custom(f)
    neutral = kind.rpartition(":")[2].rstrip("0123456789_")
    name = f.text("name")
    return ProviderTool(neutral if neutral in PROVIDER_TOOLS else "other", PROTOCOL, value, name, at=at)


def _plain_tool(value: Any, at: str) -> Tool | None:
    """A function with a name, a description and parameters, and nothing else; None for all others."""
    if type(value) is not dict or len(value) != 2 or value.get("type") != "function":
        return None
    inner = value.get("function")
    if type(inner) is not dict or len(inner) != 3:
        return None
    name, description, schema = inner.get("name"), inner.get("description"), inner.get("parameters")
    if type(name) is not str or type(description) is not str or type(schema) is not dict:
        return None
    return Tool(name, description, schema, at=at)


def _decode_function(f: Fields, outer: Fields | None = None, cache: Any = None) -> Tool:
    """A function's definition; `outer` is the tool around it, None for legacy `functions`."""
    name, description, strict = f.text_required("name"), f.text("description"), f.flag("strict")
    schema = f.object("parameters")
    cache = cache or decode_cache(f)
    extras = f.rest()
    at = f.path
    if outer is not None:
        extras = {**{f"function.{k}": v for k, v in extras.items()}, **outer.rest()}
        at = outer.path
    return Tool(name, description, schema, strict, cache, extras={PROTOCOL: extras} if extras else None, at=at)


def _decode_custom(f: Fields) -> Tool:
    """`format`: `{"type": "text"}` or `{"type": "grammar", "grammar": {"syntax", "definition"}}`, whose grammar the hub has flat."""
    cache = decode_cache(f)
    inner = Fields(f.required("custom"), f.at("custom"))
    name, description, form = inner.text_required("name"), inner.text("description"), _decode_format(inner.object("format"))
    extras = {**{f"custom.{k}": v for k, v in inner.rest().items()}, **f.rest()}
    return Tool(
        name, description, cache=cache, custom=True, format=form, extras={PROTOCOL: extras} if extras else None, at=f.path
    )


def _decode_format(form: dict[str, Any] | None) -> dict[str, Any] | None:
    """`{"type": "grammar", "grammar": {...}}` -> `{"type": "grammar", ...}`, as Responses and the hub say it."""
    grammar = None if form is None else form.get("grammar")
    if form is None or type(grammar) is not dict or form.keys() & grammar.keys():
        return form
    return {**{name: value for name, value in form.items() if name != "grammar"}, **grammar}


def _encode_format(form: dict[str, Any]) -> dict[str, Any]:
    """The reverse. A form without a syntax goes as it is."""
    inner = {name: form[name] for name in ("syntax", "definition") if name in form}
    if form.get("type") != "grammar" or not inner:
        return form
    return {**{name: value for name, value in form.items() if name not in inner}, "grammar": inner}


def _decode_choice_object(f: Fields) -> ToolChoice:
    """One named tool, or `allowed_tools`."""
    kind = f.text("type") or "function"
    if kind == "allowed_tools":
        inner = f.sub("allowed_tools") or f
        mode = CHOICES_IN.get(inner.text("mode") or "auto", "auto")
        tools = [Fields(x, f"{inner.at('tools')}[{i}]") for i, x in enumerate(inner.array_required("tools"))]
        return ToolChoice("any" if mode == "any" else "auto", allowed=tuple(_named(x, x.text("type") or "function") for x in tools))
    if kind in CHOICES_IN:
        mode = CHOICES_IN[kind]
        return ToolChoice(mode)  # type: ignore[arg-type]  # the table holds modes only
    return ToolChoice("one", _named(f, kind), extras=f.extras(PROTOCOL))


def _named(f: Fields, kind: str) -> str:
    """The name in `{"type": "function", "function": {"name"}}`, or right beside the type."""
    inner = f.sub(kind)
    return inner.text_required("name") if inner is not None else f.text_required("name")


def encode_tools(request: Request, facts: Facts, ledger: Ledger, body: dict[str, Any]) -> None:
    """Fills `tools`, and `web_search_options` where a search tool is that."""
    out: list[dict[str, Any]] = []
    for tool in request.tools:
        if isinstance(tool, ProviderTool):
            _encode_provider_tool(tool, facts, ledger, out, body)
        elif tool.custom:
            out.append(_encode_custom(tool, request, facts, ledger))
        else:
            out.append(_encode_function(tool, request, facts, ledger))
    if out:
        body["tools"] = out


def encode_choice(choice: ToolChoice, request: Request, path: str, ledger: Ledger) -> str | dict[str, Any]:
    """The word, the named tool, or the list of allowed ones."""
    extras = unknown_extras(choice.extras, PROTOCOL, path, ledger)
    custom = {tool.name for tool in request.tools if isinstance(tool, Tool) and tool.custom}
    if choice.allowed:
        tools = [_reference(name, custom) for name in choice.allowed]
        mode = CHOICES_OUT.get(choice.mode, "required")
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}, **extras}
    if choice.mode == "one":
        return {**_reference(choice.name or "", custom), **extras}
    return CHOICES_OUT[choice.mode]


def without_choice(request: Request, body: dict[str, Any], ledger: Ledger) -> Request:
    """The request without choice and parallel switch where all its tools were lost: they may stand beside tools only."""
    if "tools" in body or all(isinstance(tool, ProviderTool) and tool.protocol == PROTOCOL for tool in request.tools):
        return request
    if request.tool_choice is not None and request.tool_choice.mode in ("any", "one"):
        ledger.drop(request.path("tool_choice"), "tool_choice", "tools", "no tool is left to choose")
    return replace(request, tool_choice=None, parallel_tools=None)


def _reference(name: str, custom: set[str]) -> dict[str, Any]:
    kind = "custom" if name in custom else "function"
    return {"type": kind, kind: {"name": name}}


def _encode_function(tool: Tool, request: Request, facts: Facts, ledger: Ledger) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    if tool.format is not None:
        ledger.drop(request.tool_path(tool, "format"), "format", "tools")
    return _finish_tool({"type": "function", "function": function}, tool, request, facts, ledger)


def _encode_custom(tool: Tool, request: Request, facts: Facts, ledger: Ledger) -> dict[str, Any]:
    custom: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        custom["description"] = tool.description
    if tool.format is not None:
        custom["format"] = _encode_format(tool.format)
    if tool.schema is not None:
        ledger.drop(request.tool_path(tool, "schema"), "parameters", "tools", "the input of a custom tool is plain text")
    if tool.strict is not None:
        ledger.drop(request.tool_path(tool, "strict"), "strict", "tools")
    return _finish_tool({"type": "custom", "custom": custom}, tool, request, facts, ledger)


def _finish_tool(out: dict[str, Any], tool: Tool, request: Request, facts: Facts, ledger: Ledger) -> dict[str, Any]:
    """What both kinds have in common: the mark, unknown fields, and what Chat cannot say of a tool."""
    if tool.cache is not None:
        encode_cache(out, tool.cache, tool.at, facts, ledger)
    if tool.deferred:
        ledger.drop(request.tool_path(tool, "deferred"), "defer_loading", "tools")
    if tool.namespace is not None:
        ledger.drop(tool.at, "namespace", "tools")
    if tool.namespace_description is not None:
        ledger.drop(tool.at, "namespace_description", "tools")
    if tool.extras:
        put_extras(out, unknown_extras(tool.extras, PROTOCOL, tool.at, ledger))
    return out


def _encode_provider_tool(
    tool: ProviderTool, facts: Facts, ledger: Ledger, out: list[dict[str, Any]], body: dict[str, Any]
) -> None:
    declaration: dict[str, Any] | None = tool.body if tool.protocol == PROTOCOL else facts.provider_tools.get(tool.kind)
    if declaration is None:
        ledger.drop(tool.at, tool.name or tool.kind, "tools", "this target has no such tool of its own")
    elif WEB_SEARCH in declaration:
        body[WEB_SEARCH] = declaration[WEB_SEARCH]
    else:
        out.append(declaration)
    if tool.cache is not None and (declaration is None or declaration is not tool.body):
        ledger.drop(tool.cache.path(tool.at), "cache_control", "cache")
