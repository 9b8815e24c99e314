"""Stream events: an answer as it is being written, and the one grammar they keep.

    stream := Begin (part | usage | aside)* Finish (usage | aside)* End      | any prefix, then Failed
    part   := Open(i) (Delta(i) | Attach(i) | usage | aside)* Close(i)       one open at a time, i = 0, 1, 2, ...

One part open at a time is the strictest common rule of the five protocols, so any decoder's output suits any encoder. Where an
upstream overlaps parts, its decoder uses `protocols.sequencer.Sequencer`.

`Open.part` is the part as known at its beginning: its type, ids and names; text or arguments still empty. What follows arrives
as `Delta` (text, reasoning text, argument text; base64 for media) and `Attach` (anything that is not text). Parts that come
whole (ToolResult, Native, ToolReference) stand complete in `Open`.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from .errors import ApiError
from .messages import Citation, Extras, Opaque, Part
from .response import Finish, Usage


class Begin(Struct, frozen=True):
    """First, once. `extras` are fields of the response object the decoder did not understand."""

    id: str
    model: str
    created_s: int | None = None
    service_tier: str | None = None
    extras: Extras | None = None


class Open(Struct, frozen=True):
    """Part `index` begins."""

    index: int
    part: Part


class Delta(Struct, frozen=True):
    """More text of part `index`: text, reasoning text, or a fragment of call arguments."""

    index: int
    text: str


class Attach(Struct, frozen=True):
    """Something that belongs to part `index` and is not text: opaque state, a citation, extras (merged field by field)."""

    index: int
    value: Opaque | Citation | dict[str, dict[str, Any]]


class Close(Struct, frozen=True):
    """Part `index` is complete."""

    index: int


class UsageSeen(Struct, frozen=True):
    """Cumulative usage so far; the last one wins."""

    usage: Usage


class Finished(Struct, frozen=True):
    """The content is over. `extras` and `service_tier` are response-level fields that came late; they win over `Begin`'s."""

    finish: Finish
    extras: Extras | None = None
    service_tier: str | None = None


class Aside(Struct, frozen=True):
    """A ping or a frame no decoder knows: shown to a client of the same protocol only. `ping` frames carry nothing."""

    protocol: str
    frame: Any
    ping: bool = False


class End(Struct, frozen=True):
    """Last, once."""


class Failed(Struct, frozen=True):
    """The stream broke. May follow any prefix; nothing follows it."""

    error: ApiError


Event = Begin | Open | Delta | Attach | Close | UsageSeen | Finished | Aside | End | Failed

# state -> {event type: next state}. `open` is inside a part; UsageSeen and Aside never change the state.
GRAMMAR: dict[str, dict[type, str]] = {
    "start": {Begin: "between", Failed: "over"},
    "between": {Open: "open", Finished: "finished", Failed: "over"},
    "open": {Delta: "open", Attach: "open", Close: "between", Failed: "over"},
    "finished": {End: "over", Failed: "over"},
    "over": {},
}
ANYWHERE = (UsageSeen, Aside)


class Checker:
    """Checks a stream against the grammar, event by event. Raises `ValueError` naming the state and the event."""

    __slots__ = ("index", "state")

    def __init__(self) -> None:
        self.state = "start"
        self.index = -1

    def feed(self, events: Iterable[Event]) -> None:
        """Check the next events."""
        for event in events:
            kind = type(event)
            if kind in ANYWHERE and self.state not in ("start", "over"):
                continue
            if kind is Aside and self.state == "start":
                continue
            after = GRAMMAR[self.state].get(kind)
            if after is None:
                raise ValueError(f"{event!r} is not legal in state {self.state!r}")
            if isinstance(event, Open):
                if event.index != self.index + 1:
                    raise ValueError(f"{event!r}: the next index is {self.index + 1}")
                self.index = event.index
            elif isinstance(event, (Delta, Attach, Close)) and event.index != self.index:
                raise ValueError(f"{event!r}: the open part is {self.index}")
            self.state = after

    def finish(self) -> None:
        """The stream must be over."""
        if self.state != "over":
            raise ValueError(f"the stream ends in state {self.state!r}")


def check(events: Iterable[Event]) -> None:
    """Raise `ValueError` unless `events` is one whole legal stream."""
    checker = Checker()
    checker.feed(events)
    checker.finish()
