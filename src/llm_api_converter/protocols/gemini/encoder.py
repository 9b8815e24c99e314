"""Events -> a Gemini client's stream: server-sent events, or one JSON array for a client that did not ask for `alt=sse`.

Every frame is a small `GenerateContentResponse`. Text goes out as it comes; a call goes out whole at its `Close`, since Gemini clients
expect whole arguments; a signature follows its text on an empty text part, as in Google's own streams. The finish reason, the sources
and the usage stand in the last frame, written at `End`. A keep-alive is a blank line: google-genai for Python dies of a comment, and
code that reads `candidates[0]` of every chunk dies of an empty object.
Source: recordings; google-genai `_api_client.py` (read November 2026).
"""

from collections.abc import Sequence

import msgspec

from ...framing.json_array import JsonArrayWriter
from ...hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from ...hub.fold import Folder
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Citation, Opaque, Part, Reasoning, Refusal, Text
from ..base import Answer, Json
from .errors import error_body
from .grounding import GroundingWriter
from .response import AnswerWriter, encode_end
from .spelling import PROTOCOL

_START, _END = b"data: ", b"\r\n\r\n"
PING = b"\r\n"
_PLAIN = b'{"candidates":[{"content":{"parts":[{"text":'
_THOUGHT = b'{"candidates":[{"content":{"parts":[{"thought":true,"text":'
_encode = msgspec.json.Encoder().encode


class GeminiStreamEncoder:
    """Events -> bytes. `_folder` keeps the part that is open and what the last frame tells."""

    __slots__ = ("_answer", "_close", "_end", "_folder", "_grounding", "_ledger", "_start", "_streams", "_tail", "_writer")

    def __init__(self, answer: Answer, ledger: Ledger, start: bytes = _START, end: bytes = _END) -> None:
        self._answer = answer
        self._ledger = ledger
        self._start, self._end = start, end
        self._folder = Folder()
        self._grounding = GroundingWriter(ledger)
        self._writer = AnswerWriter(ledger, self._grounding)
        self._streams = b""
        self._close = b""
        self._tail = b""

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes of these events."""
        out: list[bytes] = []
        for event in events:
            if type(event) is Delta:
                if self._streams:
                    out.append(self._streams + _encode(event.text) + self._close)
                self._folder.add(event)
            else:
                self._event(event, out)
        return b"".join(out)

    def ping(self) -> bytes:
        """A blank line, which is no event."""
        return PING

    def _event(self, event: Event, out: list[bytes]) -> None:
        folder = self._folder
        match event:
            case Begin():
                folder.add(event)
                self._begin(event)
            case Open(_, part):
                folder.add(event)
                self._open(part, out)
            case Attach(_, value):
                folder.add(event)
                if self._streams:
                    self._attach(value, out)
            case Close():
                live = folder.live
                folder.add(event)
                self._closed(live, out)
            case UsageSeen() | Finished():
                folder.add(event)
            case End():
                last = encode_end(folder.response(), [], self._grounding, self._answer, self._ledger)
                out.append(self._start + _encode(last) + self._end)
            case Failed(error):
                out.append(self._start + error_body(error, "") + self._end)
            case Aside(ping=True):
                if self._end:
                    out.append(PING)
            case Aside(protocol=protocol, frame=frame):
                if protocol == PROTOCOL:
                    out.append(self._start + _encode(frame) + self._end)

    def _begin(self, event: Begin) -> None:
        if not event.id:
            event = msgspec.structs.replace(event, id=self._answer.new_id(""))
            self._folder.add(event)
        said: Json = {"modelVersion": self._answer.model, "responseId": event.id}
        self._tail = b'],"role":"model"},"index":0}],' + _encode(said)[1:] + self._end

    def _open(self, part: Part, out: list[bytes]) -> None:
        """Text and thoughts stream; everything else waits for its `Close`."""
        if isinstance(part, (Text, Reasoning, Refusal)):
            self._streams = self._start + (_THOUGHT if isinstance(part, Reasoning) else _PLAIN)
            self._close = b"}" + self._tail
            if part.extras:
                extras = unknown_extras(part.extras, PROTOCOL, "", self._ledger)
                self._extras(extras, out)
            if isinstance(part, Refusal):
                self._ledger.approximate("", "refusal", "content", "written as text")
            if part.text:
                out.append(self._streams + _encode(part.text) + self._close)
            if not isinstance(part, Refusal):
                for token in part.tokens:
                    self._attach(token, out)

    def _attach(self, value: Opaque | Citation | dict[str, Json], out: list[bytes]) -> None:
        if isinstance(value, Opaque):
            thought = isinstance(self._folder.live, Reasoning)
            for signature in self._writer.token((value,), ""):
                body: Json = {"text": "", "thoughtSignature": signature}
                out.append(self._parts([{**body, "thought": True} if thought else body]))
        elif isinstance(value, dict):
            self._extras(unknown_extras(value, PROTOCOL, "", self._ledger), out)

    def _extras(self, extras: Json, out: list[bytes]) -> None:
        if extras:
            thought: Json = {"thought": True} if isinstance(self._folder.live, Reasoning) else {}
            out.append(self._parts([{"text": "", **thought, **extras}]))

    def _closed(self, live: Part | None, out: list[bytes]) -> None:
        streams, self._streams = self._streams, b""
        part = self._folder.parts[-1] if live is not None else None
        if isinstance(part, Text):
            self._grounding.add(part.text, part.citations)
        if part is None or streams:
            return
        written = self._writer.write(part)
        if written:
            out.append(self._parts(written))

    def _parts(self, parts: list[Json]) -> bytes:
        return self._start + b'{"candidates":[{"content":{"parts":[' + _encode(parts)[1:-1] + self._tail


class GeminiArrayEncoder:
    """The same stream as one JSON array."""

    __slots__ = ("_encoder", "_writer")

    def __init__(self, answer: Answer, ledger: Ledger) -> None:
        # Frames begin with a byte that JSON never holds unescaped, so that a batch can be taken apart again.
        self._encoder = GeminiStreamEncoder(answer, ledger, start=b"\x1e", end=b"")
        self._writer = JsonArrayWriter()

    def encode(self, events: Sequence[Event]) -> bytes:
        """The elements of these events, and the end of the array after the last."""
        frames = self._encoder.encode(events).split(b"\x1e")
        out = self._writer.write(frame for frame in frames if frame)
        return out + self._writer.close() if events and isinstance(events[-1], (End, Failed)) else out

    def ping(self) -> bytes:
        """White space, which JSON allows anywhere."""
        return PING
