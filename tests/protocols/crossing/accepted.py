"""What the vendors' own SDK types say of a request body: `complaints(protocol, body)`, empty where they take it.

anthropic and openai describe requests as typed dictionaries (pydantic reads them), Google as pydantic models that refuse unknown
fields, AWS as a service model (botocore reads it).
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming
from google.genai import types
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter, ValidationError

from tests.protocols.bedrock_converse import boto

PARAMS: dict[str, Any] = {
    "anthropic": MessageCreateParamsNonStreaming,
    "openai_chat": CompletionCreateParamsNonStreaming,
    "openai_responses": ResponseCreateParamsNonStreaming,
}


def complaints(protocol: str, body: dict[str, Any]) -> list[str]:
    """One line each."""
    if protocol == "gemini":
        return list(_gemini(body))
    if protocol == "bedrock_converse":
        return boto.problems(body).splitlines()
    try:
        # Arrays of these types are read lazily: nothing is checked before it is looked at.
        _look(_adapter(protocol).validate_python(_completed({**body, "stream": False})))
    except ValidationError as error:
        return [f"{found['loc']}: {found['msg']}" for found in error.errors()[:3]]
    return []


def _completed(value: Any) -> Any:
    """The types of openai demand the `detail` of an image, and id and status of an assistant's message in parts; its API does not
    (recordings).
    """
    if isinstance(value, dict):
        if value.get("type") == "input_image":
            value = {"detail": "auto", **value}
        elif value.get("type") == "message" and value.get("role") == "assistant" and isinstance(value.get("content"), list):
            value = {"id": "msg_1", "status": "completed", **value}
        return {name: _completed(inner) for name, inner in value.items()}
    return [_completed(inner) for inner in value] if isinstance(value, list) else value


@cache
def _adapter(protocol: str) -> TypeAdapter[Any]:
    return TypeAdapter(PARAMS[protocol])


def _look(value: Any) -> None:
    if isinstance(value, dict):
        for inner in value.values():
            _look(inner)
    elif not isinstance(value, str) and hasattr(value, "__iter__"):
        for inner in value:
            _look(inner)


GEMINI: dict[str, Any] = {
    "systemInstruction": types.Content, "toolConfig": types.ToolConfig, "generationConfig": types.GenerationConfig,
}  # fmt: skip
GEMINI_LISTS: dict[str, Any] = {"contents": types.Content, "tools": types.Tool, "safetySettings": types.SafetySetting}
# Fields whose types are plain: nothing to read them with.
GEMINI_PLAIN = frozenset({"serviceTier", "labels", "cachedContent", "store"})


def _gemini(body: dict[str, Any]) -> Iterator[str]:
    for name, value in body.items():
        if name in GEMINI_PLAIN:
            continue
        kind = GEMINI.get(name) or GEMINI_LISTS.get(name)
        if kind is None:
            yield f"{name}: no such field"
            continue
        for item in value if name in GEMINI_LISTS else [value]:
            try:
                kind.model_validate(item)
            except ValidationError as error:
                yield from (f"{name}.{found['loc']}: {found['msg']}" for found in error.errors()[:3])
