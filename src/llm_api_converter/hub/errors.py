"""One error for everything that can go wrong with a request; each codec maps it to and from its protocol."""

from typing import Literal, get_args

ErrorKind = Literal[
    "invalid", "unauthenticated", "forbidden", "not_found", "too_large", "rate_limited", "quota_exhausted", "overloaded",
    "timeout", "context_too_long", "upstream_failed", "upstream_incomplete", "refused", "unsupported", "internal",
]
ERROR_KINDS: tuple[str, ...] = get_args(ErrorKind)

RETRYABLE: frozenset[str] = frozenset({"rate_limited", "overloaded", "timeout", "upstream_failed", "upstream_incomplete"})
"""Kinds another try may cure, as long as the client has seen nothing but pings."""


class ApiError(Exception):
    """What went wrong, for the client and for the log.

    `message` is for a person: what is wrong and how to mend it. `path` names the field at fault in the client's own request.
    `status` is the HTTP status the upstream or the gateway gave it, where one was given. `upstream` is `(status, body)` as the
    upstream sent them (body cut at 4 KiB). `code` is the upstream's own error word. `retry_after_s` is kept from the upstream.
    `unsupported` is the request field an upstream says it does not take; `bad_state` that it does not accept a signature or
    encrypted reasoning it was given, or misses reasoning it demands: both allow one more try without it.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        path: str | None = None,
        status: int | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
        upstream: tuple[int, bytes] | None = None,
        unsupported: str | None = None,
        bad_state: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.path = path
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.upstream = upstream
        self.unsupported = unsupported
        self.bad_state = bad_state

    def __repr__(self) -> str:
        return f"ApiError({self.kind}, {self.message!r}, path={self.path!r}, status={self.status!r})"


def invalid(path: str, why: str) -> ApiError:
    """A 400 that names the field: `messages[3].content[0].source: required`."""
    return ApiError("invalid", f"{path}: {why}" if path else why, path=path or None)
