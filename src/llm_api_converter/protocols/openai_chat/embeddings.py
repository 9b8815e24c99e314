"""`POST /embeddings`, both ways.

Vectors come as numbers or as base64 of little-endian 32-bit floats (`encoding_format`). Input may also be token numbers, which only
this protocol knows: they stay an extra. Source: openai 3.54.0 `types/embedding_create_params.py`, `types/create_embedding_response.py`.
"""

from array import array
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from sys import byteorder
from typing import Any

from ...hub.embed import EmbedRequest, EmbedResponse
from ...hub.errors import ApiError
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ..base import UNREADABLE, Answer, Wire
from ..fields import Fields
from .errors import decode_error_value
from .usage import decode_usage
from .wire import PROTOCOL, decode_json, encode_json


def decode_embed_request(body: Any, *, model: str | None = None) -> EmbedRequest:
    """A lone string is one text; `batch` says that it stood in an array."""
    f = Fields(body, "")
    named = f.text("model") or model
    if named is None:
        raise f.error("model", "required")
    value = f.required("input")
    texts: tuple[str, ...] = ()
    if type(value) is list and value and type(value[0]) is not str:
        _check_tokens(value)
        f.put("input", value)
    else:
        f.put("input", value)
        texts = f.strings("input")
    if value == []:
        raise f.error("input", "must not be empty")
    encoding = f.text("encoding_format")
    if encoding not in (None, "float", "base64"):
        raise f.error("encoding_format", f"expected float or base64, got {encoding!r}")
    return EmbedRequest(
        named, texts, f.whole("dimensions"), encoding, user=f.text("user"), batch=type(value) is list, extras=f.extras(PROTOCOL)
    )


def encode_embed_request(request: EmbedRequest, facts: Facts, ledger: Ledger) -> Wire:
    """The body for an upstream."""
    one = not request.batch and len(request.texts) == 1
    body: dict[str, Any] = {"model": request.model, "input": request.texts[0] if one else list(request.texts)}
    if request.dimensions is not None:
        body["dimensions"] = request.dimensions
    if request.encoding is not None:
        body["encoding_format"] = request.encoding
    if request.user is not None:
        body["user"] = request.user
    for field in ("task", "title"):
        if getattr(request, field) is not None:
            ledger.drop(field, f"embed_{field}", "tuning")
    body.update(unknown_extras(request.extras, PROTOCOL, "", ledger))
    return Wire("/embeddings", body)


def decode_embed_response(body: bytes) -> EmbedResponse:
    """Vectors in the order of the texts. Raises ApiError for an error inside a 200, and for what is no answer."""
    try:
        value = decode_json(body)
    except UNREADABLE as e:
        raise ApiError("upstream_failed", f"the upstream's answer is not JSON: {e}") from e
    if isinstance(value, dict) and value.get("error"):
        raise decode_error_value(value)
    try:
        f = Fields(value, "")
        items = [Fields(x, f"data[{i}]") for i, x in enumerate(f.array_required("data"))]
        placed = [(item.whole("index"), i, _decode_vector(item)) for i, item in enumerate(items)]
        usage = f.object("usage")
        f.take("object")
        model = f.text("model") or ""
    except (ApiError, Base64Error, ValueError) as e:
        raise ApiError("upstream_failed", f"the upstream's answer cannot be read: {e}") from e
    placed.sort(key=lambda x: x[1] if x[0] is None else x[0])
    return EmbedResponse(model, tuple(x[2] for x in placed), decode_usage(usage) if usage else None, f.extras(PROTOCOL))


def encode_embed_response(response: EmbedResponse, request: EmbedRequest, answer: Answer) -> bytes:
    """Vectors in the form the client asked for."""
    encode = _base64 if request.encoding == "base64" else list
    usage = response.usage
    tokens = usage.input_total if usage else 0
    raw = usage.raw if usage and usage.protocol == PROTOCOL and usage.raw else {}
    out: dict[str, Any] = {
        "object": "list",
        "data": [{"object": "embedding", "index": i, "embedding": encode(x)} for i, x in enumerate(response.vectors)],
        "model": answer.model,
        "usage": {**raw, "prompt_tokens": tokens, "total_tokens": tokens},
    }
    out.update((response.extras or {}).get(PROTOCOL) or {})
    return encode_json(out)


def _check_tokens(values: list[Any]) -> None:
    for i, value in enumerate(values):
        inner = value if type(value) is list else [value]
        if not all(type(x) is int for x in inner):
            raise ApiError("invalid", f"input[{i}]: expected a string, token numbers or an array of them", path=f"input[{i}]")


def _decode_vector(f: Fields) -> tuple[float, ...]:
    value = f.required("embedding")
    if type(value) is list:
        return tuple(value)
    if type(value) is not str:
        raise f.error("embedding", "expected numbers or base64")
    floats = array("f", b64decode(value, validate=True))
    if byteorder == "big":
        floats.byteswap()
    return tuple(floats)


def _base64(vector: tuple[float, ...]) -> str:
    floats = array("f", vector)
    if byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode()
