"""Errors: `{"type": "error", "error": {"type", "message"}, "request_id"}` <-> ApiError, before and inside a stream.

Source: anthropic SDK 2.12.0, types/shared/error_type.py, _exceptions.py; https://platform.claude.com/docs/en/api/errors
(November 2026). Claude Code compacts its history when a 400's message begins `prompt is too long:`, so every context overflow does.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ...framing.sse import sse_event
from ...hub.errors import ApiError, ErrorKind
from ..base import UNREADABLE, WireError
from ..unsupported import refused_field

ERROR_IN: dict[str, ErrorKind] = {
    "invalid_request_error": "invalid",
    "authentication_error": "unauthenticated",
    "billing_error": "quota_exhausted",
    "permission_error": "forbidden",
    "not_found_error": "not_found",
    "request_too_large": "too_large",
    "rate_limit_error": "rate_limited",
    "timeout_error": "timeout",
    "api_error": "upstream_failed",
    "overloaded_error": "overloaded",
    "conflict_error": "invalid",
}
STATUS_IN: dict[int, ErrorKind] = {
    400: "invalid", 401: "unauthenticated", 402: "quota_exhausted", 403: "forbidden", 404: "not_found", 408: "timeout", 409: "invalid",
    413: "too_large", 422: "invalid", 429: "rate_limited", 500: "upstream_failed", 503: "overloaded", 504: "timeout", 529: "overloaded",
}
ERROR_OUT: dict[ErrorKind, tuple[int, str]] = {
    "invalid": (400, "invalid_request_error"),
    "unauthenticated": (401, "authentication_error"),
    "forbidden": (403, "permission_error"),
    "not_found": (404, "not_found_error"),
    "too_large": (413, "request_too_large"),
    "rate_limited": (429, "rate_limit_error"),
    "quota_exhausted": (402, "billing_error"),
    "overloaded": (529, "overloaded_error"),
    "timeout": (504, "timeout_error"),
    "context_too_long": (400, "invalid_request_error"),
    "upstream_failed": (500, "api_error"),
    "upstream_incomplete": (500, "api_error"),
    "refused": (400, "invalid_request_error"),
    "unsupported": (400, "invalid_request_error"),
    "internal": (500, "api_error"),
}
TOO_LONG = "prompt is too long:"

_CUT = 4096
_OVERFLOW = ("prompt is too long", "exceed context limit", "input is too long", "exceeds the context window", "maximum context length")
_BAD_STATE = (
    "`signature` in `thinking`", "signature in thinking", "`data` in `redacted_thinking`", "data in redacted_thinking",
    "blocks in the latest assistant message cannot be modified", "Expected `thinking` or `redacted_thinking`",
)
_NO_CREDIT = ("credit balance is too low",)
_BETA = ("anthropic-beta", "invalid beta flag")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """What an upstream refused with -> ApiError."""
    try:
        value = _decode(body)
    except UNREADABLE:
        value = None
    if not isinstance(value, dict):
        text = body[:_CUT].decode("utf-8", "replace").strip()
        value = {"error": {"message": text or f"the upstream answered with status {status} and nothing else"}}
    return error_of(value, body, status, _seconds(headers.get("retry-after")))


def error_of(value: dict[str, Any], body: bytes, status: int | None = None, retry_after_s: float | None = None) -> ApiError:
    """An error object, from a response or from inside a stream -> ApiError."""
    error = value.get("error")
    word = error.get("type") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else error if isinstance(error, str) else None
    if not isinstance(message, str):
        message = value.get("message") if isinstance(value.get("message"), str) else body[:_CUT].decode("utf-8", "replace")
    assert isinstance(message, str)
    kind = _kind(word if isinstance(word, str) else None, status, message)
    return ApiError(
        kind,
        message,
        status=status,
        code=word if isinstance(word, str) else None,
        retry_after_s=retry_after_s,
        upstream=(status or 200, body[:_CUT]),
        unsupported=_unsupported(message) if kind in ("invalid", "unsupported") else None,
        bad_state=kind == "invalid" and any(words in message for words in _BAD_STATE),
    )


def encode_error(error: ApiError, request_id: str) -> WireError:
    """ApiError -> status, headers, body."""
    status, _ = ERROR_OUT[error.kind]
    headers = {"content-type": "application/json", "request-id": request_id}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(-int(-error.retry_after_s // 1), 0))
    return WireError(status, headers, _body(error, request_id))


def stream_error(error: ApiError, request_id: str) -> bytes:
    """ApiError -> the event that ends a stream."""
    return sse_event("error", _body(error, request_id))


def _body(error: ApiError, request_id: str) -> bytes:
    body: dict[str, Any] = {"type": "error", "error": {"type": ERROR_OUT[error.kind][1], "message": _message(error)}}
    if request_id:
        body["request_id"] = request_id
    return _encode(body)


def _message(error: ApiError) -> str:
    if error.kind == "context_too_long" and not error.message.startswith(TOO_LONG):
        return f"{TOO_LONG} {error.message}"
    return error.message


def _kind(word: str | None, status: int | None, message: str) -> ErrorKind:
    """The error's own word says most; the status where there is none; two things are known by their wording only."""
    fallback: ErrorKind = "upstream_failed" if status is None or status >= 500 else "invalid"
    kind = ERROR_IN.get(word or "") or STATUS_IN.get(status or 0, fallback)
    if kind == "upstream_failed" and status is not None:
        kind = STATUS_IN.get(status, kind)  # `api_error` is said of everything; the status tells a full house from a defect
    if kind in ("invalid", "too_large"):
        lower = message.lower()
        if any(words in lower for words in _OVERFLOW):
            return "context_too_long"
        if any(words in lower for words in _NO_CREDIT):
            return "quota_exhausted"
    return kind


def _unsupported(message: str) -> str | None:
    if any(words in message for words in _BETA):
        return "anthropic-beta"
    return refused_field(message)


def _seconds(value: str | None) -> float | None:
    """`retry-after` in seconds; a date is not read."""
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None
