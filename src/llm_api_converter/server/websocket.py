"""Responses over a WebSocket: one connection, many turns.

A client opens `/v1/responses` as a WebSocket and sends a frame `{"type": "response.create", ...}` for each turn, its fields those of the
HTTP body without `stream`; what comes back are the events of the HTTP stream, a JSON text frame each
(https://developers.openai.com/api/docs/guides/websocket-mode, read 2026-11).

- A turn is served as the HTTP request it stands for, through everything a request goes through: keys, limits, routes, log, metrics.
- `previous_response_id` is followed from the memory of the connection, whatever `store` says: that is what the mode is for.
- `generate: false` keeps the turn's input for the next one and asks no model.
- `stream_id` names a lane: turns of one lane run in order, lanes beside each other, and events carry their lane's name.
- An error of a turn is `{"type": "error", "status", "error": {...}}`; the connection goes on. After an hour it takes no more turns.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic

import msgspec

from ..protocols.openai_responses.kept import Item, Kept, input_items, refers_to, written_out
from .exchange import new_id
from .http import Message, Receive, Scope, Send

LIFETIME_S = 3600.0
MEMORY_ANSWERS = 8
"""Answers a connection remembers: the last of each lane, and a few to fork from."""
LANES = 16
WAITING_TURNS = 8
NOT_OF_THE_BODY = ("type", "stream_id", "stream", "background", "generate")
HANDSHAKE = frozenset({b"upgrade", b"connection", b"content-length", b"transfer-encoding", b"content-type"})

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]

_encode = msgspec.json.encode


class Socket:
    """One open connection. `serve` answers an HTTP request given as ASGI."""

    def __init__(self, serve: Serve, scope: Scope, send: Send, lifetime_s: float = LIFETIME_S) -> None:
        self._serve = serve
        self._scope = scope
        self._send = send
        self._until_s = monotonic() + lifetime_s
        self._answers: OrderedDict[str, Kept] = OrderedDict()
        self._lanes: dict[str, asyncio.Queue[Item]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._gone = asyncio.Event()

    async def run(self, receive: Receive) -> None:
        """Serve turns until the client leaves."""
        try:
            while (message := await receive())["type"] == "websocket.receive":
                await self._take(message)
        finally:
            self._gone.set()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _take(self, message: Message) -> None:
        text = message.get("text")
        try:
            frame = msgspec.json.decode(text if text is not None else message.get("bytes") or b"")
        except msgspec.DecodeError as error:
            await self._refuse("invalid_json", f"the frame is not valid JSON: {error}")
            return
        if not isinstance(frame, dict) or frame.get("type") != "response.create":
            kind = frame.get("type") if isinstance(frame, dict) else None
            await self._refuse("unknown_event", f"type: expected response.create, got {kind!r}", param="type")
            return
        lane = frame.get("stream_id")
        if lane is not None and (not isinstance(lane, str) or not lane):
            await self._refuse("invalid_value", "stream_id: expected a string that is not empty", param="stream_id")
        elif monotonic() > self._until_s:
            why = "this connection is an hour old and takes no more turns; open a new one"
            await self._refuse("websocket_connection_limit_reached", why, lane=lane)
        else:
            await self._queue(lane, frame)

    async def _queue(self, lane: str | None, frame: Item) -> None:
        turns = self._lanes.get(lane or "")
        if turns is None:
            if len(self._lanes) == LANES:
                await self._refuse("too_many_streams", f"stream_id: a connection has at most {LANES} lanes", param="stream_id", lane=lane)
                return
            turns = self._lanes[lane or ""] = asyncio.Queue(WAITING_TURNS)
            self._tasks.append(asyncio.get_running_loop().create_task(self._lane(lane, turns)))
        try:
            turns.put_nowait(frame)
        except asyncio.QueueFull:
            await self._refuse("too_many_turns", f"at most {WAITING_TURNS} turns wait in a lane", lane=lane)

    async def _lane(self, lane: str | None, turns: asyncio.Queue[Item]) -> None:
        while not self._gone.is_set():  # a turn that ends because the client left takes the cancellation with it
            await self._turn(lane, await turns.get())

    async def _turn(self, lane: str | None, frame: Item) -> None:
        body = {name: value for name, value in frame.items() if name not in NOT_OF_THE_BODY}
        previous, _ = refers_to(body)
        before = self._answers.get(previous) if previous is not None else None
        if before is not None and (body.get("input") is None or isinstance(body["input"], str | list)):
            body = written_out(body, before, {})
        if frame.get("generate") is False:
            await self._warm(lane, body)
            return
        answer = Frames(self._send, lane)
        await self._serve(self._as_http(), self._receiver(_encode({**body, "stream": True})), answer.send)
        if answer.final is not None:
            self._remember(answer.final, body)

    async def _warm(self, lane: str | None, body: Item) -> None:
        """Keep the input under an id; nothing is asked of anybody."""
        answer: Item = {
            "id": new_id("resp_"), "object": "response", "created_at": 0, "status": "in_progress", "error": None,
            "incomplete_details": None, "model": body.get("model", ""), "output": [], "parallel_tool_calls": True, "tool_choice": "auto",
            "tools": body.get("tools") or [], "instructions": body.get("instructions"), "metadata": {}, "temperature": None, "top_p": None,
        }  # fmt: skip
        done = {**answer, "status": "completed"}
        for number, (kind, value) in enumerate((("response.created", answer), ("response.completed", done))):
            await self._event({"type": kind, "response": value, "sequence_number": number}, lane)
        self._remember(done, body)

    def _remember(self, answer: Item, body: Item) -> None:
        if not isinstance(answer.get("id"), str) or (body.get("input") is not None and not isinstance(body["input"], str | list)):
            return
        self._answers[answer["id"]] = Kept(input_items(body), answer.get("output") or [], answer)
        while len(self._answers) > MEMORY_ANSWERS:
            self._answers.popitem(last=False)

    def _as_http(self) -> Scope:
        """The HTTP request a turn stands for, with the headers of the handshake."""
        headers = [(k, v) for k, v in self._scope["headers"] if k not in HANDSHAKE and not k.startswith(b"sec-websocket-")]
        return {**self._scope, "type": "http", "method": "POST", "headers": [*headers, (b"content-type", b"application/json")]}

    def _receiver(self, body: bytes) -> Receive:
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if not asked:
                asked = True
                return {"type": "http.request", "body": body, "more_body": False}
            await self._gone.wait()
            return {"type": "http.disconnect"}

        return receive

    async def _refuse(self, code: str, message: str, *, param: str | None = None, lane: str | None = None) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": param}
        await self._event({"type": "error", "status": 400, "error": error}, lane)

    async def _event(self, event: Item, lane: str | None) -> None:
        await self._send({"type": "websocket.send", "text": _encode(event if lane is None else {**event, "stream_id": lane}).decode()})


class Frames:
    """ASGI messages of an HTTP answer -> frames of one lane. `final` is the whole answer, once it has come."""

    def __init__(self, send: Send, lane: str | None) -> None:
        self._send = send
        self._lane = lane
        self._status = 0
        self._held = b""
        self.final: Item | None = None

    async def send(self, message: Message) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            return
        self._held += message.get("body", b"")
        if self._status != 200:
            if not message.get("more_body"):
                await self._frame({"type": "error", "status": self._status, **_error_in(self._held)})
            return
        *events, self._held = self._held.split(b"\n\n")
        for event in events:
            data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
            if data:
                await self._pass(data)

    async def _pass(self, data: bytes) -> None:
        if self._lane is not None or b'"response.completed"' in data or b'"response.incomplete"' in data:
            event = msgspec.json.decode(data)
            if event.get("type") in ("response.completed", "response.incomplete"):
                self.final = event.get("response")
            await self._frame(event)
        else:
            await self._send({"type": "websocket.send", "text": data.decode()})

    async def _frame(self, event: Item) -> None:
        if self._lane is not None:
            event = {**event, "stream_id": self._lane}
        await self._send({"type": "websocket.send", "text": _encode(event).decode()})


def _error_in(body: bytes) -> Item:
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        said = None
    error = said.get("error") if isinstance(said, dict) else None
    return {"error": error if isinstance(error, dict) else {"type": "server_error", "code": None, "message": "the turn failed"}}


async def refuse(status: int, body: bytes, scope: Scope, send: Send) -> None:
    """Answer the handshake as HTTP would; where the server cannot, close."""
    if "websocket.http.response" in scope.get("extensions", {}):
        headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/json")]
        if status == 426:
            headers.append((b"upgrade", b"HTTP/1.1"))
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 1008})
