"""Pitfalls of streams and tool calls (1-13)."""

import asyncio
import json
from typing import Any

from . import replies as say
from .trial import A_WHILE_S, PATHS, Answer, Trial, Value, case, check, function, ok, tool, user
from .upstream import CUT, SILENCE, Reply

PING_S = 16.0
LEAVE_S = 3.0


def blocks(events: list[Value]) -> list[Value]:
    """The content blocks of an Anthropic stream, put together; fails where the events are no legal sequence of blocks."""
    found: list[Value] = []
    is_open = False
    for event in events:
        kind = event.get("type")
        if kind == "content_block_start":
            check(not is_open, "a block starts before the one before it has stopped")
            check(event["index"] == len(found), f"block {event['index']} starts where {len(found)} is next")
            found.append({"json": "", **event["content_block"]})
            is_open = True
        elif kind == "content_block_delta":
            check(is_open, "a delta outside of a block")
            check(event["index"] == len(found) - 1, "a delta for another block than the open one")
            _add(found[-1], event["delta"])
        elif kind == "content_block_stop":
            check(is_open, "a block stops that is not open")
            is_open = False
    check(not is_open, "the last block never stops")
    return found


_FITS = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
    "citations_delta": "text",
}


def _add(block: Value, delta: Value) -> None:
    kind = delta["type"]
    check(_FITS[kind] == block["type"], f"a {kind} inside a block of type {block['type']}")
    if kind == "input_json_delta":
        block["json"] += delta["partial_json"]
    elif kind in ("text_delta", "thinking_delta"):
        block[block["type"]] += delta[block["type"]]


def _arguments(answer: Answer) -> list[str]:
    """Of the calls of an Anthropic stream."""
    return [block["json"] for block in blocks(answer.events) if block["type"] == "tool_use"]


