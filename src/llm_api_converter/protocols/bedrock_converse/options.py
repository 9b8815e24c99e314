"""What a request asks for besides its conversation: sampling, the form of the answer, tier, labels, betas.

What Converse has no field for goes into `additionalModelRequestFields`, where the model takes it. Reasoning is in `reasoning`.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `InferenceConfiguration`, `OutputConfig`, `ServiceTier` (November 2026); recordings.
"""

import re

from msgspec.structs import replace

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger
from ...hub.request import OutputFormat, Request, Sampling
from ..base import UNREADABLE, Json
from ..fields import Fields
from .reasoning import Asked
from .wire import decode_json, encode_json

# Neutral tier words -> `serviceTier.type`; None: it is what happens anyway.
TIER_OUT = {
    "default": "default", "priority": "priority", "flex": "flex", "reserved": "reserved", "auto": None,
}  # fmt: skip
PATHS = {
    "max_tokens": "inferenceConfig.maxTokens",
    "temperature": "inferenceConfig.temperature",
    "top_p": "inferenceConfig.topP",
    "stop": "inferenceConfig.stopSequences",
    "top_k": "additionalModelRequestFields.top_k",
    "seed": "additionalModelRequestFields.seed",
    "betas": "additionalModelRequestFields.anthropic_beta",
    "tools": "toolConfig.tools",
    "tool_choice": "toolConfig.toolChoice",
    "tools.schema": "toolSpec.inputSchema.json",
    "tools.strict": "toolSpec.strict",
    "output.schema": "outputConfig.textFormat.structure.jsonSchema.schema",
    "output": "outputConfig.textFormat",
    "service_tier": "serviceTier.type",
    "metadata": "requestMetadata",
    "reasoning": "additionalModelRequestFields",
}
MORE = "additionalModelRequestFields"
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_METADATA_MAX = 16


# ---------------------------------------------------------------------- decode


def decode_top_k(more: Fields, sampling: Sampling, asked: Asked) -> Sampling:
    """`top_k`, or Nova's `inferenceConfig.topK`."""
    nested = more.take("inferenceConfig")
    if type(nested) is dict and type(nested.get("topK")) is int:
        sampling = replace(sampling, top_k=nested["topK"])
        asked.paths["top_k"] = f"{MORE}.inferenceConfig.topK"
        nested = {key: value for key, value in nested.items() if key != "topK"}
    if nested:
        more.keep("inferenceConfig", nested)
    if more.has("top_k"):
        sampling = replace(sampling, top_k=more.whole("top_k"))
    return sampling


def decode_output(f: Fields, asked: Asked, left: Json) -> OutputFormat | None:
    """`outputConfig`: the form of the answer; an effort goes to `asked`, what nobody knows to `left`."""
    config = f.sub("outputConfig")
    if config is None:
        return None
    effort = config.text("effort")
    if effort is not None:
        asked.effort_at(effort, "outputConfig.effort")
    wanted = config.object("textFormat")
    output = None
    if wanted is not None:
        output = _decode_schema(wanted)
        if output is None:
            config.keep("textFormat", wanted)
    left.update({f"outputConfig.{key}": value for key, value in config.rest().items()})
    return output


def _decode_schema(wanted: Json) -> OutputFormat | None:
    """`{type: json_schema, structure: {jsonSchema: {schema, name?, description?}}}`; the schema is JSON text. None: another format."""
    f = Fields(wanted, "outputConfig.textFormat")
    structure = f.object("structure")
    if f.text("type") != "json_schema" or structure is None or structure.keys() != {"jsonSchema"} or f.rest():
        return None
    inner = Fields(structure["jsonSchema"], "outputConfig.textFormat.structure.jsonSchema")
    text = inner.text_required("schema")
    try:
        schema = decode_json(text)
    except UNREADABLE as broken:
        raise inner.error("schema", f"not JSON: {broken}") from broken
    if type(schema) is not dict:
        raise inner.error("schema", "expected the JSON text of an object")
    name, description = inner.text("name"), inner.text("description")
    return None if inner.rest() else OutputFormat("schema", schema, name, description)


def decode_metadata(f: Fields) -> dict[str, str] | None:
    """`requestMetadata`: labels of text."""
    given = f.sub("requestMetadata")
    if given is None:
        return None
    return {key: given.text_required(key) for key in given.rest()}


# ---------------------------------------------------------------------- encode


