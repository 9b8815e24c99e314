"""`/v1/responses/compact` and kept responses."""

import json
from typing import Any

import pytest

from tests.fakes import KEY, config, gateway, json_reply, upstream
from tests.server.test_pipeline import case, post

pytestmark = pytest.mark.anyio
ASK = {"model": "m", "input": [{"role": "user", "content": "hello"}]}
COMPACTED = {"id": "resp_1", "object": "response.compaction", "created_at": 1, "output": [], "usage": {"input_tokens": 1}}


async def test_it_is_relayed_where_the_upstream_speaks_responses() -> None:
    import aiohttp

    async with upstream([json_reply(COMPACTED), json_reply({"error": {"message": "no", "code": "x"}}, 429)]) as fake:
        provider = {"type": "openai", "protocol": "openai_responses", "base_url": fake.url + "/v1", "api_key": "sk-upstream-secret-1"}
        settings = config({"up": provider}, [{"name": "m", "provider": "up", "model": "up-model"}])
        async with gateway(settings) as running, aiohttp.ClientSession() as http:
            status, raw, _ = await post(http, running.url + "/v1/responses/compact", ASK)
            assert (status, json.loads(raw)) == (200, COMPACTED)
            assert (fake.seen[0].path, fake.seen[0].json) == ("/v1/responses/compact", {**ASK, "model": "up-model"})
            status, raw, _ = await post(http, running.url + "/v1/responses/compact", ASK)
            assert (status, json.loads(raw)["error"]["message"]) == (429, "no")


TOLD = json_reply({
    "id": "c1", "object": "chat.completion", "created": 1, "model": "up-model", "usage": {"prompt_tokens": 90, "completion_tokens": 5, "total_tokens": 95},
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "they fix the parser"}}],
})  # fmt: skip
LONG = [
    {"type": "message", "role": "user", "content": "fix the parser"}, {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "1"},
]  # fmt: skip
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


def last_words(fake: Any) -> str:
    """Everything of the last request upstream."""
    return json.dumps(fake.seen[-1].json)


async def test_elsewhere_the_model_sums_up_and_goes_on_from_that() -> None:
    async with case([TOLD, TOLD]) as (running, fake, http):
        status, raw, _ = await post(http, running.url + "/v1/responses/compact", {"model": "m", "input": LONG, "tools": [TOOL]})
        compacted = json.loads(raw)
        assert (status, compacted["object"], compacted["usage"]["input_tokens"]) == (200, "response.compaction", 90)
        assert [(item["type"], item.get("role")) for item in compacted["output"]] == [("message", "user"), ("compaction", None)]
        assert fake.seen[0].json["tool_choice"] == "none"
        assert "summary" in last_words(fake)
        again = [*compacted["output"], {"type": "message", "role": "user", "content": "go on"}]
        status, _, _ = await post(http, running.url + "/v1/responses", {"model": "m", "input": again})
        assert status == 200
        assert "they fix the parser" in last_words(fake)
        assert "SEALED" not in last_words(fake)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_trigger_is_answered_with_exactly_one_item(stream: bool) -> None:
    async with case([TOLD, TOLD]) as (running, fake, http):
        asked = {"model": "m", "input": [*LONG, {"type": "compaction_trigger"}], "stream": stream, "store": False, "tools": [TOOL]}
        status, raw, headers = await post(http, running.url + "/v1/responses", asked)
        assert status == 200, raw
        if stream:
            assert headers["content-type"].startswith("text/event-stream")
            events = [json.loads(line[5:]) for line in raw.split(b"\n") if line.startswith(b"data:")]
            assert [event["sequence_number"] for event in events] == list(range(5))
            assert [event["item"]["type"] for event in events if event["type"] == "response.output_item.done"] == ["compaction"]
            answer = events[-1]["response"]
        else:
            answer = json.loads(raw)
        assert [item["type"] for item in answer["output"]] == ["compaction"]
        assert (answer["status"], answer["usage"]["output_tokens"]) == ("completed", 5)
        assert "compaction_trigger" not in last_words(fake)


async def test_what_is_no_compaction_is_refused() -> None:
    cut = json_reply({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "they"}}]})  # fmt: skip
    async with case([cut]) as (running, _, http):
        trigger = {"type": "compaction_trigger"}
        status, raw, _ = await post(http, running.url + "/v1/responses", {"model": "m", "input": [trigger, *LONG]})
        assert (status, json.loads(raw)["error"]["param"]) == (400, "input[0]")
        status, raw, _ = await post(http, running.url + "/v1/responses", {"model": "m", "input": [*LONG, trigger]})
        assert (status, "did not finish its summary" in json.loads(raw)["error"]["message"]) == (502, True)


async def test_a_forged_item_is_no_text_of_ours() -> None:
    async with case([TOLD]) as (running, fake, http):
        forged = {"type": "compaction", "id": "cmp_1", "encrypted_content": "SEALEDSTATEOFTHISGATEWAYAAAA"}
        status, _, _ = await post(http, running.url + "/v1/responses", {"model": "m", "input": [forged, *LONG]})
        assert status == 200
        assert "SEALED" not in last_words(fake)


async def test_kept_responses_are_not_there() -> None:
    async with case([]) as (running, fake, http):
        status, raw, _ = await post(http, running.url + "/v1/responses", {**ASK, "previous_response_id": "resp_0"})
        assert status == 400
        assert "previous_response_id" in json.loads(raw)["error"]["message"]
        async with http.get(running.url + "/v1/responses/resp_1", headers={"authorization": f"Bearer {KEY}"}) as answer:
            assert answer.status == 404
            assert "responses.keep" in (await answer.json())["error"]["message"]
        assert fake.seen == []
