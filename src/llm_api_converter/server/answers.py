"""From an upstream's answer to the client's bytes: through the hub, or straight through with a tap.

Both ways have one shape: `plain(body)` for a whole answer; `feed`, `finish`, `fail` for a stream; `seen` for what the gateway itself
wants to know of it (usage, finish, a failure, whether anything but pings has come).
"""

from collections.abc import Iterable
from functools import cache
from typing import Protocol

from ..hub.errors import ApiError
from ..hub.events import Aside, Begin, Delta, End, Event, Failed, Finished, UsageSeen
from ..hub.fold import fold, unfold
from ..hub.ledger import Ledger
from ..hub.response import Finish, Response, Usage
from ..hub.restore import Restorer
from ..hub.sealing import SealWriter
from ..protocols.base import Answer, Codec, StreamDecoder, StreamEncoder, StreamForm
from ..protocols.envelope import Reframer
from ..protocols.relay import Relay, tap_response, with_model
from .continuations import Collector


class Seen:
    """What has come by so far. `begun`: anything but pings. `tier`: the service tier the answer was given."""

    __slots__ = ("answer_id", "asides", "begun", "failed", "finish", "model", "over", "tier", "usage")

    def __init__(self) -> None:
        self.begun = False
        self.over = False
        self.failed: ApiError | None = None
        self.usage: Usage | None = None
        self.finish: Finish | None = None
        self.asides: list[Aside] = []
        self.answer_id = ""
        self.model = ""
        self.tier: str | None = None

    def take(self, events: Iterable[Event]) -> None:
        """Note the next events."""
        for event in events:
            kind = type(event)
            if kind is Delta:
                self.begun = True
            elif kind is Aside:
                if not event.ping:  # type: ignore[union-attr]
                    self.asides.append(event)  # type: ignore[arg-type]
                    self.begun = True
            elif kind is UsageSeen:
                self.usage = event.usage  # type: ignore[union-attr]
            elif kind is Finished:
                self.finish = event.finish  # type: ignore[union-attr]
                self.tier = event.service_tier or self.tier  # type: ignore[union-attr]
            elif kind is Failed:
                self.failed, self.over = event.error, True  # type: ignore[union-attr]
            elif kind is End:
                self.over = True
            elif kind is Begin:
                self.begun = True
                self.answer_id, self.model, self.tier = event.id, event.model, event.service_tier  # type: ignore[union-attr]
            else:
                self.begun = True

    def take_response(self, response: Response) -> None:
        """Note a whole answer."""
        self.begun = self.over = True
        self.usage, self.finish, self.tier = response.usage, response.finish, response.service_tier
        self.answer_id, self.model = response.id, response.model


class AnswerPath(Protocol):
    """One answer on its way to the client. `collector` gathers what its client will not send back, where that is kept for it."""

    seen: Seen
    collector: Collector | None

    def plain(self, body: bytes) -> bytes:
        """A whole answer. Raises `ApiError(upstream_failed)` where it is none."""

    def plain_as_stream(self, body: bytes) -> bytes:
        """A whole answer for a client that asked for a stream."""

    def stream_as_plain(self, body: bytes) -> bytes:
        """A whole stream for a client that asked for a plain answer."""

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the stream."""

    def finish(self) -> bytes:
        """The stream's input ended."""

    def fail(self, error: ApiError) -> bytes:
        """The stream broke: the client's own terminal error."""


