"""`fold`: a stream of events -> the whole answer. `unfold`: an answer -> a legal stream. `fold(unfold(r)) == r`."""

from collections.abc import Iterable

from msgspec.structs import replace

from .errors import ApiError
from .events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from .messages import Citation, Extras, Inline, Media, Native, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from .response import Finish, Response, Usage


def fold(events: Iterable[Event]) -> Response:
    """The answer a whole stream adds up to. Raises the stream's own `ApiError` when it failed."""
    folder = Folder()
    for event in events:
        folder.add(event)
    return folder.response()


class Folder:
    """Adds up a stream as it comes. `parts` are the closed ones so far, `live` the open one."""

    __slots__ = ("_attached", "_text", "begin", "error", "extras", "finish", "live", "parts", "service_tier", "usage")

    def __init__(self) -> None:
        self.begin: Begin | None = None
        self.parts: list[Part] = []
        self.live: Part | None = None
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self.error: ApiError | None = None
        self.extras: Extras | None = None
        self.service_tier: str | None = None
        self._text: list[str] = []
        self._attached: list[Opaque | Citation | Extras] = []

    def add(self, event: Event) -> None:
        """Take the next event of a legal stream."""
        match event:
            case Delta(_, text):
                self._text.append(text)
            case Open(_, part):
                self.live, self._text, self._attached = part, [], []
            case Attach(_, value):
                self._attached.append(value)
            case Close():
                if self.live is not None:
                    self.parts.append(_complete(self.live, "".join(self._text), self._attached))
                self.live = None
            case UsageSeen(usage):
                self.usage = usage
            case Begin():
                self.begin, self.extras, self.service_tier = event, event.extras, event.service_tier
            case Finished(finish, extras, service_tier):
                self.finish, self.extras = finish, merge_extras(self.extras, extras)
                self.service_tier = service_tier or self.service_tier
            case Failed(error):
                self.error = error
            case Aside() | End():
                pass

    def response(self) -> Response:
        """The whole answer. Raises the stream's `ApiError`, or `upstream_incomplete` where it never finished."""
        if self.error is not None:
            raise self.error
        if self.begin is None or self.finish is None:
            raise ApiError("upstream_incomplete", "the upstream ended its stream without finishing the answer")
        return Response(
            self.begin.id, self.begin.model, tuple(self.parts), self.finish, self.usage, self.service_tier,
            self.begin.created_s, self.extras,
        )


def unfold(response: Response) -> list[Event]:
    """A legal stream that folds back to `response`."""
    events: list[Event] = [
        Begin(response.id, response.model, response.created_s, response.service_tier, response.extras)
    ]
    for index, part in enumerate(response.parts):
        start, text, attached = taken_apart(part)
        events.append(Open(index, start))
        if text:
            events.append(Delta(index, text))
        events.extend(Attach(index, value) for value in attached)
        events.append(Close(index))
    if response.usage is not None:
        events.append(UsageSeen(response.usage))
    events.append(Finished(response.finish))
    events.append(End())
    return events


def merge_extras(first: Extras | None, second: Extras | None) -> Extras | None:
    """Field by field, the second wins. Neither is changed."""
    if not first or not second:
        return first or second
    return {owner: {**first.get(owner, {}), **second.get(owner, {})} for owner in {**first, **second}}


def _complete(part: Part, text: str, attached: list[Opaque | Citation | Extras]) -> Part:
    """`part` with the text and the attachments that followed its `Open`."""
    match part:
        case Text() | Reasoning() | Refusal():
            whole: Part = replace(part, text=part.text + text) if text else part
        case ToolCall():
            written = part.arguments + text if part.arguments != "{}" else text
            whole = replace(part, arguments=written or ("" if part.custom else "{}"))
        case Media(source=Inline(data)):
            whole = replace(part, source=Inline(data + text)) if text else part
        case _:
            whole = part
    tokens = tuple(x for x in attached if isinstance(x, Opaque))
    citations = tuple(x for x in attached if isinstance(x, Citation))
    if tokens and isinstance(whole, (Text, Reasoning, ToolCall, Media)):
        whole = replace(whole, tokens=whole.tokens + tokens)
    if citations and isinstance(whole, Text):
        whole = replace(whole, citations=whole.citations + citations)
    for value in attached:
        if isinstance(value, dict) and not isinstance(whole, Native):
            whole = replace(whole, extras=merge_extras(whole.extras, value))
    return whole


def taken_apart(part: Part) -> tuple[Part, str, list[Opaque | Citation | Extras]]:
    """The reverse of `_complete`: what goes into `Open`, the text, the attachments."""
    match part:
        case Text(text, citations, _, tokens):
            return replace(part, text="", citations=(), tokens=()), text, [*citations, *tokens]
        case Reasoning(text):
            return replace(part, text="", tokens=()), text, list(part.tokens)
        case Refusal(text):
            return replace(part, text=""), text, []
        case ToolCall():
            empty = "" if part.custom else "{}"
            text = "" if part.arguments == empty else part.arguments
            return replace(part, arguments=empty), text, []
        case _:
            return part, "", []
