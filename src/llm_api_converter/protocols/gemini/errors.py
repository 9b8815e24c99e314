"""Errors: `google.rpc.Status` as JSON, `{"error": {"code", "message", "status", "details"}}` <-> `ApiError`.

Google wraps some errors in a list, and sends an invalid API key as a 400. Details give the reason word, the delay to wait and the
quota that ran out. Sources: https://cloud.google.com/apis/design/errors, google-genai `errors.py` (read November 2026); recordings.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from ...hub.errors import ApiError, ErrorKind
from ..base import UNREADABLE, Json, WireError
from ..unsupported import refused_field

ERROR_IN: dict[str, ErrorKind] = {
    "INVALID_ARGUMENT": "invalid", "FAILED_PRECONDITION": "invalid", "OUT_OF_RANGE": "invalid", "UNAUTHENTICATED": "unauthenticated",
    "PERMISSION_DENIED": "forbidden", "NOT_FOUND": "not_found", "ALREADY_EXISTS": "invalid", "RESOURCE_EXHAUSTED": "rate_limited",
    "UNAVAILABLE": "overloaded", "DEADLINE_EXCEEDED": "timeout", "UNIMPLEMENTED": "unsupported", "INTERNAL": "upstream_failed",
    "UNKNOWN": "upstream_failed", "DATA_LOSS": "upstream_failed", "ABORTED": "upstream_failed", "CANCELLED": "upstream_failed",
}
STATUS_IN: dict[int, ErrorKind] = {
    400: "invalid", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 405: "unsupported", 408: "timeout", 413: "too_large",
    422: "invalid", 429: "rate_limited", 499: "upstream_failed", 500: "upstream_failed", 502: "upstream_failed", 503: "overloaded",
    504: "timeout", 529: "overloaded",
}
# Reason words of `google.rpc.ErrorInfo` that say more than the status.
REASON_IN: dict[str, ErrorKind] = {
    "API_KEY_INVALID": "unauthenticated", "API_KEY_EXPIRED": "unauthenticated", "ACCESS_TOKEN_EXPIRED": "unauthenticated",
    "CREDENTIALS_MISSING": "unauthenticated", "API_KEY_SERVICE_BLOCKED": "forbidden", "SERVICE_DISABLED": "forbidden",
    "CONSUMER_SUSPENDED": "forbidden", "BILLING_DISABLED": "quota_exhausted", "RATE_LIMIT_EXCEEDED": "rate_limited",
    "MODEL_CAPACITY_EXHAUSTED": "overloaded", "QUOTA_EXHAUSTED": "quota_exhausted", "INSUFFICIENT_G1_CREDITS_BALANCE": "quota_exhausted",
}
ERROR_OUT: dict[ErrorKind, tuple[int, str]] = {
    "invalid": (400, "INVALID_ARGUMENT"), "unauthenticated": (401, "UNAUTHENTICATED"), "forbidden": (403, "PERMISSION_DENIED"),
    "not_found": (404, "NOT_FOUND"), "too_large": (413, "INVALID_ARGUMENT"), "rate_limited": (429, "RESOURCE_EXHAUSTED"),
    "quota_exhausted": (429, "RESOURCE_EXHAUSTED"), "overloaded": (503, "UNAVAILABLE"), "timeout": (504, "DEADLINE_EXCEEDED"),
    "context_too_long": (400, "INVALID_ARGUMENT"), "upstream_failed": (502, "INTERNAL"), "upstream_incomplete": (502, "INTERNAL"),
    "refused": (400, "FAILED_PRECONDITION"), "unsupported": (400, "INVALID_ARGUMENT"), "internal": (500, "INTERNAL"),
}
_RPC = "type.googleapis.com/google.rpc."
_TOO_LONG = ("exceeds the maximum number of tokens", "input token count", "exceed context limit", "context length")
_BILLING = ("billing details", "credits are depleted", "spending cap", "exceeded its monthly")
_MAX_KEPT = 4096


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """A refusal of the upstream -> ApiError."""
    try:
        value: Any = msgspec.json.decode(body)
    except UNREADABLE:
        value = None
    return decode_status(status, headers, find_error(value) or {}, body)


def find_error(value: Any) -> Json | None:
    """The `error` object of a body, which may be the first of a list."""
    if type(value) is list and value:
        value = value[0]
    error = value.get("error") if type(value) is dict else None
    if type(error) is str:
        return {"message": error}
    return error if type(error) is dict else None


def decode_status(status: int, headers: Mapping[str, str], error: Json, body: bytes) -> ApiError:
    """A `google.rpc.Status` -> ApiError. `status` is the HTTP status; inside a 200 the object's own code counts."""
    code = error.get("code")
    if status < 400:
        status = code if type(code) is int and 400 <= code < 600 else 500
    word = error.get("status")
    word = word if type(word) is str else None
    text = error.get("message")
    message = text if type(text) is str and text else f"the upstream answered {status}"
    details = _objects(error.get("details"))
    reason = next((item["reason"] for item in details if type(item.get("reason")) is str), None)
    kind = ERROR_IN.get(word or "") or STATUS_IN.get(status) or ("invalid" if status < 500 else "upstream_failed")
    kind = _refined(REASON_IN.get(reason or "", kind), message, details)
    return ApiError(
        kind, message, status=status, code=reason or word, retry_after_s=_retry_after(headers, details),
        upstream=(status, body[:_MAX_KEPT]), unsupported=refused_field(message) if kind == "invalid" else None,
        bad_state=kind == "invalid" and _bad_signature(message),
    )


