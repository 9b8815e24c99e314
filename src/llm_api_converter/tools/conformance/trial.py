"""What a case works with: the gateway that is judged, the upstream that is scripted, and ways to look at what comes back.

A case is an async function that takes a `Trial`, registered by `@case`. It says what must hold with `check`, whose `Failed` tells what was
wrong in a few words; `NotApplicable` where the gateway does not have what the case is about.
"""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from ...framing.aws_event_stream import AwsEventReader
from ...upstream.client import Client, UpstreamAnswer
from .upstream import Scripted, Sent, Upstream

Value = dict[str, Any]
Item = TypeVar("Item")

UPSTREAM_MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "chat": "local-model",
    "openai": "gpt-5-mini",
    "deepseek": "deepseek-v4-pro",
    "responses": "gpt-5.5",
    "gemini": "gemini-3.1-pro-preview",
    "bedrock": "qwen.qwen3-coder-480b-a35b-v1:0",
    "bedrock-claude": "anthropic.claude-sonnet-4-5-20250929-v1:0",
}
"""The upstreams of the cases, and the model each is asked for there. A gateway serves them as `pitfall-NAME`."""
PATHS = {
    "anthropic": "/v1/messages",
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
}
WAIT_S = 30.0
"""For one answer."""
SENT_S = 5.0
"""Until a request must have reached the upstream."""
A_WHILE_S = 0.2
"""A pause in a scripted stream, long enough for what came before it to be on its way to the client."""


class Failed(Exception):
    """The gateway falls into the pitfall."""


class NotApplicable(Exception):
    """The gateway does not have what the case is about."""


def check(holds: object, why: str) -> None:
    """What a case demands. Raises `Failed`. (An `assert` would let every gateway pass under `python -O`.)"""
    if not holds:
        raise Failed(why)


def first(found: Iterable[Item], otherwise: str) -> Item:
    """The first of them. Raises `Failed` with these words where there is none."""
    for item in found:
        return item
    raise Failed(otherwise)


class Case(Struct, frozen=True):
    """One pitfall: its number, what is right, where people met it, and the function that tries it. `slow`: it waits for many seconds."""

    number: int
    title: str
    threads: tuple[str, ...]
    run: Callable[["Trial"], Awaitable[None]]
    slow: bool = False


CASES: dict[int, Case] = {}


def case(number: int, title: str, threads: str, *, slow: bool = False) -> Callable[[Callable[["Trial"], Awaitable[None]]], Any]:
    """Register a function as the case of a pitfall. `threads`: `owner/repository#number`, with blanks between."""

    def register(run: Callable[["Trial"], Awaitable[None]]) -> Callable[["Trial"], Awaitable[None]]:
        if number in CASES:
            raise ValueError(f"two cases have the number {number}")
        CASES[number] = Case(number, title, tuple(threads.split()), run, slow)
        return run

    return register


def link(thread: str) -> str:
    """Its address; GitHub leads on from an issue's to a pull request's."""
    repository, _, number = thread.partition("#")
    return f"https://github.com/{repository}/issues/{number}"


