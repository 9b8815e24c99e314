"""Authentication headers by scheme; no secret is ever shown."""

import pytest

from llm_api_converter.hub.facts import Facts
from llm_api_converter.providers.auth import SCHEMES, auth_headers
from llm_api_converter.providers.target import Auth, Target


def target(auth: Auth) -> Target:
    return Target(provider="p", type="t", protocol="openai_chat", model="m", base_url="http://h", auth=auth, facts=Facts())


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        ("none", {}),
        ("bearer", {"authorization": "Bearer k"}),
        ("x-api-key", {"x-api-key": "k"}),
        ("api-key", {"api-key": "k"}),
        ("x-goog-api-key", {"x-goog-api-key": "k"}),
    ],
)
def test_headers(scheme: str, headers: dict[str, str]) -> None:
    assert auth_headers(target(Auth(scheme, "k"))) == headers
    assert auth_headers(target(Auth(scheme))) == {}
    assert scheme in SCHEMES


def test_a_scheme_that_does_not_exist_is_no_silence() -> None:
    with pytest.raises(KeyError, match="sesame"):
        auth_headers(target(Auth("sesame", "k")))


def test_a_secret_is_never_shown() -> None:
    assert "geheim" not in repr(target(Auth("bearer", "geheim")))