def encode_error(error: ApiError, request_id: str) -> WireError:
    """ApiError -> what a client gets before the first byte."""
    status, body = _encode_status(error, request_id)
    headers = {"content-type": "application/json; charset=UTF-8"}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return WireError(status, headers, body)


def stream_error(error: ApiError, request_id: str) -> bytes:
    """The terminal error inside a stream of server-sent events."""
    return b"data: " + error_body(error, request_id) + b"\r\n\r\n"


def array_stream_error(error: ApiError, request_id: str) -> bytes:
    """The terminal error inside a stream that is a JSON array: one more element and the end."""
    return b"\r\n,\r\n" + error_body(error, request_id) + b"\r\n]\r\n"


def error_body(error: ApiError, request_id: str) -> bytes:
    """The error object alone."""
    return _encode_status(error, request_id)[1]


def _encode_status(error: ApiError, request_id: str) -> tuple[int, bytes]:
    status, word = ERROR_OUT[error.kind]
    details: list[Json] = []
    if error.path is not None:
        details.append({"@type": _RPC + "BadRequest", "fieldViolations": [{"field": error.path, "description": error.message}]})
    if error.kind == "unauthenticated":
        details.append({"@type": _RPC + "ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"})
    if error.kind == "quota_exhausted" and error.retry_after_s is None:  # without a reason Gemini CLI would go on trying
        details.append({"@type": _RPC + "ErrorInfo", "reason": "INSUFFICIENT_G1_CREDITS_BALANCE", "domain": "googleapis.com"})
    if error.retry_after_s is not None:
        details.append({"@type": _RPC + "RetryInfo", "retryDelay": f"{error.retry_after_s:g}s"})
    if request_id:
        details.append({"@type": _RPC + "RequestInfo", "requestId": request_id})
    out: Json = {"code": status, "message": error.message, "status": word}
    if details:
        out["details"] = details
    return status, msgspec.json.encode({"error": out})


def _refined(kind: ErrorKind, message: str, details: list[Json]) -> ErrorKind:
    """What the words of an error tell beyond its status."""
    lower = message.lower()
    if kind == "invalid":
        if any(words in lower for words in _TOO_LONG) and "token" in lower:
            return "context_too_long"
        if "api key not valid" in lower or "api key expired" in lower:
            return "unauthenticated"
        return "too_large" if "payload size exceeds" in lower else "invalid"
    if kind == "rate_limited" and _used_up(lower, details):
        return "quota_exhausted"
    return kind


def _used_up(lower: str, details: list[Json]) -> bool:
    """Is it a quota of a day or a budget, which waiting a minute does not refill?"""
    quotas = [quota for item in details for quota in _objects(item.get("violations"))]
    if quotas:
        return any("perday" in str(quota.get("quotaId", "")).lower() for quota in quotas)
    waits = any("retryDelay" in item for item in details)
    return not waits and any(words in lower for words in _BILLING)


def _objects(value: Any) -> list[Json]:
    return [item for item in value if type(item) is dict] if type(value) is list else []


def _retry_after(headers: Mapping[str, str], details: list[Json]) -> float | None:
    """`google.rpc.RetryInfo.retryDelay` ("34.07s"), else the `retry-after` header."""
    delays = [item["retryDelay"] for item in details if type(item.get("retryDelay")) is str]
    for text in (*(delay.removesuffix("s") for delay in delays), headers.get("retry-after", "")):
        try:
            return float(text)
        except ValueError:
            continue
    return None


def _bad_signature(message: str) -> bool:
    lower = message.lower().replace("_", " ")
    return "thought signature" in lower or "thoughtsignature" in lower