class Translated:
    """Upstream protocol -> events -> client protocol. What streams need is made with the first use."""

    __slots__ = ("_answer", "_client", "_decoder", "_encoder", "_form", "_ledger", "_restorer", "_sealer", "_up", "collector", "seen")

    def __init__(
        self, up: Codec, client: Codec, form: StreamForm, answer: Answer, ledger: Ledger, restorer: Restorer | None, sealer: SealWriter,
        collector: Collector | None = None,
    ) -> None:
        self.collector = collector
        self._up = up
        self._client = client
        self._form = form
        self._answer = answer
        self._ledger = ledger
        self._restorer = restorer
        self._sealer = sealer
        self._decoder: StreamDecoder | None = None
        self._encoder: StreamEncoder | None = None
        self.seen = Seen()

    def plain(self, body: bytes) -> bytes:
        return self._encoded(self._up.decode_response(body))

    def plain_as_stream(self, body: bytes) -> bytes:
        return self._through(unfold(self._up.decode_response(body)))

    def stream_as_plain(self, body: bytes) -> bytes:
        decoder = self._up.stream_decoder()
        return self._encoded(fold([*decoder.feed(body), *decoder.finish()]))

    def feed(self, data: bytes) -> bytes:
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = self._up.stream_decoder()
        return self._through(decoder.feed(data))

    def finish(self) -> bytes:
        return self._through((self._decoder or self._up.stream_decoder()).finish())

    def fail(self, error: ApiError) -> bytes:
        return self._through([Failed(error)])

    def _encoded(self, response: Response) -> bytes:
        self.seen.take_response(response)
        if self._restorer is not None:
            response = self._restorer.response(response)
        if self.collector is not None:
            self.collector.take_response(response)
        response = self._sealer.response(response)
        return self._client.encode_response(response, self._answer, self._ledger)

    def _through(self, events: list[Event]) -> bytes:
        if not events:
            return b""
        self.seen.take(events)
        if self._restorer is not None:
            events = self._restorer.events(events)
        if self.collector is not None:
            self.collector.take(events)
        events = self._sealer.events(events)
        encoder = self._encoder
        if encoder is None:
            encoder = self._encoder = self._form.stream_encoder(self._answer, self._ledger)
        return encoder.encode(events)


class Relayed:
    """The same protocol on both sides: the bytes go on, a tap reads along.

    `reframer`: where only the framing differs. `model`: the name the client asked for, where the upstream knows another.
    """

    __slots__ = ("_codec", "_form", "_model", "_reframer", "_relay", "_request_id", "collector", "seen")

    def __init__(
        self, codec: Codec, form: StreamForm, request_id: str, *, drop_usage: bool, reframer: Reframer | None = None, model: str = "",
        collector: Collector | None = None,
    ) -> None:
        self.collector = collector
        self._model = model
        self._reframer = reframer
        self._codec = codec
        self._form = form
        self._request_id = request_id
        self._relay = Relay(codec.stream_decoder(), form.stream_type, drop_usage=drop_usage, model=model)
        self.seen = Seen()

    @property
    def tap_error(self) -> Exception | None:
        """Why the tap stopped reading, if it did."""
        return self._relay.tap_error

    def plain(self, body: bytes) -> bytes:
        response = tap_response(self._codec.decode_response, body)
        if response is not None:
            self.seen.take_response(response)
            if self.collector is not None:
                self.collector.take_response(response)
            if self._model and response.model:
                return with_model(body, self._model)
        return body

    def plain_as_stream(self, body: bytes) -> bytes:
        return self.plain(body)

    def stream_as_plain(self, body: bytes) -> bytes:
        self.feed(body)
        return body

    def feed(self, data: bytes) -> bytes:
        if self._reframer is not None:
            data = self._reframer.feed(data)
        out = self._relay.feed(data)
        self.seen.take(self._relay.events)
        if self.collector is not None:
            self.collector.take(self._relay.events)
        if self._relay.tap_error is not None:
            self.seen.begun = True
        return out

    def finish(self) -> bytes:
        """Nothing more, or the terminal error where the upstream's own never came."""
        over = self.seen.over
        out = self._relay.finish()
        self.seen.take(self._relay.events)
        if not over and self.seen.failed is not None:
            out += self.fail(self.seen.failed)
        return out

    def fail(self, error: ApiError) -> bytes:
        self.seen.failed, self.seen.over = error, True
        return self._form.stream_error(error, self._request_id)


@cache
def ping_of(form: StreamForm) -> bytes:
    """A keep-alive in a client's protocol; the same bytes at any time."""
    return form.stream_encoder(Answer(model="", new_id=str), Ledger()).ping()
