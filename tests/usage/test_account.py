"""From a finished call to its record."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.hub.response import Usage
from llm_api_converter.usage.account import MAX_COUNT, Bill, Spent, bill, clean
from llm_api_converter.usage.prices import Called, Price, Prices

ONE = Called("one", "openai_compatible", "http://one", "m")
OTHER = Called("other", "openai_compatible", "http://other", "n")
PRICES = Prices([Price(provider="one", model="m", input=Decimal(1), output=Decimal(2))])


def raw(row: Bill) -> Any:
    return None if row.raw is None else msgspec.json.decode(row.raw)


def billed(usage: Usage, called: Called = ONE, earlier: tuple[Spent, ...] = ()) -> Bill:
    return bill((*earlier, Spent(called, usage)), PRICES, 1_790_000_000.0)


def test_a_whole_call() -> None:
    said = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}
    found = billed(Usage(10, 4, cache_read=3, reasoning=2, raw=said, protocol="openai_chat"))
    assert found == Bill(10, 4, 3, None, 2, found.raw, Decimal("0.000018"), "settings one/m: input 1, output 2")
    assert raw(found) == {"protocol": "openai_chat", "usage": said}


def test_a_call_of_which_nothing_was_said() -> None:
    assert bill((), PRICES, 1_790_000_000.0) == Bill()
    assert billed(Usage()) == Bill(0, 0, cost_usd=Decimal(0), price="settings one/m: input 1, output 2")


def test_tries_that_had_counted_count_too() -> None:
    first, last = Usage(100, 10, cache_read=5, raw={"a": 1}, protocol="x"), Usage(100, 20, raw={"b": 2}, protocol="y")
    found = billed(last, earlier=(Spent(ONE, first),))
    assert (found.input_total, found.output_total, found.cache_read, found.cache_write) == (200, 30, 5, None)
    assert found.cost_usd == Decimal("0.000260")
    assert raw(found) == [{"protocol": "x", "usage": {"a": 1}}, {"protocol": "y", "usage": {"b": 2}}]


def test_of_two_tries_one_may_have_an_object_of_its_own() -> None:
    found = billed(Usage(1, 1, raw={"b": 2}, protocol="y"), earlier=(Spent(ONE, Usage(1, 1)),))
    assert raw(found) == {"protocol": "y", "usage": {"b": 2}}


def test_where_the_price_of_one_try_is_unknown_the_cost_is() -> None:
    found = billed(Usage(100, 20), earlier=(Spent(OTHER, Usage(100, 1)),))
    assert (found.input_total, found.cost_usd, found.price) == (200, None, None)


def test_an_unknown_price_is_unknown() -> None:
    found = billed(Usage(5, 5), OTHER)
    assert (found.input_total, found.cost_usd, found.price) == (5, None, None)


@pytest.mark.parametrize("count", [-1, MAX_COUNT + 1, 2**70])
def test_counts_that_are_damage_are_none(count: int) -> None:
    found = billed(Usage(count, 5, cache_read=count))
    assert (found.input_total, found.output_total, found.cache_read) == (None, 5, None)


def test_a_usage_object_that_is_too_large_is_left_out() -> None:
    found = billed(Usage(1, 1, raw={"x": "y" * 5000}, protocol="p"))
    assert (found.raw, found.input_total) == (None, 1)


@given(st.text())
def test_any_text_of_a_client_can_be_stored(text: str) -> None:
    kept = clean(text)
    assert "\0" not in kept
    assert len(kept) <= 200
    assert kept.encode().decode() == kept
    assert clean(kept) == kept
    if text.isprintable() and len(text) <= 200:
        assert kept == text
