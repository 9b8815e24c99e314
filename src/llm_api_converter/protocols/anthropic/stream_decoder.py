"""Upstream stream -> events.

States: `_begun` after `message_start`; a block is open while `_part` is set; `_over` after `message_stop`, an error, or the end of input.

    message_start, content_block_start, content_block_delta*, content_block_stop, ..., message_delta, message_stop; ping anywhere

What the wire does besides (recordings): a second `message_start`, `input` already in `content_block_start`, several `message_delta`s,
usage that repeats or leaves out input counts, blocks that are complete at their start, deltas of unknown kinds. The finish is held until
`message_stop`, a signature until its block ends (the last one counts), blocks without a neutral meaning until they are whole.
Source: anthropic SDK 2.12.0, lib/streaming/_messages.py; https://platform.claude.com/docs/en/build-with-claude/streaming (November 2026).
"""

from typing import Any

import msgspec

from ...framing.sse import SseReader
from ...hub.errors import ApiError
from ...hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from ...hub.fold import merge_extras, taken_apart
from ...hub.messages import Extras, Native, Opaque, Part, Reasoning, Text, ToolCall
from ..base import UNREADABLE
from ..fields import Fields
from .blocks import decode_block
from .citations import decode_citation
from .errors import decode_error, error_of
from .usage import decode_finish, decode_tier, decode_usage
from .wire import PROTOCOL, REALM, BlockDelta, DeltaFrame, leftovers

_delta_frame = msgspec.json.Decoder(DeltaFrame).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode

# Which part each kind of delta belongs to, and what a delta opens when its block was never started.
_OWNER: dict[str, type[Part]] = {
    "text_delta": Text,
    "thinking_delta": Reasoning,
    "signature_delta": Reasoning,
    "input_json_delta": ToolCall,
    "citations_delta": Text,
}
_UNSTARTED: dict[str, Part] = {"text_delta": Text(""), "thinking_delta": Reasoning("")}


