"""Tools, their names and ids, and the choice among them."""

import json
import re
from typing import Any

import pytest

from llm_api_converter.hub.adapt import Adapted, ToolName, adapt
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
)
from llm_api_converter.hub.request import (
    ProviderTool,
    Request,
    Tool,
    ToolChoice,
)

from .case import HELLO, run, said, turns


def test_a_target_without_tools() -> None:
    messages = turns(("user", "hi"), ("assistant", ToolCall("a", "look", '{"x": 1}')), ("user", ToolResult("a", (Text("42"),), name="look")))
    request = Request("m", messages, tools=(Tool("look", at="tools[0]"),), tool_choice=ToolChoice("any"), parallel_tools=True)
    adapted, reports = run(request, accepts_tools=False)
    assert said(adapted.request)[1:] == [("assistant", ['[Called tool look with {"x": 1}]']), ("user", ["[Result of tool look]\n42"])]
    assert (adapted.request.tools, adapted.request.tool_choice, adapted.request.parallel_tools) == ((), None, None)
    assert reports == [
        ("tools[0]", "tools", "dropped"),
        ("tool_choice", "tool_choice", "dropped"),
        ("messages[1].content[0]", "tool_call", "approximated"),
        ("messages[2].content[0]", "tool_result", "approximated"),
    ]


def test_too_many_tools_are_refused_with_the_number() -> None:
    tools = tuple(Tool(f"t{i}", at=f"tools[{i}]") for i in range(5))
    with pytest.raises(ApiError, match="5 tools are declared and the model takes 3") as error:
        run(Request("m", HELLO, tools=tools), max_tools=3)
    assert (error.value.kind, error.value.path) == ("invalid", "tools")


def test_deferred_tools_of_a_client_that_searches() -> None:
    tools = (
        Tool("Placeholder", deferred=True, at="tools[0]"), Tool("ToolSearch", at="tools[1]"), Tool("WebFetch", deferred=True, at="tools[2]"),
    )
    searched = ToolResult("a", (ToolReference("WebFetch", at="r"), Text("Tool loaded.")))
    adapted, reports = run(Request("m", turns(("assistant", ToolCall("a", "ToolSearch")), ("user", searched)), tools=tools))
    assert [tool.name for tool in adapted.request.tools] == ["ToolSearch", "WebFetch"]
    result = adapted.request.messages[1].parts[0]
    assert isinstance(result, ToolResult)
    assert [part.text for part in result.parts if isinstance(part, Text)] == ["Tool loaded: WebFetch", "Tool loaded."]
    assert reports == [
        ("r", "tool_reference", "approximated"),
        ("tools[0]", "defer_loading", "emulated"),
        ("tools[2].defer_loading", "defer_loading", "emulated"),
    ]


def test_deferred_tools_of_a_provider_that_searches_are_declared() -> None:
    tools = (ProviderTool("tool_search", "p", {}, at="tools[0]"), Tool("a", deferred=True, at="tools[1]"))
    adapted, reports = run(Request("m", HELLO, tools=tools))
    assert adapted.request.tools[1] == Tool("a", at="tools[1]")
    assert reports == [("tools[1].defer_loading", "defer_loading", "emulated")]
    request = Request("m", HELLO, tools=tools)
    assert run(request, deferred_tools=True) == (Adapted(request), [])


