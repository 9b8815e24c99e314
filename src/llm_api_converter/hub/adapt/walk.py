"""Looking at a conversation once, and changing parts of it without touching the rest.

`Notes.look` gathers what a conversation holds into one number and one list; every step asks them first, so that a plain
conversation passes all of them at the cost of one walk. `edited` rewrites parts and gives the very same messages back where
nothing changed.
"""

from collections.abc import Callable, Iterable

from msgspec.structs import replace

from ..facts import Facts
from ..messages import Media, Message, Native, Part, Reasoning, Refusal, Text, ToolCall, ToolReference, ToolResult
from ..names import ToolName
from ..request import Request

CALLS = 1 << 0  # client-run calls
RESULTS = 1 << 1  # results of client-run calls
REASONING = 1 << 2
TOKENS = 1 << 3
MEDIA = 1 << 4  # in turns and in results
RESULT_MEDIA = 1 << 5
BLANK = 1 << 6  # text parts of white space only, in turns and in results
EMPTY = 1 << 7  # messages without parts
MARKS = 1 << 8  # cache marks
REFERENCES = 1 << 9  # "this deferred tool is loaded"
CUSTOM = 1 << 10  # calls with raw text input
NAMESPACED = 1 << 11  # calls of tools in a namespace
LATE_SYSTEM = 1 << 12  # system text after the first turn
NEIGHBOURS = 1 << 13  # two turns of one role side by side
ASSISTANT_FIRST = 1 << 14
ASSISTANT_LAST = 1 << 15
NO_TURNS = 1 << 16  # nothing but system text
RUNS = 1 << 17  # calls a provider ran itself, and their results


Markable = Text | Media | Reasoning | ToolCall | ToolResult | Native
UNMARKED = (Refusal, ToolReference)
"""The parts that can hold a cache mark, and those that cannot."""


class Notes:
    """What the steps of one `adapt` tell each other and the caller.

    `seen`, `calls` (the client-run ones, in order) and `marked` (index of the message, part with a cache mark; in the order a prompt is
    read, those inside results before the result itself) describe the messages as they stand. `names` and `output_tool` end up in
    `Adapted`. `wrapped` are the tools (and called names) whose raw text input now travels as a string property, by namespace and
    name. `protocol` is the target's own, `scope` names its credential; "" where they are not known.
    """

    __slots__ = ("calls", "marked", "names", "output_tool", "protocol", "scope", "seen", "wrapped")

    def __init__(self, messages: Iterable[Message], protocol: str, scope: str = "") -> None:
        self.protocol = protocol
        self.scope = scope
        self.names: dict[str, ToolName] = {}
        self.wrapped: set[tuple[str | None, str]] = set()
        self.output_tool: str | None = None
        self.look(messages)

    def look(self, messages: Iterable[Message]) -> None:
        """Walk the conversation once."""
        seen = 0
        calls: list[ToolCall] = []
        marked: list[tuple[int, Markable]] = []
        before = role = ""
        turns = False
        for i, message in enumerate(messages):
            role = message.role
            if role == "system":
                if turns:
                    seen |= LATE_SYSTEM
            else:
                if not turns:
                    turns = True
                    if role == "assistant":
                        seen |= ASSISTANT_FIRST
                if role == before:
                    seen |= NEIGHBOURS
            before = role
            if not message.parts:
                seen |= EMPTY
            for part in message.parts:
                if type(part) is Text:  # nearly every part: looked at here and not in a function
                    if not part.text or part.text.isspace():
                        seen |= BLANK
                    if part.cache is not None:
                        seen |= MARKS
                        marked.append((i, part))
                    if part.tokens:
                        seen |= TOKENS
                else:
                    flags = _call_flags(part, calls) if type(part) is ToolCall else _flags(part)
                    seen |= flags
                    if flags & MARKS:
                        marked.extend((i, x) for x in _marked(part))
        if role == "assistant":
            seen |= ASSISTANT_LAST
        self.seen = seen if turns else seen | NO_TURNS
        self.calls = calls
        self.marked = marked


