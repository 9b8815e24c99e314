"""Messages requests: JSON body <-> Request.

    decode_request(body, headers=...) -> Request          encode_request(request, facts, ledger) -> Wire("/v1/messages", body, headers)

`system` and `role: system` messages are both system messages; those that stand before the first turn are written as `system`, later ones
where they stood. Beta flags come in the `anthropic-beta` header or a body's `betas`, and the body fields they gate leave together with
them (`facts.beta_fields`). Source: anthropic SDK 2.12.0, message_create_params.py, message_count_tokens_params.py;
https://platform.claude.com/docs/en/api/messages (November 2026).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, LossClass
from ...hub.messages import Media, Message, Native, Role, Text
from ...hub.request import Request, Sampling
from ..base import Json, Wire
from ..fields import Fields, type_name
from .blocks import Side, decode_content, encode_blocks, encode_content, is_string
from .marks import keep_nested, put_cache, put_extras, take_cache
from .options import LEGACY_PATHS, PATHS, decode_options, encode_options
from .tools import decode_choice, decode_tools, encode_choice, encode_tools
from .wire import PROTOCOL, VERSION

MAX_TOKENS_DEFAULT = 4096
"""Sent where neither the client nor the facts give a limit: the protocol demands one."""

ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}
# Neutral service tiers are OpenAI's words.
TIER_IN = {"standard_only": "default"}
TIER_OUT = {"auto": "auto", "default": "standard_only"}

# Fields of a counting request beside those of the content itself.
COUNTED = frozenset({"context_management", "mcp_servers", "speed", "user_profile_id", "workspace_id", "billing_policy", "compaction"})

# What this protocol has no word for.
UNSAID_SAMPLING = ("seed", "frequency_penalty", "presence_penalty")
UNSAID: tuple[tuple[str, LossClass], ...] = (("audio", "tuning"), ("verbosity", "tuning"), ("cache_key", "cache"))


def decode_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] | None = None
) -> Request:
    """The client's body -> Request. `max_tokens` is required."""
    return _decode(body, model, stream, headers or {}, counting=False)


def decode_count_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] | None = None
) -> Request:
    """The body of a token count -> Request."""
    return _decode(body, model, stream, headers or {}, counting=True)


def encode_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """Request -> what is sent to `/v1/messages`."""
    body: Json = {"model": request.model, "max_tokens": _max_tokens(request, facts)}
    _put_content(body, request, facts, ledger)
    _put_settings(body, request, facts, ledger)
    put_extras(body, request.extras, "", ledger)
    return Wire("/v1/messages", body, _headers(body, request, facts, ledger))


def encode_count_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """Request -> what is sent to `/v1/messages/count_tokens`: only what counts."""
    body: Json = {"model": request.model}
    _put_content(body, request, facts, ledger)
    own = (request.extras or {}).get(PROTOCOL, {})
    body.update((field, value) for field, value in own.items() if field in COUNTED)
    return Wire("/v1/messages/count_tokens", body, _headers(body, request, facts, ledger))


def _decode(body: Any, model: str | None, stream: bool | None, headers: Mapping[str, str], *, counting: bool) -> Request:
    f = Fields(body, "")
    name = f.text("model") or model
    if name is None:
        raise invalid("model", "required")
    messages = _decode_messages(f)
    max_tokens = f.whole("max_tokens")
    if max_tokens is None and not counting:
        raise invalid("max_tokens", "required")
    if max_tokens is not None and max_tokens < 0:
        raise invalid("max_tokens", "must not be negative")
    tools = decode_tools(f.array("tools"))
    choice, parallel = decode_choice(f)
    reasoning, output, legacy = decode_options(f)
    sampling = Sampling(f.number("temperature"), f.number("top_p"), f.whole("top_k"), stop=f.strings("stop_sequences"))
    streams, user, cache = f.flag("stream"), _decode_user(f), take_cache(f)
    tier, betas = f.text("service_tier") or "", _decode_betas(f, headers)
    f.take("anthropic_version")
    return Request(
        model if model is not None else name, messages, tools, choice, parallel, max_tokens, sampling, reasoning, output,
        stream=bool(streams) if stream is None else stream, service_tier=TIER_IN.get(tier, tier) or None, user=user, cache=cache,
        betas=betas, extras=f.extras(PROTOCOL), paths=LEGACY_PATHS if legacy else PATHS,
    )


