"""The list of models, as `GET /v1/models` shows it. Source: openai 3.54.0 `types/model.py` (November 2026)."""

from collections.abc import Sequence
from typing import Any

from ..base import ModelInfo
from .wire import encode_json


def encode_models(models: Sequence[ModelInfo]) -> bytes:
    """`{"object": "list", "data": [...]}`."""
    return encode_json(listing(models))


def listing(models: Sequence[ModelInfo]) -> dict[str, Any]:
    """The same before it is bytes."""
    return {"object": "list", "data": [_model(model) for model in models]}


def encode_model(model: ModelInfo) -> bytes:
    """One of them."""
    return encode_json(_model(model))


def _model(model: ModelInfo) -> dict[str, Any]:
    """OpenAI's four fields; what is known beyond them under the names compatible servers use."""
    out: dict[str, Any] = {"id": model.id, "object": "model", "created": model.created_s, "owned_by": model.owned_by}
    if model.display_name is not None:
        out["name"] = model.display_name
    if model.context_window is not None:
        out["context_length"] = model.context_window
    if model.max_output_tokens is not None:
        out["max_output_tokens"] = model.max_output_tokens
    return out
