"""ConverseStream frames -> stream events.

`messageStart`, blocks, `messageStop`, `metadata`. Text and reasoning have no `contentBlockStart`: their part opens at the first
delta that says something. A block index that changes its kind is two parts. Results of provider-run tools and images come whole, at
their `contentBlockStop`; so do signatures and redacted reasoning, which may come in pieces. `messageStop` is held until `metadata`
(or the end of input), because trace and tier belong to the finished answer.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ConverseStreamOutput` (November 2026); recordings.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from typing import Any

from ...framing.aws_event_stream import AwsEventReader, FrameError, Headers, HeaderValue
from ...hub.errors import ApiError
from ...hub.events import Aside, Begin, End, Event, Failed, Finished, UsageSeen
from ...hub.messages import Opaque, Part, Reasoning, Text
from ..base import UNREADABLE, Json
from ..fields import Fields
from ..sequencer import Sequencer
from .citations import decode_citation
from .content import decode_redacted, tool_call, tool_result
from .errors import decode_exception
from .media import decode_media
from .response import decode_finish, decode_usage
from .wire import PROTOCOL, REALM, BlockDelta, ReasoningDelta, decode_delta, decode_json, decode_start, decode_stop

_INCOMPLETE = "the upstream ended its stream without finishing the answer"


class StreamDecoder:
    """States: before `messageStart`; in the message; after `messageStop` (`_finish` is set, `metadata` may come); over."""

    __slots__ = ("_begun", "_called", "_extras", "_finish", "_held", "_metadata", "_next", "_over", "_parts", "_reader", "_seq", "_tokens")

    def __init__(self) -> None:
        self._reader = AwsEventReader()
        self._seq = Sequencer()
        self._begun = self._called = self._metadata = self._over = False
        self._finish: str | None = None
        self._extras: Json = {}
        self._next = 0
        self._parts: dict[int, tuple[str, int]] = {}  # block index -> kind and key of its open part
        self._held: dict[int, tuple[str, Json, list[Any]]] = {}  # block index -> kind, start and pieces of what comes whole
        self._tokens: dict[int, list[str]] = {}  # key of a reasoning part -> the pieces of its token

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes completed."""
        out: list[Event] = []
        if self._over:
            return out
        try:
            for headers, payload in self._reader.feed(data):
                self._frame(headers, payload, out)
                if self._over:
                    break
        except FrameError as broken:
            self._fail(ApiError("upstream_failed", f"the upstream's stream is damaged: {broken}"), out)
        return out

    def finish(self) -> list[Event]:
        """The input ended."""
        out: list[Event] = []
        if self._over:
            return out
        if self._finish is not None:
            try:
                self._end(out)
            except ApiError as broken:
                self._fail(ApiError("upstream_failed", f"the last frames of the upstream cannot be read: {broken.message}"), out)
            return out
        message = _INCOMPLETE
        try:
            self._reader.finish()
        except FrameError as broken:
            message = f"{_INCOMPLETE}: {broken}"
        self._fail(ApiError("upstream_incomplete", message), out)
        return out

    def _frame(self, headers: Headers, payload: bytes, out: list[Event]) -> None:
        kind = headers.get(":event-type")
        handle = _HANDLERS.get(kind)
        try:
            if handle is not None:
                handle(self, payload, out)
            elif headers.get(":message-type", "event") != "event":
                self._fail(decode_exception(headers, payload), out)
            elif kind == "ping":
                out.append(Aside(PROTOCOL, {}, ping=True))
            else:
                out.append(Aside(PROTOCOL, {str(kind): decode_json(payload) if payload else {}}))
        except UNREADABLE as broken:  # a wrong type is one, too
            self._fail(ApiError("upstream_failed", f"a {kind!s} frame of the upstream cannot be read: {broken}"), out)
        except ApiError as broken:
            self._fail(ApiError("upstream_failed", f"a {kind!s} frame of the upstream cannot be read: {broken.message}"), out)

    def _fail(self, error: ApiError, out: list[Event]) -> None:
        self._over = True
        out.append(Failed(error))

    def _begin(self, out: list[Event], extras: Json | None = None) -> None:
        if not self._begun:
            self._begun = True
            out.append(Begin("", "", extras={PROTOCOL: extras} if extras else None))

    def _message_start(self, payload: bytes, out: list[Event]) -> None:
        start = Fields(decode_json(payload), "messageStart").rest()
        self._begin(out, {f"output.message.{k}": v for k, v in start.items() if k not in ("role", "p")})

    def _block_start(self, payload: bytes, out: list[Event]) -> None:
        frame = decode_start(payload)
        self._begin(out)
        index = frame.contentBlockIndex
        for kind, value in frame.start.items():
            if kind == "toolUse":
                f = Fields(value, "start.toolUse")
                call = tool_call(f.text_required("toolUseId"), f.text_required("name"), f.text("type"), "{}", f.rest(), "")
                self._called = self._called or call.runs == "client"
                self._open(index, "toolUse", call, out)
            elif kind in ("toolResult", "image"):
                self._held[index] = (kind, Fields(value, f"start.{kind}").rest(), [])
            else:
                out.append(Aside(PROTOCOL, {"contentBlockStart": decode_json(payload)}))

    def _block_delta(self, payload: bytes, out: list[Event]) -> None:
        frame = decode_delta(payload)
        delta, index = frame.delta, frame.contentBlockIndex
        if not self._begun:
            self._begin(out)
        if delta.text is not None:
            if delta.text:
                known = self._parts.get(index)
                key = known[1] if known is not None and known[0] == "text" else self._open(index, "text", Text(""), out)
                self._seq.add(key, delta.text, out)
        elif delta.toolUse is not None:
            known = self._parts.get(index)
            if known is None or known[0] != "toolUse":
                raise ApiError("upstream_failed", f"block {index} has toolUse input but no contentBlockStart")
            if delta.toolUse.input:
                self._seq.add(known[1], delta.toolUse.input, out)
        elif delta.reasoningContent is not None:
            self._reasoning(index, delta.reasoningContent, out)
        else:
            self._rare_delta(index, delta, payload, out)

    def _reasoning(self, index: int, delta: ReasoningDelta, out: list[Event]) -> None:
        if delta.text:
            self._seq.add(self._part(index, "reasoning", out), delta.text, out)
        if delta.signature:
            self._tokens.setdefault(self._part(index, "reasoning", out), []).append(delta.signature)
        if delta.redactedContent:
            self._tokens.setdefault(self._part(index, "redacted", out), []).append(delta.redactedContent)

    def _rare_delta(self, index: int, delta: BlockDelta, payload: bytes, out: list[Event]) -> None:
        if delta.citation is not None:
            self._seq.add(self._part(index, "text", out), decode_citation(delta.citation, "delta.citation"), out)
        elif delta.toolResult is not None and index in self._held:
            self._held[index][2].extend(delta.toolResult)
        elif delta.image is not None and index in self._held:
            self._held[index][2].append(delta.image)
        else:
            out.append(Aside(PROTOCOL, {"contentBlockDelta": decode_json(payload)}))

    def _part(self, index: int, kind: str, out: list[Event]) -> int:
        """The key of the open part of this block and kind; opened where it is not."""
        known = self._parts.get(index)
        if known is not None and known[0] == kind:
            return known[1]
        part: Part = Text("") if kind == "text" else Reasoning("", redacted=kind == "redacted")
        return self._open(index, kind, part, out)

    def _open(self, index: int, kind: str, part: Part, out: list[Event]) -> int:
        self._close(index, out)
        self._next += 1
        self._parts[index] = (kind, self._next)
        self._seq.open(self._next, part, out)
        return self._next

    def _close(self, index: int, out: list[Event]) -> None:
        known = self._parts.pop(index, None)
        if known is None:
            return
        kind, key = known
        pieces = self._tokens.pop(key, None)
        if pieces:
            if kind == "redacted":
                token = Opaque(REALM, "redacted", decode_redacted(_joined_base64(pieces)))
            else:
                token = Opaque(REALM, "signature", "".join(pieces))
            self._seq.add(key, token, out)
        self._seq.close(key, out)

    def _block_stop(self, payload: bytes, out: list[Event]) -> None:
        index = decode_stop(payload).contentBlockIndex
        self._begin(out)
        held = self._held.pop(index, None)
        if held is not None:
            self._open(index, held[0], _whole(*held), out)
        self._close(index, out)

    def _message_stop(self, payload: bytes, out: list[Event]) -> None:
        f = Fields(decode_json(payload), "messageStop")
        self._begin(out)
        self._close_all(out)
        f.take("p")
        self._finish = f.text("stopReason") or ""
        self._extras.update(f.rest())
        if self._metadata:
            self._end(out)

    def _close_all(self, out: list[Event]) -> None:
        """Parts whose stop never came are over, too."""
        for index in [*self._held]:
            held = self._held.pop(index)
            self._open(index, held[0], _whole(*held), out)
        for index in [*self._parts]:
            self._close(index, out)

    def _usage(self, payload: bytes, out: list[Event]) -> None:
        f = Fields(decode_json(payload), "metadata")
        self._begin(out)
        f.take("p")
        usage = decode_usage(f.object("usage"), f.object("metrics"))
        if usage is not None:
            out.append(UsageSeen(usage))
        self._extras.update(f.rest())
        self._metadata = True
        if self._finish is not None:
            self._end(out)

    def _end(self, out: list[Event]) -> None:
        self._over = True
        self._close_all(out)
        tier = None
        named = self._extras.get("serviceTier")
        if isinstance(named, dict) and named.keys() == {"type"} and isinstance(named["type"], str):
            tier = named["type"]
            del self._extras["serviceTier"]
        finish = decode_finish(self._finish or "", self._called)
        out.append(Finished(finish, {PROTOCOL: self._extras} if self._extras else None, tier))
        out.append(End())


