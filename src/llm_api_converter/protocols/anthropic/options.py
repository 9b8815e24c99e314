"""How to think and in what form to answer: `thinking`, `output_config`, legacy `output_format`.

    thinking {"type": "enabled", "budget_tokens": 2048, "display": "summarized"} <-> ReasoningAsk(on, budget_tokens, show)
    output_config {"effort": "high", "format": {"type": "json_schema", "schema": ...}} <-> ReasoningAsk.effort, OutputFormat

Source: anthropic SDK 2.12.0, thinking_config_param.py, output_config_param.py, json_output_format_param.py (November 2026).
"""

from typing import Any, Literal

from ...hub.facts import Facts
from ...hub.ledger import Ledger
from ...hub.request import OutputFormat, ReasoningAsk, Request
from ..fields import Fields
from .marks import keep_nested, put_extras
from .wire import PROTOCOL

Mode = Literal["on", "off", "adaptive"]
Show = Literal["none", "summary", "full"]

MODE_IN: dict[str, Mode] = {"enabled": "on", "disabled": "off", "adaptive": "adaptive"}
SHOW_IN: dict[str, Show] = {"summarized": "summary", "omitted": "none"}
SHOW_OUT = {"summary": "summarized", "full": "summarized", "none": "omitted"}
EFFORTS_OUT = {"minimal": "low"}

# Neutral fields -> this protocol's paths, for errors and losses.
PATHS = {
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "parallel_tools": "tool_choice.disable_parallel_tool_use",
    "output": "output_config.format",
    "output.schema": "output_config.format.schema",
    "tools.schema": "input_schema",
    "reasoning": "thinking",
    "reasoning.mode": "thinking.type",
    "reasoning.budget_tokens": "thinking.budget_tokens",
    "reasoning.show": "thinking.display",
    "reasoning.effort": "output_config.effort",
    "cache": "cache_control",
    "betas": "anthropic-beta",
}
LEGACY_PATHS = {**PATHS, "output": "output_format", "output.schema": "output_format.schema"}


def decode_options(f: Fields) -> tuple[ReasoningAsk | None, OutputFormat | None, bool]:
    """The ask for reasoning, the output format, and whether it stood in the legacy field."""
    left = Fields({}, "")
    mode, budget, show = _decode_thinking(f, left)
    effort: str | None = None
    output: OutputFormat | None = None
    config = f.sub("output_config")
    if config is not None:
        effort = config.text("effort")
        output = _decode_format(config)
        keep_nested(left, "output_config", config)
    legacy = output is None and f.has("output_format")
    if legacy:
        output = _decode_format(f, "output_format")
    extras = left.extras(PROTOCOL)
    if mode is None and budget is None and effort is None and show is None and extras is None:
        return None, output, legacy
    return ReasoningAsk(mode, effort, budget, show, extras), output, legacy


def _decode_thinking(f: Fields, left: Fields) -> tuple[Mode | None, int | None, Show | None]:
    thinking = f.sub("thinking")
    if thinking is None:
        return None, None, None
    kind, budget, display = thinking.text_required("type"), thinking.whole("budget_tokens"), thinking.text("display")
    if kind not in MODE_IN:
        left.keep("thinking.type", kind)
    if display is not None and display not in SHOW_IN:
        left.keep("thinking.display", display)
    keep_nested(left, "thinking", thinking)
    return MODE_IN.get(kind, "on"), budget, SHOW_IN.get(display or "")


def _decode_format(f: Fields, name: str = "format") -> OutputFormat | None:
    """`{"type": "json_schema", "schema": ...}`; any other form stays a leftover of `f`."""
    value = f.object(name)
    if value is None:
        return None
    if value.get("type") != "json_schema" or not isinstance(value.get("schema"), dict) or len(value) != 2:
        f.keep(name, value)
        return None
    return OutputFormat("schema", value["schema"])


def encode_options(request: Request, facts: Facts, ledger: Ledger) -> dict[str, Any]:
    """`thinking`, `output_config` and `output_format`, those that there are."""
    out: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if request.reasoning is not None:
        _encode_reasoning(request, request.reasoning, facts, ledger, out, config)
    if request.output is not None:
        wanted = _encode_format(request, request.output, ledger)
        if wanted is not None and request.path("output") == "output_format":
            out["output_format"] = wanted
        elif wanted is not None:
            config["format"] = wanted
    if config:
        out["output_config"] = config
    if request.reasoning is not None:
        put_extras(out, request.reasoning.extras, request.path("reasoning"), ledger)
    return out


def _encode_reasoning(
    request: Request, ask: ReasoningAsk, facts: Facts, ledger: Ledger, out: dict[str, Any], config: dict[str, Any]
) -> None:
    effort = ask.effort
    thinking = _encode_thinking(request, ask, ledger)
    if thinking is not None:
        out["thinking"] = thinking
        _put_display(thinking, request, ask, ledger)
    elif ask.show is not None:
        ledger.drop(request.path("reasoning.show"), "reasoning_display", "tuning", "thinking is not asked for")
    if effort is None or effort == "none":
        return
    if facts.reasoning_input in ("budget", "toggle", "none"):
        if ask.budget_tokens is None or facts.reasoning_input == "none":
            ledger.drop(request.path("reasoning.effort"), "reasoning_effort", "tuning")
        return
    config["effort"] = EFFORTS_OUT.get(effort, effort)
    if config["effort"] != effort:
        ledger.approximate(request.path("reasoning.effort"), "reasoning_effort", "tuning", f"{effort} is sent as {config['effort']}")


def _encode_thinking(request: Request, ask: ReasoningAsk, ledger: Ledger) -> dict[str, Any] | None:
    if ask.mode == "off" or (ask.effort == "none" and ask.mode is None):
        return {"type": "disabled"}
    if ask.mode == "adaptive":
        if ask.budget_tokens is not None:
            ledger.drop(request.path("reasoning.budget_tokens"), "reasoning_budget", "tuning", "adaptive thinking takes no number")
        return {"type": "adaptive"}
    if ask.budget_tokens is not None:
        return {"type": "enabled", "budget_tokens": ask.budget_tokens} if ask.budget_tokens > 0 else {"type": "disabled"}
    return {"type": "adaptive"} if ask.mode == "on" else None


def _put_display(thinking: dict[str, Any], request: Request, ask: ReasoningAsk, ledger: Ledger) -> None:
    """What of the thinking is shown. There is nothing to show where it is off."""
    if ask.show is None or thinking["type"] == "disabled":
        return
    thinking["display"] = SHOW_OUT[ask.show]
    if ask.show == "full":
        ledger.approximate(request.path("reasoning.show"), "reasoning_display", "tuning", "only summaries are shown")


def _encode_format(request: Request, output: OutputFormat, ledger: Ledger) -> dict[str, Any] | None:
    """A schema. Its name and description become the schema's own title and description, where it has none."""
    if output.kind == "text":
        return None
    if output.kind == "json":
        ledger.drop(request.path("output"), "json_output", "tuning", "JSON without a schema cannot be demanded")
        return None
    schema = output.schema or {"type": "object"}
    if output.name is not None and "title" not in schema:
        schema = {**schema, "title": output.name}
    if output.description is not None and "description" not in schema:
        schema = {**schema, "description": output.description}
    if output.strict is False:
        ledger.approximate(request.path("output"), "strict", "tuning", "a schema is always enforced")
    return {"type": "json_schema", "schema": schema}
