"""Pitfalls of Bedrock (29-35)."""

import json
import re
from functools import partial
from itertools import pairwise

from . import replies as say
from .trial import A_WHILE_S, Trial, Value, case, check, function, ok, texts, tool, user

LEGAL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
OK = say.converse([{"text": "ok"}])
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED: list[Value] = [
    user("hi"),
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "1"},
    user("and now?"),
]


@case(
    29,
    "a history with calls has its tools declared",
    "patriceckhart/zot#18 vxcontrol/pentagi#196 nearai/ironclaw#1710",
)
async def tool_config(t: Trial) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}
    history = [user("hi"), {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    for ask in (partial(t.chat, "bedrock", CALLED), partial(t.messages, "bedrock", history, system="Sum up.")):
        t.play(OK)
        ok(await ask())
        body = t.last()
        blocks = [block for message in body["messages"] for block in message["content"]]
        check(all(isinstance(block, dict) for block in blocks), "what is sent is no Converse request")
        called = any("toolUse" in block for block in blocks)
        check(not called or (body.get("toolConfig") or {}).get("tools"), "toolUse blocks without a toolConfig")


@case(
    30,
    "no blank text",
    "NousResearch/hermes-agent#60628 NousResearch/hermes-agent#63983 OpenHands/OpenHands#5339 boto/botocore#3525 "
    "NousResearch/hermes-agent#55092",
)
async def blank_text(t: Trial) -> None:
    blank_result = {"role": "tool", "tool_call_id": "c1", "content": " "}
    for history in (
        [*CALLED[:2], blank_result, {"role": "assistant", "content": "\n"}, user("go")],
        [{"role": "system", "content": " "}, user(" ")],
        [user("hi"), {"role": "assistant", "content": ""}, user("go")],
    ):
        t.play(OK)
        ok(await t.chat("bedrock", history, tools=[function("f")]))
        body = t.last()
        blocks = [block for message in body["messages"] for block in message["content"]]
        inner = [part for block in blocks for part in (block.get("toolResult") or {}).get("content", ())]
        blank = [part for part in (*blocks, *inner, *body.get("system", ())) if "text" in part and not part["text"].strip()]
        check(not blank, "there are blank text blocks")
        check(body["messages"] and all(message["content"] for message in body["messages"]), "there are empty messages")


@case(
    31,
    "long tool names are fitted everywhere, and come back as they were",
    "awslabs/mcp#3181 openai/codex#46188 anthropics/claude-code#21136 raphaelmansuy/edgequake-llm#66",
)
async def tool_names(t: Trial) -> None:
    names = ["mcp__a.server__" + "long_" * 16 + end for end in ("one", "two")]
    call = {"id": "c1", "type": "function", "function": {"name": names[1], "arguments": "{}"}}
    history = [user("hi"), {"role": "assistant", "content": "", "tool_calls": [call]}, CALLED[2]]
    asked: Value = {
        "tools": [function(name) for name in names],
        "tool_choice": {"type": "function", "function": {"name": names[1]}},
    }
    t.play(OK)
    ok(await t.chat("bedrock", history, **asked))
    body = t.last()
    sent = [entry["toolSpec"]["name"] for entry in body["toolConfig"]["tools"]]
    check(len(set(sent)) == 2, "two names become one")
    check(all(LEGAL_NAME.fullmatch(name) for name in sent), f"{sent[0]!r} is no legal name")
    used = [block["toolUse"]["name"] for message in body["messages"] for block in message["content"] if "toolUse" in block]
    check(used == [sent[1]], f"the history says {used}, the declaration {sent[1]!r}")
    chosen = ((body["toolConfig"].get("toolChoice") or {}).get("tool") or {}).get("name")
    check(chosen in (None, sent[1]), f"the choice says {chosen!r}, the declaration {sent[1]!r}")
    use = {"toolUseId": "t1", "name": sent[1]}
    started = ("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": use}})
    stop = ("contentBlockStop", {"contentBlockIndex": 0})
    for stream, reply in (
        (False, say.converse([{"toolUse": {**use, "input": {}}}], "tool_use")),
        (True, say.converse_stream(say.CONVERSE_START, started, stop, *say.converse_end("tool_use"))),
    ):
        t.play(reply)
        back = ok(await t.chat("bedrock", history, stream=stream, **asked)).chat_calls
        check([name for name, _ in back] == [names[1]], f"the call comes back as {back}")


