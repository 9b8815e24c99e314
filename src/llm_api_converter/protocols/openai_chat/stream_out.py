"""Events -> `chat.completion.chunk` frames.

The role comes first; `id`, `created` and `model` are the same on every chunk. Calls are numbered among themselves. Opaque state and
annotations follow their text. After the finish chunk comes usage (only where it was asked for), then `[DONE]`; a stream that broke
ends with an error frame and without `[DONE]`. Source: openai 3.54.0 `types/chat/chat_completion_chunk.py` and the accumulator in
`lib/streaming` (lists are merged by `index`), November 2026.
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ...hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Citation, Extras, Inline, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from ...hub.response import Usage
from ..base import Answer
from .calls import encode_extra_content
from .errors import stream_error
from .parts import put_extras
from .response import Written, accepts_token, answer_extras, choice_extras, estimated
from .usage import encode_usage
from .wire import PROTOCOL, encode_json, encode_tier

DONE = b"data: [DONE]\n\n"


class ChatStreamEncoder:
    """Events -> the client's bytes."""

    __slots__ = (
        "_answer", "_attached", "_before", "_gathered", "_head", "_ledger", "_part", "_start", "_tail", "_texts", "_top", "_usage",
        "_written", "_wrote",
    )  # fmt: skip

    def __init__(self, answer: Answer, ledger: Ledger) -> None:
        self._answer = answer
        self._ledger = ledger
        self._written = Written(answer, ledger)
        self._top: dict[str, Any] = {}  # the fields of every chunk
        self._head = b""  # a chunk up to its delta
        self._before: bytes | None = None  # head and the opening of the live part's delta; None: the part is not written piece by piece
        self._tail = b""
        self._part: Part | None = None
        self._attached: list[Opaque | Citation | Extras] = []
        self._texts: list[str] | None = None  # the live part's text, where it is needed again
        self._gathered = 0  # length of the live text
        self._start = 0
        self._wrote = False
        self._usage: Usage | None = None

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes of these events."""
        out: list[bytes] = []
        for event in events:
            if type(event) is Delta:
                text = event.text
                if self._texts is not None:
                    self._texts.append(text)
                if self._before is not None and text:
                    self._wrote = True
                    self._gathered += len(text)
                    out.append(self._before + encode_json(text) + self._tail)
            else:
                self._other(event, out)
        return b"".join(out)

    def ping(self) -> bytes:
        """A comment."""
        return b": ping\n\n"

    def _other(self, event: Event, out: list[bytes]) -> None:
        match event:
            case Open(_, part):
                self._open(part, out)
            case Attach(_, value):
                self._attached.append(value)
            case Close():
                self._close(out)
            case UsageSeen(usage):
                self._usage = usage
            case Begin():
                self._begin(event, out)
            case Finished():
                self._finish(event, out)
            case End():
                self._end(out)
            case Failed(error):
                out.append(stream_error(error, ""))
            case Aside() | Delta():
                pass

    def _begin(self, begin: Begin, out: list[bytes]) -> None:
        created = self._answer.created_s if begin.created_s is None else begin.created_s
        self._top = {
            "id": begin.id or self._answer.new_id("chatcmpl-"), "object": "chat.completion.chunk", "created": created,
            "model": self._answer.model,
        }  # fmt: skip
        outer, message = answer_extras(begin.extras, self._ledger)
        self._tier(begin.service_tier, outer)
        self._head = b"data: " + encode_json(self._top)[:-1] + b',"choices":[{"index":0,"delta":'
        delta: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        put_extras(delta, message)
        out.append(self._chunk(delta, outer=outer))

    def _open(self, part: Part, out: list[bytes]) -> None:
        self._part, self._attached, self._texts, self._before = part, [], None, None
        self._wrote, self._gathered = False, 0
        initial = ""
        match part:
            case Text(text):
                self._start = self._written.length
                initial = text
                self._pieces(b'{"content":', b"}")
            case Reasoning(text):
                self._texts = [text]
                initial = text
                self._pieces(b'{"reasoning_content":', b"}")
            case Refusal(text):
                initial = text
                self._pieces(b'{"refusal":', b"}")
            case ToolCall(runs="client"):
                self._open_call(part, out)
            case Media(kind="audio", source=Inline(data)) if not self._written.audio:
                initial = data
                self._open_audio(part, out)
            case Media(source=Inline(data)):
                self._texts = [data]
            case _:
                pass
        if initial and self._before is not None:
            self._gathered = len(initial)
            out.append(self._before + encode_json(initial) + self._tail)

    def _pieces(self, before: bytes, after: bytes) -> None:
        """The live part's text is written piece by piece, between these."""
        self._before = self._head + before
        self._tail = after + b',"logprobs":null,"finish_reason":null}]}\n\n'

    def _open_call(self, call: ToolCall, out: list[bytes]) -> None:
        """Id and name first. `{}` may still become something else, so it is only written when the call ends without arguments."""
        start = "" if call.arguments == "{}" and not call.custom else call.arguments
        ((field, value),) = self._written.call(replace(call, arguments=start or ("" if call.custom else "{}")))
        self._wrote = bool(start)
        if field == "function_call":
            self._pieces(b'{"function_call":{"arguments":', b"}}")
            out.append(self._chunk({"function_call": {"name": call.name, "arguments": start}}))
            return
        index = self._written.calls - 1
        entry = {"index": index, **value[0]}
        if call.custom:
            self._pieces(b'{"tool_calls":[{"index":%d,"custom":{"input":' % index, b"}}]}")
        else:
            entry["function"] = {**entry["function"], "arguments": start}
            self._pieces(b'{"tool_calls":[{"index":%d,"function":{"arguments":' % index, b"}}]}")
        out.append(self._chunk({"tool_calls": [entry]}))

    def _open_audio(self, part: Media, out: list[bytes]) -> None:
        """The id comes first, unless it is only known at the end."""
        self._pieces(b'{"audio":{"data":', b"}}")

    def _close(self, out: list[bytes]) -> None:
        part = self._part
        self._part = self._before = None
        match part:
            case Text():
                self._written.cite(self._with_attached(part), self._start, self._start + self._gathered)
            case Reasoning():
                whole = self._with_attached(part)
                self._written_deltas(self._written.state(replace(whole, text="".join(self._texts or ()))), out)
            case ToolCall(runs="client"):
                self._close_call(part, out)
            case Refusal():
                self._written.part(self._with_attached(replace(part, text="")))
            case Media(kind="audio", source=Inline()) if not self._written.audio:
                ((_, value),) = self._written.media(self._with_attached(part))
                out.append(self._chunk({"audio": {k: v for k, v in value.items() if k != "data"}}))
            case Media(source=Inline()):
                whole_media = replace(self._with_attached(part), source=Inline("".join(self._texts or ())))
                self._written_deltas(self._written.media(whole_media), out)
            case None:
                pass
            case _:
                self._written_deltas(self._written.part(part), out)
        self._texts = None

    def _close_call(self, call: ToolCall, out: list[bytes]) -> None:
        """Arguments that never came are `{}`; state and unknown fields that came after the call began are added to it."""
        index = self._written.calls - 1
        legacy = self._written.legacy and index == 0 and not call.custom
        if not self._wrote and not call.custom:
            function = {"arguments": "{}"}
            out.append(self._chunk({"function_call": function} if legacy else {"tool_calls": [{"index": index, "function": function}]}))
        late = self._with_attached(replace(call, tokens=(), extras=None))
        entry: dict[str, Any] = encode_extra_content(late.tokens, accepts_token, "", self._ledger)
        entry = {"extra_content": entry} if entry else {}
        put_extras(entry, unknown_extras(late.extras, PROTOCOL, "", self._ledger))
        if entry and not legacy:
            # Clients want the call's own object in every piece: the accumulator of openai for Python asserts it, Vercel's AI SDK checks it.
            nothing: dict[str, Any] = {"custom": {"input": ""}} if call.custom else {"function": {"arguments": ""}}
            out.append(self._chunk({"tool_calls": [{"index": index, **nothing, **entry}]}))

    def _with_attached(self, part: Any) -> Any:
        """The part with what was attached to it."""
        if not self._attached:
            return part
        changes: dict[str, Any] = {}
        tokens = tuple(x for x in self._attached if isinstance(x, Opaque))
        if tokens:
            changes["tokens"] = part.tokens + tokens
        citations = tuple(x for x in self._attached if isinstance(x, Citation))
        if citations:
            changes["citations"] = part.citations + citations
        extras = part.extras
        for value in self._attached:
            if isinstance(value, dict):
                extras = {owner: {**(extras or {}).get(owner, {}), **fields} for owner, fields in {**(extras or {}), **value}.items()}
                changes["extras"] = extras
        return replace(part, **changes)

    def _written_deltas(self, fields: list[tuple[str, Any]], out: list[bytes]) -> None:
        out.extend(self._chunk({field: value}) for field, value in fields)

    def _finish(self, finished: Finished, out: list[bytes]) -> None:
        outer, message = answer_extras(finished.extras, self._ledger)
        late = dict(self._written.late())
        put_extras(late, message)
        if late:
            out.append(self._chunk(late))
        self._tier(finished.service_tier, outer)
        word = self._written.finish(finished.finish)
        out.append(self._chunk({}, word, choice_extras(finished.finish, self._ledger), outer))

    def _tier(self, tier: str | None, outer: dict[str, Any]) -> None:
        """The tier stands on every chunk, in its own server's spelling where there is one."""
        word = outer.pop("service_tier", None) or encode_tier(tier, "service_tier", self._ledger)
        if word is not None:
            self._top["service_tier"] = word

    def _end(self, out: list[bytes]) -> None:
        usage = self._usage or (estimated(self._answer) if self._answer.input_estimate else None)
        if usage is not None and self._answer.include_usage:
            out.append(b"data: " + encode_json({**self._top, "choices": [], "usage": encode_usage(usage)}) + b"\n\n")
        out.append(DONE)

    def _chunk(
        self, delta: dict[str, Any], finish: str | None = None, choice: dict[str, Any] | None = None, outer: dict[str, Any] | None = None
    ) -> bytes:
        whole = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish, **(choice or {})}
        return b"data: " + encode_json({**self._top, "choices": [whole], **(outer or {})}) + b"\n\n"