@case(1, "thinking stands in a block of its own", "BerriAI/litellm#32357 BerriAI/litellm#33224")
async def thinking_block(t: Trial) -> None:
    mixed = ({"role": "assistant"}, {"reasoning_content": "hm"}, {"content": "yes"}, {"reasoning_content": "so"}, {"content": "no"})
    asked: Value = {"stream": True, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    for upstream, reply, expected in (
        ("chat", say.chat_stream(*mixed), ["thinking", "text", "thinking", "text"]),
        ("gemini", say.gemini_stream([{"text": "hm", "thought": True}], [{"text": "yes"}]), ["thinking", "text"]),
    ):
        t.play(reply)
        answer = ok(await t.messages(upstream, [user("hi")], **asked))
        starts = len(answer.of("message_start"))
        check(starts == 1, f"message_start comes {starts} times")
        kinds = [block["type"] for block in blocks(answer.events)]
        check(kinds == expected, f"the blocks are {kinds}")


@case(2, "arguments that come only at the end are not lost", "BerriAI/litellm#25321 BerriAI/litellm#29491")
async def late_arguments(t: Trial) -> None:
    call = say.function_call('{"a":1}')
    for reply in (say.call_stream(call), say.call_stream(call, done=True), say.call_stream(call, '{"a"', done=True)):
        t.play(reply)
        found = _arguments(ok(await t.messages("responses", [user("hi")], stream=True, tools=[tool("f")])))
        check(found == ['{"a":1}'], f"the arguments are {found}")


@case(3, "block indexes are contiguous and blocks never interleave", "BerriAI/litellm#13373")
async def interleaved(t: Trial) -> None:
    deltas: list[Value] = [
        {"content": "x"},
        {"tool_calls": [say.chat_call(0, "c1", "f", "")]},
        {"tool_calls": [say.chat_call(1, "c2", "g", '{"b"')]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": ":2}"}}]},
    ]  # fmt: skip
    t.play(say.chat_stream(*deltas, finish="tool_calls"))
    answer = ok(await t.messages("chat", [user("hi")], stream=True, tools=[tool("f"), tool("g")]))
    found = [(block["type"], block["json"]) for block in blocks(answer.events)]
    check(found == [("text", ""), ("tool_use", '{"a":1}'), ("tool_use", '{"b":2}')], f"the blocks are {found}")


@case(4, "parallel calls all arrive, each with its own index", "mozilla-ai/any-llm#970 BerriAI/litellm#5231 andrewyng/aisuite#386")
async def parallel(t: Trial) -> None:
    events = [*say.text_block(0, "x"), *say.call_block(1, "f", '{"a":1}'), *say.call_block(2, "g", '{"a":2}')]
    t.play(say.sse(say.message_start(), *events, *say.message_end("tool_use")))
    expected = [("f", '{"a":1}'), ("g", '{"a":2}')]
    found = ok(await t.chat("anthropic", [user("hi")], stream=True, tools=[function("f"), function("g")])).chat_calls
    check(found == expected, f"the calls are {found}")
    # Some upstreams give every call the index 0, and tell them apart by their ids.
    calls = [say.chat_call(0, f"c{number}", name, arguments) for number, (name, arguments) in enumerate(expected)]
    t.play(say.chat_stream(*({"tool_calls": [call]} for call in calls), finish="tool_calls"))
    answer = ok(await t.messages("chat", [user("hi")], stream=True, tools=[tool("f"), tool("g")]))
    streamed = [(block["name"], block["json"]) for block in blocks(answer.events)]
    check(streamed == expected, f"calls with one index and two ids become {streamed}")
    t.play(say.chat_answer({"content": None, "tool_calls": calls}, "tool_calls"))
    content = ok(await t.messages("chat", [user("hi")], tools=[tool("f"), tool("g")])).json["content"]
    names = [block["name"] for block in content if block["type"] == "tool_use"]
    check(names == ["f", "g"], f"in a plain answer the calls are {names}")


@case(5, "a call without arguments is {}", "agentgateway/agentgateway#3002 MoonshotAI/kimi-cli#1764 openai/openai-agents-js#664")
async def no_arguments(t: Trial) -> None:
    call = {"content": None, "tool_calls": [say.chat_call(0, "c1", "f", "")]}
    t.play(say.chat_answer(call, "tool_calls"))
    answer = ok(await t.messages("chat", [user("hi")], tools=[tool("f")])).json
    check([block["input"] for block in answer["content"] if block["type"] == "tool_use"] == [{}], "the input is not {}")
    t.play(say.sse(say.message_start(), *say.call_block(0, "f"), *say.message_end("tool_use")))
    calls = ok(await t.chat("anthropic", [user("hi")], stream=True, tools=[function("f")])).chat_calls
    check(calls == [("f", "{}")], f"streamed, the call is {calls}")
    t.play(say.message([{"type": "text", "text": "ok"}]))
    echoed = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    result = {"role": "tool", "tool_call_id": "c1", "content": "1"}
    history = [user("hi"), {"role": "assistant", "content": None, "tool_calls": [echoed]}, result]
    ok(await t.chat("anthropic", history, tools=[function("f")]))
    uses = [b for m in t.last()["messages"] for b in m["content"] if isinstance(b, dict) and b.get("type") == "tool_use"]
    check([use["input"] for use in uses] == [{}], "an empty string of the history does not become {}")
    broken = '{"a": 1, "b'
    t.play(say.chat_stream({"tool_calls": [say.chat_call(0, "c1", "f", broken)]}, finish="length"))
    found = _arguments(ok(await t.messages("chat", [user("hi")], stream=True, tools=[tool("f")])))
    check(found == [broken], f"arguments that were cut are replaced by {found}")


@case(6, "a turn with calls ends as one, whatever the upstream says", "router-for-me/CLIProxyAPI#866")
async def finish_of_calls(t: Trial) -> None:
    call = {"tool_calls": [say.chat_call(0, "c1", "f", '{"a":1}')]}
    t.play(say.chat_stream(call, finish="stop"))
    answer = ok(await t.messages("chat", [user("hi")], stream=True, tools=[tool("f")]))
    reasons = [event["delta"].get("stop_reason") for event in answer.of("message_delta")]
    check(reasons[-1:] == ["tool_use"], f"stop_reason is {reasons}")
    t.play(say.chat_answer(call, "stop"))
    reason = ok(await t.messages("chat", [user("hi")], tools=[tool("f")])).json["stop_reason"]
    check(reason == "tool_use", f"in a plain answer stop_reason is {reason}")
    part = {"functionCall": {"name": "f", "args": {"a": 1}}}
    for stream, reply in ((False, say.plain(say.gemini([part]))), (True, say.gemini_stream([part]))):
        t.play(reply)
        finish = ok(await t.chat("gemini", [user("hi")], stream=stream, tools=[function("f")])).chat_finish
        check(finish == "tool_calls", f"Gemini's STOP after a call becomes {finish}")


@case(
    7,
    "a malformed call is a failure, not an empty success",
    "NousResearch/hermes-agent#83886 google-gemini/gemini-cli#12674 router-for-me/CLIProxyAPI#1100",
)
async def malformed_call(t: Trial) -> None:
    for reason in ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"):
        t.play(say.plain(say.gemini([], reason)))
        answer = await t.chat("gemini", [user("hi")], tools=[function("f")])
        check(t.sent, "nothing is sent upstream")
        if answer.status == 200:
            check(answer.chat_finish not in ("stop", "tool_calls"), f"{reason} looks like a normal end")
            check(not answer.chat_calls, "a call is made of it")
        t.play(say.gemini_stream([], finish=reason))
        answer = await t.messages("gemini", [user("hi")], stream=True, tools=[tool("f")])
        if answer.status == 200:
            ends = [event["delta"].get("stop_reason") for event in answer.of("message_delta")]
            check(answer.of("error") or ends[-1:] not in (["end_turn"], ["tool_use"], []), f"streamed, {reason} ends with {ends}")


@case(
    8,
    "an error after the first byte ends the stream in the client's own words",
    "dativo-io/talon#254 mozilla-ai/any-llm#847 BerriAI/litellm#32159",
)
async def error_in_stream(t: Trial) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "too busy now"}}
    begun = (say.message_start(), *say.text_block(0, "x", close=False), A_WHILE_S)
    for reply in (say.sse(*begun, error), say.sse(*begun, CUT), say.sse(*begun)):
        t.play(reply)
        if not refused(t, answer := await t.responses("anthropic", "hi", stream=True)):
            check(answer.of("response.failed") or answer.of("error"), "a Responses client waits for ever: no response.failed")
            check(not answer.of("response.completed"), "the broken answer is called complete")
        t.play(reply)
        if not refused(t, answer := await t.chat("anthropic", [user("hi")], stream=True)):
            check(any("error" in event for event in answer.events), "a Chat client is not told")
            check(b"[DONE]" not in answer.raw, "a [DONE] follows a broken answer")
    begun = (say.chat_chunk({"content": "x"}), A_WHILE_S)
    for reply in (say.sse(*begun, {"error": {"message": "too busy now", "type": "server_error"}}), say.sse(*begun)):
        t.play(reply)
        if not refused(t, answer := await t.messages("chat", [user("hi")], stream=True)):
            check(answer.of("error"), "an Anthropic client is not told")
            check(not answer.of("message_stop"), "the broken answer is called complete")


