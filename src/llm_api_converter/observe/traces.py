"""OpenTelemetry traces, as the rest of the gateway sees them: a server span a request, a client span below it for each upstream call.

    POST /v1/messages                 SERVER   its parent from the client's `traceparent`
      chat gpt-5                      CLIENT   a call that failed: `error.type`
      chat gpt-5                      CLIENT   the next try: tokens, finish reason, the answer's model

Where spans go, what share of them and under which name is said by the standard variables (`OTEL_EXPORTER_OTLP_ENDPOINT`,
`OTEL_TRACES_SAMPLER`, `OTEL_SERVICE_NAME`, ...), which the SDK reads. They are sent in batches by a thread of its own, as OTLP over HTTP.
Spans hold no prompts, answers, keys or messages of errors; the log has the messages, under the same trace id.

The SDK is imported by `open_tracing` alone: a gateway without traces has None where a `Trace` would be, and pays for nothing else.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from ..hub.errors import ApiError
from ..hub.request import Request
from ..hub.response import Finish, Usage
from ..providers.target import Target

INSTALL = "tracing.enabled: traces need packages that are not installed: pip install 'llm-api-converter[otel]', or turn tracing off"


class TracingUnavailable(Exception):
    """The packages are not there. The message says what to do."""


class Ended(Struct, frozen=True, kw_only=True):
    """A finished request, as far as its spans tell of it. Times are monotonic, in seconds; 0.0: never."""

    status: int
    client_gone: bool = False
    error: ApiError | None = None
    caller: str = ""
    model: str = ""
    mode: str = ""
    tries: int = 0
    losses: int = 0
    request: Request | None = None
    usage: Usage | None = None
    finish: Finish | None = None
    answer_id: str = ""
    answer_model: str = ""
    first_s: float = 0.0


class Trace(Protocol):
    """The spans of one request. At most one call is open at a time."""

    trace_id: str

    def call(self, target: Target, headers: dict[str, str], *, operation: str, stream: bool) -> None:
        """An upstream call is about to be made; its `headers` get a `traceparent` where upstreams are to have one."""

    def call_failed(self, error: ApiError) -> None:
        """The call that is open has failed."""

    def end(self, ended: Ended) -> None:
        """The request is over: the call that is open succeeded, unless the client left or the request failed."""


class Tracing(Protocol):
    """Makes the traces of one worker."""

    def begin(
        self, request_id: str, method: str, path: str, headers: Mapping[bytes, bytes], *,
        protocol: str, operation: str, argument: str,
    ) -> Trace:
        """The trace of a request that has just come in. `argument` is the model or id the path names, "" for none."""

    def close(self) -> None:
        """Send what waits. Blocks, for some seconds where nobody takes it."""


def open_tracing(*, propagate: bool = False) -> Tracing:
    """Traces that go where the environment says. `propagate`: upstreams get a `traceparent`. Raises `TracingUnavailable`."""
    return _exporting()(propagate=propagate)


def check_tracing() -> None:
    """Raises `TracingUnavailable` where a package is missing."""
    _exporting()


def _exporting() -> Callable[..., Tracing]:
    try:
        from .otel import exporting
    except ImportError as error:
        raise TracingUnavailable(INSTALL) from error
    return exporting
