"""History repair: every client-run call answered once, right after it, before anything else is said.

Sessions break when a client is interrupted, compacts its history or joins messages in its own way, and providers refuse such a
history for ever after. What is mended is reported (`repaired`), and nothing the user or a tool said is thrown away:

- a result without a call becomes visible text; a second result of one call is dropped when it says the same, else becomes text;
- a call that nobody answered gets an error result that says so; a call repeated under one id within a turn is dropped;
- a result that comes late is moved up to its call; an id used again by a later call is made unique (unreported: no meaning is lost).

Provider-run calls and results are left alone. One assistant turn may be several messages (as may the results), which is fine.
"""

from msgspec import Struct
from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import Message, Part, Text, ToolCall, ToolResult
from ..request import Request
from .walk import CALLS, RESULTS, Notes, edited, is_client_result

INTERRUPTED = "The call was interrupted: there is no result."


def repair_history(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Calls and results paired."""
    if not notes.seen & (CALLS | RESULTS):
        return request
    messages = request.messages
    if not _paired(messages, facts.results_in_call_order):
        messages = _mend(_unique_ids(messages), facts.results_in_call_order, ledger)
    return request if messages is request.messages else replace(request, messages=messages)


def _paired(messages: tuple[Message, ...], in_order: bool) -> bool:
    """Is every call answered once, by a result that stands right after it?"""
    used: set[str] = set()
    waiting: dict[str, None] = {}
    said_more = False  # something other than a result has been said since the last assistant message
    for message in messages:
        if message.role == "assistant":
            if said_more and waiting:
                return False
            for part in message.parts:
                if type(part) is ToolCall and part.runs == "client":
                    if part.id in used:
                        return False
                    used.add(part.id)
                    waiting[part.id] = None
                    said_more = False
                elif type(part) is ToolResult and part.runs == "client":
                    return False
            continue
        for part in message.parts:
            if type(part) is ToolResult and part.runs == "client":
                if said_more or part.call_id not in waiting or (in_order and next(iter(waiting)) != part.call_id):
                    return False
                del waiting[part.call_id]
            elif waiting:
                return False
            else:
                said_more = True
        if message.role == "system" and not message.parts and waiting:
            return False
    return not waiting


def _unique_ids(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """An id that a later turn's call uses again gets a number; results follow the newest call before them.

    A repetition inside the turn that is still waiting for its results is a duplicate, which `_mend` drops.
    """
    now: dict[str, str] = {}  # the client's id -> the id in force
    taken = {part.id for message in messages for part in message.parts if isinstance(part, ToolCall)}
    current: set[str] = set()  # ids called in this assistant turn
    return tuple(_with_unique_ids(message, now, taken, current) for message in messages)


def _with_unique_ids(message: Message, now: dict[str, str], taken: set[str], current: set[str]) -> Message:
    """One message under the ids in force; they are updated as it is read."""
    parts: list[Part] = []
    changed = False
    if message.role != "assistant":
        current.clear()
    for part in message.parts:
        if isinstance(part, ToolCall) and part.runs == "client":
            if part.id in now and part.id not in current:
                number = 2
                while f"{part.id}_{number}" in taken:
                    number += 1
                now[part.id] = f"{part.id}_{number}"
                taken.add(now[part.id])
            fresh = now.setdefault(part.id, part.id)
            current.add(part.id)
            if fresh != part.id:
                part, changed = replace(part, id=fresh), True
        elif isinstance(part, ToolResult) and part.runs == "client":
            current.clear()
            fresh = now.get(part.call_id, part.call_id)
            if fresh != part.call_id:
                part, changed = replace(part, call_id=fresh), True
        parts.append(part)
    return replace(message, parts=tuple(parts)) if changed else message


class _Answer(Struct):
    """A result, the message it stood in, and the number of the turn it stood after."""

    result: ToolResult
    message: Message
    turn: int


def _mend(messages: tuple[Message, ...], in_order: bool, ledger: Ledger) -> tuple[Message, ...]:
    """The conversation turn by turn: assistant messages, the results of their calls, then what else was said."""
    turns = _turns(messages)
    answers: dict[str, list[_Answer]] = {}
    for number, (_, said) in enumerate(turns):
        for message in said:
            for part in message.parts:
                if isinstance(part, ToolResult) and part.runs == "client":
                    answers.setdefault(part.call_id, []).append(_Answer(part, message, number))
    used: set[int] = set()
    out: list[Message] = []
    answered: dict[str, ToolResult] = {}
    for number, (spoken, said) in enumerate(turns):
        calls: list[ToolCall] = []
        out.extend(_without_repeated_calls(spoken, calls, ledger))
        chosen = [_answer(call, number, answers, ledger) for call in calls]
        if not in_order:
            chosen.sort(key=lambda answer: _position(answer, number, said))
        used.update(id(answer.result) for answer in chosen)
        answered.update((answer.result.call_id, answer.result) for answer in chosen)
        rest = [_without_results(message, used, answered, ledger) for message in said]
        out.extend(_joined(chosen, rest, said, number, ledger))
    return tuple(out)


def _turns(messages: tuple[Message, ...]) -> list[tuple[list[Message], list[Message]]]:
    """Runs of assistant messages, each with the messages of others that follow it. The first run may be empty."""
    turns: list[tuple[list[Message], list[Message]]] = [([], [])]
    for message in messages:
        spoken, said = turns[-1]
        if message.role != "assistant":
            said.append(message)
        elif any(is_client_result(part) for part in message.parts):
            # A result in the assistant's own message: what follows it in that message is a turn of its own.
            _split_turn(message, turns)
        elif said:
            turns.append(([message], []))
        else:
            spoken.append(message)
    return turns


def _split_turn(message: Message, turns: list[tuple[list[Message], list[Message]]]) -> None:
    """Cut an assistant message at its client-run results, which move to user messages."""
    for part in message.parts:
        own = "user" if is_client_result(part) else "assistant"
        spoken, said = turns[-1]
        if own == "user":
            said.append(replace(message, role="user", parts=(part,), name=None, extras=None))
        elif said:
            turns.append(([replace(message, parts=(part,))], []))
        elif spoken and spoken[-1].at == message.at:
            spoken[-1] = replace(spoken[-1], parts=(*spoken[-1].parts, part))
        else:
            spoken.append(replace(message, parts=(part,)))


def _without_repeated_calls(spoken: list[Message], calls: list[ToolCall], ledger: Ledger) -> list[Message]:
    """The assistant messages of one turn; their client-run calls are added to `calls`."""
    ids: set[str] = set()

    def edit(part: Part, message: Message) -> tuple[Part, ...] | None:
        if not isinstance(part, ToolCall) or part.runs != "client":
            return None
        if part.id in ids:
            ledger.repair(part.at, "duplicate_tool_call", "content", f"a second call with the id {part.id!r} in one turn")
            return ()
        ids.add(part.id)
        calls.append(part)
        return None

    before = tuple(spoken)
    return [message for message, old in zip(edited(before, edit), before, strict=True) if message.parts or message is old]


def _answer(call: ToolCall, turn: int, answers: dict[str, list[_Answer]], ledger: Ledger) -> _Answer:
    """The first result of a call at or after its turn, else one that says there is none."""
    for answer in answers.get(call.id, ()):
        if answer.turn >= turn:
            if answer.turn > turn:
                ledger.repair(answer.result.at, "tool_result_order", "content", "moved up to its call")
            return answer
    ledger.repair(call.at, "unanswered_tool_call", "content", "an error result was added: the call has none")
    result = ToolResult(
        call.id, (Text(INTERRUPTED, at=call.at),), name=call.name, is_error=True, custom=call.custom, at=call.at
    )
    return _Answer(result, Message("user", (result,), at=call.at), turn)


def _position(answer: _Answer, turn: int, said: list[Message]) -> int:
    """Results keep the order the client gave them in; those from elsewhere come last."""
    if answer.turn == turn:
        place = 0
        for message in said:
            for part in message.parts:
                if part is answer.result:
                    return place
                place += 1
    return 1 << 30


def _without_results(
    message: Message, used: set[int], answered: dict[str, ToolResult], ledger: Ledger
) -> Message:
    """A user or system message without the results that have gone to their calls; other results become text, or go."""
    parts: list[Part] = []
    for part in message.parts:
        if not isinstance(part, ToolResult) or part.runs != "client":
            parts.append(part)
        elif id(part) in used:
            continue
        elif (first := answered.get(part.call_id)) is not None and _words(first) == _words(part):
            ledger.repair(part.at, "duplicate_tool_result", "content", f"a second result of the call {part.call_id!r}")
        else:
            ledger.repair(part.at, "orphan_tool_result", "content", f"no call {part.call_id!r} before it: shown as text")
            parts.extend(as_text(part))
    return message if len(parts) == len(message.parts) and all(map(_same, parts, message.parts)) else replace(message, parts=tuple(parts))


def _same(first: Part, second: Part) -> bool:
    return first is second


def _words(result: ToolResult) -> tuple[str, ...]:
    return tuple(part.text if isinstance(part, Text) else repr(part) for part in result.parts)


def as_text(result: ToolResult) -> tuple[Part, ...]:
    """A result as parts of a user turn: a line that says what it is, then what it holds."""
    word = "Error from" if result.is_error else "Result of"
    head = f"[{word} tool {result.name}]" if result.name else f"[{word} a tool call]"
    if result.parts and isinstance(result.parts[0], Text):
        first = result.parts[0]
        return replace(first, text=f"{head}\n{first.text}", at=result.at, cache=result.cache or first.cache), *result.parts[1:]
    return Text(head, cache=result.cache, at=result.at), *result.parts


def _joined(
    chosen: list[_Answer], rest: list[Message], said: list[Message], turn: int, ledger: Ledger
) -> list[Message]:
    """Results first, in messages as the client had them, then the rest. A message that lost nothing but its place is kept whole."""
    out: list[Message] = []
    sources: list[Message] = []
    for answer in chosen:
        if sources and sources[-1] is answer.message:
            out[-1] = replace(out[-1], parts=(*out[-1].parts, answer.result))
        else:
            sources.append(answer.message)
            out.append(replace(answer.message, parts=(answer.result,)))
    _report_order(chosen, said, turn, ledger)
    for before, message in zip(said, rest, strict=True):
        if message is not before and not message.parts:
            continue
        if sources and sources[-1] is before and before.role == "user" and message.parts and out[-1].role == "user":
            out[-1] = replace(out[-1], parts=(*out[-1].parts, *message.parts))
            sources.append(before)
        else:
            sources.append(before)
            out.append(message)
    return out


def _report_order(chosen: list[_Answer], said: list[Message], turn: int, ledger: Ledger) -> None:
    """Report results of this turn that stood behind something else (calls' order alone is no loss and not reported)."""
    own = {id(answer.result) for answer in chosen if answer.turn == turn}
    behind = False
    for message in said:
        for part in message.parts:
            if id(part) not in own:
                behind = True
            elif behind and isinstance(part, ToolResult):
                ledger.repair(part.at, "tool_result_order", "content", "moved before other parts of the turn")
