"""Pitfalls of caching, usage and cost (22-28)."""

from . import replies as say
from .trial import NotApplicable, Trial, Value, case, function, ok, texts, tool, user

LL = "https://github.com/BerriAI/litellm/issues/"
CACHED = {"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 103, "prompt_tokens_details": {"cached_tokens": 80}}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
MARK: Value = {"cache_control": {"type": "ephemeral"}}


@case(22, "cached tokens are counted alike, streamed or not", "https://github.com/router-for-me/CLIProxyAPI/issues/5617", LL + "36091")
async def cache_in_streams(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}, usage=CACHED))
    plain = ok(await t.messages("chat", [user("hi")])).json["usage"]
    t.play(say.chat_stream({"content": "ok"}, usage=CACHED))
    streamed = ok(await t.messages("chat", [user("hi")], stream=True)).of("message_delta")[-1]["usage"]
    counts = [(usage.get("input_tokens"), usage.get("cache_read_input_tokens")) for usage in (plain, streamed)]
    assert counts[0] == counts[1], f"plain {counts[0]}, streamed {counts[1]} (input, cached)"


@case(23, "cached tokens are counted once", LL + "9812", LL + "11364", "https://github.com/headroomlabs-ai/headroom/pull/2757")
async def cache_once(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}, usage=CACHED))
    usage = ok(await t.messages("chat", [user("hi")])).json["usage"]
    found = (usage["input_tokens"], usage.get("cache_read_input_tokens"))
    assert found == (20, 80), f"100 prompt tokens, 80 of them cached, become {found} (input, cached): the two are added by clients"
    t.play(
        say.message(
            [{"type": "text", "text": "ok"}],
            usage={"input_tokens": 20, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 0, "output_tokens": 3},
        )
    )
    back = ok(await t.chat("anthropic", [user("hi")])).json["usage"]
    details = (back.get("prompt_tokens_details") or {}).get("cached_tokens")
    assert (back["prompt_tokens"], details) == (100, 80), f"20 and 80 cached become {back['prompt_tokens']}, {details} of them cached"


@case(24, "caching is used for clients that know nothing of it", "https://github.com/router-for-me/CLIProxyAPI/issues/5557")
async def automatic_marks(t: Trial) -> None:
    t.play(say.message([{"type": "text", "text": "ok"}]))
    history = [{"role": "system", "content": "rules " * 2000}, user("hi"), {"role": "assistant", "content": "yes"}, user("go on")]
    ok(await t.chat("anthropic", history, tools=[function("f")]))
    marks = texts(t.last()).count('"cache_control"')
    if not marks:
        raise NotApplicable("it sets no cache marks of its own; where that is a setting, turn it on")
    assert marks <= 4, f"{marks} marks, and four are allowed"


@case(25, "never more than four cache marks", LL.replace("issues", "pull") + "30480", "https://github.com/maximhq/bifrost/pull/5931")
async def four_marks(t: Trial) -> None:
    t.play(say.message([{"type": "text", "text": "ok"}]))
    parts = [{"type": "text", "text": f"part {number}", **MARK} for number in range(6)]
    answer = await t.chat("anthropic", [{"role": "system", "content": parts[:3]}, {"role": "user", "content": parts[3:]}])
    if answer.status == 400:
        return
    ok(answer)
    marks = texts(t.last()).count('"cache_control"')
    assert marks <= 4, f"{marks} marks, and four are allowed"


@case(26, "a session keeps its place in the cache", LL + "37508")
async def cache_key(t: Trial) -> None:
    keys = []
    for session in ("user_1_session_a", "user_1_session_a", "user_1_session_b"):
        t.play(say.plain(say.response([say.output_text("ok")])))
        ok(await t.messages("responses", [user("hi")], metadata={"user_id": session}))
        keys.append(t.last().get("prompt_cache_key"))
    assert all(keys), "no prompt_cache_key is made of the session"
    assert keys[0] == keys[1] != keys[2], "the key is not one a session"


@case(27, "counting counts everything", "https://github.com/decolua/9router/issues/2337", LL + "13252")
async def counting(t: Trial) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    counts = []
    for more in ({}, {"tools": [tool(f"tool_{n}") for n in range(5)]}, {"messages": [{"role": "user", "content": [image, image]}]}):
        body = {"model": t.model("chat"), "messages": [user("hello")], **more}
        counts.append(ok(await t.post("/v1/messages/count_tokens", body)).json["input_tokens"])
    assert counts[0] > 0, "it counts nothing"
    assert counts[1] > counts[0] + 20, f"tools are not counted: {counts[0]} and {counts[1]}"
    assert counts[2] > counts[0] + 20, f"images are not counted: {counts[0]} and {counts[2]}"


@case(28, "every protocol says what was used", LL + "38176", LL + "29912")
async def usage_everywhere(t: Trial) -> None:
    found = {}
    t.play(say.chat_answer({"content": "ok"}))
    found["anthropic"] = ok(await t.messages("chat", [user("hi")])).json["usage"]["output_tokens"]
    found["chat"] = ok(await t.chat("chat", [user("hi")])).json["usage"]["completion_tokens"]
    found["responses"] = ok(await t.responses("chat", "hi")).json["usage"]["output_tokens"]
    contents = [{"role": "user", "parts": [{"text": "hi"}]}]
    found["gemini"] = ok(await t.gemini("chat", contents)).json["usageMetadata"]["candidatesTokenCount"]
    assert set(found.values()) == {3}, f"output tokens: {found}"
