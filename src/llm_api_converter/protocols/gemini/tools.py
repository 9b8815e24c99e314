"""Tools and tool choice: `tools` and `toolConfig` <-> `Request.tools`, `Request.tool_choice`.

A function declaration carries its parameters as Gemini's `Schema` (`parameters`) or as a JSON schema (`parametersJsonSchema`); both
become a JSON schema. Everything else in a tool (googleSearch, codeExecution, ...) is a tool Google runs.
Sources: https://ai.google.dev/api/caching#Tool, google-genai `types.Tool` (read November 2026).
"""

from typing import Any

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Extras, wording
from ...hub.request import ProviderTool, Request, Tool, ToolChoice
from ..base import Json
from ..fields import type_name
from .schema import decode_schema, encode_schema
from .spelling import PROTOCOL, GeminiFields, camel

PROVIDER_TOOL_IN = {
    "googleSearch": "web_search", "googleSearchRetrieval": "web_search", "enterpriseWebSearch": "web_search",
    "parallelAiSearch": "web_search", "exaAiSearch": "web_search", "urlContext": "web_fetch", "codeExecution": "code_execution",
    "fileSearch": "file_search", "computerUse": "computer", "googleMaps": "maps", "mcpServers": "mcp", "retrieval": "other",
}
CHOICE_IN = {"AUTO": "auto", "ANY": "any", "NONE": "none", "VALIDATED": "auto", "MODE_UNSPECIFIED": "auto"}
_RAW_INPUT: dict[str, Any] = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
CHOICE_OUT = {"auto": "AUTO", "any": "ANY", "none": "NONE", "one": "ANY"}


def decode_tools(value: Any, path: str) -> tuple[Tool | ProviderTool, ...]:
    """`tools` (a list, or one tool alone) -> neutral tools in order."""
    if value is None:
        return ()
    if type(value) is dict:
        value = [value]
    if type(value) is not list:
        raise invalid(path, f"expected an array, got {type_name(value)}")
    out: list[Tool | ProviderTool] = []
    for i, item in enumerate(value):
        fields = GeminiFields(item, f"{path}[{i}]")
        declarations = fields.take("functionDeclarations")
        at = fields.at("functionDeclarations")
        if type(declarations) is dict:
            declarations = [declarations]
        if declarations is not None and type(declarations) is not list:
            raise invalid(at, f"expected an array, got {type_name(declarations)}")
        out.extend(_decode_function(declared, f"{at}[{j}]") for j, declared in enumerate(declarations or ()))
        for key, body in fields.rest().items():
            out.append(ProviderTool(PROVIDER_TOOL_IN.get(key, "other"), PROTOCOL, {key: body}, at=fields.at(key)))
    return tuple(out)


def decode_choice(config: GeminiFields, paths: dict[str, str]) -> tuple[ToolChoice | None, Json]:
    """`toolConfig` -> (choice, the fields left over under their dotted names)."""
    left: Json = {}
    choice = None
    calling = config.sub("functionCallingConfig")
    if calling is not None:
        mode = calling.text("mode")
        if calling.renamed:
            paths["tool_choice"] = calling.path
        allowed = calling.strings("allowedFunctionNames")
        if mode is not None or allowed:
            choice = _choice((mode or "AUTO").upper(), allowed, calling)
        left.update({f"toolConfig.functionCallingConfig.{key}": value for key, value in calling.rest().items()})
    left.update({f"toolConfig.{key}": value for key, value in config.rest().items()})
    return choice, left


def encode_tools(request: Request, facts: Facts, ledger: Ledger) -> list[Json]:
    """Neutral tools -> `tools`: all functions in one entry where the first stood, each tool of Google's in its own."""
    out: list[Json] = []
    functions: list[Json] = []
    for tool in request.tools:
        if isinstance(tool, ProviderTool):
            body = _encode_provider_tool(tool, facts, ledger)
            if body is not None:
                out.append(body)
            continue
        if not functions:
            out.append({"functionDeclarations": functions})
        functions.append(_encode_function(tool, request, facts, ledger))
    return out


