"""What one request carries along from its first byte to its log line."""

from collections.abc import Awaitable, Mapping
from random import Random
from time import time_ns
from typing import Any

from msgspec import Struct

from ..access.principal import Principal
from ..hub.errors import ApiError
from ..hub.ledger import Ledger, LossClass, Policy
from ..hub.request import Request
from ..hub.response import Usage
from ..limits.base import Denied, Grant
from ..observe.traces import Trace
from ..protocols.base import Codec, StreamForm
from ..providers.target import Route, Target
from ..upstream.client import UpstreamAnswer
from ..usage.account import Spent
from ..usage.prices import Called
from .answers import Seen
from .http import Leaving, Responder, Waiting
from .routes import Match
from .runtime import Runtime

NOBODY = Principal(name="", scope="")
"""The caller before it is known."""


class Refusal(Struct, frozen=True):
    """An upstream's refusal in the client's own protocol, to go out as it came. `error` is what it was decoded to."""

    error: ApiError
    status: int
    headers: Mapping[str, str]
    body: bytes


class Exchange:
    """Mutable notes of one request. Times are monotonic, in seconds; 0.0 means "not yet"."""

    __slots__ = (
        "allowed", "base_ledger", "body", "budget_warning", "codec", "decoded", "earlier", "error", "form", "headers", "leaving", "ledger",
        "match", "mode", "model", "parsed", "peer", "query", "recalled", "refusal", "request_id", "responder", "route", "runtime", "seen",
        "sent_s", "started_s", "stream", "target", "trace", "tries", "who",
    )  # fmt: skip

    def __init__(
        self, runtime: Runtime, found: Match, codec: Codec, headers: dict[bytes, bytes], query: bytes, responder: Responder,
        started_s: float, leaving: Leaving | Waiting, peer: str | None = None,
    ) -> None:
        self.runtime = runtime
        self.leaving = leaving
        self.match = found
        self.codec = codec
        self.form = (codec.array_stream if found.array else None) or StreamForm(
            codec.stream_type, codec.stream_encoder, codec.stream_error)
        self.headers = headers
        self.query = query
        self.responder = responder
        self.started_s = started_s
        self.request_id = _request_id(headers.get(b"x-request-id"))
        self.who = NOBODY
        self.allowed: Grant | Denied | None = None
        self.budget_warning = ""
        self.peer = peer
        self.body = b""
        self.model = ""
        self.stream = False
        self.route: Route | None = None
        self.target: Target | None = None
        self.mode = ""
        self.parsed: Any = None
        self.decoded: Request | None = None
        self.recalled = False  # reasoning its client had dropped has been put back into `decoded`
        self.base_ledger = Ledger()
        self.ledger: Ledger | None = None
        self.tries = 0
        self.earlier: tuple[Spent, ...] = ()  # tries before the last, as far as their upstreams said what they used
        self.sent_s = 0.0
        self.seen: Seen | None = None
        self.error: ApiError | None = None
        self.refusal: Refusal | None = None
        self.trace: Trace | None = None

    @property
    def on_loss(self) -> Mapping[LossClass, Policy]:
        """What happens to losses: as the key says, else as the route does."""
        assert self.route is not None
        own = self.who.record.on_loss if self.who.record is not None else None
        return {**self.route.on_loss, **own} if own else self.route.on_loss

    @property
    def usage(self) -> Usage | None:
        """The tokens used by the last try whose upstream has said so, as far as it has."""
        if self.seen is not None:
            return self.seen.usage
        return self.earlier[-1].usage if self.earlier else None

    @property
    def called(self) -> Called | None:
        """Who was called last, by the names prices are found by; None: nobody."""
        target = self.target
        if target is None or not self.sent_s:
            return None
        return Called(target.provider, target.type, target.base_url, target.model, "" if self.seen is None else self.seen.model)

    def note_try(self) -> None:
        """The last try failed: what its upstream said it used counts all the same, whatever follows."""
        called, seen = self.called, self.seen
        if called is not None and seen is not None and seen.usage is not None:
            self.earlier = (*self.earlier, Spent(called, seen.usage, seen.tier))
            self.seen = None

    def post(self, target: Target, url: str, body: bytes, headers: dict[str, str]) -> Awaitable[UpstreamAnswer]:
        """Make one upstream call for this request; its trace tells of it. Raises `ApiError`."""
        if self.trace is not None:
            self.trace.call(target, headers, operation=self.match.operation, stream=self.stream)
        return self.runtime.post(target, url, body, headers)

    def header(self, name: bytes) -> str | None:
        """A request header."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def log_fields(self) -> dict[str, Any]:
        """What the log line says beyond timings."""
        target, usage = self.target, self.usage
        fields: dict[str, Any] = {
            "request_id": self.request_id, "protocol": self.codec.name, "operation": self.match.operation, "model": self.model,
            "stream": self.stream, "caller": self.who.name, "status": self.responder.status, "tries": self.tries,
        }
        if self.trace is not None:
            fields["trace_id"] = self.trace.trace_id
        if target is not None:
            fields |= {"provider": target.provider, "upstream_model": target.model, "upstream_protocol": target.protocol, "mode": self.mode}
        if usage is not None:
            fields |= {"input_tokens": usage.input_total, "output_tokens": usage.output_total}
            if usage.cache_read is not None:
                fields["cache_read_tokens"] = usage.cache_read
        if self.ledger is not None and self.ledger.losses:
            fields["losses"] = [f"{x.action} {x.path}" for x in self.ledger.losses[:20]]
        if self.error is not None:
            redact = self.runtime.redactor
            fields |= {"error": self.error.kind, "message": redact(self.error.message)}
            if self.error.upstream is not None:
                fields["upstream_status"] = self.error.upstream[0]
                fields["upstream_body"] = redact(self.error.upstream[1][:500].decode("utf-8", "replace"))
        return fields


def _request_id(given: bytes | None) -> str:
    """The client's own id where it is a sane one, else a new one."""
    if given is not None and 0 < len(given) <= 128:
        text = given.decode("latin-1")
        if text.isascii() and text.replace("-", "").replace("_", "").isalnum():
            return text
    return new_id("req_")


_random_bits = Random().getrandbits  # seeded by the system; ids must be unique, not secret


def new_id(prefix: str) -> str:
    """A fresh id such as `msg_5f0c...`."""
    return f"{prefix}{_random_bits(96):024x}"


def rising_id(prefix: str) -> str:
    """A fresh id, above those made before: its first 14 digits are the time in microseconds. What is stored in bulk is then written
    where the last of it was; in a large index every random id is a page of its own to change.
    """
    return f"{prefix}{time_ns() // 1000 << 40 | _random_bits(40):024x}"
