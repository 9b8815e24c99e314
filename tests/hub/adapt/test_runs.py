"""What the provider of another protocol ran, in the history: told in words, never an orphan, never sent as the target's own."""

from typing import Any

from llm_api_converter.hub.adapt import Adapted, adapt
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import CacheMark, Found, Hit, Ran, Text, ToolCall, ToolResult
from llm_api_converter.hub.request import Request

from .case import said, turns

OWN: dict[str, Any] = {"extras": {"~beta": {"item": {}}}}
SEARCH = ToolCall("s", "web_search", '{"query":"q"}', "provider", **OWN)
FOUND = ToolResult("s", (), "web_search", runs="provider", outcome=Found((Hit("https://x", "X"),)), **OWN)
CODE = ToolCall("c", "code_execution", '{"code":"1"}', "provider", **OWN)
PRINTED = ToolResult("c", (), "code_execution", runs="provider", outcome=Ran("1"), **OWN)
WORDS = "[Searched: q]\n[Found:]\n- X: https://x"


def fitted(request: Request, protocol: str, **facts: Any) -> tuple[Adapted, list[tuple[str, str, str, str]]]:
    ledger = Ledger()
    adapted = adapt(request, Facts(**facts), ledger, protocol)
    return adapted, [(loss.path, loss.feature, loss.action, loss.loss_class) for loss in ledger.losses]


def test_a_search_and_what_it_found_are_one_text() -> None:
    request = Request("m", turns(("user", "hi"), ("assistant", SEARCH, FOUND), ("user", "more")))
    adapted, reports = fitted(request, "alpha")
    assert said(adapted.request)[1] == ("assistant", [WORDS])
    assert adapted.request.messages[1].parts == (Text(WORDS, at="messages[1].content[0]"),)
    assert reports == [
        ("messages[1].content[0]", "web_search", "approximated", "tools"), ("messages[1].content[1]", "web_search", "approximated", "tools"),
    ]  # fmt: skip


def test_the_targets_own_and_what_it_takes_stay() -> None:
    request = Request("m", turns(("user", "hi"), ("assistant", CODE, PRINTED), ("user", "more")))
    for protocol, facts in (("beta", {}), ("alpha", {"foreign_runs": ("code_execution",)}), ("", {})):
        adapted, reports = fitted(request, protocol, **facts)
        assert adapted.request.messages == request.messages
        assert reports == []


def test_a_result_alone_and_a_call_alone_are_told_too() -> None:
    request = Request("m", turns(("user", "hi"), ("assistant", FOUND), ("user", "and"), ("assistant", CODE), ("user", "more")))
    adapted, reports = fitted(request, "alpha")
    assert said(adapted.request)[1] == ("assistant", ["[Found:]\n- X: https://x"])
    assert said(adapted.request)[3] == ("assistant", ["[Ran this code:]\n```\n1\n```"])
    assert [path for path, *_ in reports] == ["messages[1].content[0]", "messages[3].content[0]"]


def test_a_search_for_tools_is_dropped_and_a_turn_of_nothing_else_goes() -> None:
    search = ToolCall("t", "tool_search", '{"query":"weather"}', "provider", **OWN)
    result = ToolResult("t", (Text("[]"),), "tool_search", json=True, runs="provider", **OWN)
    request = Request("m", turns(("user", "hi"), ("assistant", search, result), ("user", "more")))
    adapted, reports = fitted(request, "alpha")
    assert [message.role for message in adapted.request.messages] == ["user", "user"]
    assert [(action, loss_class) for _, _, action, loss_class in reports] == [("dropped", "tools")] * 2


def test_a_cache_mark_stays_on_the_text() -> None:
    marked = ToolCall("s", "web_search", '{"query":"q"}', "provider", cache=CacheMark(), **OWN)
    request = Request("m", turns(("user", "hi"), ("assistant", marked), ("user", "more")))
    adapted, _ = fitted(request, "alpha", cache_marks=4)
    assert adapted.request.messages[1].parts == (Text("[Searched: q]", cache=CacheMark(), at="messages[1].content[0]"),)


def test_a_provider_run_call_has_nothing_to_do_with_a_target_without_tools() -> None:
    request = Request("m", turns(("user", "hi"), ("assistant", SEARCH, FOUND), ("user", "more")))
    adapted, _ = fitted(request, "alpha", accepts_tools=False)
    assert said(adapted.request)[1] == ("assistant", [WORDS])
