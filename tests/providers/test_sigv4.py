"""Signatures against botocore's own signer, on requests of every shape."""

import time
from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.providers.sigv4 import AwsKeys, sign

NOW = datetime(2026, 11, 24, 6, 7, 8, tzinfo=UTC)


def by_botocore(keys: AwsKeys, method: str, url: str, body: bytes, headers: dict[str, str], region: str, now: datetime) -> dict[str, str]:
    request = AWSRequest(method=method, url=url, data=body, headers=headers)
    signer = SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key, keys.token or None), "bedrock", region)
    with patch("botocore.auth.get_current_datetime", return_value=now):
        signer.add_auth(request)
    return {name.lower(): value for name, value in request.headers.items() if name.lower() not in headers}


def by_us(keys: AwsKeys, method: str, url: str, body: bytes, headers: dict[str, str], region: str, now: datetime) -> dict[str, str]:
    return sign(keys, method, url, body, headers, region=region, service="bedrock", now_s=now.timestamp())


printable = st.characters(min_codepoint=33, max_codepoint=126)
models = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)
segments = models.map(lambda text: quote(text, safe=""))
plain = st.text("abcXYZ019-._~", max_size=8)
paths = st.one_of(
    segments.map(lambda m: f"/model/{m}/converse"), segments.map(lambda m: f"/prefix//model/{m}/invoke/"),
    st.lists(st.one_of(plain, st.just("."), st.just(".."), segments), max_size=5).map(lambda xs: "/" + "/".join(xs)),
)
queries = st.lists(st.tuples(plain, st.one_of(plain, segments)), max_size=4).map(
    lambda pairs: "?" + "&".join(f"{k}={v}" if v else k for k, v in pairs) if pairs else "")
hosts = st.sampled_from(
    ["https://bedrock-runtime.us-east-1.amazonaws.com", "http://127.0.0.1:9900", "https://Vpce-1.Example.com:443", "http://h:80", "https://[::1]:8443"])
secrets = st.text(printable, min_size=1, max_size=40)
tokens = st.one_of(st.just(""), st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60))
values = st.text("abc  =,;/\t", min_size=1, max_size=12).map(str.strip).filter(bool)
headers = st.fixed_dictionaries(
    {"content-type": st.sampled_from(["application/json", "application/json;  charset=utf-8"])},
    optional={"x-amzn-bedrock-guardrailidentifier": values, "x-amz-meta-x": values},
)


@settings(max_examples=200, deadline=None)
@given(secrets, tokens, st.sampled_from(["POST", "GET"]), hosts, paths, queries, st.binary(max_size=80), headers,
       st.sampled_from(["us-east-1", "eu-west-3"]), st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)))  # fmt: skip
def test_as_botocore_signs(
    secret: str, token: str, method: str, host: str, path: str, query: str, body: bytes, given_headers: dict[str, str], region: str, now: datetime
) -> None:
    keys = AwsKeys("AKIDEXAMPLE", secret, token)
    at = now.replace(microsecond=0, tzinfo=UTC)
    url = host + path + query
    assert by_us(keys, method, url, body, given_headers, region, at) == by_botocore(keys, method, url, body, given_headers, region, at)


@pytest.mark.parametrize(
    "model", ["us.anthropic.claude-sonnet-4-5-20250929-v1:0", "arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-opus-4-6-v1"]
)
def test_ids_are_encoded_twice_for_the_signature(model: str) -> None:
    keys = AwsKeys("AKID", "secret")
    url = f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{quote(model, safe='')}/converse"
    args = (keys, "POST", url, b"{}", {"content-type": "application/json"}, "us-east-1", NOW)
    assert by_us(*args) == by_botocore(*args)
    assert "%3A" in url
    assert by_us(keys, "POST", url.replace("%3A", ":"), b"{}", {}, "us-east-1", NOW)["authorization"] != by_us(*args)["authorization"]


def test_headers_on_the_way_are_not_signed() -> None:
    sent = {"content-type": "application/json", "accept": "x", "user-agent": "y", "accept-encoding": "identity"}
    signed = by_us(AwsKeys("AKID", "s"), "POST", "https://h/model/m/converse", b"{}", sent, "us-east-1", NOW)
    assert "SignedHeaders=content-type;host;x-amz-date," in signed["authorization"]
    assert set(signed) == {"x-amz-date", "authorization"}


def test_keys_show_no_secret() -> None:
    assert "geheim" not in repr(AwsKeys("AKID", "geheim", "geheim-token"))


def test_a_signature_costs_microseconds() -> None:
    keys, body = AwsKeys("AKID", "secret", "token"), b"x" * 2000
    url = "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    started = time.perf_counter()
    for _ in range(500):
        by_us(keys, "POST", url, body, {"content-type": "application/json"}, "us-east-1", NOW)
    assert (time.perf_counter() - started) / 500 < 0.0005