class Answer(Struct):
    """What the gateway said. `events` are the JSON values of a stream's events, in order."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        """A whole answer."""
        try:
            return json.loads(self.raw)
        except ValueError as error:
            raise Failed(f"the answer is no JSON: {self.raw[:80]!r}") from error

    @property
    def events(self) -> list[Value]:
        """A stream."""
        if self.headers.get("content-type", "").startswith("application/vnd.amazon.eventstream"):
            frames = AwsEventReader().feed(self.raw)
            return [{"type": h.get(":event-type") or h.get(":exception-type"), **json.loads(p)} for h, p in frames]
        found = []
        for event in self.raw.replace(b"\r\n", b"\n").split(b"\n\n"):
            text = b"\n".join(line[5:].lstrip() for line in event.split(b"\n") if line.startswith(b"data:"))
            if text and text != b"[DONE]":
                try:
                    found.append(json.loads(text))
                except ValueError as error:
                    raise Failed(f"an event is no JSON: {text[:80]!r}") from error
        return found

    def of(self, kind: str) -> list[Value]:
        """Events of one type."""
        return [event for event in self.events if event.get("type") == kind]

    @property
    def told(self) -> str:
        """Everything a user can read of it: headers and body."""
        return " ".join(self.headers.values()) + self.raw.decode("utf-8", "replace")

    @property
    def chat_calls(self) -> list[tuple[str, str]]:
        """The calls of a Chat answer, streamed or not: name and arguments, in the order of their indexes."""
        calls: dict[int, list[str]] = {}
        streamed = self.headers.get("content-type", "").startswith("text/event-stream")
        for choice in [c for event in (self.events if streamed else [self.json]) for c in event.get("choices") or ()]:
            for place, call in enumerate((choice.get("delta") or choice.get("message") or {}).get("tool_calls") or ()):
                entry = calls.setdefault(call["index"] if streamed else place, ["", ""])
                entry[0] += (call.get("function") or {}).get("name") or ""
                entry[1] += (call.get("function") or {}).get("arguments") or ""
        check(sorted(calls) == list(range(len(calls))), f"the calls have the indexes {sorted(calls)}")
        return [(name, arguments) for _, (name, arguments) in sorted(calls.items())]

    @property
    def chat_finish(self) -> str | None:
        """How a Chat answer ended, streamed or not."""
        streamed = self.headers.get("content-type", "").startswith("text/event-stream")
        reasons = [c.get("finish_reason") for event in (self.events if streamed else [self.json]) for c in event.get("choices") or ()]
        return next((reason for reason in reversed(reasons) if reason), None)


class Trial:
    """One gateway under trial."""

    def __init__(self, target: str, key: str, upstream: Upstream, prefix: str = "pitfall-") -> None:
        self._target = target.rstrip("/")
        self._headers = {"authorization": f"Bearer {key}", "x-api-key": key, "x-goog-api-key": key, "content-type": "application/json"}
        self._client = Client(idle_timeout_s=60)
        self._prefix = prefix
        self.upstream = upstream

    async def close(self) -> None:
        """Close connections."""
        await self._client.close()

    def play(self, *replies: Scripted) -> None:
        """What the upstream says from now on."""
        self.upstream.play(replies)

    @property
    def sent(self) -> list[Sent]:
        """What the upstream was sent since."""
        return self.upstream.sent

    async def asked(self) -> Sent:
        """The first request the upstream was sent since; waits for it."""
        try:
            async with asyncio.timeout(SENT_S):
                return await self.upstream.asked()
        except TimeoutError as error:
            raise Failed("nothing is sent upstream") from error

    def last(self) -> Any:
        """The body of the last request it was sent."""
        check(self.sent, "nothing was sent upstream")
        return self.sent[-1].body

    def model(self, upstream: str) -> str:
        """The gateway's name of an upstream's model."""
        return self._prefix + upstream

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Any request."""
        given = {**self._headers, **{name.replace("_", "-"): text for name, text in headers.items()}}
        async with asyncio.timeout(WAIT_S):
            answer = await self._client.post(self._target + path, json.dumps(body).encode(), given, "the gateway")
            return await _whole(answer, path)

    async def get(self, path: str, **headers: str) -> Answer:
        """Something to read, asked for as OpenAI's clients do."""
        given = {"authorization": self._headers["authorization"], **{name.replace("_", "-"): text for name, text in headers.items()}}
        async with asyncio.timeout(WAIT_S):
            return await _whole(await self._client.get(self._target + path, given, "the gateway"), path)

    async def opened(self, path: str, body: Any) -> UpstreamAnswer:
        """A request whose answer is read by the case."""
        return await self._client.post(self._target + path, json.dumps(body).encode(), self._headers, "the gateway")

    async def upgraded(self, path: str) -> int:
        """The status a WebSocket handshake is answered with."""
        key = base64.b64encode(b"sixteen bytes ok").decode()
        status, writer = await self._raw(
            f"GET {path}", {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": key}
        )
        writer.close()
        return status

    async def unread(self, path: str, body: Any) -> tuple[int, asyncio.StreamWriter]:
        """The status of an answer whose body is not read. The caller closes."""
        data = json.dumps(body).encode()
        return await self._raw(f"POST {path}", {"content-length": str(len(data))}, data)

    async def _raw(self, start: str, headers: dict[str, str], body: bytes = b"") -> tuple[int, asyncio.StreamWriter]:
        address = urlsplit(self._target)
        secure = address.scheme == "https"
        given = {"host": address.netloc, **self._headers, **headers}
        lines = [f"{start} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        async with asyncio.timeout(WAIT_S):
            reader, writer = await asyncio.open_connection(address.hostname, address.port or (443 if secure else 80), ssl=secure or None)
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
            first = (await reader.readline()).split(b" ")
        return int(first[1]) if len(first) > 1 else 0, writer

    async def messages(self, upstream: str, messages: Sequence[Value], *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        """An Anthropic request."""
        body = {"model": self.model(upstream), "max_tokens": 2000, "messages": list(messages), **more}
        return await self.post(PATHS["anthropic"], body, **{"anthropic_version": "2023-06-01", **(headers or {})})

    async def chat(self, upstream: str, messages: Sequence[Value], **more: Any) -> Answer:
        """A Chat request."""
        return await self.post(PATHS["openai_chat"], {"model": self.model(upstream), "messages": list(messages), **more})

    async def responses(self, upstream: str, given: Any, **more: Any) -> Answer:
        """A Responses request; nothing is to be stored."""
        return await self.post(PATHS["openai_responses"], {"model": self.model(upstream), "input": given, "store": False, **more})

    async def gemini(self, upstream: str, contents: Sequence[Value], *, stream: bool = False, **more: Any) -> Answer:
        """A Gemini request."""
        operation = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return await self.post(f"/v1beta/models/{self.model(upstream)}:{operation}", {"contents": list(contents), **more})


async def _whole(answer: UpstreamAnswer, path: str) -> Answer:
    raw = await answer.read()
    if answer.status in (404, 405) and b"model" not in raw.lower():
        raise NotApplicable(f"the gateway has no {path}")
    return Answer(answer.status, dict(answer.headers), raw)


def user(text: str) -> Value:
    """A user's message, in the two protocols that spell it so."""
    return {"role": "user", "content": text}


def function(name: str, schema: Value | None = None) -> Value:
    """A tool of the Chat protocol."""
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": schema or OBJECT}}


def tool(name: str, schema: Value | None = None, **more: Any) -> Value:
    """A tool of the Anthropic protocol."""
    return {"name": name, "description": "d", "input_schema": schema or OBJECT, **more}


def camel(value: Value) -> Value:
    """A message of Google's with its names in the one of two spellings that we look for; those inside of it stay."""
    return {name[:1] + name.title().replace("_", "")[1:] if "_" in name else name: inner for name, inner in value.items()}


def gemini_parts(body: Value) -> list[list[Value]]:
    """The parts of each turn of a Gemini request."""
    return [[camel(part) for part in content["parts"]] for content in body["contents"]]


OBJECT: Value = {"type": "object", "properties": {"a": {"type": "integer"}}}


def ok(answer: Answer) -> Answer:
    """An answer that succeeded."""
    check(answer.status == 200, f"status {answer.status}: {answer.raw[:160].decode('utf-8', 'replace')}")
    return answer


def texts(value: Any) -> str:
    """Everything, as JSON, for what must stand nowhere in it."""
    return json.dumps(value, ensure_ascii=False)