class StreamDecoder:
    """See `protocols.base.StreamDecoder`."""

    __slots__ = (
        "_begun", "_called", "_details", "_extras", "_index", "_input", "_over", "_part", "_reader", "_signature", "_stop",
        "_stop_sequence", "_usage", "_wire_index",
    )

    def __init__(self) -> None:
        self._reader = SseReader()
        self._begun = False
        self._over = False
        self._part: Part | None = None
        self._index = -1
        self._wire_index: int | None = None
        self._input = ""
        self._signature = ""
        self._called = False
        self._usage: dict[str, Any] = {}
        self._stop: Any = None
        self._stop_sequence: Any = None
        self._details: Any = None
        self._extras: Extras | None = None

    def feed(self, data: bytes) -> list[Event]:
        """What these bytes completed."""
        return self._read(self._reader.feed(data))

    def finish(self) -> list[Event]:
        """The input ended."""
        out = self._read(self._reader.finish())
        if not self._over:
            self._fail(self._stray_error() or ApiError("upstream_incomplete", "the upstream ended its stream before message_stop"), out)
        return out

    def _stray_error(self) -> ApiError | None:
        """The error in lines that are no event: some gateways break a stream off with a bare JSON body."""
        body = b"\n".join(self._reader.stray)
        try:
            value = _object(body)
        except UNREADABLE:
            return None
        return error_of(value, body) if "error" in value else None

    def _read(self, frames: list[tuple[bytes, bytes]]) -> list[Event]:
        out: list[Event] = []
        for name, data in frames:
            if self._over:
                break
            try:
                if name == b"content_block_delta":
                    frame = _delta_frame(data)
                    delta = frame.delta
                    if delta.type == "text_delta" and type(self._part) is Text and frame.index == self._wire_index:
                        if delta.text:
                            out.append(Delta(self._index, delta.text))
                    else:
                        self._take_delta(frame.index, delta, data, out)
                else:
                    self._take(data, out)
            except ApiError as error:
                self._fail(ApiError("upstream_failed", f"the upstream's stream is broken: {error.message}"), out)
            except UNREADABLE as error:
                if name == b"error":
                    self._fail(decode_error(500, {}, data), out)
                elif data.strip() not in (b"[DONE]", b""):
                    self._fail(ApiError("upstream_failed", f"the upstream's stream holds a frame that cannot be read: {error}"), out)
        return out

    def _fail(self, error: ApiError, out: list[Event]) -> None:
        self._over = True
        out.append(Failed(error))

    def _take(self, data: bytes, out: list[Event]) -> None:
        """A frame that is no `content_block_delta`, or has no event name."""
        frame = _object(data)
        kind = frame.get("type")
        if kind == "content_block_delta":
            typed = _delta_frame(data)
            self._take_delta(typed.index, typed.delta, data, out)
        elif kind == "content_block_start":
            self._start(frame.get("index"), frame.get("content_block"), out)
        elif kind == "content_block_stop":
            self._stop_block(out)
        elif kind == "message_start":
            self._start_message(frame, out)
        elif kind == "message_delta":
            self._take_message_delta(frame, out)
        elif kind == "message_stop":
            self._stop_message(out)
        elif kind == "error" or (kind is None and "error" in frame):
            self._fail(error_of(frame, data), out)
        else:
            out.append(Aside(PROTOCOL, frame, ping=kind == "ping"))

    def _start_message(self, frame: dict[str, Any], out: list[Event]) -> None:
        f = Fields(frame.get("message"), "message")
        usage = f.object("usage") or {}
        if self._begun:
            # Some gateways send it twice at the beginning. Once a block is half written it is another answer.
            if self._part is not None:
                raise ApiError("upstream_failed", "the upstream began another answer inside this one")
            self._see_usage(usage, out)
            return
        self._begun = True
        for known in ("type", "role", "stop_reason", "stop_sequence", "stop_details"):
            f.take(known)
        content, id, model = f.array("content"), f.text("id") or "", f.text("model") or ""
        out.append(Begin(id, model, service_tier=decode_tier(usage), extras=leftovers(f.rest())))
        self._see_usage(usage, out)
        for block in content or ():
            self._start(None, block, out)
            self._stop_block(out)

    def _start(self, index: Any, block: Any, out: list[Event]) -> None:
        if not self._begun:
            raise ApiError("upstream_failed", "a block before message_start")
        if self._part is not None:
            self._stop_block(out)
        part = decode_block(block, "")
        self._wire_index = index if type(index) is int else None
        self._part = part
        self._input = self._signature = ""
        if isinstance(part, Native):
            return
        self._index += 1
        start, text, attached = taken_apart(part)
        if isinstance(part, ToolCall):
            # The accumulated deltas replace it, so it waits for the end of the block.
            self._input, text = text, ""
            self._called = self._called or part.runs == "client"
        elif isinstance(part, Reasoning) and not part.redacted:
            self._signature = "".join(token.data for token in part.tokens)
            attached = []
        out.append(Open(self._index, start))
        if text:
            out.append(Delta(self._index, text))
        out.extend(Attach(self._index, value) for value in attached)

    def _take_delta(self, index: int, delta: BlockDelta, data: bytes, out: list[Event]) -> None:
        """A delta of any kind. One without its block, or in a block of another kind, begins a part where it can."""
        kind = delta.type
        part = self._part
        if isinstance(part, Native) and kind not in _OWNER:
            self._part = _grown(part, _object(data)["delta"])
            return
        owner = _OWNER.get(kind)
        if owner is None:
            out.append(Aside(PROTOCOL, _object(data)))
            return
        if type(part) is not owner or (self._wire_index is not None and index != self._wire_index):
            unstarted = _UNSTARTED.get(kind)
            if unstarted is None or not self._begun:
                raise ApiError("upstream_failed", f"a {kind} without its block")
            self._open_unstarted(index, unstarted, out)
        if kind == "text_delta" and delta.text:
            out.append(Delta(self._index, delta.text))
        elif kind == "thinking_delta" and delta.thinking:
            out.append(Delta(self._index, delta.thinking))
        elif kind == "input_json_delta" and delta.partial_json:
            self._input = ""
            out.append(Delta(self._index, delta.partial_json))
        elif kind == "signature_delta":
            self._signature = delta.signature
        elif kind == "citations_delta":
            out.append(Attach(self._index, decode_citation(delta.citation)))

    def _open_unstarted(self, index: int, part: Part, out: list[Event]) -> None:
        if self._part is not None:
            self._stop_block(out)
        self._part, self._wire_index, self._signature = part, index, ""
        self._index += 1
        out.append(Open(self._index, part))

    def _stop_block(self, out: list[Event]) -> None:
        part = self._part
        if part is None:
            return
        self._part = None
        if isinstance(part, Native):
            self._index += 1
            out.append(Open(self._index, part))
        elif self._input:
            out.append(Delta(self._index, self._input))
        elif self._signature:
            out.append(Attach(self._index, Opaque(REALM, "signature", self._signature)))
        out.append(Close(self._index))
        self._input = self._signature = ""

    def _take_message_delta(self, frame: dict[str, Any], out: list[Event]) -> None:
        f = Fields(frame, "message_delta")
        f.take("type")
        usage, delta = f.object("usage"), f.sub("delta")
        if delta is not None:
            stop = delta.take("stop_reason")
            if stop is not None:
                self._stop = stop
            self._stop_sequence = delta.take("stop_sequence") or self._stop_sequence
            self._details = delta.take("stop_details") or self._details
            self._extras = merge_extras(self._extras, leftovers(delta.rest()))
        self._extras = merge_extras(self._extras, leftovers(f.rest()))
        self._see_usage(usage or {}, out)

    def _see_usage(self, usage: dict[str, Any], out: list[Event]) -> None:
        """Counts are cumulative: one that a later frame leaves out keeps its value."""
        said = {field: count for field, count in usage.items() if count is not None}
        if not said:
            return
        self._usage = {**self._usage, **said}
        seen = decode_usage(self._usage)
        if seen is not None and self._begun:
            out.append(UsageSeen(seen))

    def _stop_message(self, out: list[Event]) -> None:
        if not self._begun:
            raise ApiError("upstream_failed", "message_stop without message_start")
        self._stop_block(out)
        out.append(Finished(decode_finish(self._stop, self._stop_sequence, self._details, self._called), self._extras))
        out.append(End())
        self._over = True


def _grown(part: Native, delta: dict[str, Any]) -> Native:
    """A block of an unknown kind with what a delta of an unknown kind adds: text to text, anything else in place of what was there."""
    body = dict(part.body)
    for field, value in delta.items():
        if field != "type":
            before = body.get(field)
            body[field] = before + value if isinstance(before, str) and isinstance(value, str) else value
    return msgspec.structs.replace(part, body=body)
