"""What a codec is: the functions that translate one protocol to and from the hub. Pure; no I/O, clock or randomness.

Whatever a codec needs from outside (ids, the time, an estimate of input tokens) comes in through `Answer`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import MsgspecError, Struct

from ..hub.embed import EmbedRequest, EmbedResponse
from ..hub.errors import ApiError
from ..hub.events import Event
from ..hub.facts import Facts
from ..hub.ledger import Ledger
from ..hub.request import Request
from ..hub.response import Response

Json = dict[str, Any]

UNREADABLE = (MsgspecError, UnicodeError, RecursionError)
"""What reading JSON raises: it is none, a value has another type, the text is no UTF-8, it is nested without end."""


class Wire(Struct, frozen=True):
    """A request as it goes to the upstream: the path after the base URL (percent-encoded where needed), the JSON body, headers."""

    path: str
    body: Json
    headers: Mapping[str, str] = {}


class Answer(Struct, frozen=True, kw_only=True):
    """What an encoder of answers knows besides the answer.

    `model` is the name the client asked for; encoders put it into the answer in place of the upstream's. `new_id(prefix)` mints an
    id (`msg_`, `chatcmpl-`, ...). `created_s` is the time of the request. `input_estimate` is shown where a protocol wants input
    tokens before they are known. `include_usage`: a Chat client asked for the usage chunk. `request` is the client's request,
    for protocols that echo it.
    """

    model: str
    new_id: Callable[[str], str]
    created_s: int = 0
    input_estimate: int = 0
    include_usage: bool = False
    request: Request | None = None


class WireError(Struct, frozen=True):
    """An error as the client gets it. `headers` hold the content type, `retry-after` and whatever else the protocol carries there."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ModelInfo(Struct, frozen=True):
    """A model as `/v1/models` shows it. None: unknown, left out of the answer or shown as the protocol shows unknown values."""

    id: str
    display_name: str | None = None
    created_s: int = 0
    context_window: int | None = None
    max_output_tokens: int | None = None
    owned_by: str = "gateway"
    accepts_images: bool = True
    verbosity: bool = False
    # Words of effort it can be asked for, in rising order; empty: it does not reason on demand.
    efforts: tuple[str, ...] = ()


class StreamDecoder(Protocol):
    """Upstream bytes -> events. Any split of the same bytes gives the same events, up to joined neighbouring deltas."""

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes completed."""

    def finish(self) -> list[Event]:
        """The input ended: `Failed(upstream_incomplete)` unless the stream was complete; nothing once it is over."""


class StreamEncoder(Protocol):
    """Events -> the client's bytes. `Failed` becomes the protocol's own terminal error."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes of these events; b"" while something must be held."""

    def ping(self) -> bytes:
        """A keep-alive the protocol's clients ignore; legal before the first event and between any two."""


class DecodeRequest(Protocol):
    """The client's parsed JSON body -> Request. Raises ApiError(invalid) naming the path.

    `model` and `stream` come from the path where the protocol carries them there (Gemini, Converse). `headers` are lower-case;
    only flags a protocol keeps in headers (`anthropic-beta`) are read.
    """

    def __call__(
        self, body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] = ...
    ) -> Request:
        """`body` is any JSON value."""


class DecodeEmbedRequest(Protocol):
    """As `DecodeRequest`, for embeddings."""

    def __call__(self, body: Any, *, model: str | None = None) -> EmbedRequest:
        """`body` is any JSON value."""


class StreamForm(Struct, frozen=True):
    """Another form of a protocol's stream: its content type, its encoder, and its terminal error after whole frames."""

    stream_type: str
    stream_encoder: Callable[[Answer, Ledger], StreamEncoder]
    stream_error: Callable[[ApiError, str], bytes]


class Codec(Struct, frozen=True, kw_only=True):
    """One protocol: its name and its functions. Decoders of answers raise `ApiError(upstream_failed)` for what is no answer.

    `stream_type` is the content type of its streams. `seals` says where a client of this protocol keeps opaque state for us:
    `reasoning` (in reasoning items only), `fields` (beside any part), `late` (on the first call, else on the last text; reasoning
    items are not echoed). `model_in_body`: the model is the body's top-level `model` (else it is in the path).
    """

    name: str
    stream_type: str
    seals: Literal["reasoning", "fields", "late"]
    model_in_body: bool
    decode_request: DecodeRequest
    # Request (already adapted to the facts) -> what is sent. Every thing it cannot say is written to the ledger.
    encode_request: Callable[[Request, Facts, Ledger], Wire]
    decode_response: Callable[[bytes], Response]
    encode_response: Callable[[Response, Answer, Ledger], bytes]
    stream_decoder: Callable[[], StreamDecoder]
    stream_encoder: Callable[[Answer, Ledger], StreamEncoder]
    # (status >= 400, lower-case headers, body) as the upstream refused -> ApiError.
    decode_error: Callable[[int, Mapping[str, str], bytes], ApiError]
    # (error, request id) -> what the client gets before the first byte.
    encode_error: Callable[[ApiError, str], WireError]
    # (error, request id) -> the protocol's terminal error inside a stream, after whole frames (used on the pass-through path).
    stream_error: Callable[[ApiError, str], bytes]
    # Token counting. decode_count_request is decode_request for count bodies (no max_tokens and so on is demanded).
    decode_count_request: DecodeRequest | None = None
    encode_count_request: Callable[[Request, Facts, Ledger], Wire] | None = None
    decode_count: Callable[[bytes], int] | None = None
    encode_count: Callable[[int], bytes] | None = None
    # A list of models, or one of them, in this protocol's shape.
    encode_models: Callable[[Sequence[ModelInfo]], bytes] | None = None
    encode_model: Callable[[ModelInfo], bytes] | None = None
    # Embeddings.
    decode_embed_request: DecodeEmbedRequest | None = None
    encode_embed_request: Callable[[EmbedRequest, Facts, Ledger], Wire] | None = None
    decode_embed_response: Callable[[bytes], EmbedResponse] | None = None
    encode_embed_response: Callable[[EmbedResponse, EmbedRequest, Answer], bytes] | None = None
    # The stream as one JSON array, for clients of a protocol that stream so unless they ask for events (Gemini without `alt=sse`).
    array_stream: StreamForm | None = None
    # The envelope this form of the protocol travels in (`protocols.envelope`); "" for the protocol itself.
    envelope: str = ""
    # Its answers name the model in one place: a top-level `model`, and that of a stream's first event. There the passing answer of a
    # renamed model gets the name the client asked for, where thinking is involved (Claude Code 2.1.197 takes thinking out of turns
    # of another name).
    names_model_once: bool = False
    # Request fields and kinds of items that stand for what the upstream has kept: without it they leave a request that makes no sense.
    kept_upstream: tuple[str, ...] = ()

    @property
    def around(self) -> str:
        """Whose HTTP headers go around the body: those of the protocol at home where the envelope comes from."""
        return "bedrock_converse" if self.envelope == "bedrock" else self.name
