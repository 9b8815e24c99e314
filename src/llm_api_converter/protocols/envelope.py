"""Anthropic's protocol in an envelope: as Bedrock's InvokeModel and Vertex's rawPredict carry it.

The body is that of Messages with three changes: `anthropic_version` stands in it, the model stands in the path, and (Bedrock) the
stream is chosen by the path and beta flags are the body's `anthropic_beta`. Plain answers are the same; Vertex streams are the same;
Bedrock streams are AWS frames, each a `chunk` event with `{"bytes": base64(JSON event)}`.

`BEDROCK` and `VERTEX` are codecs of their own, for either side. `refit` and the two frame changers let bytes pass between an
enveloped and a plain side without the hub. Source: anthropic SDK 2.12.0, lib/bedrock/_client.py, lib/bedrock/_stream_decoder.py,
lib/vertex/_client.py; recorded InvokeModel traffic (November 2026).
"""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from ..framing.aws_event_stream import AwsEventReader, FrameError, aws_frame, event_headers
from ..framing.sse import SseReader, sse_data, sse_event
from ..hub.errors import ApiError, invalid
from ..hub.events import Event
from ..hub.facts import Facts
from ..hub.ledger import Ledger
from ..hub.request import Request
from ..hub.response import Usage
from . import anthropic, bedrock_converse, gemini
from .anthropic.errors import error_of
from .anthropic.wire import VERSION
from .base import Answer, Codec, DecodeRequest, StreamDecoder, StreamEncoder, Wire
from .bedrock_converse.errors import decode_exception
from .fields import type_name

PLAIN = anthropic.CODEC
OWN_VERSION = {"bedrock": "bedrock-2023-05-31", "vertex": "vertex-2023-10-16"}
"""What an envelope calls the version that Anthropic's own header calls 2023-06-01; newer ones have one name everywhere."""

_encode = msgspec.json.encode
_raw_object = msgspec.json.Decoder(dict[str, Raw]).decode
_strings = msgspec.json.Decoder(list[str]).decode


# ---------------------------------------------------------------------- bodies


class _Version(Struct):
    anthropic_version: Any = None


_version = msgspec.json.Decoder(_Version).decode


def holds_messages(body: bytes) -> bool:
    """Is this InvokeModel body (a JSON object) Anthropic's Messages, rather than another family's own format?"""
    return _version(body).anthropic_version is not None


def refit(
    body: bytes, source: Codec, to: Codec, *, model: str, stream: bool, headers: Mapping[str, str]
) -> tuple[bytes, dict[str, str]]:
    """A body for one kind of envelope, changed for another: (body, headers). Every value keeps its bytes.

    `headers` are the client's; an envelope's own fields win over them. Raises `ApiError(invalid)` for a body that is no object.
    """
    try:
        fields = _raw_object(body)
    except msgspec.MsgspecError as error:
        raise invalid("", f"the body is not a request: {error}") from None
    version, betas = headers.get("anthropic-version"), _flags(headers.get("anthropic-beta", ""))
    fields.pop("model", None)
    fields.pop("stream", None)
    if source.envelope:
        version = _text(fields.pop("anthropic_version", None)) or version
        betas = list(dict.fromkeys([*betas, *_listed(fields.pop("anthropic_beta", None))]))
    out: dict[str, Any] = {}
    if to.envelope:
        out["anthropic_version"] = _version_in(to.envelope, version)
    else:
        out["model"] = model
    out.update(fields)
    if stream and to.envelope != "bedrock":
        out["stream"] = True
    sent = {} if to.envelope else {"anthropic-version": _version_out(version)}
    if betas:
        if to.envelope == "bedrock":
            out["anthropic_beta"] = betas
        else:
            sent["anthropic-beta"] = ",".join(betas)
    return _encode(out), sent


def _version_in(envelope: str, version: str | None) -> str:
    return OWN_VERSION[envelope] if version is None or version == VERSION or version in OWN_VERSION.values() else version


def _version_out(version: str | None) -> str:
    return VERSION if version is None or version in OWN_VERSION.values() else version


def _flags(header: str) -> list[str]:
    return [flag for flag in (text.strip() for text in header.split(",")) if flag]


def _text(value: Raw | None) -> str | None:
    if value is None:
        return None
    found = msgspec.json.decode(value)
    if type(found) is not str:
        raise invalid("anthropic_version", f"expected a string, got {type_name(found)}")
    return found


def _listed(value: Raw | None) -> list[str]:
    if value is None:
        return []
    try:
        return _strings(value)
    except msgspec.MsgspecError:
        raise invalid("anthropic_beta", "expected a list of strings") from None


