"""How reasoning is asked for: `additionalModelRequestFields` and `outputConfig.effort` <-> `ReasoningAsk`.

Converse has no reasoning field of its own: each family of models takes one inside `additionalModelRequestFields`. Read:

    thinking            {type: enabled|disabled|adaptive, budget_tokens?, display?}    Claude
    reasoning_config    the same object (its older name), or an effort word            Claude; Qwen
    reasoning_effort    an effort word                                                 gpt-oss
    reasoningConfig     {type: enabled|disabled, maxReasoningEffort?}                  Nova 2
    output_config       {effort}, as `outputConfig.effort` of Converse itself          Claude

Written: the one `facts.reasoning_field_converse` names ("" = `thinking` for targets that take budgets or `adaptive`, else
`reasoning_effort`), and the effort beside `adaptive` as `outputConfig.effort`.
Source: recordings of each form but reasoningConfig; that one: https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html;
`outputConfig`: botocore 1.44.5 (November 2026).
"""

from typing import Any, Literal

from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.request import ReasoningAsk, Request
from ..base import Json
from ..fields import Fields
from .wire import PROTOCOL

Mode = Literal["on", "off", "adaptive"]
MODE_IN: dict[str, Mode] = {"enabled": "on", "disabled": "off", "adaptive": "adaptive"}
TYPE_OUT = {mode: word for word, mode in MODE_IN.items()}
SHOW_IN: dict[str, Literal["none", "summary", "full"]] = {"omitted": "none", "summarized": "summary"}
DISPLAY_OUT = {show: word for word, show in SHOW_IN.items()}
_MORE = "additionalModelRequestFields"


class Asked:
    """What the request says about reasoning, gathered from its several places. `paths` are the client's own."""

    __slots__ = ("budget", "effort", "left", "mode", "paths", "show")

    def __init__(self) -> None:
        self.mode: Mode | None = None
        self.effort: str | None = None
        self.budget: int | None = None
        self.show: Literal["none", "summary", "full"] | None = None
        self.left: Json = {}
        self.paths: dict[str, str] = {}

    def value(self) -> ReasoningAsk | None:
        """None: nothing was said."""
        if self.mode is None and self.effort is None and self.budget is None and self.show is None:
            return None
        return ReasoningAsk(self.mode, self.effort, self.budget, self.show)

    def effort_at(self, word: str, path: str) -> None:
        """An effort word stands at `path`."""
        self.effort, self.paths["reasoning.effort"] = word, path
        if word == "none" and self.mode is None:
            self.mode = "off"

    def object(self, name: str, f: Fields) -> None:
        """A `thinking`-like object; fields it does not know stay in `left`, under dotted keys."""
        word = f.text("type")
        if word in MODE_IN:
            self.mode, self.paths["reasoning.mode"] = MODE_IN[word], f.at("type")
        elif word is not None:
            f.keep("type", word)
        budget = f.whole("budget_tokens")
        if budget is not None:
            self.budget, self.paths["reasoning.budget_tokens"] = budget, f.at("budget_tokens")
        display = f.text("display")
        if display in SHOW_IN:
            self.show, self.paths["reasoning.show"] = SHOW_IN[display], f.at("display")
        elif display is not None:
            f.keep("display", display)
        effort = f.text("maxReasoningEffort")
        if effort is not None:
            self.effort_at(effort, f.at("maxReasoningEffort"))
        self.left.update({f"{_MORE}.{name}.{key}": value for key, value in f.rest().items()})


def decode_reasoning_fields(more: Fields, asked: Asked) -> None:
    """Takes the reasoning fields out of `additionalModelRequestFields`."""
    for name in ("thinking", "reasoning_config", "reasoningConfig"):
        value = more.take(name)
        if type(value) is dict:
            asked.object(name, Fields(value, more.at(name)))
        elif type(value) is str:
            asked.effort_at(value, more.at(name))
        elif value is not None:
            more.keep(name, value)
    word = more.take("reasoning_effort")
    if type(word) is str:
        asked.effort_at(word, more.at("reasoning_effort"))
    elif word is not None:
        more.keep("reasoning_effort", word)
    config = more.take("output_config")
    if type(config) is dict and type(config.get("effort")) is str:
        asked.effort_at(config["effort"], f"{more.path}.output_config.effort")
        config = {key: value for key, value in config.items() if key != "effort"}
    if config:
        more.keep("output_config", config)


