"""Errors, both ways. Before the first byte they are those of Chat; inside a stream or an answer they are `response.failed`.

    {"error": {"message", "type", "param", "code"}}          response.error = {"code", "message"}

Codes of failed answers: openai 3.54.0 `types/responses/response_error.py`; `context_length_exceeded`, `insufficient_quota` and
`server_is_overloaded` are what OpenAI sends and Codex acts on (codex-rs `codex-api/src/sse/responses.rs`, read November 2026).
"""

from collections.abc import Mapping
from typing import Any

from ...hub.errors import ApiError, ErrorKind
from ..openai_chat.errors import decode_error as decode_chat_error
from ..openai_chat.errors import decode_error_value, encode_error
from .wire import encode_json

__all__ = ["answer_error", "decode_error", "encode_error", "error_code", "stream_error"]

CODE_IN: dict[str, ErrorKind] = {
    "server_error": "upstream_failed",
    "server_is_overloaded": "overloaded",
    "slow_down": "overloaded",
    "vector_store_timeout": "timeout",
    "invalid_prompt": "invalid",
    "bio_policy": "refused",
    "cyber_policy": "refused",
    "misalignment_policy_violation": "refused",
    "image_content_policy_violation": "refused",
    "previous_response_not_found": "invalid",
}
"""Codes that only this protocol has. Every other code about an image is the request's fault."""

BAD_STATE = frozenset({"invalid_encrypted_content"})

CODE_OUT: dict[ErrorKind, str] = {
    "invalid": "invalid_prompt",
    "unsupported": "invalid_prompt",
    "too_large": "invalid_prompt",
    "refused": "invalid_prompt",
    "rate_limited": "rate_limit_exceeded",
    "quota_exhausted": "insufficient_quota",
    "context_too_long": "context_length_exceeded",
}
"""Kind -> `response.error.code`. All others are `server_error`, which clients try again."""


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """A refusal before the first byte. A general code says less than the status."""
    error = _refined(decode_chat_error(status, headers, body))
    if error.kind == "upstream_failed" and status in (503, 529):
        error.kind = "overloaded"
    return error


def answer_error(raw: Any) -> ApiError:
    """The `error` of a failed answer, or an `error` event."""
    return _refined(decode_error_value(raw))


def _refined(error: ApiError) -> ApiError:
    """What Chat does not know: this protocol's own codes."""
    code = (error.code or "").lower()
    if code in BAD_STATE:
        error.bad_state, error.kind = True, "invalid"
    elif code in CODE_IN:
        error.kind = CODE_IN[code]
    elif "image" in code and error.kind == "upstream_failed":
        error.kind = "invalid"
    return error


def error_code(error: ApiError) -> dict[str, Any]:
    """`response.error`. Clients read the time to wait out of the message."""
    message = error.message
    if error.retry_after_s is not None and "try again in" not in message.lower():
        message = f"{message.rstrip('.')}. Please try again in {error.retry_after_s:g}s."
    return {"code": CODE_OUT.get(error.kind, "server_error"), "message": message}


def stream_error(error: ApiError, request_id: str) -> bytes:
    """The terminal event where nothing is known of the stream so far: an answer of its own that failed."""
    answer = {
        "id": f"resp_{request_id}", "object": "response", "created_at": 0, "status": "failed", "error": error_code(error),
        "incomplete_details": None, "instructions": None, "metadata": {}, "model": "", "output": [], "parallel_tool_calls": True,
        "temperature": None, "tool_choice": "auto", "tools": [], "top_p": None, "usage": None,
    }
    body = {"type": "response.failed", "sequence_number": 0, "response": answer}
    return b"event: response.failed\ndata: " + encode_json(body) + b"\n\n"
