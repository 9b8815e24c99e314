"""Errors: exception names and statuses <-> `ApiError`; exception frames of streams.

The name of an exception stands in the `x-amzn-errortype` header (a URL may follow after a colon) or in the body's `__type`
(a namespace may stand before a `#`); recordings exist with neither. The body is `{"message": ...}`. Inside a stream only the
exceptions of `ConverseStreamOutput` reach a client of boto3 with their message, so only those are written.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 (statuses and shapes), recordings (messages), November 2026.
"""

import re
from collections.abc import Mapping
from typing import Any

from ...framing.aws_event_stream import aws_exception
from ...hub.errors import ApiError, ErrorKind
from ..base import UNREADABLE, WireError
from ..unsupported import refused_field
from .wire import decode_json, encode_json

ERROR_IN: dict[str, ErrorKind] = {
    "ValidationException": "invalid",
    "SerializationException": "invalid",
    "ConflictException": "invalid",
    "AccessDeniedException": "forbidden",
    "OptInRequired": "forbidden",
    "NotAuthorized": "forbidden",
    "UnrecognizedClientException": "unauthenticated",
    "ExpiredTokenException": "unauthenticated",
    "ExpiredToken": "unauthenticated",
    "InvalidSignatureException": "unauthenticated",
    "IncompleteSignature": "unauthenticated",
    "IncompleteSignatureException": "unauthenticated",
    "InvalidClientTokenId": "unauthenticated",
    "MissingAuthenticationToken": "unauthenticated",
    "MissingAuthenticationTokenException": "unauthenticated",
    "RequestExpired": "unauthenticated",
    "ResourceNotFoundException": "not_found",
    "UnknownOperationException": "not_found",
    "RequestEntityTooLargeException": "too_large",
    "ThrottlingException": "rate_limited",
    "TooManyRequestsException": "rate_limited",
    "ModelNotReadyException": "overloaded",
    "ServiceQuotaExceededException": "quota_exhausted",
    "ServiceUnavailableException": "overloaded",
    "ServiceUnavailable": "overloaded",
    "ModelTimeoutException": "timeout",
    "ModelErrorException": "upstream_failed",
    "ModelStreamErrorException": "upstream_failed",
    "InternalServerException": "upstream_failed",
    "InternalFailure": "upstream_failed",
}
STATUS_IN: dict[int, ErrorKind] = {
    400: "invalid", 401: "unauthenticated", 403: "forbidden", 404: "not_found", 408: "timeout", 413: "too_large", 424: "upstream_failed",
    429: "rate_limited", 500: "upstream_failed", 502: "upstream_failed", 503: "overloaded", 504: "timeout",
}  # fmt: skip
ERROR_OUT: dict[ErrorKind, tuple[int, str]] = {
    "invalid": (400, "ValidationException"),
    "unauthenticated": (403, "UnrecognizedClientException"),
    "forbidden": (403, "AccessDeniedException"),
    "not_found": (404, "ResourceNotFoundException"),
    "too_large": (413, "ValidationException"),
    "rate_limited": (429, "ThrottlingException"),
    "quota_exhausted": (400, "ServiceQuotaExceededException"),
    "overloaded": (503, "ServiceUnavailableException"),
    "timeout": (408, "ModelTimeoutException"),
    "context_too_long": (400, "ValidationException"),
    "upstream_failed": (500, "InternalServerException"),
    "upstream_incomplete": (500, "InternalServerException"),
    "refused": (400, "ValidationException"),
    "unsupported": (400, "ValidationException"),
    "internal": (500, "InternalServerException"),
}
# A stream ends with one of the exceptions its model lists.
STREAM_OUT: dict[str, str] = {
    "ValidationException": "validationException",
    "AccessDeniedException": "validationException",
    "UnrecognizedClientException": "validationException",
    "ResourceNotFoundException": "validationException",
    "ServiceQuotaExceededException": "throttlingException",
    "ThrottlingException": "throttlingException",
    "ServiceUnavailableException": "serviceUnavailableException",
    "ModelTimeoutException": "modelStreamErrorException",
    "ModelErrorException": "modelStreamErrorException",
    "InternalServerException": "internalServerException",
}
TOO_LONG = "Input is too long for requested model."
_TOO_LONG = re.compile(
    r"input is too long|prompt is too long|input tokens exceeded|number of input tokens exceeds|maximum context length"
    r"|exceeds? the (?:model's )?(?:maximum )?context|context window|too many input tokens|too many total text bytes",
    re.IGNORECASE,
)
_BAD_STATE = re.compile(r"invalid [`'\"]?signature[`'\"]? in [`'\"]?thinking|expected [`'\"]?thinking[`'\"]? or", re.IGNORECASE)
_PREAMBLE = re.compile(r"^(?:The model returned the following errors: )?(?:Malformed input request: )?#?:?\s*")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_BODY_KEPT = 4096


