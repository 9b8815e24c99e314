"""One request for one target: what is sent upstream, and how the answer will come back.

Takes the highest level the case allows: *verbatim* (bytes as they came), *patched* (a field the gateway needs is put in), *translated*
(through the hub). A request that holds a seal of ours is translated, so that foreign state never reaches an upstream raw.
"""

from time import time
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from ..hub.adapt import adapt, strip_state, without
from ..hub.errors import ApiError
from ..hub.estimate import estimate_input
from ..hub.ledger import Ledger, Loss
from ..hub.messages import Native
from ..hub.request import Request
from ..hub.restore import Restorer
from ..hub.seal import SEAL_PREFIX
from ..hub.sealing import SealWriter, Style, open_seals
from ..protocols import codec
from ..protocols.base import Answer, Codec
from ..protocols.envelope import refit, reframer
from ..protocols.headers import PATHS, upward
from ..protocols.relay import Head, parse, with_model, with_usage_asked
from ..providers.auth import auth_headers
from ..providers.target import Target
from .answers import AnswerPath, Relayed, Translated
from .continuations import Collector
from .exchange import Exchange, new_id
from .session import cache_key

_encode = msgspec.json.encode


class Call:
    """An upstream call, ready to be sent. `headers` hold the credential."""

    __slots__ = ("body", "headers", "ledger", "path", "target", "up", "url")

    def __init__(
        self, target: Target, up: Codec, path: str, body: bytes, headers: dict[str, str], ledger: Ledger, answer_path: AnswerPath
    ) -> None:
        self.target = target
        self.up = up
        self.url = target.base_url + path
        self.body = body
        self.headers = headers
        self.ledger = ledger
        self.path = answer_path


def prepare(x: Exchange, head: Head, target: Target, *, stripped: bool = False) -> Call:
    """The call for `target`. `stripped`: without the opaque state an upstream has just refused. Raises `ApiError`."""
    refused = x.runtime.lessons.refused(lesson_key(target))
    same = target.protocol == x.codec.name and not x.recalled and SEAL_PREFIX not in x.body
    if same and not stripped and not refused and not _must_change(x, target):
        return _relayed(x, head, target)
    return _translated(x, target, refused, stripped)


def lesson_key(target: Target) -> tuple[str, str, str]:
    """Under which lessons about a target are kept."""
    return target.provider, target.protocol, target.model


def _must_change(x: Exchange, target: Target) -> bool:
    """Do the facts demand edits that only translation makes: fields or beta flags that the target refuses, reasoning that is missing?"""
    facts = target.facts
    if facts.refused_fields or (facts.reasoning_required_on_tool_turns and facts.reasoning_unsigned and _without_reasoning(x.body)):
        return True
    accepted = facts.beta_flags
    if accepted is None:
        return False
    flags = (x.header(b"anthropic-beta") or "").split(",")
    return b'"anthropic_beta"' in x.body or b'"betas"' in x.body or any(flag.strip() not in accepted for flag in flags if flag.strip())


def _without_reasoning(body: bytes) -> bool:
    """Are there calls in the history, and no reasoning at all? So it is with clients that keep only what they know of an answer."""
    return b'"tool_calls"' in body and b'"reasoning_' not in body.replace(b'"reasoning_effort"', b"") and b'"reasoning"' not in body


def _relayed(x: Exchange, head: Head, target: Target) -> Call:
    up = codec(target.protocol, target.envelope)
    sent = {k.decode("latin-1"): v.decode("latin-1") for k, v in x.headers.items()}
    headers = call_headers(target, up, x.stream)
    headers.update(upward(up.around, sent))
    if (conversation := _conversation(x, target, None)) is not None and target.facts.cache_key_header:
        headers[target.facts.cache_key_header] = conversation
    body = x.body
    x.mode = "verbatim"
    if up is not x.codec:
        body, own = refit(body, x.codec, up, model=target.model, stream=x.stream, headers=sent)
        headers.update(own)
        x.mode = "patched"
    elif up.model_in_body and head.model != target.model:
        body = with_model(body, target.model)
    drop_usage = False
    if x.stream and target.facts.usage_in_stream and "stream_options" in _OPTIONAL_USAGE.get(x.codec.name, ()):
        asked = head.stream_options
        if asked is None or not asked.include_usage:
            body, drop_usage = with_usage_asked(body, head), True
            x.mode = "patched"
    operation = "stream" if x.stream else "generate"
    path = PATHS[target.protocol][operation]
    if "{" in path:
        path = path.replace("{model}", quote(target.model, safe=""))
    path = target.path(operation, path)
    if x.match.array:
        path = path.partition("?")[0]
    # Only where the client will match thinking with the model that wrote it; every other answer passes untouched.
    matched = x.codec.names_model_once and x.codec.model_in_body and b'"thinking"' in x.body
    asked_name = x.model if matched and (head.model != target.model or up is not x.codec) else ""
    back = Relayed(
        x.codec, x.form, x.request_id, drop_usage=drop_usage, reframer=reframer(up, x.codec), model=asked_name,
        collector=_collector(x, target),
    )
    return Call(target, up, path, body, headers, Ledger(), back)


# Protocols whose streams carry usage only on request, and the field that asks.
_OPTIONAL_USAGE = {"openai_chat": ("stream_options",)}


