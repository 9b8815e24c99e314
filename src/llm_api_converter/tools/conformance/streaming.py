"""Pitfalls of streams and tool calls (1-13)."""

import asyncio
from typing import Any

from . import replies as say
from .trial import Trial, Value, case, function, ok, tool, user
from .upstream import CUT, SILENCE

LL = "https://github.com/BerriAI/litellm/issues/"
PING_S = 16.0
LEAVE_S = 3.0
A_WHILE_S = 0.2
"""Long enough for what came before to be on its way to the client."""


def blocks(events: list[Value]) -> list[Value]:
    """The content blocks of an Anthropic stream, put together; fails where the events are no legal sequence of blocks."""
    found: list[Value] = []
    is_open = False
    for event in events:
        kind = event.get("type")
        if kind == "content_block_start":
            assert not is_open, "a block starts before the one before it has stopped"
            assert event["index"] == len(found), f"block {event['index']} starts where {len(found)} is next"
            found.append({"json": "", **event["content_block"]})
            is_open = True
        elif kind == "content_block_delta":
            assert is_open, "a delta outside of a block"
            assert event["index"] == len(found) - 1, "a delta for another block than the open one"
            _add(found[-1], event["delta"])
        elif kind == "content_block_stop":
            assert is_open, "a block stops that is not open"
            is_open = False
    assert not is_open, "the last block never stops"
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
    assert _FITS[kind] == block["type"], f"a {kind} inside a block of type {block['type']}"
    if kind == "input_json_delta":
        block["json"] += delta["partial_json"]
    elif kind in ("text_delta", "thinking_delta"):
        block[block["type"]] += delta[block["type"]]


@case(1, "thinking stands in a block of its own", LL + "32357", LL + "33224")
async def thinking_block(t: Trial) -> None:
    t.play(
        say.chat_stream(
            {"role": "assistant"}, {"reasoning_content": "hm"}, {"content": "yes"}, {"reasoning_content": "so"}, {"content": "no"}
        )
    )
    answer = ok(await t.messages("chat", [user("hi")], stream=True, thinking={"type": "enabled", "budget_tokens": 1024}))
    assert len(answer.of("message_start")) == 1, "message_start comes more than once"
    kinds = [block["type"] for block in blocks(answer.events)]
    assert kinds == ["thinking", "text", "thinking", "text"], f"the blocks are {kinds}"


@case(2, "arguments that come only at the end are not lost", LL + "25321", LL + "29491")
async def late_arguments(t: Trial) -> None:
    call = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
    t.play(say.response_stream([call]))
    answer = ok(await t.messages("responses", [user("hi")], stream=True, tools=[tool("f")]))
    calls = [block["json"] for block in blocks(answer.events) if block["type"] == "tool_use"]
    assert calls == ['{"a":1}'], f"the arguments are {calls}"


@case(3, "block indexes are contiguous and blocks never interleave", LL + "13373")
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
    assert found == [("text", ""), ("tool_use", '{"a":1}'), ("tool_use", '{"b":2}')], f"the blocks are {found}"


@case(4, "parallel calls keep their own indexes", "https://github.com/mozilla-ai/any-llm/pull/970", LL + "5231")
async def parallel(t: Trial) -> None:
    events: list[Value] = [say.message_start(), *say.text_block(0, "x")]
    for index, name in ((1, "f"), (2, "g")):
        call = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": f'{{"a":{index}}}'}
        events += [
            {"type": "content_block_start", "index": index, "content_block": call},
            {"type": "content_block_delta", "index": index, "delta": delta},
            {"type": "content_block_stop", "index": index},
        ]
    t.play(say.sse(*events, *say.message_end("tool_use")))
    answer = ok(await t.chat("anthropic", [user("hi")], stream=True, tools=[function("f"), function("g")]))
    calls: dict[int, list[str]] = {}
    for event in answer.events:
        for choice in event.get("choices") or ():
            for call in choice["delta"].get("tool_calls") or ():
                entry = calls.setdefault(call["index"], ["", ""])
                entry[0] += (call.get("function") or {}).get("name") or ""
                entry[1] += (call.get("function") or {}).get("arguments") or ""
    assert calls == {0: ["f", '{"a":1}'], 1: ["g", '{"a":2}']}, f"the calls are {calls}"


