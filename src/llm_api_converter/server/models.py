"""`/v1/models` in the asker's shape, and `/v1/capabilities`."""

from urllib.parse import parse_qs

import msgspec

from ..access.principal import check_model, may_use
from ..hub.errors import ApiError
from .admission import identify
from .exchange import Exchange


async def list_models(x: Exchange) -> None:
    """Every model the caller may ask for by a configured name."""
    await identify(x)
    encode = x.codec.encode_models
    if encode is None:
        raise ApiError("not_found", f"there is no list of models in the protocol {x.codec.name}")
    await _json(x, encode([model for model in x.runtime.resolver.models() if may_use(x.who, model.id)]))


async def show_model(x: Exchange) -> None:
    """One of them."""
    await identify(x)
    name = x.match.argument
    encode = x.codec.encode_model
    found = next((m for m in x.runtime.resolver.models() if m.id == name and may_use(x.who, name)), None)
    if encode is None or found is None:
        # A name that is not listed but would be served, or the error with near names.
        check_model(x.who, name, x.runtime.resolver.resolve(name, x.codec.name).name)
        raise ApiError("not_found", f"the model `{name}` is served but not listed; only configured names are", path="model")
    await _json(x, encode(found))


async def capabilities(x: Exchange) -> None:
    """A model's facts, each with the layer it came from."""
    await identify(x)
    names = parse_qs(x.query.decode("latin-1")).get("model")
    if not names:
        raise ApiError("invalid", "model: required (as in /v1/capabilities?model=NAME)", path="model")
    resolver = x.runtime.resolver
    route = resolver.resolve(names[0], x.codec.name)
    check_model(x.who, names[0], route.name)
    targets = resolver.capabilities(names[0], x.codec.name)
    await _json(x, msgspec.json.encode({"model": names[0], "route": route.name, "targets": targets}))


async def _json(x: Exchange, body: bytes) -> None:
    await x.responder.whole(200, [(b"content-type", b"application/json"), (b"x-request-id", x.request_id.encode())], body)