# --------------------------------------------------------------------- streams


class Reframer(Protocol):
    """Bytes of one framing -> bytes of another. What is incomplete is held."""

    def feed(self, data: bytes) -> bytes:
        """The next bytes."""


class _Chunk(Struct, rename={"event": "bytes"}):
    event: bytes = b""


class _Typed(Struct):
    type: str = ""


_chunk = msgspec.json.Decoder(_Chunk).decode
_typed = msgspec.json.Decoder(_Typed).decode
_CHUNK = event_headers("chunk")
_BYTES, _TYPE = b'{"bytes":"', b'{"type":"'
_START, _NAMED = len(_BYTES), len(_TYPE)


class FramesToSse:
    """AWS frames -> Anthropic's server-sent events. An exception becomes the `error` event."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader = AwsEventReader()

    def feed(self, data: bytes) -> bytes:
        """The next bytes."""
        try:
            frames = self._reader.feed(data)
        except FrameError as error:
            return _broken(str(error))
        out = []
        for headers, payload in frames:
            if headers.get(":message-type") not in ("event", None):
                out.append(anthropic.CODEC.stream_error(decode_exception(headers, payload), ""))
            elif headers.get(":event-type") == "chunk":
                out.append(_opened(payload))
        return b"".join(out)


def _opened(payload: bytes) -> bytes:
    """The payload of a `chunk` event -> one event. The shape AWS writes is cut out by hand; any other JSON is read as such."""
    try:
        usual = payload.startswith(_BYTES)
        event = a2b_base64(payload[_START:payload.index(b'"', _START)]) if usual else _chunk(payload).event
        named = event.startswith(_TYPE)
        name = event[_NAMED:event.index(b'"', _NAMED)].decode("ascii") if named else _typed(event).type
    except (msgspec.MsgspecError, ValueError) as error:
        return _broken(f"a chunk cannot be read: {error}")
    event = event.replace(b"\r", b"").replace(b"\n", b"")  # white space between JSON tokens; a line end would end the event
    return sse_event(name, event) if name else sse_data(event)


def _broken(why: str) -> bytes:
    return anthropic.CODEC.stream_error(ApiError("upstream_failed", f"the upstream's stream is broken: {why}"), "")


class SseToFrames:
    """Anthropic's server-sent events -> AWS frames. The `error` event becomes an exception."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader = SseReader()

    def feed(self, data: bytes) -> bytes:
        """The next bytes."""
        return b"".join([_closed(name, event) for name, event in self._reader.feed(data) if event])


def _closed(name: bytes, event: bytes) -> bytes:
    if name == b"error":
        try:
            value = msgspec.json.decode(event, type=dict[str, Any])
        except msgspec.MsgspecError:
            value = {}
        return bedrock_converse.CODEC.stream_error(error_of(value, event), "")
    return aws_frame(_CHUNK, b'{"bytes":"' + b2a_base64(event, newline=False) + b'"}')


class _Metrics(Struct):
    inputTokenCount: int = 0
    outputTokenCount: int = 0


class _Measured(Struct, rename={"metrics": "amazon-bedrock-invocationMetrics"}):
    metrics: _Metrics | None = None


_measured = msgspec.json.Decoder(_Measured).decode


def metered(frames: bytes) -> Usage | None:
    """The tokens that the last of these whole frames counts, whatever family's stream it is."""
    try:
        read = AwsEventReader().feed(frames)
        metrics = _measured(_chunk(read[-1][1]).event).metrics if read else None
    except (FrameError, msgspec.MsgspecError):
        return None
    return None if metrics is None else Usage(input_total=metrics.inputTokenCount, output_total=metrics.outputTokenCount)


def reframer(up: Codec, client: Codec) -> Reframer | None:
    """What an upstream's stream needs on its way to a client of another envelope; None where the framing is the same."""
    if (up.envelope == "bedrock") == (client.envelope == "bedrock"):
        return None
    return FramesToSse() if up.envelope == "bedrock" else SseToFrames()


class _FramesDecoder:
    """See `protocols.base.StreamDecoder`."""

    __slots__ = ("_frames", "_inner")

    def __init__(self) -> None:
        self._frames = FramesToSse()
        self._inner: StreamDecoder = PLAIN.stream_decoder()

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes completed."""
        return self._inner.feed(self._frames.feed(data))

    def finish(self) -> list[Event]:
        """The input ended."""
        return self._inner.finish()


class _FramesEncoder:
    """See `protocols.base.StreamEncoder`."""

    __slots__ = ("_frames", "_inner")

    def __init__(self, answer: Answer, ledger: Ledger) -> None:
        self._frames = SseToFrames()
        self._inner: StreamEncoder = PLAIN.stream_encoder(answer, ledger)

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes of these events."""
        return self._frames.feed(self._inner.encode(events))

    def ping(self) -> bytes:
        """Anthropic's own ping in a chunk: code that reads `event["chunk"]` of every frame goes on."""
        return SseToFrames().feed(self._inner.ping())


