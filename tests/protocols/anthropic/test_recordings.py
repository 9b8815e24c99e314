"""Recorded traffic: every request, answer and stream goes through the hub and comes back the same.

Normalisations, all that there are: null fields are absent ones; `stream: false`, `tools: []`, an empty `system` are the defaults; the envelope
of Vertex (`anthropic_version`, no `model`) is not part of the protocol; an answer always states its cache counts.
"""

import json
from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from llm_api_converter.hub.events import Attach, Delta, Event, Failed, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import ToolCall
from llm_api_converter.hub.response import Response
from llm_api_converter.protocols.anthropic import CODEC
from llm_api_converter.protocols.base import Answer
from tests.protocols.anthropic.sdk import said, snapshot
from tests.recordings import load, needs_recordings

pytestmark = needs_recordings

EMPTY_FIELDS = ("stream", "tools", "system")

# id -> why its stream is no ordinary one. Two of 233.
ODD_STREAMS = {
    "ai.anthropic-spliced-message-start.0.2efeb8": "edited by hand: a second answer begins inside a call of the first",
    "ai.anthropic-anthropic-tool-search-regex.1.0.5f01d5": "two whole streams in one file: the first message_stop ends ours",
}


def requests(name: str) -> list[dict[str, Any]]:
    return [record for record in load(name) if record["request"]]


def answers() -> list[dict[str, Any]]:
    return [r for r in load("anthropic_messages") if r["response"] and r["response"]["status"] < 400 and isinstance(r["response"]["body"], dict)]


def streams() -> list[dict[str, Any]]:
    return [r for r in load("anthropic_messages") if r["response"] and isinstance(r["response"]["body"], str)]


def answer_for(model: str) -> Answer:
    return Answer(model=model, new_id=lambda prefix: f"{prefix}new")


def decode_stream(data: bytes, size: int | None = None) -> list[Event]:
    decoder = CODEC.stream_decoder()
    events: list[Event] = []
    for start in range(0, len(data), size or len(data)):
        events += decoder.feed(data[start : start + (size or len(data))])
    return events + decoder.finish()


