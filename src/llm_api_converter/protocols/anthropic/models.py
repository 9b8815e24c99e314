"""Token counts and lists of models.

Source: anthropic SDK 2.12.0, types/message_tokens_count.py, types/model_info.py, pagination.py (November 2026).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from ...hub.errors import ApiError
from ..base import UNREADABLE, ModelInfo

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def decode_count(body: bytes) -> int:
    """`{"input_tokens": 12}` -> 12."""
    try:
        value = _decode(body)
    except UNREADABLE as error:
        raise ApiError("upstream_failed", f"the upstream's count is not valid JSON: {error}") from None
    count = value.get("input_tokens") if isinstance(value, dict) else None
    if type(count) is not int:
        raise ApiError("upstream_failed", "the upstream's count has no input_tokens")
    return count


def encode_count(count: int) -> bytes:
    """12 -> `{"input_tokens": 12}`."""
    return _encode({"input_tokens": count})


def encode_models(models: Sequence[ModelInfo]) -> bytes:
    """One page that holds every model."""
    data = [_model(model) for model in models]
    return _encode(
        {"data": data, "has_more": False, "first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
    )


def encode_model(model: ModelInfo) -> bytes:
    """One model."""
    return _encode(_model(model))


def _model(model: ModelInfo) -> dict[str, Any]:
    created = datetime.fromtimestamp(model.created_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    out: dict[str, Any] = {
        "type": "model", "id": model.id, "display_name": model.display_name or model.id, "created_at": created, "lifecycle": "active",
    }
    if model.context_window is not None:
        out["max_input_tokens"] = model.context_window
    if model.max_output_tokens is not None:
        out["max_tokens"] = model.max_output_tokens
    return out
