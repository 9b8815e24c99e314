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

from llm_api_converter.server.websocket import Socket
from tests.fakes import HANG, KEY, FakeUpstream, Running, config, gateway, json_reply, sse_reply, upstream
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
        ("{", "invalid_json", None), ('{"type":"response.stir"}', "unknown_event", "type"), ("[]", "unknown_event", "type"),
        ('{"type":"response.create","stream_id":7}', "invalid_stream_id", "stream_id"),
        ('{"type":"response.create","stream_id":"a b"}', "invalid_stream_id", "stream_id"),
        ('{"type":"response.create","model":"m","background":true}', "unsupported_value", "background"),
        ('{"type":"response.create","input":"hi"}', None, "model"),
    ],
)  # fmt: skip
async def test_frames_that_are_no_turns(frame: str, code: str | None, param: str | None) -> None:
    async with opened([]) as (socket, _):
        await socket.send('{"type":"response.processed","response_id":"resp_1"}')  # says nothing, and nothing is said to it
        await socket.send(frame)
        event = json.loads(await socket.recv())
        assert (event["type"], event["status"], event["error"]["code"], event["error"]["param"]) == ("error", 400, code, param)


async def test_input_for_a_running_answer_is_given_back() -> None:
    async with opened([]) as (socket, _):
        await socket.send(json.dumps({"type": "response.steer", "previous_response_id": "resp_1", "input": "no, the other one"}))
        event = json.loads(await socket.recv())
        assert (event["type"], event["error"]["code"]) == ("response.steer.failed", "steering_not_supported")
        assert event["steer"] == {"previous_response_id": "resp_1", "input": "no, the other one"}


async def test_a_failed_turn_can_be_tried_again_with_the_same_id() -> None:
    refusal = json_reply({"error": {"message": "slow down"}}, 429, retry_after="7")
    async with opened([sse_reply(*CHAT_STREAM), refusal, sse_reply(*CHAT_STREAM)], retry={"attempts": 0, "max_wait_s": 0}) as (socket, fake):
        first = (await turn(socket))[-1]["response"]["id"]
        (event,) = await turn(socket, input="more", previous_response_id=first)
        assert (event["headers"]["retry-after"], event["error"]["headers"]["retry-after"]) == ("7", "7")
        assert (await turn(socket, input="more", previous_response_id=first))[-1]["type"] == "response.completed"
        assert len(fake.seen[2].json["messages"]) == 3


async def test_lanes_fork_from_each_other_and_are_limited() -> None:
    async with opened(lambda _: sse_reply(*CHAT_STREAM)) as (socket, fake):
        first = (await turn(socket, stream_id="lane0"))[-1]["response"]["id"]
        for number in range(1, 32):
            await turn(socket, stream_id=f"lane{number}", input=f"fork {number}", previous_response_id=first)
        assert [m["content"] for m in fake.seen[-1].json["messages"]] == ["hi", "hello", "fork 31"]
        (event,) = await turn(socket, stream_id="lane32")
        assert (event["error"]["code"], event["stream_id"]) == ("websocket_stream_limit_reached", "lane32")
        assert (await turn(socket))[-1]["type"] == "response.completed"  # the lane without a name is none of them


async def test_what_others_keep_is_named_to_them_again() -> None:
    """The upstream knows the beginning and this connection does not: a conversation is never written out without its beginning."""
    def answer(seen: Any) -> Any:
        response = {"id": f"resp_{len(fake.seen)}", "object": "response", "status": "completed", "model": "up", "output": [
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "yes"}]}
        ]}  # fmt: skip
        done = json.dumps({"type": "response.completed", "sequence_number": 0, "response": response})
        return sse_reply(b"event: response.completed\r\ndata: " + done.encode() + b"\r\n\r\n")

    provider = {"type": "openai_compatible", "protocol": "openai_responses", "api_key": "sk-upstream-secret-1"}
    async with upstream(answer) as fake:
        settings = config({"up": {**provider, "base_url": fake.url + "/v1"}}, [{"name": "m", "provider": "up", "model": "up-model"}])
        async with gateway(settings) as running, websockets.connect(url_of(running), additional_headers=BEARER) as socket:
            await turn(socket, previous_response_id="resp_stored", store=True)
            await turn(socket, input="more", previous_response_id="resp_1", store=True)
            whole = (await turn(socket, reasoning={"effort": "low"}))[-1]["response"]["id"]
            await turn(socket, input="more", previous_response_id=whole)
    assert [seen.json.get("previous_response_id") for seen in fake.seen] == ["resp_stored", "resp_1", None, None]
    assert [len(seen.json["input"]) for seen in fake.seen] == [len("hi"), len("more"), len("hi"), 3]
    assert fake.seen[2].json["include"] == ["reasoning.encrypted_content"]  # without it the next turn could not be written out
    assert "include" not in fake.seen[3].json
    assert not any({"type", "generate", "stream_id"} & set(seen.json) for seen in fake.seen)


async def test_a_connection_takes_turns_for_an_hour() -> None:
    """At the end of its time it lets the running turn end, says why it takes no more, and closes."""
    going = asyncio.Event()
    incoming: asyncio.Queue[Any] = asyncio.Queue()
    sent: list[Any] = []

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        await going.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'data: {"type":"response.completed","response":{"id":"resp_1"}}\n\n'})

    async def send(message: Any) -> None:
        sent.append(message)
        if message["type"] == "websocket.close":
            incoming.put_nowait({"type": "websocket.disconnect"})

    running = asyncio.ensure_future(Socket(serve, {"headers": []}, send, lifetime_s=0.05).run(incoming.get))
    incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(CREATE)})
    await asyncio.sleep(0.1)
    incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(CREATE)})
    await asyncio.sleep(0.01)
    going.set()
    await asyncio.wait_for(running, 2)
    said = [json.loads(message["text"]) for message in sent[:-1]]
    limit = "websocket_connection_limit_reached"
    assert [event.get("error", event).get("code", event["type"]) for event in said] == [limit, "response.completed", limit]
    assert sent[-1]["type"] == "websocket.close"


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