def refused(t: Trial, answer: Answer) -> bool:
    """Does a gateway that had held back what the upstream said until then answer with an error's status?"""
    check(t.sent, "nothing is sent upstream")
    return answer.status >= 500


@case(9, "the error never merges with an event that was cut", "dativo-io/talon#393")
async def glued_error(t: Trial) -> None:
    half = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_de'
    half_chunk = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"cont'
    for upstream, reply in (
        ("anthropic", say.sse(say.message_start(), *say.text_block(0, "x", close=False), half, CUT)),
        ("chat", say.sse(say.chat_chunk({"content": "x"}), half_chunk, CUT)),
    ):
        t.play(reply)
        if not refused(t, answer := await t.messages(upstream, [user("hi")], stream=True)):
            check(answer.of("error"), "the client is not told that the answer was cut")
            check(not answer.of("message_stop"), "the cut answer is called complete")


@case(
    10,
    "a silent upstream does not let the connection fall asleep",
    "BerriAI/litellm#36024 BerriAI/litellm#14953 LuthienResearch/luthien-proxy#804 theopenco/llmgateway#1541",
    slow=True,
)
async def pings(t: Trial) -> None:
    t.play(say.sse(SILENCE))
    legal = {
        "anthropic": (b"event: ping", b"event: message_start", b":"),
        "openai_chat": (b":", b"data: {"),
        "openai_responses": (b":", b"event: response.", b"data: {"),
    }
    said = await asyncio.gather(*(_first_words(t, protocol) for protocol in legal))
    for protocol, words in zip(legal, said, strict=True):
        check(words, f"{protocol}: nothing is sent for {PING_S:g} s")
        check(words.startswith(legal[protocol]), f"{protocol}: its clients cannot read {words[:40]!r}")


