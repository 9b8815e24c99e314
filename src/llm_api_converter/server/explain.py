"""`POST /v1/explain`: what would be sent for a request, and what would be lost, without a call.

In: `{protocol, path?, body, to?}`. `protocol` is the client's, taken from `path` where that is given; `to` is a model name to use in place
of the body's, or a protocol, to see the translation into it whoever serves the model. Out: `{route, request: {method, path, body},
report, rejected}`. `rejected` are the losses for which the settings would refuse the request. Headers are not shown, as they hold
credentials, and known secrets are blanked wherever they stand.
"""

from typing import Any

import msgspec

from ..access.principal import check_model
from ..hub.errors import invalid
from ..hub.ledger import Loss, compact
from ..protocols import PROTOCOLS, codec
from ..protocols.fields import Fields
from ..protocols.relay import parse
from ..providers.target import Auth, Target
from .admission import identify
from .exchange import Exchange
from .http import Receive, read_body
from .pipeline import read_call
from .prepare import Call, prepare
from .routes import Match, match

_encode = msgspec.json.encode


async def explain(x: Exchange, receive: Receive) -> None:
    """Answer one dry run."""
    await identify(x)
    x.body = await read_body(receive, x.headers, x.runtime.max_body_bytes)
    ask = Fields(parse(x.body), "")
    found = _call(ask.text("protocol"), ask.text("path"))
    to = ask.text("to")
    body = ask.required("body")
    for name in ask.rest():
        raise ask.error(name, "not known here; expected protocol, path, body, to")
    if type(body) is not dict:
        raise ask.error("body", "expected the request's JSON object")
    shown = _encode(_explained(x, found, body, to))
    headers = [(b"content-type", b"application/json"), (b"x-request-id", x.request_id.encode())]
    await x.responder.whole(200, headers, x.runtime.redactor.in_bytes(shown))


def _call(protocol: str | None, path: str | None) -> Match:
    """Which call is meant."""
    if protocol is not None and protocol not in PROTOCOLS:
        raise invalid("protocol", f"expected one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    if path is None:
        if protocol is None:
            raise invalid("protocol", "required (or the path the client calls, as `path`)")
        return Match(protocol, "generate", "POST")
    plain, _, query = path.partition("?")
    found = match(plain.encode(), query.encode())
    if found.operation != "generate":
        raise invalid("path", f"{plain} is no path that asks for an answer; those can be explained")
    if protocol is not None and protocol != found.protocol:
        raise invalid("protocol", f"{plain} is a path of {found.protocol}, not of {protocol}")
    return found


def _explained(x: Exchange, found: Match, body: dict[str, Any], to: str | None) -> dict[str, Any]:
    client = codec(found.protocol, found.envelope)
    model = to if to is not None and to not in PROTOCOLS else None
    if not client.model_in_body:
        named = model or found.argument or body.get("model")
        if type(named) is not str or not named:
            raise invalid("path", "required: it has the model (or name one as `to`)")
        found = msgspec.structs.replace(found, argument=named)
    elif model is not None:
        body = {**body, "model": model}
    inner = Exchange(x.runtime, found, client, x.headers, b"", x.responder, x.started_s, x.leaving)
    inner.who = x.who
    inner.body = _encode(body)  # it has no route: nothing is refused for its losses
    head = read_call(inner)
    x.model = inner.model
    if to in PROTOCOLS:
        call = prepare(inner, head, _anyone(x, to, inner.model))
        return _shown(call, _route(call.target, inner.mode), [])
    chosen = x.route = x.runtime.resolver.resolve(inner.model, client.name)
    check_model(x.who, inner.model, chosen.name)
    x.target = chosen.targets[0]
    call = prepare(inner, head, x.target)
    route = {"name": chosen.name, "provider": x.target.provider, **_route(x.target, inner.mode)}
    if len(chosen.targets) > 1:
        route["then"] = [{"provider": t.provider, "model": t.model, "protocol": t.protocol} for t in chosen.targets[1:]]
    return _shown(call, route, call.ledger.rejected(x.on_loss))


def _route(target: Target, mode: str) -> dict[str, Any]:
    return {"model": target.model, "protocol": target.protocol, "mode": mode}


def _shown(call: Call, route: dict[str, Any], rejected: list[Loss]) -> dict[str, Any]:
    return {
        "route": route,
        "request": {"method": "POST", "path": call.url.removeprefix(call.target.base_url), "body": parse(call.body)},
        "report": compact(call.ledger.losses),
        "rejected": compact(rejected),
    }


def _anyone(x: Exchange, protocol: str, model: str) -> Target:
    """A target that speaks the protocol, of a provider nobody knows."""
    facts = x.runtime.catalog.resolve(protocol, "", model).facts
    return Target(provider="", type="", protocol=protocol, model=model, base_url="", auth=Auth("none"), facts=facts)
