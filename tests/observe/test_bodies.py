"""What may be written down of bodies."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.observe.bodies import LIMIT, WINDOW, outline, shown
from llm_api_converter.observe.logs import Redactor

SECRET = "provider-secret-0123456789"
REDACT = Redactor([SECRET])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":"b"}', '{"a":"b"}'),
        (b"", ""),
        (f"my key is {SECRET}.".encode(), "my key is ***."),
        (b"use sk-" + b"abc-DEF_1" * 4 + b" please", "use *** please"),
        (b"AKIAIOSFODNN7EXAMPLE and AIzaSyA-1234567890abcdefghijklmnopqrstu", "*** and ***"),
        (b"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_123", "Bearer ***"),
        (b"sk-short stays, task-list-of-many-words-in-a-row stays", "sk-short stays, task-list-of-many-words-in-a-row stays"),
        (b"\xff\x00bytes", "\ufffd\x00bytes"),
        (b'{"data":"' + base64.b64encode(bytes(3000)) + b'"}', '{"data":"<4000 characters>"}'),
    ],
)
def test_what_is_shown(body: bytes, expected: str) -> None:
    assert shown(body, REDACT) == expected


@pytest.mark.parametrize("at", [LIMIT - 10, LIMIT, WINDOW - 10, WINDOW - 1])
def test_no_half_of_a_secret_stands_at_an_end(at: int) -> None:
    words = b"some words " * (WINDOW // 11 + 10)
    text = shown(words[:at] + SECRET.encode() + words, REDACT)
    assert SECRET[:8] not in text
    assert text.endswith(f"... <{at + len(SECRET) + len(words)} bytes in all>")
    assert len(text) < LIMIT + 50


def test_many_secrets_before_the_end_do_not_bring_the_end_of_the_window_into_sight() -> None:
    many = (SECRET + " ").encode() * (WINDOW // (len(SECRET) + 1) + 100)
    text = shown(many, REDACT)
    assert "provider" not in text


ASK: dict[str, Any] = {
    "model": "m", "system": "Be brief.", "max_tokens": 5,
    "messages": [
        {"role": "user", "name": "Ann", "content": [{"type": "text", "text": "I am ill"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"type": "flu", "role": "x"}}]},
    ],
}  # fmt: skip


def test_an_outline_is_the_shape_without_what_anybody_wrote() -> None:
    assert json.loads(outline(json.dumps(ASK).encode())) == {
        "model": "m", "system": "<9 characters>", "max_tokens": 5,
        "messages": [
            {"role": "user", "name": "<3 characters>", "content": [{"type": "text", "text": "<8 characters>"}]},
            {"role": "assistant", "content": [{
                "type": "tool_use", "id": "toolu_1", "name": "<4 characters>", "input": {"type": "<3 characters>", "role": "<1 characters>"}}]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("body", [b"", b"data: {}\n\n", b"\xff", b"[" * 100_000, bytes(range(128, 192)), b'"' + b"x" * (WINDOW + 1) + b'"', b"[" + b"1," * LIMIT + b"1]"])
def test_what_has_no_outline_is_its_size(body: bytes) -> None:
    assert json.loads(outline(body)) == f"<{len(body)} bytes>"


TREES = st.recursive(st.text(min_size=1) | st.integers() | st.booleans() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["text", "content", "name", "input", "parts"]), x))


@given(TREES)
def test_no_text_is_in_an_outline(tree: Any) -> None:
    def strings(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [s for item in value.values() for s in strings(item)]
        if isinstance(value, list):
            return [s for item in value for s in strings(item)]
        return [value] if isinstance(value, str) else []

    body = json.dumps(tree).encode()
    assert all(s.startswith("<") and s.endswith(("characters>", "bytes>")) for s in strings(json.loads(outline(body))))
