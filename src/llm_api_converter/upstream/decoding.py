"""Bodies that come compressed although `identity` was asked for. In: pieces of a body; out: what they hold.

`gzip` and `deflate` only (RFC 9110, 8.4.1), with the raw streams some servers send as `deflate`. Output comes in bounded pieces, so that
a small body that swells a thousandfold is never in memory as a whole unless the caller gathers it.
"""

import zlib
from collections.abc import Iterator

from .failures import CUT_SHORT, Failure

PIECE_BYTES = 1024 * 1024
_GZIP_BITS = 16 + zlib.MAX_WBITS
_CODINGS = {"gzip": _GZIP_BITS, "x-gzip": _GZIP_BITS, "deflate": zlib.MAX_WBITS}


def inflater(coding: str) -> "Inflater | None":
    """For a Content-Encoding; None where there is nothing to do. Raises `Failure` for a coding we cannot read."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return None
    if name not in _CODINGS:
        raise Failure("upstream_failed", "sent its answer in a content-encoding nobody asked for", name)
    return Inflater(_CODINGS[name])


class Inflater:
    """Feed it pieces; `finish` says whether the end was reached."""

    __slots__ = ("_bits", "_stream", "_untouched")

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._stream = zlib.decompressobj(bits)
        self._untouched = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Raises `Failure` for what cannot be unpacked."""
        if self._untouched and data:
            self._untouched = False
            if self._bits == zlib.MAX_WBITS and not _has_zlib_head(data):
                self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        while data:
            if self._stream.eof:
                if self._bits != _GZIP_BITS or not data.strip(b"\0"):
                    return  # padding
                self._stream = zlib.decompressobj(_GZIP_BITS)  # the next member
            try:
                out = self._stream.decompress(data, PIECE_BYTES)
            except zlib.error as error:
                raise Failure("upstream_failed", "sent a compressed answer that cannot be unpacked", str(error)) from error
            if out:
                yield out
            data = self._stream.unconsumed_tail or self._stream.unused_data

    def finish(self) -> None:
        """Raises `Failure(upstream_incomplete)` where the end is missing."""
        if not self._untouched and not self._stream.eof:
            raise Failure("upstream_incomplete", CUT_SHORT, "its compressed body has no end")


def _has_zlib_head(data: bytes) -> bool:
    return data[0] & 0x0F == 8 and (len(data) < 2 or (data[0] << 8 | data[1]) % 31 == 0)
