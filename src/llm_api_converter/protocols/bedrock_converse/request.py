"""Converse and ConverseStream requests <-> `Request`; token counts.

The model and whether to stream stand in the path: `/model/{id}/converse`, `/converse-stream`, `/count-tokens`. The conversation is read
and written by `history`, what is asked for besides by `options`, `tools` and `reasoning`. Extras of nested objects have dotted
keys (`inferenceConfig.x`): their path in the request.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ConverseRequest`, `CountTokensRequest` (November 2026); recordings.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from msgspec import DecodeError

from ...hub.errors import ApiError, invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.request import ProviderTool, Request, Sampling, Tool
from ..base import Json, Wire
from ..fields import Fields
from .history import decode_messages, decode_system, encode_messages
from .options import (
    MORE,
    PATHS,
    decode_metadata,
    decode_output,
    decode_top_k,
    encode_betas,
    encode_labels,
    encode_output,
    encode_sampling,
    report_unsayable,
)
from .reasoning import Asked, decode_reasoning_fields, encode_reasoning
from .tools import decode_tool_config, encode_tool_config
from .wire import PROTOCOL, decode_json, encode_json

COUNTED = ("messages", "system", "toolConfig", "additionalModelRequestFields")
# Objects inside `additionalModelRequestFields` whose unknown fields were left over one by one.
_OBJECTS = frozenset({"thinking", "reasoning_config", "reasoningConfig"})


# ---------------------------------------------------------------------- decode


def decode_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] | None = None
) -> Request:
    """A Converse body -> Request. `model` and `stream` come from the path."""
    del headers
    f = Fields(body, "")
    messages = decode_system(f) + decode_messages(f)
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
    if type(body.get(MORE)) is dict:
        more = Fields(f.take(MORE), MORE)
        decode_reasoning_fields(more, asked)
        betas, sampling = more.strings("anthropic_beta"), decode_top_k(more, sampling, asked)
        left.update(asked.left)
        left.update({f"{MORE}.{key}": value for key, value in more.rest().items()})
    output = decode_output(f, asked, left)
    tier = f.sub("serviceTier")
    service_tier = None
    if tier is not None:
        service_tier = tier.text("type")
        left.update({f"serviceTier.{key}": value for key, value in tier.rest().items()})
    metadata = decode_metadata(f)
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
    encode_messages(request, facts, body, ledger)
    encode_sampling(request, facts, body, more, ledger)
    tool_config = encode_tool_config(request, facts, ledger)
    if tool_config is not None:
        body["toolConfig"] = tool_config
    encode_reasoning(request, facts, body, more, ledger)
    encode_betas(request, facts, more, ledger)
    if more:
        body[MORE] = more
    encode_output(request, body, ledger)
    encode_labels(request, body, ledger)
    report_unsayable(request, facts, ledger)
    for key, value in unknown_extras(request.extras, PROTOCOL, "", ledger).items():
        _put_back(body, key, value)
    _remove_refused(body, request.betas, facts, ledger)
    return body


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
    if deeper and owner == MORE and inner in _OBJECTS:
        home, field = home.setdefault(inner, {}), deeper
    if isinstance(home.get(field), dict) and isinstance(value, dict):
        home[field] = {**home[field], **value}
    else:
        home[field] = value


