"""Converse and ConverseStream requests <-> `Request`; token counts.

The model and whether to stream stand in the path: `/model/{id}/converse`, `/converse-stream`, `/count-tokens`. Sampling fields that
Converse has not, betas and reasoning go into `additionalModelRequestFields` (see `reasoning`). Extras of nested objects have dotted
keys (`inferenceConfig.x`): their path in the request.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ConverseRequest`, `CountTokensRequest` (November 2026); recordings.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from msgspec import DecodeError
from msgspec.structs import replace

from ...hub.errors import ApiError, invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Message, Role, ToolResult
from ...hub.request import OutputFormat, ProviderTool, Request, Sampling, Tool
from ..base import Json, Wire
from ..citing import lose_citations
from ..fields import Fields
from .content import ContentEncoder, decode_content
from .reasoning import Asked, decode_reasoning_fields, encode_reasoning
from .tools import decode_tool_config, encode_tool_config
from .wire import PROTOCOL, decode_json, encode_json

ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
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
COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")
_MORE = "additionalModelRequestFields"
# Objects inside `additionalModelRequestFields` whose unknown fields were left over one by one.
_OBJECTS = frozenset({"thinking", "reasoning_config", "reasoningConfig"})
_METADATA_KEY = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_METADATA_VALUE = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_METADATA_MAX = 16


# ---------------------------------------------------------------------- decode


def decode_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] | None = None
) -> Request:
    """A Converse body -> Request. `model` and `stream` come from the path."""
    del headers
    f = Fields(body, "")
    messages = _decode_system(f) + _decode_messages(f)
    config, tool_config = f.sub("inferenceConfig"), f.sub("toolConfig")
    left: Json = {}
    max_tokens, sampling = None, Sampling()
    if config is not None:
        max_tokens = config.whole("maxTokens")
        sampling = Sampling(config.number("temperature"), config.number("topP"), stop=config.strings("stopSequences"))
        left.update({f"inferenceConfig.{key}": value for key, value in config.rest().items()})
    tools: tuple[Tool | ProviderTool, ...] = ()
    choice = None
    if tool_config is not None:
        tools, choice, rest = decode_tool_config(tool_config)
        left.update(rest)
    asked = Asked()
    betas: tuple[str, ...] = ()
    if type(body.get(_MORE)) is dict:
        more = Fields(f.take(_MORE), _MORE)
        decode_reasoning_fields(more, asked)
        betas, sampling = more.strings("anthropic_beta"), _decode_top_k(more, sampling, asked)
        left.update(asked.left)
        left.update({f"{_MORE}.{key}": value for key, value in more.rest().items()})
    output = _decode_output(f, asked, left)
    tier = f.sub("serviceTier")
    service_tier = None
    if tier is not None:
        service_tier = tier.text("type")
        left.update({f"serviceTier.{key}": value for key, value in tier.rest().items()})
    metadata = _decode_metadata(f)
    left.update(f.rest())
    return Request(
        model or "",
        messages,
        tools,
        choice,
        max_tokens=max_tokens,
        sampling=sampling,
        reasoning=asked.value(),
        output=output,
        stream=bool(stream),
        service_tier=service_tier,
        metadata=metadata,
        betas=betas,
        extras={PROTOCOL: left} if left else None,
        paths={**PATHS, **asked.paths} if asked.paths else PATHS,
    )


def _decode_system(f: Fields) -> tuple[Message, ...]:
    blocks = f.array("system")
    return (Message("system", decode_content(blocks, "system"), at="system"),) if blocks else ()


def _decode_messages(f: Fields) -> tuple[Message, ...]:
    messages: list[Message] = []
    for i, entry in enumerate(f.array("messages") or []):
        at = f"messages[{i}]"
        m = Fields(entry, at)
        role = ROLES.get(m.text_required("role"))
        if role is None:
            raise m.error("role", f"expected one of {', '.join(ROLES)}")
        parts = decode_content(m.array_required("content"), f"{at}.content")
        messages.append(Message(role, parts, at=at, extras=m.extras(PROTOCOL)))
    return tuple(messages)


def _decode_top_k(more: Fields, sampling: Sampling, asked: Asked) -> Sampling:
    """`top_k`, or Nova's `inferenceConfig.topK`."""
    nested = more.take("inferenceConfig")
    if type(nested) is dict and type(nested.get("topK")) is int:
        sampling = replace(sampling, top_k=nested["topK"])
        asked.paths["top_k"] = f"{_MORE}.inferenceConfig.topK"
        nested = {key: value for key, value in nested.items() if key != "topK"}
    if nested:
        more.keep("inferenceConfig", nested)
    if more.has("top_k"):
        sampling = replace(sampling, top_k=more.whole("top_k"))
    return sampling


