"""Errors, both ways: `{"error": {"message", "type", "param", "code"}}` <-> ApiError.

Source: openai 3.54.0 `_exceptions.py`, https://platform.openai.com/docs/guides/error-codes (read November 2026). Upstreams of this
protocol also answer with a bare string, with `detail`, with the fields at the top level, with a list, with a numeric `code`, or
with no body at all (recordings, November 2026). The upstream's words are kept.
"""

from collections.abc import Mapping
from typing import Any

from ...hub.errors import ApiError, ErrorKind
from ..base import UNREADABLE, WireError
from ..unsupported import REFUSED, refused_field
from .wire import decode_json, encode_json

STATUS_IN: dict[int, ErrorKind] = {
    400: "invalid", 401: "unauthenticated", 402: "quota_exhausted", 403: "forbidden", 404: "not_found", 405: "invalid",
    408: "timeout", 409: "upstream_failed", 413: "too_large", 415: "invalid", 422: "invalid", 429: "rate_limited",
    451: "refused", 498: "overloaded", 500: "upstream_failed", 502: "upstream_failed", 503: "overloaded", 504: "timeout",
    520: "upstream_failed", 522: "timeout", 524: "timeout", 529: "overloaded",
}  # fmt: skip

CODE_IN: dict[str, ErrorKind] = {
    "insufficient_quota": "quota_exhausted",
    "billing_hard_limit_reached": "quota_exhausted",
    "billing_not_active": "quota_exhausted",
    "insufficient_balance": "quota_exhausted",
    "context_length_exceeded": "context_too_long",
    "string_above_max_length": "context_too_long",
    "too_many_prompt_tokens": "context_too_long",
    "exceed_context_size_error": "context_too_long",
    "content_filter": "refused",
    "content_policy_violation": "refused",
    "invalid_api_key": "unauthenticated",
    "invalid_authentication": "unauthenticated",
    "authentication_error": "unauthenticated",
    "permission_error": "forbidden",
    "model_not_found": "not_found",
    "rate_limit_exceeded": "rate_limited",
    "ratelimitreached": "rate_limited",
    "request_too_large": "too_large",
    "unsupported_parameter": "unsupported",
    "unsupported_value": "unsupported",
    "overloaded_error": "overloaded",
    "server_overloaded": "overloaded",
    "engine_overloaded": "overloaded",
}
"""`error.code` or `error.type`, in lower case."""

TOO_LONG = (
    "maximum context length", "context length exceeded", "context window", "available context size", "prompt is too long",
    "prompt too long", "total length of all messages is too long", "reduce the length of the messages",
)  # fmt: skip
"""Words of a context overflow where neither code nor type says so (DeepSeek, Ollama, llama.cpp, Perplexity)."""

ERROR_OUT: dict[ErrorKind, tuple[int, str, str | None]] = {
    "invalid": (400, "invalid_request_error", None),
    "unauthenticated": (401, "invalid_request_error", "invalid_api_key"),
    "forbidden": (403, "permission_error", None),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "too_large": (413, "invalid_request_error", "request_too_large"),
    "rate_limited": (429, "rate_limit_error", "rate_limit_exceeded"),
    "quota_exhausted": (429, "insufficient_quota", "insufficient_quota"),
    "overloaded": (503, "server_error", "overloaded"),
    "timeout": (504, "server_error", "timeout"),
    "context_too_long": (400, "invalid_request_error", "context_length_exceeded"),
    "upstream_failed": (502, "server_error", "upstream_error"),
    "upstream_incomplete": (502, "server_error", "upstream_incomplete"),
    "refused": (400, "invalid_request_error", "content_filter"),
    "unsupported": (400, "invalid_request_error", "unsupported_parameter"),
    "internal": (500, "server_error", "internal_error"),
}
"""Kind -> status, type, code. A kind whose code is None shows the upstream's own, if any."""

REASONING_MISSING = ("reasoning_content", ("must be passed back", "is missing"))
"""Words of an upstream that wants the reasoning of earlier calls back (DeepSeek, Kimi), which most clients of this protocol drop."""

