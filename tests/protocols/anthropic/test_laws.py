"""Laws over generated events and requests: what is written is valid for the SDK, and nothing is lost in silence."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Event, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import ToolCall
from llm_api_converter.hub.request import Request
from llm_api_converter.hub.response import Response, Usage
from llm_api_converter.protocols.anthropic import CODEC
from llm_api_converter.protocols.base import Answer
from tests.protocols.anthropic.sdk import frames, said, snapshot, validate
from tests.strategies import answer_parts, event_lists, media_parts, requests, responses

ANSWER = Answer(model="model-1", new_id=lambda prefix: f"{prefix}new", input_estimate=11)


def encoded(events: list[Event], size: int) -> bytes:
    """The stream, written in batches of `size` events."""
    encoder = CODEC.stream_encoder(ANSWER, Ledger())
    return b"".join(encoder.encode(events[at : at + size]) for at in range(0, len(events), size))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(event_lists(answer_parts() | media_parts()), st.integers(1, 40))
def test_any_stream_is_valid_and_adds_up_to_the_plain_answer(events: list[Event], size: int) -> None:
    stream = encoded(events, size)
    validate(stream)
    plain = said(json.loads(CODEC.encode_response(fold(events), ANSWER, Ledger())))
    counts, streamed = plain.pop("usage"), snapshot(stream)
    shown = streamed.pop("usage")
    assert streamed == plain
    # Fields that stand in message_start only are exact when the usage is known by then.
    for field in ("output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"):
        assert shown[field] == counts[field]
    assert shown["input_tokens"] == max(counts["input_tokens"], 1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(event_lists(fails=True), st.integers(1, 40))
def test_a_stream_has_the_shape_clients_count_on(events: list[Event], size: int) -> None:
    kinds = [frame["type"] for frame in frames(encoded(events, size))]
    assert kinds.count("message_start") <= 1
    assert kinds.count("message_stop") + kinds.count("error") == 1
    assert kinds[-1] in ("message_stop", "error")
    open_block, next_index = None, 0
    for frame in frames(encoded(events, size)):
        if frame["type"] == "content_block_start":
            assert (open_block, frame["index"]) == (None, next_index)
            open_block, signatures = frame, 0
            next_index += 1
        elif frame["type"] == "content_block_delta":
            assert open_block is not None
            assert frame["index"] == open_block["index"]
            signatures += frame["delta"]["type"] == "signature_delta"
        elif frame["type"] == "content_block_stop":
            assert open_block is not None
            assert signatures == (open_block["content_block"]["type"] == "thinking")
            open_block = None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(event_lists())
def test_what_is_written_is_read_back(events: list[Event]) -> None:
    decoder = CODEC.stream_decoder()
    again = [*decoder.feed(encoded(events, 5)), *decoder.finish()]
    check(again)
    plain = CODEC.decode_response(CODEC.encode_response(fold(events), ANSWER, Ledger()))
    assert _visible(fold(again)) == _visible(plain)


def _visible(response: Response) -> Any:
    usage = response.usage or Usage()
    parts = [
        replace(part, arguments=json.dumps(json.loads(part.arguments))) if isinstance(part, ToolCall) else part for part in response.parts
    ]
    return parts, response.finish, usage.output_total, usage.cache_read, usage.cache_write


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(responses(answer_parts()))
def test_an_answer_and_its_stream_lose_the_same(response: Response) -> None:
    plain, streamed = Ledger(), Ledger()
    CODEC.encode_response(response, ANSWER, plain)
    CODEC.stream_encoder(ANSWER, streamed).encode(unfold(response))
    assert {(x.feature, x.action) for x in plain.losses} == {(x.feature, x.action) for x in streamed.losses}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests())
def test_any_request_is_written_or_refused_with_a_path(request: Request) -> None:
    ledger = Ledger()
    wire = CODEC.encode_request(request, Facts(), ledger)
    again = CODEC.decode_request(json.loads(json.dumps(wire.body)))
    assert len(again.messages) <= len(request.messages)
    assert all(loss.feature for loss in ledger.losses)
    twice = Ledger()
    assert CODEC.encode_request(again, Facts(reasoning_unsigned=True), twice).body == wire.body
    assert twice.losses == []


def test_more_than_one_choice_is_refused() -> None:
    with pytest.raises(ApiError) as error:
        CODEC.encode_request(Request("m", (), choices=2, paths={"choices": "n"}), Facts(), Ledger())
    assert (error.value.kind, error.value.path) == ("invalid", "n")