_HANDLERS: dict[HeaderValue | None, Callable[[StreamDecoder, bytes, list[Event]], None]] = {
    "contentBlockDelta": StreamDecoder._block_delta,
    "messageStart": StreamDecoder._message_start,
    "contentBlockStart": StreamDecoder._block_start,
    "contentBlockStop": StreamDecoder._block_stop,
    "messageStop": StreamDecoder._message_stop,
    "metadata": StreamDecoder._usage,
}


def _whole(kind: str, start: Json, pieces: list[Any]) -> Part:
    """A part that came in pieces and is shown whole."""
    if kind == "toolResult":
        return tool_result(Fields(start, "start.toolResult"), pieces, "")
    sources = [piece.get("source") or {} for piece in pieces if isinstance(piece, dict)]
    parts = [source["bytes"] for source in sources if isinstance(source, dict) and isinstance(source.get("bytes"), str)]
    image: Json = {**start, "source": {"bytes": _joined_base64(parts)}}
    if not parts and sources:
        image["source"] = sources[0]
    for piece in pieces:
        image.update({key: value for key, value in piece.items() if key != "source"})
    return decode_media("image", image, "")


def _joined_base64(pieces: list[str]) -> str:
    """One base64 text of the bytes of several."""
    if len(pieces) == 1:
        return pieces[0]
    try:
        return b64encode(b"".join(b64decode(piece, validate=True) for piece in pieces)).decode()
    except (Base64Error, ValueError) as broken:
        raise ApiError("upstream_failed", f"not base64: {broken}") from broken