def encode_reasoning(request: Request, facts: Facts, body: Json, more: Json, ledger: Ledger) -> None:
    """Writes the ask into `additionalModelRequestFields` (`more`) and `outputConfig` (in `body`)."""
    ask = request.reasoning
    if ask is None:
        return
    unknown_extras(ask.extras, PROTOCOL, request.path("reasoning"), ledger)
    field = facts.reasoning_field_converse or (
        "thinking" if facts.reasoning_input in ("budget", "adaptive", "toggle") else "reasoning_effort"
    )
    if facts.reasoning_input == "none":
        _drop(request, ledger, "mode", "effort", "budget_tokens", "show")
        return
    by_object = field == "thinking" or (field == "reasoning_config" and facts.reasoning_input not in ("effort", "level"))
    if by_object:
        _encode_object(request, ask, field, facts, body, more, ledger)
    else:
        _encode_word(request, ask, field, facts, body, more, ledger)


def _encode_object(
    request: Request, ask: ReasoningAsk, field: str, facts: Facts, body: Json, more: Json, ledger: Ledger
) -> None:
    mode = ask.mode or ("on" if ask.budget_tokens is not None else "adaptive" if ask.effort is not None else None)
    thinking: Json = {}
    if mode is not None:
        thinking["type"] = TYPE_OUT[mode]
    if ask.budget_tokens is not None:
        if mode == "on":
            thinking["budget_tokens"] = ask.budget_tokens
        else:
            _drop(request, ledger, "budget_tokens")
    if ask.show is not None:
        _encode_show(request, ask.show, mode, thinking, ledger)
    if thinking:
        more[field] = thinking
    if ask.effort is None or (mode == "off" and ask.effort == "none"):
        return
    if facts.reasoning_input == "adaptive":
        body.setdefault("outputConfig", {})["effort"] = ask.effort
    elif ask.budget_tokens is None:
        _drop(request, ledger, "effort")


def _encode_show(request: Request, show: str, mode: str | None, thinking: Json, ledger: Ledger) -> None:
    if mode == "adaptive" and show in DISPLAY_OUT:
        thinking["display"] = DISPLAY_OUT[show]
    elif show == "none" and mode != "off":
        _drop(request, ledger, "show")


def _encode_word(
    request: Request, ask: ReasoningAsk, field: str, facts: Facts, body: Json, more: Json, ledger: Ledger
) -> None:
    word = ask.effort
    if ask.budget_tokens is not None and word is None:
        _drop(request, ledger, "budget_tokens")
    if ask.show == "none" and ask.mode != "off":
        _drop(request, ledger, "show")
    if field == "reasoningConfig":
        more[field] = _nova(ask.mode, word)
        return
    refused = bool(facts.reasoning_levels) and "none" not in facts.reasoning_levels
    if word is None or (word == "none" and refused):
        if facts.reasoning_default_on or (word is None and ask.mode != "off"):
            _drop(request, ledger, "mode", "effort")
        return
    if field == "outputConfig":
        body.setdefault("outputConfig", {})["effort"] = word
    else:
        more[field] = word


def _nova(mode: str | None, word: str | None) -> Json:
    if mode == "off" or word == "none":
        return {"type": "disabled"}
    return {"type": "enabled"} if word is None else {"type": "enabled", "maxReasoningEffort": word}


def _drop(request: Request, ledger: Ledger, *fields: str) -> None:
    ask: Any = request.reasoning
    for field in fields:
        if getattr(ask, field) is not None:
            ledger.drop(request.path(f"reasoning.{field}"), f"reasoning_{field}", "tuning")