async def _first_words(t: Trial, protocol: str) -> bytes:
    """What a client hears of a model that says nothing."""
    body: Value = {"model": t.model("chat"), "stream": True}
    body |= {"input": "hi"} if protocol == "openai_responses" else {"messages": [user("hi")], "max_tokens": 9}
    answer = None
    try:
        async with asyncio.timeout(PING_S):
            answer = await t.opened(PATHS[protocol], body)
            return await answer.read_some()
    except TimeoutError:
        return b""
    finally:
        if answer is not None:
            answer.close()


@case(
    11,
    "input tokens are known from the first event, exactly at the last",
    "router-for-me/CLIProxyAPI#1700 sgl-project/sglang#20678 MadAppGang/claudish#123",
)
async def input_tokens(t: Trial) -> None:
    usage = {"prompt_tokens": 400, "completion_tokens": 3, "total_tokens": 403, "prompt_tokens_details": {"cached_tokens": 300}}
    t.play(say.chat_stream({"content": "x"}, usage=usage))
    answer = ok(await t.messages("chat", [user("word " * 400)], stream=True))
    started = answer.of("message_start")[0]["message"]["usage"]
    estimate = started["input_tokens"] + (started.get("cache_read_input_tokens") or 0)
    check(100 < estimate < 1600, f"message_start says {estimate} input tokens of about 400")
    said = answer.of("message_delta")[-1].get("usage") or {}
    exact = (said.get("input_tokens"), said.get("cache_read_input_tokens"))
    check(exact == (100, 300), f"message_delta says {exact} (input, cached), the upstream 400, 300 of them cached")


@case(12, "when the client leaves, the upstream call ends", "BerriAI/litellm#13774 BerriAI/litellm#37140 BerriAI/litellm#31499")
async def client_leaves(t: Trial) -> None:
    begun = say.data(say.chat_chunk({"content": "x"}))
    for what, stream, reply in (
        ("before the first token", True, say.sse(SILENCE)),
        ("amid a stream", True, say.sse(begun, SILENCE)),
        ("of a plain answer", False, Reply((SILENCE,))),
    ):
        t.play(reply)
        asked = asyncio.ensure_future(
            t.opened(PATHS["anthropic"], {"model": t.model("chat"), "max_tokens": 9, "messages": [user("hi")], "stream": stream})
        )
        sent = await t.asked()
        await asyncio.sleep(A_WHILE_S / 4)
        if asked.done():
            asked.result().close()
        else:
            asked.cancel()
        try:
            await asyncio.wait_for(sent.left.wait(), LEAVE_S)
        except TimeoutError:
            check(False, f"the upstream goes on generating when the client leaves {what}")


TOO_LONG = "This model's maximum context length is 128000 tokens. However, your messages resulted in 140000 tokens."
OVERFLOW: Value = {
    "error": {"message": TOO_LONG, "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}
}


@case(13, "an overflow of the context is told in the client's own words", "StringKe/claudex#10")
async def overflow(t: Trial) -> None:
    for reply in (say.plain(OVERFLOW, 400), say.sse(OVERFLOW)):
        t.play(reply)
        answer = await t.messages("chat", [user("hi")], stream=True)
        said: Any = answer.json if answer.status != 200 else (answer.of("error") or [{}])[0]
        message = (said.get("error") or {}).get("message", "")
        check(answer.status in (200, 400, 413), f"the status is {answer.status}")
        check("prompt is too long" in message, f"Claude Code compacts at `prompt is too long`; this says {message!r}")
    t.play(say.message_refused(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"))
    refused = await t.responses("anthropic", "hi", stream=True)
    said = refused.json if refused.status != 200 else refused.events
    check("context_length_exceeded" in json.dumps(said), "Codex compacts at the code context_length_exceeded, which is not said")
    t.play(say.converse_stream(*say.converse_text("so far", "model_context_window_exceeded")))
    ends = [e["delta"].get("stop_reason") for e in ok(await t.messages("bedrock", [user("hi")], stream=True)).of("message_delta")]
    check(ends[-1:] not in ([], ["end_turn"]), f"an answer that filled the context ends with {ends}")
