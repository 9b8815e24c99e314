"""Recorded traffic of OpenAI, Azure, xAI, DeepSeek, OpenRouter, Copilot, LM Studio and Bedrock through the codec and back."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Begin, Failed, check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Native, Part, Reasoning
from llm_api_converter.hub.response import Response
from tests.protocols.openai_responses.sdk import CODEC, accumulate, answer, comparable, decode, frames
from tests.recordings import load, needs_recordings

pytestmark = needs_recordings

ITEMS_OUT_OF_ORDER = "test_openai_responses_model_mcp_list_tools_stream_backfills_missing_results"
"""Its items are done in another order than they stand in the final answer: parts are closed in the order they are done."""
IDS_CHANGE = "copilot-reasoning_roundtrip-streaming"
"""Copilot gives the answer and its items new ids in every event; the first ones stand."""


def records() -> list[dict[str, Any]]:
    """All of the protocol, the operations beside `POST /responses` included."""
    return load("openai_responses") + [record for record in load("extra") if record["protocol"] == "openai_responses_aux"]


def bodies(side: str) -> list[tuple[str, Any]]:
    """(record id, body) of all requests or responses that have one."""
    found = ((record["id"], record[side]) for record in records() if record[side])
    return [(name, message["body"]) for name, message in found if message.get("body") is not None]


def streams() -> list[tuple[str, bytes]]:
    return [(name, body.encode()) for name, body in bodies("response") if isinstance(body, str) and "data:" in body]


# ---------------------------------------------------------------------------------------------------------------- requests


def normal_request(body: dict[str, Any]) -> dict[str, Any]:
    """Two spellings of the same thing become one.

    null is absent; `stream: false` is absent; a message may leave out `type`; content and output that are a string are one text part;
    empty `annotations` and `logprobs` of an old answer are absent.
    """
    body = without_nulls(body)
    if body.get("stream") is False:
        del body["stream"]
    for item in body["input"] if isinstance(body.get("input"), list) else ():
        if "role" in item:
            item.setdefault("type", "message")
        for name in ("content", "output"):
            if item["type"] in ("message", "function_call_output", "custom_tool_call_output") and isinstance(item.get(name), str):
                item[name] = [{"type": "output_text" if item.get("role") == "assistant" else "input_text", "text": item[name]}]
            for part in item[name] if isinstance(item.get(name), list) else ():
                for empty in ("annotations", "logprobs"):
                    if part.get(empty) == []:
                        del part[empty]
    return body


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def test_requests_come_back_as_they_were() -> None:
    requests = [(name, body) for name, body in bodies("request") if isinstance(body, dict)]
    assert len(requests) > 600
    wrong = []
    for name, body in requests:
        ledger = Ledger()
        back = CODEC.encode_request(CODEC.decode_request(body), Facts(cache_marks=4), ledger).body
        if normal_request(back) != normal_request(body) or ledger.losses:
            wrong.append(name)
    assert wrong == []


def test_every_part_knows_its_place() -> None:
    """`at` leads to the part in the client's own body."""
    for _, body in bodies("request"):
        if not isinstance(body, dict):
            continue
        request = CODEC.decode_request(body)
        for place in [message.at for message in request.messages] + [part.at for message in request.messages for part in message.parts]:
            assert at(body, place) is not None
        for tool in request.tools:
            assert at(body, tool.at)["type"]


def at(body: Any, path: str) -> Any:
    for step in path.replace("[", ".[").split("."):
        body = body[int(step[1:-1])] if step.startswith("[") else body[step]
    return body


def test_count_requests_and_counts() -> None:
    counted = [record for record in records() if (record["request"] or {}).get("path") == "/v1/responses/input_tokens"]
    assert counted
    for record in counted:
        request = CODEC.decode_count_request(record["request"]["body"])  # type: ignore[misc]
        wire = CODEC.encode_count_request(request, Facts(), Ledger())  # type: ignore[misc]
        assert wire.path == "/responses/input_tokens"
        assert normal_request(wire.body) == normal_request(record["request"]["body"])
        said = json.dumps(record["response"]["body"]).encode()
        assert json.loads(CODEC.encode_count(CODEC.decode_count(said))) == record["response"]["body"]  # type: ignore[misc]


# ----------------------------------------------------------------------------------------------------------------- answers

ADDED = {"instructions", "metadata", "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p", "error", "incomplete_details"}
"""Fields the SDK's type demands: written even where a compatible server left them out."""

MINTED = "fc_0"
"""What the encoder makes up for the id that one server forgot."""


