"""`GET|DELETE /v1/responses/{id}` and `GET /v1/responses/{id}/input_items`: answers this gateway has kept."""

from typing import Any
from urllib.parse import parse_qs

import msgspec

from ..hub.errors import ApiError
from .admission import identify
from .exchange import Exchange


async def stored(x: Exchange, method: str) -> None:
    """Answer one. Raises `ApiError`: not_found, or invalid for what is not to be had of a kept answer."""
    await identify(x)
    response_id, _, below = x.match.argument.partition("/")
    kept, scope = x.runtime.kept, x.who.scope
    if (method, below) == ("GET", ""):
        if parse_qs(x.query.decode("latin-1")).get("stream") == ["true"]:
            raise ApiError("invalid", "stream: a kept answer is complete; ask for it without stream", path="stream")
        await _json(x, await kept.show(scope, response_id))
    elif (method, below) == ("DELETE", ""):
        await kept.forget(scope, response_id)
        await _json(x, {"id": response_id, "object": "response", "deleted": True})
    elif (method, below) == ("GET", "input_items"):
        items = await kept.shown_input(scope, response_id)
        ids = [item.get("id") for item in items]
        first, last = (ids[0], ids[-1]) if ids else (None, None)
        await _json(x, {"object": "list", "data": items[::-1], "first_id": last, "last_id": first, "has_more": False})
    elif (method, below) == ("POST", "cancel"):
        raise ApiError("invalid", "only answers made in the background can be cancelled, and this gateway makes none", path="response_id")
    else:
        raise ApiError("not_found", f"no such path: {method} /v1/responses/{x.match.argument}")


async def _json(x: Exchange, value: Any) -> None:
    headers = [(b"content-type", b"application/json"), (b"x-request-id", x.request_id.encode())]
    await x.responder.whole(200, headers, msgspec.json.encode(value))
