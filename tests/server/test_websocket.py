"""Responses over a WebSocket, with a bare client and with the official SDK's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection

from tests.fakes import HANG, KEY, FakeUpstream, Running, json_reply, sse_reply
from tests.server.test_pipeline import CHAT_STREAM, case

pytestmark = pytest.mark.anyio

CREATE: dict[str, Any] = {"type": "response.create", "model": "m", "input": "hi", "store": False}
BEARER = {"authorization": f"Bearer {KEY}"}


def url_of(running: Running, path: str = "/v1/responses") -> str:
    return running.url.replace("http://", "ws://") + path


@asynccontextmanager
async def opened(script: Any, **settings: Any) -> AsyncIterator[tuple[ClientConnection, FakeUpstream]]:
    async with (
        case(script, **settings) as (running, fake, _),
        websockets.connect(url_of(running), additional_headers=BEARER) as socket,
    ):
        yield socket, fake


async def turn(socket: ClientConnection, **more: Any) -> list[dict[str, Any]]:
    """Send one turn; its events up to the one that ends it."""
    await socket.send(json.dumps({**CREATE, **more}))
    events = []
    while True:
        events.append(json.loads(await asyncio.wait_for(socket.recv(), 5)))
        if events[-1]["type"] in ("response.completed", "response.failed", "response.incomplete", "error"):
            return events


async def test_turns_carry_the_events_of_the_http_stream_and_follow_each_other_by_id() -> None:
    async with opened([sse_reply(*CHAT_STREAM), sse_reply(*CHAT_STREAM)]) as (socket, fake):
        events = await turn(socket)
        assert [event["type"] for event in events][:2] == ["response.created", "response.in_progress"]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        answer = events[-1]["response"]
        assert answer["output"][0]["content"][0]["text"] == "hello"
        more = [{"type": "message", "role": "user", "content": "more"}]
        await turn(socket, input=more, previous_response_id=answer["id"])
        said = [(m["role"], m["content"]) for m in fake.seen[1].json["messages"]]
        assert said == [("user", "hi"), ("assistant", "hello"), ("user", "more")]


async def test_a_warm_up_asks_nobody_and_is_followed() -> None:
    async with opened([sse_reply(*CHAT_STREAM)]) as (socket, fake):
        events = await turn(socket, generate=False)
        assert [event["type"] for event in events] == ["response.created", "response.completed"]
        assert fake.seen == []
        await turn(socket, input=[], previous_response_id=events[-1]["response"]["id"])
        assert fake.seen[0].json["messages"] == [{"role": "user", "content": "hi"}]


async def test_an_unknown_earlier_answer_is_told_by_its_code_and_the_connection_goes_on() -> None:
    async with opened([sse_reply(*CHAT_STREAM)]) as (socket, _):
        (event,) = await turn(socket, previous_response_id="resp_other")
        assert (event["type"], event["status"], event["error"]["code"]) == ("error", 400, "previous_response_not_found")
        assert (await turn(socket))[-1]["type"] == "response.completed"


async def test_an_upstream_refusal_is_an_error_event_with_its_status() -> None:
    async with opened([json_reply({"error": {"message": "slow down"}}, 429)], retry={"attempts": 0, "max_wait_s": 0}) as (socket, _):
        (event,) = await turn(socket)
        assert (event["type"], event["status"], event["error"]["message"]) == ("error", 429, "slow down")


async def test_lanes_run_beside_each_other_and_events_carry_their_name() -> None:
    async with opened([sse_reply(HANG), sse_reply(*CHAT_STREAM)]) as (socket, fake):
        await socket.send(json.dumps({**CREATE, "stream_id": "slow"}))
        while not fake.seen:
            await asyncio.sleep(0.01)
        events = await turn(socket, stream_id="quick")
        assert {event["stream_id"] for event in events} == {"quick"}
        assert events[-1]["type"] == "response.completed"


async def test_when_the_client_leaves_the_upstream_call_ends() -> None:
    async with opened([sse_reply(HANG)]) as (socket, fake):
        await socket.send(json.dumps(CREATE))
        while not fake.seen:
            await asyncio.sleep(0.01)
        await socket.close()
        await asyncio.wait_for(fake.seen[0].closed.wait(), 2)


@pytest.mark.parametrize(
    ("frame", "code", "param"),
    [
        ("{", "invalid_json", None), ('{"type":"response.steer"}', "unknown_event", "type"), ("[]", "unknown_event", "type"),
        ('{"type":"response.create","stream_id":7}', "invalid_value", "stream_id"),
        ('{"type":"response.create","input":"hi"}', None, "model"),
    ],
)  # fmt: skip
async def test_frames_that_are_no_turns(frame: str, code: str | None, param: str | None) -> None:
    async with opened([]) as (socket, _):
        await socket.send(frame)
        event = json.loads(await socket.recv())
        assert (event["type"], event["status"], event["error"]["code"], event["error"]["param"]) == ("error", 400, code, param)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [("/v1/responses", {}, 401), ("/v1/responses", {"authorization": "Bearer no"}, 401), ("/v1/chat/completions", BEARER, 426)],
)
async def test_who_may_not_come_in_is_told_before_it_opens(path: str, headers: dict[str, str], status: int) -> None:
    async with case([]) as (running, _, _):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url_of(running, path), additional_headers=headers)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["error"]["message"]


async def test_the_official_client() -> None:
    async with case([sse_reply(*CHAT_STREAM)]) as (running, _, _):
        client = AsyncOpenAI(base_url=running.url + "/v1", api_key=KEY)
        async with client.responses.connect() as connection:
            await connection.response.create(model="m", input="hi")
            kinds = []
            async for event in connection:
                kinds.append(event.type)
                if event.type == "response.completed":
                    assert event.response.output_text == "hello"
                    break
        assert "response.output_text.delta" in kinds
        await client.close()
