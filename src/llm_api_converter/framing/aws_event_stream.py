"""AWS event stream frames on bytes: `AwsEventReader` reads them, `aws_event` and `aws_exception` write one.

    frame  := total length u32 | headers length u32 | crc32 of these 8 bytes | headers | payload | crc32 of everything before
    header := name length u8 | name | type u8 | value (by type; a string has its length as u16)

All numbers are big-endian. Both checksums are verified. Source: https://smithy.io/2.0/aws/amazon-eventstream.html and
botocore/eventstream.py 1.44.5 (November 2026); tests compare bytes with botocore's.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct, error
from zlib import crc32

PRELUDE = Struct(">III")
_LENGTHS = Struct(">II")
_U32 = Struct(">I")
_U16 = Struct(">H")
OVERHEAD = 16
MAX_HEADERS = 128 * 1024
MAX_FRAME = 24 * 1024 * 1024

HeaderValue = str | bytes | bool | int
Headers = dict[str, HeaderValue]
_FIXED: dict[int, Struct] = {2: Struct(">b"), 3: Struct(">h"), 4: Struct(">i"), 5: Struct(">q"), 8: Struct(">q")}
_REMEMBERED = 64


class FrameError(ValueError):
    """The bytes are no event stream: a checksum or a length is wrong. Nothing after that point can be read."""


class AwsEventReader:
    """`feed(bytes)` -> the frames they completed as `(headers, payload)`; `finish()` raises `FrameError` in the middle of one.

    Frames in front of a damaged one are still delivered; the error is raised by the next call. Header dictionaries are shared
    between frames with equal headers: read them, do not change them.
    """

    __slots__ = ("_broken", "_buffer", "_headers")

    def __init__(self) -> None:
        self._buffer = b""
        self._broken: FrameError | None = None
        self._headers: dict[bytes, Headers] = {}

    def feed(self, data: bytes) -> list[tuple[Headers, bytes]]:
        """The frames these bytes completed. Raises `FrameError`."""
        if self._broken is not None:
            raise self._broken
        buffer = self._buffer + data if self._buffer else data
        out: list[tuple[Headers, bytes]] = []
        start, size = 0, len(buffer)
        try:
            while size - start >= 12:
                total, headers_size, prelude_crc = PRELUDE.unpack_from(buffer, start)
                if crc32(buffer[start : start + 8]) != prelude_crc:
                    raise FrameError("the checksum of an event stream prelude is wrong")
                if headers_size > MAX_HEADERS or total > MAX_FRAME or total < headers_size + OVERHEAD:
                    raise FrameError(f"impossible lengths in an event stream frame: {total} bytes, {headers_size} of headers")
                end = start + total
                if end > size:
                    break
                if crc32(buffer[start : end - 4]) != _U32.unpack_from(buffer, end - 4)[0]:
                    raise FrameError("the checksum of an event stream frame is wrong")
                split = start + 12 + headers_size
                out.append((self._read_headers(buffer[start + 12 : split]), buffer[split : end - 4]))
                start = end
        except FrameError as broken:
            self._broken = broken
            if not out:
                raise
        self._buffer = buffer[start:]
        return out

    def finish(self) -> None:
        """The input ended. Raises `FrameError` when it ended inside a frame or was damaged."""
        if self._broken is not None:
            raise self._broken
        if self._buffer:
            raise FrameError(f"the event stream ended inside a frame ({len(self._buffer)} bytes left over)")

    def _read_headers(self, raw: bytes) -> Headers:
        known = self._headers.get(raw)
        if known is None:
            known = decode_headers(raw)
            if len(self._headers) < _REMEMBERED:
                self._headers[raw] = known
        return known


def decode_headers(raw: bytes) -> Headers:
    """The header block of a frame. A timestamp is whole milliseconds, a UUID its 16 bytes. Raises `FrameError`."""
    headers: Headers = {}
    at, size = 0, len(raw)
    try:
        while at < size:
            name_end = at + 1 + raw[at]
            name, kind = raw[at + 1 : name_end].decode(), raw[name_end]
            at = name_end + 1
            if kind <= 1:
                headers[name] = kind == 0
            elif kind in _FIXED:
                headers[name] = _FIXED[kind].unpack_from(raw, at)[0]
                at += _FIXED[kind].size
            elif kind in (6, 7):
                value_end = at + 2 + _U16.unpack_from(raw, at)[0]
                value = raw[at + 2 : value_end]
                headers[name] = value.decode() if kind == 7 else value
                at = value_end
            elif kind == 9:
                headers[name] = raw[at : at + 16]
                at += 16
            else:
                raise FrameError(f"unknown type {kind} of event stream header {name!r}")
    except (IndexError, UnicodeDecodeError, error) as broken:
        raise FrameError("the headers of an event stream frame cannot be read") from broken
    if at != size:
        raise FrameError("the headers of an event stream frame end too early")
    return headers


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """A header block of strings, in the order given."""
    out = b""
    for name, value in headers.items():
        key, text = name.encode(), value.encode()
        out += bytes((len(key),)) + key + b"\x07" + _U16.pack(len(text)) + text
    return out


def aws_frame(headers: bytes, payload: bytes) -> bytes:
    """One frame from an encoded header block."""
    lengths = _LENGTHS.pack(len(headers) + len(payload) + OVERHEAD, len(headers))
    frame = lengths + _U32.pack(crc32(lengths)) + headers + payload
    return frame + _U32.pack(crc32(frame))


def aws_event(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame with string headers."""
    return aws_frame(encode_headers(headers), payload)


@lru_cache(maxsize=64)
def event_headers(event_type: str) -> bytes:
    """The header block of a JSON event, in the order AWS writes it."""
    return encode_headers({":event-type": event_type, ":content-type": "application/json", ":message-type": "event"})


def aws_exception(exception_type: str, payload: bytes) -> bytes:
    """The frame that ends a stream with a modelled exception."""
    headers = {":exception-type": exception_type, ":content-type": "application/json", ":message-type": "exception"}
    return aws_frame(encode_headers(headers), payload)
