"""Reasoning asked for, and reasoning in history."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_api_converter.hub.adapt import adapt, strip_state
from llm_api_converter.hub.adapt.reasoning import BUDGETS
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    Message,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from llm_api_converter.hub.request import (
    ReasoningAsk,
    Request,
)

from .case import FOREIGN, HELLO, SIGNED, Reports, run, turns

# ---------------------------------------------------------------- reasoning asked for

ASKS: list[tuple[str, dict[str, Any], ReasoningAsk, ReasoningAsk | None, Reports]] = [
    ("silence", {"reasoning_input": "budget"}, ReasoningAsk(show="full"), ReasoningAsk(show="full"), []),
    ("a known word", {"reasoning_levels": ("low", "high")}, ReasoningAsk(effort="low"), ReasoningAsk("on", "low"), []),
    (
        "the nearest word, ties towards high",
        {"reasoning_levels": ("low", "high", "max")},
        ReasoningAsk(effort="xhigh"),
        ReasoningAsk("on", "high"),
        [("reasoning.effort", "reasoning_effort", "approximated")],
    ),
    (
        "the least that thinks, never none",
        {"reasoning_levels": ("none", "low")},
        ReasoningAsk(effort="minimal"),
        ReasoningAsk("on", "low"),
        [("reasoning.effort", "reasoning_effort", "approximated")],
    ),
    (
        "a budget as a word",
        {},
        ReasoningAsk("on", budget_tokens=31999),
        ReasoningAsk("on", "high"),
        [("reasoning.budget_tokens", "reasoning_budget", "approximated")],
    ),
    (
        "a word as a budget",
        {"reasoning_input": "budget"},
        ReasoningAsk(effort="medium"),
        ReasoningAsk("on", budget_tokens=8192),
        [("reasoning.effort", "reasoning_effort", "approximated")],
    ),
    ("a budget that fits", {"reasoning_input": "budget"}, ReasoningAsk("on", budget_tokens=2000), ReasoningAsk("on", budget_tokens=2000), []),
    (
        "a budget above the model's",
        {"reasoning_input": "budget", "reasoning_budget_max": 24576},
        ReasoningAsk("on", budget_tokens=32000),
        ReasoningAsk("on", budget_tokens=24576),
        [("reasoning.budget_tokens", "reasoning_budget", "approximated")],
    ),
    ("adaptive stays", {"reasoning_input": "adaptive"}, ReasoningAsk("adaptive", "high"), ReasoningAsk("adaptive", "high"), []),
    ("adaptive is on elsewhere", {"reasoning_input": "budget"}, ReasoningAsk("adaptive"), ReasoningAsk("on", budget_tokens=8192), []),
    (
        "a toggle",
        {"reasoning_input": "toggle"},
        ReasoningAsk(effort="high"),
        ReasoningAsk("on"),
        [("reasoning.effort", "reasoning", "approximated")],
    ),
    ("off", {}, ReasoningAsk("off"), ReasoningAsk("off", "none"), []),
    ("none is off", {"reasoning_input": "budget"}, ReasoningAsk(effort="none"), ReasoningAsk("off"), []),
    (
        "off where it cannot be",
        {"reasoning_can_disable": False, "reasoning_default_on": True, "reasoning_levels": ("low", "high")},
        ReasoningAsk("off"),
        ReasoningAsk("on", "low"),
        [("reasoning.mode", "reasoning", "approximated")],
    ),
    ("off is no loss where nothing thinks", {"reasoning_input": "none"}, ReasoningAsk("off"), None, []),
    ("on is one", {"reasoning_input": "none"}, ReasoningAsk("on", "high"), None, [("reasoning.effort", "reasoning", "dropped")]),
]


@pytest.mark.parametrize(("facts", "ask", "want", "reports"), [x[1:] for x in ASKS], ids=[x[0] for x in ASKS])
def test_reasoning_ask(facts: dict[str, Any], ask: ReasoningAsk, want: ReasoningAsk | None, reports: Reports) -> None:
    adapted, found = run(Request("m", HELLO, reasoning=ask), **facts)
    assert adapted.request.reasoning == want
    assert found == reports


@pytest.mark.parametrize(
    ("max_tokens", "budget", "sent_max", "sent_budget", "features"),
    [
        (64000, 31999, 64000, 31999, []),
        (8000, 32000, 8000, 4000, ["reasoning_budget"]),
        (1000, 2000, 2024, 1024, ["max_tokens", "reasoning_budget"]),
        (5000, 200, 5000, 1024, ["reasoning_budget"]),
    ],
)
def test_budget_below_max_tokens(max_tokens: int, budget: int, sent_max: int, sent_budget: int, features: list[str]) -> None:
    request = Request("m", HELLO, max_tokens=max_tokens, reasoning=ReasoningAsk("on", budget_tokens=budget))
    adapted, reports = run(request, reasoning_input="budget", reasoning_budget_min=1024)
    assert adapted.request.reasoning == ReasoningAsk("on", budget_tokens=sent_budget)
    assert adapted.request.max_tokens == sent_max
    assert [feature for _, feature, _ in reports] == features


# ---------------------------------------------------------------- state in history


def loop(*thoughts: Part) -> Request:
    return Request("m", turns(("user", "hi"), ("assistant", *thoughts, ToolCall("a", "look")), ("user", ToolResult("a", (Text("1"),)))))  # type: ignore[arg-type]


STATES: list[tuple[str, dict[str, Any], Part, bool, Reports]] = [
    ("an accepted token", {"accepts_realms": ("mine",)}, Reasoning("t", tokens=SIGNED), True, []),
    ("a foreign one", {"accepts_realms": ("mine",)}, Reasoning("t", tokens=FOREIGN), False, [("messages[1].content[0]", "thinking", "dropped")]),
    ("none at all", {}, Reasoning("t"), False, [("messages[1].content[0]", "thinking", "dropped")]),
    (
        "unsigned where that is legal",
        {"reasoning_unsigned": True, "sends_reasoning_back": "tool_turns"},
        Reasoning("t", tokens=FOREIGN),
        True,
        [("messages[1].content[0]", "thinking_signature", "dropped")],
    ),
    (
        "redacted and foreign",
        {"reasoning_unsigned": True, "sends_reasoning_back": "always"},
        Reasoning("", redacted=True, tokens=(Opaque("theirs", "redacted", "x"),)),
        False,
        [("messages[1].content[0]", "redacted_thinking", "dropped")],
    ),
]


@pytest.mark.parametrize(("facts", "thought", "stays", "reports"), [x[1:] for x in STATES], ids=[x[0] for x in STATES])
def test_reasoning_in_history(facts: dict[str, Any], thought: Part, stays: bool, reports: Reports) -> None:
    adapted, found = run(loop(thought), **facts)
    assert any(isinstance(part, Reasoning) for part in adapted.request.messages[1].parts) == stays
    assert found == reports


def test_unsigned_reasoning_of_plain_turns_is_not_sent_back() -> None:
    request = Request("m", turns(("user", "hi"), ("assistant", Reasoning("t"), "yes"), ("user", "and?")))
    for back, count in (("never", 1), ("tool_turns", 1), ("always", 0)):
        adapted, reports = run(request, reasoning_unsigned=True, sends_reasoning_back=back)
        assert [feature for _, feature, _ in reports] == ["thinking"] * count
        assert len(adapted.request.messages[1].parts) == 2 - count


def test_the_targets_own_protocol_is_accepted_when_named() -> None:
    request = loop(Reasoning("t", tokens=(Opaque("wire.here", "signature", "s"),)))
    assert adapt(request, Facts(), Ledger(), "here").request is request
    assert adapt(request, Facts(), Ledger(), "there").request is not request


@pytest.mark.parametrize(
    ("thought", "facts", "off"),
    [
        (Reasoning("t", tokens=SIGNED), {}, False),
        (Reasoning("t", tokens=FOREIGN), {}, True),
        (Text("no thought"), {}, True),
        (Reasoning("t"), {"reasoning_unsigned": True, "sends_reasoning_back": "tool_turns"}, False),
        (Text("no thought"), {"reasoning_can_disable": False}, False),
    ],
)
def test_reasoning_is_off_where_a_tool_turn_lacks_it(thought: Part, facts: dict[str, Any], off: bool) -> None:
    request = replace(loop(thought), reasoning=ReasoningAsk("on", budget_tokens=2000))
    asked: dict[str, Any] = {"reasoning_input": "budget", "accepts_realms": ("mine",), "reasoning_required_on_tool_turns": True, **facts}
    adapted, reports = run(request, **asked)
    assert adapted.request.reasoning is not None
    assert (adapted.request.reasoning.mode == "off") == off
    assert (("reasoning.budget_tokens", "reasoning", "approximated") in reports) == off
    if "reasoning_unsigned" not in facts:  # a new question begins a new loop: earlier calls do not matter
        later = replace(request, messages=(*request.messages, *turns(("assistant", "done"), ("user", "next"))))
        assert run(later, **asked)[0].request.reasoning == ReasoningAsk("on", budget_tokens=2000)


def test_strip_state_removes_tokens_and_their_reasoning() -> None:
    parts = (Reasoning("t", tokens=SIGNED, at="r"), Reasoning("open", at="o"), ToolCall("a", "look", tokens=SIGNED, at="c"))
    ledger = Ledger()
    stripped = strip_state(Request("m", (Message("assistant", parts),)), ledger)
    assert stripped.messages[0].parts == (Reasoning("open", at="o"), ToolCall("a", "look", at="c"))
    assert [(x.path, x.feature, x.loss_class) for x in ledger.losses] == [("r", "thinking_signature", "state"), ("c", "thought_signature", "state")]
    assert strip_state(stripped, Ledger()) is stripped


@pytest.mark.parametrize(
    ("bound", "issued_to", "kept"),
    [(True, "here", True), (True, "elsewhere", False), (True, "", True), (False, "elsewhere", True)],
)
def test_state_of_another_credential_goes_where_it_is_bound_to_one(bound: bool, issued_to: str, kept: bool) -> None:
    state = Opaque("mine", "encrypted", "s", scope=issued_to)
    call = ToolCall("c1", "get", "{}", tokens=(state,))
    request = Request("m", messages=(*HELLO, *turns(("assistant", Reasoning("t", tokens=(state,)), call), ("user", ToolResult("c1", parts=())))))
    ledger = Ledger()
    facts = Facts(accepts_realms=("mine",), sends_reasoning_back="always", state_bound_to_credential=bound)
    parts = adapt(request, facts, ledger, scope="here").request.messages[1].parts
    assert [part.tokens for part in parts if isinstance(part, Reasoning | ToolCall)] == ([(state,), (state,)] if kept else [()])
    assert [(loss.path, loss.feature, loss.loss_class) for loss in ledger.losses] == ([] if kept else [
        ("messages[0].content[0]", "thinking", "state"), ("messages[0].content[1]", "thought_signature", "state"),
    ])  # fmt: skip


@given(st.integers(min_value=1, max_value=200_000), st.sampled_from([0, 128, 1024]), st.sampled_from([None, 24576]))
def test_more_effort_never_becomes_fewer_tokens(max_tokens: int, least: int, most: int | None) -> None:
    facts = Facts(reasoning_input="budget", reasoning_budget_min=least, reasoning_budget_max=most)
    asked = [Request(model="m", messages=HELLO, max_tokens=max_tokens, reasoning=ReasoningAsk(effort=word)) for word in BUDGETS]
    fitted = [adapt(request, facts, Ledger(), "x").request for request in asked]
    budgets = [request.reasoning.budget_tokens for request in fitted if request.reasoning is not None]
    assert budgets == sorted(budgets)
    assert all(budget < (request.max_tokens or 0) for budget, request in zip(budgets, fitted, strict=True) if budget is not None)
