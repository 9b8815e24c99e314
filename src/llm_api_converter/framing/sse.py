"""Server-sent events on bytes: `SseReader` reads them, `sse_event` writes one.

Lines end at CR, LF or CRLF and nowhere else (U+2028 is legal inside JSON). Comments are skipped but counted, so that a keep-alive
is visible; lines that are no field at all are kept in `stray` (Vertex breaks off a stream with a bare JSON error). Source:
https://html.spec.whatwg.org/multipage/server-sent-events.html (read November 2026); CRLF streams: Gemini
recordings.
"""


class SseReader:
    """`feed(bytes)` -> the events it completed as `(event name or b"", data)`; `finish()` -> an unterminated last one."""

    __slots__ = ("_buffer", "_data", "_event", "_skip_lf", "comments", "stray")

    def __init__(self) -> None:
        self._buffer = b""
        self._event = b""
        self._data: list[bytes] = []
        self._skip_lf = False
        self.comments = 0
        self.stray: list[bytes] = []

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The events these bytes completed."""
        if data[:6] == b"data: " and not (self._buffer or self._data or self._event) and data.count(b"\n") == 2:
            # The frequent case, one read that is one event of one line: the same outcome as below, at a third of the time.
            end = -4 if data.endswith(b"\r\n\r\n") else -2 if data.endswith(b"\n\n") else 0
            if end and b"\r" not in (line := data[6:end]):
                self._skip_lf = False
                return [(b"", line)]
        elif data[:7] == b"event: " and data[-2:] == b"\n\n" and not (self._buffer or self._data or self._event) and data.count(b"\n") == 3:
            # The same for an event with a name.
            name, _, rest = data.partition(b"\n")
            if rest[:6] == b"data: " and b"\r" not in data:
                self._skip_lf = False
                return [(name[7:].strip(), rest[6:-2])]
        if self._skip_lf and data:
            self._skip_lf = False
            if data[0] == 10:
                data = data[1:]
        buffer = self._buffer + data if self._buffer else data
        if b"\r" in buffer:
            # A CR at the very end may be half of a CRLF: it ends its line now, and a LF that follows is swallowed.
            self._skip_lf = buffer.endswith(b"\r")
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in buffer:
            self._buffer = buffer
            return []
        out: list[tuple[bytes, bytes]] = []
        if not self._data and not self._event:
            # Whole events, as nearly every read holds them: one or two lines in the usual spelling.
            *events, buffer = buffer.split(b"\n\n")
            for event in events:
                if event[:7] == b"event: ":
                    name, _, rest = event.partition(b"\n")
                    if rest[:6] == b"data: " and b"\n" not in rest:
                        out.append((name[7:].strip(), rest[6:]))
                        continue
                elif event[:6] == b"data: " and b"\n" not in event:
                    out.append((b"", event[6:]))
                    continue
                self._read_lines([*event.split(b"\n"), b""], out)
            if not buffer:
                self._buffer = b""
                return out
        *lines, self._buffer = buffer.split(b"\n")
        self._read_lines(lines, out)
        return out

    def _read_lines(self, lines: list[bytes], out: list[tuple[bytes, bytes]]) -> None:
        """Lines in any spelling; an empty one completes an event."""
        for line in lines:
            if not line:
                if self._data:
                    out.append((self._event, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                    self._data = []
                self._event = b""
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._event = line[6:].strip()
            elif line[0] == 58:
                self.comments += 1
            elif not line.startswith((b"id", b"retry", b"data", b"event")) and len(self.stray) < 1000:
                self.stray.append(line)

    def finish(self) -> list[tuple[bytes, bytes]]:
        """The input ended: an event whose blank line never came is still delivered, if its data line is whole."""
        return self.feed(b"\n\n") if self._buffer or self._data else []


def sse_event(event: str, data: bytes) -> bytes:
    """One event with a name."""
    return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"


def sse_data(data: bytes) -> bytes:
    """One event without a name."""
    return b"data: " + data + b"\n\n"
