"""Pitfalls of reasoning and its signatures (14-21)."""

from typing import Any

from . import replies as say
from .trial import Answer, Trial, Value, case, function, ok, texts, tool, user
from .upstream import Reply

LL = "https://github.com/BerriAI/litellm/issues/"
CLAUDE_SIGNATURE = "EqoBCkgIBRABGAIiQGNsYXVkZSBzaWduYXR1cmUgb2YgdGhlIHBpdGZhbGwgc3VpdGU="
GEMINI_SIGNATURE = "Z2VtaW5pIHRob3VnaHQgc2lnbmF0dXJlIG9mIHRoZSBwaXRmYWxsIHN1aXRl"
ENCRYPTED = "gAAAAABpitfall-encrypted-reasoning-of-the-suite"
BUDGET: Value = {"type": "enabled", "budget_tokens": 1024}


def result_of(answer: Answer) -> list[Value]:
    """The history after an Anthropic answer with a call: the answer as it came, and the call's result."""
    content = answer.json["content"]
    call = next(block for block in content if block["type"] == "tool_use")
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "1"}
    return [user("hi"), {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]


def claude_turn() -> Reply:
    """Claude thinks and calls."""
    return say.message(
        [
            {"type": "thinking", "thinking": "hm", "signature": CLAUDE_SIGNATURE},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}},
        ],
        "tool_use",
    )


def gemini_turn() -> Reply:
    """Gemini thinks and calls."""
    call = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": GEMINI_SIGNATURE}
    return say.plain(say.gemini([{"text": "hm", "thought": True}, call]))


@case(14, "a Chat client's tool turn is legal for a thinking model", LL + "8777", "https://github.com/anomalyco/opencode/issues/3077")
async def thinking_first(t: Trial) -> None:
    t.play(claude_turn())
    tools = [function("f")]
    answer = ok(await t.chat("anthropic", [user("hi")], tools=tools, reasoning_effort="low")).json["choices"][0]["message"]
    for echoed in (answer, {key: answer[key] for key in ("role", "content", "tool_calls")}):
        t.play(say.message([{"type": "text", "text": "ok"}]))
        result = {"role": "tool", "tool_call_id": answer["tool_calls"][0]["id"], "content": "1"}
        ok(await t.chat("anthropic", [user("hi"), echoed, result], tools=tools, reasoning_effort="low"))
        body = t.last()
        first = next(m["content"][0]["type"] for m in body["messages"] if m["role"] == "assistant")
        thinks = (body.get("thinking") or {}).get("type", "disabled") != "disabled"
        assert not thinks or first == "thinking", f"thinking is on, and the assistant's turn begins with {first}"


@case(15, "a signature never goes to another vendor", "https://github.com/router-for-me/CLIProxyAPI/issues/1584")
async def foreign_signature(t: Trial) -> None:
    t.play(gemini_turn())
    history = result_of(ok(await t.messages("gemini", [user("hi")], tools=[tool("f")], thinking=BUDGET)))
    t.play(say.message([{"type": "text", "text": "ok"}]))
    ok(await t.messages("anthropic", history, tools=[tool("f")], thinking=BUDGET))
    signed = [b for m in t.last()["messages"] if isinstance(m["content"], list) for b in m["content"] if b["type"] == "thinking"]
    assert not signed, "a thinking block that Claude never signed is sent to Claude"


@case(16, "Gemini gets its thought signatures back", "https://github.com/diegosouzapw/OmniRoute/pull/9273")
async def thought_signature(t: Trial) -> None:
    t.play(gemini_turn())
    history = result_of(ok(await t.messages("gemini", [user("hi")], tools=[tool("f")], thinking=BUDGET)))
    t.play(say.plain(say.gemini([{"text": "ok"}])))
    ok(await t.messages("gemini", history, tools=[tool("f")], thinking=BUDGET))
    calls = [part for content in t.last()["contents"] for part in content["parts"] if "functionCall" in part]
    found = [part.get("thoughtSignature") or part.get("thought_signature") for part in calls]
    assert found == [GEMINI_SIGNATURE], f"the call's signature is {found}"


