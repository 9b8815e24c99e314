"""Marks for conversations whose client set none."""

from typing import Any

import pytest
from msgspec.structs import replace

from llm_api_converter.hub.messages import CacheMark, Message, Reasoning, Text, ToolCall, ToolResult
from llm_api_converter.hub.request import ProviderTool, Request, Tool

from .case import run, turns

NEEDS = {"cache_marks": 4, "cache_needs_marks": True, "custom_tools": True, "deferred_tools": True}
SYSTEM = Message("system", (Text("be brief", at="system[0]"), Text("and kind", at="system[1]")), at="system")
ASKED = ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "e")
TOOLS = (Tool("a", at="tools[0]"), Tool("b", at="tools[1]"))


def marked(request: Request, **facts: Any) -> tuple[list[str], list[Any]]:
    """Where marks stand in what is sent; what was reported."""
    adapted, reports = run(request, **{**NEEDS, **facts})
    found = [tool.at for tool in adapted.request.tools if tool.cache is not None]
    found += [part.at for message in adapted.request.messages for part in message.parts if getattr(part, "cache", None) is not None]
    return found, reports


M, LAST, BEFORE = "messages[{}].content[0]", "messages[4].content[0]", "messages[2].content[0]"
CASES: list[tuple[str, Request, dict[str, Any], list[str]]] = [
    ("tools, system, the last two turns", Request("m", (SYSTEM, *turns(*ASKED)), TOOLS), {}, ["tools[1]", "system[1]", BEFORE, LAST]),
    ("no tools", Request("m", (SYSTEM, *turns(*ASKED))), {}, ["system[1]", BEFORE, LAST]),
    ("the first turn of an agent", Request("m", (SYSTEM, *turns(ASKED[0])), TOOLS), {}, ["tools[1]", "system[1]", M.format(0)]),
    ("a single question", Request("m", (SYSTEM, *turns(ASKED[0]))), {}, []),
    ("fewer marks: the worthiest", Request("m", (SYSTEM, *turns(*ASKED)), TOOLS), {"cache_marks": 2}, ["system[1]", LAST]),
    ("a target without marks", Request("m", (SYSTEM, *turns(*ASKED)), TOOLS), {"cache_marks": 0}, []),
    ("a target that caches by itself", Request("m", (SYSTEM, *turns(*ASKED)), TOOLS), {"cache_needs_marks": False}, []),
    (
        "a deferred tool is not in the prompt", Request("m", turns(*ASKED), (*TOOLS, Tool("c", deferred=True, at="tools[2]"))), {},
        ["tools[1]", BEFORE, LAST],
    ),
    (
        "results of calls end a turn",
        Request("m", turns(("user", "a"), ("assistant", ToolCall("c1", "a")), ("user", ToolResult("c1", (Text("ok"),)))), TOOLS), {},
        ["tools[1]", "messages[0].content[0]", "messages[2].content[0]"],
    ),
    (
        "white space takes no mark", Request("m", turns(("user", "a"), ("assistant", "b"), ("user", Text("c"), Text(" "))), TOOLS), {"blank_text": True},
        ["tools[1]", "messages[0].content[0]", "messages[2].content[0]"],
    ),
    ("the client's own", Request("m", (SYSTEM, *turns(*ASKED[:4], ("user", Text("e", cache=CacheMark(3600))))), TOOLS), {"cache_ttls_s": (300, 3600)}, [LAST]),
    ("the client's own on a tool", Request("m", turns(*ASKED), (replace(TOOLS[0], cache=CacheMark()), TOOLS[1])), {}, ["tools[0]"]),
    ("the client's own on the whole", Request("m", turns(*ASKED), TOOLS, cache=CacheMark()), {}, []),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "facts", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_where_marks_are_put(request_: Request, facts: dict[str, Any], expected: list[str]) -> None:
    found, reports = marked(request_, **facts)
    assert (found, reports) == (expected, [])


def test_what_was_cached_is_found_again() -> None:
    """The end of one request is marked in the next, too, however many calls stand between."""
    start = turns(("user", "a"), ("assistant", ToolCall("c0", "a")), ("user", ToolResult("c0", (Text("ok"),))))
    last, _ = marked(Request("m", start, TOOLS))
    calls = tuple(ToolCall(f"x{i}", "a", at=f"messages[3].content[{i}]") for i in range(30))
    results = tuple(ToolResult(f"x{i}", (Text("ok"),), at=f"messages[4].content[{i}]") for i in range(30))
    after = (*start, Message("assistant", calls, at="messages[3]"), Message("user", results, at="messages[4]"))
    now, _ = marked(Request("m", after, TOOLS))
    assert last[-1] in now
    assert now[-1] == "messages[4].content[29]"


def test_a_vendors_own_tool_takes_one_and_thinking_none() -> None:
    own = ProviderTool("web_search", "anthropic", {"type": "web_search_20250305", "name": "web_search"}, at="tools[0]")
    adapted, _ = run(Request("m", turns(("user", "a"), ("assistant", Reasoning("t")), ("user", "b")), (own,)), **NEEDS, provider_tools={"web_search": {}})
    assert all(getattr(part, "cache", None) is None for message in adapted.request.messages for part in message.parts if isinstance(part, Reasoning))
    assert [tool.cache for tool in adapted.request.tools] == [CacheMark()]
