"""What a case works with: the gateway that is judged, the upstream that is scripted, and ways to look at what comes back.

A case is an async function that takes a `Trial`, registered by `@case`. It fails by `AssertionError`, whose message says what was wrong
in a few words; `NotApplicable` where the gateway does not have what the case is about.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct

from ...framing.aws_event_stream import AwsEventReader
from ...upstream.client import Client
from .upstream import Reply, Sent, Upstream

Value = dict[str, Any]

UPSTREAM_MODELS = {
    "anthropic": "claude-sonnet-4-5",
    "chat": "local-model",
    "openai": "gpt-5-mini",
    "deepseek": "deepseek-v4-pro",
    "responses": "gpt-5.5",
    "gemini": "gemini-3.1-pro-preview",
    "bedrock": "qwen.qwen3-coder-480b-a35b-v1:0",
}
"""The upstreams of the cases, and the model each is asked for there. A gateway serves them as `pitfall-NAME`."""
PATHS = {
    "anthropic": "/v1/messages",
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
}
WAIT_S = 10.0


class NotApplicable(Exception):
    """The gateway does not have what the case is about."""


class Case(Struct, frozen=True):
    """One pitfall: its number, what it is, where people met it, and the function that tries it. `slow`: it waits for many seconds."""

    number: int
    title: str
    threads: tuple[str, ...]
    run: Callable[["Trial"], Awaitable[None]]
    slow: bool = False


CASES: dict[int, Case] = {}


def case(number: int, title: str, *threads: str, slow: bool = False) -> Callable[[Callable[["Trial"], Awaitable[None]]], Any]:
    """Register a function as the case of a pitfall."""

    def register(run: Callable[["Trial"], Awaitable[None]]) -> Callable[["Trial"], Awaitable[None]]:
        assert number not in CASES, number
        CASES[number] = Case(number, title, threads, run, slow)
        return run

    return register


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
            raise AssertionError(f"the answer is no JSON: {self.raw[:80]!r}") from error

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
                    raise AssertionError(f"an event is no JSON: {text[:80]!r}") from error
        return found

    def of(self, kind: str) -> list[Value]:
        """Events of one type."""
        return [event for event in self.events if event.get("type") == kind]


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

    def play(self, *replies: Reply) -> None:
        """What the upstream says from now on."""
        self.upstream.play(replies)

    @property
    def sent(self) -> list[Sent]:
        """What the upstream was sent since."""
        return self.upstream.sent

    def last(self) -> Any:
        """The body of the last request it was sent."""
        assert self.sent, "nothing was sent upstream"
        return self.sent[-1].body

    def model(self, upstream: str) -> str:
        """The gateway's name of an upstream's model."""
        return self._prefix + upstream

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        """Any request."""
        given = {**self._headers, **{name.replace("_", "-"): text for name, text in headers.items()}}
        async with asyncio.timeout(WAIT_S * 3):
            answer = await self._client.post(self._target + path, json.dumps(body).encode(), given, "the gateway")
            raw = await answer.read()
        if answer.status in (404, 405) and b"model" not in raw.lower():
            raise NotApplicable(f"the gateway has no {path}")
        return Answer(answer.status, dict(answer.headers), raw)

    async def stream(self, path: str, body: Any) -> Any:
        """A request whose answer is read by the case."""
        return await self._client.post(self._target + path, json.dumps(body).encode(), self._headers, "the gateway")

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


def user(text: str) -> Value:
    """A user's message, in the two protocols that spell it so."""
    return {"role": "user", "content": text}


def function(name: str, schema: Value | None = None) -> Value:
    """A tool of the Chat protocol."""
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": schema or OBJECT}}


def tool(name: str, schema: Value | None = None, **more: Any) -> Value:
    """A tool of the Anthropic protocol."""
    return {"name": name, "description": "d", "input_schema": schema or OBJECT, **more}


OBJECT: Value = {"type": "object", "properties": {"a": {"type": "integer"}}}


def ok(answer: Answer) -> Answer:
    """An answer that succeeded."""
    assert answer.status == 200, f"status {answer.status}: {answer.raw[:160].decode('utf-8', 'replace')}"
    return answer


def texts(value: Any) -> str:
    """Everything, as JSON, for what must stand nowhere in it."""
    return json.dumps(value, ensure_ascii=False)
