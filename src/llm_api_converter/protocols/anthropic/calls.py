"""Calls and their results: `tool_use`, `server_tool_use`, `mcp_tool_use` and the `*_tool_result` blocks of provider-run calls.

What the provider ran rides whole in extras as `block` (a call without its `input`, which is the arguments), because only this protocol
can take it back. `caller: {"type": "direct"}` is the default, so it is
wording, no extra. Source: anthropic SDK 2.12.0, tool_use_block.py,
server_tool_use_block.py, web_search_tool_result_block.py and its neighbours, beta_mcp_tool_use_block.py (November 2026).
"""

from typing import Any

import msgspec

from ...hub.ledger import Ledger
from ...hub.messages import Part, Text, ToolCall, ToolResult
from ...hub.runs import is_marked
from ..base import UNREADABLE
from ..fields import Fields
from .marks import put_cache, put_extras, take_cache, with_wording, worded
from .server_tools import foreign_call, foreign_result, outcome_of, report_foreign
from .wire import PROTOCOL

# Beginnings of tool types and of server tool names -> neutral kind, the longer word first.
KINDS = (
    ("web_search", "web_search"),
    ("web_fetch", "web_fetch"),
    ("code_execution", "code_execution"),
    ("bash_code_execution", "code_execution"),
    ("text_editor_code_execution", "code_execution"),
    ("computer", "computer"),
    ("bash", "bash"),
    ("text_editor", "text_editor"),
    ("memory", "memory"),
    ("tool_search", "tool_search"),
    ("mcp", "mcp"),
)

_DIRECT = {"type": "direct"}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def kind_of(word: str) -> str:
    """The neutral kind of a tool type or a server tool's name."""
    return next((kind for start, kind in KINDS if word.startswith(start)), "other")


def decode_tool_use(f: Fields) -> ToolCall:
    """`tool_use` -> ToolCall."""
    id, name, input = f.text_required("id"), f.text_required("name"), f.object("input")
    cache = take_cache(f)
    caller = f.take("caller")
    if caller is not None and caller != _DIRECT:
        f.keep("caller", caller)
    extras = f.extras(PROTOCOL)
    if caller == _DIRECT:
        extras = with_wording(extras, {"caller": caller})
    return ToolCall(id, name, arguments_of(input), cache=cache, extras=extras, at=f.path)


def decode_provider_call(f: Fields, kind: str) -> ToolCall:
    """`server_tool_use`, `mcp_tool_use` -> ToolCall run by the provider."""
    id, input, name = f.text_required("id"), f.object("input"), f.text_required("name")
    cache = take_cache(f)
    neutral = "mcp" if kind == "mcp_tool_use" else kind_of(name)
    block = {"type": kind, "name": name, **f.rest()}
    extras = None if is_marked(id) else with_wording(None, {"block": block})
    return ToolCall(id, neutral, arguments_of(input), "provider", cache=cache, extras=extras, at=f.path)


def decode_provider_result(f: Fields, kind: str) -> ToolResult:
    """`web_search_tool_result` and the like -> ToolResult run by the provider."""
    call_id = f.text_required("tool_use_id")
    cache = take_cache(f)
    rest = f.rest()
    content = rest.get("content")
    failed = rest.get("is_error")
    if not isinstance(failed, bool):
        failed = True if isinstance(content, dict) and str(content.get("type")).endswith("_error") else None
    name = "mcp" if kind == "mcp_tool_result" else kind_of(kind)
    extras = None if is_marked(call_id) else with_wording(None, {"block": {"type": kind, **rest}})
    return ToolResult(
        call_id, _texts_of(content, f), name, failed, runs="provider", cache=cache, extras=extras, at=f.path,
        outcome=outcome_of(name, content),
    )


def _texts_of(content: Any, f: Fields) -> tuple[Part, ...]:
    """The text blocks of a result (MCP): what can be told of it."""
    if not isinstance(content, list):
        return ()
    return tuple(
        Text(item["text"], at=f"{f.at('content')}[{i}]" if f.path else "")
        for i, item in enumerate(content)
        if isinstance(item, dict) and item.get("type") == "text" and isinstance(item.get("text"), str)
    )


def encode_call(call: ToolCall, ledger: Ledger, *, answer: bool) -> dict[str, Any] | None:
    """ToolCall -> its block. One that another protocol's provider ran has one in answers only."""
    if answer and ran_elsewhere(call):
        shown = foreign_call(call)
        report_foreign(call, shown, ledger)
        for token in call.tokens:
            ledger.drop(call.at or "content", token.kind, "state")
        return shown
    block = call_start(call, ledger)
    if block is not None:
        block["input"] = input_of(call, ledger)
    return block


def call_start(call: ToolCall, ledger: Ledger) -> dict[str, Any] | None:
    """The block of a call before its input is known: `input` is empty."""
    block: dict[str, Any]
    if call.runs == "provider":
        own = own_block(call)
        if own is None:
            ledger.drop(call.at or "content", call.name, "tools", "a call that another provider ran")
            return None
        block = {**own, "id": call.id, "input": {}}
        put_cache(block, call.cache, call.at, ledger)
    else:
        block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
        put_cache(block, call.cache, call.at, ledger)
        put_extras(block, call.extras, call.at, ledger)
    if call.namespace is not None:
        ledger.approximate(call.at or "content", "namespace", "tools")
    for token in call.tokens:
        ledger.drop(call.at or "content", token.kind, "state")
    return block


def ran_elsewhere(part: ToolCall | ToolResult) -> bool:
    """Did the provider of another protocol run it?"""
    return part.runs == "provider" and own_block(part) is None


def encode_provider_result(result: ToolResult, ledger: Ledger, *, answer: bool) -> dict[str, Any] | None:
    """ToolResult of a provider-run call -> its exact block. One of another protocol has a block in answers only."""
    own = own_block(result)
    if own is None and answer:
        shown = foreign_result(result)
        report_foreign(result, shown, ledger)
        return shown
    if own is None:
        ledger.drop(result.at or "content", result.name or "tool_result", "tools", "a result of what another provider ran")
        return None
    block = {**own, "tool_use_id": result.call_id}
    put_cache(block, result.cache, result.at, ledger)
    return block


def own_block(part: ToolCall | ToolResult) -> dict[str, Any] | None:
    """The block that came in this protocol."""
    block = worded(part.extras, "block")
    return block if isinstance(block, dict) else None


def arguments_of(input: dict[str, Any] | None) -> str:
    """`input` -> the text of the arguments."""
    return _encode(input).decode() if input else "{}"


def input_of(call: ToolCall, ledger: Ledger) -> dict[str, Any]:
    """Arguments -> `input`. Text that is no JSON object goes into one field of an object (reported)."""
    text = call.arguments
    if not text or text == "{}":
        return {}
    try:
        value = _decode(text)
    except UNREADABLE:
        value = None
    if type(value) is dict:
        return value
    ledger.approximate(call.at or "content", "arguments", "content", "arguments that are no JSON object were put into its field `input`")
    return {"input": text}
