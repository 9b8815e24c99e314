"""Conversations a client refers to: from memory by default, from the store with `responses.keep`."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter.server.kept import Recent
from tests.fakes import json_reply, sse_reply
from tests.server.team import serving, team
from tests.server.test_pipeline import case, chunk, post

pytestmark = pytest.mark.anyio

RESPONSES = "/v1/responses"
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
PLAIN = {
    "id": "c1", "object": "chat.completion", "created": 1, "model": "up-model",
    "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": None, "reasoning_content": "let me see", "tool_calls": [CALL]}}],
}  # fmt: skip
STREAM = [
    chunk({"role": "assistant", "reasoning_content": "let me see"}), chunk({"tool_calls": [{"index": 0, **CALL}]}), chunk({}, "tool_calls"),
    b"data: [DONE]\n\n",
]
DONE = json_reply({
    "id": "c2", "object": "chat.completion", "created": 1, "model": "up-model",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "done"}}],
})  # fmt: skip
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
ASK: dict[str, Any] = {"model": "m", "input": "go", "tools": [TOOL]}


def answer_in(raw: bytes, stream: bool) -> Any:
    if not stream:
        return json.loads(raw)
    events = [json.loads(line[5:]) for line in raw.split(b"\n") if line.startswith(b"data:")]
    return next(event["response"] for event in events if event["type"] == "response.completed")


@pytest.mark.parametrize("stream", [False, True])
async def test_references_to_a_recent_answer_are_followed(stream: bool) -> None:
    async with case([sse_reply(*STREAM) if stream else json_reply(PLAIN), DONE]) as (running, fake, http):
        _, raw, _ = await post(http, running.url + RESPONSES, {**ASK, "stream": stream})
        output = answer_in(raw, stream)["output"]
        assert [item["type"] for item in output] == ["reasoning", "function_call"]
        references = [{"type": "item_reference", "id": item["id"]} for item in output]
        result = {"type": "function_call_output", "call_id": output[1]["call_id"], "output": "1"}
        again = [{"role": "user", "content": "go"}, *references, result]
        status, raw, _ = await post(http, running.url + RESPONSES, {**ASK, "input": again})
        assert (status, json.loads(raw)["output"][0]["content"][0]["text"]) == (200, "done")
        sent = fake.seen[1].json["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
        assert sent[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}


@pytest.mark.parametrize("said", [{"store": False}, {}])
async def test_what_is_not_there_is_refused_with_advice(said: dict[str, Any]) -> None:
    async with case([json_reply(PLAIN)]) as (running, fake, http):
        _, raw, _ = await post(http, running.url + RESPONSES, {**ASK, **said})
        answer = json.loads(raw)
        referred = answer["output"][1]["id"] if said else "fc_other"
        status, raw, _ = await post(http, running.url + RESPONSES, {**ASK, "input": [{"type": "item_reference", "id": referred}]})
        error = json.loads(raw)["error"]
        assert (status, error["param"]) == (400, "input[0]")
        assert "responses.keep" in error["message"]
        status, raw, _ = await post(http, running.url + RESPONSES, {**ASK, "previous_response_id": answer["id"]})
        assert (status, json.loads(raw)["error"]["param"]) == (400, "previous_response_id")
        assert len(fake.seen) == 1


def test_memory_is_bounded_and_belongs_to_its_caller() -> None:
    recent = Recent(max_bytes=100)
    for i in range(10):
        recent.put("team:a", f"resp_{i}", b"x" * 30, [f"item_{i}"], now_s=i)
    assert recent.holding("team:a", ["item_9", "item_7", "item_6"], 10) == [b"x" * 30] * 2
    assert recent.holding("team:b", ["item_9"], 10) == []
    assert recent.holding("team:a", ["item_9"], 9 + 3600) == []
    recent.put("team:a", "resp_9", b"y", ["item_9"], now_s=10)
    assert recent.holding("team:a", ["item_9"], 10) == [b"y"]


# ---------------------------------------------------------------- in the store


async def test_kept_answers_are_followed_shown_and_deleted_on_any_replica(tmp_path: Path) -> None:
    keep = {"responses": {"keep": True, "ttl_s": 60}}
    async with team([json_reply(PLAIN), DONE, DONE], tmp_path, **keep) as t, serving(t.app.runtime.config) as (other, _):
        _, key = await t.key("a", team="web")
        _, mate = await t.key("b", team="web")
        _, stranger = await t.key("c")

        async def ask(url: str, own: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
            async with t.http.request(method, url + RESPONSES + path, json=body, headers={"authorization": f"Bearer {own}"}) as answer:
                return answer.status, await answer.json()

        _, first = await ask(t.url, key, "POST", "", ASK)
        result = {"type": "function_call_output", "call_id": first["output"][1]["call_id"], "output": "1"}
        follow = {"model": "m", "input": [result], "previous_response_id": first["id"], "tools": [TOOL]}
        status, second = await ask(other, mate, "POST", "", follow)
        assert (status, second["output"][0]["content"][0]["text"]) == (200, "done")
        assert [message["role"] for message in t.fake.seen[1].json["messages"]] == ["user", "assistant", "tool"]
        assert await ask(other, key, "GET", f"/{first['id']}") == (200, first)
        _, items = await ask(t.url, key, "GET", f"/{second['id']}/input_items")
        assert [item["type"] for item in items["data"]] == ["function_call_output", "function_call", "reasoning", "message"]
        for own, method, path in ((stranger, "GET", f"/{first['id']}"), (stranger, "DELETE", f"/{first['id']}"), (key, "GET", "/resp_none")):
            assert (await ask(t.url, own, method, path))[0] == 404
        assert (await ask(t.url, stranger, "POST", "", follow))[0] == 400
        assert (await ask(t.url, mate, "DELETE", f"/{first['id']}"))[1] == {"id": first["id"], "object": "response", "deleted": True}
        assert (await ask(other, key, "GET", f"/{first['id']}"))[0] == 404
        status, _ = await ask(t.url, key, "POST", "", {**ASK, "store": False})
        assert status == 200
    data = written(tmp_path)
    assert second["id"].encode() in data
    for prompt in (b"let me see", b"function_call_output", b'"a":1'):
        assert prompt not in data, "what was said stands in the store in clear"


def written(folder: Path) -> bytes:
    """Everything the store has on disk."""
    return b"".join(file.read_bytes() for file in folder.glob("gateway.db*"))
