"""The same protocol on both sides: bytes pass through, and a tap reads a copy.

Requests go *verbatim* (only the bytes of the model's name change) or *patched* (a field the gateway needs is put in). Answers go
out as they came, in whole frames, so that a terminal error never lands inside a half-written event. Pure: bytes in, bytes out.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from ..hub.errors import ApiError, invalid
from ..hub.events import Event
from .base import StreamDecoder
from .fields import type_name


class StreamOptions(Struct):
    """The part of Chat's `stream_options` that decides whether usage is sent."""

    include_usage: bool | None = None


class Head(Struct):
    """What routing needs of a body whose model is a top-level field; everything else is skipped unread."""

    model: Any = None
    stream: Any = None
    stream_options: StreamOptions | None = None


_head = msgspec.json.Decoder(Head)
_any = msgspec.json.Decoder()
_OFFSET = re.compile(r"\(byte (\d+)\)")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]')


def read_head(body: bytes) -> Head:
    """The head of a JSON body. Raises `ApiError(invalid)` with the offset where it is no JSON object."""
    try:
        return _head.decode(body)
    except msgspec.ValidationError as error:
        parse(body)
        raise invalid("", f"the body is not a request: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parse(body)
        raise


_FIRST_MODEL = re.compile(rb'\s*\{\s*"model"\s*:\s*"([^"\\\x80-\xff]*)"')


def first_model(body: bytes) -> str | None:
    """The model where it is the body's first field (as most clients write it), found without reading the rest; a guess until then."""
    found = _FIRST_MODEL.match(body)
    return None if found is None else found.group(1).decode("ascii")


def head_of(body: Any) -> Head:
    """The head of a body that has been parsed already. Raises `ApiError(invalid)` where it is no object."""
    if type(body) is not dict:
        raise invalid("", f"the body is not a request: expected an object, got {type_name(body)}")
    return Head(body.get("model"), body.get("stream"))


def parse(body: bytes) -> Any:
    """Any JSON value. Raises `ApiError(invalid)` that gives the byte offset of the fault."""
    try:
        return _any.decode(body)
    except UnicodeDecodeError as error:
        raise invalid("", f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise invalid("", "the body is nested too deep to be read") from None
    except msgspec.DecodeError as error:
        if not body.strip():
            raise invalid("", "the body is empty; a JSON object is expected") from None
        found = _OFFSET.search(str(error))
        where = f" at byte {found.group(1)}" if found else f" at byte {len(body)}" if "truncated" in str(error) else ""
        raise invalid("", f"the body is not valid JSON{where}: {error}") from None


def with_model(body: bytes, model: str) -> bytes:
    """`body` with the value of its top-level `model` replaced; every other byte stays. It must have one."""
    start, end = _model_span(body)
    return body[:start] + msgspec.json.encode(model) + body[end:]


def with_usage_asked(body: bytes, head: Head) -> bytes:
    """A Chat stream request that asks for the usage chunk: a field put in front, or the client's own one changed."""
    if head.stream_options is None:
        opening = body.index(b"{") + 1
        return body[:opening] + b'"stream_options":{"include_usage":true},' + body[opening:]
    whole = _any.decode(body)
    whole["stream_options"] = {**(whole["stream_options"] or {}), "include_usage": True}
    return msgspec.json.encode(whole)


def _model_span(body: bytes) -> tuple[int, int]:
    depth = 0
    key_at = -1
    for found in _STRING.finditer(body):
        token = found.group()
        if token in (b"{", b"["):
            depth += 1
        elif token in (b"}", b"]"):
            depth -= 1
        elif depth == 1:
            if key_at == 1:
                return found.span()
            key_at = 1 if token == b'"model"' and body[found.end():found.end() + 16].lstrip()[:1] == b":" else 0
    raise invalid("model", "required")


def whole_sse(data: bytes) -> int:
    """How many bytes of `data` are whole events."""
    lf, crlf = data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n")
    return max(lf + 2 if lf >= 0 else 0, crlf + 4 if crlf >= 0 else 0)


def whole_aws(data: bytes) -> int:
    """How many bytes of `data` are whole AWS event-stream frames (each begins with its own length)."""
    at = 0
    while len(data) - at >= 4:
        length = int.from_bytes(data[at:at + 4], "big")
        if length < 16 or len(data) - at < length:
            break
        at += length
    return at


def whole_anything(data: bytes) -> int:
    """For streams without frames: every byte may go."""
    return len(data)


WHOLE: dict[str, Callable[[bytes], int]] = {"text/event-stream": whole_sse, "application/vnd.amazon.eventstream": whole_aws}


class Relay:
    """One answer stream on its way through. `feed` gives the bytes to send on, `events` what the tap saw in them.

    `drop_usage`: the gateway asked for a usage chunk the client did not want; it is taken out. `model`: the name put in place of the
    first one the stream gives. A tap that fails stops reading; `tap_error` keeps why, and the bytes go on.
    """

    __slots__ = ("_decoder", "_drop_usage", "_held", "_model", "_whole", "events", "tap_error")

    def __init__(self, decoder: StreamDecoder, stream_type: str, *, drop_usage: bool = False, model: str = "") -> None:
        self._decoder = decoder
        self._model = model
        self._whole = WHOLE.get(stream_type.split(";")[0], whole_anything)
        self._drop_usage = drop_usage
        self._held = b""
        self.events: list[Event] = []
        self.tap_error: Exception | None = None

    def feed(self, data: bytes) -> bytes:
        """The next bytes of the upstream -> what the client gets now."""
        self.events = self._tap(self._decoder.feed, data)
        data = self._held + data if self._held else data
        cut = self._whole(data)
        if cut == len(data):
            self._held = b""
        else:
            data, self._held = data[:cut], data[cut:]
        if self._model and (found := _MODEL.search(data)):
            data = data[:found.start(1)] + msgspec.json.encode(self._model) + data[found.end(1):]
            self._model = ""
        return _without_usage_chunk(data) if self._drop_usage and data else data

    def finish(self) -> bytes:
        """The upstream ended. A half event that was held back is dropped: `events` then says that the stream broke."""
        self.events = self._tap(lambda _: self._decoder.finish(), b"")
        return b""

    def _tap(self, read: Callable[[bytes], list[Event]], data: bytes) -> list[Event]:
        if self.tap_error is not None:
            return []
        try:
            return read(data)
        except Exception as error:  # a defect of the tap must not disturb a stream that the client can read
            self.tap_error = error
            return []


_MODEL = re.compile(rb'"model"\s*:\s*("[^"\\]*"|null)')


class _Choices(Struct):
    choices: list[Any] | None = None
    usage: Any = None


_choices = msgspec.json.Decoder(_Choices)
_USAGE = re.compile(rb'"usage"\s*:\s*\{')


def _without_usage_chunk(data: bytes) -> bytes:
    if not _USAGE.search(data):
        return data
    kept = []
    for event in re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", data):
        payload = event.strip()
        if payload.startswith(b"data:") and _USAGE.search(payload):
            try:
                chunk = _choices.decode(payload[5:])
            except msgspec.MsgspecError:
                kept.append(event)
                continue
            if not chunk.choices and chunk.usage is not None:
                continue
        kept.append(event)
    return b"".join(kept)


def tap_response(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """The tap of a plain answer: the decoded answer, None where it is none (the client still gets the bytes)."""
    try:
        return decode(body)
    except (ApiError, msgspec.MsgspecError):
        return None
