"""Everything recorded from Gemini and Vertex: requests, answers, streams, counts and errors, against the normal forms of `reference`."""

from typing import Any

import msgspec
import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Delta, Event, Failed, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.gemini import CODEC
from llm_api_converter.protocols.gemini.decoder import merged_field
from llm_api_converter.protocols.gemini.encoder import GeminiArrayEncoder
from tests.protocols.gemini import reference
from tests.recordings import load, needs_recordings

pytestmark = needs_recordings

FACTS = [
    Facts(sends_reasoning_back="always", accepts_metadata=True, schema_dialect="openapi"),
    Facts(sends_reasoning_back="always", accepts_metadata=True, schema_dialect="full"),
]
# Requests that do not come back as they were, and why.
ODD_REQUESTS = {
    "invalid_role": "a role Google refuses, refused by us too",
    "hand_driven_parallel_tool_calls": "results in another order than their calls: written in the order of the calls",
}
# Answers that are none.
ODD_ANSWERS = {"unary-failure-empty-content": "neither content nor a finish reason"}
# Streams that fail, as they should.
ODD_STREAMS = {
    "failure-error-mid-stream": "Vertex breaks it off with an error",
    "streaming-success-quotes-escaped": "edited by its authors: no finish reason",
}


def records(name: str) -> list[dict[str, Any]]:
    return [record for record in load(name) if record["protocol"].startswith("gemini")]


def answered(model: str) -> Answer:
    return Answer(model=model, new_id=lambda prefix: "made-up")


def odd(record_id: str, known: dict[str, str]) -> bool:
    return any(words in record_id for words in known)


def same(left: Any, right: Any) -> bool:
    if isinstance(right, dict) and right.get("responseId") == "made-up":
        right = {name: value for name, value in right.items() if name != "responseId"}
    return bool(left == right)


def stream_bytes(record: dict[str, Any]) -> bytes:
    body = record["response"]["body"]
    return body.encode() if isinstance(body, str) else msgspec.json.encode(body)


def stream_frames(record: dict[str, Any]) -> list[Any]:
    body = record["response"]["body"]
    if isinstance(body, list):
        return body
    return [reference.loads(frame[5:]) for frame in body.replace("\r\n", "\n").split("\n\n") if frame.startswith("data:")]


def streams() -> list[dict[str, Any]]:
    return [record for record in records("gemini_stream") if record["response"]["status"] < 400]


def decoded(data: bytes, size: int) -> list[Event]:
    decoder = CODEC.stream_decoder()
    events: list[Event] = []
    for start in range(0, len(data), size):
        events += decoder.feed(data[start : start + size])
    return events + decoder.finish()