def test_custom_tools_and_namespaces_become_functions_and_come_back() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: A"}
    tools = (
        Tool("patch", "edits files", custom=True, format=grammar, at="tools[0]"),
        Tool("exec", "runs", namespace="shell", namespace_description="A shell.", at="tools[1].tools[0]"),
    )
    history = turns(
        ("assistant", ToolCall("a", "patch", "*** Begin\n", custom=True), ToolCall("b", "exec", namespace="shell")),
        ("user", ToolResult("a", custom=True, name="patch"), ToolResult("b", name="exec")),
    )
    adapted, reports = run(Request("m", history, tools=tools, tool_choice=ToolChoice("one", "exec")))
    patch, shell = adapted.request.tools
    assert isinstance(patch, Tool)
    assert isinstance(shell, Tool)
    assert patch.schema is not None
    assert "lark grammar:\nstart: A" in patch.schema["properties"]["input"]["description"]
    assert (patch.custom, patch.format, shell.name, shell.namespace, shell.description) == (False, None, "shell__exec", None, "runs\n\nA shell.")
    call, second = adapted.request.messages[0].parts
    assert isinstance(call, ToolCall)
    assert json.loads(call.arguments) == {"input": "*** Begin\n"}
    assert second == ToolCall("b", "shell__exec", at="messages[0].content[1]")
    assert [part.name for part in adapted.request.messages[1].parts if isinstance(part, ToolResult)] == ["patch", "shell__exec"]
    assert adapted.request.tool_choice == ToolChoice("one", "shell__exec")
    assert adapted.names == {"patch": ToolName("patch", custom=True), "shell__exec": ToolName("exec", namespace="shell")}
    assert reports == [("tools[0]", "custom_tool", "emulated")]
    request = Request("m", history, tools=tools)
    assert run(request, custom_tools=True, namespaces=True) == (Adapted(request), [])


def test_names_are_mapped_without_collisions_and_everywhere() -> None:
    names = ["look up", "look_up", "look.up", "y" * 70, "y" * 71, "1st", "fine"]
    tools = tuple(Tool(name, at=f"tools[{i}]") for i, name in enumerate(names))
    history = turns(("assistant", ToolCall("a", "look.up")), ("user", ToolResult("a", name="look.up")))
    adapted, reports = run(Request("m", history, tools=tools, tool_choice=ToolChoice("one", "look up")))
    sent = [tool.name for tool in adapted.request.tools if isinstance(tool, Tool)]
    assert len(set(sent)) == len(names)
    assert (sent[1], sent[5], sent[6]) == ("look_up", "1st", "fine")
    assert all(len(name) <= 64 and name.replace("_", "").replace("-", "").isalnum() for name in sent)
    assert {name: adapted.names[name].name for name in adapted.names} == {
        new: old for new, old in zip(sent, names, strict=True) if new != old
    }
    call, result = adapted.request.messages[0].parts[0], adapted.request.messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert call.name == result.name == sent[2]
    assert adapted.request.tool_choice == ToolChoice("one", sent[0])
    assert reports == []
    assert run(Request("m", HELLO, tools=tools[::-1]))[0].names == adapted.names, "the map does not depend on the order"


@pytest.mark.parametrize("pattern", ["[a-zA-Z0-9_-]{1,64}", "[a-zA-Z0-9]{9}", "[a-f0-9]{32}"])
def test_ids_fit_on_both_sides(pattern: str) -> None:
    ids = ["toolu_1|fc_2", "x" * 90, "é"]
    history = turns(*((role, kind) for id_ in ids for role, kind in (("assistant", ToolCall(id_, "t")), ("user", ToolResult(id_)))))
    adapted, reports = run(Request("m", history), tool_id_pattern=pattern)
    sent = [part.id for message in adapted.request.messages for part in message.parts if isinstance(part, ToolCall)]
    back = [part.call_id for message in adapted.request.messages for part in message.parts if isinstance(part, ToolResult)]
    assert sent == back
    assert len(set(sent)) == 3
    assert all(re.fullmatch(pattern, id_) for id_ in sent)
    assert reports == []


def test_provider_tools_become_the_targets_own() -> None:
    search = ProviderTool("web_search", "there", {"type": "web_search_1"}, at="tools[0]")
    facts = Facts(provider_tools={"web_search": {"search": {}}})
    ledger = Ledger()
    adapted = adapt(Request("m", HELLO, tools=(search,)), facts, ledger, "here").request
    assert adapted.tools == (ProviderTool("web_search", "here", {"search": {}}, at="tools[0]"),)
    assert [(x.path, x.feature, x.action) for x in ledger.losses] == [("tools[0]", "web_search", "approximated")]
    own = Request("m", HELLO, tools=(search,))
    assert adapt(own, facts, Ledger(), "there").request is own


