"""Counting the tokens of a request: the upstream's own counter where it has one, else an estimate that says so."""

from collections.abc import Mapping
from time import monotonic
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from ..hub.adapt import adapt
from ..hub.errors import ApiError
from ..hub.estimate import estimate_input
from ..hub.ledger import Ledger
from ..hub.request import Request
from ..hub.seal import SEAL_PREFIX
from ..hub.sealing import open_seals
from ..protocols import codec
from ..protocols.base import Codec
from ..protocols.headers import PATHS, upward
from ..protocols.relay import parse, read_head, with_model
from ..providers.auth import auth_headers
from ..providers.target import Target
from .admission import identify, resolve
from .exchange import Exchange
from .http import Departure, Receive, read_body

LABEL = b"x-token-count"


async def count(x: Exchange, receive: Receive) -> None:
    """Answer a count request. The header `x-token-count` says `exact` or `estimate`."""
    await identify(x)
    x.body = await read_body(receive, x.headers, x.runtime.max_body_bytes)
    async with Departure(x.leaving):
        head = read_head(x.body)
        if x.codec.model_in_body:
            if type(head.model) is not str or not head.model:
                raise ApiError("invalid", "model: required", path="model")
            x.model = head.model
        else:
            x.model = x.match.argument
        route = resolve(x)
        target = x.target = route.targets[0]
        exact = await _exact(x, target) if target.counts_tokens else None
    if exact is not None:
        await x.responder.whole(200, _headers(x, b"exact"), exact)
        return
    assert x.codec.encode_count is not None
    await x.responder.whole(200, _headers(x, b"estimate"), x.codec.encode_count(estimate_input(_decoded(x), len(x.body))))


def _decoded(x: Exchange) -> Request:
    if x.decoded is None:
        assert x.codec.decode_count_request is not None
        x.decoded = x.codec.decode_count_request(parse(x.body), model=x.model)
    return x.decoded


async def _exact(x: Exchange, target: Target) -> bytes | None:
    """The upstream's count for the client; None where it has no counter or fails, for an estimate is better than an error."""
    up = codec(target.protocol, target.envelope)
    through = up is x.codec and SEAL_PREFIX not in x.body
    if not through and (up.encode_count_request is None or up.decode_count is None):
        return None
    path, body, more = _as_it_came(x, target) if through else _translated(x, target, up)
    headers = {"content-type": "application/json", "accept-encoding": "identity", **target.headers, **auth_headers(target), **more}
    x.sent_s = monotonic()
    try:
        answer = await x.post(target, target.base_url + target.path("count", path), body, headers)
        counted = await answer.read()
    except ApiError:
        return None
    if answer.status == 400 and through:  # else it may be our own words, or a model that is not counted for
        raise up.decode_error(answer.status, answer.headers, counted)
    if answer.status != 200 or through:
        return counted if answer.status == 200 else None
    assert up.decode_count is not None
    assert x.codec.encode_count is not None
    return x.codec.encode_count(up.decode_count(counted))


Sent = tuple[str, bytes, Mapping[str, str]]
"""Path, body and further headers of a count."""


def _as_it_came(x: Exchange, target: Target) -> Sent:
    path = PATHS[target.protocol]["count"].replace("{model}", quote(target.model, safe=""))
    body = with_model(x.body, target.model) if x.codec.model_in_body and x.model != target.model else x.body
    return path, body, upward(target.protocol, {k.decode("latin-1"): v.decode("latin-1") for k, v in x.headers.items()})


def _translated(x: Exchange, target: Target, up: Codec) -> Sent:
    request = _decoded(x)
    if SEAL_PREFIX in x.body:
        request = open_seals(request, x.runtime.sealer, Ledger())
    adapted = adapt(replace(request, model=target.model), target.facts, Ledger(), target.protocol, target.scope)
    assert up.encode_count_request is not None
    wire = up.encode_count_request(adapted.request, target.facts, Ledger())
    return wire.path, msgspec.json.encode(wire.body), wire.headers


def _headers(x: Exchange, how: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"x-request-id", x.request_id.encode()), (LABEL, how)]
