"""Responses over a WebSocket: one connection, many turns.

A client opens `/v1/responses` as a WebSocket and sends a frame `{"type": "response.create", ...}` for each turn, its fields those of the
HTTP body without `stream`; what comes back are the events of the HTTP stream, a JSON text frame each
(https://developers.openai.com/api/docs/guides/websocket-mode and openai 3.54.0 `types/responses/responses_client_event.py`, read 2026-11).

- A turn is served as the HTTP request it stands for, through everything a request goes through: keys, limits, routes, log, metrics.
- `previous_response_id` is followed from the memory of the connection, whatever `store` says: that is what the mode is for. A turn that
  fails forgets nothing, so that it can be tried again. What the memory does not have is left to the store and to the upstream.
- `generate: false` keeps the turn's input for the next one and asks no model.
- `stream_id` names a lane: turns of one lane run in order, lanes beside each other, and events carry their lane's name.
- An error of a turn is `{"type": "error", "status", "error": {...}}`; the connection goes on. After an hour it takes no more turns, and
  closes when those it has are answered.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import time

import msgspec

from ..framing.sse import SseReader
from ..observe.tasks import stopped
from ..protocols.openai_responses.kept import (
    Item,
    Kept,
    input_items,
    readable,
    refers_to,
    resendable,
    self_contained,
    with_state_asked,
    written_out,
)
from .exchange import new_id
from .http import Message, Receive, Scope, Send

LIFETIME_S = 3600.0
LANES = 32
"""Named ones; the turns without a name have one more."""
IN_FLIGHT = 16
"""Turns that run at once, of all lanes."""
WAITING = 32
"""Turns that wait, of all lanes."""
REMEMBERED = 64
"""Answers a connection remembers beyond the last one of each lane, to fork from. They share their items."""

_LANE = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_NOT_OF_THE_BODY = frozenset({"type", "stream_id", "stream", "background", "generate"})
_NOT_OF_A_TURN = frozenset({b"upgrade", b"connection", b"content-length", b"transfer-encoding", b"content-type", b"x-request-id"})
_SHOWN_HEADERS = frozenset({b"retry-after", b"x-request-id", b"x-should-retry"})
_FINAL = frozenset({"response.completed", "response.incomplete"})

Serve = Callable[[Scope, Receive, Send], Awaitable[None]]

_encode = msgspec.json.encode
_decode = msgspec.json.decode


class Refused(Exception):
    """A frame that is no turn: the `error` of its event."""

    def __init__(self, code: str, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        kind = "invalid_request_error" if status == 400 else "rate_limit_error"
        self.event: Item = {"type": "error", "status": status, "error": {"type": kind, "code": code, "message": message, "param": param}}


class Socket:
    """One open connection. `serve` answers an HTTP request given as ASGI."""

    def __init__(self, serve: Serve, scope: Scope, send: Send, lifetime_s: float = LIFETIME_S) -> None:
        self._serve = serve
        self._scope = scope
        self._send = send
        self._lifetime_s = lifetime_s
        self._over = False
        self._answers: OrderedDict[str, Kept] = OrderedDict()
        self._last: dict[str, str] = {}  # lane -> id of its last answer
        self._lanes: dict[str, asyncio.Queue[Item]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._running = asyncio.Semaphore(IN_FLIGHT)
        self._gone = asyncio.Event()

    async def run(self, receive: Receive) -> None:
        """Serve turns until the client leaves, or the connection is too old."""
        self._start(self._grow_old())
        try:
            while (message := await receive())["type"] == "websocket.receive":
                await self._take(message)
        finally:
            self._gone.set()
            await stopped(self._tasks)

    def _start(self, work: Awaitable[None]) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def _grow_old(self) -> None:
        await asyncio.sleep(self._lifetime_s)
        self._over = True
        for turns in self._lanes.values():
            await turns.join()
        await self._event(_too_old().event)
        await self._send({"type": "websocket.close", "code": 1000})

    async def _take(self, message: Message) -> None:
        lane: str | None = None
        try:
            frame = _frame_of(message)
            if frame["type"] == "response.steer":
                await self._event(_not_steered(frame))
            elif frame["type"] != "response.processed":  # the client has dealt with an answer: nothing hangs on it here
                lane = _lane_of(frame)
                self._queue(lane or "", frame)
        except Refused as refused:
            await self._event(refused.event, lane)

    def _queue(self, lane: str, frame: Item) -> None:
        if self._over:
            raise _too_old()
        if frame.get("background"):
            raise Refused("unsupported_value", "background: not over a WebSocket; leave it out, or ask over HTTP", "background")
        if sum(waiting.qsize() for waiting in self._lanes.values()) >= WAITING:
            why = f"{WAITING} turns wait on this connection already; wait for an answer before the next"
            raise Refused("rate_limit_exceeded", why, status=429)
        if lane not in self._lanes:
            if len(self._lanes) - ("" in self._lanes) >= LANES and lane:
                why = f"stream_id: a connection has at most {LANES} lanes; use one of them again, or open a new connection"
                raise Refused("websocket_stream_limit_reached", why, "stream_id")
            self._lanes[lane] = asyncio.Queue()
            self._start(self._lane(lane, self._lanes[lane]))
        self._lanes[lane].put_nowait(frame)

    async def _lane(self, lane: str, turns: asyncio.Queue[Item]) -> None:
        while not self._gone.is_set():  # a turn that ends because the client left takes the cancellation with it
            frame = await turns.get()
            async with self._running:
                await self._turn(lane, frame)
            turns.task_done()

    async def _turn(self, lane: str, frame: Item) -> None:
        body = {name: value for name, value in frame.items() if name not in _NOT_OF_THE_BODY}
        previous, _ = refers_to(body)
        before = self._answers.get(previous) if previous is not None else None
        if before is not None and readable(body):
            body = written_out(body, before, {})
        if frame.get("generate") is False:
            answer: Item | None = await self._warm(lane, body)
        else:
            frames = Frames(self._send, lane)
            await self._serve(self._as_http(), self._receiver(_encode({**with_state_asked(body), "stream": True})), frames.send)
            answer = frames.final
        if answer is not None:
            self._remember(lane, answer, body)

    async def _warm(self, lane: str, body: Item) -> Item:
        """Keep the input under an id; nothing is asked of anybody."""
        answer: Item = {
            "id": new_id("resp_"), "object": "response", "created_at": int(time()), "status": "in_progress", "error": None,
            "incomplete_details": None, "model": body.get("model", ""), "output": [], "parallel_tool_calls": True, "tool_choice": "auto",
            "tools": body.get("tools") or [], "instructions": body.get("instructions"), "metadata": {}, "temperature": None, "top_p": None,
            "previous_response_id": None, "usage": None,
        }  # fmt: skip
        done = {**answer, "status": "completed"}
        for number, (kind, value) in enumerate((("response.created", answer), ("response.completed", done))):
            await self._event({"type": kind, "response": value, "sequence_number": number}, lane)
        return done

    def _remember(self, lane: str, answer: Item, body: Item) -> None:
        """Keep a whole conversation. One whose beginning somebody else keeps is named to them again by the next turn."""
        if not isinstance(answer.get("id"), str) or not self_contained(body):
            return
        self._answers[answer["id"]] = Kept(input_items(body), resendable(answer.get("output") or (), body), answer)
        self._last[lane] = answer["id"]
        if len(self._answers) > REMEMBERED + len(self._last):
            lasting = frozenset(self._last.values())
            del self._answers[next(kept for kept in self._answers if kept not in lasting)]

    def _as_http(self) -> Scope:
        """The HTTP request a turn stands for, with the headers of the handshake that say something of it."""
        headers = [(k, v) for k, v in self._scope["headers"] if k not in _NOT_OF_A_TURN and not k.startswith(b"sec-websocket-")]
        headers = [(k, v) for k, v in headers if not (k == b"openai-beta" and v.startswith(b"responses_websockets="))]
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

    async def _event(self, event: Item, lane: str | None = None) -> None:
        await self._send({"type": "websocket.send", "text": _encode({**event, "stream_id": lane} if lane else event).decode()})


def _frame_of(message: Message) -> Item:
    """A client event of a known type. Raises Refused."""
    text = message.get("text")
    try:
        frame = _decode(text if text is not None else message.get("bytes") or b"")
    except msgspec.DecodeError as error:
        raise Refused("invalid_json", f"the frame is not valid JSON: {error}") from None
    kind = frame.get("type") if isinstance(frame, dict) else None
    if not isinstance(frame, dict) or kind not in ("response.create", "response.steer", "response.processed"):
        raise Refused("unknown_event", f"type: expected response.create, got {kind!r}", "type")
    return frame


def _lane_of(frame: Item) -> str | None:
    lane = frame.get("stream_id")
    if lane is not None and (not isinstance(lane, str) or not _LANE.fullmatch(lane)):
        raise Refused("invalid_stream_id", "stream_id: expected 1 to 256 letters, digits, `_`, `-` and `.`", "stream_id")
    return lane


def _too_old() -> Refused:
    return Refused("websocket_connection_limit_reached", "this connection is an hour old and takes no more turns; open a new one")


def _not_steered(frame: Item) -> Item:
    """Input for an answer that is being written: no upstream call takes any. The client gets it back, to send with its next turn."""
    why = "a running answer takes no more input here; send it with the next response.create"
    error = {"type": "invalid_request_error", "code": "steering_not_supported", "message": why}
    steer = {"previous_response_id": frame.get("previous_response_id"), "input": frame.get("input")}
    return {"type": "response.steer.failed", "sequence_number": 0, "error": error, "steer": steer}


class Frames:
    """ASGI messages of an HTTP answer -> frames of one lane. `final` is the whole answer, once it has come."""

    def __init__(self, send: Send, lane: str) -> None:
        self._send = send
        self._lane = b'{"stream_id":%b,' % _encode(lane) if lane else b""
        self._status = 0
        self._headers: dict[str, str] = {}
        self._refusal = b""
        self._reader = SseReader()
        self.final: Item | None = None

    async def send(self, message: Message) -> None:
        """One message of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {k.decode(): v.decode("latin-1") for k, v in message["headers"] if k in _SHOWN_HEADERS}
            return
        data, last = message.get("body", b""), not message.get("more_body")
        if self._status == 200:
            for _, event in [*self._reader.feed(data), *(self._reader.finish() if last else ())]:
                await self._pass(event)
            return
        self._refusal += data
        if last:
            await self._pass(_encode(_error_event(self._status, self._headers, self._refusal)))

    async def _pass(self, event: bytes) -> None:
        if not event.startswith(b"{"):
            return
        if b'"response.completed"' in event or b'"response.incomplete"' in event:
            said = _decode(event)
            if said.get("type") in _FINAL:
                self.final = said.get("response")
        await self._send({"type": "websocket.send", "text": (self._lane + event[1:] if self._lane else event).decode()})


def _error_event(status: int, headers: dict[str, str], body: bytes) -> Item:
    """A refusal as an event. OpenAI's SDK reads the headers inside the error, Codex beside it."""
    try:
        said = _decode(body)
    except msgspec.DecodeError:
        said = None
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        error = {"type": "server_error", "code": None, "message": "the turn failed", "param": None}
    return {"type": "error", "status": status, "error": {**error, "headers": headers}, "headers": headers}


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
