"""How much the model is asked to think, in the shape the target takes.

One monotone table joins effort words and token budgets; going from word to budget and back gives the same word. A budget
reads as the largest word it pays for. Words a target does not know become the nearest it knows, ties towards `high` (what
vendors with few words call their ordinary full effort).
"""

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..request import EFFORTS, ReasoningAsk, Request
from .walk import Notes, wants_off

BUDGETS = {"minimal": 1024, "low": 4096, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 65536}
"""Effort word -> thinking tokens. `none` is no reasoning at all."""
DEFAULT_EFFORT = "medium"
"""What "think" means where the client says no more and the target needs a word or a number."""

_RANKS = {word: rank for rank, word in enumerate(EFFORTS)}


def effort_of(budget: int) -> str:
    """The largest effort word `budget` tokens pay for (`minimal` at least)."""
    return max((word for word, tokens in BUDGETS.items() if tokens <= budget), key=BUDGETS.__getitem__, default="minimal")


def nearest_effort(word: str, levels: tuple[str, ...]) -> str:
    """The accepted word nearest to `word`; never `none`, which would turn reasoning off."""
    if not levels or word in levels:
        return word
    choices = [level for level in levels if level != "none"]
    rank, high = _RANKS.get(word, _RANKS[DEFAULT_EFFORT]), _RANKS["high"]
    return min(choices, key=lambda x: (abs(_RANKS.get(x, high) - rank), abs(_RANKS.get(x, high) - high))) if choices else word


