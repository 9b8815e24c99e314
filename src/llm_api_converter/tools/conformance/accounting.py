"""Pitfalls of caching, usage and cost (22-28)."""

from typing import Any

from . import replies as say
from .trial import NotApplicable, Trial, Value, case, check, function, ok, texts, tool, user

CACHED = {"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 103, "prompt_tokens_details": {"cached_tokens": 80}}
CACHED_CLAUDE = {"input_tokens": 20, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 0, "output_tokens": 3}
CACHED_GEMINI = {"promptTokenCount": 100, "cachedContentTokenCount": 80, "candidatesTokenCount": 3, "totalTokenCount": 103}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
MARK: Value = {"cache_control": {"type": "ephemeral"}}
HOUR: Value = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
OK_CLAUDE = say.message([{"type": "text", "text": "ok"}])
GIVEN_USAGE: Value = {"stream": True, "stream_options": {"include_usage": True}}


def _of_anthropic(usage: Value) -> tuple[Any, Any]:
    """Input tokens and cached ones, which are not among them."""
    return usage.get("input_tokens"), usage.get("cache_read_input_tokens")


def _of_chat(usage: Value) -> tuple[Any, Any]:
    """Input tokens, and how many of them were cached."""
    return usage.get("prompt_tokens"), (usage.get("prompt_tokens_details") or {}).get("cached_tokens")


def _last_usage(events: list[Value]) -> Value:
    """The usage a Chat stream ends with."""
    found: list[Value] = [event["usage"] for event in events if event.get("usage")]
    check(found, "a Chat stream asked for its usage has none")
    return found[-1]


@case(22, "cached tokens are counted alike, streamed or not", "router-for-me/CLIProxyAPI#5617 BerriAI/litellm#36091")
async def cache_in_streams(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}, usage=CACHED))
    plain = _of_anthropic(ok(await t.messages("chat", [user("hi")])).json["usage"])
    t.play(say.chat_stream({"content": "ok"}, usage=CACHED))
    streamed = _of_anthropic(ok(await t.messages("chat", [user("hi")], stream=True)).of("message_delta")[-1]["usage"])
    check(plain == streamed, f"plain {plain}, streamed {streamed} (input, cached)")
    begun = say.message_start({**CACHED_CLAUDE, "output_tokens": 1})
    told = say.message([{"type": "text", "text": "ok"}], usage=CACHED_CLAUDE)
    pieces = say.sse(begun, *say.text_block(0, "ok"), *say.message_end(usage=CACHED_CLAUDE))
    gemini = say.gemini([{"text": "ok"}], usage=CACHED_GEMINI)
    for upstream, whole, stream in (("anthropic", told, pieces), ("gemini", say.plain(gemini), say.sse(gemini))):
        t.play(whole)
        plain = _of_chat(ok(await t.chat(upstream, [user("hi")])).json["usage"])
        t.play(stream)
        streamed = _of_chat(_last_usage(ok(await t.chat(upstream, [user("hi")], **GIVEN_USAGE)).events))
        check(plain == streamed, f"{upstream}: plain {plain}, streamed {streamed} (prompt, cached)")


@case(
    23,
    "cached tokens are counted once",
    "BerriAI/litellm#9812 BerriAI/litellm#29145 BerriAI/litellm#11364 headroomlabs-ai/headroom#2757",
)
async def cache_once(t: Trial) -> None:
    for upstream, reply in (
        ("chat", say.chat_answer({"content": "ok"}, usage=CACHED)),
        ("gemini", say.plain(say.gemini([{"text": "ok"}], usage=CACHED_GEMINI))),
    ):
        t.play(reply)
        found = _of_anthropic(ok(await t.messages(upstream, [user("hi")])).json["usage"])
        check(found == (20, 80), f"100 prompt tokens, 80 of them cached, become {found} (input, cached): the two are added by clients")
    t.play(say.message([{"type": "text", "text": "ok"}], usage=CACHED_CLAUDE))
    back = _of_chat(ok(await t.chat("anthropic", [user("hi")])).json["usage"])
    check(back == (100, 80), f"20 input tokens beside 80 cached become {back[0]}, {back[1]} of them cached")


@case(
    24,
    "caching is used for clients that know nothing of it, and left alone where they do",
    "router-for-me/CLIProxyAPI#5557 BerriAI/litellm#33573 cline/cline#5067",
)
async def automatic_marks(t: Trial) -> None:
    system: Value = {"role": "system", "content": "rules " * 2000}
    history = [system, user("hi"), {"role": "assistant", "content": "yes"}, user("go on")]
    t.play(OK_CLAUDE)
    ok(await t.chat("anthropic", history, tools=[function("f")]))
    body = t.last()
    marks = texts(body).count('"cache_control"')
    if not marks:
        raise NotApplicable("it sets no cache marks of its own; where that is a setting, turn it on")
    check(marks <= 4, f"{marks} marks, and four are allowed")
    check('"cache_control"' in texts([body.get("tools"), body.get("system")]), "what is the same in every turn is not marked")
    at_the_end = body.get("cache_control") or "cache_control" in texts(body["messages"][-1])
    check(at_the_end, "the last turn is not marked: the history is paid for anew each time")
    system["content"] = [{"type": "text", "text": system["content"], **MARK}]
    ok(await t.chat("anthropic", history, tools=[function("f")]))
    marks = texts(t.last()).count('"cache_control"')
    check(marks == 1, f"the client sets one mark of its own, and {marks} are sent")


