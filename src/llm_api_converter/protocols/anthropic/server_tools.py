"""What a provider ran: `*_tool_result` blocks -> what they say in neutral form, and what another provider ran -> blocks a client reads.

    web_search_tool_result       a list of web_search_result              Found
    web_fetch_tool_result        web_fetch_result with a document         Page
    code_execution_tool_result,  stdout, stderr, return_code              Ran
    bash_code_execution_..., text_editor_code_execution_...

A search of another provider has none of the `encrypted_content` Anthropic puts into its own. Clients get well-formed blocks under ids
that say so (`hub.runs.marked_id`); a request decodes them as nobody's own, so that they never go to Anthropic.
Source: anthropic SDK 2.12.0, web_search_tool_result_block.py, web_fetch_tool_result_block.py, code_execution_tool_result_block.py and
their neighbours; recordings (November 2026).
"""

from typing import Any

from ...hub.ledger import Ledger
from ...hub.messages import Found, Hit, Outcome, Page, Ran, ToolCall, ToolResult
from ...hub.runs import MARK, code_of, hit, is_marked, marked_id, queries_of, settled, urls_of

SERVER_ID = "srvtoolu_"
FAILED = "unavailable"
"""`error_code` for a failure of which no more is known."""


# ---------------------------------------------------------------------------------------------------------------- decode


def outcome_of(kind: str, content: Any) -> Outcome | None:
    """What the content of a result block says; None where it has no neutral form. `kind` is the neutral kind of the tool."""
    if kind == "web_search" and isinstance(content, list):
        hits = [hit(item, age="page_age") for item in content if isinstance(item, dict)]
        return Found(tuple(x for x in hits if x is not None))
    if not isinstance(content, dict):
        return None
    if kind == "web_search":
        return Found()
    if kind == "web_fetch":
        return _page(content)
    if kind == "code_execution":
        return _ran(content)
    return None


def _page(content: dict[str, Any]) -> Page | None:
    url, document = content.get("url"), content.get("content")
    if not isinstance(url, str):
        return None
    document = document if isinstance(document, dict) else {}
    source, title = document.get("source"), document.get("title")
    text = source.get("data") if isinstance(source, dict) and source.get("type") == "text" else None
    return Page(url, title if isinstance(title, str) else None, text if isinstance(text, str) else None)


def _ran(content: dict[str, Any]) -> Ran:
    """The editor's results have no outputs: what it shows of a file counts as one."""
    output, errors, code = content.get("stdout", content.get("content")), content.get("stderr"), content.get("return_code")
    errors = errors or content.get("error_message")
    return Ran(
        output if isinstance(output, str) else "", errors if isinstance(errors, str) else "", code if type(code) is int else None
    )


# ---------------------------------------------------------------------------------------------------------------- encode


def foreign_call(call: ToolCall) -> dict[str, Any] | None:
    """A call another provider ran, as the server tool nearest to it; None where there is none."""
    queries, urls, code = queries_of(call), urls_of(call), code_of(call)
    name = ""
    given: dict[str, Any] = {}
    if call.name in ("web_search", "web_fetch"):
        name, given = ("web_fetch", {"url": urls[0]}) if urls and not queries else ("web_search", {"query": "; ".join(queries)})
    elif call.name in ("code_execution", "bash") and code is not None:
        name, given = "code_execution", {"code": code}
    return {"type": "server_tool_use", "id": marked_id(SERVER_ID, call.id), "name": name, "input": given} if name else None


def foreign_result(result: ToolResult) -> dict[str, Any] | None:
    """What such a call gave. None where its call has no block either."""
    written = _written(result)
    if written is None:
        return None
    kind, content = written
    return {"type": f"{kind}_tool_result", "tool_use_id": marked_id(SERVER_ID, result.call_id), "content": content}


def _written(result: ToolResult) -> tuple[str, Any] | None:
    """(tool, content of its result block)."""
    match settled(result):
        case Ran(output, errors, code):
            code = code if code is not None else int(result.is_error is True)
            return "code_execution", {
                "type": "code_execution_result", "stdout": output, "stderr": errors, "return_code": code, "content": [],
            }
        case (Found() | Page()) as outcome if result.is_error:
            kind = "web_search" if isinstance(outcome, Found) else "web_fetch"
            return kind, {"type": f"{kind}_tool_result_error", "error_code": FAILED}
        case Found(hits):
            return "web_search", [_hit(found) for found in hits]
        case Page(url, title, text):
            source = {"type": "text", "media_type": "text/plain", "data": text or ""}
            document = {"type": "document", "source": source, "title": title, "citations": None}
            return "web_fetch", {"type": "web_fetch_result", "url": url, "content": document, "retrieved_at": None}
        case _:
            return None


def _hit(found: Hit) -> dict[str, Any]:
    return {
        "type": "web_search_result", "url": found.url, "title": found.title or found.url, "encrypted_content": MARK,
        "page_age": found.age,
    }


def report_foreign(part: ToolCall | ToolResult, block: dict[str, Any] | None, ledger: Ledger) -> None:
    """What crossed, or did not."""
    path, name = part.at or "content", part.name or "tool_result"
    if block is None:
        ledger.drop(path, name, "tools", "run by another provider")
    elif not is_marked(part.id if isinstance(part, ToolCall) else part.call_id):
        ledger.approximate(path, name, "tools", "run by another provider: without the state Anthropic would give it")