@case(
    32,
    "roles alternate, the user begins, results come first",
    "Portkey-AI/gateway#748 aws-solutions-library-samples/guidance-for-multi-provider-generative-ai-gateway-on-aws#123 "
    "langchain-ai/langchain-aws#192",
)
async def roles(t: Trial) -> None:
    opening: list[Value] = [{"role": "system", "content": "s"}, {"role": "assistant", "content": "hello"}]
    for history in (
        [*opening, user("a"), user("b"), {"role": "system", "content": "t"}, user("c")],
        [*opening, user("a"), {"role": "assistant", "content": "As I said"}],
        CALLED,
    ):
        t.play(OK)
        ok(await t.chat("bedrock", history, tools=[function("f")]))
        messages = t.last()["messages"]
        found = [message["role"] for message in messages]
        check(found[0] == "user", f"the roles are {found}")
        check(all(a != b for a, b in pairwise(found)), f"the roles are {found}")
        kinds = [["toolResult" in block for block in message["content"]] for message in messages]
        check(all(places == sorted(places, reverse=True) for places in kinds), "a result stands behind other content of its turn")


@case(
    33,
    "throttling inside a stream is told as such, or tried again while nothing was said",
    "maximhq/bifrost#2480 mlflow/mlflow#25863 crewAIInc/crewAI#7417",
)
async def throttled(t: Trial) -> None:
    busy = ("throttlingException", {"message": "Too many requests"})
    t.play(say.converse_stream(busy, exception=True))
    answer = await t.chat("bedrock", [user("hi")], stream=True)
    if answer.status == 200:
        check(any("error" in event for event in answer.events), "the stream ends as if nothing had happened")
    else:
        check(answer.status in (429, 503, 529), f"the status is {answer.status}")
    t.play(say.converse_stream(busy, exception=True), say.converse_stream(*say.converse_text("ok")))
    again = await t.chat("bedrock", [user("hi")], stream=True)
    check(len(t.sent) == 2 or again.status in (429, 503, 529), "it is neither tried again nor told as throttling")
    begun = say.converse_text("half of")[:2]
    t.play(say.converse_stream(*begun, A_WHILE_S, busy, exception=True), say.converse_stream(*say.converse_text("whole")))
    answer = ok(await t.chat("bedrock", [user("hi")], stream=True))
    check(any("error" in event for event in answer.events), "a stream that breaks amid its text ends as if nothing had happened")
    check("whole" not in answer.told, "a second answer is glued to the first half of another")


@case(
    34,
    "a beta flag and the field it gates go together",
    "anthropics/claude-code#49370 anthropics/claude-code#82549 router-for-me/CLIProxyAPI#4750 Wei-Shaw/sub2api#2726 "
    "QuantumNous/new-api#3041",
)
async def gated_fields(t: Trial) -> None:
    edits = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    flags = "context-management-2025-06-27,advanced-tool-use-2025-11-20,not-invented-yet-2031-01-01"
    for upstream, reply in (("bedrock", OK), ("bedrock-claude", say.claude_on_bedrock("ok"))):
        t.play(reply)
        tools = [tool("f"), tool("g", defer_loading=True)]
        ok(await t.messages(upstream, [user("hi")], headers={"anthropic_beta": flags}, context_management=edits, tools=tools))
        body, headers = texts(t.last()), texts(t.sent[-1].headers)
        kept = "context-management-2025-06-27" in body + headers
        check(("context_management" in body) == kept, "of context_management and its flag one is sent without the other")
        check("not-invented-yet" not in body + headers, "a flag Bedrock does not know is sent on: it refuses the whole request")
        known = any(flag in body + headers for flag in ("advanced-tool-use-2025-11-20", "tool-search-tool-2025-10-19"))
        check("defer_loading" not in body or known, "defer_loading is sent without its flag")


@case(35, "the client's beta flags are kept, wherever they stand", "stdapi-ai/stdapi.ai#291 mnfst/llm-gateway#2910")
async def client_flags(t: Trial) -> None:
    flags = ["interleaved-thinking-2025-05-14", "context-management-2025-06-27"]
    t.play(say.message([{"type": "text", "text": "ok"}]))
    ok(await t.messages("anthropic", [user("hi")], headers={"anthropic_beta": ",".join(flags)}))
    sent = t.sent[-1].headers.get("anthropic-beta", "")
    check(all(flag in sent for flag in flags), f"the flags sent are {sent!r}")
    t.play(say.claude_on_bedrock("ok"))
    ok(await t.messages("bedrock-claude", [user("hi")], headers={"anthropic_beta": flags[0]}, anthropic_beta=flags[1:]))
    found = json.dumps([t.last(), t.sent[-1].headers])
    check(all(flag in found for flag in flags), f"of {flags}, one in a header and one in the body, not both are sent")
