"""The built-in model `demo`: a small upstream in real wire format, so that a fresh installation answers at once.

It stands where the HTTP client stands: same interface, no network. Its answers say plainly that they come from a demo and what to do
next. It speaks every protocol the gateway has, through the same codecs.
"""

import asyncio
from collections.abc import Mapping
from secrets import token_hex
from time import time

import msgspec

from ..hub.errors import ApiError
from ..hub.events import Begin, Close, Delta, End, Event, Finished, Open, UsageSeen
from ..hub.fold import fold
from ..hub.ledger import Ledger
from ..hub.messages import Text
from ..hub.request import Request
from ..hub.response import Finish, Usage
from ..protocols import codec
from ..protocols.base import Answer, Codec, StreamForm
from ..protocols.headers import PATHS

MODEL = "demo"
BASE_URL = "demo:"
WORD_DELAY_S = 0.02

_ENV = "DEEPSEEK_API_KEY, OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY"


class DemoAnswer:
    """As `upstream.client.UpstreamAnswer`."""

    def __init__(self, status: int, content_type: str, pieces: list[bytes], delay_s: float) -> None:
        self.status = status
        self.headers: Mapping[str, str] = {"content-type": content_type}
        self._pieces = pieces
        self._delay_s = delay_s

    async def read(self) -> bytes:
        """The whole body."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)

    async def read_some(self) -> bytes:
        """The next piece; b"" at the end."""
        if not self._pieces:
            return b""
        await asyncio.sleep(self._delay_s)
        return self._pieces.pop(0)

    def close(self) -> None:
        """Nothing is held."""
        self._pieces = []


class DemoClient:
    """As `upstream.client.Client`, for URLs that begin with `demo:`."""

    def __init__(self, *, word_delay_s: float = WORD_DELAY_S) -> None:
        self._word_delay_s = word_delay_s

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], upstream: str) -> DemoAnswer:
        """Answer one call, as an upstream of that protocol would."""
        path, _, query = url.removeprefix(BASE_URL).partition("?")
        protocol, stream = _asked(path)
        speaks = codec(protocol)
        try:
            request = speaks.decode_request(msgspec.json.decode(body), model=MODEL, stream=stream, headers=headers)
        except ApiError as error:
            refusal = speaks.encode_error(error, "demo")
            return DemoAnswer(refusal.status, "application/json", [refusal.body], 0)
        events = _events(request)
        answer = Answer(
            model=MODEL, new_id=lambda prefix: prefix + token_hex(12), created_s=int(time()), include_usage=bool(request.stream_usage),
            input_estimate=_input_tokens(request), request=request,
        )
        if not request.stream:
            return DemoAnswer(200, "application/json", [speaks.encode_response(fold(events), answer, Ledger())], 0)
        form = speaks.array_stream if speaks.array_stream and "alt=sse" not in query else speaks
        return DemoAnswer(200, form.stream_type, _streamed(form, events, answer), self._word_delay_s)


def _asked(path: str) -> tuple[str, bool | None]:
    """Upstream path -> (protocol, whether a stream is asked for, None where the body says it)."""
    for protocol, paths in PATHS.items():
        for operation in ("generate", "stream"):
            start, _, end = paths[operation].partition("?")[0].partition("{model}")
            if path.startswith(start) and path.endswith(end) and (end or path == start):
                return protocol, None if paths["generate"] == paths["stream"] else operation == "stream"
    raise ApiError("not_found", f"the demo upstream does not know {path}")


def _streamed(form: Codec | StreamForm, events: list[Event], answer: Answer) -> list[bytes]:
    encoder = form.stream_encoder(answer, Ledger())
    return [piece for event in events if (piece := encoder.encode([event]))]


def _events(request: Request) -> list[Event]:
    text = _text(request)
    words = text.split(" ")
    usage = Usage(input_total=_input_tokens(request), output_total=len(words))
    return [
        Begin("", MODEL), Open(0, Text("")),
        *(Delta(0, word if i == 0 else " " + word) for i, word in enumerate(words)),
        Close(0), UsageSeen(usage), Finished(Finish("stop")), End(),
    ]


def _input_tokens(request: Request) -> int:
    return max(1, sum(len(_words(x.parts)) for x in request.messages) // 4)


def _text(request: Request) -> str:
    said = next((_words(x.parts) for x in reversed(request.messages) if x.role == "user"), "").strip()
    quoted = f" You said: \u201c{said[:200]}{'…' if len(said) > 200 else ''}\u201d." if said else ""
    return (
        f"This is the demo model of LLM API Converter; no provider is configured yet.{quoted} The request arrived, was understood and is "
        f"answered in your client's own protocol. Set {_ENV} (or write gateway.yaml) and start again to talk to a real model."
    )


def _words(parts: tuple[object, ...]) -> str:
    return " ".join(x.text for x in parts if isinstance(x, Text))
