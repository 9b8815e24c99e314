"""ConverseStream frames <-> stream events.

Read: `messageStart`, blocks, `messageStop`, `metadata`. Text and reasoning have no `contentBlockStart`: their part opens at the first
delta that says something. A block index that changes its kind is two parts. Results of provider-run tools and images come whole, at
their `contentBlockStop`; so do signatures and redacted reasoning, which may come in pieces. `messageStop` is held until `metadata`
(or the end of input), because trace and tier belong to the finished answer.
Written: the same, with `metadata` at `End`, and an exception frame for `Failed`.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ConverseStreamOutput` (November 2026); recordings.
"""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Sequence
from typing import Any

from msgspec import DecodeError, ValidationError

from ...framing.aws_event_stream import AwsEventReader, FrameError, aws_frame, event_headers
from ...hub.errors import ApiError
from ...hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Citation, Inline, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from ...hub.response import Usage
from ..base import Answer, Json
from ..fields import Fields
from ..sequencer import Sequencer
from .citations import decode_citation, encode_citation
from .content import ContentEncoder, decode_redacted, encode_redacted, tool_call, tool_result, tool_use_head
from .errors import decode_exception, stream_error
from .media import decode_media
from .response import decode_finish, decode_usage, encode_finish, encode_tier, encode_usage
from .wire import PROTOCOL, REALM, BlockDelta, ReasoningDelta, decode_delta, decode_json, decode_start, decode_stop, encode_json

_INCOMPLETE = "the upstream ended its stream without finishing the answer"


# ---------------------------------------------------------------------- decode


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
                if headers.get(":message-type", "event") != "event":
                    self._fail(decode_exception(headers, payload), out)
                else:
                    self._frame(str(headers.get(":event-type", "")), payload, out)
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
            self._end(out)
            return out
        message = _INCOMPLETE
        try:
            self._reader.finish()
        except FrameError as broken:
            message = f"{_INCOMPLETE}: {broken}"
        self._fail(ApiError("upstream_incomplete", message), out)
        return out

    def _frame(self, kind: str, payload: bytes, out: list[Event]) -> None:
        handle = _HANDLERS.get(kind)
        try:
            if handle is not None:
                handle(self, payload, out)
            elif kind == "ping":
                out.append(Aside(PROTOCOL, {}, ping=True))
            else:
                out.append(Aside(PROTOCOL, {kind: decode_json(payload) if payload else {}}))
        except (DecodeError, ValidationError) as broken:
            self._fail(ApiError("upstream_failed", f"a {kind} frame of the upstream cannot be read: {broken}"), out)
        except ApiError as broken:
            self._fail(ApiError("upstream_failed", f"a {kind} frame of the upstream cannot be read: {broken.message}"), out)

    def _fail(self, error: ApiError, out: list[Event]) -> None:
        self._over = True
        out.append(Failed(error))

    def _begin(self, out: list[Event], extras: Json | None = None) -> None:
        if not self._begun:
            self._begun = True
            out.append(Begin("", "", extras={PROTOCOL: extras} if extras else None))

    def _message_start(self, payload: bytes, out: list[Event]) -> None:
        start = decode_json(payload)
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
        stop = decode_json(payload)
        self._begin(out)
        for index in [*self._held]:
            held = self._held.pop(index)
            self._open(index, held[0], _whole(*held), out)
        for index in [*self._parts]:
            self._close(index, out)
        self._finish = str(stop.get("stopReason") or "")
        self._extras.update({key: value for key, value in stop.items() if key not in ("stopReason", "p") and value is not None})
        if self._metadata:
            self._end(out)

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
        tier = None
        named = self._extras.get("serviceTier")
        if isinstance(named, dict) and named.keys() == {"type"} and isinstance(named["type"], str):
            tier = named["type"]
            del self._extras["serviceTier"]
        finish = decode_finish(self._finish or "", self._called)
        out.append(Finished(finish, {PROTOCOL: self._extras} if self._extras else None, tier))
        out.append(End())


