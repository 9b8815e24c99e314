"""Events -> the client's stream.

What clients count on (SDK 2.12.0, Claude Code, pitfalls of other gateways): `event:` lines; `message_start` once, with input tokens that
are at least an estimate; block indexes 0, 1, 2, ..., each started and stopped before the next; one `signature_delta` just before a
thinking block stops (the SDK overwrites); `{}` for a call that got no input; one `message_delta`, held until the end, with exact
counts (input tokens at least 1: Claude Code keeps the estimate when it says 0); after an error no `message_stop`.
Source: anthropic SDK 2.12.0, lib/streaming/_messages.py; https://platform.claude.com/docs/en/build-with-claude/streaming (November 2026).
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from ...framing.sse import sse_event
from ...hub.errors import ApiError
from ...hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from ...hub.fold import taken_apart
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Citation, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from ...hub.response import Usage
from ..base import Answer
from .blocks import Side, encode_block, may_write
from .calls import call_start, encode_call, ran_elsewhere
from .citations import encode_citation
from .errors import stream_error
from .marks import put_extras
from .usage import START_ONLY, encode_finish, encode_usage, estimated
from .wire import PROTOCOL

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":'
_DELTA_END = b"}}\n\n"
_BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'

_encode = msgspec.json.Encoder().encode


class StreamEncoder:
    """See `protocols.base.StreamEncoder`.

    `_part` is the open part if it is being written, `_delta` what stands before the text of its deltas, `_waiting` whether its block has
    yet to be started (redacted thinking without its data). `_foreign` is the open call if another provider ran it, `_pieces` its arguments.
    """

    __slots__ = (
        "_answer", "_begin", "_called", "_delta", "_finished", "_foreign", "_index", "_ledger", "_out", "_over", "_part", "_pieces",
        "_refused", "_side", "_signature", "_streamed", "_usage", "_waiting",
    )

    def __init__(self, answer: Answer, ledger: Ledger) -> None:
        self._answer = answer
        self._ledger = ledger
        self._side = Side(ledger, answer=True)
        self._out: list[bytes] = []
        self._begin: Begin | None = None
        self._over = False
        self._index = -1
        self._part: Part | None = None
        self._delta: bytes | None = None
        self._waiting = False
        self._foreign: ToolCall | None = None
        self._pieces: list[str] = []
        self._streamed = False
        self._signature: str | None = None
        self._called = False
        self._refused = False
        self._usage: Usage | None = None
        self._finished: Finished | None = None

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes of these events."""
        out = self._out = []
        for event in events:
            if type(event) is Delta:
                if self._delta is not None and event.text:
                    self._streamed = True
                    out += (self._delta, _encode(event.text), _DELTA_END)
                elif self._foreign is not None:
                    self._pieces.append(event.text)
            elif not self._over:
                self._take(event)
        if self._begin is not None:
            self._start_message()
        return b"".join(out)

    def ping(self) -> bytes:
        """A keep-alive."""
        return PING

    def _take(self, event: Event) -> None:
        match event:
            case Open(_, part):
                self._start_message()
                self._open(part)
            case Close():
                if self._foreign is not None:
                    self._write_foreign(self._foreign)
                self._close()
            case Attach(_, value):
                self._attach(value)
            case UsageSeen(usage):
                self._usage = usage
            case Aside(protocol, frame, ping):
                if protocol == PROTOCOL:
                    self._start_message()
                    self._out.append(PING if ping else sse_event(str(frame.get("type")), _encode(frame)))
            case Begin():
                self._begin = event
            case Finished():
                self._start_message()
                self._finished = event
            case End():
                self._end()
            case Failed(error):
                self._fail(error)

    def _fail(self, error: ApiError) -> None:
        self._begin, self._delta, self._over = None, None, True
        self._out.append(stream_error(error, ""))

    def _start_message(self) -> None:
        """`message_start` waits for the usage this protocol's own upstreams send together with it, no longer. That of others comes whenever
        it comes: what a stream begins with does not depend on how its bytes were cut.
        """
        begin = self._begin
        if begin is None:
            return
        self._begin = None
        early = self._usage if self._usage is not None and self._usage.protocol == PROTOCOL else estimated(self._answer.input_estimate)
        usage = encode_usage(early, begin.service_tier, self._ledger)
        usage["output_tokens"] = max(usage["output_tokens"], 1)
        message: dict[str, Any] = {
            "id": begin.id or self._answer.new_id("msg_"), "type": "message", "role": "assistant", "model": self._answer.model,
            "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage,
        }
        put_extras(message, begin.extras, "", self._ledger)
        self._write("message_start", {"type": "message_start", "message": message})

    def _open(self, part: Part) -> None:
        start, text, attached = taken_apart(part)
        self._part, self._delta, self._streamed, self._signature = start, None, False, None
        match start:
            case Text() | Refusal():
                self._refused = self._refused or isinstance(start, Refusal)
                self._start_block(encode_block(start, self._side), b"text_delta", b"text")
            case Reasoning(redacted=True):
                self._waiting = True
            case Reasoning():
                block: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
                put_extras(block, start.extras, "", self._ledger)
                self._start_block(block, b"thinking_delta", b"thinking")
            case ToolCall() if ran_elsewhere(start):
                self._part, self._foreign, self._pieces = None, start, [text]
                return
            case ToolCall():
                self._called = self._called or start.runs == "client"
                self._start_block(call_start(start, self._ledger), b"input_json_delta", b"partial_json")
            case _:
                self._start_block(encode_block(start, self._side), b"", b"")
                self._delta = None
        if text and self._delta is not None:
            self._streamed = True
            self._out += (self._delta, _encode(text), _DELTA_END)
        for value in attached:
            self._attach(value)

    def _write_foreign(self, call: ToolCall) -> None:
        """A call another provider ran, whole: only its arguments tell which tool of this protocol it is most like."""
        self._foreign = None
        block = encode_call(replace(call, arguments="".join(self._pieces) or "{}"), self._ledger, answer=True)
        if block is None:
            return
        given = _encode(block["input"]).decode()
        self._start_block({**block, "input": {}}, b"", b"")
        self._delta = None
        self._write_delta({"type": "input_json_delta", "partial_json": given})
        self._out.append(_BLOCK_STOP % self._index)

    def _start_block(self, block: dict[str, Any] | None, kind: bytes, field: bytes) -> None:
        if block is None:
            self._part = None
            return
        self._index += 1
        self._delta = _DELTA % (self._index, kind, field)
        self._write("content_block_start", {"type": "content_block_start", "index": self._index, "content_block": block})

    def _attach(self, value: Opaque | Citation | dict[str, dict[str, Any]]) -> None:
        part = self._part
        if part is None:
            if self._foreign is not None and isinstance(value, Opaque):
                self._ledger.drop("content", value.kind, "state")
            return
        if isinstance(value, Opaque):
            self._attach_token(part, value)
        elif isinstance(value, Citation):
            citation = encode_citation(value, "content", self._ledger, answer=True) if isinstance(part, Text) else None
            if citation is not None:
                self._write_delta({"type": "citations_delta", "citation": citation})
        else:
            for field in unknown_extras(value, PROTOCOL, "content", self._ledger):
                self._ledger.drop(f"content.{field}", field, "unknown", "it came after its block had begun")

    def _attach_token(self, part: Part, token: Opaque) -> None:
        if not isinstance(part, Reasoning) or not may_write(token, part.redacted, self._side):
            self._ledger.drop("content", token.kind, "state")
        elif self._waiting:
            self._waiting = False
            block: dict[str, Any] = {"type": "redacted_thinking", "data": token.data}
            put_extras(block, part.extras, "", self._ledger)
            self._start_block(block, b"", b"")
            self._delta = None
        elif part.redacted or self._signature is not None:
            self._ledger.drop("content", token.kind, "state")
        else:
            self._signature = token.data

    def _close(self) -> None:
        part, self._part = self._part, None
        if part is None:
            return
        if self._waiting:
            self._waiting = False
            self._ledger.drop("content", "redacted_thinking", "state")
            return
        if isinstance(part, Reasoning) and not part.redacted:
            self._write_delta({"type": "signature_delta", "signature": self._signature or ""})
        elif isinstance(part, ToolCall) and not self._streamed:
            self._write_delta({"type": "input_json_delta", "partial_json": "{}"})
        self._delta = None
        self._out.append(_BLOCK_STOP % self._index)

    def _end(self) -> None:
        finished = self._finished
        if finished is None:
            self._fail(ApiError("upstream_incomplete", "the upstream ended its stream without finishing the answer"))
            return
        try:
            delta = encode_finish(finished.finish, self._ledger, called=self._called, refused=self._refused)
        except ApiError as error:
            self._fail(error)
            return
        tier = finished.service_tier
        usage = encode_usage(self._usage or estimated(self._answer.input_estimate), tier, self._ledger)
        usage = {field: count for field, count in usage.items() if field not in START_ONLY or (field == "service_tier" and tier)}
        usage["input_tokens"] = max(usage["input_tokens"], 1)
        frame: dict[str, Any] = {"type": "message_delta", "delta": delta, "usage": usage}
        put_extras(frame, finished.extras, "", self._ledger)
        if "container" in frame:
            delta["container"] = frame.pop("container")
        self._write("message_delta", frame)
        self._out.append(STOP)
        self._over = True

    def _write(self, event: str, frame: dict[str, Any]) -> None:
        self._out.append(sse_event(event, _encode(frame)))

    def _write_delta(self, delta: dict[str, Any]) -> None:
        self._write("content_block_delta", {"type": "content_block_delta", "index": self._index, "delta": delta})
