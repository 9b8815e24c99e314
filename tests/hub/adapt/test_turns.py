"""The shape of the conversation: system text, alternation, blanks, first and last turn."""

from typing import Any

import pytest

from llm_api_converter.hub.messages import (
    Message,
    ToolCall,
    ToolResult,
)
from llm_api_converter.hub.request import (
    Request,
)

from .case import Reports, run, said, turns


def test_late_system_text_becomes_user_text() -> None:
    request = Request("m", turns(("system", "be nice"), ("user", "hi"), ("system", "now be quick"), ("assistant", "ok"), ("user", "go")))
    adapted, reports = run(request, system_inline=False, roles_alternate=True)
    assert said(adapted.request) == [("system", ["be nice"]), ("user", ["hi", "now be quick"]), ("assistant", ["ok"]), ("user", ["go"])]
    assert reports == [("messages[2]", "system_inline", "approximated")]


def test_turns_alternate_with_results_first() -> None:
    calls = ("assistant", ToolCall("a", "look"), ToolCall("b", "look"))
    request = Request("m", turns(("user", "hi"), calls, ("user", ToolResult("a")), ("user", ToolResult("b"), "and?"), ("user", "well?")))
    adapted, reports = run(request, roles_alternate=True)
    kinds = [[type(part).__name__ for part in message.parts] for message in adapted.request.messages]
    assert kinds == [["Text"], ["ToolCall", "ToolCall"], ["ToolResult", "ToolResult", "Text", "Text"]]
    assert reports == []


TURNS: list[tuple[str, dict[str, Any], tuple[Message, ...], list[tuple[str, list[str]]], Reports]] = [
    (
        "assistant first",
        {"first_role_user": True},
        turns(("assistant", "hello"), ("user", "hi")),
        [("user", ["."]), ("assistant", ["hello"]), ("user", ["hi"])],
        [("messages[0]", "first_turn", "repaired")],
    ),
    (
        "system text only",
        {"first_role_user": True},
        turns(("system", "write a poem")),
        [("system", ["write a poem"]), ("user", ["."])],
        [("messages", "first_turn", "repaired")],
    ),
    (
        "prefill",
        {"prefill": False},
        turns(("user", "hi"), ("assistant", "I")),
        [("user", ["hi"]), ("assistant", ["I"]), ("user", ["Continue."])],
        [("messages[1]", "prefill", "approximated")],
    ),
    (
        "blank text",
        {"blank_text": False},
        turns(("user", "hi"), ("assistant", " "), ("user", "\n", "so")),
        [("user", ["hi"]), ("assistant", ["."]), ("user", ["so"])],
        [
            ("messages[1].content[0]", "blank_text", "repaired"),
            ("messages[2].content[0]", "blank_text", "repaired"),
            ("messages[1]", "empty_message", "repaired"),
        ],
    ),
    (
        "an empty end",
        {"blank_text": False},
        (*turns(("user", "hi")), Message("assistant", (), at="messages[1]")),
        [("user", ["hi"])],
        [("messages[1]", "empty_message", "repaired")],
    ),
]


@pytest.mark.parametrize(("facts", "messages", "want", "reports"), [x[1:] for x in TURNS], ids=[x[0] for x in TURNS])
def test_turns(facts: dict[str, Any], messages: tuple[Message, ...], want: list[Any], reports: Reports) -> None:
    assert run(Request("m", messages))[1] == []
    adapted, found = run(Request("m", messages), **facts)
    assert said(adapted.request) == want
    assert found == reports