def fit_reasoning(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """The client's ask as `facts.reasoning_input` wants it; silence stays silence."""
    ask = request.reasoning
    if ask is None or (ask.mode is None and ask.effort is None and ask.budget_tokens is None):
        if ask is not None and facts.reasoning_input == "none" and not ask.extras:
            return replace(request, reasoning=None)
        return request
    if facts.reasoning_input == "none":
        return _unasked(request, ask, facts, ledger)
    if wants_off(request):
        fitted = _off(request, ask, facts, ledger)
        if fitted is not None and fitted.budget_tokens is not None:
            return _with_budget(request, fitted, facts, ledger)
    elif facts.reasoning_input == "budget":
        return _with_budget(request, ask, facts, ledger)
    elif facts.reasoning_input == "toggle":
        fitted = _toggled(request, ask, ledger)
    else:
        fitted = _with_effort(request, ask, facts, ledger)
    return request if fitted == ask else replace(request, reasoning=fitted)


def _asked(request: Request, ask: ReasoningAsk) -> str:
    """The client's path of the field that says how much."""
    if ask.budget_tokens is not None:
        return request.path("reasoning.budget_tokens")
    return request.path("reasoning.effort") if ask.effort is not None else request.path("reasoning.mode")


def _unasked(request: Request, ask: ReasoningAsk, facts: Facts, ledger: Ledger) -> Request:
    """The target cannot be asked. Only what changes the answer is a loss: "on" to one that does not think, "off" to one that does."""
    if wants_off(request):
        if facts.reasoning_default_on:
            ledger.drop(_asked(request, ask), "reasoning", "tuning", "the model always reasons")
    elif not facts.reasoning_default_on:
        ledger.drop(_asked(request, ask), "reasoning", "tuning", "the model does not reason")
    elif ask.effort is not None or ask.budget_tokens is not None:
        ledger.drop(_asked(request, ask), "reasoning", "tuning", "the model decides how much it reasons")
    return replace(request, reasoning=None)


def _off(request: Request, ask: ReasoningAsk, facts: Facts, ledger: Ledger) -> ReasoningAsk | None:
    """No reasoning, or the least the target can be brought to."""
    by_word = facts.reasoning_input in ("effort", "level", "adaptive")
    if facts.reasoning_can_disable:
        word = "none" if facts.reasoning_input in ("effort", "level") and "none" in (facts.reasoning_levels or EFFORTS) else None
        return replace(ask, mode="off", effort=word, budget_tokens=None)
    if not facts.reasoning_default_on:
        return None
    ledger.approximate(_asked(request, ask), "reasoning", "tuning", "the model cannot stop reasoning: it is asked for the least")
    if by_word:
        least = next((word for word in facts.reasoning_levels or EFFORTS if word != "none"), "minimal")
        return replace(ask, mode="adaptive" if facts.reasoning_input == "adaptive" else "on", effort=least, budget_tokens=None)
    least_tokens = (facts.reasoning_budget_min or BUDGETS["minimal"]) if facts.reasoning_input == "budget" else None
    return replace(ask, mode="on", effort=None, budget_tokens=least_tokens)


def _toggled(request: Request, ask: ReasoningAsk, ledger: Ledger) -> ReasoningAsk:
    """On, and no more can be said."""
    if ask.effort is not None or ask.budget_tokens is not None:
        ledger.approximate(_asked(request, ask), "reasoning", "tuning", "the target only knows on and off")
    return replace(ask, mode="on", effort=None, budget_tokens=None)


def _with_effort(request: Request, ask: ReasoningAsk, facts: Facts, ledger: Ledger) -> ReasoningAsk:
    """A word. A target that decides for itself (`adaptive`) needs none."""
    adaptive = facts.reasoning_input == "adaptive"
    wanted = ask.effort if ask.effort not in (None, "none") else None
    if wanted is None and ask.budget_tokens:
        wanted = effort_of(ask.budget_tokens)
    word = nearest_effort(wanted or DEFAULT_EFFORT, facts.reasoning_levels) if wanted or not adaptive else None
    if ask.budget_tokens is not None:
        detail = f"sent as effort {word}" if word else "no number is taken"
        ledger.approximate(request.path("reasoning.budget_tokens"), "reasoning_budget", "tuning", detail)
    elif wanted is not None and word != wanted:
        ledger.approximate(request.path("reasoning.effort"), "reasoning_effort", "tuning", f"{wanted} is sent as {word}")
    return replace(ask, mode="adaptive" if adaptive else "on", effort=word, budget_tokens=None)


def _with_budget(request: Request, ask: ReasoningAsk, facts: Facts, ledger: Ledger) -> Request:
    """A number of tokens, inside the target's limits and smaller than `max_tokens`, which is raised where it leaves no room.

    The number of a word leaves half of `max_tokens` to the answer, so that more effort never becomes fewer tokens; a client's own number
    is changed only where it leaves nothing.
    """
    wanted = ask.budget_tokens or BUDGETS.get(ask.effort or DEFAULT_EFFORT, BUDGETS[DEFAULT_EFFORT])
    least = max(facts.reasoning_budget_min or 1, 1)
    budget = max(wanted, least)
    if facts.reasoning_budget_max is not None:
        budget = min(budget, facts.reasoning_budget_max)
    limit = request.max_tokens
    if limit is not None and limit <= budget and limit // 2 < least:
        raised, budget = _raised(limit, least, facts), least
        if raised != limit:
            ledger.approximate(request.path("max_tokens"), "max_tokens", "tuning", f"raised to {raised} to leave room for reasoning")
        limit = raised
    elif limit is not None and (limit <= budget or not ask.budget_tokens):
        budget = min(budget, max(limit // 2, least))
    if ask.effort is not None and not ask.budget_tokens:
        ledger.approximate(request.path("reasoning.effort"), "reasoning_effort", "tuning", f"{ask.effort} is sent as {budget} tokens")
    elif ask.effort is not None:
        ledger.drop(request.path("reasoning.effort"), "reasoning_effort", "tuning", "the target takes a number of tokens only")
    if ask.budget_tokens and budget != ask.budget_tokens:
        ledger.approximate(request.path("reasoning.budget_tokens"), "reasoning_budget", "tuning", f"sent as {budget} tokens")
    fitted = replace(ask, mode="on", effort=None, budget_tokens=budget)
    same = fitted == request.reasoning and limit == request.max_tokens
    return request if same else replace(request, reasoning=fitted, max_tokens=limit)


def _raised(limit: int, least: int, facts: Facts) -> int:
    """`max_tokens` for the least reasoning and as much answer as the client allowed."""
    return min(limit + least, facts.max_output_tokens) if facts.max_output_tokens else limit + least
