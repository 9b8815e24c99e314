"""Refusals before the first byte, failed answers, counts and the list of models."""

import json
from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.protocols.base import ModelInfo
from tests.protocols.openai_responses.sdk import CODEC

REFUSALS: list[tuple[int, dict[str, Any], str]] = [
    (400, {"error": {"message": "m", "type": "invalid_request_error", "code": "invalid_encrypted_content"}}, "invalid"),
    (400, {"error": {"message": "m", "code": "unsupported_parameter", "param": "temperature"}}, "unsupported"),
    (400, {"error": {"message": "m", "code": "context_length_exceeded"}}, "context_too_long"),
    (404, {"error": {"message": "m", "code": "previous_response_not_found"}}, "invalid"),
    (401, {"error": {"message": "m", "code": "invalid_api_key"}}, "unauthenticated"),
    (429, {"error": {"message": "m", "code": "insufficient_quota"}}, "quota_exhausted"),
    (429, {"error": {"message": "m", "code": "rate_limit_exceeded"}}, "rate_limited"),
    (503, {"error": {"message": "m", "code": "server_is_overloaded"}}, "overloaded"),
    (503, {"error": {"message": "m", "code": "slow_down"}}, "overloaded"),
    (500, {"error": {"message": "m", "type": "server_error"}}, "upstream_failed"),
    (401, {"detail": "Could not parse your authentication token."}, "unauthenticated"),
    (400, {"code": "invalid-argument", "error": "Model not found"}, "invalid"),
]


@pytest.mark.parametrize(("status", "body", "kind"), REFUSALS)
def test_refusals(status: int, body: dict[str, Any], kind: str) -> None:
    error = CODEC.decode_error(status, {"retry-after": "3"}, json.dumps(body).encode())
    assert (error.kind, error.status, error.retry_after_s) == (kind, status, 3)
    assert error.upstream == (status, json.dumps(body).encode())


def test_what_allows_one_more_try() -> None:
    bad = CODEC.decode_error(400, {}, b'{"error":{"message":"m","code":"invalid_encrypted_content"}}')
    assert bad.bad_state
    odd = CODEC.decode_error(400, {}, b'{"error":{"message":"m","code":"unsupported_parameter","param":"temperature"}}')
    assert odd.unsupported == "temperature"


def test_errors_for_clients() -> None:
    wire = CODEC.encode_error(ApiError("rate_limited", "slow", retry_after_s=1.5), "req_1")
    assert (wire.status, wire.headers["retry-after"]) == (429, "2")
    assert json.loads(wire.body)["error"]["code"] == "rate_limit_exceeded"
    named = json.loads(CODEC.encode_error(ApiError("invalid", "input: required", path="input"), "req_1").body)["error"]
    assert (named["type"], named["param"]) == ("invalid_request_error", "input")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"id":"resp_1","status":"failed","error":{"code":"rate_limit_exceeded","message":"m"},"output":[]}', "rate_limited"),
        (b'{"id":"resp_1","status":"failed","error":{"code":"image_too_large","message":"m"},"output":[]}', "invalid"),
        (b'{"error":{"message":"m","code":"server_error"}}', "upstream_failed"),
        (b"<html>", "upstream_failed"),
        (b"[]", "upstream_failed"),
    ],
)
def test_answers_that_are_none(body: bytes, kind: str) -> None:
    with pytest.raises(ApiError) as caught:
        CODEC.decode_response(body)
    assert caught.value.kind == kind


def test_counts() -> None:
    assert CODEC.decode_count is not None
    for bad in (b"x", b"[]", b'{"input_tokens":"1"}'):
        with pytest.raises(ApiError):
            CODEC.decode_count(bad)


def test_models() -> None:
    assert CODEC.encode_models is not None
    listed = json.loads(CODEC.encode_models([ModelInfo("fast")]))
    assert (listed["object"], listed["data"][0]["id"]) == ("list", "fast")
