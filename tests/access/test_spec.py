"""What may be said of a key."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from llm_api_converter.access.spec import KeyChange, KeySpec, moment
from llm_api_converter.store.records import Budget, Limits

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T10:00:00", datetime(2027, 1, 31, 10, tzinfo=UTC)),
        ("2027-01-31T10:00:00+02:00", datetime(2027, 1, 31, 8, tzinfo=UTC)),
        ("30d", datetime(2026, 12, 24, 9, tzinfo=UTC)),
        ("90s", datetime(2026, 11, 24, 9, 1, 30, tzinfo=UTC)),
    ],
)
def test_moments(said: str, expected: datetime) -> None:
    assert moment(said, NOW) == expected.timestamp()


def test_what_is_said_becomes_fields_of_the_record() -> None:
    spec = KeySpec.model_validate({
        "name": "ci", "team": "web", "models": ["claude-*"], "protocols": ["anthropic"], "addresses": ["10.1.2.3/8"],
        "limits": {"requests": 5, "tokens": 0}, "budget": {"day": 0.1}, "on_loss": {"content": "report"}, "expires": 1000.0,
    })  # fmt: skip
    assert spec.fields() == {
        "name": "ci", "team": "web", "models": ("claude-*",), "protocols": ("anthropic",), "addresses": ("10.0.0.0/8",),
        "limits": Limits(requests=5, tokens=0), "budget": Budget(day=Decimal("0.1")), "on_loss": {"content": "report"}, "expires_s": 1000.0,
    }  # fmt: skip


def test_a_change_holds_only_what_was_said() -> None:
    assert KeyChange.model_validate({"team": None}).fields() == {"team": None}


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ({}, ("name",)),
        ({"name": ""}, ("name",)),
        ({"name": "a\0b"}, ("name",)),
        ({"name": "a", "team": "red\n"}, ("team",)),
        ({"name": "a", "model": ["x"]}, ("model",)),
        ({"name": "a", "protocols": ["grpc"]}, ("protocols", 0)),
        ({"name": "a", "addresses": ["localhost"]}, ("addresses", 0)),
        ({"name": "a", "limits": {"requests": -1}}, ("limits", "requests")),
        ({"name": "a", "budget": {"day": -1}}, ("budget", "day")),
        ({"name": "a", "budget": {"day": True}}, ("budget", "day")),
        ({"name": "a", "expires": "soon"}, ("expires",)),
        ({"name": "a", "on_loss": {"content": "ignore"}}, ("on_loss", "content")),
    ],
)
def test_what_is_refused_names_its_field(said: dict[str, Any], at: tuple[object, ...]) -> None:
    with pytest.raises(ValidationError) as raised:
        KeySpec.model_validate(said)
    assert [error["loc"] for error in raised.value.errors()] == [at]
