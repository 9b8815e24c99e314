"""Everything an answer can say in neutral form, one thing at a time: `ANSWERS`. See `features`, whose counterpart this is."""

from collections.abc import Callable
from typing import Any, NamedTuple, get_args

from msgspec.structs import replace

from llm_api_converter.hub.messages import Citation, Inline, Media, Native, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from llm_api_converter.hub.response import Finish, FinishReason, Response, Usage
from llm_api_converter.protocols import codec

from .features import PNG, PROVIDER_CALLS

REASONS: tuple[FinishReason, ...] = get_args(FinishReason)
HELLO = Text("Hello")
USED = Usage(100, 20)
BASE = Response("id_1", "model", (HELLO,), Finish("stop"), USED)
CALL = ToolCall("call_1", "weather", '{"city":"Oslo"}')
CALLED = replace(BASE, parts=(CALL,), finish=Finish("tool_call"))


class Said(NamedTuple):
    """One thing. `make(protocol)` says it as an upstream of that protocol would; `base` is what it is compared with."""

    name: str
    make: Callable[[str], Response]
    base: Response = BASE


def _parts(*parts: Part, called: bool = False) -> Callable[[str], Response]:
    return lambda _: replace(CALLED if called else BASE, parts=parts)


def _used(**counts: int) -> Callable[[str], Response]:
    return lambda _: replace(BASE, usage=replace(USED, **counts))


def _ended(reason: FinishReason, **more: Any) -> Said:
    name = f"ended: {reason}" + "".join(f", {key}" for key in more)
    base = replace(BASE, finish=Finish(reason)) if more else BASE
    return Said(name, lambda _: replace(BASE, finish=Finish(reason, **more)), base)


def _token(protocol: str, kind: str = "signature") -> tuple[Opaque, ...]:
    return (Opaque(f"wire.{protocol}", kind, "RXE0QmFzZTY0"),)


def _provider_call(protocol: str) -> Response:
    """What the request's history says of such a call, as an answer. Converse and Gemini have the same items in both."""
    turn = PROVIDER_CALLS[protocol]
    items: list[Any] = turn if isinstance(turn, list) else [turn]
    bodies: dict[str, Any] = {
        "anthropic": {"model": "m", "max_tokens": 9, "messages": items},
        "openai_responses": {"model": "m", "input": items},
        "gemini": {"contents": items},
        "bedrock_converse": {"messages": items},
    }
    request = codec(protocol).decode_request(bodies[protocol], model="m", stream=False)
    return replace(BASE, parts=tuple(replace(part, at="") for message in request.messages for part in message.parts))


ANSWERS: dict[str, list[Said]] = {
    "Parts": [
        Said("text", _parts(Text("Good morning"))),
        Said("citation of a page", _parts(Text("Hello", (Citation("https://example.com", "Title"),)))),
        Said("citation with its place in the answer", _parts(Text("Hello", (Citation("https://example.com", "Title", start=0, end=5),)))),
        Said("citation with the words of the source", _parts(Text("Hello", (Citation("https://example.com", "Title", quote="quote"),)))),
        Said("citation of a document", _parts(Text("Hello", (Citation(title="Title", quote="quote", document=0),)))),
        Said("refusal", _parts(Refusal("I will not."))),
        Said("image", _parts(HELLO, Media("image", Inline(PNG), "image/png"))),
        Said("sound", _parts(HELLO, Media("audio", Inline("UklGRg=="), "audio/wav"))),
        Said("call", _parts(CALL, called=True)),
        Said("two calls", _parts(CALL, replace(CALL, id="call_2"), called=True), CALLED),
        Said("call of a custom tool", _parts(ToolCall("call_1", "sql", "SELECT 1", custom=True), called=True)),
        Said("call in a namespace", _parts(replace(CALL, namespace="geo"), called=True), CALLED),
        Said("call run by the provider", _provider_call),
        Said("an item of one protocol", lambda p: replace(BASE, parts=(HELLO, Native(p, *NATIVE[p])))),
    ],
    "Reasoning and state": [
        Said("reasoning", _parts(Reasoning("Hmm."), HELLO)),
        Said("summary of reasoning", _parts(Reasoning("Hmm.", summary=True), HELLO)),
        Said("signed reasoning", lambda p: replace(BASE, parts=(Reasoning("Hmm.", tokens=_token(p)), HELLO))),
        Said("encrypted reasoning", lambda p: replace(BASE, parts=(Reasoning("Hmm.", summary=True, tokens=_token(p, "encrypted")), HELLO))),
        Said("redacted reasoning", lambda p: replace(BASE, parts=(Reasoning("", redacted=True, tokens=_token(p, "redacted")), HELLO))),
        Said("state on a call", lambda p: replace(CALLED, parts=(replace(CALL, tokens=_token(p)),)), CALLED),
        Said("state on text", lambda p: replace(CALLED, parts=(Text("Hello", tokens=_token(p)), CALL)), replace(CALLED, parts=(HELLO, CALL))),
    ],
    "End": [
        *(_ended(reason) for reason in REASONS if reason not in ("stop", "tool_call")),
        _ended("stop_sequence", stop_sequence="END"),
        _ended("refused", detail="about weapons"),
    ],
    "Usage and the rest": [
        Said("tokens in and out", lambda _: BASE, replace(BASE, usage=Usage(1, 1))),
        Said("read from the cache", _used(cache_read=40)),
        Said("written to the cache", _used(cache_write=40)),
        Said("written for an hour", _used(cache_write=40, cache_write_1h=40), replace(BASE, usage=replace(USED, cache_write=40))),
        Said("tokens of reasoning", _used(reasoning=15)),
        Said("service tier", lambda _: replace(BASE, service_tier="priority")),
        Said("time of creation", lambda _: replace(BASE, created_s=1_700_000_000)),
        Said("a field the gateway does not know", lambda p: replace(BASE, extras={p: {"brand_new": 1}})),
        Said("an unknown field of a part", lambda p: replace(BASE, parts=(replace(HELLO, extras={p: {"brand_new": 1}}),))),
    ],
}  # fmt: skip

# Items of an answer that have no neutral meaning.
NATIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "anthropic": ("container_upload", {"type": "container_upload", "file_id": "file_1"}),
    "openai_responses": ("compaction", {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}),
    "gemini": ("brandNew", {"brandNew": {"fps": 1}}),
    "bedrock_converse": ("brandNew", {"brandNew": {"x": 1}}),
}