def _decode_messages(f: Fields) -> tuple[Message, ...]:
    out: list[Message] = []
    system = f.take("system")
    if system is not None:
        out.append(Message("system", decode_content(system, "system"), at="system"))
    for i, message in enumerate(f.array_required("messages")):
        at = f"messages[{i}]"
        if type(message) is not dict:
            raise invalid(at, f"expected an object, got {type_name(message)}")
        spoken = message.get("role")
        role = ROLES.get(spoken) if type(spoken) is str else None
        if role is None:
            raise invalid(f"{at}.role", f"expected one of {', '.join(ROLES)}, got {spoken!r}")
        parts = decode_content(message.get("content"), f"{at}.content")
        extras = None
        if len(message) > 2:
            rest = {k: v for k, v in message.items() if k not in ("role", "content") and v is not None}
            extras = {PROTOCOL: rest} if rest else None
        out.append(Message(role, parts, at=at, extras=extras))
    return tuple(out)


def _decode_user(f: Fields) -> str | None:
    metadata = f.sub("metadata")
    if metadata is None:
        return None
    user = metadata.text("user_id")
    keep_nested(f, "metadata", metadata)
    return user


def _decode_betas(f: Fields, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Flags of the header, then of the body (`betas`, or `anthropic_beta` as Bedrock and Vertex clients send it), each once."""
    flags = [flag.strip() for flag in headers.get("anthropic-beta", "").split(",")]
    flags += f.strings("betas")
    flags += f.strings("anthropic_beta")
    return tuple(dict.fromkeys(filter(None, flags)))


def _max_tokens(request: Request, facts: Facts) -> int:
    if request.max_tokens is not None:
        return request.max_tokens
    return facts.max_tokens_default or facts.max_output_tokens or MAX_TOKENS_DEFAULT


def _put_content(body: Json, request: Request, facts: Facts, ledger: Ledger) -> None:
    """The fields a token count needs too."""
    side = Side(ledger, realms=facts.accepts_realms, unsigned=facts.reasoning_unsigned)
    messages = request.messages
    turns = 0
    while turns < len(messages) and _leads(messages[turns]):
        turns += 1
    if turns:
        system = _encode_system(messages[:turns], side)
        if system:
            body["system"] = system
    body["messages"] = _encode_messages(messages[turns:], side)
    tools = encode_tools(request, ledger)
    if tools:
        body["tools"] = tools
    choice = encode_choice(request, bool(tools) or "mcp_servers" in (request.extras or {}).get(PROTOCOL, {}), ledger)
    if choice is not None:
        body["tool_choice"] = choice
    if request.reasoning is not None or request.output is not None:
        body.update(encode_options(request, facts, ledger))
    if request.cache is not None:
        put_cache(body, request.cache, "", ledger)


def _leads(message: Message) -> bool:
    """Can this first message be part of `system`? One with items of this protocol's own (`tool_addition`) stays a message."""
    return message.role == "system" and not any(isinstance(part, Native) for part in message.parts)


def _encode_system(messages: Sequence[Message], side: Side) -> str | list[Json]:
    """Leading system messages -> `system`, which holds text only."""
    for message in messages:
        _report_message(message, side.ledger)
    parts = [part for message in messages for part in message.parts]
    if len(parts) == 1 and isinstance(parts[0], Text) and is_string(parts[0]):
        return parts[0].text
    for part in parts:
        if isinstance(part, Media):
            side.ledger.drop(part.at, part.kind, "content", "system holds text only")
    return encode_blocks(tuple(part for part in parts if not isinstance(part, Media)), side)


def _encode_messages(messages: Sequence[Message], side: Side) -> list[Json]:
    """Turns. Results that follow each other as turns of their own become one turn: all results of a turn's calls must stand together."""
    out: list[Json] = []
    for message in messages:
        written = _encode_message(message, side)
        if written is None:
            continue
        if message.role == "user" and out and _goes_on(out[-1], written):
            out[-1]["content"] += written["content"]
        else:
            out.append(written)
    return out


def _goes_on(before: Json, written: Json) -> bool:
    """Does a turn that begins with a result follow one of nothing but results?"""
    content, results = written["content"], before["content"]
    if type(content) is not list or type(results) is not list or not content or content[0]["type"] != "tool_result":
        return False
    return before["role"] == "user" and len(before) == len(written) == 2 and all(block["type"] == "tool_result" for block in results)


def _encode_message(message: Message, side: Side) -> Json | None:
    content = encode_content(message.parts, side)
    _report_message(message, side.ledger)
    if not content and message.parts and isinstance(content, list):
        return None
    out: Json = {"role": message.role, "content": content}
    if message.extras:
        put_extras(out, message.extras, message.at, side.ledger)
    return out


def _report_message(message: Message, ledger: Ledger) -> None:
    if message.name is not None:
        ledger.drop(f"{message.at}.name", "name", "tuning", "messages have no names")


def _put_settings(body: Json, request: Request, facts: Facts, ledger: Ledger) -> None:
    """The fields that do not count."""
    sampling = request.sampling
    if sampling.temperature is not None:
        body["temperature"] = sampling.temperature
    if sampling.top_p is not None:
        body["top_p"] = sampling.top_p
    if sampling.top_k is not None:
        body["top_k"] = sampling.top_k
    if sampling.stop:
        body["stop_sequences"] = list(sampling.stop)
    if request.stream:
        body["stream"] = True
    if request.user is not None:
        body["metadata"] = {"user_id": request.user}
    if request.service_tier is not None:
        tier = TIER_OUT.get(request.service_tier)
        if tier is None:
            ledger.drop(request.path("service_tier"), "service_tier", "tuning", f"there is no tier {request.service_tier!r}")
        else:
            body["service_tier"] = tier
    _report_unsaid(request, facts, ledger)


def _report_unsaid(request: Request, facts: Facts, ledger: Ledger) -> None:
    if request.choices is not None and request.choices != 1:
        raise invalid(request.path("choices"), "the upstream gives one answer a request")
    for field in UNSAID_SAMPLING:
        if getattr(request.sampling, field) is not None:
            ledger.drop(request.path(field), field, "tuning")
    for field, loss_class in UNSAID:
        if getattr(request, field) is not None:
            ledger.drop(request.path(field), field, loss_class)
    for label in request.metadata or ():
        ledger.drop(f"{request.path('metadata')}.{label}", "metadata", "tuning", "free labels are not taken")
    if any(modality != "text" for modality in request.modalities):
        ledger.drop(request.path("modalities"), "modalities", "tuning", "answers are text")
    if request.store and not facts.stores:
        ledger.drop(request.path("store"), "store", "tuning", "answers cannot be kept on demand")
    elif request.store is False and facts.stores:
        ledger.drop(request.path("store"), "store", "privacy", "the provider keeps answers")


def _headers(body: Json, request: Request, facts: Facts, ledger: Ledger) -> dict[str, str]:
    """Version and beta flags. Removes from `body` what the facts refuse, and what a flag gates that does not go along."""
    headers = {"anthropic-version": VERSION}
    betas = request.betas
    if facts.beta_flags is not None:
        for flag in betas:
            if flag not in facts.beta_flags:
                ledger.drop(f"{request.path('betas')}.{flag}", "beta", "unknown", "a beta flag the target refuses")
        betas = tuple(flag for flag in betas if flag in facts.beta_flags)
    for field, flags in facts.beta_fields.items():
        if not any(flag in betas for flag in flags):
            _remove(body, field, field, ledger, f"needs the beta flag {' or '.join(flags)}")
    for field in facts.refused_fields:
        _remove(body, field, field, ledger, "the target refuses it")
    if betas:
        headers["anthropic-beta"] = ",".join(betas)
    return headers


def _remove(holder: Any, field: str, path: str, ledger: Ledger, why: str) -> None:
    """Remove a field (`context_management`, `output_config.effort`, `tools[].defer_loading`) and report it where it was there."""
    head, _, rest = field.partition(".")
    if head.endswith("[]"):
        for i, item in enumerate(holder.get(head[:-2]) or ()):
            if isinstance(item, dict):
                _remove(item, rest, f"{path.partition('[]')[0]}[{i}].{rest}", ledger, why)
    elif head not in holder:
        return
    elif not rest:
        del holder[head]
        ledger.drop(path, head, "unknown", why)
    elif isinstance(holder[head], dict):
        _remove(holder[head], rest, path, ledger, why)
        if not holder[head]:
            del holder[head]
