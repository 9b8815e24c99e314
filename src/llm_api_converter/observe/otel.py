"""Spans through the OpenTelemetry SDK. What they are: `traces`; what their attributes are called: `genai`."""

import re
from collections.abc import Mapping
from time import monotonic

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .. import __version__
from ..hub.errors import ApiError
from ..providers.target import Target
from . import genai
from .traces import Ended

SERVICE = "llm-api-converter"
CLIENT_GONE = "client_gone"
"""`error.type` where the client left before its answer was complete."""


def exporting(*, propagate: bool) -> "Tracing":
    """Traces sent where the environment says."""
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider, propagate=propagate)


def _resource() -> Resource:
    """This service, by the name the environment gives it, else its own."""
    found = Resource.create({SERVICE_VERSION: __version__})
    unnamed = str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return found.merge(Resource({SERVICE_NAME: SERVICE})) if unnamed else found


class _Headers(Getter[Mapping[bytes, bytes]]):
    """Reads ASGI headers, which are bytes."""

    def get(self, carrier: Mapping[bytes, bytes], key: str) -> list[str] | None:
        value = carrier.get(key.encode())
        return None if value is None else [value.decode("latin-1")]

    def keys(self, carrier: Mapping[bytes, bytes]) -> list[str]:
        return [name.decode("latin-1") for name in carrier]


_HEADERS = _Headers()
_CONTEXT = TraceContextTextMapPropagator()
"""`traceparent` and `tracestate` alone: baggage is for services of one's own, not for upstreams."""


def _route(path: str, argument: str) -> str:
    """`/v1beta/models/{id}:generateContent`: a path without what the client put into it."""
    return re.sub(rf"/{re.escape(argument)}(?=[/:]|$)", "/{id}", path, count=1) if argument else path


class Tracing:
    """See `traces.Tracing`."""

    def __init__(self, provider: TracerProvider, *, propagate: bool) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE, __version__)
        self._propagate = propagate

    def begin(
        self, request_id: str, method: str, path: str, headers: Mapping[bytes, bytes], *,
        protocol: str, operation: str, argument: str,
    ) -> "Trace":
        """Its parent is the client's span, where it names one."""
        attributes: genai.Attributes = {
            genai.METHOD: method, genai.PATH: path, genai.REQUEST_ID: request_id, genai.CLIENT_PROTOCOL: protocol,
        }  # fmt: skip
        name = method  # of a path nobody knows: names are few
        if operation != "unknown":
            attributes[genai.ROUTE] = route = _route(path, argument)
            name = f"{method} {route}"
        return Trace(self, self._tracer.start_span(name, _CONTEXT.extract(headers, getter=_HEADERS), SpanKind.SERVER, attributes))

    def call(self, target: Target, context: Context, headers: dict[str, str], attributes: genai.Attributes) -> Span:
        """The span of one upstream call, which begins now."""
        span = self._tracer.start_span(f"{attributes[genai.OPERATION]} {target.model}", context, SpanKind.CLIENT, attributes)
        if self._propagate:
            _CONTEXT.inject(headers, set_span_in_context(span))
        return span

    def close(self) -> None:
        """Sends what waits."""
        self._provider.shutdown()


class Trace:
    """See `traces.Trace`."""

    __slots__ = ("_call", "_called_s", "_calls", "_context", "_span", "_tracing", "trace_id")

    def __init__(self, tracing: Tracing, span: Span) -> None:
        self._tracing = tracing
        self._span = span
        self._context = set_span_in_context(span)
        self._call: Span | None = None
        self._called_s = 0.0
        self._calls = 0
        self.trace_id = f"{span.get_span_context().trace_id:032x}"

    def call(self, target: Target, headers: dict[str, str], *, operation: str, stream: bool) -> None:
        """A new span."""
        self._end_call(None)
        attributes = genai.call_attributes(target, operation, stream=stream, resend=self._calls)
        self._call = self._tracing.call(target, self._context, headers, attributes)
        self._called_s = monotonic()
        self._calls += 1

    def call_failed(self, error: ApiError) -> None:
        """The span ends, with what the upstream said in numbers."""
        if self._call is not None and error.upstream is not None:
            self._call.set_attribute(genai.STATUS, error.upstream[0])
        self._end_call(error.kind)

    def end(self, ended: Ended) -> None:
        """Both spans end, the one of the call with what the answer used."""
        failed = CLIENT_GONE if ended.client_gone else ended.error.kind if ended.error is not None else None
        if self._call is not None:
            self._call.set_attributes(genai.answer_attributes(ended.usage, ended.finish, ended.answer_id, ended.answer_model))
            if ended.request is not None:
                self._call.set_attributes(genai.asked_attributes(ended.request))
            if ended.first_s > self._called_s:
                self._call.set_attribute(genai.FIRST_CHUNK_S, ended.first_s - self._called_s)
            self._end_call(failed)
        span = self._span
        span.set_attribute(genai.STATUS, ended.status)
        said: genai.Attributes = {
            genai.CALLER: ended.caller, genai.MODEL: ended.model, genai.MODE: ended.mode, genai.TRIES: ended.tries,
            genai.LOSSES: ended.losses,
        }  # fmt: skip
        span.set_attributes({name: value for name, value in said.items() if value})
        if failed is not None:
            span.set_attribute(genai.ERROR_TYPE, failed)
        if ended.status >= 500 or (failed is not None and ended.status < 400):  # a stream that broke had begun with 200
            span.set_status(Status(StatusCode.ERROR, failed or str(ended.status)))
        span.end()

    def _end_call(self, failed: str | None) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        if failed is not None:
            call.set_attribute(genai.ERROR_TYPE, failed)
            if failed != CLIENT_GONE:
                call.set_status(Status(StatusCode.ERROR, failed))
        call.end()
