"""Any legal answer encodes to frames Google's own types accept, and adds up to the plain answer."""

from typing import Any

import msgspec
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.events import Aside, Delta, End, Event, Finished, UsageSeen, check
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    Citation,
    Inline,
    Media,
    Native,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    Url,
)
from llm_api_converter.hub.response import Finish, Response, Usage
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.gemini import CODEC
from llm_api_converter.protocols.gemini.decoder import merged_field
from llm_api_converter.protocols.gemini.encoder import GeminiArrayEncoder
from tests.hub import strategies as hub
from tests.protocols.gemini import reference

ANSWER = Answer(model="asked-for", new_id=lambda prefix: "made-up")
words = st.text(st.characters(codec="utf-8"), max_size=12)
tokens = st.lists(
    st.sampled_from([
        Opaque("wire.gemini", "signature", "c2ln"), Opaque("seal", "seal", "c2VhbA=="), Opaque("wire.other", "signature", "eA=="),
        Opaque("wire.other", "encrypted", "eA=="),
    ]),
    max_size=2,
).map(tuple)
citations = st.builds(
    Citation, url=st.none() | st.just("https://a.example/1"), title=st.none() | words, quote=st.none() | words,
    start=st.none() | st.integers(0, 5), end=st.none() | st.integers(0, 12),
)  # fmt: skip
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, text=words, tokens=tokens, citations=st.lists(citations, max_size=2).map(tuple)),
    st.builds(Text, text=words, extras=st.just({"gemini": {"partMetadata": {"k": 1}}})),
    st.builds(Reasoning, text=words, tokens=tokens),
    st.builds(Refusal, text=words),
    st.builds(
        ToolCall, id=st.sampled_from(["c1", "gemini_x_0"]), name=st.just("get"), tokens=tokens,
        arguments=st.sampled_from(["", "{}", '{"a":[1]}', "[1]", "broken"]), custom=st.booleans(),
    ),
    st.just(ToolCall("p1", "code_execution", '{"language":"PYTHON","code":"1"}', runs="provider")),
    st.just(ToolResult("p1", (Text("1"),), name="code_execution", is_error=False, runs="provider")),
    st.just(ToolCall("p2", "web_search", '{"query":"x"}', runs="provider", extras={"anthropic": {"item": {}}})),
    st.just(ToolResult("p2", (Native("anthropic", "web_search_result", {}),), name="web_search", runs="provider")),
    st.builds(Media, kind=st.just("image"), source=st.just(Inline("AAAA")), media_type=st.just("image/png"), tokens=tokens),
    st.just(Media("audio", Url("https://a.example/1.mp3"))),
    st.just(Native("gemini", "thing", {"text": "native"})),
    st.just(Native("anthropic", "thing", {"x": 1})),
    st.just(ToolReference("get")),
)
finishes = st.builds(
    Finish,
    reason=st.sampled_from([
        "stop", "length", "stop_sequence", "tool_call", "refused", "filtered", "paused", "context_full", "malformed_call", "other",
    ]),
    raw=st.sampled_from([None, "end_turn", "STOP", "SAFETY"]), detail=st.none() | words,
)  # fmt: skip
usages = st.builds(
    Usage, input_total=st.integers(0, 99), output_total=st.integers(0, 99), cache_read=st.none() | st.integers(0, 9),
    reasoning=st.none() | st.integers(0, 9),
)  # fmt: skip
responses = st.builds(
    Response, id=st.sampled_from(["", "r1"]), model=words, parts=st.lists(parts, max_size=6).map(tuple), finish=finishes,
    usage=st.none() | usages, created_s=st.none() | st.just(1_700_000_000),
    extras=st.sampled_from([None, {"openai_chat": {"system_fingerprint": "f"}}, {"gemini": {"candidates[0].logprobsResult": {}}}]),
)  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """One whole legal stream: texts in pieces, usage and pings anywhere."""
    events: list[Event] = []
    for event in unfold(draw(responses)):
        if isinstance(event, Delta) and len(event.text) > 1:
            cut = draw(st.integers(1, len(event.text) - 1))
            events += [Delta(event.index, event.text[:cut]), Delta(event.index, event.text[cut:])]
        else:
            events.append(event)
        if not isinstance(event, UsageSeen | Finished | End) and draw(st.integers(0, 9)) == 0:
            events.append(draw(st.sampled_from([Aside("gemini", None, ping=True), UsageSeen(Usage(1, 1))])))
    return events


def frames_of(data: bytes) -> list[Any]:
    return [msgspec.json.decode(frame.strip().removeprefix(b"data: ")) for frame in data.split(b"\r\n\r\n") if frame.strip()]


@settings(max_examples=150, deadline=None)
@given(streams())
def test_frames_are_googles_and_add_up(events: list[Event]) -> None:
    check(events)
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    frames = frames_of(b"".join(encoder.encode([event]) for event in events))
    for frame in frames:
        types.GenerateContentResponse.model_validate(frame)
    plain = msgspec.json.decode(CODEC.encode_response(fold(events), ANSWER, Ledger()))
    types.GenerateContentResponse.model_validate(plain)
    whole = reference.accumulate(frames, merged_field)
    assert reference.answer(whole) == reference.answer(reference.accumulate([plain], merged_field))


@settings(max_examples=50, deadline=None)
@given(streams(), st.data())
def test_batches_make_no_difference(events: list[Event], data: st.DataObject) -> None:
    one = CODEC.stream_encoder(ANSWER, Ledger())
    many = CODEC.stream_encoder(ANSWER, Ledger())
    array = GeminiArrayEncoder(ANSWER, Ledger())
    batches = data.draw(hub.batches(events))
    whole = one.encode(events)
    assert whole == b"".join(many.encode(batch) for batch in batches)
    assert msgspec.json.decode(b"".join(array.encode(batch) for batch in batches)) == [f for f in frames_of(whole) if f]


@settings(max_examples=100, deadline=None)
@given(hub.streams(), st.data())
def test_no_legal_stream_breaks_the_encoder(events: list[Event], data: st.DataObject) -> None:
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    written = b"".join(encoder.encode(batch) for batch in data.draw(hub.batches(events)))
    frames = frames_of(written)
    assert ("error" in frames[-1]) or frames[-1]["candidates"][0]["finishReason"]


@settings(max_examples=100, deadline=None)
@given(responses)
def test_what_is_written_reads_back(response: Response) -> None:
    """Text, thoughts and calls of an answer survive the wire, but for what the ledger names."""
    ledger = Ledger()
    again = CODEC.decode_response(CODEC.encode_response(response, ANSWER, ledger))
    assert [part.name for part in again.parts if isinstance(part, ToolCall) and part.runs == "client"] == [
        part.name for part in response.parts if isinstance(part, ToolCall) and part.runs == "client"
    ]
    said = "".join(part.text for part in response.parts if isinstance(part, Text | Refusal))
    native = "".join("native" for part in response.parts if isinstance(part, Native) and part.protocol == "gemini")
    assert sorted("".join(part.text for part in again.parts if isinstance(part, Text))) == sorted(said + native)
    assert "".join(part.text for part in again.parts if isinstance(part, Reasoning)) == "".join(
        part.text for part in response.parts if isinstance(part, Reasoning)
    )
