"""`POST /chat/completions` body <-> Request.

Source: openai 3.54.0 `types/chat/completion_create_params.py`; dialect fields from recordings (November 2026): `reasoning`
(OpenRouter), `thinking` (DeepSeek, GLM, Kimi), `top_k` (vLLM, OpenRouter), `max_tokens` beside `max_completion_tokens`.
What nobody reads here (`logprobs`, `logit_bias`, `prediction`, `provider`, ...) rides in `extras`; a field left over of an object
read here rides under `object.field`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.request import EFFORTS, AudioOut, OutputFormat, ReasoningAsk, Request, Sampling
from ..base import Wire
from ..fields import Fields
from .messages import decode_messages, encode_messages
from .parts import decode_cache, encode_cache, put_extras
from .tools import decode_choice, decode_tools, encode_choice, encode_tools, without_choice
from .wire import PROTOCOL, WORDING, decode_tier, encode_tier, own_fields

PATHS: Mapping[str, str] = MappingProxyType({
    "output": "response_format",
    "output.schema": "response_format.json_schema.schema",
    "output.strict": "response_format.json_schema.strict",
    "tools.schema": "function.parameters",
    "tools.strict": "function.strict",
    "tools.format": "custom.format",
    "parallel_tools": "parallel_tool_calls",
    "cache_key": "prompt_cache_key",
    "stream_usage": "stream_options.include_usage",
    "reasoning": "reasoning_effort",
    "reasoning.effort": "reasoning_effort",
    "choices": "n",
    "cache": "cache_control",
})  # fmt: skip
"""Neutral field -> path, for requests without a dialect's spelling."""

TOGGLES = {"enabled": "on", "disabled": "off", "adaptive": "adaptive"}
TOGGLE_OUT = {"on": "enabled", "off": "disabled", "adaptive": "adaptive"}


def decode_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] = MappingProxyType({})
) -> Request:
    """A client's body. `model` stands in where the path names the model (Azure deployments)."""
    f = Fields(body, "")
    paths: dict[str, str] = {}
    named = f.text("model") or model
    if named is None:
        raise f.error("model", "required")
    messages = decode_messages(f.array_required("messages"))
    sampling = _decode_sampling(f)
    extras: dict[str, Any] = {}
    words: dict[str, Any] = {}
    return Request(
        named,
        messages,
        tools=_decode_tools(f, paths),
        tool_choice=_decode_choice(f, paths),
        parallel_tools=f.flag("parallel_tool_calls"),
        max_tokens=_decode_max_tokens(f, paths),
        sampling=sampling,
        reasoning=_decode_reasoning(f, paths, extras),
        output=_decode_output(f, paths, extras),
        modalities=f.strings("modalities"),
        audio=_decode_audio(f, extras),
        stream=bool(f.flag("stream")) if stream is None else stream,
        stream_usage=_decode_stream_usage(f, extras),
        service_tier=_decode_tier(f, words),
        user=_decode_user(f, paths),
        metadata=_decode_metadata(f),
        store=f.flag("store"),
        verbosity=f.text("verbosity"),
        cache=decode_cache(f),
        cache_key=f.text("prompt_cache_key"),
        choices=f.whole("n"),
        extras=_all_extras(f, extras, words),
        paths={**PATHS, **paths} if paths else PATHS,
    )


def _all_extras(f: Fields, more: dict[str, Any], words: dict[str, Any]) -> dict[str, dict[str, Any]] | None:
    rest = f.rest()
    extras = {PROTOCOL: {**rest, **more}} if rest or more else {}
    if words:
        extras[WORDING] = words
    return extras or None


def _decode_sampling(f: Fields) -> Sampling:
    return Sampling(
        f.number("temperature"), f.number("top_p"), f.whole("top_k"), f.whole("seed"), f.strings("stop"),
        f.number("frequency_penalty"), f.number("presence_penalty"),
    )  # fmt: skip


def _decode_tools(f: Fields, paths: dict[str, str]) -> Any:
    if f.has("functions"):
        paths.update({"tools": "functions", "tools.schema": "parameters", "tools.strict": "strict"})
    return decode_tools(f)


def _decode_choice(f: Fields, paths: dict[str, str]) -> Any:
    if f.has("function_call"):
        paths["tool_choice"] = "function_call"
    return decode_choice(f)


def _decode_max_tokens(f: Fields, paths: dict[str, str]) -> int | None:
    """Both may be given; the newer one counts."""
    old, new = f.whole("max_tokens"), f.whole("max_completion_tokens")
    if new is None:
        return old
    paths["max_tokens"] = "max_completion_tokens"
    return new


def _decode_tier(f: Fields, words: dict[str, Any]) -> str | None:
    """A server's own word stays where it was; its own spelling of a tier that all have is bookkeeping."""
    left: dict[str, Any] = {}
    tier = decode_tier(f.text("service_tier"), left)
    if tier is None:
        for name, word in left.items():
            f.put(name, word)
    else:
        words.update(left)
    return tier


