"""Counting the tokens of a request: the upstream's own counter where it has one, else an estimate that says so."""

from time import monotonic
from urllib.parse import quote

from ..hub.errors import ApiError
from ..hub.estimate import estimate_input
from ..protocols import codec
from ..protocols.headers import PATHS, UP, passing
from ..protocols.relay import parse, read_head, with_model
from ..providers.auth import auth_headers
from ..providers.target import Target
from .exchange import Exchange
from .http import Departure, Receive, read_body

LABEL = b"x-token-count"


async def count(x: Exchange, receive: Receive) -> None:
    """Answer a count request. The header `x-token-count` says `exact` or `estimate`."""
    x.caller = x.runtime.authenticate(x.headers, x.query)
    x.body = await read_body(receive, x.headers, x.runtime.max_body_bytes)
    async with Departure(receive):
        head = read_head(x.body)
        if x.codec.model_in_body:
            if type(head.model) is not str or not head.model:
                raise ApiError("invalid", "model: required", path="model")
            x.model = head.model
        else:
            x.model = x.match.argument
        x.route = x.runtime.resolver.resolve(x.model, x.codec.name)
        target = x.target = x.route.targets[0]
        exact = await _exact(x, target) if target.counts_tokens and target.protocol == x.codec.name else None
    if exact is not None:
        await x.responder.whole(200, _headers(x, b"exact"), exact)
        return
    assert x.codec.decode_count_request is not None
    assert x.codec.encode_count is not None
    request = x.codec.decode_count_request(parse(x.body), model=x.model)
    await x.responder.whole(200, _headers(x, b"estimate"), x.codec.encode_count(estimate_input(request, len(x.body))))


async def _exact(x: Exchange, target: Target) -> bytes | None:
    """The upstream's answer as it came; None where it has no counter or fails, for an estimate is better than an error."""
    path = PATHS[target.protocol]["count"].replace("{model}", quote(target.model, safe=""))
    body = with_model(x.body, target.model) if x.codec.model_in_body and x.model != target.model else x.body
    headers = {"content-type": "application/json", "accept-encoding": "identity", **target.headers, **auth_headers(target)}
    headers.update(passing(UP[target.protocol], {k.decode("latin-1"): v.decode("latin-1") for k, v in x.headers.items()}))
    x.sent_s = monotonic()
    try:
        answer = await x.runtime.post(target, target.base_url + path, body, headers)
        counted = await answer.read()
    except ApiError:
        return None
    if answer.status == 400:
        raise codec(target.protocol).decode_error(answer.status, answer.headers, counted)
    return counted if answer.status == 200 else None


def _headers(x: Exchange, how: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"x-request-id", x.request_id.encode()), (LABEL, how)]