# ---------------------------------------------------------------------- decode


def decode_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """A refusal of the upstream -> ApiError."""
    given: Any = None
    try:
        given = decode_json(body)
    except UNREADABLE:
        message = body[:_BODY_KEPT].decode("utf-8", "replace").strip()
    else:
        message = ""
    name = headers.get("x-amzn-errortype") or ""
    if isinstance(given, dict):
        found = given.get("message") or given.get("Message")
        message = found if isinstance(found, str) else ""
        kind_word = given.get("__type") or given.get("code")
        if not name and isinstance(kind_word, str):
            name = kind_word
    name = name.partition(":")[0].rpartition("#")[2].strip()
    wait = headers.get("retry-after", "")
    return _error(
        name,
        ERROR_IN.get(name) or STATUS_IN.get(status) or ("invalid" if status < 500 else "upstream_failed"),
        message,
        status=status,
        retry_after_s=float(wait) if _NUMBER.fullmatch(wait) else None,
        upstream=(status, body[:_BODY_KEPT]),
    )


def decode_exception(headers: Mapping[str, Any], payload: bytes) -> ApiError:
    """An exception or error frame of a stream -> ApiError."""
    name = str(headers.get(":exception-type") or headers.get(":error-code") or "")
    message, status = str(headers.get(":error-message") or ""), None
    try:
        given = decode_json(payload) if payload else None
    except UNREADABLE:
        given = None
    if isinstance(given, dict):
        found = given.get("message") or given.get("Message") or given.get("originalMessage")
        message = found if isinstance(found, str) else message
        status = given.get("originalStatusCode")
    name = name[:1].upper() + name[1:]
    kind = ERROR_IN.get(name, "upstream_failed")
    if kind == "upstream_failed" and type(status) is int:
        kind = {408: "timeout", 504: "timeout", 429: "rate_limited", 503: "overloaded"}.get(status, kind)  # type: ignore[assignment]
    return _error(name, kind, message, status=None, retry_after_s=None, upstream=(200, payload[:_BODY_KEPT]))


def _error(
    name: str, kind: ErrorKind, message: str, *, status: int | None, retry_after_s: float | None, upstream: tuple[int, bytes]
) -> ApiError:
    refused = None
    if kind == "invalid":
        if _TOO_LONG.search(message):
            kind = "context_too_long"
        refused = refused_field(_PREAMBLE.sub("", message))
    return ApiError(
        kind,
        message or name or f"the upstream answered {status}",
        status=status,
        code=name or None,
        retry_after_s=retry_after_s,
        upstream=upstream,
        unsupported=refused,
        bad_state=bool(_BAD_STATE.search(message)),
    )


# ---------------------------------------------------------------------- encode


def encode_error(error: ApiError, request_id: str) -> WireError:
    """ApiError -> what boto3 turns into the exception of the same name."""
    status, name = ERROR_OUT[error.kind]
    if error.code is not None and error.code != name and ERROR_IN.get(error.code) == error.kind and error.status:
        status, name = error.status, error.code
    headers = {"content-type": "application/json", "x-amzn-errortype": name, "x-amzn-requestid": request_id}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    return WireError(status, headers, encode_json({"message": _message(error)}))


def stream_error(error: ApiError, request_id: str) -> bytes:
    """The exception frame that ends a stream."""
    del request_id
    name = STREAM_OUT[ERROR_OUT[error.kind][1]]
    body: dict[str, Any] = {"message": _message(error)}
    if name == "modelStreamErrorException":
        body["originalStatusCode"] = 408 if error.kind == "timeout" else 424
        body["originalMessage"] = error.message
    return aws_exception(name, encode_json(body))


def _message(error: ApiError) -> str:
    """Clients tell an overlong input by its wording alone."""
    if error.kind == "context_too_long" and not _TOO_LONG.search(error.message):
        return f"{TOO_LONG} {error.message}"
    return error.message
