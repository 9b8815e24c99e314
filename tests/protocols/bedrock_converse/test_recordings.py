"""Every recorded Converse exchange: requests, answers, streams and errors, there and back."""

import json
from base64 import b64decode
from typing import Any
from urllib.parse import unquote

import pytest
from msgspec.structs import replace

from llm_api_converter.framing.aws_event_stream import AwsEventReader
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Begin, Delta, End, Event, Finished, UsageSeen, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import ToolCall
from llm_api_converter.hub.response import Response
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.bedrock_converse import CODEC
from tests.protocols.bedrock_converse.boto import accumulate, answer_problems, event_problems, parse_answer, parse_stream, problems
from tests.recordings import load, needs_recordings

pytestmark = needs_recordings
ANSWER = Answer(model="model", new_id=lambda prefix: f"{prefix}1")
# What these recordings hold that botocore's model does not know: a beta of the service, a proxy's field, and a video that is none.
UNKNOWN_TO_BOTOCORE = (
    "usage.cacheReadInputTokenCount", "usage.cacheWriteInputTokenCount", "usage.serverToolUsage", "usage.pydantic_ai_gateway",
)
# A client wrote a MIME type where Converse wants its own word.
NOT_LEGAL_ITSELF = {"pydantic-ai.models-test_bedrock-test_video_url_input.1.82b4d7"}


def records() -> list[dict[str, Any]]:
    return [*load("bedrock_converse"), *load("bedrock_converse_stream")]


def counts() -> list[dict[str, Any]]:
    found = [record for record in load("extra") if record["protocol"] == "bedrock_count_tokens"]
    return [record for record in found if "converse" in record["request"]["body"]["input"]]


def streams() -> list[tuple[str, bytes]]:
    return [
        (record["id"], b64decode(record["response"]["body_b64"]))
        for record in load("bedrock_converse_stream")
        if "body_b64" in record["response"]
    ]


def facts_of(body: dict[str, Any]) -> Facts:
    """The facts of the model the recorded client knew it was talking to."""
    more = body.get("additionalModelRequestFields") or {}
    if isinstance(more.get("reasoning_config"), str):
        return Facts(reasoning_input="effort", reasoning_field_converse="reasoning_config")
    if "reasoning_config" in more:
        return Facts(reasoning_input="budget", reasoning_field_converse="reasoning_config")
    if "thinking" in more:
        return Facts(reasoning_input="adaptive")
    if "inferenceConfig" in more:
        return Facts(sampling_fields_converse={"top_k": "inferenceConfig.topK"})
    return Facts()


def normal_request(body: dict[str, Any]) -> dict[str, Any]:
    """The short list of spellings that do not survive, none with a meaning: empty lists and objects, where effort stands,
    white space in the JSON text of a schema."""
    body = json.loads(json.dumps(body))
    if body.get("system") == []:
        del body["system"]
    if not body.get("inferenceConfig", {}).get("stopSequences", True):
        del body["inferenceConfig"]["stopSequences"]
    if body.get("inferenceConfig") == {}:
        del body["inferenceConfig"]
    effort = body.get("additionalModelRequestFields", {}).pop("output_config", None)
    if effort is not None:
        body.setdefault("outputConfig", {}).update(effort)
    definition = body.get("outputConfig", {}).get("textFormat", {}).get("structure", {}).get("jsonSchema")
    if definition is not None:
        definition["schema"] = json.loads(definition["schema"])
    return body


def normal_answer(body: dict[str, Any]) -> dict[str, Any]:
    """`type` beside a kind that says the same, and text blocks without text."""
    body = json.loads(json.dumps(body))
    content = []
    for block in body["output"]["message"]["content"]:
        if block.get("type") == "text":
            del block["type"]
        if block.get("toolUse", {}).get("type") == "tool_use":
            del block["toolUse"]["type"]
        if block != {"text": ""}:
            content.append(block)
    body["output"]["message"]["content"] = content
    return body


def test_requests_round_trip_without_a_loss_and_please_botocore() -> None:
    seen = 0
    for record in records():
        if record["request"] is None:
            continue
        body, path = record["request"]["body"], record["request"]["path"]
        model, operation = unquote(path.split("/")[-2]), path.split("/")[-1]
        ledger = Ledger()
        request = CODEC.decode_request(body, model=model, stream=operation == "converse-stream")
        wire = CODEC.encode_request(request, facts_of(body), ledger)
        assert ledger.losses == [], record["id"]
        assert normal_request(wire.body) == normal_request(body), record["id"]
        assert unquote(wire.path) == f"/model/{model}/{operation}"
        assert (problems(wire.body) == "") is (record["id"] not in NOT_LEGAL_ITSELF), record["id"]
        seen += 1
    assert seen == 271


def test_count_requests_round_trip() -> None:
    assert counts()
    for record in counts():
        body, ledger = record["request"]["body"], Ledger()
        request = CODEC.decode_count_request(body, model="m")  # type: ignore[misc]
        wire = CODEC.encode_count_request(request, Facts(), ledger)  # type: ignore[misc]
        assert normal_request(wire.body["input"]["converse"]) == normal_request(body["input"]["converse"])
        assert (wire.path, ledger.losses) == ("/model/m/count-tokens", [])
        answer = record["response"]["body"]
        if record["response"]["status"] == 200:
            assert CODEC.decode_count(json.dumps(answer).encode()) == answer["inputTokens"]  # type: ignore[misc]
            assert json.loads(CODEC.encode_count(answer["inputTokens"])) == answer  # type: ignore[misc]


