"""Pitfalls of Bedrock (29-35)."""

import re
from itertools import pairwise

from . import replies as say
from .trial import Trial, Value, case, function, ok, texts, user

LEGAL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
CALLED: list[Value] = [
    user("hi"),
    {"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "1"},
    user("and now?"),
]


@case(
    29,
    "a history with calls has its tools declared",
    "https://github.com/patriceckhart/zot/pull/18",
    "https://github.com/vxcontrol/pentagi/pull/196",
)
async def tool_config(t: Trial) -> None:
    t.play(say.converse([{"text": "ok"}]))
    ok(await t.chat("bedrock", CALLED))
    body = t.last()
    assert "toolUse" not in texts(body["messages"]) or body.get("toolConfig", {}).get("tools"), "toolUse blocks without a toolConfig"


@case(30, "no blank text", "https://github.com/NousResearch/hermes-agent/pull/60628", "https://github.com/OpenHands/OpenHands/issues/5339")
async def blank_text(t: Trial) -> None:
    t.play(say.converse([{"text": "ok"}]))
    history = [*CALLED[:2], {"role": "tool", "tool_call_id": "c1", "content": " "}, {"role": "assistant", "content": "\n"}, user("go")]
    ok(await t.chat("bedrock", history, tools=[function("f")]))
    blocks = [block for message in t.last()["messages"] for block in message["content"]]
    inner = [part for block in blocks for part in (block.get("toolResult") or {}).get("content", ())]
    blank = [part for part in (*blocks, *inner) if "text" in part and not part["text"].strip()]
    assert not blank, "there are blank text blocks"
    assert all(message["content"] for message in t.last()["messages"]), "there are empty messages"


@case(
    31,
    "long tool names are fitted, and come back as they were",
    "https://github.com/awslabs/mcp/issues/3181",
    "https://github.com/anthropics/claude-code/issues/21136",
)
async def tool_names(t: Trial) -> None:
    names = ["mcp__a.server__" + "long_" * 16 + end for end in ("one", "two")]
    t.play(say.converse([{"text": "ok"}]))
    ok(await t.chat("bedrock", [user("hi")], tools=[function(name) for name in names]))
    sent = [entry["toolSpec"]["name"] for entry in t.last()["toolConfig"]["tools"]]
    assert len(set(sent)) == 2, "two names become one"
    assert all(LEGAL_NAME.fullmatch(name) for name in sent), f"{sent[0]!r} is no legal name"
    t.play(say.converse([{"toolUse": {"toolUseId": "t1", "name": sent[1], "input": {}}}], "tool_use"))
    answer = ok(await t.chat("bedrock", [user("hi")], tools=[function(name) for name in names])).json
    back = answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"]
    assert back == names[1], f"the call comes back as {back!r}"


@case(
    32,
    "roles alternate, and the user begins",
    "https://github.com/Portkey-AI/gateway/issues/748",
    "https://github.com/langchain-ai/langchain-aws/issues/192",
)
async def roles(t: Trial) -> None:
    t.play(say.converse([{"text": "ok"}]))
    history = [
        {"role": "system", "content": "s"},
        {"role": "assistant", "content": "hello"},
        user("a"),
        user("b"),
        {"role": "system", "content": "t"},
        user("c"),
    ]
    ok(await t.chat("bedrock", history))
    found = [message["role"] for message in t.last()["messages"]]
    assert found[0] == "user", f"the roles are {found}"
    assert all(a != b for a, b in pairwise(found)), f"the roles are {found}"


@case(
    33,
    "throttling inside a stream is a 429, or tried again",
    "https://github.com/maximhq/bifrost/issues/2480",
    "https://github.com/mlflow/mlflow/pull/25863",
)
async def throttled(t: Trial) -> None:
    t.play(say.converse_stream(("throttlingException", {"message": "Too many requests"}), exception=True))
    answer = await t.chat("bedrock", [user("hi")], stream=True)
    if answer.status == 200:
        assert any("error" in event for event in answer.events), "the stream ends as if nothing had happened"
    else:
        assert answer.status in (429, 503, 529), f"the status is {answer.status}"
    t.play(say.converse_stream(("throttlingException", {"message": "wait"}), exception=True), say.converse_stream(*say.converse_text("ok")))
    again = await t.chat("bedrock", [user("hi")], stream=True)
    assert len(t.sent) == 2 or again.status in (429, 503, 529), "it is neither tried again nor told as throttling"


@case(
    34,
    "a beta flag and the field it gates go together",
    "https://github.com/anthropics/claude-code/issues/49370",
    "https://github.com/anthropics/claude-code/issues/82549",
)
async def gated_fields(t: Trial) -> None:
    t.play(say.converse([{"text": "ok"}]))
    edits = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    ok(await t.messages("bedrock", [user("hi")], headers={"anthropic_beta": "context-management-2025-06-27"}, context_management=edits))
    body = texts(t.last())
    assert ("context_management" in body) == ("context-management-2025-06-27" in body), "one of flag and field is sent without the other"


@case(
    35,
    "the client's beta flags are kept",
    "https://github.com/stdapi-ai/stdapi.ai/issues/291",
    "https://github.com/mnfst/llm-gateway/pull/2910",
)
async def client_flags(t: Trial) -> None:
    t.play(say.message([{"type": "text", "text": "ok"}]))
    flags = ["interleaved-thinking-2025-05-14", "context-management-2025-06-27"]
    ok(await t.messages("anthropic", [user("hi")], headers={"anthropic_beta": ",".join(flags)}))
    sent = t.sent[-1].headers.get("anthropic-beta", "")
    assert all(flag in sent for flag in flags), f"the flags sent are {sent!r}"
