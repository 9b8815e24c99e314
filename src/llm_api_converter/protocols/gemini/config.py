"""`generationConfig` <-> sampling, limits, output form, reasoning.

`thinkingConfig`: a budget of 0 turns reasoning off, -1 leaves it to the model; `thinkingLevel` is an effort word. What this file does
not know stays in the request's extras under its dotted name (`generationConfig.mediaResolution`), so that a loss names the leaf.
Sources: https://ai.google.dev/api/generate-content#generationconfig, google-genai `types.GenerationConfig` (read November 2026).
"""

from typing import Any

from msgspec import Struct

from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import wording
from ...hub.request import AudioOut, OutputFormat, ReasoningAsk, Request, Sampling
from ..base import Json
from .schema import decode_schema, encode_schema
from .spelling import PROTOCOL, GeminiFields

JSON_TYPE, TEXT_TYPE = "application/json", "text/plain"
# neutral field -> its name in generationConfig
_NAMES = {
    "temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed", "stop": "stopSequences",
    "frequency_penalty": "frequencyPenalty", "presence_penalty": "presencePenalty", "max_tokens": "maxOutputTokens",
    "output": "responseMimeType", "modalities": "responseModalities", "audio": "speechConfig",
}
_THINKING = {
    "reasoning.effort": "thinkingLevel", "reasoning.budget_tokens": "thinkingBudget", "reasoning.mode": "thinkingBudget",
    "reasoning.show": "includeThoughts",
}
PATHS: dict[str, str] = {
    **{field: f"generationConfig.{name}" for field, name in _NAMES.items()},
    **{field: f"generationConfig.thinkingConfig.{name}" for field, name in _THINKING.items()},
    "reasoning": "generationConfig.thinkingConfig", "tool_choice": "toolConfig.functionCallingConfig",
    "metadata": "labels", "service_tier": "serviceTier",
}


class Config(Struct):
    """What a `generationConfig` says, in neutral form. `left` are fields nobody took, `paths` the client's own spellings."""

    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    reasoning: ReasoningAsk | None = None
    output: OutputFormat | None = None
    modalities: tuple[str, ...] = ()
    audio: AudioOut | None = None
    left: dict[str, Any] = {}
    paths: dict[str, str] = {}


def decode_config(fields: GeminiFields) -> Config:
    """`generationConfig` -> `Config`."""
    paths: dict[str, str] = {}
    if fields.renamed:
        paths.update((field, fields.at(name)) for field, name in _NAMES.items())
    count = fields.whole("candidateCount")
    if count is not None and count != 1:
        raise fields.error("candidateCount", "only one candidate is translated; more are served by a target of the same protocol")
    sampling = Sampling(
        fields.number("temperature"), fields.number("topP"), fields.whole("topK"), fields.whole("seed"), fields.strings("stopSequences"),
        fields.number("frequencyPenalty"), fields.number("presencePenalty"),
    )
    max_tokens = fields.whole("maxOutputTokens")
    left: Json = {}
    thinking = fields.sub("thinkingConfig")
    reasoning = None if thinking is None else _decode_thinking(thinking, paths, left)
    output = _decode_output(fields, paths, left)
    modalities = tuple(word.lower() for word in fields.strings("responseModalities"))
    audio = _decode_speech(fields, left)
    left.update({f"generationConfig.{key}": value for key, value in fields.rest().items()})
    return Config(sampling, max_tokens, reasoning, output, modalities, audio, left, paths)


def encode_config(request: Request, facts: Facts, ledger: Ledger) -> Json:
    """The `generationConfig` of a request, without the client's own extras."""
    out: Json = {}
    sampling = request.sampling
    for name, value in (
        ("temperature", sampling.temperature), ("topP", sampling.top_p), ("topK", sampling.top_k), ("seed", sampling.seed),
        ("stopSequences", list(sampling.stop) or None), ("frequencyPenalty", sampling.frequency_penalty),
        ("presencePenalty", sampling.presence_penalty), ("maxOutputTokens", request.max_tokens),
    ):
        if value is not None:
            out[name] = value
    if request.output is not None:
        _encode_output(request, request.output, facts, ledger, out)
    if request.modalities:
        out["responseModalities"] = [word.upper() for word in request.modalities]
    if request.audio is not None:
        _encode_speech(request, request.audio, ledger, out)
    if request.reasoning is not None:
        thinking = _encode_thinking(request, request.reasoning, facts, ledger)
        if thinking:
            out["thinkingConfig"] = thinking
    return out