def _decode_output(f: Fields, asked: Asked, left: Json) -> OutputFormat | None:
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
    except DecodeError as broken:
        raise inner.error("schema", f"not JSON: {broken}") from broken
    if type(schema) is not dict:
        raise inner.error("schema", "expected the JSON text of an object")
    name, description = inner.text("name"), inner.text("description")
    return None if inner.rest() else OutputFormat("schema", schema, name, description)


def _decode_metadata(f: Fields) -> dict[str, str] | None:
    given = f.sub("requestMetadata")
    if given is None:
        return None
    return {key: given.text_required(key) for key in given.rest()}


def decode_count_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] | None = None
) -> Request:
    """`{input: {converse: {...}}}` -> the request whose tokens are counted."""
    given = Fields(body, "").sub("input")
    converse = None if given is None else given.object("converse")
    if given is not None and given.has("invokeModel"):
        raise ApiError("unsupported", "input.invokeModel: only input.converse can be counted here", path="input.invokeModel")
    if converse is None:
        raise invalid("input.converse", "required")
    return decode_request(converse, model=model, stream=False, headers=headers)


def decode_count(body: bytes) -> int:
    """`{inputTokens}` -> the count. Raises ApiError(upstream_failed) for anything else."""
    try:
        count = decode_json(body)["inputTokens"]
    except (DecodeError, KeyError, TypeError) as broken:
        raise ApiError("upstream_failed", "the upstream's answer holds no inputTokens") from broken
    if type(count) is not int:
        raise ApiError("upstream_failed", "the upstream's inputTokens is no whole number")
    return count


# ---------------------------------------------------------------------- encode


def encode_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """Request -> path and body. Neighbours of one role are merged; what cannot be said goes to the ledger."""
    operation = "converse-stream" if request.stream else "converse"
    return Wire(f"/model/{quote(request.model, safe='')}/{operation}", _encode_body(request, facts, ledger))


def encode_count_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """The same request, to be counted: only what has tokens is sent."""
    body = _encode_body(request, facts, ledger)
    counted = {field: body[field] for field in COUNTED if field in body}
    return Wire(f"/model/{quote(request.model, safe='')}/count-tokens", {"input": {"converse": counted}})


def encode_count(count: int) -> bytes:
    """`{inputTokens}`."""
    return encode_json({"inputTokens": count})


def _encode_body(request: Request, facts: Facts, ledger: Ledger) -> Json:
    body: Json = {}
    more: Json = {}
    _encode_messages(request, facts, body, ledger)
    _encode_sampling(request, facts, body, more, ledger)
    tool_config = encode_tool_config(request, facts, ledger)
    if tool_config is not None:
        body["toolConfig"] = tool_config
    encode_reasoning(request, facts, body, more, ledger)
    _encode_betas(request, facts, more, ledger)
    if more:
        body[_MORE] = more
    _encode_output(request, body, ledger)
    _encode_labels(request, body, ledger)
    _report_unsayable(request, facts, ledger)
    for key, value in unknown_extras(request.extras, PROTOCOL, "", ledger).items():
        _put_back(body, key, value)
    _remove_refused(body, request.betas, facts, ledger)
    return body


def _encode_betas(request: Request, facts: Facts, more: Json, ledger: Ledger) -> None:
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


def _remove_refused(body: Json, betas: tuple[str, ...], facts: Facts, ledger: Ledger) -> None:
    """Fields the target refuses, and those whose beta flag does not go along."""
    for field in facts.refused_fields:
        _remove(body, field, ledger, "the target refuses it")
    for field, flags in facts.beta_fields.items():
        if not any(flag in betas and (facts.beta_flags is None or flag in facts.beta_flags) for flag in flags):
            _remove(body, field, ledger, f"needs the beta flag {' or '.join(flags)}")