def _decode_user(f: Fields, paths: dict[str, str]) -> str | None:
    """`user`, else its successor `safety_identifier`. With both, the successor stays an extra."""
    user = f.text("user")
    if user is not None or not f.has("safety_identifier"):
        return user
    paths["user"] = "safety_identifier"
    return f.text("safety_identifier")


def _decode_metadata(f: Fields) -> dict[str, str] | None:
    metadata = f.object("metadata")
    if metadata is not None and not all(type(x) is str for x in metadata.values()):
        f.put("metadata", metadata)
        return None
    return metadata


def _decode_stream_usage(f: Fields, extras: dict[str, Any]) -> bool | None:
    options = f.sub("stream_options")
    if options is None:
        return None
    wanted = options.flag("include_usage")
    extras.update({f"stream_options.{k}": v for k, v in options.rest().items()})
    return wanted


def _decode_output(f: Fields, paths: dict[str, str], extras: dict[str, Any]) -> OutputFormat | None:
    form = f.sub("response_format")
    if form is None:
        return None
    kind = form.text_required("type")
    output: OutputFormat | None = None
    if kind == "json_schema":
        inner = Fields(form.required("json_schema"), form.at("json_schema"))
        output = OutputFormat(
            "schema", inner.object("schema"), inner.text("name"), inner.text("description"), inner.flag("strict")
        )
        extras.update({f"{inner.path}.{k}": v for k, v in inner.rest().items()})
    elif kind in ("text", "json_object"):
        output = OutputFormat("text" if kind == "text" else "json", form.object("schema"))
    else:
        raise form.error("type", f"expected text, json_object or json_schema, got {kind!r}")
    extras.update({f"response_format.{k}": v for k, v in form.rest().items()})
    return output


def _decode_audio(f: Fields, extras: dict[str, Any]) -> AudioOut | None:
    audio = f.sub("audio")
    if audio is None:
        return None
    voice = audio.take("voice")
    if voice is not None and type(voice) is not str:
        audio.put("voice", voice)
        voice = None
    out = AudioOut(voice, audio.text("format"))
    extras.update({f"audio.{k}": v for k, v in audio.rest().items()})
    return out


def _decode_reasoning(f: Fields, paths: dict[str, str], extras: dict[str, Any]) -> ReasoningAsk | None:
    """`reasoning_effort` (OpenAI), `reasoning` (OpenRouter) and `thinking` (DeepSeek and others), together."""
    mode: Any = None
    show: Any = None
    budget: int | None = None
    effort = _effort(f, "reasoning_effort")
    inner = f.sub("reasoning")
    if inner is not None:
        paths.update({"reasoning": "reasoning", "reasoning.budget_tokens": "reasoning.max_tokens", "reasoning.mode": "reasoning.enabled"})
        if effort is None:
            effort = _effort(inner, "effort")
            paths["reasoning.effort"] = "reasoning.effort"
        budget = inner.whole("max_tokens")
        enabled, exclude, summary = inner.flag("enabled"), inner.flag("exclude"), inner.text("summary")
        mode = None if enabled is None else "on" if enabled else "off"
        show = "none" if exclude else "summary" if summary else None
        left = {**({"summary": summary} if summary else {}), **({"exclude": False} if exclude is False else {}), **inner.rest()}
        extras.update({f"reasoning.{k}": v for k, v in left.items()})
    thinking = f.sub("thinking")
    if thinking is not None:
        paths.update({"reasoning.mode": "thinking.type", "reasoning.budget_tokens": "thinking.budget_tokens"})
        if effort is None and inner is None:
            paths["reasoning"] = "thinking"
        mode = TOGGLES.get(thinking.text("type") or "", mode)
        given = thinking.whole("budget_tokens")
        budget = budget if given is None else given
        extras.update({f"thinking.{k}": v for k, v in thinking.rest().items()})
    if effort == "none" and mode is None:
        mode = "off"
    if mode is None and effort is None and budget is None and show is None:
        return None
    return ReasoningAsk(mode, effort, budget, show)


def _effort(f: Fields, name: str) -> str | None:
    """A word every protocol knows; a dialect's own (`default`) stays where it was."""
    word = f.text(name)
    if word is not None and word not in EFFORTS:
        f.put(name, word)
        return None
    return word


def encode_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """The body for a target. What it cannot say goes to the ledger."""
    body: dict[str, Any] = {"model": request.model, "messages": encode_messages(request.messages, facts, ledger)}
    if request.tools:
        encode_tools(request, facts, ledger, body)
        request = without_choice(request, body, ledger)
    if request.tool_choice is not None:
        body["tool_choice"] = encode_choice(request.tool_choice, request, request.path("tool_choice"), ledger)
    limit = request.max_tokens if request.max_tokens is not None else facts.max_tokens_default
    if limit is not None:
        body[facts.max_tokens_field] = limit
    _encode_sampling(request.sampling, body)
    _encode_plain_fields(request, body, ledger)
    if request.stream:
        body["stream"] = True
        if facts.usage_in_stream:
            body["stream_options"] = {"include_usage": True}
    if request.output is not None:
        _encode_output(request.output, request, body, ledger)
    if request.audio is not None:
        body["audio"] = {k: v for k, v in (("voice", request.audio.voice), ("format", request.audio.format)) if v is not None}
    if request.reasoning is not None:
        _encode_reasoning(request.reasoning, request, facts, body, ledger)
    if request.cache is not None:
        encode_cache(body, request.cache, "", facts, ledger)
    if request.extras:
        put_extras(body, own_fields(request.extras, ledger))
    return Wire("/chat/completions", body)


