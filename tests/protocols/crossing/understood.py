"""What the official SDKs make of an answer's bytes: `complaints(protocol, stream, data)`, empty where they read it whole.

Every frame is an event of the SDK's own types, taken strictly; and where the SDK puts a stream together by itself (Anthropic, OpenAI),
what it ends up with is the answer.
"""

import json
from typing import Any

from anthropic.types import Message
from google.genai import types
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter, ValidationError

from tests.protocols.anthropic import sdk as anthropic_sdk
from tests.protocols.bedrock_converse import boto
from tests.protocols.openai_chat.wire_examples import frames as chat_frames
from tests.protocols.openai_chat.wire_examples import sdk_snapshot
from tests.protocols.openai_responses import sdk as responses_sdk

PLAIN: dict[str, TypeAdapter[Any]] = {
    "anthropic": TypeAdapter(Message),
    "openai_chat": TypeAdapter(ChatCompletion),
    "openai_responses": responses_sdk.ANSWER,
    "gemini": TypeAdapter(types.GenerateContentResponse),
}
CHUNK: TypeAdapter[Any] = TypeAdapter(ChatCompletionChunk)


def complaints(protocol: str, stream: bool, data: bytes) -> list[str]:
    """One line each."""
    try:
        if not stream:
            return _plain(protocol, data)
        return STREAMS[protocol](data)
    except ValidationError as error:
        return [f"{found['loc']}: {found['msg']}" for found in error.errors()[:3]]


def _plain(protocol: str, data: bytes) -> list[str]:
    if protocol == "bedrock_converse":
        boto.parse_answer(data)
        return boto.answer_problems(json.loads(data)).splitlines()
    PLAIN[protocol].validate_json(data, strict=protocol != "gemini")
    return []


def _anthropic(data: bytes) -> list[str]:
    anthropic_sdk.validate(data)
    message = anthropic_sdk.snapshot(data)
    return [] if message.get("stop_reason") else ["no stop_reason"]


def _chat(data: bytes) -> list[str]:
    chunks = chat_frames(data)
    for chunk in chunks:
        CHUNK.validate_json(json.dumps(chunk), strict=True)
    return [] if sdk_snapshot(chunks)["choices"][0]["finish_reason"] else ["no finish_reason"]


def _responses(data: bytes) -> list[str]:
    events = responses_sdk.frames(data)
    found = [line for event in events for line in responses_sdk.complaints(event)]
    final = None if found else responses_sdk.accumulate(events)
    if not found and final is None and events[-1]["type"] not in ("response.incomplete", "response.failed"):
        found.append("no final answer")
    return found


def _gemini(data: bytes) -> list[str]:
    for line in data.split(b"\n"):
        if line.startswith(b"data:"):
            types.GenerateContentResponse.model_validate_json(line[5:])
    return []


def _bedrock(data: bytes) -> list[str]:
    found = []
    for event in boto.parse_stream(data):
        ((kind, payload),) = event.items()
        found += boto.event_problems(kind, payload).splitlines()
    return found


STREAMS = {
    "anthropic": _anthropic,
    "openai_chat": _chat,
    "openai_responses": _responses,
    "gemini": _gemini,
    "bedrock_converse": _bedrock,
}