def test_tools_declared_for_the_sake_of_history() -> None:
    history = turns(("assistant", ToolCall("a", "look"), ToolCall("b", "look")), ("user", ToolResult("a"), ToolResult("b")))
    adapted, reports = run(Request("m", history), tools_required_by_history=True, tool_choice_none=False)
    assert [(tool.name, tool.schema) for tool in adapted.request.tools if isinstance(tool, Tool)] == [("look", {"type": "object"})]
    assert adapted.request.tool_choice is None
    assert reports == [("messages[0].content[0]", "tools", "emulated")]
    assert run(Request("m", history), tools_required_by_history=True)[0].request.tool_choice == ToolChoice("none")


CHOICES: list[tuple[str, dict[str, Any], ToolChoice, ToolChoice | None, list[str], str | None]] = [
    # name, facts, the client's choice, the choice sent, the tools sent, the action reported
    ("auto", {}, ToolChoice("auto"), ToolChoice("auto"), ["a", "b"], None),
    ("none", {}, ToolChoice("none"), ToolChoice("none"), ["a", "b"], None),
    ("none without a word for it", {"tool_choice_none": False}, ToolChoice("none"), None, [], "emulated"),
    ("one", {}, ToolChoice("one", "a"), ToolChoice("one", "a"), ["a", "b"], None),
    ("one as any", {"tool_choice_one": False}, ToolChoice("one", "a"), ToolChoice("any"), ["a", "b"], "approximated"),
    ("any as auto", {"tool_choice_any": False}, ToolChoice("any"), ToolChoice("auto"), ["a", "b"], "approximated"),
    ("an unknown tool", {}, ToolChoice("one", "c"), ToolChoice("auto"), ["a", "b"], "approximated"),
    ("a list", {}, ToolChoice("any", allowed=("b",)), ToolChoice("any"), ["b"], "emulated"),
    (
        "a list where it can be said",
        {"tool_choice_allowed": True},
        ToolChoice("any", allowed=("b",)),
        ToolChoice("any", allowed=("b",)),
        ["a", "b"],
        None,
    ),
    (
        "forced while it always reasons",
        {"forced_choice_with_reasoning": False, "reasoning_default_on": True, "reasoning_can_disable": False},
        ToolChoice("any"),
        ToolChoice("auto"),
        ["a", "b"],
        "approximated",
    ),
    (
        "forced while it reasons unasked",
        {"forced_choice_with_reasoning": False, "reasoning_default_on": True},
        ToolChoice("any"),
        ToolChoice("any"),
        ["a", "b"],
        "approximated",
    ),
]


@pytest.mark.parametrize(("facts", "choice", "want", "tools", "action"), [x[1:] for x in CHOICES], ids=[x[0] for x in CHOICES])
def test_tool_choice(facts: dict[str, Any], choice: ToolChoice, want: ToolChoice | None, tools: list[str], action: str | None) -> None:
    adapted, reports = run(Request("m", HELLO, tools=(Tool("a"), Tool("b")), tool_choice=choice), **facts)
    assert adapted.request.tool_choice == want
    assert [tool.name for tool in adapted.request.tools] == tools
    assert [x for _, _, x in reports] == ([action] if action else [])


def test_parallel_calls_that_cannot_be_turned_off() -> None:
    request = Request("m", HELLO, tools=(Tool("a"),), parallel_tools=False)
    adapted, reports = run(request, parallel_control=False)
    assert adapted.request.parallel_tools is None
    assert reports == [("parallel_tools", "parallel_tool_calls", "dropped")]
    assert run(request)[0].request is request
