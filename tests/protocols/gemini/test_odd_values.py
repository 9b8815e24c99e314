"""Anything may stand anywhere: a decoder gives a value or an `ApiError`, never another exception."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols.gemini import CODEC

REQUEST: dict[str, Any] = {
    "contents": [
        {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}]},
        {"role": "model", "parts": [
            {"text": "t", "thought": True}, {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
            {"executableCode": {"language": "PYTHON", "code": "1"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
            {"toolCall": {"toolType": "URL_CONTEXT", "args": {}}}, {"toolResponse": {"toolType": "URL_CONTEXT", "response": {}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"output": "x"}, "parts": [{"fileData": {"fileUri": "gs://b/c"}}]}},
        ]},
    ],
    "systemInstruction": {"parts": [{"text": "s"}]},
    "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {
        "temperature": 1, "stopSequences": ["x"], "responseSchema": {"anyOf": [{"type": "STRING"}], "nullable": True},
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}}, "thinkingConfig": {"thinkingBudget": 1},
    },
    "labels": {"a": "b"},
}  # fmt: skip
CHUNK: dict[str, Any] = {
    "candidates": [{
        "content": {"role": "model", "parts": [
            {"text": "Hi", "thoughtSignature": "c2ln"}, {"functionCall": {"name": "f", "args": {}}},
            {"functionCall": {"name": "g", "willContinue": True, "partialArgs": [{"jsonPath": "$.a[0].b", "stringValue": "x"}]}},
            {"inlineData": {"mimeType": "image/png", "data": "QQ=="}}, {"text": "end"},
        ]},
        "finishReason": "STOP", "finishMessage": "m", "index": 0, "citationMetadata": {"citations": [{"startIndex": 0, "endIndex": 1}]},
        "groundingMetadata": {
            "groundingChunks": [{"web": {"uri": "u", "title": "t"}}],
            "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 2, "text": "Hi"}, "groundingChunkIndices": [0]}],
        },
    }],
    "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 3}, "promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "m",
    "responseId": "r",
}  # fmt: skip
ERROR: dict[str, Any] = {
    "error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED", "details": [
        {"@type": "x", "violations": [{"quotaId": "PerDay"}]}, {"retryDelay": "3s"}, {"reason": "R"},
    ]}
}  # fmt: skip
odd = st.sampled_from([None, True, 0, -1, 1.5, "", "x", "AUTO", [], [None], [1], ["x"], [{}], {}, {"x": 1}, {"text": None}, [[]]])


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one of its nodes replaced, or left out."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 9)) == 0:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: draw(changed(value[name]))}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], draw(changed(value[index])), *value[index + 1 :]]
    return draw(odd)


def tried(decode: Callable[..., Any], *given: Any, **named: Any) -> Any:
    """The value, or the `ApiError`."""
    try:
        return decode(*given, **named)
    except ApiError as error:
        return error


@settings(max_examples=300, deadline=None)
@given(changed(REQUEST))
def test_requests(body: Any) -> None:
    request = tried(CODEC.decode_request, body, model="m")
    if isinstance(request, ApiError):
        assert request.kind == "invalid"
        return
    for dialect in ("openapi", "full"):
        wire = CODEC.encode_request(request, Facts(schema_dialect=dialect), Ledger())  # type: ignore[arg-type]
        msgspec.json.encode(wire.body)


@settings(max_examples=300, deadline=None)
@given(changed(CHUNK))
def test_answers(body: Any) -> None:
    data = msgspec.json.encode(body)
    response = tried(CODEC.decode_response, data)
    assert not isinstance(response, ApiError) or response.kind != "invalid"
    decoder = CODEC.stream_decoder()
    check(decoder.feed(b"data: " + data + b"\n\n") + decoder.finish())


@settings(max_examples=150, deadline=None)
@given(changed(ERROR), st.sampled_from([400, 429, 500]))
def test_errors(body: Any, status: int) -> None:
    error = CODEC.decode_error(status, {"retry-after": "soon"}, msgspec.json.encode(body))
    assert error.status == status
