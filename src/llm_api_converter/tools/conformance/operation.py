"""Pitfalls of parameters, errors and operation (46-50)."""

import asyncio
import json

from . import replies as say
from .trial import Trial, case, ok, texts, tool, user

LL = "https://github.com/BerriAI/litellm/issues/"
AT_ONCE, REQUESTS = 16, 160


@case(
    46,
    "parameters a model refuses are not sent, or left out at the second try",
    "https://github.com/ericc-ch/copilot-api/issues/222",
    "https://github.com/finch-xu/cc-router/issues/32",
)
async def refused_parameters(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}))
    ok(await t.messages("openai", [user("hi")], temperature=0.5))
    body = t.last()
    assert "max_tokens" not in body, "max_tokens is sent to a model that takes max_completion_tokens"
    refused = {
        "error": {
            "message": "Unsupported parameter: 'top_p' is not supported with this model.",
            "type": "invalid_request_error",
            "param": "top_p",
            "code": "unsupported_parameter",
        }
    }
    t.play(say.plain(refused, 400), say.chat_answer({"content": "ok"}))
    answer = await t.messages("chat", [user("hi")], top_p=0.5)
    ok(answer)
    assert "top_p" not in t.last(), "the refused parameter is sent again"


@case(
    47,
    "structured output: the schema fits, and the answer is JSON",
    LL + "35808",
    "https://github.com/langchain-ai/langchain-aws/issues/883",
)
async def structured(t: Trial) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": True}
    wanted = {"type": "json_schema", "json_schema": {"name": "out", "schema": schema, "strict": True}}
    t.play(say.plain(say.response([say.output_text('{"a":1}')])))
    answer = ok(await t.chat("responses", [user("hi")], response_format=wanted)).json
    sent = (t.last().get("text") or {}).get("format") or {}
    assert sent.get("type") == "json_schema", "the schema is not sent"
    assert not sent.get("strict") or sent["schema"].get("additionalProperties") is False, (
        "strict with additionalProperties: true is a 400 at OpenAI"
    )
    assert json.loads(answer["choices"][0]["message"]["content"]) == {"a": 1}, "the answer is not the JSON"


@case(48, "nothing is dropped in silence", "https://github.com/langwatch/langwatch/pull/6318", LL.replace("issues", "pull") + "33738")
async def silent_drops(t: Trial) -> None:
    t.play(say.message([{"type": "text", "text": "ok"}]))
    answer = await t.chat("anthropic", [user("hi")], seed=7, logit_bias={"1": 5})
    told = " ".join(answer.headers.values()) + answer.raw.decode("utf-8", "replace")
    lost = [name for name in ("seed", "logit_bias") if name not in texts(t.last())] if t.sent else ["seed", "logit_bias"]
    assert all(name in told for name in lost), f"dropped without a word: {[name for name in lost if name not in told]}"


@case(
    49,
    "overload and its retry-after are kept",
    "https://github.com/langwatch/langwatch/pull/6207",
    "https://github.com/tombii/better-ccflare/pull/236",
)
async def overload(t: Trial) -> None:
    t.play(say.plain({"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}, 429, retry_after="37"))
    answer = await t.chat("anthropic", [user("hi")])
    assert answer.status == 429, f"429 becomes {answer.status}"
    assert answer.headers.get("retry-after") == "37", f"retry-after: 37 becomes {answer.headers.get('retry-after')}"
    t.play(say.plain({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, 529, retry_after="37"))
    answer = await t.messages("anthropic", [user("hi")])
    assert answer.status in (503, 529), f"529 becomes {answer.status}"
    assert answer.json["error"]["type"] == "overloaded_error", f"the error is of type {answer.json['error']['type']}"


@case(50, "a crowd is served whole", LL + "27954", LL + "13546", LL + "12685")
async def crowd(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}))
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> int:
        async with gate:
            return (await t.messages("chat", [user(f"hi {number}")], tools=[tool("f")])).status

    statuses = await asyncio.gather(*(one(number) for number in range(REQUESTS)))
    assert set(statuses) == {200}, f"of {REQUESTS} requests {sum(status != 200 for status in statuses)} failed"
    assert len(t.sent) == REQUESTS, f"{REQUESTS} requests became {len(t.sent)} upstream"
