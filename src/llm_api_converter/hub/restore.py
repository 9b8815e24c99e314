"""Gives an answer the client's own words back: undoes on tool calls what `adapt` did to tools.

Names and namespaces return; a custom tool's `{"input": "..."}` becomes its raw text; the call of the tool that stood in for
structured output becomes the answer's text. One `Restorer` serves one answer, as events or whole. It runs before `SealWriter`.
"""

from collections.abc import Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .events import Attach, Close, Delta, Event, Failed, Finished, Open
from .fold import fold, unfold
from .messages import Text, ToolCall
from .names import ToolName
from .response import Finish, Response


class _CustomInput(Struct, frozen=True):
    input: str


_decode_input = msgspec.json.Decoder(_CustomInput).decode


class Restorer:
    """`names` maps upstream names to the client's; names not in it stay. `output_tool` is the upstream name of the tool that stands in
    for structured output. Arguments of custom calls are held until the call is complete; all other `Delta`s stream.
    """

    __slots__ = ("_held", "_names", "_only_output", "_output_tool", "_written")

    def __init__(self, names: Mapping[str, ToolName], output_tool: str | None = None) -> None:
        self._names = names
        self._output_tool = output_tool
        self._held: list[str] | None = None  # the open call is custom: its arguments so far
        self._written: bool | None = None  # the open call is the output: has any text come?
        self._only_output: bool | None = None  # are all calls so far the output? None: no call so far

    def response(self, response: Response) -> Response:
        """A whole answer."""
        if not any(isinstance(x, ToolCall) for x in response.parts):
            return response
        return fold(self.events(unfold(response)))

    def events(self, events: list[Event]) -> list[Event]:
        """The next events of a stream."""
        if self._held is None and self._written is None:
            for event in events:
                if type(event) is not Delta:
                    break
            else:
                return events
        out: list[Event] = []
        for event in events:
            if type(event) is Delta:
                self._delta(event, out)
                continue
            match event:
                case Open(index, ToolCall() as call) if call.runs == "client":
                    self._open(index, call, out)
                case Attach(_, dict()) if self._written is not None:
                    pass  # fields of a tool call mean nothing on the text it has become
                case Close(index):
                    self._close(index, out)
                    out.append(event)
                case Failed():
                    self._held = self._written = None
                    out.append(event)
                case Finished(finish):
                    out.append(replace(event, finish=self._finish(finish)))
                case _:
                    out.append(event)
        return out

    def _delta(self, event: Delta, out: list[Event]) -> None:
        if self._held is not None:
            self._held.append(event.text)
            return
        if self._written is False:
            self._written = bool(event.text)
        out.append(event)

    def _open(self, index: int, call: ToolCall, out: list[Event]) -> None:
        if call.name == self._output_tool:
            text = "" if call.arguments == "{}" else call.arguments
            self._written = bool(text)
            self._only_output = self._only_output is not False
            out.append(Open(index, Text(text, tokens=call.tokens)))
            return
        self._only_output = False
        original = self._names.get(call.name)
        if original is None:
            out.append(Open(index, call))
            return
        if original.custom and not call.custom:
            self._held = ["" if call.arguments == "{}" else call.arguments]
            call = replace(call, arguments="", custom=True)
        out.append(Open(index, replace(call, name=original.name, namespace=original.namespace)))

    def _close(self, index: int, out: list[Event]) -> None:
        if self._held is not None:
            raw = _custom_text("".join(self._held))
            if raw:
                out.append(Delta(index, raw))
        elif self._written is False:
            out.append(Delta(index, "{}"))
        self._held = self._written = None

    def _finish(self, finish: Finish) -> Finish:
        """A call that was really the output does not make the client run anything."""
        return replace(finish, reason="stop", raw=None) if self._only_output and finish.reason == "tool_call" else finish


def _custom_text(arguments: str) -> str:
    """`{"input": "SELECT 1"}` -> `SELECT 1`; anything else is given as the model wrote it."""
    try:
        return _decode_input(arguments).input
    except (msgspec.DecodeError, UnicodeEncodeError):
        return arguments