@case(17, "Claude's signature is no thought signature", "https://github.com/router-for-me/CLIProxyAPI/pull/994")
async def corrupted_signature(t: Trial) -> None:
    t.play(claude_turn())
    history = result_of(ok(await t.messages("anthropic", [user("hi")], tools=[tool("f")], thinking=BUDGET)))
    t.play(say.plain(say.gemini([{"text": "ok"}])))
    ok(await t.messages("gemini", history, tools=[tool("f")], thinking=BUDGET))
    assert CLAUDE_SIGNATURE not in texts(t.last()), "Gemini is sent Claude's signature"


@case(18, "DeepSeek gets its reasoning back on tool turns", "https://github.com/musistudio/claude-code-router/issues/1378")
async def reasoning_content(t: Trial) -> None:
    call = say.chat_call(0, "c1", "f", '{"a":1}')
    t.play(say.chat_answer({"content": None, "reasoning_content": "hm, so", "tool_calls": [call]}, "tool_calls"))
    history = result_of(ok(await t.messages("deepseek", [user("hi")], tools=[tool("f")], thinking=BUDGET)))
    t.play(say.chat_answer({"content": "ok"}))
    ok(await t.messages("deepseek", history, tools=[tool("f")], thinking=BUDGET))
    body = t.last()
    if "messages" in body and (body.get("thinking") or {}).get("type") != "disabled":
        said = [m.get("reasoning_content") for m in body["messages"] if m["role"] == "assistant"]
        assert said == ["hm, so"], f"reasoning_content is {said}"


@case(19, "encrypted reasoning is asked for, carried, and left out where it is refused", "https://github.com/maximhq/bifrost/issues/5410")
async def encrypted_reasoning(t: Trial) -> None:
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": ENCRYPTED}
    call = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a":1}', "status": "completed"}
    t.play(say.plain(say.response([reasoning, call])))
    first = ok(await t.messages("responses", [user("hi")], tools=[tool("f")], thinking=BUDGET))
    assert "reasoning.encrypted_content" in (t.last().get("include") or ()), "encrypted reasoning is not asked for"
    refused = {"error": {"message": "The encrypted content could not be verified.", "code": "invalid_encrypted_content", "param": None}}
    t.play(say.plain(refused, 400), say.plain(say.response([say.output_text("ok")])))
    ok(await t.messages("responses", result_of(first), tools=[tool("f")], thinking=BUDGET))
    sent = [[item.get("encrypted_content") for item in x.body["input"] if item.get("type") == "reasoning"] for x in t.sent]
    assert sent == [[ENCRYPTED], []], f"reasoning sent at the two tries: {sent}"


@case(20, "thinking and a forced tool do not go together", "https://github.com/vercel/ai/issues/11227")
async def forced_choice(t: Trial) -> None:
    t.play(say.message([{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}], "tool_use"))
    ok(await t.chat("anthropic", [user("hi")], tools=[function("f")], tool_choice="required", reasoning_effort="high"))
    body = t.last()
    thinks = (body.get("thinking") or {}).get("type", "disabled") != "disabled"
    forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    assert not (thinks and forced), "thinking is on and a tool is forced: Claude refuses that"


@case(21, "more effort never becomes less", "https://github.com/api7/aisix/pull/1094", "https://github.com/decolua/9router/issues/560")
async def effort(t: Trial) -> None:
    budgets: list[Any] = []
    for level in ("low", "medium", "high"):
        t.play(say.message([{"type": "text", "text": "ok"}]))
        ok(await t.chat("anthropic", [user("hi")], reasoning_effort=level, max_tokens=60000))
        body = t.last()
        budgets.append((body.get("thinking") or {}).get("budget_tokens") or (body.get("output_config") or {}).get("effort"))
    assert all(budgets), f"the effort is lost: {budgets}"
    numbers = [x if isinstance(x, int) else ("low", "medium", "high", "max").index(x) for x in budgets]
    assert numbers == sorted(set(numbers)), f"low, medium, high become {budgets}"
    t.play(say.plain(say.response([say.output_text("ok")])))
    ok(await t.messages("responses", [user("hi")], thinking={"type": "enabled", "budget_tokens": 1500}))
    assert (t.last().get("reasoning") or {}).get("effort"), "a budget becomes no effort"
