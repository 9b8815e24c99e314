"""History repair: tables of a broken conversation, the mended one, and what is reported."""

import pytest

from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Message, Part, Text, ToolCall, ToolResult
from llm_api_converter.hub.request import Request


def conversation(*turns: tuple[str, ...]) -> Request:
    """`("user", "hi")`, `("assistant", "call:a")`, `("user", "result:a=42")`; `name:provider` calls are left to the provider."""
    messages = []
    for index, (role, *said) in enumerate(turns):
        parts = tuple(part(word, f"messages[{index}].content[{at}]") for at, word in enumerate(said))
        messages.append(Message(role, parts, at=f"messages[{index}]"))  # type: ignore[arg-type]
    return Request("m", tuple(messages))


def part(word: str, at: str) -> Part:
    kind, _, rest = word.partition(":")
    if kind == "call":
        return ToolCall(rest, "look", at=at)
    if kind == "result":
        call_id, _, text = rest.partition("=")
        return ToolResult(call_id, (Text(text, at=at),), at=at)
    return Text(word, at=at)


def shown(request: Request) -> list[tuple[str, ...]]:
    return [(message.role, *(map(word, message.parts))) for message in request.messages]


def word(part: Part) -> str:
    if isinstance(part, ToolCall):
        return f"call:{part.id}"
    if isinstance(part, ToolResult):
        error = "!" if part.is_error else "="
        return f"result:{part.call_id}{error}" + "".join(x.text for x in part.parts if isinstance(x, Text))
    assert isinstance(part, Text)
    return part.text


LOST = "The call was interrupted: there is no result."

WHOLE = [
    [("user", "hi"), ("assistant", "hello"), ("user", "bye")],
    [("user", "hi"), ("assistant", "call:a", "call:b"), ("user", "result:a=1", "result:b=2")],
    [("user", "hi"), ("assistant", "call:a", "call:b"), ("user", "result:a=1"), ("user", "result:b=2"), ("user", "go on")],
    [("user", "hi"), ("assistant", "call:a"), ("assistant", "call:b"), ("user", "result:b=1"), ("user", "result:a=2", "and?")],
    [("assistant", "call:a", "text after"), ("user", "result:a=1"), ("assistant", "call:b"), ("user", "result:b=1")],
]

