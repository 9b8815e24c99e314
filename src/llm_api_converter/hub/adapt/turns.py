"""The shape of the conversation: where system text may stand, who begins, who ends, blank text, neighbouring turns.

Runs after everything that removes or moves parts, so that what it leaves is final.
"""

from msgspec.structs import replace

from ..facts import Facts
from ..fold import merge_extras
from ..ledger import Ledger
from ..messages import Message, Native, Part, Text, ToolCall, ToolResult
from ..request import Request
from .walk import ASSISTANT_FIRST, ASSISTANT_LAST, BLANK, EMPTY, LATE_SYSTEM, NEIGHBOURS, NO_TURNS, Notes, blank, edited, is_client_result

FILLER = "."
"""The smallest visible text, where a target refuses blank text or needs a turn that is not there."""
GO_ON = "Continue."


def place_system(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """System text after the first turn becomes user text where it may not stand. Leading system text stays for the encoders."""
    if facts.system_inline or not notes.seen & LATE_SYSTEM:
        return request
    out: list[Message] = []
    turns = False
    for message in request.messages:
        if message.role != "system":
            turns = True
        elif turns:
            ledger.approximate(message.at, "system_inline", "tuning", "system text in mid-conversation is sent as user text")
            message = replace(message, role="user", spelled=None)
        out.append(message)
    return replace(request, messages=tuple(out))


def drop_blanks(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Blank text goes where it is refused. In a result that holds nothing else a visible dot stands for it."""
    if facts.blank_text or not notes.seen & (BLANK | EMPTY):
        return request

    def edit(part: Part, _: Message) -> tuple[Part, ...] | None:
        if isinstance(part, ToolResult):
            return _filled_result(part, ledger)
        return _without_blank(part, ledger)

    messages = edited(request.messages, edit) if notes.seen & BLANK else request.messages
    if not all(message.parts or message.role != "system" for message in messages):
        messages = tuple(message for message in messages if message.parts or message.role != "system")
    return request if messages is request.messages else replace(request, messages=messages)


def fill_empty(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """A turn with nothing in it gets a visible dot where blank text is refused; an assistant's at the end goes."""
    if facts.blank_text or not notes.seen & EMPTY:
        return request
    out: list[Message] = []
    for index, message in enumerate(request.messages):
        if not message.parts:
            ledger.repair(message.at, "empty_message", "content")
            if message.role == "assistant" and index == len(request.messages) - 1:
                continue
            message = replace(message, parts=(Text(FILLER, at=message.at),))
        out.append(message)
    return replace(request, messages=tuple(out))


def _without_blank(part: Part, ledger: Ledger) -> tuple[Part, ...] | None:
    """A blank text part goes; what it carried (a mark, tokens) goes with it."""
    if not isinstance(part, Text) or not blank(part):
        return None
    ledger.repair(part.at, "blank_text", "content")
    if part.cache is not None:
        ledger.drop(part.cache.path(part.at), "cache_control", "cache", "it stood on blank text")
    return ()


def _filled_result(result: ToolResult, ledger: Ledger) -> tuple[Part, ...] | None:
    """A result without its blank parts, or with a dot where nothing else is in it."""
    if not any(map(blank, result.parts)):
        return None
    for part in result.parts:
        _without_blank(part, ledger)
    kept = tuple(part for part in result.parts if not blank(part))
    return (replace(result, parts=kept or (Text(FILLER, at=result.at),), json=result.json and bool(kept)),)


def begin_and_end(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """A user turn first where it must be, and last where the target does not go on writing an assistant turn."""
    messages = request.messages
    if facts.first_role_user and notes.seen & (ASSISTANT_FIRST | NO_TURNS):
        lead = 0
        while lead < len(messages) and messages[lead].role == "system":
            lead += 1
        at = messages[lead].at if lead < len(messages) else "messages"
        ledger.repair(at, "first_turn", "content", "a user turn was put first")
        messages = (*messages[:lead], Message("user", (Text(FILLER, at=at),), at=at), *messages[lead:])
    if not facts.prefill and notes.seen & ASSISTANT_LAST and not _runs_on(messages[-1]):
        at = messages[-1].at
        ledger.approximate(at, "prefill", "tuning", "the target does not go on with an assistant turn: it is asked to continue")
        messages = (*messages, Message("user", (Text(GO_ON, at=at),), at=at))
    return request if messages is request.messages else replace(request, messages=messages)


def _runs_on(message: Message) -> bool:
    """Is this a paused turn: provider-run calls wait for the provider to go on?"""
    return any(
        (isinstance(part, (ToolCall, ToolResult)) and part.runs == "provider") or isinstance(part, Native) for part in message.parts
    )


def merge_turns(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Neighbouring turns of one role become one, results first, where roles must alternate. Nothing is lost by it.

    Where all results of a turn must stand together, neighbouring user turns that begin with results are joined too.
    """
    if not notes.seen & NEIGHBOURS or not (facts.roles_alternate or facts.results_in_call_order):
        return request
    out: list[Message] = []
    for message in request.messages:
        last = out[-1] if out else None
        if last is None or last.role != message.role or message.role == "system":
            out.append(message)
        elif facts.roles_alternate or (_only_results(last) and _only_results(message)):
            out[-1] = _merged(last, message, ledger)
        else:
            out.append(message)
    return request if len(out) == len(request.messages) else replace(request, messages=tuple(out))


def _only_results(message: Message) -> bool:
    return bool(message.parts) and all(map(is_client_result, message.parts))


def _merged(first: Message, second: Message, ledger: Ledger) -> Message:
    """One message with the parts of both, client-run results first."""
    if second.name is not None and second.name != first.name:
        ledger.drop(f"{second.at}.name", "name", "tuning", "its turn was joined with the one before")
    parts = (*first.parts, *second.parts)
    if any(map(is_client_result, second.parts)):
        results = tuple(part for part in parts if is_client_result(part))
        parts = (*results, *(part for part in parts if not is_client_result(part)))
    return replace(first, parts=parts, extras=merge_extras(first.extras, second.extras))