_HANDLERS: dict[str, Callable[[StreamDecoder, bytes, list[Event]], None]] = {
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


# ---------------------------------------------------------------------- encode

_DELTA = event_headers("contentBlockDelta")
_START = event_headers("contentBlockStart")
_STOP = event_headers("contentBlockStop")
# How a delta with text begins and ends, by the kind of its block.
_TEXT = (b'"text":', b"}}")
_REASONING = (b'"reasoningContent":{"text":', b"}}}")
_INPUT = (b'"toolUse":{"input":', b"}}}")


class StreamEncoder:
    """Events -> frames. A part that cannot be said takes no block index; a block that said nothing yet is not there for clients."""

    __slots__ = (
        "_content", "_extras", "_head", "_held", "_index", "_ledger", "_live", "_over", "_refused", "_said", "_tail", "_tier", "_token", "_usage",
    )  # fmt: skip

    def __init__(self, answer: Answer, ledger: Ledger) -> None:
        del answer
        self._ledger = ledger
        self._content = ContentEncoder(ledger, seals=True)
        self._index = 0
        self._live: Part | None = None  # the open part, None also while a part is left out
        self._said = self._token = self._refused = self._over = False
        self._head = self._tail = b""
        self._held: list[str] | None = None  # text of a part that is written whole
        self._usage: Usage | None = None
        self._tier: str | None = None
        self._extras: Json = {}

    def encode(self, events: Sequence[Event]) -> bytes:
        """The frames of these events."""
        out: list[bytes] = []
        for event in events:
            if type(event) is Delta:
                if self._live is None:
                    continue
                if self._held is not None:
                    self._held.append(event.text)
                else:
                    self._said = True
                    out.append(aws_frame(_DELTA, self._head + encode_json(event.text) + self._tail))
            elif not self._over:
                self._other(event, out)
        return b"".join(out)

    def ping(self) -> bytes:
        """An event type no model knows: SDKs skip it."""
        return _event("ping", {})

    def _other(self, event: Event, out: list[bytes]) -> None:
        match event:
            case Open(_, part):
                self._open(part, out)
            case Attach(_, value):
                self._attach(value, out)
            case Close():
                self._close(out)
            case Begin():
                self._tier = event.service_tier
                self._extras.update(unknown_extras(event.extras, PROTOCOL, "", self._ledger))
                out.append(_event("messageStart", {"role": "assistant"}))
            case UsageSeen(usage):
                self._usage = usage
            case Finished(finish, extras, tier):
                self._tier = tier or self._tier
                self._extras.update(unknown_extras(extras, PROTOCOL, "", self._ledger))
                stop: Json = {"stopReason": encode_finish(finish, self._ledger)}
                if "additionalModelResponseFields" in self._extras:
                    stop["additionalModelResponseFields"] = self._extras.pop("additionalModelResponseFields")
                out.append(_event("messageStop", stop))
            case End():
                self._over = True
                out.append(_event("metadata", self._metadata()))
            case Aside(protocol, frame, ping):
                if ping:
                    out.append(self.ping())
                elif protocol == PROTOCOL:
                    out.extend(_event(kind, body) for kind, body in frame.items())
            case Failed(error):
                self._over = True
                out.append(stream_error(error, ""))

    def _metadata(self) -> Json:
        usage, metrics = encode_usage(self._usage)
        body: Json = {"usage": usage, "metrics": metrics}
        tier = encode_tier(self._tier)
        if tier is not None:
            body["serviceTier"] = tier
        body.update({key: value for key, value in self._extras.items() if not key.startswith("output.")})
        return body

    def _open(self, part: Part, out: list[bytes]) -> None:
        self._said = self._token = self._refused = False
        self._held = None
        self._live = part
        match part:
            case Text():
                self._begin(_TEXT, part.text, out)
                for citation in part.citations:
                    self._attach(citation, out)
            case Reasoning():
                self._begin(_REASONING, part.text, out)
            case ToolCall():
                self._open_call(part, out)
            case Refusal(text):
                self._ledger.approximate("", "refusal", "content", "sent as text")
                self._begin(_TEXT, text, out)
            case Media(kind="image", source=Inline()):
                self._held = []
            case _:
                self._whole(part, out)
        if isinstance(part, Text | Reasoning | ToolCall | Media):
            for token in part.tokens:
                self._attach(token, out)
        if isinstance(part, Text | Reasoning | Refusal) and part.extras:
            self._attach(part.extras, out)

    def _begin(self, shape: tuple[bytes, bytes], text: str, out: list[bytes]) -> None:
        self._head = b'{"contentBlockIndex":%d,"delta":{' % self._index + shape[0]
        self._tail = shape[1]
        if text:
            self._say(text, out)

    def _say(self, text: str, out: list[bytes]) -> None:
        self._said = True
        out.append(aws_frame(_DELTA, self._head + encode_json(text) + self._tail))

    def _open_call(self, call: ToolCall, out: list[bytes]) -> None:
        left = unknown_extras(call.extras, PROTOCOL, call.at, self._ledger)
        head = tool_use_head(call, left, self._ledger)
        if head is None:
            self._live = None
            return
        out.append(aws_frame(_START, encode_json({"contentBlockIndex": self._index, "start": {"toolUse": head}})))
        self._begin(_INPUT, "" if call.arguments == "{}" or call.custom else call.arguments, out)
        if call.custom:
            self._held = [call.arguments]

    def _whole(self, part: Part, out: list[bytes]) -> None:
        """A part without deltas of its own."""
        block = self._content.block(part)
        if not isinstance(part, ToolResult):
            if block is not None:
                self._ledger.drop("", next(iter(block)), "content", "no such block in a stream")
            self._live = None
            return
        if block is None:
            self._live = None
            return
        self._said = True
        body = block["toolResult"]
        pieces = [piece for piece in body.pop("content") if piece.keys() <= {"text", "json"}]
        for part_ in part.parts[: len(part.parts) - len(pieces)] if len(pieces) != len(part.parts) else ():
            self._ledger.drop("", type(part_).__name__.lower(), "content", "not in a streamed tool result")
        out.append(aws_frame(_START, encode_json({"contentBlockIndex": self._index, "start": {"toolResult": body}})))
        self._delta({"toolResult": pieces}, out)

    def _delta(self, delta: Json, out: list[bytes]) -> None:
        self._said = True
        out.append(aws_frame(_DELTA, encode_json({"contentBlockIndex": self._index, "delta": delta})))

    def _attach(self, value: Any, out: list[bytes]) -> None:
        part = self._live
        if part is None:
            return
        if isinstance(value, Opaque):
            self._attach_token(part, value, out)
        elif isinstance(value, Citation):
            if isinstance(part, Text):
                self._delta({"citation": encode_citation(value, "citations", self._ledger)}, out)
            else:
                self._ledger.drop("citations", "citations", "content")
        else:
            for key in unknown_extras(value, PROTOCOL, "", self._ledger):
                self._ledger.drop(key, key.rpartition(".")[2], "unknown", "no place in a stream")

    def _attach_token(self, part: Part, token: Opaque, out: list[bytes]) -> None:
        if not isinstance(part, Reasoning) or self._token or not self._content.accepts(token):
            self._ledger.drop("", token.kind, "state")
            self._refused = True
            return
        self._token = True
        if part.redacted:
            self._delta({"reasoningContent": {"redactedContent": encode_redacted(token.data)}}, out)
            return
        if not self._said:
            self._say("", out)
        self._delta({"reasoningContent": {"signature": token.data}}, out)

    def _close(self, out: list[bytes]) -> None:
        part, self._live = self._live, None
        if part is None:
            return
        if isinstance(part, Media):
            self._close_image(part, out)
        elif isinstance(part, ToolCall):
            if self._held is not None:
                self._ledger.approximate("", "custom", "tools", "raw text sent as {input}")
                self._say(encode_json({"input": "".join(self._held)}).decode(), out)
            elif not self._said:
                self._say("{}", out)
        elif not self._said and isinstance(part, Reasoning) and part.redacted:
            if not self._refused:
                self._ledger.drop("", "redacted_thinking", "state")
        elif not self._said:
            self._say("", out)
        if self._said:
            out.append(aws_frame(_STOP, b'{"contentBlockIndex":%d}' % self._index))
            self._index += 1

    def _close_image(self, part: Media, out: list[bytes]) -> None:
        first = part.source.data if isinstance(part.source, Inline) else ""
        whole = Media("image", Inline(first + "".join(self._held or [])), part.media_type, extras=part.extras)
        block = self._content.block(whole)
        if block is None:
            return
        image = block["image"]
        start = {"image": {"format": image["format"]}}
        out.append(aws_frame(_START, encode_json({"contentBlockIndex": self._index, "start": start})))
        self._delta({"image": {key: value for key, value in image.items() if key != "format"}}, out)


def _event(kind: str, body: Json) -> bytes:
    return aws_frame(event_headers(kind), encode_json(body))
