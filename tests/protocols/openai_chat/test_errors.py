"""Errors in every shape upstreams give them, and in OpenAI's shape for clients."""

import json
from typing import Any

import pytest

from llm_api_converter.hub.errors import ERROR_KINDS, ApiError
from llm_api_converter.protocols.openai_chat import CODEC
from llm_api_converter.protocols.openai_chat.errors import ERROR_OUT

SHAPES: list[tuple[int, Any, str, str]] = [
    (400, {"error": {"message": "bad", "type": "invalid_request_error", "param": "messages", "code": None}}, "invalid", "bad"),
    (404, {"error": "no such model"}, "not_found", "no such model"),
    (400, {"code": 400, "message": "Validation", "type": "Bad Request"}, "invalid", "Validation"),
    (400, {"object": "error", "message": "no logprobs", "code": "3051"}, "invalid", "no logprobs"),
    (401, {"detail": "no token"}, "unauthenticated", "no token"),
    (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "invalid", '[{"loc":["body"],"msg":"field required"}]'),
    (400, [{"error": {"code": 400, "message": "listed", "status": "INVALID_ARGUMENT"}}], "invalid", "listed"),
    (500, "plain words", "upstream_failed", "plain words"),
    (500, "", "upstream_failed", "the upstream answered with status 500"),
    (429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, "rate_limited", "slow down"),
    (429, {"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}, "quota_exhausted", "pay"),
    (402, {"error": {"message": "Insufficient Balance"}}, "quota_exhausted", "Insufficient Balance"),
    (400, {"error": {"message": "too long", "code": "context_length_exceeded"}}, "context_too_long", "too long"),
    (
        400, {"error": {"message": "This model's maximum context length is 8 tokens.", "code": "invalid_request_error"}}, "context_too_long",
        "This model's maximum context length is 8 tokens.",
    ),
    (400, {"error": {"message": "filtered", "code": "content_filter"}}, "refused", "filtered"),
    (401, {"error": {"message": "key", "code": "invalid_api_key"}}, "unauthenticated", "key"),
    (404, {"error": {"message": "model", "code": "model_not_found"}}, "not_found", "model"),
    (503, {"error": {"message": "busy"}}, "overloaded", "busy"),
    (529, {"error": {"message": "busy", "type": "overloaded_error"}}, "overloaded", "busy"),
    (504, {}, "timeout", "the upstream answered with status 504"),
    (413, {"error": {"message": "big"}}, "too_large", "big"),
    (418, {"error": {"message": "teapot"}}, "invalid", "teapot"),
    (599, {"error": {"message": "odd"}}, "upstream_failed", "odd"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind", "message"), SHAPES)
def test_shapes(status: int, body: Any, kind: str, message: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    error = CODEC.decode_error(status, {}, raw)
    assert (error.kind, error.message, error.status) == (kind, message, status)
    assert error.upstream == (status, raw)


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        ("The `reasoning_content` in the thinking mode must be passed back to the API.", True),
        ("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2", True),
        ("reasoning_content: expected a string", False),
    ],
)
def test_reasoning_that_is_missed_is_told_from_other_mistakes(message: str, missing: bool) -> None:
    error = CODEC.decode_error(400, {}, json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode())
    assert (error.kind, error.bad_state) == ("invalid", missing)


def test_an_unsupported_parameter_is_named() -> None:
    body = {"error": {"message": "Unsupported parameter: 'stop'", "param": "stop", "code": "unsupported_parameter"}}
    error = CODEC.decode_error(400, {}, json.dumps(body).encode())
    assert (error.kind, error.unsupported, error.path, error.code) == ("unsupported", "stop", "stop", "unsupported_parameter")


def test_a_place_in_the_upstreams_messages_is_not_the_clients() -> None:
    body = {"error": {"message": "bad", "param": "messages[3].role", "code": "unsupported_value"}}
    error = CODEC.decode_error(400, {}, json.dumps(body).encode())
    assert (error.unsupported, error.path) == ("messages[3].role", None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry-after": "7"}, 7.0), ({"retry-after-ms": "250", "retry-after": "1"}, 0.25), ({"retry-after": "Wed, 21 Oct 2026"}, None), ({}, None)],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert CODEC.decode_error(429, headers, b"{}").retry_after_s == seconds


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_every_kind_reaches_a_client(kind: Any) -> None:
    wire = CODEC.encode_error(ApiError(kind, "words", path="messages[3].content", retry_after_s=1.5), "req_1")
    body = json.loads(wire.body)
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert (body["error"]["message"], body["error"]["param"]) == ("words", "messages[3].content")
    assert wire.status == ERROR_OUT[kind][0]
    assert wire.headers["retry-after"] == "2"
    assert CODEC.stream_error(ApiError(kind, "words", path="messages[3].content"), "req_1") == b"data: " + wire.body + b"\n\n"
    back = CODEC.decode_error(wire.status, wire.headers, wire.body)
    assert back.kind == kind or kind in ("timeout", "upstream_incomplete", "internal", "unsupported")


def test_codes_clients_act_on() -> None:
    def out(kind: Any) -> tuple[int, str | None]:
        wire = CODEC.encode_error(ApiError(kind, "words"), "req_1")
        return wire.status, json.loads(wire.body)["error"]["code"]

    assert out("context_too_long") == (400, "context_length_exceeded")
    assert out("overloaded")[0] == 503
    assert out("unauthenticated") == (401, "invalid_api_key")
    assert out("quota_exhausted") == (429, "insufficient_quota")
