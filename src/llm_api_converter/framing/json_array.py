"""A JSON array as a stream: `[{...}`, `,{...}`, ..., `]`. Gemini streams this way to clients that do not ask for `alt=sse`.

`JsonArrayReader` takes bytes and gives the elements that are complete; `JsonArrayWriter` takes elements and gives bytes. White space
between elements is legal anywhere, so a keep-alive is a line end. Source: Gemini recordings (read November 2026).
"""

import re
from collections.abc import Iterable

_MARKS = re.compile(rb'["\\{}\[\]]')


class JsonArrayReader:
    """`feed(bytes)` -> the elements (objects) they completed; `finish()` -> nothing more. One object without an array counts too.

    Between elements only `[`, `,`, `]` and white space are skipped. `complete` tells whether the closing bracket came.
    """

    __slots__ = ("_buffer", "_depth", "_in_text", "_scanned", "complete")

    def __init__(self) -> None:
        self._buffer = b""
        self._scanned = 0
        self._depth = 0
        self._in_text = False
        self.complete = False

    def feed(self, data: bytes) -> list[bytes]:
        """The elements these bytes completed."""
        buffer = self._buffer + data
        out: list[bytes] = []
        start = 0
        at = self._scanned
        while True:
            mark = _MARKS.search(buffer, at)
            if mark is None:
                at = len(buffer)
                break
            at = mark.end()
            char = mark.group()
            if char == b"\\":
                if at == len(buffer):
                    at -= 1
                    break
                at += 1 if self._in_text else 0
            elif char == b'"':
                self._in_text = not self._in_text and self._depth > 0
            elif self._in_text:
                continue
            elif char in b"{[":
                if char == b"{" and self._depth == 0:
                    start = mark.start()
                if char == b"{" or self._depth:
                    self._depth += 1
            elif self._depth:
                self._depth -= 1
                if self._depth == 0:
                    out.append(buffer[start:at])
                    start = at
            elif char == b"]":
                self.complete = True
        keep = start if self._depth else at
        self._buffer = buffer[keep:]
        self._scanned = at - keep
        return out


class JsonArrayWriter:
    """Elements -> the bytes of an array, as they come. `close()` writes the end; an array without elements is `[]`."""

    __slots__ = ("_closed", "_opened")

    def __init__(self) -> None:
        self._opened = False
        self._closed = False

    def write(self, elements: Iterable[bytes]) -> bytes:
        """The next elements."""
        out = b""
        for element in elements:
            out += (b"\r\n,\r\n" if self._opened else b"[") + element
            self._opened = True
        return out

    def close(self) -> bytes:
        """The end of the array, once."""
        if self._closed:
            return b""
        self._closed = True
        return b"\r\n]\r\n" if self._opened else b"[]\r\n"
