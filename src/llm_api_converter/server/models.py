"""`/v1/models` in the asker's shape, and `/v1/capabilities`."""

from urllib.parse import parse_qs

import msgspec

from ..hub.errors import ApiError
from .exchange import Exchange


async def list_models(x: Exchange) -> None:
    """Every model a client may ask for by a configured name."""
    x.caller = x.runtime.authenticate(x.headers, x.query)
    encode = x.codec.encode_models
    if encode is None:
        raise ApiError("not_found", f"there is no list of models in the protocol {x.codec.name}")
    await _json(x, encode(x.runtime.resolver.models()))


async def show_model(x: Exchange) -> None:
    """One of them."""
    x.caller = x.runtime.authenticate(x.headers, x.query)
    name = x.match.argument
    encode = x.codec.encode_model
    found = next((m for m in x.runtime.resolver.models() if m.id == name), None)
    if encode is None or found is None:
        x.runtime.resolver.resolve(name, x.codec.name)  # a name that is not listed but would be served, or the error with near names
        raise ApiError("not_found", f"the model `{name}` is served but not listed; only configured names are", path="model")
    await _json(x, encode(found))


async def capabilities(x: Exchange) -> None:
    """A model's facts, each with the layer it came from."""
    x.caller = x.runtime.authenticate(x.headers, x.query)
    names = parse_qs(x.query.decode("latin-1")).get("model")
    if not names:
        raise ApiError("invalid", "model: required (as in /v1/capabilities?model=NAME)", path="model")
    resolver = x.runtime.resolver
    route = resolver.resolve(names[0], x.codec.name)
    targets = resolver.capabilities(names[0], x.codec.name)
    await _json(x, msgspec.json.encode({"model": names[0], "route": route.name, "targets": targets}))


async def _json(x: Exchange, body: bytes) -> None:
    await x.responder.whole(200, [(b"content-type", b"application/json"), (b"x-request-id", x.request_id.encode())], body)