def _marked(part: Part) -> list[Markable]:
    inner = [x for x in part.parts if not isinstance(x, UNMARKED) and x.cache is not None] if isinstance(part, ToolResult) else []
    return inner if isinstance(part, UNMARKED) or part.cache is None else [*inner, part]


def _text_flags(part: Text) -> int:
    seen = 0
    if not part.text or part.text.isspace():
        seen = BLANK
    return seen | MARKS if part.cache is not None else seen


def _call_flags(part: ToolCall, calls: list[ToolCall]) -> int:
    seen = 0
    if part.runs == "client":
        seen = CALLS
        calls.append(part)
    else:
        seen = RUNS
    if part.custom:
        seen |= CUSTOM
    if part.namespace is not None:
        seen |= NAMESPACED
    if part.tokens:
        seen |= TOKENS
    return seen | MARKS if part.cache is not None else seen


def _flags(part: Part) -> int:
    """The flags of a part that is neither text nor a call."""
    if isinstance(part, ToolResult):
        seen = RESULTS if part.runs == "client" else RUNS
        if part.custom:
            seen |= CUSTOM
        for inner in part.parts:
            flags = _text_flags(inner) if isinstance(inner, Text) else _flags(inner)
            seen |= flags | RESULT_MEDIA if flags & MEDIA else flags
    elif isinstance(part, Reasoning):
        seen = REASONING | TOKENS if part.tokens else REASONING
    elif isinstance(part, Media):
        seen = MEDIA | TOKENS if part.tokens else MEDIA
    elif isinstance(part, ToolReference):
        return REFERENCES
    else:
        seen = 0
    return seen | MARKS if getattr(part, "cache", None) is not None else seen


Edit = Callable[[Part, Message], tuple[Part, ...] | None]
"""What to put in place of a part; None leaves it as it is."""


def edited(messages: tuple[Message, ...], edit: Edit) -> tuple[Message, ...]:
    """The messages with `edit` done to every part; the same object where nothing changed."""
    out: list[Message] | None = None
    for index, message in enumerate(messages):
        parts: list[Part] | None = None
        for at, part in enumerate(message.parts):
            instead = edit(part, message)
            if instead is None:
                if parts is not None:
                    parts.append(part)
            else:
                if parts is None:
                    parts = list(message.parts[:at])
                parts.extend(instead)
        if parts is not None:
            if out is None:
                out = list(messages[:index])
            out.append(replace(message, parts=tuple(parts)))
        elif out is not None:
            out.append(message)
    return messages if out is None else tuple(out)


def blank(part: Part) -> bool:
    """Is this text of white space only?"""
    return isinstance(part, Text) and (not part.text or part.text.isspace())


def is_client_call(part: Part) -> bool:
    """A call the client runs."""
    return isinstance(part, ToolCall) and part.runs == "client"


def is_client_result(part: Part) -> bool:
    """The result of a call the client ran."""
    return isinstance(part, ToolResult) and part.runs == "client"


def reasoning_asked(request: Request) -> bool:
    """Did the client say anything about reasoning but how to show it?"""
    ask = request.reasoning
    return ask is not None and not (ask.mode is None and ask.effort is None and ask.budget_tokens is None)


def reasoning_on(request: Request, facts: Facts) -> bool:
    """Will the model reason in this call?"""
    if not reasoning_asked(request):
        return facts.reasoning_default_on
    if facts.reasoning_input == "none":
        return facts.reasoning_default_on
    if wants_off(request):
        return facts.reasoning_default_on and not facts.reasoning_can_disable
    return True


def wants_off(request: Request) -> bool:
    """Did the client ask for no reasoning?"""
    ask = request.reasoning
    if ask is None:
        return False
    return ask.mode == "off" or (ask.mode is None and (ask.effort == "none" or (ask.effort is None and ask.budget_tokens == 0)))