def decoded(x: Exchange) -> Request:
    """The client's request in neutral form, seals opened; decoded once, whatever is tried with it."""
    if x.decoded is None:
        betas = x.header(b"anthropic-beta")
        body = parse(x.body) if x.parsed is None else x.parsed
        headers = {} if betas is None else {"anthropic-beta": betas}
        request = x.codec.decode_request(body, model=x.model, stream=x.stream, headers=headers)
        if any(getattr(part, "tokens", ()) for message in request.messages for part in message.parts) and SEAL_PREFIX in x.body:
            request = open_seals(request, x.runtime.sealer, x.base_ledger)
        x.decoded = request
    return x.decoded


def _translated(x: Exchange, target: Target, refused: tuple[str, ...], stripped: bool) -> Call:
    request = decoded(x)
    if request.choices is not None and request.choices > 1 and target.protocol != x.codec.name:
        path = request.path("choices")
        raise ApiError("invalid", f"{path}: more than one answer can be asked only of an upstream that speaks your own protocol", path=path)
    if target.protocol != x.codec.name:
        _refuse_kept(x, request)
    ledger = x.base_ledger.copy()
    x.mode = "translated"
    up = codec(target.protocol, target.envelope)
    include_usage = bool(request.stream_usage)
    asked = replace(request, model=target.model)
    conversation = _conversation(x, target, request)
    if conversation is not None and target.facts.cache_key and asked.cache_key is None:
        asked = replace(asked, cache_key=conversation)
    for field in refused:
        asked = without(asked, field, ledger) or asked
    if stripped:
        asked = strip_state(asked, ledger)
    adapted = adapt(asked, target.facts, ledger, target.protocol, target.scope)
    wire = up.encode_request(adapted.request, target.facts, ledger)
    reject_losses(x, ledger)
    headers = call_headers(target, up, x.stream)
    headers.update(wire.headers)
    if conversation is not None and target.facts.cache_key_header:
        headers[target.facts.cache_key_header] = conversation
    answer = Answer(
        model=x.model, new_id=new_id, created_s=int(time()), input_estimate=estimate_input(request, len(x.body)) if x.stream else 0,
        include_usage=include_usage, request=request,
    )
    restorer = Restorer(adapted.names, adapted.output_tool) if adapted.names or adapted.output_tool else None
    sealer = _seal_writer(x, target, x.codec.seals)
    back = Translated(up, x.codec, x.form, answer, ledger, restorer, sealer, _collector(x, target))
    return Call(target, up, target.path("stream" if x.stream else "generate", wire.path), _encode(wire.body), headers, ledger, back)


def _conversation(x: Exchange, target: Target, request: Request | None) -> str | None:
    """The key by which the target finds its cache of this conversation again; None where it has no use for one."""
    if not (target.facts.cache_key or target.facts.cache_key_header):
        return None
    return cache_key(x.headers, request, x.who.scope)


def _seal_writer(x: Exchange, target: Target, style: Style) -> SealWriter:
    return SealWriter(x.runtime.sealer, target.facts.realm, target.scope, style, f"unsigned.{target.type}")


def _collector(x: Exchange, target: Target) -> Collector | None:
    """For clients whose protocol has no standard place for state, where it is kept for them."""
    if x.runtime.continuations is None or x.codec.seals != "fields":
        return None
    return Collector(_seal_writer(x, target, "late"))


def call_headers(target: Target, up: Codec, stream: bool) -> dict[str, str]:
    """What every call of a target carries, the plain credential included."""
    headers = {
        "content-type": "application/json", "accept": up.stream_type.partition(";")[0] if stream else "application/json",
        "accept-encoding": "identity", "user-agent": "llm-api-converter",
    }
    headers.update(target.headers)
    headers.update(auth_headers(target))
    return headers


def reject_losses(x: Exchange, ledger: Ledger) -> None:
    """Raise a 400 that lists every loss the route's policy does not allow."""
    if not ledger.losses or x.route is None:
        return
    rejected = ledger.rejected(x.on_loss)
    if rejected:
        raise ApiError(
            "unsupported",
            f"the model `{x.model}` cannot take: " + "; ".join(_named(loss) for loss in rejected)
            + ". (The settings' conversion.on_loss decides whether this is refused or dropped with a report.)",
            path=rejected[0].path,
        )


def _named(loss: Loss) -> str:
    text = f"{loss.path} ({loss.feature})"
    return f"{text}: {loss.detail}" if loss.detail else text


NOT_FOUND = {"previous_response_id": "previous_response_not_found"}
"""Codes by which clients know that they have to send everything again."""


def _refuse_kept(x: Exchange, request: Request) -> None:
    """Raise a 400 for a conversation that only an upstream of the client's own protocol could have kept."""
    own = (request.extras or {}).get(x.codec.name, {})
    for field in x.codec.kept_upstream:
        if own.get(field) is not None:
            raise ApiError(
                "invalid",
                f"{field}: the model `{x.model}` is reached by another protocol, whose upstreams keep no conversations, and "
                f"{_keeps(x)}: send the whole conversation in `input`",
                path=field, code=NOT_FOUND.get(field),
            )
    if not x.codec.kept_upstream:
        return
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Native) and part.kind in x.codec.kept_upstream:
                raise ApiError(
                    "invalid",
                    f"{part.at}: the model `{x.model}` is reached by another protocol, whose upstreams keep no items to refer to, and "
                    f"{_keeps(x)}: have your client send items whole, which most do with `store: false`",
                    path=part.at,
                )


def _keeps(x: Exchange) -> str:
    if x.runtime.kept.keeps:
        return "this gateway does not have it (any more)"
    return "this gateway does not have it: the setting `responses.keep` keeps answers in its store"
