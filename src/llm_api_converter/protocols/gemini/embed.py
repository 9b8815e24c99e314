"""Embeddings: `embedContent` and `batchEmbedContents`.

Sources: https://ai.google.dev/api/embeddings, google-genai `models.py` (read November 2026).
"""

from typing import Any

import msgspec

from ...hub.embed import EmbedRequest, EmbedResponse
from ...hub.errors import ApiError, invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ..base import UNREADABLE, Answer, Json, Wire
from .errors import decode_status, find_error
from .outcome import decode_usage
from .parts import parts_list
from .request import model_path, resource
from .spelling import PROTOCOL, GeminiFields


def decode_embed_request(body: Any, *, model: str | None = None) -> EmbedRequest:
    """`{"content"}` or `{"requests": [{"content"}, ...]}` -> EmbedRequest. The hints must be the same for all texts."""
    fields = GeminiFields(body, "")
    requests = fields.array("requests")
    if requests is None:
        return _decode_one(fields, model, batch=False)
    if not requests:
        raise fields.error("requests", "at least one request is required")
    ones = [_decode_one(GeminiFields(item, f"{fields.at('requests')}[{i}]"), model, batch=True) for i, item in enumerate(requests)]
    first = ones[0]
    for i, one in enumerate(ones):
        for name in ("task", "title", "dimensions", "extras"):
            if getattr(one, name) != getattr(first, name):
                raise invalid(f"{fields.at('requests')}[{i}]", "all requests of a batch must agree in everything but their content")
    texts = tuple(text for one in ones for text in one.texts)
    return msgspec.structs.replace(first, texts=texts)


def encode_embed_request(request: EmbedRequest, facts: Facts, ledger: Ledger) -> Wire:
    """EmbedRequest -> one `embedContent` for one text, else `batchEmbedContents`."""
    hints: Json = dict(unknown_extras(request.extras, PROTOCOL, "", ledger))
    for name, value in (("taskType", request.task), ("title", request.title), ("outputDimensionality", request.dimensions)):
        if value is not None:
            hints[name] = value
    if request.user is not None:
        ledger.drop("user", "user", "unknown")
    model = resource(request.model)
    bodies: list[Json] = [{"model": model, "content": {"parts": [{"text": text}]}, **hints} for text in request.texts]
    if request.batch or len(bodies) != 1:
        return Wire(model_path(request.model, "batchEmbedContents"), {"requests": bodies})
    return Wire(model_path(request.model, "embedContent"), bodies[0])


def decode_embed_response(body: bytes) -> EmbedResponse:
    """`{"embedding"}` or `{"embeddings"}` -> EmbedResponse."""
    try:
        value: Any = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise ApiError("upstream_failed", f"the upstream's answer is no JSON: {error}") from error
    status = find_error(value)
    if status is not None:
        raise decode_status(200, {}, status, body)
    try:
        fields = GeminiFields(value, "")
        one = fields.object("embedding")
        many = [one] if one is not None else fields.array_required("embeddings")
        vectors = tuple(_vector(GeminiFields(item, f"embeddings[{i}]")) for i, item in enumerate(many))
        usage = decode_usage(fields.take("usageMetadata"))
        return EmbedResponse("", vectors, usage, fields.extras(PROTOCOL))
    except ApiError as error:
        raise ApiError("upstream_failed", f"the upstream's answer is malformed: {error.message}") from error


def encode_embed_response(response: EmbedResponse, request: EmbedRequest, answer: Answer) -> bytes:
    """EmbedResponse -> the shape the request asked for."""
    vectors: list[Json] = [{"values": vector} for vector in response.vectors]
    out: Json = {"embeddings": vectors} if request.batch else {"embedding": vectors[0] if vectors else {"values": ()}}
    if response.usage is not None:
        out["usageMetadata"] = response.usage.raw if response.usage.protocol == PROTOCOL else {
            "promptTokenCount": response.usage.input_total, "totalTokenCount": response.usage.input_total + response.usage.output_total,
        }
    out.update((response.extras or {}).get(PROTOCOL, {}))
    return msgspec.json.encode(out)


def _decode_one(fields: GeminiFields, model: str | None, *, batch: bool) -> EmbedRequest:
    named = fields.text("model")
    model = model or (named or "").removeprefix("models/")
    if not model:
        raise invalid(fields.at("model"), "required")
    content = fields.take("content")
    at = fields.at("content")
    if type(content) is not str:
        if content is None:
            raise invalid(at, "required")
        inner = GeminiFields(content, at)
        inner.take("role")
        path = inner.at("parts")
        content = "".join(_text(part, f"{path}[{i}]") for i, part in enumerate(parts_list(inner.take("parts"), path)))
    return EmbedRequest(
        model, (content,), fields.whole("outputDimensionality"), task=fields.text("taskType"), title=fields.text("title"), batch=batch,
        extras=fields.extras(PROTOCOL),
    )


def _text(part: Any, path: str) -> str:
    if type(part) is str:
        return part
    return GeminiFields(part, path).text_required("text")


def _vector(fields: GeminiFields) -> tuple[float, ...]:
    try:
        return msgspec.convert(fields.array_required("values"), tuple[float, ...])
    except msgspec.ValidationError as error:
        raise fields.error("values", "expected numbers") from error
