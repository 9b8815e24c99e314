"""Removing the field an upstream refused, for one more try: `without(request, "temperature", ledger)`.

The field is named as the upstream named it, in any protocol's words (`reasoning_effort`, `inferenceConfig.topP`,
`tools[0].function.strict`); the last known word of it decides.
"""

import re
from collections.abc import Callable

from msgspec.structs import replace

from ..ledger import Ledger, LossClass
from ..request import ReasoningAsk, Request, Tool

WHY = "the upstream does not take it"

_SAMPLING = {
    "temperature": "temperature",
    "topp": "top_p",
    "topk": "top_k",
    "seed": "seed",
    "stop": "stop",
    "stopsequences": "stop",
    "frequencypenalty": "frequency_penalty",
    "presencepenalty": "presence_penalty",
}
_PLAIN: dict[str, tuple[str, LossClass]] = {
    "paralleltoolcalls": ("parallel_tools", "tools"),
    "disableparalleltooluse": ("parallel_tools", "tools"),
    "servicetier": ("service_tier", "tuning"),
    "user": ("user", "privacy"),
    "userid": ("user", "privacy"),
    "safetyidentifier": ("user", "privacy"),
    "metadata": ("metadata", "tuning"),
    "requestmetadata": ("metadata", "tuning"),
    "labels": ("metadata", "tuning"),
    "store": ("store", "privacy"),
    "verbosity": ("verbosity", "tuning"),
    "promptcachekey": ("cache_key", "cache"),
}
_REASONING = frozenset({"reasoningeffort", "reasoning", "thinking", "thinkingconfig", "effort", "reasoningconfig"})
_AMOUNT = frozenset({"budgettokens", "thinkingbudget", "thinkinglevel"})
_SHOW = frozenset({"includethoughts", "summary", "display"})


def without(request: Request, field: str, ledger: Ledger) -> Request | None:
    """The request without `field`; None where it holds no such field, or could not do without it."""
    for word in reversed(re.findall(r"[A-Za-z_]+", field)):
        key = word.replace("_", "").lower()
        remove = _REMOVERS.get(key)
        if remove is not None:
            after = remove(request, key, ledger)
            if after is not None:
                return after
    return _without_extra(request, field, ledger)


def _sampling(request: Request, key: str, ledger: Ledger) -> Request | None:
    name = _SAMPLING[key]
    if not getattr(request.sampling, name) and getattr(request.sampling, name) != 0:
        return None
    ledger.drop(request.path(name), name, "tuning", WHY)
    return replace(request, sampling=replace(request.sampling, **{name: () if name == "stop" else None}))


def _plain(request: Request, key: str, ledger: Ledger) -> Request | None:
    name, loss_class = _PLAIN[key]
    if getattr(request, name) is None:
        return None
    ledger.drop(request.path(name), name, loss_class, WHY)
    return replace(request, **{name: None})


def _reasoning(request: Request, key: str, ledger: Ledger) -> Request | None:
    """The whole ask: the model does as it does by default."""
    if request.reasoning is None:
        return None
    ledger.drop(request.path("reasoning"), "reasoning", "tuning", WHY)
    return replace(request, reasoning=None)


def _amount(request: Request, key: str, ledger: Ledger) -> Request | None:
    """How much is to be thought; on and off stay."""
    ask = request.reasoning
    if ask is None or (ask.effort is None and ask.budget_tokens is None):
        return None
    asked = "reasoning.budget_tokens" if ask.budget_tokens is not None else "reasoning.effort"
    ledger.drop(request.path(asked), "reasoning", "tuning", WHY)
    mode = ask.mode or ("off" if ask.effort == "none" or ask.budget_tokens == 0 else "on")
    return replace(request, reasoning=ReasoningAsk(mode=mode, show=ask.show, extras=ask.extras))


def _show(request: Request, key: str, ledger: Ledger) -> Request | None:
    """What of the reasoning is shown."""
    ask = request.reasoning
    if ask is None or ask.show is None:
        return None
    ledger.drop(request.path("reasoning.show"), "reasoning_show", "tuning", WHY)
    return replace(request, reasoning=replace(ask, show=None))


def _strict(request: Request, key: str, ledger: Ledger) -> Request | None:
    """Strictness of tools and of structured output."""
    output = request.output
    if output is not None and output.strict is not None:
        ledger.drop(f"{request.path('output')}.strict", "strict", "tuning", WHY)
        output = replace(output, strict=None)
    tools = tuple(_lax(tool, request, ledger) if isinstance(tool, Tool) else tool for tool in request.tools)
    if output is request.output and all(after is before for after, before in zip(tools, request.tools, strict=True)):
        return None
    return replace(request, tools=tools, output=output)


def _lax(tool: Tool, request: Request, ledger: Ledger) -> Tool:
    if tool.strict is None:
        return tool
    ledger.drop(request.tool_path(tool, "strict"), "strict", "tuning", WHY)
    return replace(tool, strict=None)


def _choice(request: Request, key: str, ledger: Ledger) -> Request | None:
    """The model chooses for itself."""
    choice = request.tool_choice
    if choice is None:
        return None
    if choice.mode != "auto" or choice.allowed:
        ledger.drop(request.path("tool_choice"), "tool_choice", "tools", WHY)
    return replace(request, tool_choice=None)


def _without_extra(request: Request, field: str, ledger: Ledger) -> Request | None:
    """A field of the client's protocol that only rides along."""
    top = field.split(".", 1)[0].split("[", 1)[0]
    extras = request.extras
    if not extras or not any(top in fields for fields in extras.values()):
        return None
    ledger.drop(top, top, "unknown", WHY)
    kept = {owner: {name: value for name, value in fields.items() if name != top} for owner, fields in extras.items()}
    return replace(request, extras={owner: fields for owner, fields in kept.items() if fields} or None)


_REMOVERS: dict[str, Callable[[Request, str, Ledger], Request | None]] = {
    **dict.fromkeys(_SAMPLING, _sampling),
    **dict.fromkeys(_PLAIN, _plain),
    **dict.fromkeys(_REASONING, _reasoning),
    **dict.fromkeys(_AMOUNT, _amount),
    **dict.fromkeys(_SHOW, _show),
    "strict": _strict,
    "toolchoice": _choice,
}
