"""`POST /v1/responses/compact`: an operation of one protocol, relayed to upstreams that speak it; others are asked for a summary."""

from time import monotonic

import msgspec
from msgspec.structs import replace

from ..hub.adapt import adapt
from ..hub.ledger import Ledger
from ..hub.seal import SEAL_PREFIX
from ..protocols.headers import DOWN, UP, passing
from ..protocols.openai_responses.compaction import as_compacted
from ..protocols.openai_responses.kept import input_items
from ..protocols.relay import parse, with_model
from ..providers.auth import auth_headers
from ..providers.target import Target
from . import summary
from .admission import admit, identify, resolve
from .exchange import Exchange
from .http import Departure, Receive, read_body
from .pipeline import plain_answer, read_call
from .prepare import decoded

PATH = "/responses/compact"
ANSWERS_ONLY = ("stream", "store", "include", "max_output_tokens", "tool_choice", "parallel_tool_calls")
"""What a request for an answer has and one for a compaction has not."""


async def compact(x: Exchange, receive: Receive) -> None:
    """Answer one request for a compaction."""
    await identify(x)
    x.body = await read_body(receive, x.headers, x.runtime.max_body_bytes)
    async with Departure(x.leaving):
        head = read_call(x)
        route = resolve(x)
        await admit(x)
        target = next((t for t in route.targets if t.protocol == x.codec.name), None)
        if target is None:
            await _summed_up(x)
            return
        x.target = target
        x.mode = "translated" if SEAL_PREFIX in x.body else "verbatim"
        body = _without_seals(x, target) if x.mode == "translated" else x.body
        if head.model != target.model and x.mode == "verbatim":
            body = with_model(body, target.model)
        headers = {"content-type": "application/json", "accept-encoding": "identity", **target.headers, **auth_headers(target)}
        headers.update(passing(UP[target.protocol], {k.decode("latin-1"): v.decode("latin-1") for k, v in x.headers.items()}))
        x.sent_s = monotonic()
        answer = await x.post(target, target.base_url + PATH, body, headers)
        got = await answer.read()
    if answer.status >= 400:
        raise x.codec.decode_error(answer.status, answer.headers, got)
    out = [(k.encode(), v.encode("latin-1")) for k, v in passing(DOWN[target.protocol], answer.headers).items()]
    out += [(b"content-type", b"application/json"), (b"x-request-id", x.request_id.encode())]
    await x.responder.whole(200, out, got)


async def _summed_up(x: Exchange) -> None:
    """The same where no target compacts: its model's summary."""
    x.body = summary.write_out(x.runtime.sealer, await x.runtime.kept.write_out(x.who.scope, x.body))
    items = input_items(parse(x.body))
    headers, body = await plain_answer(x, summary.ask(x))
    answer = parse(body)
    await x.responder.whole(200, headers, msgspec.json.encode(as_compacted(answer, items, summary.item_of(x, answer))))


def _without_seals(x: Exchange, target: Target) -> bytes:
    """The body with our seals opened, and what they hold of other upstreams left out."""
    ledger = x.base_ledger.copy()
    adapted = adapt(replace(decoded(x), model=target.model), target.facts, ledger, target.protocol, target.scope)
    body = x.codec.encode_request(adapted.request, target.facts, Ledger()).body
    return msgspec.json.encode({k: v for k, v in body.items() if k not in ANSWERS_ONLY})