def test_answers_round_trip_without_a_loss_and_parse_in_boto3() -> None:
    seen = 0
    for record in load("bedrock_converse"):
        body = record["response"].get("body")
        if record["response"]["status"] != 200:
            continue
        ledger = Ledger()
        response = CODEC.decode_response(json.dumps(body).encode())
        encoded = CODEC.encode_response(response, ANSWER, ledger)
        out = json.loads(encoded)
        assert ledger.losses == [], record["id"]
        required = {"usage": out["usage"], "metrics": out["metrics"]}  # boto3 demands both; an edited fixture has neither
        assert out == {**required, **normal_answer(body)}, record["id"]
        known = [line for line in answer_problems(out).splitlines() if not any(field in line for field in UNKNOWN_TO_BOTOCORE)]
        assert known == [], record["id"]
        assert parse_answer(encoded)["stopReason"] == body["stopReason"]
        if response.usage is not None and "totalTokens" in body.get("usage", {}):
            assert response.usage.input_total + response.usage.output_total == body["usage"]["totalTokens"], record["id"]
        seen += 1
    assert seen == 223


def test_errors_of_the_service() -> None:
    kinds = set()
    for record in records():
        answer = record["response"]
        if answer["status"] >= 400:
            error = CODEC.decode_error(answer["status"], answer.get("headers") or {}, json.dumps(answer["body"]).encode())
            assert error.message == answer["body"]["message"]
            kinds.add((answer["status"], error.kind))
    assert kinds == {(400, "invalid"), (400, "context_too_long"), (403, "unauthenticated"), (404, "not_found")}


def decoded(data: bytes, size: int) -> list[Event]:
    decoder, out = CODEC.stream_decoder(), []
    for at in range(0, len(data), size):
        out += decoder.feed(data[at : at + size])
    return out + decoder.finish()


def joined(events: list[Event]) -> list[Event]:
    """Neighbouring deltas of one part as one."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, Delta) and isinstance(last, Delta) and last.index == event.index:
            out[-1] = Delta(event.index, last.text + event.text)
        else:
            out.append(event)
    return out


def spaced_alike(response: Response) -> Response:
    """Arguments without the white space the model put between their tokens."""
    parts = [
        replace(part, arguments=json.dumps(json.loads(part.arguments))) if isinstance(part, ToolCall) else part for part in response.parts
    ]
    return replace(response, parts=tuple(parts))


@pytest.mark.parametrize("size", [1, 7, 64])
def test_streams_are_legal_and_the_same_in_any_pieces(size: int) -> None:
    for name, data in streams():
        whole = decoded(data, len(data))
        check(whole)
        assert isinstance(whole[-1], End), name
        assert joined(decoded(data, size)) == joined(whole), name


def test_streams_fold_to_the_answer_in_one_piece() -> None:
    assert len(streams()) == 46
    for name, data in streams():
        whole = json.dumps(accumulate(AwsEventReader().feed(data))).encode()
        plain = spaced_alike(CODEC.decode_response(whole))
        assert spaced_alike(fold(decoded(data, len(data)))) == plain, name


def test_streams_written_again_say_the_same_to_boto3() -> None:
    for name, data in streams():
        ledger = Ledger()
        events = decoded(data, len(data))
        again = CODEC.stream_encoder(ANSWER, ledger).encode(events)
        frames = AwsEventReader().feed(again)
        assert ledger.losses == [], name
        assert normal_answer(accumulate(frames)) == normal_answer(accumulate(AwsEventReader().feed(data))), name
        for headers, payload in frames:
            kind = str(headers[":event-type"])
            known = [x for x in event_problems(kind, json.loads(payload)).splitlines() if not any(y in x for y in UNKNOWN_TO_BOTOCORE)]
            assert known == [], name
        mine, theirs = parse_stream(again), parse_stream(data)
        assert next(next(iter(x)) for x in mine if "contentBlockDelta" not in x) == "messageStart"
        assert [x for x in mine if "metadata" in x or "messageStop" in x] == [x for x in theirs if "metadata" in x or "messageStop" in x]


def test_a_cut_stream_never_looks_finished() -> None:
    _, data = streams()[0]
    stop = data.index(b"messageStop")
    for end in range(0, stop, 211):
        events = decoded(data[:end], 64)
        check(events if any(isinstance(x, Begin) for x in events) else [Begin("", ""), *events])
        error = getattr(events[-1], "error", None)
        assert isinstance(error, ApiError)
        assert error.kind == "upstream_incomplete"


def test_a_stream_without_metadata_is_complete() -> None:
    _, data = streams()[0]
    frames = AwsEventReader().feed(data)
    assert frames[-1][0][":event-type"] == "metadata"
    cut = data.rindex(b"metadata") - len(b"\x00\x00\x00\x00" * 3 + b"\x0b:event-type\x07\x00\x08")
    events = decoded(data[:cut], 64)
    assert [type(x) for x in events[-2:]] == [Finished, End]
    assert not any(isinstance(x, UsageSeen) for x in events)
