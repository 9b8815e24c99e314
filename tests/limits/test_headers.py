"""What clients are told."""

import pytest

from llm_api_converter.limits.base import Rule
from llm_api_converter.limits.headers import duration, limit_lines, retry_after

NOON = 1_795_521_600.0
RULES = (
    Rule("overall", "requests", 10, 1000), Rule("key:a", "requests", 1, 20), Rule("key:a", "tokens", 100, 5000),
    Rule("key:a", "concurrent", 0, 5),
)  # fmt: skip
LEVELS = (900, 4.7, -3, 1)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("anthropic", {
            "anthropic-ratelimit-requests-limit": "20", "anthropic-ratelimit-requests-remaining": "4",
            "anthropic-ratelimit-requests-reset": "2026-11-24T12:00:15Z", "anthropic-ratelimit-tokens-limit": "5000",
            "anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2026-11-24T12:00:50Z",
        }),
        ("openai_chat", {
            "x-ratelimit-limit-requests": "20", "x-ratelimit-remaining-requests": "4", "x-ratelimit-reset-requests": "16s",
            "x-ratelimit-limit-tokens": "5000", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "51s",
        }),
        ("gemini", {}), ("bedrock_converse", {}),
    ],
)  # fmt: skip
def test_headers_are_those_of_the_protocol_and_of_the_tightest_bucket(protocol: str, expected: dict[str, str]) -> None:
    lines = limit_lines(protocol, RULES, LEVELS, NOON).decode()
    assert lines == "".join(f"{name}: {value}\r\n" for name, value in expected.items())


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (0.12, "120ms"), (1, "1s"), (59.1, "1m0s"), (360, "6m0s"), (3723, "1h2m3s"), (7200, "2h0m0s")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("seconds", "told"), [(0.01, 1), (1.2, 2), (1e9, 86_400), (float("inf"), 86_400)])
def test_retry_after(seconds: float, told: float) -> None:
    assert retry_after(seconds) == told


@pytest.mark.parametrize("protocol", ["anthropic", "openai_chat", "openai_responses"])
@pytest.mark.parametrize("rate_per_s", [1e-12, 1e-300])
def test_a_bucket_that_is_full_in_ages(protocol: str, rate_per_s: float) -> None:
    lines = limit_lines(protocol, (Rule("key:a", "requests", rate_per_s, 1),), (0,), NOON)
    assert b"requests-reset: 2027-11-25T12:00:00Z\r\n" in lines or b"reset-requests: 8784h0m0s\r\n" in lines