def _decode_thinking(fields: GeminiFields, paths: dict[str, str], left: Json) -> ReasoningAsk | None:
    if fields.renamed:
        paths.update({field: fields.at(name) for field, name in _THINKING.items()}, reasoning=fields.path)
    include = fields.flag("includeThoughts")
    budget = fields.whole("thinkingBudget")
    level = fields.text("thinkingLevel")
    left.update({f"generationConfig.thinkingConfig.{key}": value for key, value in fields.rest().items()})
    show = None if include is None else "summary" if include else "none"
    effort = None
    if level is not None:
        if level.upper() == "THINKING_LEVEL_UNSPECIFIED":
            left["generationConfig.thinkingConfig.thinkingLevel"] = level
        else:
            effort = level.lower()
    if budget is None and effort is not None:
        paths["reasoning.mode"] = fields.at("thinkingLevel")
    if budget == 0:
        return ReasoningAsk("off", effort, None, show)  # type: ignore[arg-type]
    if budget is not None and budget < 0:
        return ReasoningAsk("adaptive", effort, None, show)  # type: ignore[arg-type]
    if budget is None and effort is None:
        paths["reasoning.mode"] = fields.at("includeThoughts")
        # Showing thoughts asks for them: Google's models then think as they see fit, as with a budget of -1.
        return None if show is None else ReasoningAsk(
            "adaptive" if include else None, show=show, extras={wording(PROTOCOL): {"unsaid": True}}  # type: ignore[arg-type]
        )
    return ReasoningAsk("on", effort, budget, show)  # type: ignore[arg-type]


def _encode_thinking(request: Request, ask: ReasoningAsk, facts: Facts, ledger: Ledger) -> Json:
    """ReasoningAsk -> `thinkingConfig`. Google takes a budget or a level, never both."""
    out: Json = dict(unknown_extras(ask.extras, PROTOCOL, request.path("reasoning"), ledger))
    effort = ask.effort
    if ask.mode == "off" or effort == "none":
        out["thinkingBudget"] = 0
    elif ask.budget_tokens is not None and (effort is None or facts.reasoning_input == "budget"):
        out["thinkingBudget"] = ask.budget_tokens
        if effort is not None:
            ledger.drop(request.path("reasoning.effort"), "reasoning_effort", "tuning", "the budget says it")
    elif effort is not None:
        if facts.reasoning_input == "budget":
            ledger.drop(request.path("reasoning.effort"), "reasoning_effort", "tuning", "this target takes a budget")
        else:
            out["thinkingLevel"] = effort.upper()
        if ask.budget_tokens is not None:
            ledger.drop(request.path("reasoning.budget_tokens"), "reasoning_budget", "tuning", "the level says it")
    elif ask.mode == "adaptive" and wording(PROTOCOL) not in (ask.extras or {}):
        out["thinkingBudget"] = -1
    if ask.show is not None:
        out["includeThoughts"] = ask.show != "none"
    return out


def _decode_output(fields: GeminiFields, paths: dict[str, str], left: Json) -> OutputFormat | None:
    mime = fields.text("responseMimeType")
    schema = fields.object("responseJsonSchema")
    if schema is not None:
        paths["output"] = paths["output.schema"] = fields.at("responseJsonSchema")
    else:
        own = fields.object("responseSchema")
        if own is not None:
            schema = decode_schema(own)
            paths["output"] = paths["output.schema"] = fields.at("responseSchema")
    if mime is not None and mime not in (JSON_TYPE, TEXT_TYPE):
        left["generationConfig.responseMimeType"] = mime
    if schema is not None:
        return OutputFormat("schema", schema)
    if mime == JSON_TYPE:
        return OutputFormat("json")
    return OutputFormat("text") if mime == TEXT_TYPE else None


def _encode_output(request: Request, output: OutputFormat, facts: Facts, ledger: Ledger, out: Json) -> None:
    out["responseMimeType"] = TEXT_TYPE if output.kind == "text" else JSON_TYPE
    if output.kind != "schema":
        return
    schema = output.schema
    if schema is not None:
        if output.description is not None:
            if "description" in schema:
                ledger.drop(request.path("output"), "schema_description", "tuning", "the schema has one of its own")
            else:
                schema = {**schema, "description": output.description}
        if facts.schema_dialect == "openapi":
            out["responseSchema"] = encode_schema(schema)
        else:
            out["responseJsonSchema"] = schema


def _decode_speech(fields: GeminiFields, left: Json) -> AudioOut | None:
    """Only the plain shape, one prebuilt voice, has a neutral form; the rest rides along."""
    speech = fields.object("speechConfig")
    if speech is None:
        return None
    voice = GeminiFields(speech, "").take("voiceConfig")
    prebuilt = GeminiFields(voice, "").take("prebuiltVoiceConfig") if type(voice) is dict and len(speech) == 1 else None
    name = GeminiFields(prebuilt, "").take("voiceName") if type(prebuilt) is dict and len(prebuilt) == 1 else None
    if type(name) is str and type(voice) is dict and len(voice) == 1:
        return AudioOut(voice=name)
    left["generationConfig.speechConfig"] = speech
    return None


def _encode_speech(request: Request, audio: AudioOut, ledger: Ledger, out: Json) -> None:
    if audio.voice is not None:
        out["speechConfig"] = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": audio.voice}}}
    if audio.format is not None:
        ledger.drop(f"{request.path('audio')}.format", "audio_format", "tuning", "the format is the provider's choice")