def encode_betas(request: Request, facts: Facts, more: Json, ledger: Ledger) -> None:
    """Flags go where the model takes them. A client of this protocol has put them where they belong."""
    own = request.path("betas") == PATHS["betas"]
    field = facts.beta_field_converse or ("anthropic_beta" if own else "")
    flags: list[str] = []
    for flag in request.betas:
        if field and (facts.beta_flags is None or flag in facts.beta_flags):
            flags.append(flag)
        else:
            ledger.drop(f"{request.path('betas')}.{flag}", "beta", "unknown", "a beta flag the target does not take")
    if flags:
        more[field] = flags


def encode_sampling(request: Request, facts: Facts, body: Json, more: Json, ledger: Ledger) -> None:
    """`inferenceConfig`; fields Converse has not go into `more`, at the place the model has for them."""
    sampling = request.sampling
    config: Json = {}
    if request.max_tokens is not None:
        config["maxTokens"] = request.max_tokens
    if sampling.temperature is not None:
        config["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        config["topP"] = sampling.top_p
    if sampling.stop:
        config["stopSequences"] = list(sampling.stop)
    if config:
        body["inferenceConfig"] = config
    for field in ("top_k", "seed", "frequency_penalty", "presence_penalty"):
        value = getattr(sampling, field)
        if value is None:
            continue
        place = facts.sampling_fields_converse.get(field)
        if place is None:
            ledger.drop(request.path(field), field, "tuning")
            continue
        home = more
        *objects, last = place.split(".")
        for name in objects:
            home = home.setdefault(name, {})
        home[last] = value


def encode_output(request: Request, body: Json, ledger: Ledger) -> None:
    """`outputConfig.textFormat`: a schema, as JSON text."""
    wanted = request.output
    if wanted is None or wanted.kind == "text":
        return
    path = request.path("output")
    if wanted.kind == "json" or wanted.schema is None:
        ledger.drop(path, "json_mode", "tuning", "Converse takes a schema only")
        return
    if wanted.strict is False:
        ledger.approximate(f"{path}.strict", "strict", "tuning", "Converse always keeps to the schema")
    definition: Json = {"schema": encode_json(wanted.schema).decode()}
    if wanted.name is not None:
        definition["name"] = wanted.name
    if wanted.description is not None:
        definition["description"] = wanted.description
    text_format = {"type": "json_schema", "structure": {"jsonSchema": definition}}
    body.setdefault("outputConfig", {})["textFormat"] = text_format


def encode_labels(request: Request, body: Json, ledger: Ledger) -> None:
    """`serviceTier` and `requestMetadata`, which takes sixteen labels of certain characters."""
    tier = request.service_tier
    if tier is not None:
        if tier not in TIER_OUT:
            ledger.drop(request.path("service_tier"), "service_tier", "tuning")
        elif TIER_OUT[tier] is not None:
            body["serviceTier"] = {"type": TIER_OUT[tier]}
    labels: dict[str, str] = {}
    for key, value in (request.metadata or {}).items():
        if len(labels) < _METADATA_MAX and _METADATA_KEY.fullmatch(key) and _METADATA_VALUE.fullmatch(value):
            labels[key] = value
        else:
            ledger.drop(f"{request.path('metadata')}.{key}", "metadata", "tuning")
    if labels:
        body["requestMetadata"] = labels


def report_unsayable(request: Request, facts: Facts, ledger: Ledger) -> None:
    """Neutral fields Converse has no word for."""
    if request.choices is not None and request.choices > 1:
        raise invalid(request.path("choices"), "Converse gives one answer")
    for modality in request.modalities:
        if modality != "text":
            ledger.drop(request.path("modalities"), modality, "content")
    if request.audio is not None:
        ledger.drop(request.path("audio"), "audio", "content")
    if request.user is not None:
        ledger.drop(request.path("user"), "user", "tuning")
    if request.store is True:
        ledger.drop(request.path("store"), "store", "tuning", "nothing is kept")
    elif request.store is False and facts.stores:
        ledger.drop(request.path("store"), "store", "privacy")
    if request.verbosity is not None:
        ledger.drop(request.path("verbosity"), "verbosity", "tuning")
    if request.cache is not None:
        ledger.drop(request.path("cache"), "cache_control", "cache")
    if request.cache_key is not None:
        ledger.drop(request.path("cache_key"), "cache_key", "cache")