def joined(events: list[Event]) -> list[str]:
    """Neighbouring deltas as one. Errors compare by what they say."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, Delta) and isinstance(last, Delta) and last.index == event.index:
            out[-1] = Delta(event.index, last.text + event.text)
        else:
            out.append(event)
    return [repr(event) for event in out]


@pytest.mark.parametrize("facts", FACTS, ids=["openapi", "full"])
def test_requests_come_back_as_they_were(facts: Facts) -> None:
    count, wrong = 0, []
    for record in records("gemini_generate") + records("gemini_stream"):
        if record["request"] is None or odd(record["id"], ODD_REQUESTS):
            continue
        count += 1
        body = record["request"]["body"]
        ledger = Ledger()
        wire = CODEC.encode_request(CODEC.decode_request(body, model="m"), facts, ledger)
        if reference.request(body) != reference.request(wire.body) or ledger.losses:
            wrong.append(record["id"])
    assert wrong == []
    assert count > 550


def test_a_refused_role_names_its_path() -> None:
    body = next(r["request"]["body"] for r in records("gemini_generate") if "invalid_role" in r["id"])
    with pytest.raises(ApiError, match=r"contents\[0\].role: expected user or model") as caught:
        CODEC.decode_request(body, model="m")
    assert caught.value.path == "contents[0].role"


def test_answers_come_back_as_they_were() -> None:
    count, wrong = 0, []
    for record in records("gemini_generate"):
        if record["response"]["status"] >= 400 or odd(record["id"], ODD_ANSWERS):
            continue
        count += 1
        body = record["response"]["body"]
        ledger = Ledger()
        response = CODEC.decode_response(msgspec.json.encode(body))
        again = reference.loads(CODEC.encode_response(response, answered(body.get("modelVersion", "")), ledger))
        again = {name: value for name, value in again.items() if name != "modelVersion" or value}
        if not same(reference.answer(body), reference.answer(again)) or ledger.losses:
            wrong.append(record["id"])
    assert wrong == []
    assert count > 370


def test_an_answer_that_is_none_fails() -> None:
    for record in records("gemini_generate"):
        if odd(record["id"], ODD_ANSWERS):
            with pytest.raises(ApiError) as caught:
                CODEC.decode_response(msgspec.json.encode(record["response"]["body"]))
            assert caught.value.kind == "upstream_incomplete"


def test_streams_are_legal_and_alike_however_they_are_cut() -> None:
    for record in streams():
        data = stream_bytes(record)
        events = decoded(data, len(data))
        check(events)
        whole = joined(events)
        for size in (1, 7, 64):
            assert joined(decoded(data, size)) == whole, (record["id"], size)
        assert isinstance(events[-1], Failed) == odd(record["id"], ODD_STREAMS), record["id"]


def test_streams_add_up_to_the_plain_answer() -> None:
    for record in streams():
        if odd(record["id"], ODD_STREAMS):
            continue
        data = stream_bytes(record)
        whole = reference.accumulate(stream_frames(record), merged_field)
        assert fold(decoded(data, len(data))) == CODEC.decode_response(msgspec.json.encode(whole)), record["id"]


@pytest.mark.parametrize("as_array", [False, True], ids=["sse", "array"])
def test_streams_written_again_say_the_same(as_array: bool) -> None:
    for record in streams():
        if odd(record["id"], ODD_STREAMS):
            continue
        frames = stream_frames(record)
        data = stream_bytes(record)
        ledger = Ledger()
        answer = answered(frames[0].get("modelVersion", ""))
        encoder = GeminiArrayEncoder(answer, ledger) if as_array else CODEC.stream_encoder(answer, ledger)
        written = b"".join(encoder.encode([event]) for event in decoded(data, len(data)))
        again = reference.loads(written) if as_array else [reference.loads(frame[6:]) for frame in written.split(b"\r\n\r\n") if frame]
        before = reference.answer(reference.accumulate(frames, merged_field))
        after = reference.answer(reference.accumulate(again, merged_field))
        assert same(before, {name: value for name, value in after.items() if name != "modelVersion" or value}), record["id"]
        assert ledger.losses == []


def test_counts_in_and_out() -> None:
    for record in records("extra"):
        body = record["request"]["body"]
        vertex = "/v1beta1/" in record["request"]["path"]
        request = CODEC.decode_count_request(body, model="m")  # type: ignore[misc]
        wire = CODEC.encode_count_request(request, Facts(count_request_wrapped=not vertex), Ledger())  # type: ignore[misc]
        assert wire.path == "/v1beta/models/m:countTokens"
        before = reference.request(body.get("generateContentRequest", body))
        assert before == reference.request(wire.body.get("generateContentRequest", wire.body)), record["id"]
        answer = msgspec.json.encode(record["response"]["body"])
        if record["response"]["status"] == 200:
            assert CODEC.decode_count(answer) == record["response"]["body"]["totalTokens"]  # type: ignore[misc]


def test_refusals_have_a_kind() -> None:
    kinds = {(400, "API key not valid"): "unauthenticated", (404, "not found"): "not_found", (429, "exhausted"): "rate_limited"}
    for record in records("gemini_generate") + records("gemini_stream") + records("extra"):
        status = record["response"]["status"]
        if status >= 400:
            body = msgspec.json.encode(record["response"]["body"])
            error = CODEC.decode_error(status, {}, body)
            assert error.status == status
            assert error.message == record["response"]["body"]["error"]["message"]
            for (code, words), kind in kinds.items():
                if code == status and words in error.message:
                    assert error.kind == kind