@case(
    25,
    "never more than four cache marks, and the client's are kept with their lifetime",
    "BerriAI/litellm#30480 BerriAI/litellm#33886 maximhq/bifrost#5931",
)
async def four_marks(t: Trial) -> None:
    parts = [{"type": "text", "text": f"part {number}", **(HOUR if number == 0 else MARK)} for number in range(6)]
    t.play(OK_CLAUDE)
    answer = await t.chat("anthropic", [{"role": "system", "content": parts[:3]}, {"role": "user", "content": parts[3:]}])
    if answer.status != 400:
        ok(answer)
        marks = texts(t.last()).count('"cache_control"')
        check(marks <= 4, f"{marks} marks, and four are allowed")
    t.play(OK_CLAUDE)
    ok(await t.chat("anthropic", [{"role": "system", "content": parts[:1]}, {"role": "user", "content": parts[1:2]}]))
    check(texts(t.last()).count('"cache_control"') == 2, "the client's own two marks are not those that are sent")
    check('"1h"' in texts(t.last()), "the lifetime of a mark is lost")


@case(26, "a session keeps its place in the cache", "BerriAI/litellm#37508")
async def cache_key(t: Trial) -> None:
    keys = []
    for session in ("user_1_session_a", "user_1_session_a", "user_1_session_b"):
        t.play(say.plain(say.response([say.output_text("ok")])))
        ok(await t.messages("responses", [user("hi")], metadata={"user_id": session}))
        keys.append(t.last().get("prompt_cache_key"))
    check(all(keys), "no prompt_cache_key is made of the session")
    check(keys[0] == keys[1] != keys[2], "the key is not one a session")
    check(all(len(key) <= 64 for key in keys), "the key is longer than the 64 characters that are allowed")


@case(
    27,
    "counting counts everything, and only what the client sent",
    "decolua/9router#2337 BerriAI/litellm#13252 router-for-me/CLIProxyAPI#4104 farion1231/cc-switch#3260",
)
async def counting(t: Trial) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"text": "some words " * 50}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "some words " * 50}
    called = [user("hello"), {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    wanted: tuple[tuple[str, Value, int], ...] = (
        ("a word", {}, 0), ("tools", {"tools": [tool(f"tool_{n}") for n in range(5)]}, 20),
        ("images", {"messages": [{"role": "user", "content": [image, image]}]}, 20), ("calls and results", {"messages": called}, 100),
        ("the system prompt", {"system": "some words " * 50}, 50),
    )  # fmt: skip
    counts: list[int] = []
    for what, more, least in wanted:
        body = {"model": t.model("chat"), "messages": [user("hello")], **more}
        counts.append(ok(await t.post("/v1/messages/count_tokens", body)).json["input_tokens"])
        check(counts[-1] > 0, "it counts nothing")
        check(counts[-1] >= counts[0] + least, f"{what}: {counts[-1]} tokens, where a word has {counts[0]}")
    check(counts[0] < 30, f"a word is counted as {counts[0]} tokens: the gateway's own words are among them")
    t.play(say.plain({"input_tokens": 77}))
    native = ok(await t.post("/v1/messages/count_tokens", {"model": t.model("anthropic"), "messages": [user("hello")]})).json
    check(native["input_tokens"] == 77, f"the vendor's own counter says 77, the gateway {native['input_tokens']}")


@case(28, "every protocol says what was used, streamed or not", "BerriAI/litellm#38176 BerriAI/litellm#29912")
async def usage_everywhere(t: Trial) -> None:
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    found = {}
    upstream = "anthropic"
    t.play(OK_CLAUDE)
    found["anthropic"] = ok(await t.messages(upstream, [user("hi")])).json["usage"]["output_tokens"]
    found["chat"] = ok(await t.chat(upstream, [user("hi")])).json["usage"]["completion_tokens"]
    found["responses"] = ok(await t.responses(upstream, "hi")).json["usage"]["output_tokens"]
    found["gemini"] = ok(await t.gemini(upstream, contents)).json["usageMetadata"]["candidatesTokenCount"]
    check(set(found.values()) == {3}, f"output tokens: {found}")
    t.play(say.sse(say.message_start(), *say.text_block(0, "ok"), *say.message_end()))
    found["anthropic"] = ok(await t.messages(upstream, [user("hi")], stream=True)).of("message_delta")[-1]["usage"]["output_tokens"]
    found["chat"] = _last_usage(ok(await t.chat(upstream, [user("hi")], **GIVEN_USAGE)).events)["completion_tokens"]
    completed = ok(await t.responses(upstream, "hi", stream=True)).of("response.completed")[-1]
    found["responses"] = completed["response"]["usage"]["output_tokens"]
    events = ok(await t.gemini(upstream, contents, stream=True)).events
    found["gemini"] = [e["usageMetadata"] for e in events if "usageMetadata" in e][-1]["candidatesTokenCount"]
    check(set(found.values()) == {3}, f"output tokens of streams: {found}")
