"""Pitfalls of reasoning and its signatures (14-21)."""

from typing import Any

from . import replies as say
from .trial import Answer, Trial, Value, camel, case, check, first, function, gemini_parts, ok, texts, tool, user
from .upstream import Reply

CLAUDE_SIGNATURE = "EqoBCkgIBRABGAIiQGNsYXVkZSBzaWduYXR1cmUgb2YgdGhlIHBpdGZhbGwgc3VpdGU="
GEMINI_SIGNATURE = "Z2VtaW5pIHRob3VnaHQgc2lnbmF0dXJlIG9mIHRoZSBwaXRmYWxsIHN1aXRl"
SENTINELS = (["skip_thought_signature_validator"], ["c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="])
"""What Google documents for a call whose signature is lost, as it stands there and in base64, as the field's type is."""
ENCRYPTED = "gAAAAABpitfall-encrypted-reasoning-of-the-suite"
DEEP_THOUGHT = "a deep thought of the pitfall suite"
BUDGET: Value = {"type": "enabled", "budget_tokens": 1024}
RESPONSES_TOOL: Value = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}


def result_of(answer: Answer) -> list[Value]:
    """The history after an Anthropic answer with a call: the answer as it came, and the call's result."""
    content = answer.json["content"]
    call = first((block for block in content if block["type"] == "tool_use"), "the answer has no call")
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


def gpt_turn() -> Reply:
    """GPT thinks and calls."""
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": ENCRYPTED}
    return say.plain(say.response([reasoning, say.function_call()]))


