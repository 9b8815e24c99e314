"""Token counts: `{"object": "response.input_tokens", "input_tokens": 11}`.

Source: openai 3.54.0 `types/responses/input_token_count_response.py` (November 2026).
"""


from ...hub.errors import ApiError
from ..base import UNREADABLE
from .wire import decode_json, encode_json


def decode_count(body: bytes) -> int:
    """The count an upstream gives."""
    try:
        answer = decode_json(body)
    except UNREADABLE as e:
        raise ApiError("upstream_failed", f"the upstream's token count is not JSON: {e}") from e
    count = answer.get("input_tokens") if isinstance(answer, dict) else None
    if type(count) is not int:
        raise ApiError("upstream_failed", "the upstream's token count has no `input_tokens`")
    return count


def encode_count(count: int) -> bytes:
    """The count for a client."""
    return encode_json({"object": "response.input_tokens", "input_tokens": count})
