"""Seals on answers going out to a client (`SealWriter`) and on requests coming back (`open_seals`).

Out: every reasoning part gets exactly one token of kind `seal` just before its `Close`, with or without state of the upstream's own:
a later turn then knows whose reasoning it is. Where a client keeps state for us is its codec's `seals`:

- `reasoning`: in reasoning items only. State of a tool call rides on the reasoning part right before it, else on an empty one put
  there (a *carrier*). State of a visible part waits for the reasoning part or call that follows it; where none does it is given
  up, for an empty reasoning part is never put in front of plain text.
- `fields`: each part keeps its own.
- `late`: the client drops reasoning, so a seal holds it whole: on the next client-run tool call, else on an empty text part at the end.

In: a seal that proves genuine gives back what it holds, where it belongs. A seal that does not is dropped and reported, and so is state
whose part is gone. Tokens that are no seals stay as the decoder left them.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec.structs import replace

from .events import Attach, Close, Delta, Event, Failed, Finished, Open
from .fold import fold, unfold
from .ledger import Ledger
from .messages import Media, Message, Opaque, Part, Reasoning, Text, ToolCall
from .request import Request
from .response import Response
from .seal import BadSeal, Sealed, Sealer, Thought, is_seal

Style = Literal["reasoning", "fields", "late"]
Holder = Text | Media | Reasoning | ToolCall
"""The parts that have tokens."""


class SealWriter:
    """Seals one answer of one upstream call. `realm` and `scope` are the target's; `origin` names whose reasoning it is where the
    target issues no tokens (`realm` ""). Legal streams stay legal; `Delta`s are never held.
    """

    __slots__ = (
        "_after_text", "_earlier", "_gathered", "_held", "_lifted", "_part", "_realm", "_scope", "_sealer", "_shift", "_style",
        "_thoughts", "_tokens", "_upstream_index", "_visible",
    )  # fmt: skip

    def __init__(self, sealer: Sealer, realm: str, scope: str, style: Style, origin: str = "") -> None:
        self._sealer = sealer
        self._realm = realm or origin
        self._scope = scope
        self._style = style
        self._shift = 0  # how many parts have been put in
        self._upstream_index = -1
        self._part: Part | None = None  # the open part
        self._tokens: list[Opaque] = []  # what came with it
        self._lifted = 0  # how many of its coming attachments have been sealed already
        self._held: tuple[Opaque, ...] | None = None  # tokens of a reasoning part whose seal and Close wait for the next event
        self._visible: tuple[Opaque, ...] = ()  # waiting: state of the last visible part
        self._earlier: tuple[Opaque, ...] = ()  # waiting: state of a call that came after the call had begun
        self._gathered: list[str] | None = None  # late: the open reasoning's text
        self._thoughts: list[Thought] = []  # late: reasoning no seal holds yet
        self._after_text = False

    def response(self, response: Response) -> Response:
        """A whole answer, sealed as its stream would be."""
        if not any(isinstance(x, Reasoning) or (isinstance(x, (Text, Media, ToolCall)) and x.tokens) for x in response.parts):
            return response
        return fold(self.events(unfold(response)))

    def events(self, events: list[Event]) -> list[Event]:
        """The next events of a stream, sealed."""
        if not self._shift and self._gathered is None:
            for event in events:
                if type(event) is not Delta:
                    break
            else:
                return events
        out: list[Event] = []
        for i, event in enumerate(events):
            if type(event) is Delta:
                if self._gathered is not None:
                    self._gathered.append(event.text)
                out.append(Delta(event.index + self._shift, event.text) if self._shift else event)
                continue
            match event:
                case Open(_, part):
                    self._open(event, _tokens_ahead(events, i) if _client_call(part) else [], out)
                case Attach(index, value):
                    if not isinstance(value, Opaque):
                        out.append(Attach(index + self._shift, value))
                    elif self._lifted:
                        self._lifted -= 1
                    else:
                        self._tokens.append(value)
                case Close():
                    self._close(out)
                case Finished() | Failed():
                    self._over(isinstance(event, Finished), out)
                    out.append(event)
                case _:
                    out.append(event)
        return out

    def _open(self, event: Open, ahead: list[Opaque], out: list[Event]) -> None:
        """A part begins. Its tokens leave it; those of a call are sealed now, with all that is already known of them."""
        part = event.part
        own: tuple[Opaque, ...] = part.tokens if isinstance(part, Holder) else ()
        self._upstream_index, self._lifted, self._tokens = event.index, 0, []
        sealed: Sealed | None = None
        if self._style != "fields" and _client_call(part):
            own, self._lifted = (*own, *ahead), len(ahead)
            sealed = self._call_sealed(own, out)
        else:
            self._release((), event.index - 1, out)
            self._tokens.extend(own)
        if self._style == "late":
            self._gathered = [part.text] if isinstance(part, Reasoning) else None
            self._after_text = self._after_text or not isinstance(part, Reasoning)
        self._part = part
        out.append(Open(event.index + self._shift, replace(part, tokens=()) if isinstance(part, Holder) and part.tokens else part))
        if sealed is not None:
            out.append(self._attach(event.index, sealed))

    def _call_sealed(self, tokens: tuple[Opaque, ...], out: list[Event]) -> Sealed | None:
        """A client-run call is about to open: its state and what waits go into a seal before it, or (late) are given back for it."""
        index = self._upstream_index
        if self._style == "late":
            if not (tokens or self._waits()):
                return None
            return self._late_seal(tokens, carrier=False)
        if self._held is not None:
            self._release(tokens, index - 1, out)
        elif tokens or self._waits():
            self._carrier(tokens, index, out)
        return None

    def _close(self, out: list[Event]) -> None:
        """The open part is complete."""
        part, tokens = self._part, tuple(self._tokens)
        self._part = None
        if self._style == "reasoning" and isinstance(part, Reasoning):
            self._held = tokens
            return
        if self._style == "fields":
            if isinstance(part, Reasoning):
                out.append(self._attach(self._upstream_index, self._sealed(tokens=tokens)))
            elif tokens and isinstance(part, Holder):
                own = self._sealed(call_tokens=tokens) if isinstance(part, ToolCall) else self._sealed(text_tokens=tokens)
                out.append(self._attach(self._upstream_index, own))
        elif isinstance(part, Reasoning):
            text, self._gathered = "".join(self._gathered or ()), None
            self._thoughts.append(Thought(text, part.summary, part.redacted, tokens, self._after_text))
        elif part is not None and _client_call(part):
            self._earlier = tokens or self._earlier
            self._after_text = False
        elif isinstance(part, Holder):
            self._visible = tokens
        out.append(Close(self._upstream_index + self._shift))

    def _over(self, finished: bool, out: list[Event]) -> None:
        """The content is over: what still waits and has a place gets one."""
        self._release((), self._upstream_index, out)
        if finished and (self._earlier or (self._style == "late" and self._waits())):
            self._carrier((), self._upstream_index + 1, out)

    def _waits(self) -> bool:
        return bool(self._visible or self._earlier or self._thoughts)

    def _release(self, call_tokens: tuple[Opaque, ...], index: int, out: list[Event]) -> None:
        """Seal and close the reasoning part (upstream's `index`) that waited for its successor."""
        if self._held is None:
            return
        out.append(self._attach(index, self._sealed(tokens=self._held, call_tokens=call_tokens)))
        out.append(Close(index + self._shift))
        self._held = None

    def _carrier(self, call_tokens: tuple[Opaque, ...], index: int, out: list[Event]) -> None:
        """Put in an empty part that only carries a seal, where upstream's part `index` would stand."""
        if self._style == "late":
            part, sealed = Text(""), self._late_seal(call_tokens, carrier=True)
            out.append(Open(index + self._shift, part))
        else:
            sealed = self._sealed(call_tokens=call_tokens, carrier=True)
            out.append(Open(index + self._shift, Reasoning("")))
        out.append(self._attach(index, sealed))
        out.append(Close(index + self._shift))
        self._shift += 1

    def _late_seal(self, call_tokens: tuple[Opaque, ...], carrier: bool) -> Sealed:
        thoughts, self._thoughts = tuple(self._thoughts), []
        return self._sealed(call_tokens=call_tokens, thoughts=thoughts, carrier=carrier)

    def _sealed(
        self,
        *,
        tokens: tuple[Opaque, ...] = (),
        call_tokens: tuple[Opaque, ...] = (),
        text_tokens: tuple[Opaque, ...] = (),
        thoughts: tuple[Thought, ...] = (),
        carrier: bool = False,
    ) -> Sealed:
        """A seal's content, with what waited for the next seal."""
        visible, self._visible = text_tokens or self._visible, ()
        earlier, self._earlier = self._earlier, ()
        return Sealed(self._realm, self._scope, tokens, call_tokens, visible, earlier, carrier, thoughts)

    def _attach(self, index: int, sealed: Sealed) -> Attach:
        return Attach(index + self._shift, Opaque("seal", "seal", self._sealer.seal(sealed)))


def _client_call(part: Part) -> bool:
    return isinstance(part, ToolCall) and part.runs == "client"


def _tokens_ahead(events: Sequence[Event], at: int) -> list[Opaque]:
    """The tokens that follow the `Open` at `at` for the same part, as far as they are in this batch."""
    found: list[Opaque] = []
    for event in events[at + 1 :]:
        if isinstance(event, Attach) and isinstance(event.value, Opaque):
            found.append(event.value)
        elif isinstance(event, Close):
            break
    return found


def open_seals(request: Request, sealer: Sealer, ledger: Ledger) -> Request:
    """The request with every seal's content back in its place. Never raises; what fails is a loss of class *state*."""
    if not any(_tokens(part) for message in request.messages for part in message.parts):
        return request
    opener = _Opener(sealer, ledger)
    for message in request.messages:
        opener.message(message)
    return replace(request, messages=opener.messages())


class _Opener:
    """Walks the history once. State that belongs to a part already passed or still to come finds it within one run of assistant
    messages (some protocols make a message of every item).
    """

    __slots__ = ("_call", "_done", "_ledger", "_parts", "_pending", "_pending_at", "_sealer", "_segment", "_visible")

    def __init__(self, sealer: Sealer, ledger: Ledger) -> None:
        self._sealer = sealer
        self._ledger = ledger
        self._done: list[tuple[Message, list[Part]]] = []
        self._parts: list[Part] = []
        self._segment = 0  # where in `_parts` the stretch after the last call begins
        self._pending: tuple[Opaque, ...] = ()  # for the next call
        self._pending_at = ""
        self._visible: tuple[list[Part], int] | None = None
        self._call: tuple[list[Part], int] | None = None

    def messages(self) -> tuple[Message, ...]:
        """The whole history. A message that held nothing but carriers is gone."""
        self._turn_over()
        return tuple(
            message if _same(message.parts, parts) else replace(message, parts=tuple(parts))
            for message, parts in self._done
            if parts or not message.parts
        )

    def message(self, message: Message) -> None:
        """The next message."""
        if message.role == "user":
            self._turn_over()
        self._parts, self._segment = [], 0
        self._done.append((message, self._parts))
        for part in message.parts:
            self._part(part)

    def _turn_over(self) -> None:
        if self._pending:
            self._lost(self._pending_at, "the tool call it belongs to is gone")
        self._pending, self._visible, self._call = (), None, None

    def _part(self, part: Part) -> None:
        tokens = _tokens(part)
        here: Part | None = self._opened(part, tokens) if isinstance(part, Holder) and any(is_seal(x.data) for x in tokens) else part
        if here is None:
            return
        if self._pending and isinstance(here, ToolCall) and _client_call(here):
            here, self._pending = replace(here, tokens=self._pending + here.tokens), ()
        place = self._parts, len(self._parts)
        self._parts.append(here)
        if _client_call(here):
            self._call, self._segment = place, len(self._parts)
        elif isinstance(here, (Text, Media, ToolCall)):
            self._visible = place

    def _opened(self, part: Holder, tokens: tuple[Opaque, ...]) -> Holder | None:
        """The part with its seals opened; None where nothing of it remains."""
        own: list[Opaque] = []
        carrier = failed = False
        for token in tokens:
            if not is_seal(token.data):
                own.append(token)
                continue
            try:
                sealed = self._sealer.open(token.data)
            except BadSeal as e:
                self._lost(part.at, f"{e}")
                failed = True
                continue
            self._elsewhere(sealed, part)
            own.extend(_own_tokens(sealed, part))
            carrier = carrier or sealed.carrier
            if isinstance(part, Reasoning):
                part = replace(part, origin=sealed.realm)
        if (carrier or failed) and not own and _blank(part):
            return None
        return replace(part, tokens=tuple(own))

    def _elsewhere(self, sealed: Sealed, part: Holder) -> None:
        """What a seal on `part` holds for other parts."""
        if not _is_own(sealed, part):
            self._give(self._visible, sealed.text_tokens, part.at)
        self._give(self._call, sealed.earlier_call_tokens, part.at)
        if sealed.call_tokens and not isinstance(part, ToolCall):
            self._pending, self._pending_at = self._pending + sealed.call_tokens, part.at
        thoughts = sealed.thoughts
        if sealed.tokens and not isinstance(part, Reasoning):
            thoughts = (*thoughts, Thought(tokens=sealed.tokens))
        if thoughts:
            self._put_back(thoughts, sealed.realm, part.at)

    def _put_back(self, thoughts: tuple[Thought, ...], realm: str, at: str) -> None:
        """Reasoning from inside a seal replaces what the client may have echoed of it."""
        parts, start = self._parts, self._segment
        rest = [x for x in parts[start:] if not (isinstance(x, Reasoning) and not x.tokens and not x.origin)]
        first = [_reasoning(x, realm, at) for x in thoughts if not x.after_text]
        last = [_reasoning(x, realm, at) for x in thoughts if x.after_text]
        parts[start:] = [*first, *rest, *last]
        if self._visible is not None and self._visible[0] is parts and self._visible[1] >= start:
            moved = [i for i, x in enumerate(parts) if i >= start and isinstance(x, (Text, Media, ToolCall))]
            self._visible = (parts, moved[-1]) if moved else None

    def _give(self, place: tuple[list[Part], int] | None, tokens: tuple[Opaque, ...], at: str) -> None:
        if not tokens:
            return
        holder = place[0][place[1]] if place is not None else None
        if place is None or not isinstance(holder, Holder):
            self._lost(at, "the part it belongs to is gone")
            return
        place[0][place[1]] = replace(holder, tokens=holder.tokens + tokens)

    def _lost(self, at: str, why: str) -> None:
        self._ledger.drop(at, "seal", "state", why)


def _tokens(part: Part) -> tuple[Opaque, ...]:
    return part.tokens if isinstance(part, Holder) else ()


def _is_own(sealed: Sealed, part: Holder) -> bool:
    """Are the seal's `text_tokens` for the very part it sits on? A carrier that a client merged with text is that text."""
    return isinstance(part, (Text, Media)) and not (sealed.carrier and _blank(part))


def _own_tokens(sealed: Sealed, part: Holder) -> tuple[Opaque, ...]:
    if isinstance(part, Reasoning):
        return sealed.tokens
    if isinstance(part, ToolCall):
        return sealed.call_tokens
    return sealed.text_tokens if _is_own(sealed, part) else ()


def _blank(part: Holder) -> bool:
    return isinstance(part, (Text, Reasoning)) and not part.text


def _reasoning(thought: Thought, realm: str, at: str) -> Reasoning:
    return Reasoning(thought.text, thought.summary, thought.tokens, thought.redacted, None, realm, None, at)


def _same(before: tuple[Part, ...], after: list[Part]) -> bool:
    return len(before) == len(after) and all(a is b for a, b in zip(before, after, strict=True))