def encode_choice(request: Request, written: list[Json], ledger: Ledger) -> Json | None:
    """ToolChoice -> `functionCallingConfig`; None where every tool of another protocol was lost and no function is left."""
    choice = request.tool_choice
    if choice is None:
        return None
    if not any("functionDeclarations" in tool for tool in written) and any(tool.protocol != PROTOCOL for tool in _provider_tools(request)):
        if choice.mode in ("any", "one"):
            ledger.drop(request.path("tool_choice"), "tool_choice", "tools", "no function is left to choose")
        return None
    own = unknown_extras(choice.extras, PROTOCOL, request.path("tool_choice"), ledger)
    own = own | (choice.extras or {}).get(wording(PROTOCOL), {})
    out: Json = {"mode": CHOICE_OUT[choice.mode], **own}
    allowed = [choice.name] if choice.mode == "one" and choice.name else list(choice.allowed)
    if allowed and choice.mode != "none":
        if choice.mode == "auto" and "mode" not in own:
            out["mode"] = "VALIDATED"
        out["allowedFunctionNames"] = allowed
    return out


def _provider_tools(request: Request) -> list[ProviderTool]:
    return [tool for tool in request.tools if isinstance(tool, ProviderTool)]


def _choice(mode: str, allowed: tuple[str, ...], calling: GeminiFields) -> ToolChoice:
    known = CHOICE_IN.get(mode)
    if known is None:
        raise calling.error("mode", f"expected one of {', '.join(CHOICE_IN)}, got {mode!r}")
    extras: Extras | None = None
    if mode == "VALIDATED":
        extras = {PROTOCOL: {"mode": mode}}
    elif mode == "MODE_UNSPECIFIED":
        extras = {wording(PROTOCOL): {"mode": mode}}
    if known == "any" and len(allowed) == 1:
        return ToolChoice("one", name=allowed[0])
    if known == "any":
        return ToolChoice("any", allowed=allowed)
    return ToolChoice("none" if known == "none" else "auto", allowed=allowed, extras=extras)


def _decode_function(value: Any, path: str) -> Tool:
    fields = GeminiFields(value, path)
    name = fields.text_required("name")
    description = fields.text("description")
    schema = fields.object("parametersJsonSchema")
    if schema is None:
        parameters = fields.object("parameters")
        schema = None if parameters is None else decode_schema(parameters)
    return Tool(name, description, schema, extras=fields.extras(PROTOCOL), at=path)


def _encode_function(tool: Tool, request: Request, facts: Facts, ledger: Ledger) -> Json:
    out: Json = {"name": tool.name}
    if tool.description is not None:
        out["description"] = tool.description
    schema = _RAW_INPUT if tool.custom else tool.schema
    if schema is not None:
        if facts.schema_dialect == "openapi":
            out["parameters"] = encode_schema(schema)
        else:
            out["parametersJsonSchema"] = schema
    if tool.custom:
        ledger.emulate(tool.at, "custom_tool", "tools", "the raw input is the argument `input`")
        if tool.format is not None:
            ledger.drop(request.tool_path(tool, "format"), "format", "tools")
    if tool.strict:
        ledger.drop(request.tool_path(tool, "strict"), "strict", "tuning")
    if tool.deferred:
        ledger.drop(tool.at, "defer_loading", "tools", "the tool is declared at once")
    if tool.namespace is not None:
        ledger.drop(tool.at, "namespace", "tools")
    if tool.namespace_description is not None:
        ledger.drop(tool.at, "namespace_description", "tools")
    if tool.cache is not None:
        ledger.drop(tool.cache.path(tool.at), "cache_control", "cache")
    out.update(unknown_extras(tool.extras, PROTOCOL, tool.at, ledger))
    return out


def _encode_provider_tool(tool: ProviderTool, facts: Facts, ledger: Ledger) -> Json | None:
    if tool.cache is not None:
        ledger.drop(tool.cache.path(tool.at), "cache_control", "cache")
    if tool.protocol == PROTOCOL:
        return {camel(key): value for key, value in tool.body.items()}
    declared = facts.provider_tools.get(tool.kind)
    if declared is not None:
        return dict(declared)
    ledger.drop(tool.at, tool.kind, "tools", "a tool the provider runs")
    return None
