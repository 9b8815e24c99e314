"""Embeddings: straight through where both sides speak one protocol, else through the neutral form."""

from time import monotonic, time

import msgspec
from msgspec.structs import replace

from ..hub.errors import ApiError
from ..hub.ledger import Ledger, compact
from ..protocols import codec
from ..protocols.base import Answer
from ..protocols.relay import parse, with_model
from ..providers.auth import auth_headers
from .admission import admit, identify, resolve
from .answers import Seen
from .exchange import Exchange, new_id
from .http import Departure, Receive, read_body
from .prepare import reject_losses
from .report import report_header


async def embed(x: Exchange, receive: Receive) -> None:
    """Answer one request for vectors."""
    await identify(x)
    x.body = await read_body(receive, x.headers, x.runtime.max_body_bytes)
    async with Departure(x.leaving):
        body, headers = await _answer(x)
    headers += [(b"content-type", b"application/json"), (b"x-request-id", x.request_id.encode())]
    await x.responder.whole(200, headers, body)


async def _answer(x: Exchange) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    decode = x.codec.decode_embed_request
    assert decode is not None
    asked = decode(parse(x.body), model=x.match.argument or None)
    x.model = x.match.argument or asked.model
    route = resolve(x)
    await admit(x)
    target = x.target = route.targets[0]
    up = codec(target.protocol)
    if up.encode_embed_request is None or up.decode_embed_response is None:
        raise ApiError("unsupported", f"the model `{x.model}` is reached by a protocol without embeddings ({target.protocol})")
    ledger = x.ledger = Ledger()
    wire = up.encode_embed_request(replace(asked, model=target.model), target.facts, ledger)
    reject_losses(x, ledger)
    through = up is x.codec
    sent = msgspec.json.encode(wire.body)
    if through:
        sent = with_model(x.body, target.model) if x.codec.model_in_body else x.body
    x.mode = "verbatim" if through else "translated"
    headers = {"content-type": "application/json", "accept-encoding": "identity", **target.headers, **auth_headers(target), **wire.headers}
    x.sent_s = monotonic()
    answer = await x.post(target, target.base_url + target.path("embed", wire.path), sent, headers)
    raw = await answer.read()
    if answer.status >= 400:
        raise up.decode_error(answer.status, answer.headers, raw)
    got = up.decode_embed_response(raw)
    x.seen = Seen()
    x.seen.usage = got.usage
    out = [(b"x-upstream-provider", target.provider.encode("latin-1", "replace"))]
    if ledger.losses:
        out.append((b"x-conversion-report", report_header(compact(ledger.reported(x.on_loss)))))
    if through:
        return raw, out
    assert x.codec.encode_embed_response is not None
    return x.codec.encode_embed_response(got, asked, Answer(model=x.model, new_id=new_id, created_s=int(time()))), out
