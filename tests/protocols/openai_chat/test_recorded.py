"""Every recorded request and plain answer: `encode(decode(x)) == x`, but for the spellings `normal_*` names."""

import json
from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols.openai_chat import CODEC
from tests.protocols.openai_chat.wire_examples import answer
from tests.recordings import load, needs_recordings

NO_PART = "crewAI.crewai-test_custom_llm_within_crew.0.deae46"
"""A message in place of a content part; the provider refused it too."""


def requests() -> list[tuple[str, dict[str, Any]]]:
    return [(r["id"], r["request"]["body"]) for r in load("openai_chat") if r["request"] and isinstance(r["request"].get("body"), dict)]


def facts_of(body: dict[str, Any]) -> Facts:
    """A target that wants things as this body says them."""
    said = {name for message in body["messages"] for name in ("reasoning", "reasoning_details") if message.get(name)}
    field = "reasoning_details" if "reasoning_details" in said or body.get("reasoning") else "reasoning" if said else "reasoning_content"
    return Facts(
        usage_in_stream=bool((body.get("stream_options") or {}).get("include_usage")),
        max_tokens_field="max_completion_tokens" if "max_completion_tokens" in body else "max_tokens",
        reasoning_field=field,
        reasoning_input="toggle" if body.get("thinking") else "effort",
        custom_tools=True,
        cache_marks=4,
    )


def normal_request(body: dict[str, Any]) -> dict[str, Any]:
    """Spellings with one meaning: null is absent; `stream: false`; `any` is `required`; legacy functions are tools; a tool without
    type is a function; Mistral's `document_url` is a `file`, its bare image URLs and sounds are objects.
    """
    body = {k: v for k, v in body.items() if v is not None and not (k == "stream" and v is False)}
    body.pop("stream_options", None)
    if body.get("tool_choice") == "any":
        body["tool_choice"] = "required"
    if "functions" in body:
        body["tools"] = [{"type": "function", "function": x} for x in body.pop("functions")]
    if "function_call" in body:
        body["tool_choice"] = body.pop("function_call")
    body["tools"] = [{"type": "function", **x} for x in body.get("tools") or []]
    body["messages"] = [normal_message(x) for x in body["messages"]]
    return body


def normal_message(message: dict[str, Any]) -> dict[str, Any]:
    """Blank content of an assistant is none; one plain text part is a string; reasoning said twice is said once; a mark on the
    message is one on its last part; `index` of calls and of reasoning entries counts.
    """
    message = {k: v for k, v in message.items() if v not in (None, [], "")}
    content = message.get("content")
    if isinstance(content, list):
        content = [normal_part(x) for x in content]
        mark = message.pop("cache_control", None)
        if mark:
            content[-1]["cache_control"] = mark
        thoughts = [x for x in content if x["type"] == "thinking"]
        content = [x for x in content if x["type"] != "thinking"]
        if thoughts:
            message["reasoning_content"] = "".join(y["text"] for x in thoughts for y in x["thinking"])
        message["content"] = content[0]["text"] if len(content) == 1 and content[0].keys() == {"type", "text"} else content
    elif message.get("cache_control"):
        message["content"] = [{"type": "text", "text": content, "cache_control": message.pop("cache_control")}]
    if message.get("reasoning_details"):
        entries = [{k: v for k, v in x.items() if v is not None and k not in ("index", "format")} for x in message["reasoning_details"]]
        message["reasoning_details"] = [x for x in entries if x.keys() != {"type"}]
    if message.get("reasoning_details"):
        message.pop("reasoning", None)
        message.pop("reasoning_content", None)
    elif "reasoning" in message or "reasoning_content" in message:
        message["reasoning"] = message.pop("reasoning_content", None) or message["reasoning"]
    if message.get("reasoning_details") == []:
        del message["reasoning_details"]
    if "tool_calls" in message:
        message["tool_calls"] = [{k: v for k, v in x.items() if k != "index"} for x in message["tool_calls"]]
    return message


