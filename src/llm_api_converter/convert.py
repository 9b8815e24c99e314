"""The translation as a library: requests, answers and streams between two protocols, without a server.

    wire, report = convert_request(body, client="anthropic", upstream="openai_chat", model="gpt-4o")
    answer, report = convert_response(body, upstream="openai_chat", client="anthropic")
    stream = StreamConverter(upstream="openai_chat", client="anthropic")

*Client* is who asks, *upstream* is who answers; both are names of `PROTOCOLS`. Pure: nothing is sent, no clock is read, and the same
input gives the same output (ids that must be made up are counted; pass `new_id` for others). What the target cannot say is in the
report. What the target can do comes from the catalogue: its protocol, its model, and its provider type where that is given.
"""

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import msgspec
from msgspec.structs import replace

from .hub.adapt import Adapted, adapt
from .hub.errors import ApiError
from .hub.estimate import estimate_input
from .hub.events import Begin, Event, Failed
from .hub.facts import Facts
from .hub.ledger import Ledger, compact
from .hub.request import Request
from .hub.restore import Restorer
from .protocols import PROTOCOLS, codec
from .protocols.base import Answer, Codec, StreamEncoder, StreamForm, Wire
from .protocols.relay import parse
from .providers.catalog import Catalog

Body = Mapping[str, Any] | bytes | str
"""A JSON object, parsed or as text."""

Report = list[dict[str, str]]
"""What did not cross as it was: `{path, feature, action, class}` each, `path` in the client's own request ("" paths: the answer)."""

NewId = Callable[[str], str]
"""Prefix -> a fresh id with that prefix."""


