"""Lists of models and counts of tokens, in Gemini's shape. Source: https://ai.google.dev/api/models (read November 2026)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from ...hub.errors import ApiError
from ..base import UNREADABLE, Json, ModelInfo
from .errors import decode_status, find_error

METHODS = ("generateContent", "streamGenerateContent", "countTokens")


def encode_models(models: Sequence[ModelInfo]) -> bytes:
    """`{"models": [...]}`, all on one page."""
    return msgspec.json.encode({"models": [_model(model) for model in models]})


def encode_model(model: ModelInfo) -> bytes:
    """One model."""
    return msgspec.json.encode(_model(model))


def decode_count(body: bytes) -> int:
    """`countTokens` answer -> `totalTokens`."""
    try:
        value: Any = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise ApiError("upstream_failed", f"the upstream's answer is no JSON: {error}") from error
    status = find_error(value)
    if status is not None:
        raise decode_status(200, {}, status, body)
    total = value.get("totalTokens", 0) if type(value) is dict else None
    if type(total) is not int:
        raise ApiError("upstream_failed", "the upstream's answer has no `totalTokens`")
    return total


def encode_count(tokens: int) -> bytes:
    """A number of tokens -> `countTokens` answer."""
    return msgspec.json.encode({"totalTokens": tokens})


def _model(model: ModelInfo) -> Json:
    out: Json = {"name": f"models/{model.id}", "version": "001", "displayName": model.display_name or model.id}
    if model.context_window is not None:
        out["inputTokenLimit"] = model.context_window
    if model.max_output_tokens is not None:
        out["outputTokenLimit"] = model.max_output_tokens
    out["supportedGenerationMethods"] = METHODS
    return out
