"""Items of tools the provider runs <-> a provider-run ToolCall and its ToolResult; items nobody can translate are Native.

One item holds the call and its outcome (`web_search_call`, `mcp_call`, ...), so it becomes two neutral parts. The whole item rides in
the call's bookkeeping and is what this protocol's own encoder writes back.
Sources: openai 3.54.0 `types/responses/response_output_item.py`, `response_input_item.py` (November 2026).
"""

from typing import Any

from msgspec import Struct

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Inline, Media, Native, Part, Text, ToolCall, ToolResult
from .wire import PROTOCOL, WORDING, encode_json, worded


class Hosted(Struct, frozen=True):
    """How one item type reads. `arguments`: the field with the call's arguments (an object, or text when `as_text`), `wrapped` fields
    are put into an object of their own; `output`: the field with the outcome, None where it comes in an item of its own.
    """

    kind: str
    arguments: str | None = None
    wrapped: tuple[str, ...] = ()
    output: str | None = None
    answered: bool = True


HOSTED: dict[str, Hosted] = {
    "web_search_call": Hosted("web_search", "action"),
    "file_search_call": Hosted("file_search", wrapped=("queries",), output="results"),
    "code_interpreter_call": Hosted("code_execution", wrapped=("code",), output="outputs"),
    "image_generation_call": Hosted("image_generation", wrapped=("revised_prompt",), output="result"),
    "mcp_call": Hosted("mcp", "arguments", output="output"),
    "tool_search_call": Hosted("tool_search", "arguments", answered=False),
}
OUTPUTS: dict[str, tuple[str, str]] = {"tool_search_output": ("tool_search", "tools")}
"""Items that only hold an outcome -> kind, field."""

NATIVE_FROM_USER = frozenset(
    {
        "compaction_trigger", "item_reference", "mcp_approval_response", "computer_call_output", "local_shell_call_output",
        "shell_call_output", "apply_patch_call_output", "program_output", "configuration_update",
    }
)
"""Items of the client's side among those without a neutral meaning; all others come from the model."""


# ---------------------------------------------------------------------------------------------------------------- decode


def decode_hosted(item: dict[str, Any], at: str) -> list[Part]:
    """A hosted tool's item, or one without a neutral meaning."""
    kind = _text(item.get("type")) or "item_reference"
    how = HOSTED.get(kind)
    if how is not None:
        call = hosted_call(item, how, at)
        return [call, _decode_result(item, how, call.id, at)] if how.answered else [call]
    if kind in OUTPUTS:
        name, field = OUTPUTS[kind]
        call_id = _text(item.get("call_id")) or _text(item.get("id"))
        parts = (Text(_json(item.get(field, [])), at=f"{at}.{field}" if at else ""),)
        return [ToolResult(call_id, parts, name, json=True, runs="provider", extras={WORDING: {"item": item}}, at=at)]
    return [Native(PROTOCOL, kind, item, at=at)]


def hosted_call(item: dict[str, Any], how: Hosted, at: str) -> ToolCall:
    """The call of a hosted tool's item."""
    call_id = _text(item.get("call_id")) or _text(item.get("id"))
    return ToolCall(call_id, how.kind, _arguments(item, how), "provider", extras={WORDING: {"item": item}}, at=at)


def _arguments(item: dict[str, Any], how: Hosted) -> str:
    if how.arguments is not None:
        value = item.get(how.arguments)
        return (value or "{}") if type(value) is str else _json(value or {})
    return _json({name: item[name] for name in how.wrapped if item.get(name) is not None})


def _decode_result(item: dict[str, Any], how: Hosted, call_id: str, at: str) -> ToolResult:
    output = item.get(how.output) if how.output else None
    here = f"{at}.{how.output}" if at else ""
    parts: tuple[Part, ...] = ()
    as_json = False
    if how.kind == "image_generation" and type(output) is str:
        parts = (Media("image", Inline(output), f"image/{item.get('output_format') or 'png'}", at=here),)
    elif type(output) is str:
        parts = (Text(output, at=here),)
    elif output is not None:
        parts, as_json = (Text(_json(output), at=here),), True
    failed = True if item.get("error") is not None or item.get("status") == "failed" else None
    words = {WORDING: {"of": item.get("type")}}
    return ToolResult(call_id, parts, how.kind, failed, as_json, runs="provider", extras=words, at=at)


# ---------------------------------------------------------------------------------------------------------------- encode


def own_item(part: ToolCall | ToolResult | Native) -> dict[str, Any] | None:
    """The item as it stood in this protocol; None where the part came from elsewhere (or stands inside its call's item)."""
    if isinstance(part, Native):
        return part.body if part.protocol == PROTOCOL else None
    item: dict[str, Any] | None = worded(part.extras).get("item")
    return item


def inside_call(part: Part) -> bool:
    """Is it the outcome that its call's own item already holds?"""
    return isinstance(part, ToolResult) and "of" in worded(part.extras)


def drop_hosted(part: ToolCall | ToolResult, ledger: Ledger) -> None:
    """A call another provider ran cannot be shown to this one."""
    name = part.name or "provider_tool"
    feature = name if isinstance(part, ToolCall) else f"{name}_result"
    ledger.drop(part.at, feature, "tools", "run by another provider")
    unknown_extras(part.extras, PROTOCOL, part.at, ledger)


def encode_foreign_call(call: ToolCall, result: ToolResult | None, item_id: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """A call another provider ran, as the item of the nearest hosted tool. For answers only: no provider takes it back as its own."""
    status = "failed" if result is not None and result.is_error else "completed"
    texts = [part.text for part in result.parts if isinstance(part, Text)] if result is not None else []
    match call.name:
        case "web_search":
            query = _text(arguments.get("query"))
            return {"id": item_id, "type": "web_search_call", "status": status, "action": {"type": "search", "query": query}}
        case "web_fetch":
            url = _text(arguments.get("url"))
            return {"id": item_id, "type": "web_search_call", "status": status, "action": {"type": "open_page", "url": url}}
        case "file_search":
            queries = arguments.get("queries") or [x for x in (arguments.get("query"),) if type(x) is str]
            return {"id": item_id, "type": "file_search_call", "status": status, "queries": queries, "results": None}
        case "code_execution" | "bash":
            code = _text(arguments.get("code")) or _text(arguments.get("command")) or call.arguments
            logs = [{"type": "logs", "logs": text} for text in texts]
            return {
                "id": item_id, "type": "code_interpreter_call", "status": status, "code": code, "container_id": "", "outputs": logs or None,
            }
        case "mcp":
            output = "\n".join(texts) if result is not None else None
            return {
                "id": item_id, "type": "mcp_call", "status": status, "name": call.name, "server_label": "", "arguments": call.arguments,
                "output": output,
            }
        case _:
            return None


ID_PREFIX = {"web_search": "ws_", "web_fetch": "ws_", "file_search": "fs_", "code_execution": "ci_", "bash": "ci_", "mcp": "mcp_"}
"""Neutral kinds that `encode_foreign_call` can write -> how their ids begin."""


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _json(value: Any) -> str:
    return encode_json(value).decode()
