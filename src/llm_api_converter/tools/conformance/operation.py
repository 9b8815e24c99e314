"""Pitfalls of parameters, errors and operation (46-50)."""

import asyncio
import json

from . import replies as say
from .trial import PATHS, Trial, Value, camel, case, check, ok, texts, tool, user

AT_ONCE, REQUESTS = 16, 160
FLOOD_BYTES, HELD_BYTES, FLOOD_S = 48 * 2**20, 24 * 2**20, 2.0
"""What an upstream has to say to a client that does not read, and how much of it may be on the way (sockets' buffers among it)."""


@case(
    46,
    "parameters a model refuses are not sent, or left out at the second try and ever after",
    "ericc-ch/copilot-api#222 finch-xu/cc-router#32 Davidvandijcke/coarse#214",
)
async def refused_parameters(t: Trial) -> None:
    t.play(say.gpt("ok"))
    ok(await t.messages("openai", [user("hi")], temperature=0.5))
    body = t.last()
    check("max_tokens" not in body, "max_tokens is sent to a model that takes max_completion_tokens")
    check("temperature" not in body, "a temperature is sent to a model that refuses it")
    message = "Unsupported parameter: 'top_p' is not supported with this model."
    refused = {"error": {"message": message, "type": "invalid_request_error", "param": "top_p", "code": "unsupported_parameter"}}
    t.play(say.plain(refused, 400), say.chat_answer({"content": "ok"}))
    ok(await t.messages("chat", [user("hi")], top_p=0.5))
    check("top_p" not in t.last(), "the refused parameter is sent again")
    t.play(say.chat_answer({"content": "ok"}))
    ok(await t.messages("chat", [user("hi")], top_p=0.5))
    check("top_p" not in t.last(), "what was refused once is sent again in the next request")


@case(
    47,
    "structured output: the schema fits, and the answer is JSON",
    "BerriAI/litellm#35808 BerriAI/litellm#21222 langchain-ai/langchain-aws#883",
)
async def structured(t: Trial) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": True}
    wanted = {"type": "json_schema", "json_schema": {"name": "out", "schema": schema, "strict": True}}
    t.play(say.plain(say.response([say.output_text('{"a":1}')])))
    answer = ok(await t.chat("responses", [user("hi")], response_format=wanted)).json
    sent = (t.last().get("text") or {}).get("format") or {}
    check(sent.get("type") == "json_schema", "the schema is not sent")
    fits = not sent.get("strict") or sent["schema"].get("additionalProperties") is False
    check(fits, "strict with additionalProperties: true is a 400 at OpenAI")
    check(json.loads(answer["choices"][0]["message"]["content"]) == {"a": 1}, "the answer is not the JSON")
    t.play(say.plain(say.gemini([{"text": '{"a":1}'}])))
    ok(await t.chat("gemini", [user("hi")], response_format=wanted))
    config = camel(camel(t.last()).get("generationConfig") or {})
    check(config.get("responseJsonSchema") or config.get("responseSchema"), "Gemini is not sent the schema")
    t.play(say.message([{"type": "text", "text": '{"a":1}'}]))
    ok(await t.chat("anthropic", [user("hi")], response_format=wanted, reasoning_effort="high"))
    body = t.last()
    check('"integer"' in texts(body), "Claude is not sent the schema")
    thinks = (body.get("thinking") or {}).get("type", "disabled") != "disabled"
    forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    check(not (thinks and forced), "the schema is a tool that is forced while thinking is on: Claude refuses that")


@case(48, "nothing is dropped in silence", "langwatch/langwatch#6318 BerriAI/litellm#33738")
async def silent_drops(t: Trial) -> None:
    fields: Value = {"seed": 7, "logit_bias": {"1": 5}}
    t.play(say.message([{"type": "text", "text": "ok"}]))
    answer = await t.chat("anthropic", [user("hi")], **fields)
    lost = [name for name in fields if name not in texts(t.last())] if t.sent else list(fields)
    silent = [name for name in lost if name not in answer.told]
    check(not t.sent or "max_tokens" in t.last(), "what is sent is no Anthropic request")
    check(not silent, f"dropped without a word: {silent}")
    t.play(say.gpt("ok"))
    answer = await t.messages("openai", [user("hi")], top_k=5)
    check("top_k" in (texts(t.last()) if t.sent else "") or "top_k" in answer.told, "dropped without a word: top_k")


@case(49, "overload and its retry-after are kept", "langwatch/langwatch#6207 tombii/better-ccflare#236 huggingface/tau#333")
async def overload(t: Trial) -> None:
    t.play(say.message_refused(429, "rate_limit_error", "slow down", retry_after="37"))
    for stream in (False, True):
        answer = await t.chat("anthropic", [user("hi")], stream=stream)
        check(answer.status == 429, f"429 becomes {answer.status}")
        check(answer.headers.get("retry-after") == "37", f"retry-after: 37 becomes {answer.headers.get('retry-after')}")
    t.play(say.message_refused(529, "overloaded_error", "busy", retry_after="37"))
    answer = await t.messages("anthropic", [user("hi")])
    check(answer.status in (503, 529), f"529 becomes {answer.status}")
    check(answer.json["error"]["type"] == "overloaded_error", f"the error is of type {answer.json['error']['type']}")
    answer = await t.chat("anthropic", [user("hi")])
    check(answer.status == 503, f"for a Chat client 529 becomes {answer.status}, which its SDK does not know as overload")
    t.play(say.plain({"error": {"message": "busy", "type": "server_error"}}, 503, retry_after="37"))
    answer = await t.messages("chat", [user("hi")])
    check(answer.status in (503, 529), f"503 becomes {answer.status}")
    check(answer.json["error"]["type"] == "overloaded_error", f"503 is told as {answer.json['error']['type']}")


@case(
    50,
    "a crowd is served whole, and a client that does not read does not fill the memory",
    "BerriAI/litellm#12685 BerriAI/litellm#27954 BerriAI/litellm#13546 BerriAI/litellm#21046 BerriAI/litellm#14681 BerriAI/litellm#12067 "
    "BerriAI/litellm#40291 BerriAI/litellm#13202",
)
async def crowd(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}))
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> int:
        async with gate:
            return (await t.messages("chat", [user(f"hi {number}")], tools=[tool("f")])).status

    statuses = await asyncio.gather(*(one(number) for number in range(REQUESTS)))
    check(set(statuses) == {200}, f"of {REQUESTS} requests {sum(status != 200 for status in statuses)} failed")
    check(len(t.sent) == REQUESTS, f"{REQUESTS} requests became {len(t.sent)} upstream")
    await _flood(t)


async def _flood(t: Trial) -> None:
    """An upstream that talks without end to a client that has stopped reading: it must be held up, not stored."""
    piece = say.data(say.chat_chunk({"content": "x" * 2**16}))
    t.play(say.sse(*[piece] * (FLOOD_BYTES // len(piece))))
    body = {"model": t.model("chat"), "max_tokens": 9, "messages": [user("hi")], "stream": True}
    status, writer = await t.unread(PATHS["anthropic"], body)
    try:
        check(status == 200, f"the status is {status}")
        sent = await t.asked()
        written = -1
        while written != sent.written:  # until nothing moves any more
            written = sent.written
            await asyncio.sleep(FLOOD_S / 4)
        check(written < HELD_BYTES, f"of a stream nobody reads, {written >> 20} MB are taken in")
    finally:
        writer.close()