# ---------------------------------------------------------------------- codecs


def _decoder(inner: DecodeRequest) -> DecodeRequest:
    def decode(
        body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] | None = None
    ) -> Request:
        if type(body) is dict:
            body = {name: value for name, value in body.items() if name != "anthropic_version"}
        return inner(body, model=model, stream=stream, headers=headers or {})

    return decode


def _sealed(wire: Wire, envelope: str) -> Wire:
    """A request of the plain codec, put into an envelope. The path is filled in by the caller."""
    model = str(wire.body["model"])
    stream = wire.body.get("stream") is True
    version = _version_in(envelope, wire.headers.get("anthropic-version"))
    body = {"anthropic_version": version, **{name: value for name, value in wire.body.items() if name not in ("model", "stream")}}
    betas = wire.headers.get("anthropic-beta")
    if envelope == "vertex":
        if stream:
            body["stream"] = True
        path = f"/publishers/anthropic/models/{quote(model, safe='@')}:{'streamRawPredict' if stream else 'rawPredict'}"
        return Wire(path, body, {"anthropic-beta": betas} if betas else {})
    if betas:
        body["anthropic_beta"] = betas.split(",")
    return Wire(f"/model/{quote(model, safe='')}/{'invoke-with-response-stream' if stream else 'invoke'}", body)


def _encoder(envelope: str) -> Callable[[Request, Facts, Ledger], Wire]:
    def encode(request: Request, facts: Facts, ledger: Ledger) -> Wire:
        return _sealed(PLAIN.encode_request(request, facts, ledger), envelope)

    return encode


def _encode_bedrock_count(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """CountTokens takes the whole InvokeModel body, `max_tokens` included."""
    wire = _sealed(PLAIN.encode_request(replace(request, stream=False), facts, ledger), "bedrock")
    body = b2a_base64(_encode(wire.body), newline=False).decode()
    return Wire(f"{wire.path.rpartition('/')[0]}/count-tokens", {"input": {"invokeModel": {"body": body}}})


def _encode_vertex_count(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """The model stays in the body: the path is that of a model called `count-tokens`."""
    assert PLAIN.encode_count_request is not None
    wire = PLAIN.encode_count_request(request, facts, ledger)
    betas = wire.headers.get("anthropic-beta")
    body = {"anthropic_version": OWN_VERSION["vertex"], **wire.body}
    return Wire("/publishers/anthropic/models/count-tokens:rawPredict", body, {"anthropic-beta": betas} if betas else {})


def _decode_vertex_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Anthropic's own error, or Google's where the call did not get so far."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError):
        value = None
    own = isinstance(value, dict) and value.get("type") == "error"
    return (PLAIN if own else gemini.CODEC).decode_error(status, headers, body)


assert PLAIN.decode_count_request is not None
BEDROCK = replace(
    PLAIN,
    envelope="bedrock",
    stream_type=bedrock_converse.CODEC.stream_type,
    model_in_body=False,
    decode_request=_decoder(PLAIN.decode_request),
    decode_count_request=_decoder(PLAIN.decode_count_request),
    encode_request=_encoder("bedrock"),
    encode_count_request=_encode_bedrock_count,
    decode_count=bedrock_converse.CODEC.decode_count,
    encode_count=bedrock_converse.CODEC.encode_count,
    stream_decoder=_FramesDecoder,
    stream_encoder=_FramesEncoder,
    decode_error=bedrock_converse.CODEC.decode_error,
    encode_error=bedrock_converse.CODEC.encode_error,
    stream_error=bedrock_converse.CODEC.stream_error,
)
VERTEX = replace(
    PLAIN,
    envelope="vertex",
    model_in_body=False,
    decode_request=_decoder(PLAIN.decode_request),
    decode_count_request=_decoder(PLAIN.decode_count_request),
    encode_request=_encoder("vertex"),
    encode_count_request=_encode_vertex_count,
    decode_error=_decode_vertex_error,
)
ENVELOPES: Mapping[str, Codec] = {"bedrock": BEDROCK, "vertex": VERTEX}
