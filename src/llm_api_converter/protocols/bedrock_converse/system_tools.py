"""Tools Bedrock runs itself: what their results say, and how what another provider ran looks to a Converse client.

    toolUse    {toolUseId, name: nova_grounding, type: server_tool_use, input: {query}}            web_search
               {..., name: nova_code_interpreter, input: {snippet}}                                code_execution
    toolResult {toolUseId, type: nova_grounding_result, content: [{text: "[HIDDEN]"}]}             Found
               {..., type: nova_code_interpreter_result, content: [{json: {stdOut, stdErr, exitCode, isError}}]}   Ran

Bedrock does not show what a search found; sources are cited in the text. What another provider found is shown as `json`, under an id
that says whose it is (`hub.runs.marked_id`): a request decodes it as nobody's own, so that it never goes to a model.
Source: botocore 1.44.5 `ToolUseBlock`, `ToolResultBlock`, `ToolResultBlockDelta`; recordings of Nova 2 (November 2026).
"""

from typing import Any

from msgspec import UNSET

from ...hub.ledger import Ledger
from ...hub.messages import Found, Hit, Outcome, Part, Ran, Text, ToolCall, ToolResult
from ...hub.runs import code_of, hit, is_marked, marked_id, queries_of, settled
from ..base import UNREADABLE, Json
from .wire import SYSTEM_TOOLS, decode_json

TOOL_OUT = {"web_search": "nova_grounding", "code_execution": "nova_code_interpreter", "bash": "nova_code_interpreter"}
CALL_TYPE = "server_tool_use"
RESULT_TYPE = "_result"
CALL_ID = "tooluse_"


def kind_of_result(result_type: str | None) -> str | None:
    """`nova_grounding_result` -> the neutral kind; None for a result of the client's."""
    return None if result_type is None else SYSTEM_TOOLS.get(result_type.removesuffix(RESULT_TYPE), "other")


def outcome_of(kind: str | None, parts: tuple[Part, ...], structured: bool) -> Outcome | None:
    """What a result says; `structured`: its one text is JSON."""
    said: Any = UNSET
    if structured and parts and isinstance(parts[0], Text):
        try:
            said = decode_json(parts[0].text)
        except UNREADABLE:
            said = UNSET
    value = said if isinstance(said, dict) else {}
    if kind == "web_search":
        results = value.get("results")
        hits = [hit(x, snippet="snippet", age="age") for x in results if isinstance(x, dict)] if isinstance(results, list) else []
        return Found(tuple(x for x in hits if x is not None))
    if kind == "code_execution":
        code = value.get("exitCode")
        return Ran(_text(value.get("stdOut")), _text(value.get("stdErr")), code if type(code) is int else None)
    return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def foreign_call(call: ToolCall, ledger: Ledger) -> Json | None:
    """A call another provider ran, as the system tool nearest to it; None (reported) where there is none."""
    name, queries = TOOL_OUT.get(call.name), queries_of(call)
    if name is None:
        ledger.drop(call.at, call.name, "tools", "run by another provider")
        return None
    if not is_marked(call.id):
        ledger.approximate(call.at, call.name, "tools", "run by another provider: shown as the system tool nearest to it")
    given: Json = {"query": "; ".join(queries)} if call.name == "web_search" else {"snippet": code_of(call) or call.arguments}
    return {"toolUseId": marked_id(CALL_ID, call.id), "name": name, "type": CALL_TYPE, "input": given}


def foreign_result(result: ToolResult, ledger: Ledger) -> Json | None:
    """What such a call gave; None (reported) where its call has no block either."""
    said: Json
    match settled(result):
        case Found(hits):
            name, said = TOOL_OUT["web_search"], {"results": [_hit(found) for found in hits]}
        case Ran(output, errors, code):
            name = TOOL_OUT["code_execution"]
            failed = result.is_error is True
            said = {"stdOut": output, "stdErr": errors, "exitCode": int(failed) if code is None else code, "isError": failed}
        case _:
            ledger.drop(result.at, f"{result.name or 'provider_tool'}_result", "tools", "run by another provider")
            return None
    status = "error" if result.is_error else "success"
    return {
        "toolUseId": marked_id(CALL_ID, result.call_id), "type": f"{name}{RESULT_TYPE}", "status": status, "content": [{"json": said}],
    }


def _hit(found: Hit) -> Json:
    said = {"url": found.url, "title": found.title, "snippet": found.snippet, "age": found.age}
    return {name: value for name, value in said.items() if value is not None}