BROKEN = [
    # name, the conversation, the mended one, (path, feature) of the reports
    (
        "a call without a result, the user goes on",
        [("user", "hi"), ("assistant", "call:a"), ("user", "never mind")],
        [("user", "hi"), ("assistant", "call:a"), ("user", f"result:a!{LOST}"), ("user", "never mind")],
        [("messages[1].content[0]", "unanswered_tool_call")],
    ),
    (
        "a call at the very end",
        [("user", "hi"), ("assistant", "call:a")],
        [("user", "hi"), ("assistant", "call:a"), ("user", f"result:a!{LOST}")],
        [("messages[1].content[0]", "unanswered_tool_call")],
    ),
    (
        "one of two calls answered",
        [("assistant", "call:a", "call:b"), ("user", "result:b=2", "so?")],
        [("assistant", "call:a", "call:b"), ("user", "result:b=2"), ("user", f"result:a!{LOST}"), ("user", "so?")],
        [("messages[0].content[0]", "unanswered_tool_call")],
    ),
    (
        "a result nobody asked for",
        [("user", "hi"), ("user", "result:x=42"), ("assistant", "ok")],
        [("user", "hi"), ("user", "[Result of a tool call]\n42"), ("assistant", "ok")],
        [("messages[1].content[0]", "orphan_tool_result")],
    ),
    (
        "the result behind the text",
        [("assistant", "call:a"), ("user", "look:", "result:a=1")],
        [("assistant", "call:a"), ("user", "result:a=1", "look:")],
        [("messages[1].content[1]", "tool_result_order")],
    ),
    (
        "system text between call and result",
        [("assistant", "call:a"), ("system", "be quick"), ("user", "result:a=1")],
        [("assistant", "call:a"), ("user", "result:a=1"), ("system", "be quick")],
        [("messages[2].content[0]", "tool_result_order")],
    ),
    (
        "a result that came after more turns",
        [("assistant", "call:a"), ("user", "well?"), ("assistant", "soon"), ("user", "result:a=1", "there")],
        [("assistant", "call:a"), ("user", "result:a=1"), ("user", "well?"), ("assistant", "soon"), ("user", "there")],
        [("messages[3].content[0]", "tool_result_order")],
    ),
    (
        "the same result twice",
        [("assistant", "call:a"), ("user", "result:a=1"), ("user", "result:a=1", "so")],
        [("assistant", "call:a"), ("user", "result:a=1"), ("user", "so")],
        [("messages[2].content[0]", "duplicate_tool_result")],
    ),
    (
        "a second, different result",
        [("assistant", "call:a"), ("user", "result:a=1"), ("user", "result:a=2")],
        [("assistant", "call:a"), ("user", "result:a=1"), ("user", "[Result of a tool call]\n2")],
        [("messages[2].content[0]", "orphan_tool_result")],
    ),
    (
        "the same call twice",
        [("assistant", "call:a", "call:a"), ("user", "result:a=1")],
        [("assistant", "call:a"), ("user", "result:a=1")],
        [("messages[0].content[1]", "duplicate_tool_call")],
    ),
    (
        "an id used again by a later call",
        [("assistant", "call:a"), ("user", "result:a=1"), ("assistant", "call:a"), ("user", "result:a=2")],
        [("assistant", "call:a"), ("user", "result:a=1"), ("assistant", "call:a_2"), ("user", "result:a_2=2")],
        [],
    ),
    (
        "a result in the assistant's own message",
        [("user", "hi"), ("assistant", "call:a", "result:a=1", "done")],
        [("user", "hi"), ("assistant", "call:a"), ("user", "result:a=1"), ("assistant", "done")],
        [],
    ),
]


@pytest.mark.parametrize("turns", WHOLE)
def test_a_whole_history_stays_the_same_object(turns: list[tuple[str, ...]]) -> None:
    request, ledger = conversation(*turns), Ledger()
    assert adapt(request, Facts(), ledger).request is request
    assert ledger.losses == []


@pytest.mark.parametrize(("turns", "mended", "reports"), [x[1:] for x in BROKEN], ids=[x[0] for x in BROKEN])
def test_a_broken_history_is_mended(
    turns: list[tuple[str, ...]], mended: list[tuple[str, ...]], reports: list[tuple[str, str]]
) -> None:
    ledger = Ledger()
    request = adapt(conversation(*turns), Facts(), ledger).request
    assert shown(request) == mended
    assert [(loss.path, loss.feature) for loss in ledger.losses] == reports
    assert all(loss.action == "repaired" for loss in ledger.losses)
    again = Ledger()
    assert adapt(request, Facts(), again).request is request
    assert again.losses == []


def test_results_follow_the_order_of_the_calls_where_that_is_demanded() -> None:
    request = conversation(("assistant", "call:a", "call:b"), ("user", "result:b=2"), ("user", "result:a=1"), ("user", "so?"))
    assert adapt(request, Facts(), Ledger()).request is request
    ledger = Ledger()
    ordered = adapt(request, Facts(results_in_call_order=True), ledger).request
    assert shown(ordered) == [("assistant", "call:a", "call:b"), ("user", "result:a=1", "result:b=2"), ("user", "so?")]
    assert ledger.losses == []


def test_provider_run_calls_are_left_alone() -> None:
    call = ToolCall("s1", "web_search", runs="provider", at="messages[0].content[0]")
    result = ToolResult("s1", (), runs="provider", at="messages[0].content[1]")
    lone = ToolCall("s2", "web_search", runs="provider", at="messages[0].content[2]")
    request = Request("m", (Message("assistant", (call, result, lone)), Message("user", (Text("thanks"),))))
    ledger = Ledger()
    assert adapt(request, Facts(), ledger).request is request
    assert ledger.losses == []
