"""Reasoning and opaque tokens in history: what the target takes back stays, the rest goes and is reported.

Reasoning stands only where the target accepts one of its tokens, or takes unsigned reasoning (`facts.reasoning_unsigned`) on such
a turn (`facts.sends_reasoning_back`). It never becomes text: models imitate what they read. Where a target refuses calls
without their reasoning while it reasons, reasoning is turned off for this call.
"""

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import Media, Message, Opaque, Part, Reasoning, Text, ToolCall
from ..request import ReasoningAsk, Request
from .walk import CALLS, REASONING, TOKENS, Notes, edited, is_client_call, is_client_result, reasoning_on

TOKEN_FEATURES = {"signature": "thinking_signature", "redacted": "redacted_thinking", "encrypted": "encrypted_reasoning"}
"""What the report calls an opaque token on reasoning, by its kind."""


def drop_foreign_state(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Tokens whose realm (or credential, where that counts) the target does not accept go; so does reasoning it does not take."""
    if not notes.seen & (REASONING | TOKENS):
        return request
    realms = {*facts.accepts_realms, f"wire.{notes.protocol}"} if notes.protocol else set(facts.accepts_realms)
    only = notes.scope if facts.state_bound_to_credential else ""

    def foreign(token: Opaque) -> str:
        """Why the target does not take it; "" where it does. State that came without a seal is of no known credential: it is tried."""
        if token.realm not in realms:
            return f"made for {token.realm}"
        return "made for another credential" if only and token.scope and token.scope != only else ""

    tool_turns = _tool_turns(request.messages) if facts.sends_reasoning_back == "tool_turns" else frozenset()

    def edit(part: Part, message: Message) -> tuple[Part, ...] | None:
        if not isinstance(part, (Reasoning, Text, ToolCall, Media)):
            return None
        kept = part.tokens
        if kept and any(map(foreign, kept)):
            kept = tuple(token for token in kept if not foreign(token))
        if isinstance(part, Reasoning) and not kept and not _taken_unsigned(part, message, facts, tool_turns):
            ledger.drop(part.at, "redacted_thinking" if part.redacted else "thinking", "state", "the target does not take it back")
            return ()
        if kept is part.tokens:
            return None
        for token in part.tokens:
            if why := foreign(token):
                ledger.drop(part.at, token_feature(token, part), "state", why)
        return (replace(part, tokens=kept),)

    messages = edited(request.messages, edit)
    return request if messages is request.messages else replace(request, messages=messages)


def token_feature(token: Opaque, part: Part) -> str:
    """The report's word for a token."""
    return TOKEN_FEATURES.get(token.kind, "reasoning_state") if isinstance(part, Reasoning) else "thought_signature"


def _taken_unsigned(part: Reasoning, message: Message, facts: Facts, tool_turns: frozenset[int]) -> bool:
    """Does the target take this reasoning without a token?"""
    if not facts.reasoning_unsigned or part.redacted or not part.text:
        return False
    return facts.sends_reasoning_back == "always" or id(message) in tool_turns


def _tool_turns(messages: tuple[Message, ...]) -> frozenset[int]:
    """The messages (by identity) of the assistant turns that hold client-run calls."""
    found: set[int] = set()
    for run in _runs(messages):
        if any(is_client_call(part) for message in run for part in message.parts):
            found.update(map(id, run))
    return frozenset(found)


def _runs(messages: tuple[Message, ...]) -> list[list[Message]]:
    """Assistant turns: runs of assistant messages."""
    runs: list[list[Message]] = []
    before = ""
    for message in messages:
        if message.role == "assistant":
            if before != "assistant":
                runs.append([])
            runs[-1].append(message)
        before = message.role
    return runs


def require_reasoning(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Reasoning is off for this call where the target would demand reasoning of earlier calls and it is not there.

    A target with signatures looks at the running tool loop only, and there at its first turn (it thinks once a loop unless it
    interleaves); one that takes unsigned reasoning looks at every turn with calls.
    """
    if not facts.reasoning_required_on_tool_turns or not notes.seen & CALLS:
        return request
    if not facts.reasoning_can_disable or facts.reasoning_input == "none" or not reasoning_on(request, facts):
        return request
    call = _lacking(request.messages, facts)
    if call is None:
        return request
    ask = request.reasoning
    where = call.at if ask is None else _asked(request, ask) or call.at
    ledger.approximate(where, "reasoning", "state", "turned off for this call: reasoning of earlier tool calls is missing")
    return replace(request, reasoning=ReasoningAsk(mode="off", show=ask.show if ask else None, extras=ask.extras if ask else None))


def _asked(request: Request, ask: ReasoningAsk) -> str | None:
    """The client's path of what it said about how much to reason; None where it said nothing."""
    for field in ("budget_tokens", "effort", "mode"):
        if getattr(ask, field) is not None:
            return request.path(f"reasoning.{field}")
    return None


def _lacking(messages: tuple[Message, ...], facts: Facts) -> Part | None:
    """The first call of a turn whose reasoning the target would miss."""
    if facts.reasoning_unsigned:
        return next((call for run in _runs(messages) if (call := _call_without_reasoning(run)) is not None), None)
    start = 0
    for index, message in enumerate(messages):
        if message.role == "user" and any(not is_client_result(part) for part in message.parts):
            start = index + 1
    runs = [run for run in _runs(messages[start:]) if any(is_client_call(part) for message in run for part in message.parts)]
    return _call_without_reasoning(runs[0]) if runs else None


def _call_without_reasoning(run: list[Message]) -> Part | None:
    """The call that comes in this turn before any reasoning."""
    for message in run:
        for part in message.parts:
            if isinstance(part, Reasoning):
                return None
            if is_client_call(part):
                return part
    return None


def strip_state(request: Request, ledger: Ledger) -> Request:
    """The request without any opaque token, and without the reasoning that came with one (an upstream refused it)."""

    def edit(part: Part, _: Message) -> tuple[Part, ...] | None:
        if not isinstance(part, (Reasoning, Text, ToolCall, Media)) or not part.tokens:
            return None
        for token in part.tokens:
            ledger.drop(part.at, token_feature(token, part), "state", "the upstream did not accept it")
        return () if isinstance(part, Reasoning) else (replace(part, tokens=()),)

    messages = edited(request.messages, edit)
    return request if messages is request.messages else replace(request, messages=messages)