BODY_KEPT = 4096


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """A refusal before the first byte."""
    try:
        parsed = decode_json(body) if body else None
    except UNREADABLE:
        parsed = body.decode("utf-8", "replace").strip() or None
    error = decode_error_value(parsed, status)
    error.retry_after_s = _retry_after(headers, parsed)
    error.upstream = (status, body[:BODY_KEPT])
    error.bad_state = error.kind == "invalid" and _reasoning_missing(error.message)
    return error


def decode_error_value(value: Any, status: int | None = None) -> ApiError:
    """Any shape of error body, or of the `error` of a frame. The status inside counts where none is given."""
    fields = _fields(value)
    message = _words(fields) or (f"the upstream answered with status {status}" if status else "the upstream reported an error")
    code, kind_word, param = _word(fields.get("code")), _word(fields.get("type")), _word(fields.get("param"))
    status = status or _status(fields)
    kind = _kind(status, code, kind_word, message)
    unsupported = None
    if kind in ("unsupported", "invalid") and status != 404:
        named = kind == "unsupported" or REFUSED.search(message) is not None
        unsupported = param if param is not None and named else refused_field(message)
    if kind == "unsupported" and unsupported is None:
        kind = "invalid"
    # A path into the upstream's own messages says nothing about the client's.
    path = param if param is not None and "[" not in param else None
    return ApiError(kind, message, status=status, code=code or kind_word, unsupported=unsupported, path=path)


def encode_error(error: ApiError, request_id: str) -> WireError:
    """The body and status for a client."""
    headers = {"content-type": "application/json"}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(0, -int(-error.retry_after_s // 1)))
    if error.kind == "quota_exhausted":  # the status alone says "in a moment", and the SDKs would try at once
        headers["x-should-retry"] = "false"
    return WireError(ERROR_OUT[error.kind][0], headers, encode_json(error_body(error)))


def stream_error(error: ApiError, request_id: str) -> bytes:
    """A Chat stream ends with an error chunk; no `[DONE]` follows it."""
    return b"data: " + encode_json(error_body(error)) + b"\n\n"


def error_body(error: ApiError) -> dict[str, Any]:
    """OpenAI's object."""
    _, kind, code = ERROR_OUT[error.kind]
    return {"error": {"message": error.message, "type": kind, "param": error.path or error.unsupported, "code": code or error.code}}


def _kind(status: int | None, code: str | None, word: str | None, message: str) -> ErrorKind:
    for name in (code, word):
        if name is not None and name.lower() in CODE_IN:
            return CODE_IN[name.lower()]
    lower = message.lower()
    if status in (None, 400, 413, 422, 500) and any(words in lower for words in TOO_LONG):
        return "context_too_long"
    if status is None:
        return "upstream_failed"
    return STATUS_IN.get(status) or ("upstream_failed" if status >= 500 else "invalid")


def _reasoning_missing(message: str) -> bool:
    field, words = REASONING_MISSING
    return field in message and any(word in message for word in words)


def _fields(value: Any) -> dict[str, Any]:
    """The object that holds the message, whatever is around it."""
    if isinstance(value, list) and value:
        return _fields(value[0])
    if isinstance(value, str):
        return {"message": value}
    if not isinstance(value, dict):
        return {}
    inner = value.get("error")
    if isinstance(inner, (dict, list)) or (isinstance(inner, str) and "message" not in value):
        return _fields(inner)
    return value


def _words(fields: dict[str, Any]) -> str | None:
    """`message`, else `detail` (FastAPI: a string, or a list of complaints), else `msg`."""
    for name in ("message", "detail", "msg", "title"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
        if value is not None and not isinstance(value, str):
            return encode_json(value).decode()
    return None


def _word(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if type(value) is int else None


def _status(fields: dict[str, Any]) -> int | None:
    """Dialects put the status into `status`, `status_code` or `code`."""
    for name in ("status_code", "status", "code"):
        word = _word(fields.get(name))
        if word is not None and word.isascii() and word.isdigit() and 400 <= int(word) <= 599:
            return int(word)
    return None


def _retry_after(headers: Mapping[str, str], parsed: Any) -> float | None:
    """Seconds; `retry-after-ms` is finer. A date is left to the caller's default (there is no clock here)."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return max(0.0, float(headers.get(name, "")) / unit)
        except ValueError:
            continue
    return None