def normal_part(part: dict[str, Any]) -> dict[str, Any]:
    part = dict(part)
    if part["type"] == "document_url":
        return {"type": "file", "file": {"filename": part.get("document_name", "document.pdf"), "file_data": part["document_url"]}}
    if part["type"] == "image_url" and isinstance(part["image_url"], str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    if part["type"] == "input_audio" and isinstance(part["input_audio"], str):
        return {"type": "input_audio", "input_audio": {"data": part["input_audio"], "format": "wav"}}
    if part["type"] == "file" and "file_data" in part["file"] and part["file"]["file_data"].startswith("data:"):
        part["file"] = {"filename": "document.pdf", **part["file"]}
    return part


@needs_recordings
def test_requests_come_back_the_same() -> None:
    same = 0
    for name, body in requests():
        if name == NO_PART:
            continue
        ledger = Ledger()
        request = CODEC.decode_request(body, model="from-path")
        wire = CODEC.encode_request(request, facts_of(body), ledger)
        assert wire.path == "/chat/completions"
        assert not ledger.losses, (name, ledger.losses)
        wanted = normal_request({"model": "from-path", **body})
        assert normal_request(wire.body) == wanted, name
        same += 1
    assert same > 970


@needs_recordings
def test_a_request_nobody_can_read_names_the_place() -> None:
    with pytest.raises(ApiError) as raised:
        CODEC.decode_request(dict(requests())[NO_PART])
    assert (raised.value.kind, raised.value.path) == ("invalid", "messages[1].content[0].type")


def answers() -> list[tuple[str, dict[str, Any]]]:
    return [
        (r["id"], r["response"]["body"]) for r in load("openai_chat")
        if isinstance(r["response"]["body"], dict) and (r["response"]["status"] or 200) < 400 and "error" not in r["response"]["body"]
    ]  # fmt: skip


def normal_answer(body: dict[str, Any], *, legacy_answer: bool) -> dict[str, Any]:
    """Spellings with one meaning: null, "" and [] are absent; only the first choice counts; reasoning stands in `reasoning_content`,
    entries only beside state; empty objects of other kinds are absent; usage is checked on its own; a call makes the finish `tool_calls`; legacy calls are calls.
    """
    body = {k: v for k, v in body.items() if v not in (None, "", []) and k not in ("usage", "object")}
    choice = {k: v for k, v in body["choices"][0].items() if v not in (None, "") and k not in ("delta", "index")}
    message = {k: v for k, v in choice.get("message", {"role": "assistant"}).items() if v not in (None, "", [])}
    content = message.get("content")
    if isinstance(content, list):
        message["reasoning_content"] = "".join(y["text"] for x in content if x["type"] == "thinking" for y in x["thinking"])
        message["content"] = "".join(x["text"] for x in content if x["type"] == "text")
    text = message.pop("reasoning_content", None) or message.pop("reasoning", None)
    details = message.pop("reasoning_details", [])
    message.pop("reasoning", None)
    if text or any(x.get("text") for x in details):
        message["reasoning"] = text or "".join(x.get("text", "") for x in details)
    state = sorted(x.get("signature") or x.get("data") for x in details if x.get("signature") or x.get("data"))
    legacy = message.pop("function_call", None)
    if legacy and legacy["name"]:
        message["tool_calls"] = [{"type": "function", "function": legacy}]
    calls = message.get("tool_calls") or []
    for call in calls:
        call["id"] = None if legacy_answer else call["id"]
        call.pop("index", None)
        call.setdefault("type", "function")
        call.pop("custom" if call["type"] == "function" else "function", None)
        if call["type"] == "function":
            call["function"]["arguments"] = call["function"].get("arguments") or "{}"
    if not message.get("audio", {}).get("id"):
        message.pop("audio", None)
    choice["message"] = message
    word = choice.get("finish_reason")
    choice["finish_reason"] = "tool_calls" if calls and word in ("stop", "function_call", None) else word or "stop"
    return {**body, "choices": [choice], "state": state}


@needs_recordings
def test_answers_come_back_the_same() -> None:
    same = 0
    for name, body in answers():
        body = dict(body)
        response = CODEC.decode_response(json.dumps(body).encode())
        assert fold(unfold(response)) == response, name
        ledger = Ledger()
        out = json.loads(CODEC.encode_response(response, answer(body["model"]), ledger))
        assert not ledger.losses, (name, ledger.losses)
        assert out["usage"]["total_tokens"] == out["usage"]["prompt_tokens"] + out["usage"]["completion_tokens"]
        assert out["usage"].keys() >= body["usage"].keys() - {"prompt_tokens_details", "completion_tokens_details"}, name
        for field in ("id", "created"):
            if not body.get(field):
                out.pop(field)
                body.pop(field, None)
        legacy = bool(body["choices"][0].get("message", {}).get("function_call"))
        assert normal_answer(out, legacy_answer=legacy) == normal_answer(json.loads(json.dumps(body)), legacy_answer=legacy), name
        same += 1
    assert same > 590


@needs_recordings
def test_errors_inside_a_200_are_errors() -> None:
    seen = []
    for record in load("openai_chat"):
        body = record["response"]["body"]
        if isinstance(body, dict) and "error" in body and (record["response"]["status"] or 200) < 400:
            with pytest.raises(ApiError) as raised:
                CODEC.decode_response(json.dumps(body).encode())
            seen.append((raised.value.kind, raised.value.unsupported))
    assert sorted(seen, key=str) == [("refused", None), ("unsupported", "max_tokens")]


@needs_recordings
def test_refusals_of_every_provider_are_understood() -> None:
    seen = 0
    for name in ("openai_chat", "openai_embeddings"):
        for record in load(name):
            status, body = record["response"]["status"] or 200, record["response"]["body"]
            if status < 400:
                continue
            raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            error = CODEC.decode_error(status, {}, raw)
            assert error.kind != "internal"
            assert error.status == status
            assert error.message
            if isinstance(body, dict):
                assert error.message in json.dumps(body, ensure_ascii=False).replace('\\"', '"'), record["id"]
            if "context_length_exceeded" in record["id"] and status == 400:
                assert error.kind == "context_too_long", record["id"]
            seen += 1
    assert seen > 40
