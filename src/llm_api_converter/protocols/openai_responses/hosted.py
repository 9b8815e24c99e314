"""Items of tools the provider runs <-> a provider-run ToolCall and its ToolResult; items nobody can translate are Native.

One item holds the call and its outcome (`web_search_call`, `mcp_call`, ...), so it becomes two neutral parts. The whole item rides in
the call's bookkeeping and is what this protocol's own encoder writes back; an item under a marked id (`hub.runs`) is one of ours, shown for
what another provider ran.
Sources: openai 3.54.0 `types/responses/response_output_item.py`, `response_input_item.py` (November 2026).
"""

from typing import Any

from msgspec import Struct

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Extras, Found, Inline, Media, Native, Outcome, Page, Part, Ran, Text, ToolCall, ToolResult
from ...hub.runs import MARK, code_of, hit, is_marked, marked_id, queries_of, urls_of
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
    return ToolCall(call_id, how.kind, _arguments(item, how), "provider", extras=_whose(item, {"item": item}), at=at)


def _whose(item: dict[str, Any], words: dict[str, Any]) -> Extras | None:
    """The bookkeeping of an item this protocol's provider made."""
    return None if is_marked(item.get("id")) else {WORDING: words}


def _arguments(item: dict[str, Any], how: Hosted) -> str:
    wrapped = {name: item[name] for name in how.wrapped if item.get(name) is not None}
    if wrapped:
        return _json(wrapped)
    # Some servers write the arguments of every tool as text (xAI).
    value = item.get(how.arguments or "arguments")
    return (value or "{}") if type(value) is str else _json(value or {})


def _decode_result(item: dict[str, Any], how: Hosted, call_id: str, at: str) -> ToolResult:
    output = item.get(how.output) if how.output else None
    here = f"{at}.{how.output}" if at else ""
    parts: tuple[Part, ...] = ()
    as_json = False
    if how.kind == "code_execution":
        parts = _drawn(output, here)
    elif how.kind == "image_generation" and type(output) is str:
        parts = (Media("image", Inline(output), f"image/{item.get('output_format') or 'png'}", at=here),)
    elif type(output) is str:
        parts = (Text(output, at=here),)
    elif output is not None:
        parts, as_json = (Text(_json(output), at=here),), True
    failed = True if item.get("error") is not None or item.get("status") == "failed" else None
    return ToolResult(
        call_id, parts, how.kind, failed, as_json, runs="provider", extras=_whose(item, {"of": item.get("type")}), at=at,
        outcome=_outcome(item, how),
    )


def _outcome(item: dict[str, Any], how: Hosted) -> Outcome | None:
    """What a search, a page or code gave. Sources are named where the request asked for them."""
    if how.kind == "web_search":
        action = _object(item.get("action"))
        if action.get("type") in ("open_page", "find_in_page"):
            return Page(_text(action.get("url")))
        hits = [hit(source) for source in _objects(action.get("sources"))]
        return Found(tuple(x for x in hits if x is not None))
    if how.kind == "code_execution":
        return Ran("".join(_text(output.get("logs")) for output in _objects(item.get("outputs"))))
    return None


def _drawn(outputs: Any, at: str) -> tuple[Part, ...]:
    """The images code made, as data URLs."""
    found: list[Part] = []
    for number, output in enumerate(_objects(outputs)):
        head, comma, data = _text(output.get("url")).partition(",")
        if comma and head.startswith("data:image/") and head.endswith(";base64"):
            found.append(Media("image", Inline(data), head[5:-7], at=f"{at}[{number}]" if at else ""))
    return tuple(found)


def _object(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects of an array; an empty one in place of anything else, so that numbers stay right."""
    return [_object(item) for item in value] if type(value) is list else []


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


ID_PREFIX = {"web_search": "ws_", "web_fetch": "ws_", "file_search": "fs_", "code_execution": "ci_", "bash": "ci_", "mcp": "mcp_"}
"""Neutral kinds that `encode_foreign_call` can write -> how their ids begin."""


def encode_foreign_call(call: ToolCall, result: ToolResult | None, ledger: Ledger) -> dict[str, Any]:
    """A call of a kind in `ID_PREFIX` that another provider ran, as the item of the nearest hosted tool. For answers only: no provider
    takes it back as its own.
    """
    failed = result is not None and result.is_error
    item: dict[str, Any] = {"id": marked_id(ID_PREFIX[call.name], call.id), "status": "failed" if failed else "completed"}
    match call.name:
        case "web_search" | "web_fetch":
            return {**item, "type": "web_search_call", "action": _action(call, result, ledger)}
        case "file_search":
            _drop_result(result, call, ledger)
            return {**item, "type": "file_search_call", "queries": list(queries_of(call)), "results": None}
        case "code_execution" | "bash":
            code = code_of(call)
            outputs = _logs(result, call, ledger)
            whole = {"code": call.arguments if code is None else code, "container_id": f"cntr_{MARK}", "outputs": outputs or None}
            return {**item, "type": "code_interpreter_call", **whole}
        case _:
            texts = [part.text for part in result.parts if isinstance(part, Text)] if result is not None else []
            output = "\n".join(texts) if result is not None else None
            named = {"name": call.name, "server_label": "", "arguments": call.arguments, "output": output}
            return {**item, "type": "mcp_call", **named}


def _action(call: ToolCall, result: ToolResult | None, ledger: Ledger) -> dict[str, Any]:
    """A search with its sources, or a page that was opened."""
    queries, urls = queries_of(call), urls_of(call)
    outcome = result.outcome if result is not None else None
    if urls and not queries:
        if isinstance(outcome, Page) and (outcome.text or outcome.title) and result is not None:
            ledger.approximate(result.at, f"{call.name}_result", "tools", "the page is named without what it holds")
        return {"type": "open_page", "url": urls[0]}
    action: dict[str, Any] = {"type": "search", "query": "; ".join(queries)}
    if len(queries) > 1:
        action["queries"] = list(queries)
    if isinstance(outcome, Found) and outcome.hits and result is not None:
        action["sources"] = [{"type": "url", "url": found.url} for found in outcome.hits]
        if any(found.title or found.snippet or found.age for found in outcome.hits):
            ledger.approximate(result.at, f"{call.name}_result", "tools", "sources are named by their addresses")
    elif outcome is None:
        _drop_result(result, call, ledger)
    return action


def _logs(result: ToolResult | None, call: ToolCall, ledger: Ledger) -> list[dict[str, Any]]:
    """What code wrote, as logs."""
    if result is None:
        return []
    texts = [part.text for part in result.parts if isinstance(part, Text)]
    if isinstance(result.outcome, Ran):
        texts = [text for text in (result.outcome.output, result.outcome.errors) if text]
    if any(not isinstance(part, Text) for part in result.parts):
        _drop_result(result, call, ledger)
    return [{"type": "logs", "logs": text} for text in texts]


def _drop_result(result: ToolResult | None, call: ToolCall, ledger: Ledger) -> None:
    if result is not None and (result.parts or result.outcome is not None):
        ledger.drop(result.at, f"{call.name}_result", "tools", "this protocol's item has no place for it")


def _text(value: Any) -> str:
    return value if type(value) is str else ""


def _json(value: Any) -> str:
    return encode_json(value).decode()
