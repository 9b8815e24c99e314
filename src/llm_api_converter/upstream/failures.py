"""What can go wrong between us and an upstream, and how a client reads it.

Inside this package trouble is a `Failure` or an exception of the standard library; `failure` turns either into the `ApiError` that
leaves the package and names the upstream. Which exception says what is one table.
"""

import ssl

from ..hub.errors import ApiError, ErrorKind


class Failure(Exception):
    """`text` goes on after "the upstream `x` ..."; `detail` stands behind it in brackets.

    `stale`: a connection that had served before was closed before a byte of this answer came, so that one more try is safe.
    """

    def __init__(self, kind: ErrorKind, text: str, detail: str = "", *, stale: bool = False) -> None:
        super().__init__(text)
        self.kind: ErrorKind = kind
        self.text = text
        self.detail = detail
        self.stale = stale


NO_ANSWER = "closed the connection without an answer"
CUT_SHORT = "cut its answer short"
NOT_HTTP = "does not speak HTTP"
SILENT = "sent nothing for too long"
CONNECT_TIMEOUT = "did not accept the connection in time"
UNKNOWN_HOST = "has a host name that cannot be resolved"
UNREACHABLE = "cannot be reached"
NOT_A_URL = "has an address that is not a URL"

_FOREIGN: tuple[tuple[type[BaseException], ErrorKind, str], ...] = (
    (ssl.SSLCertVerificationError, "upstream_failed", "has a TLS certificate that cannot be verified"),
    (ssl.SSLError, "upstream_failed", "failed in TLS"),
    (TimeoutError, "timeout", CONNECT_TIMEOUT),
    (OSError, "upstream_failed", UNREACHABLE),
)
"""Exceptions of making a connection; on one that stands there are only `Failure`s. The first row that fits counts."""


def failure(error: BaseException, upstream: str) -> ApiError:
    """Any trouble -> the error for client and log. `upstream` is the provider's configured name."""
    if isinstance(error, Failure):
        return _worded(error.kind, upstream, error.text, error.detail)
    for foreign, kind, text in _FOREIGN:
        if isinstance(error, foreign):
            return _worded(kind, upstream, text, str(error))
    return _worded("upstream_failed", upstream, "failed", type(error).__name__)


def _worded(kind: ErrorKind, upstream: str, text: str, detail: str) -> ApiError:
    return ApiError(kind, f"the upstream `{upstream}` {text}" + (f" ({detail})" if detail else ""))