def joined(events: list[Event]) -> list[Event]:
    """Neighbouring deltas as one."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, Delta) and out and isinstance(out[-1], Delta):
            out[-1] = Delta(event.index, out[-1].text + event.text)
        else:
            out.append(event)
    return out


def with_counts(message: dict[str, Any]) -> dict[str, Any]:
    """An answer with the cache counts it may have left out."""
    usage = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, **message["usage"]}
    return {**message, "usage": usage}


def test_requests_come_back_the_same() -> None:
    for record in requests("anthropic_messages"):
        body = record["request"]["body"]
        headers = {name.lower(): value for name, value in (record["request"]["headers"] or {}).items()}
        ledger = Ledger()
        request = CODEC.decode_request(body, model=None if "model" in body else "in-the-path", headers=headers)
        wire = CODEC.encode_request(request, Facts(), ledger)
        assert said(wire.body) == {"model": "in-the-path", **expected(body)}, record["id"]
        assert ledger.losses == [], record["id"]
        assert wire.headers.get("anthropic-beta", "") == headers.get("anthropic-beta", "").replace(", ", ","), record["id"]


def test_every_part_of_a_request_has_its_path() -> None:
    for record in requests("anthropic_messages"):
        body = record["request"]["body"]
        request = CODEC.decode_request(body, model="m")
        for message in request.messages:
            for part in message.parts:
                assert part.at.startswith(message.at), record["id"]
                assert _look_up(body, part.at) is not None, (record["id"], part.at)


def expected(body: dict[str, Any]) -> dict[str, Any]:
    """A request without what means nothing."""
    return {k: v for k, v in said(body).items() if k != "anthropic_version" and (v or k not in EMPTY_FIELDS)}


def _look_up(body: Any, path: str) -> Any:
    for step in path.replace("[", ".[").split("."):
        body = body[int(step[1:-1])] if step.startswith("[") else body[step]
    return body


def test_count_requests_come_back_the_same() -> None:
    assert CODEC.decode_count_request is not None
    assert CODEC.encode_count_request is not None
    assert CODEC.decode_count is not None
    assert CODEC.encode_count is not None
    for record in requests("anthropic_count_tokens"):
        body = record["request"]["body"]
        ledger = Ledger()
        wire = CODEC.encode_count_request(CODEC.decode_count_request(body), Facts(), ledger)
        assert (wire.path, said(wire.body), ledger.losses) == ("/v1/messages/count_tokens", expected(body), []), record["id"]
        count = json.dumps(record["response"]["body"]).encode()
        assert json.loads(CODEC.encode_count(CODEC.decode_count(count))) == record["response"]["body"]


def test_answers_come_back_the_same() -> None:
    for record in answers():
        message = record["response"]["body"]
        ledger = Ledger()
        response = CODEC.decode_response(json.dumps(message).encode())
        written = json.loads(CODEC.encode_response(response, answer_for(response.model), ledger))
        assert said(written) == said(with_counts(message)), record["id"]
        assert ledger.losses == [], record["id"]
        assert fold(unfold(response)) == response, record["id"]


def test_streams_are_legal_and_do_not_depend_on_how_they_are_cut() -> None:
    for record in streams():
        data = record["response"]["body"].encode()
        events = joined(decode_stream(data))
        check(events)
        for size in (7, 64) if len(data) > 20_000 else (1, 7, 64):
            assert _plain(joined(decode_stream(data, size))) == _plain(events), (record["id"], size)


def _plain(events: list[Event]) -> list[Any]:
    return [repr(event) if isinstance(event, Failed) else event for event in events]


def test_streams_give_the_sdk_the_same_message() -> None:
    for record in streams():
        if record["id"] in ODD_STREAMS:
            continue
        data = record["response"]["body"].encode()
        ledger = Ledger()
        encoder = CODEC.stream_encoder(answer_for(fold(decode_stream(data)).model), ledger)
        decoder = CODEC.stream_decoder()
        written = b"".join(encoder.encode(decoder.feed(data[at : at + 64])) for at in range(0, len(data), 64))
        assert snapshot(written) == with_counts(snapshot(data)), record["id"]
        assert ledger.losses == [], record["id"]


def test_a_folded_stream_is_the_plain_answer_the_sdk_sees() -> None:
    for record in streams():
        if record["id"] in ODD_STREAMS:
            continue
        data = record["response"]["body"].encode()
        folded = fold(decode_stream(data))
        plain = CODEC.decode_response(json.dumps(snapshot(data)).encode())
        assert _comparable(folded) == _comparable(plain), record["id"]


def _comparable(response: Response) -> Any:
    """Without what the SDK leaves out of its snapshot (some of usage), and with arguments as values."""
    parts = tuple(
        replace(part, arguments=json.dumps(json.loads(part.arguments), sort_keys=True)) if isinstance(part, ToolCall) else part
        for part in response.parts
    )
    usage = replace(response.usage, raw=None) if response.usage else None
    return said(to_builtins(replace(response, parts=parts, usage=usage)))


@pytest.mark.parametrize("id", ODD_STREAMS)
def test_odd_streams_end_as_they_should(id: str) -> None:
    (record,) = [record for record in streams() if record["id"] == id]
    events = decode_stream(record["response"]["body"].encode())
    check(events)
    assert isinstance(events[-1], Failed) == ("inside a call" in ODD_STREAMS[id])


def test_errors_keep_their_kind_and_words() -> None:
    kinds = {400: "invalid", 401: "unauthenticated", 404: "not_found", 429: "rate_limited"}
    for record in load("anthropic_messages"):
        response = record["response"]
        if response and response["status"] >= 400:
            error = CODEC.decode_error(response["status"], {}, json.dumps(response["body"]).encode())
            written = CODEC.encode_error(error, "req_1")
            too_long = response["body"]["error"]["message"].startswith("prompt is too long: ")
            assert error.kind == ("context_too_long" if too_long else kinds[response["status"]]), record["id"]
            assert written.status == response["status"], record["id"]
            assert json.loads(written.body)["error"] == response["body"]["error"], record["id"]


def test_signatures_stand_on_the_part_they_belong_to() -> None:
    found = 0
    for record in streams():
        for event in decode_stream(record["response"]["body"].encode()):
            found += isinstance(event, Attach) and not isinstance(event.value, dict)
    assert found > 20