def normal_answer(body: dict[str, Any]) -> dict[str, Any]:
    """Required fields that say nothing, nulls of items, empty `annotations` and `logprobs` are absent; `complete` is `completed`."""
    body = json.loads(json.dumps(body))
    for name in ADDED:
        if body.get(name) in (None, [], {}) or (name, body.get(name)) in (("parallel_tool_calls", True), ("tool_choice", "auto")):
            body.pop(name, None)
    body["status"] = "completed" if body["status"] == "complete" else body["status"]
    body["usage"] = body.get("usage")
    body["output"] = without_nulls(body["output"])
    for item in body["output"]:
        for part in item.get("content", ()):
            for empty in ("annotations", "logprobs"):
                if part.get(empty) == []:
                    del part[empty]
        if item.get("id") == MINTED:
            del item["id"]
    return body


def test_plain_answers_come_back_as_they_were() -> None:
    answers = [(name, body) for name, body in bodies("response") if isinstance(body, dict) and body.get("object") == "response"]
    assert len(answers) > 400
    wrong = []
    for name, body in answers:
        ledger = Ledger()
        response = CODEC.decode_response(json.dumps(body).encode())
        back = json.loads(CODEC.encode_response(response, answer(response.model), ledger))
        if normal_answer(back) != normal_answer(body) or ledger.losses:
            wrong.append(name)
    assert wrong == []


def test_refusals_become_errors() -> None:
    refused = [record["response"] for record in records() if (record["response"]["status"] or 200) >= 400]
    assert len(refused) > 10
    for response in refused:
        body = response["body"] if isinstance(response["body"], str) else json.dumps(response["body"])
        error = CODEC.decode_error(response["status"], {}, body.encode())
        assert error.kind in ("invalid", "unauthenticated", "not_found", "context_too_long")
        assert error.message in body.replace("\\n", "\n") or error.message in json.dumps(json.loads(body), ensure_ascii=False)


# ----------------------------------------------------------------------------------------------------------------- streams


def final_answer(stream: bytes) -> dict[str, Any] | None:
    """The final object; where its `output` is empty (ChatGPT), the items as they were done."""
    sent = frames(stream)
    final: dict[str, Any] | None = next(
        (event["response"] for event in sent if event["type"] in ("response.completed", "response.incomplete")), None
    )
    if final is not None and not final["output"]:
        final["output"] = [event["item"] for event in sent if event["type"] == "response.output_item.done"]
    return final


def steady(response: Response) -> Response:
    """Encrypted state is encrypted afresh in every event, so only that it is there can be compared."""
    return replace(response, parts=tuple(map(_steady, response.parts)))


def _steady(part: Part) -> Part:
    if isinstance(part, Reasoning):
        return replace(part, tokens=tuple(replace(token, data="") for token in part.tokens))
    if isinstance(part, Native):
        return replace(part, body={name: value for name, value in part.body.items() if name not in ("encrypted_content", "fingerprint")})
    return part


def test_streams_fold_to_what_their_final_answer_says() -> None:
    wrong = []
    for name, stream in streams():
        events = decode(stream)
        check(events)
        final = final_answer(stream)
        if isinstance(events[-1], Failed) or final is None:
            assert final is None
            with pytest.raises(ApiError):
                fold(events)
        elif steady(fold(events)) != steady(CODEC.decode_response(json.dumps(final).encode())):
            wrong.append(name)
    assert all(ITEMS_OUT_OF_ORDER in name or IDS_CHANGE in name for name in wrong)
    assert len(wrong) <= 3


def test_streams_read_the_same_however_they_are_cut() -> None:
    assert len(streams()) > 200
    for number, (_, stream) in enumerate(streams()):
        whole = comparable(decode(stream))
        for size in (1, 7, 64) if number % 8 == 0 and len(stream) < 60_000 else (64,):
            assert comparable(decode(stream, size)) == whole


def test_re_encoded_streams_suit_the_sdk_and_say_the_same() -> None:
    wrong = []
    for name, stream in streams():
        events = decode(stream)
        final = final_answer(stream)
        if final is None or not isinstance(events[0], Begin):
            continue
        ledger = Ledger()
        sent = frames(CODEC.stream_encoder(answer(events[0].model), ledger).encode(events))
        assert accumulate(sent) is not None or final["status"] == "incomplete"
        assert ledger.losses == []
        last = sent[-1]["response"]
        assert [event["item"] for event in sent if event["type"] == "response.output_item.done"] == last["output"]
        if unencrypted(normal_answer(last)) != unencrypted(normal_answer(final)):
            wrong.append(name)
        assert accumulated_text(sent) == accumulated_text(frames(stream))
    assert all(ITEMS_OUT_OF_ORDER in name or IDS_CHANGE in name for name in wrong)
    assert len(wrong) <= 3


def unencrypted(body: dict[str, Any]) -> dict[str, Any]:
    for item in body["output"]:
        for name in ("encrypted_content", "fingerprint"):
            item.pop(name, None)
    return body


def accumulated_text(sent: list[dict[str, Any]]) -> str:
    """What a client that only adds up deltas sees."""
    return "".join(event["delta"] for event in sent if event["type"] == "response.output_text.delta")
