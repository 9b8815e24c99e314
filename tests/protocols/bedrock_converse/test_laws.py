"""Laws that hold for any legal stream and any answer."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_api_converter.framing.aws_event_stream import AwsEventReader
from llm_api_converter.hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen, check
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Citation, Inline, Media, Native, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from llm_api_converter.hub.response import Finish, Response, Usage
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.bedrock_converse import CODEC
from tests import strategies as neutral
from tests.hub import strategies as hub
from tests.protocols.bedrock_converse.boto import accumulate, answer_problems, event_problems, parse_answer, parse_stream

ANSWER = Answer(model="model", new_id=lambda prefix: f"{prefix}1")
PROTOCOL = "bedrock_converse"

words = st.text(st.characters(codec="utf-8"), max_size=8)
base64s = st.sampled_from(["", "AAEC", "QUJD", "YWJjZA=="])
tokens = st.builds(
    Opaque,
    realm=st.sampled_from([f"wire.{PROTOCOL}", f"wire.{PROTOCOL}", "wire.anthropic", "seal"]),
    kind=st.sampled_from(["signature", "redacted", "seal"]),
    data=st.sampled_from(["c2VhbA==", "abcd", "x"]),
)
citations = st.builds(Citation, url=st.none() | st.just("https://a.example"), title=st.none() | words, quote=st.none() | words)
provider_call = {"toolUse.name": "nova_grounding", "toolUse.type": "server_tool_use"}
starts: st.SearchStrategy[Part] = st.one_of(
    st.just(Text("")),
    st.builds(Reasoning, text=st.just(""), redacted=st.booleans()),
    st.builds(ToolCall, id=st.sampled_from(["c1", "c2"]), name=st.sampled_from(["get", "put"])),
    st.just(ToolCall("s1", "web_search", runs="provider")),
    st.just(ToolCall("s2", "web_search", runs="provider", extras={PROTOCOL: provider_call})),
    st.just(ToolResult("s2", (Text("found"),), runs="provider", is_error=False, extras={PROTOCOL: {"toolResult.type": "nova_grounding_result"}})),
    st.just(ToolResult("s2", (Text('{"a":1}'),), runs="provider", json=True, extras={PROTOCOL: {"toolResult.type": "r"}})),
    st.just(Media("image", Inline(""), "image/png")),
    st.just(Refusal("")),
    st.just(Native("gemini", "odd", {})),
)
usages = st.builds(
    Usage, input_total=st.integers(20, 99), output_total=st.integers(0, 9), cache_read=st.none() | st.integers(0, 9), cache_write=st.none() | st.integers(0, 9),
)  # fmt: skip
reasons: Any = st.sampled_from(["stop", "length", "stop_sequence", "tool_call", "refused", "filtered", "paused", "context_full", "other"])
finishes = st.builds(Finish, reason=reasons, raw=st.none() | st.sampled_from(["end_turn", "guardrail_intervened", "STOP"]))


@st.composite
def whole_streams(draw: st.DrawFn) -> list[Event]:
    """A legal stream that does not fail; the arguments of its calls are JSON objects."""
    between = st.lists(st.one_of(st.builds(UsageSeen, usages), st.just(Aside("gemini", None, ping=False))), max_size=1)
    events: list[Event] = [Begin("id", "model")]
    for index in range(draw(st.integers(0, 4))):
        part = draw(starts)
        events += [*draw(between), Open(index, part)]
        if isinstance(part, ToolCall):
            text = draw(st.sampled_from(["", "{}", '{"a":[1,"ü"]}']))
            cut = draw(st.integers(0, len(text)))
            events += [Delta(index, piece) for piece in (text[:cut], text[cut:]) if piece]
        elif isinstance(part, Text | Refusal):
            inside = st.builds(Delta, st.just(index), words.filter(bool))
            events += draw(st.lists(inside, max_size=3))
            if isinstance(part, Text):
                events += [Attach(index, x) for x in draw(st.lists(citations, max_size=2))]
        elif isinstance(part, Media):
            events += [Delta(index, x) for x in draw(st.lists(st.just("AAEC"), min_size=1, max_size=2))]
        elif isinstance(part, Reasoning):
            if not part.redacted:
                events += draw(st.lists(st.builds(Delta, st.just(index), words.filter(bool)), max_size=3))
            events += [Attach(index, x) for x in draw(st.lists(tokens, max_size=2))]
        events += [*draw(between), Close(index)]
    return [*events, Finished(draw(finishes)), *draw(between), End()]


def frames_of(events: list[Event], ledger: Ledger) -> list[tuple[dict[str, Any], bytes]]:
    data = CODEC.stream_encoder(ANSWER, ledger).encode(events)
    parse_stream(data)
    frames = [frame for frame in AwsEventReader().feed(data) if frame[0][":event-type"] != "ping"]
    for headers, payload in frames:
        assert event_problems(str(headers[":event-type"]), json.loads(payload)) == ""
    return frames


@settings(max_examples=150, deadline=None)
@given(whole_streams())
def test_any_stream_is_legal_for_boto3_and_adds_up_to_the_plain_answer(events: list[Event]) -> None:
    check(events)
    streamed, plain = Ledger(), Ledger()
    found = accumulate(frames_of(events, streamed))
    body = CODEC.encode_response(fold(events), ANSWER, plain)
    assert answer_problems(json.loads(body)) == ""
    assert parse_answer(body)["output"]["message"]["role"] == "assistant"
    expected = json.loads(body)
    assert found == expected
    assert {(x.feature, x.action) for x in streamed.losses} == {(x.feature, x.action) for x in plain.losses}


@settings(max_examples=150, deadline=None)
@given(neutral.event_lists())
def test_answers_of_any_protocol_add_up_alike_streamed_and_plain(events: list[Event]) -> None:
    streamed, plain = Ledger(), Ledger()
    assert accumulate(frames_of(events, streamed)) == json.loads(CODEC.encode_response(fold(events), ANSWER, plain))
    assert {(x.feature, x.action) for x in streamed.losses} == {(x.feature, x.action) for x in plain.losses}


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_batches_make_no_difference_and_every_stream_can_be_written(data: st.DataObject) -> None:
    events = data.draw(hub.streams())
    whole = CODEC.stream_encoder(ANSWER, Ledger()).encode(events)
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    assert b"".join(encoder.encode(batch) for batch in data.draw(hub.batches(events))) == whole
    decoder = CODEC.stream_decoder()
    again = decoder.feed(whole) + decoder.finish()
    check(again if any(isinstance(x, Begin) for x in again) else [Begin("", ""), *again])
    assert isinstance(again[-1], Failed if isinstance(events[-1], Failed) else End)


@settings(max_examples=80, deadline=None)
@given(whole_streams())
def test_what_was_written_once_survives_another_round_unchanged(events: list[Event]) -> None:
    frames = CODEC.stream_encoder(ANSWER, Ledger()).encode(events)
    once = fold(read(frames))
    ledger = Ledger()
    again = fold(read(CODEC.stream_encoder(ANSWER, ledger).encode(unfold(once))))
    assert own_word(again) == own_word(once)
    plain = CODEC.encode_response(once, ANSWER, ledger)
    assert own_word(CODEC.decode_response(plain)) == own_word(once)
    assert ledger.losses == []


@settings(max_examples=60, deadline=None)
@given(hub.responses)
def test_any_answer_can_be_written(response: Response) -> None:
    body = json.loads(CODEC.encode_response(response, ANSWER, Ledger()))
    assert {"output", "stopReason", "usage", "metrics"} <= body.keys()


def own_word(response: Response) -> Response:
    """A call whose upstream said `end_turn` goes out as `tool_use`: the word changes, its meaning does not."""
    return replace(response, finish=replace(response.finish, raw=None))


def read(data: bytes) -> list[Event]:
    decoder = CODEC.stream_decoder()
    return decoder.feed(data) + decoder.finish()