def deepseek_turn() -> dict[str, Reply]:
    """DeepSeek thinks and calls, in whichever of its two protocols it is asked."""
    call = say.chat_call(0, "c1", "f", '{"a":1}')
    chat = say.chat_answer({"content": None, "reasoning_content": DEEP_THOUGHT, "tool_calls": [call]}, "tool_calls")
    use = {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
    return {
        "/chat/completions": chat,
        "/messages": say.message([{"type": "thinking", "thinking": DEEP_THOUGHT, "signature": "s"}, use], "tool_use"),
    }


TURNS: dict[str, tuple[Reply, Reply, str]] = {
    "anthropic": (claude_turn(), say.message([{"type": "text", "text": "ok"}]), CLAUDE_SIGNATURE),
    "gemini": (gemini_turn(), say.plain(say.gemini([{"text": "ok"}])), GEMINI_SIGNATURE),
    "responses": (gpt_turn(), say.plain(say.response([say.output_text("ok")])), ENCRYPTED),
}
"""Of each vendor that signs: a turn with a call, a last one, and the state the first one left."""


@case(
    14,
    "a Chat client's tool turn is legal for a thinking model",
    "aws-samples/bedrock-access-gateway#119 anomalyco/opencode#3077 BerriAI/litellm#8777",
)
async def thinking_first(t: Trial) -> None:
    t.play(claude_turn())
    tools = [function("f")]
    answer = ok(await t.chat("anthropic", [user("hi")], tools=tools, reasoning_effort="low")).json["choices"][0]["message"]
    for echoed in (answer, {key: answer[key] for key in ("role", "content", "tool_calls")}):
        t.play(say.message([{"type": "text", "text": "ok"}]))
        result = {"role": "tool", "tool_call_id": answer["tool_calls"][0]["id"], "content": "1"}
        ok(await t.chat("anthropic", [user("hi"), echoed, result], tools=tools, reasoning_effort="low"))
        body = t.last()
        begins = first((m["content"][0]["type"] for m in body["messages"] if m["role"] == "assistant"), "the history is gone")
        thinks = (body.get("thinking") or {}).get("type", "disabled") != "disabled"
        check(not thinks or begins == "thinking", f"thinking is on, and the assistant's turn begins with {begins}")


@case(
    15,
    "a signature goes back to its vendor, and to no other",
    "router-for-me/CLIProxyAPI#1584 vybestack/llxprt-code#2335 CommonstackAI/UncommonRoute#19",
)
async def foreign_signature(t: Trial) -> None:
    for origin, (turn, _, state) in TURNS.items():
        t.play(turn)
        history = result_of(ok(await t.messages(origin, [user("hi")], tools=[tool("f")], thinking=BUDGET)))
        for other, (_, last, _) in TURNS.items():
            t.play(last)
            ok(await t.messages(other, history, tools=[tool("f")], thinking=BUDGET))
            sent = texts(t.last())
            if other == origin:
                check(state in sent, f"{origin} does not get its own reasoning state back")
                continue
            check(state not in sent, f"the state that {origin} signed is sent to {other}")
            signed = [b for b in _blocks(t.last()) if b.get("type") in ("thinking", "redacted_thinking")]
            check(not signed, "a thinking block that Claude never signed is sent to Claude")


def _blocks(body: Value) -> list[Value]:
    """The content blocks of an Anthropic request."""
    return [b for m in body.get("messages") or () if isinstance(m["content"], list) for b in m["content"]]


@case(
    16,
    "Gemini gets its thought signatures back",
    "diegosouzapw/OmniRoute#9273 musistudio/claude-code-router#1032 router-for-me/CLIProxyAPI#2360 farion1231/cc-switch#5725",
)
async def thought_signature(t: Trial) -> None:
    last = TURNS["gemini"][1]
    t.play(gemini_turn())
    history = result_of(ok(await t.messages("gemini", [user("hi")], tools=[tool("f")], thinking=BUDGET)))
    t.play(last)
    ok(await t.messages("gemini", history, tools=[tool("f")], thinking=BUDGET))
    check(_signatures(t) == [GEMINI_SIGNATURE], f"the call's signature is {_signatures(t)}")
    t.play(gemini_turn())
    message = ok(await t.chat("gemini", [user("hi")], tools=[function("f")])).json["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "1"}
    plain_call = {"type": "function", **{key: message["tool_calls"][0][key] for key in ("id", "function")}}
    for echoed in (message, {"role": "assistant", "content": None, "tool_calls": [plain_call]}):
        t.play(last)
        ok(await t.chat("gemini", [user("hi"), echoed, result], tools=[function("f")]))
        check(_signatures(t) in ([GEMINI_SIGNATURE], *SENTINELS), f"from a Chat client the call's signature is {_signatures(t)}")


def _signatures(t: Trial) -> list[str | None]:
    """Those of the calls in the request Gemini was sent."""
    return [part.get("thoughtSignature") for parts in gemini_parts(t.last()) for part in parts if "functionCall" in part]


@case(17, "Claude's signature is no thought signature", "router-for-me/CLIProxyAPI#994")
async def corrupted_signature(t: Trial) -> None:
    t.play(claude_turn())
    history = result_of(ok(await t.messages("anthropic", [user("hi")], tools=[tool("f")], thinking=BUDGET)))
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    elsewhere = [
        user("hi"), {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": CLAUDE_SIGNATURE}, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}]},
    ]  # fmt: skip
    for told in (history, elsewhere):  # of this gateway's Claude, and of a session that began without any gateway
        t.play(TURNS["gemini"][1])
        ok(await t.messages("gemini", told, tools=[tool("f")], thinking=BUDGET))
        check(CLAUDE_SIGNATURE not in texts(t.last()), "Gemini is sent Claude's signature")
        check(_signatures(t) in ([None], *SENTINELS), f"a signature is made up: {_signatures(t)}")


@case(
    18,
    "DeepSeek gets its reasoning back on tool turns",
    "musistudio/claude-code-router#1378 decolua/9router#1786 decolua/9router#355",
)
async def reasoning_content(t: Trial) -> None:
    t.play(deepseek_turn())
    history = result_of(ok(await t.messages("deepseek", [user("hi")], tools=[tool("f")], thinking=BUDGET)))
    content = history[1]["content"]
    forgotten = [history[0], {**history[1], "content": [b for b in content if b["type"] == "tool_use"]}, history[2]]
    for told in (history, forgotten):
        t.play({"/chat/completions": say.chat_answer({"content": "ok"}), "/messages": say.message([{"type": "text", "text": "ok"}])})
        ok(await t.messages("deepseek", told, tools=[tool("f")], thinking=BUDGET))
        body = t.last()
        off = (body.get("thinking") or {}).get("type") == "disabled"
        said = [_thought(message) for message in body["messages"] if message["role"] == "assistant"]
        if told is history:
            check(off or said == [DEEP_THOUGHT], f"the reasoning it gets is {said}")
        check(off or all(said), "thinking is on, and the turn with the call is without its reasoning: DeepSeek refuses that")
        check(not (off and body.get("reasoning_effort")), "thinking is disabled and an effort asked for, both at once")


def _thought(message: Value) -> str | None:
    """What DeepSeek is told that it thought, in either of its protocols."""
    blocks = message["content"] if isinstance(message.get("content"), list) else ()
    return message.get("reasoning_content") or next((b["thinking"] for b in blocks if b.get("type") == "thinking"), None)


@case(
    19,
    "encrypted reasoning is asked for, carried, and left out where it is refused",
    "maximhq/bifrost#5410 router-for-me/CLIProxyAPI#3189 experientiallabs/experiential#965 theopenco/llmgateway#3042",
)
async def encrypted_reasoning(t: Trial) -> None:
    t.play(gpt_turn())
    first = ok(await t.messages("responses", [user("hi")], tools=[tool("f")], thinking=BUDGET))
    check("reasoning.encrypted_content" in (t.last().get("include") or ()), "encrypted reasoning is not asked for")
    refused = {"error": {"message": "The encrypted content could not be verified.", "code": "invalid_encrypted_content", "param": None}}
    t.play(say.plain(refused, 400), TURNS["responses"][1])
    ok(await t.messages("responses", result_of(first), tools=[tool("f")], thinking=BUDGET))
    sent = [[item.get("encrypted_content") for item in x.body["input"] if item.get("type") == "reasoning"] for x in t.sent]
    check(sent == [[ENCRYPTED], []], f"reasoning sent at the two tries: {sent}")
    t.play(gpt_turn())
    given: list[Value] = [{"type": "message", "role": "user", "content": "hi"}]
    output = ok(await t.responses("responses", given, tools=[RESPONSES_TOOL], include=["reasoning.encrypted_content"])).json["output"]
    result = {"type": "function_call_output", "call_id": "c1", "output": "1"}
    t.play(TURNS["responses"][1])
    ok(await t.responses("responses", [*given, *output, result], tools=[RESPONSES_TOOL], include=["reasoning.encrypted_content"]))
    state = [item.get("encrypted_content") for item in t.last()["input"] if item.get("type") == "reasoning"]
    check(state == [ENCRYPTED], f"a Responses client's own reasoning arrives as {state}")


@case(20, "thinking and a forced tool do not go together", "vercel/ai#11227")
async def forced_choice(t: Trial) -> None:
    for choice in ("required", {"type": "function", "function": {"name": "f"}}):
        t.play(say.message([{"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}], "tool_use"))
        ok(await t.chat("anthropic", [user("hi")], tools=[function("f")], tool_choice=choice, reasoning_effort="high"))
        body = t.last()
        thinks = (body.get("thinking") or {}).get("type", "disabled") != "disabled"
        forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
        check(not (thinks and forced), "thinking is on and a tool is forced: Claude refuses that")


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


@case(21, "more effort never becomes less", "api7/aisix#1094 decolua/9router#560")
async def effort(t: Trial) -> None:
    budgets: list[Any] = []
    for level in EFFORTS[1:]:
        t.play(TURNS["anthropic"][1])
        answer = await t.chat("anthropic", [user("hi")], reasoning_effort=level, max_tokens=60000)
        if level in ("minimal", "max") and answer.status == 400:
            continue  # words that not every version of the protocol knows
        ok(answer)
        body = t.last()
        budgets.append((body.get("thinking") or {}).get("budget_tokens") or (body.get("output_config") or {}).get("effort"))
    check(all(budgets), f"the effort is lost: {budgets}")
    _grows("minimal to max", budgets)
    for upstream, asked in (("responses", _openai_effort), ("gemini", _gemini_effort)):
        found: list[Any] = []
        for budget in (1024, 6000, 30000):
            t.play(TURNS[upstream][1])
            thinking = {"type": "enabled", "budget_tokens": budget}
            ok(await t.messages(upstream, [user("hi")], thinking=thinking, max_tokens=60000))
            found.append(asked(t.last()))
        check(all(found), f"budgets become no effort at {upstream}: {found}")
        _grows(f"budgets at {upstream}", found)


def _openai_effort(body: Value) -> Any:
    return (body.get("reasoning") or {}).get("effort")


def _gemini_effort(body: Value) -> Any:
    config = camel(camel(camel(body).get("generationConfig") or {}).get("thinkingConfig") or {})
    level = config.get("thinkingLevel")
    return level.lower() if isinstance(level, str) else config.get("thinkingBudget")


def _grows(what: str, values: list[Any]) -> None:
    numbers = [value if isinstance(value, int) else EFFORTS.index(value) for value in values]
    check(numbers == sorted(numbers) and len(set(numbers)) > 1, f"{what} become {values}")
