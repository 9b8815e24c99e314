"""Stream events -> ConverseStream frames, with `metadata` at `End` and an exception frame for `Failed`.

A part that cannot be said takes no block index. Text and reasoning have no `contentBlockStart`: clients learn of such a block by its
first delta, so one that says nothing still gets an empty delta.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ConverseStreamOutput` (November 2026).
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ...framing.aws_event_stream import aws_frame, event_headers
from ...hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Citation, Inline, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from ...hub.response import Usage
from ..base import Answer, Json
from ..citing import lose_citations
from .citations import encode_citation
from .errors import stream_error
from .response import encode_finish, encode_tier, encode_usage
from .wire import PROTOCOL, encode_json
from .written import ContentEncoder, encode_redacted, tool_use_head

_DELTA = event_headers("contentBlockDelta")
_START = event_headers("contentBlockStart")
_STOP = event_headers("contentBlockStop")
# How a delta with text begins and ends, by the kind of its block.
_TEXT = (b'"text":', b"}}")
_REASONING = (b'"reasoningContent":{"text":', b"}}}")
_INPUT = (b'"toolUse":{"input":', b"}}}")


class StreamEncoder:
    """`_live` is the open part, None also while one is left out; `_said`: its block exists for clients."""

    __slots__ = (
        "_content", "_extras", "_head", "_held", "_index", "_ledger", "_live", "_over", "_refused", "_said", "_tail", "_tier", "_token",
        "_usage",
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
        tier = encode_tier(self._tier, self._ledger)
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
        if isinstance(part, (Text, Reasoning, ToolCall, Media)):
            for token in part.tokens:
                self._attach(token, out)
        if isinstance(part, (Text, Reasoning, Refusal)) and part.extras:
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
        if self._content.shows(call):
            # Only its arguments tell which system tool it is most like: it is written whole.
            self._begin(_INPUT, "", out)
            self._held = [call.arguments if call.arguments != "{}" else ""]
            return
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
                lose_citations("citations", self._ledger)
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
            if self._content.shows(part):
                self._close_foreign(part, out)
            elif self._held is not None:
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

    def _close_foreign(self, call: ToolCall, out: list[bytes]) -> None:
        block = self._content.block(replace(call, arguments="".join(self._held or ()) or "{}", tokens=()))
        if block is None:
            return
        head = block["toolUse"]
        given = head.pop("input")
        out.append(aws_frame(_START, encode_json({"contentBlockIndex": self._index, "start": {"toolUse": head}})))
        self._say(encode_json(given).decode(), out)

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
