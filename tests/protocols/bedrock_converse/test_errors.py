"""Errors as the service sends them, and as boto3 raises what is sent."""

import json
from typing import Any, get_args

import pytest

from llm_api_converter.hub.errors import ERROR_KINDS, ApiError, ErrorKind
from llm_api_converter.protocols.bedrock_converse import CODEC
from llm_api_converter.protocols.bedrock_converse.errors import ERROR_IN, ERROR_OUT
from tests.protocols.bedrock_converse.boto import model, parse_error

LONG_TYPE = "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"
SEEN: list[tuple[int, dict[str, str], Any, str, str | None]] = [
    (400, {"x-amzn-errortype": LONG_TYPE}, {"message": "The provided model identifier is invalid."}, "invalid", "ValidationException"),
    (400, {"x-amzn-errortype": LONG_TYPE}, {"message": "Input is too long for requested model."}, "context_too_long", "ValidationException"),
    (400, {}, {"message": "The model returned the following errors: prompt is too long: 1 tokens > 2 maximum"}, "context_too_long", None),
    (400, {}, {"message": "... Input Tokens Exceeded: Number of input tokens exceeds maximum length."}, "context_too_long", None),
    (403, {"x-amzn-errortype": "AccessDeniedException"}, {"Message": "no"}, "forbidden", "AccessDeniedException"),
    (403, {"x-amzn-errortype": "UnrecognizedClientException"}, {"message": "no"}, "unauthenticated", "UnrecognizedClientException"),
    (403, {}, {"__type": "com.amazon.coral.service#ExpiredTokenException", "message": "no"}, "unauthenticated", "ExpiredTokenException"),
    (403, {"x-amzn-errortype": "InvalidSignatureException"}, {"message": "no"}, "unauthenticated", "InvalidSignatureException"),
    (404, {"x-amzn-errortype": "ResourceNotFoundException"}, {"message": "no"}, "not_found", "ResourceNotFoundException"),
    (429, {"x-amzn-errortype": "ThrottlingException"}, {"message": "no"}, "rate_limited", "ThrottlingException"),
    (408, {"x-amzn-errortype": "ModelTimeoutException"}, {"message": "no"}, "timeout", "ModelTimeoutException"),
    (424, {"x-amzn-errortype": "ModelErrorException"}, {"message": "no"}, "upstream_failed", "ModelErrorException"),
    (429, {"x-amzn-errortype": "ModelNotReadyException"}, {"message": "no"}, "overloaded", "ModelNotReadyException"),
    (400, {"x-amzn-errortype": "ServiceQuotaExceededException"}, {"message": "no"}, "quota_exhausted", "ServiceQuotaExceededException"),
    (500, {"x-amzn-errortype": "InternalServerException"}, {"message": "no"}, "upstream_failed", "InternalServerException"),
    (503, {"x-amzn-errortype": "ServiceUnavailableException"}, {"message": "no"}, "overloaded", "ServiceUnavailableException"),
    (418, {}, {"message": "no"}, "invalid", None),
    (599, {}, {"message": "no"}, "upstream_failed", None),
]


@pytest.mark.parametrize(("status", "headers", "body", "kind", "code"), SEEN)
def test_what_the_service_says(status: int, headers: dict[str, str], body: dict[str, str], kind: str, code: str | None) -> None:
    raw = json.dumps(body).encode()
    error = CODEC.decode_error(status, headers, raw)
    assert (error.kind, error.code, error.status, error.upstream) == (kind, code, status, (status, raw))
    assert error.message == (body.get("message") or body.get("Message"))


def test_bodies_that_are_no_json() -> None:
    error = CODEC.decode_error(502, {"retry-after": "3"}, b"<html>bad gateway</html>")
    assert (error.kind, error.message, error.retry_after_s) == ("upstream_failed", "<html>bad gateway</html>", 3.0)
    assert CODEC.decode_error(503, {}, b"").message == "the upstream answered 503"
    assert CODEC.decode_error(500, {}, b"[]").kind == "upstream_failed"


REFUSED = [
    ("This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any and try again.", "toolConfig.toolChoice.any"),
    ("Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input", "top_k"),
    ("The model returned the following errors: context_management: Extra inputs are not permitted", "context_management"),
    ("The model returned the following errors: `temperature` is deprecated for this model.", "temperature"),
    ("The provided model identifier is invalid.", None),
]


@pytest.mark.parametrize(("message", "field"), REFUSED)
def test_the_refused_field_is_named(message: str, field: str | None) -> None:
    assert CODEC.decode_error(400, {}, json.dumps({"message": message}).encode()).unsupported == field


def test_a_signature_that_is_not_accepted_is_known() -> None:
    message = "messages.1.content.0: Invalid `signature` in `thinking` block"
    assert CODEC.decode_error(400, {}, json.dumps({"message": message}).encode()).bad_state


@pytest.mark.parametrize("kind", ERROR_KINDS)
def test_boto3_raises_the_exception_of_that_name(kind: ErrorKind) -> None:
    error = ApiError(kind, "what happened", retry_after_s=1.6)
    wire = CODEC.encode_error(error, "req-1")
    parsed = parse_error(wire.status, dict(wire.headers), wire.body)
    status, name = ERROR_OUT[kind]
    assert (parsed["Error"]["Code"], parsed["ResponseMetadata"]["HTTPStatusCode"]) == (name, status)
    assert "what happened" in parsed["Error"]["Message"]
    assert wire.headers["x-amzn-requestid"] == "req-1"
    assert wire.headers["retry-after"] == "2"
    shape = model().shape_for_error_code(name) if name != "UnrecognizedClientException" else None
    if shape is not None and kind != "too_large":
        assert shape.metadata["error"]["httpStatusCode"] == status
    back = CODEC.decode_error(wire.status, wire.headers, wire.body)
    same = {"upstream_incomplete": "upstream_failed", "internal": "upstream_failed"}
    blurred = {"too_large": "invalid", "refused": "invalid", "unsupported": "invalid", **same}
    assert back.kind == blurred.get(kind, kind)


def test_every_kind_has_a_way_out_and_every_exception_of_the_model_a_way_in() -> None:
    assert {*ERROR_OUT} == {*get_args(ErrorKind)}
    modelled = {name for name in model().shape_names if name.endswith("Exception")}
    assert modelled <= ERROR_IN.keys()


def test_the_services_own_name_is_kept() -> None:
    given = CODEC.decode_error(429, {"x-amzn-errortype": "ModelNotReadyException"}, b'{"message":"m"}')
    wire = CODEC.encode_error(given, "r")
    assert (wire.status, wire.headers["x-amzn-errortype"]) == (429, "ModelNotReadyException")


def test_an_overlong_input_is_worded_as_clients_know_it() -> None:
    body = json.loads(CODEC.encode_error(ApiError("context_too_long", "too much"), "r").body)
    assert body["message"] == "Input is too long for requested model. too much"
    known = "prompt is too long: 9 tokens > 8 maximum"
    assert json.loads(CODEC.encode_error(ApiError("context_too_long", known), "r").body)["message"] == known