@case(
    5,
    "a call without arguments is {}",
    "https://github.com/agentgateway/agentgateway/pull/3002",
    "https://github.com/MoonshotAI/kimi-cli/pull/1764",
)
async def no_arguments(t: Trial) -> None:
    t.play(say.chat_answer({"content": None, "tool_calls": [say.chat_call(0, "c1", "f", "")]}, "tool_calls"))
    answer = ok(await t.messages("chat", [user("hi")], tools=[tool("f")])).json
    assert [block["input"] for block in answer["content"] if block["type"] == "tool_use"] == [{}], "the input is not {}"
    t.play(say.message([{"type": "text", "text": "ok"}]))
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}
    history = [
        user("hi"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
    ]
    ok(await t.chat("anthropic", history, tools=[function("f")]))
    uses = [b for m in t.last()["messages"] for b in m["content"] if isinstance(b, dict) and b.get("type") == "tool_use"]
    assert [use["input"] for use in uses] == [{}], "an empty string of the history does not become {}"


@case(6, "a turn with calls ends as one, whatever the upstream says", "https://github.com/router-for-me/CLIProxyAPI/issues/866")
async def finish_of_calls(t: Trial) -> None:
    t.play(say.chat_stream({"tool_calls": [say.chat_call(0, "c1", "f", '{"a":1}')]}, finish="stop"))
    answer = ok(await t.messages("chat", [user("hi")], stream=True, tools=[tool("f")]))
    reasons = [event["delta"].get("stop_reason") for event in answer.of("message_delta")]
    assert reasons[-1:] == ["tool_use"], f"stop_reason is {reasons}"


@case(
    7,
    "a malformed call is a failure, not an empty success",
    "https://github.com/google-gemini/gemini-cli/issues/12674",
    "https://github.com/NousResearch/hermes-agent/pull/83886",
)
async def malformed_call(t: Trial) -> None:
    t.play(say.plain(say.gemini([], "MALFORMED_FUNCTION_CALL")))
    answer = await t.chat("gemini", [user("hi")], tools=[function("f")])
    if answer.status == 200:
        choice = answer.json["choices"][0]
        assert choice["finish_reason"] not in ("stop", "tool_calls"), "it looks like a normal end"
        assert not choice["message"].get("tool_calls"), "a call is made of it"


@case(
    8,
    "an error after the first byte ends the stream in the client's own words",
    "https://github.com/dativo-io/talon/pull/254",
    "https://github.com/mozilla-ai/any-llm/pull/847",
)
async def error_in_stream(t: Trial) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "too busy now"}}
    reply = say.sse(say.message_start(), *say.text_block(0, "x", close=False), A_WHILE_S, error)
    t.play(reply)
    answer = ok(await t.responses("anthropic", "hi", stream=True))
    failed = answer.of("response.failed") or answer.of("error")
    assert failed, "a Responses client waits for ever: no response.failed"
    assert not answer.of("response.completed"), "the broken answer is called complete"
    t.play(reply)
    answer = ok(await t.chat("anthropic", [user("hi")], stream=True))
    assert any("error" in event for event in answer.events), "a Chat client is not told"
    assert b"[DONE]" not in answer.raw, "a [DONE] follows a broken answer"


@case(9, "the error never merges with an event that was cut", "https://github.com/dativo-io/talon/issues/393")
async def glued_error(t: Trial) -> None:
    half = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_de'
    t.play(say.sse(say.message_start(), *say.text_block(0, "x", close=False), half, CUT))
    answer = ok(await t.messages("anthropic", [user("hi")], stream=True))
    assert answer.of("error"), "the client is not told that the answer was cut"
    assert not answer.of("message_stop"), "the cut answer is called complete"


@case(
    10,
    "a silent upstream does not let the connection fall asleep",
    LL + "14953",
    "https://github.com/LuthienResearch/luthien-proxy/pull/804",
    slow=True,
)
async def pings(t: Trial) -> None:
    t.play(say.sse(SILENCE))
    answer = await t.stream("/v1/messages", {"model": t.model("chat"), "max_tokens": 9, "messages": [user("hi")], "stream": True})
    try:
        async with asyncio.timeout(PING_S):
            first = await answer.read_some()
    except TimeoutError as error:
        raise AssertionError(f"nothing is sent for {PING_S:g} s") from error
    finally:
        answer.close()
    assert first, "the stream ends"


@case(
    11,
    "input tokens are known from the first event",
    "https://github.com/router-for-me/CLIProxyAPI/issues/1700",
    "https://github.com/sgl-project/sglang/issues/20678",
)
async def input_tokens(t: Trial) -> None:
    t.play(say.chat_stream({"content": "x"}, usage={"prompt_tokens": 400, "completion_tokens": 3, "total_tokens": 403}))
    answer = ok(await t.messages("chat", [user("word " * 400)], stream=True))
    estimate = answer.of("message_start")[0]["message"]["usage"]["input_tokens"]
    assert 100 < estimate < 1600, f"message_start says {estimate} input tokens of about 400"
    exact = answer.of("message_delta")[-1].get("usage", {}).get("input_tokens")
    assert exact == 400, f"message_delta says {exact}, the upstream 400"


@case(12, "when the client leaves, the upstream call ends", LL + "13774", LL + "37140")
async def client_leaves(t: Trial) -> None:
    for piece in ((), (say.data(say.chat_chunk({"content": "x"})),)):
        t.play(say.sse(*piece, SILENCE))
        asked = asyncio.ensure_future(
            t.stream("/v1/messages", {"model": t.model("chat"), "max_tokens": 9, "messages": [user("hi")], "stream": True})
        )
        async with asyncio.timeout(LEAVE_S):
            sent = await t.upstream.asked()
        await asyncio.sleep(0.05)
        if asked.done():
            asked.result().close()
        else:
            asked.cancel()
        try:
            await asyncio.wait_for(sent.left.wait(), LEAVE_S)
        except TimeoutError as error:
            raise AssertionError("the upstream goes on generating") from error


@case(13, "an overflow of the context is told in the client's own words", "https://github.com/StringKe/claudex/issues/10")
async def overflow(t: Trial) -> None:
    message = "This model's maximum context length is 128000 tokens. However, your messages resulted in 140000 tokens."
    t.play(
        say.plain(
            {"error": {"message": message, "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}}, 400
        )
    )
    answer = await t.messages("chat", [user("hi")], stream=True)
    said: Any = answer.json if answer.status != 200 else (answer.of("error") or [{}])[0]
    error = said.get("error") or {}
    assert answer.status in (200, 400, 413), f"the status is {answer.status}"
    assert "prompt is too long" in error.get("message", ""), (
        f"Claude Code compacts at `prompt is too long`; this says {error.get('message')!r}"
    )