def _remove(body: Json, path: str, ledger: Ledger, why: str) -> None:
    home: Any = body
    *owners, field = path.split(".")
    for owner in owners:
        home = home.get(owner) if isinstance(home, dict) else None
    if isinstance(home, dict) and field in home:
        del home[field]
        ledger.drop(path, field, "unknown", why)


def _put_back(body: Json, key: str, value: Any) -> None:
    """A leftover at its dotted path; only the objects this codec reads are stepped into."""
    owner, _, field = key.partition(".")
    if not field:
        body[owner] = value
        return
    home = body.setdefault(owner, {})
    inner, _, deeper = field.partition(".")
    if deeper and owner == _MORE and inner in _OBJECTS:
        home, field = home.setdefault(inner, {}), deeper
    if isinstance(home.get(field), dict) and isinstance(value, dict):
        home[field] = {**home[field], **value}
    else:
        home[field] = value


def _encode_messages(request: Request, facts: Facts, body: Json, ledger: Ledger) -> None:
    encoder = ContentEncoder(ledger, facts.accepts_realms)
    system: list[Json] = []
    turns: list[tuple[Message, Json]] = []
    for message in request.messages:
        left = unknown_extras(message.extras, PROTOCOL, message.at, ledger)
        if message.name is not None:
            ledger.drop(f"{message.at}.name", "name", "tuning")
        if message.role == "system" and not (turns and facts.system_inline):
            if turns:
                ledger.approximate(message.at, "system", "content", "moved to the front")
            _encode_system(message, encoder, system)
            continue
        if turns and not turns[-1][1]["content"]:
            turns.pop()  # nothing of it could be said: its neighbours are one turn where they are of one role
        if not turns or turns[-1][1]["role"] != message.role:
            turns.append((message, {"role": message.role, "content": []}))
        first, turn = turns[-1]
        turn.update(left)
        content: list[Json] = turn["content"]
        if content and any(isinstance(part, ToolResult) for part in message.parts):
            _insert_results(message, encoder, content)
        else:
            encoder.content(message.parts, content)
    for first, turn in turns:
        _accompany_documents(first, turn["content"], ledger)
    if request.messages:
        body["messages"] = [turn for _, turn in turns if turn["content"]]
    if system:
        body["system"] = system


def _encode_system(message: Message, encoder: ContentEncoder, out: list[Json]) -> None:
    """The top-level list takes text, guarded content and cache points only."""
    blocks: list[Json] = []
    encoder.content(message.parts, blocks)
    for block in blocks:
        kind = next(iter(block))
        if kind == "citationsContent":
            out.extend(block[kind].get("content", []))
            lose_citations(message.at, encoder.ledger)
        elif kind in ("text", "guardContent", "cachePoint"):
            out.append(block)
        else:
            encoder.ledger.drop(message.at, kind, "content", "not in system text")


def _insert_results(message: Message, encoder: ContentEncoder, content: list[Json]) -> None:
    """Results of a later message of one merged turn stand behind the results already there, before its other blocks."""
    results = tuple(part for part in message.parts if isinstance(part, ToolResult) and part.runs == "client")
    others = tuple(part for part in message.parts if not (isinstance(part, ToolResult) and part.runs == "client"))
    place = 0
    while place < len(content) and ("toolResult" in content[place] or (place and "cachePoint" in content[place])):
        place += 1
    blocks: list[Json] = []
    encoder.content(results, blocks)
    content[place:place] = blocks
    encoder.content(others, content)


def _accompany_documents(first: Message, content: list[Json], ledger: Ledger) -> None:
    """A message with a document must hold a text."""
    if any("document" in block for block in content) and not any("text" in block for block in content):
        content.append({"text": "."})
        ledger.repair(first.at, "document_text", "content", "a text must accompany a document")


def _encode_sampling(request: Request, facts: Facts, body: Json, more: Json, ledger: Ledger) -> None:
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


def _encode_output(request: Request, body: Json, ledger: Ledger) -> None:
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


def _encode_labels(request: Request, body: Json, ledger: Ledger) -> None:
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


def _report_unsayable(request: Request, facts: Facts, ledger: Ledger) -> None:
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