def _encode_sampling(sampling: Sampling, body: dict[str, Any]) -> None:
    for name in ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty"):
        value = getattr(sampling, name)
        if value is not None:
            body[name] = value
    if sampling.stop:
        body["stop"] = list(sampling.stop)


_PLAIN_FIELDS = {
    "parallel_tools": "parallel_tool_calls",
    "metadata": "metadata",
    "store": "store",
    "verbosity": "verbosity",
    "cache_key": "prompt_cache_key",
    "choices": "n",
}


def _encode_plain_fields(request: Request, body: dict[str, Any], ledger: Ledger) -> None:
    for name, field in _PLAIN_FIELDS.items():
        value = getattr(request, name)
        if value is not None:
            body[field] = value
    tier = encode_tier(request.service_tier, request.path("service_tier"), ledger)
    if tier is not None:
        body["service_tier"] = tier
    if request.user is not None:
        body["safety_identifier" if request.paths.get("user") == "safety_identifier" else "user"] = request.user
    if request.modalities:
        body["modalities"] = list(request.modalities)


def _encode_output(output: OutputFormat, request: Request, body: dict[str, Any], ledger: Ledger) -> None:
    """A schema needs a name."""
    if output.kind == "schema":
        schema: dict[str, Any] = {"name": output.name or "answer"}
        for name in ("description", "schema", "strict"):
            value = getattr(output, name)
            if value is not None:
                schema[name] = value
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return
    body["response_format"] = {"type": "text" if output.kind == "text" else "json_object"}
    if output.schema is not None:
        body["response_format"]["schema"] = output.schema
    for name in ("name", "description", "strict"):
        if getattr(output, name) is not None:
            ledger.drop(request.path(f"output.{name}"), f"schema_{name}", "tuning")


def _encode_reasoning(ask: ReasoningAsk, request: Request, facts: Facts, body: dict[str, Any], ledger: Ledger) -> None:
    """In the form the target reads: a toggle, OpenRouter's object, or OpenAI's word."""
    unknown_extras(ask.extras, PROTOCOL, request.path("reasoning"), ledger)
    if facts.thinking_switch or facts.reasoning_input in ("toggle", "adaptive"):
        _encode_toggle(ask, request, body, ledger)
    elif facts.reasoning_field == "reasoning_details" or facts.reasoning_input == "budget":
        _encode_reasoning_object(ask, body)
    else:
        _encode_effort(ask, request, body, ledger)


def _encode_toggle(ask: ReasoningAsk, request: Request, body: dict[str, Any], ledger: Ledger) -> None:
    """`thinking`, with an effort word beside it: never a word beside "disabled"."""
    mode = ask.mode or ("off" if ask.effort == "none" else "on" if ask.effort or ask.budget_tokens else None)
    if mode is not None:
        body["thinking"] = {"type": TOGGLE_OUT[mode]}
        if ask.budget_tokens is not None and mode != "off":
            body["thinking"]["budget_tokens"] = ask.budget_tokens
    if ask.effort is not None and mode != "off":
        body["reasoning_effort"] = ask.effort
    _lose_show(ask, request, ledger)


def _encode_reasoning_object(ask: ReasoningAsk, body: dict[str, Any]) -> None:
    """OpenRouter takes an effort or a number of tokens, not both: the number says more."""
    out: dict[str, Any] = {}
    if ask.budget_tokens is not None:
        out["max_tokens"] = ask.budget_tokens
    elif ask.effort is not None:
        out["effort"] = ask.effort
    if ask.mode is not None and not out:
        out["enabled"] = ask.mode != "off"
    if ask.show == "none":
        out["exclude"] = True
    elif ask.show == "summary":
        out["summary"] = "auto"
    if out:
        body["reasoning"] = out


def _encode_effort(ask: ReasoningAsk, request: Request, body: dict[str, Any], ledger: Ledger) -> None:
    if ask.effort is not None:
        body["reasoning_effort"] = ask.effort
    elif ask.mode == "off":
        body["reasoning_effort"] = "none"
    elif ask.mode is not None:
        ledger.drop(request.path("reasoning.mode"), "thinking", "tuning", "this target has no switch for it, only an effort")
    if ask.budget_tokens is not None:
        ledger.drop(request.path("reasoning.budget_tokens"), "thinking_budget", "tuning")
    _lose_show(ask, request, ledger)


def _lose_show(ask: ReasoningAsk, request: Request, ledger: Ledger) -> None:
    """Chat servers show what they show. Asking for all of it is no loss."""
    if ask.show in ("none", "summary"):
        ledger.drop(request.path("reasoning.show"), "reasoning_display", "tuning")