def convert_request(
    body: Body,
    *,
    client: str,
    upstream: str,
    model: str | None = None,
    provider: str = "",
    stream: bool | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[Wire, Report]:
    """A client's request as the upstream takes it: `wire.path` (after the base URL), `wire.headers`, `wire.body`; and the report.

    `model` is the upstream's name of the model; None: as the body says. It must be given where the client's protocol has the model in the
    path (Gemini, Converse), as must `stream`, unless a plain answer is wanted. `provider` is a type of the catalogue (`openai`,
    `openai_compatible`, `bedrock`, ...) and sharpens what is known of the target. `headers` of the client are read for flags
    (`anthropic-beta`). Raises `ApiError`, whose `path` names the field at fault.
    """
    asked = _asked(body, _codec(client, "client"), model, stream, headers)
    ledger = Ledger()
    return _sent(asked, client, upstream, _facts(upstream, provider, model or asked.model), model, ledger), compact(ledger.losses)


def convert_response(
    body: Body,
    *,
    upstream: str,
    client: str,
    request: Body | None = None,
    model: str | None = None,
    provider: str = "",
    new_id: NewId | None = None,
    created_s: int = 0,
) -> tuple[dict[str, Any], Report]:
    """An upstream's whole answer as the client gets it, and the report.

    `request` is the client's request the answer belongs to, with `model` and `provider` as they were given to `convert_request`: then
    tools get the names the client knows them by, a schema's stand-in tool becomes text again, and protocols that echo the request
    can. Raises `ApiError(upstream_failed)` where the body is no answer.
    """
    raw = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else msgspec.json.encode(body)
    up, to = _codec(upstream, "upstream"), _codec(client, "client")
    context = _Context(to, upstream, request, model, provider, new_id, created_s)
    response = up.decode_response(raw)
    if context.restorer is not None:
        response = context.restorer.response(response)
    ledger = Ledger()
    out = to.encode_response(response, context.answer(response.model), ledger)
    shaped: dict[str, Any] = msgspec.json.decode(out)
    return shaped, compact(ledger.losses)


class StreamConverter:
    """An upstream's stream as the client gets it: `feed` bytes as they come, in any pieces, then `finish`.

    The keywords are those of `convert_response`. `array`: a client that streams as one JSON array (Gemini without `alt=sse`). A stream
    that breaks or is cut ends in the client's own terminal error; `error` then says why. `report` is what has been lost so far.
    """

    def __init__(
        self,
        *,
        upstream: str,
        client: str,
        request: Body | None = None,
        model: str | None = None,
        provider: str = "",
        array: bool = False,
        new_id: NewId | None = None,
        created_s: int = 0,
    ) -> None:
        to = _codec(client, "client")
        self._decoder = _codec(upstream, "upstream").stream_decoder()
        self._form = _form(to, array)
        self._context = _Context(to, upstream, request, model, provider, new_id, created_s, stream=True)
        self._ledger = Ledger()
        self._encoder: StreamEncoder | None = None
        self.error: ApiError | None = None

    @property
    def report(self) -> Report:
        """What did not cross, up to now."""
        return compact(self._ledger.losses)

    def feed(self, data: bytes) -> bytes:
        """The client's bytes for the next bytes of the upstream; b"" while something must be held."""
        return self._through(self._decoder.feed(data))

    def finish(self) -> bytes:
        """The upstream's stream is over: what was still held, or the client's error where it was cut."""
        return self._through(self._decoder.finish())

    def _through(self, events: list[Event]) -> bytes:
        if not events:
            return b""
        if self._encoder is None:
            named = next((x.model for x in events if isinstance(x, Begin)), "")
            self._encoder = self._form.stream_encoder(self._context.answer(named), self._ledger)
        if isinstance(events[-1], Failed):
            self.error = events[-1].error
        restorer = self._context.restorer
        return self._encoder.encode(events if restorer is None else restorer.events(events))


class _Context:
    """What an answer needs to know of its request, as far as it is given."""

    __slots__ = ("_created_s", "_estimate", "_new_id", "_request", "restorer")

    def __init__(
        self, client: Codec, upstream: str, body: Body | None, model: str | None, provider: str, new_id: NewId | None, created_s: int,
        *, stream: bool = False,
    ) -> None:
        self._new_id = new_id or counted_ids()
        self._created_s = created_s
        self._request: Request | None = None
        self._estimate = 0
        self.restorer: Restorer | None = None
        if body is not None:
            asked = self._request = _asked(body, client, model, None, None)
            adapted = _adapted(asked, upstream, _facts(upstream, provider, model or asked.model), model, Ledger())
            if stream:
                self._estimate = estimate_input(asked, len(body if isinstance(body, bytes | str) else msgspec.json.encode(body)))
            if adapted.names or adapted.output_tool:
                self.restorer = Restorer(adapted.names, adapted.output_tool)

    def answer(self, named: str) -> Answer:
        """`named` is what the upstream calls the model, shown where the client's own name of it is not known."""
        asked = self._request
        return Answer(
            model=named if asked is None else asked.model, new_id=self._new_id, created_s=self._created_s, input_estimate=self._estimate,
            include_usage=asked is None or bool(asked.stream_usage), request=asked,
        )


def counted_ids() -> NewId:
    """Ids that are the same at every run: `msg_1`, `call_2`, ..."""
    numbers = count(1)
    return lambda prefix: f"{prefix}{next(numbers)}"


def _codec(name: str, what: str) -> Codec:
    if name not in PROTOCOLS:
        raise ApiError("invalid", f"{what}: {name!r} is no protocol; there are {', '.join(PROTOCOLS)}", path=what)
    return codec(name)


def _form(client: Codec, array: bool) -> StreamForm:
    if not array:
        return StreamForm(client.stream_type, client.stream_encoder, client.stream_error)
    if client.array_stream is None:
        raise ApiError("invalid", f"array: {client.name} has no streams of that form", path="array")
    return client.array_stream


def _facts(upstream: str, provider: str, model: str) -> Facts:
    catalog = Catalog.load()
    _codec(upstream, "upstream")
    if provider and provider not in catalog.providers:
        raise ApiError("invalid", f"provider: {provider!r} is no provider type; there are {', '.join(catalog.providers)}", path="provider")
    return catalog.resolve(upstream, provider, model).facts


def _asked(body: Body, client: Codec, model: str | None, stream: bool | None, headers: Mapping[str, str] | None) -> Request:
    """The client's request in neutral form."""
    parsed = parse(body.encode() if isinstance(body, str) else body) if isinstance(body, bytes | str) else body
    lower = {name.lower(): value for name, value in (headers or {}).items()}
    return client.decode_request(parsed, model=model, stream=stream, headers=lower)


def _adapted(asked: Request, upstream: str, facts: Facts, model: str | None, ledger: Ledger) -> Adapted:
    return adapt(replace(asked, model=model) if model else asked, facts, ledger, upstream)


def _sent(asked: Request, client: str, upstream: str, facts: Facts, model: str | None, ledger: Ledger) -> Wire:
    if asked.choices is not None and asked.choices > 1 and client != upstream:
        path = asked.path("choices")
        raise ApiError("invalid", f"{path}: more than one answer can be asked only of an upstream that speaks your own protocol", path=path)
    return codec(upstream).encode_request(_adapted(asked, upstream, facts, model, ledger).request, facts, ledger)
