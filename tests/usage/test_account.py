"""From a finished call to its record."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.hub.response import Usage
from llm_api_converter.store.records import UsageRow
from llm_api_converter.usage.account import MAX_COUNT, Finished, Spent, row_of
from llm_api_converter.usage.prices import Called, Price, Prices

ONE = Called("one", "openai_compatible", "http://one", "m")
OTHER = Called("other", "openai_compatible", "http://other", "n")
PRICES = Prices([Price(provider="one", model="m", input=Decimal(1), output=Decimal(2))])


def finished(**more: Any) -> Finished:
    fields: dict[str, Any] = {
        "id": "use_1", "at_s": 1_790_000_000.0, "request_id": "req_1", "operation": "generate", "protocol": "anthropic", "model": "asked",
        "status": 200, "called": ONE, "upstream_protocol": "openai_chat", "tries": 1,
    }  # fmt: skip
    return Finished(**(fields | more))


def raw(row: UsageRow) -> Any:
    return None if row.raw is None else msgspec.json.decode(row.raw)


def test_a_whole_call() -> None:
    said = {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}
    usage = Usage(10, 4, cache_read=3, reasoning=2, raw=said, protocol="openai_chat")
    row = row_of(
        finished(
            usage=usage, key_id="key_1", key_name="ci", owner="ann", team="red", route="asked", stream=True, latency_s=1.5, first_s=0.25,
            losses=("dropped top_k",),
        ), PRICES,
    )  # fmt: skip
    assert row == UsageRow(
        id="use_1", at_s=1_790_000_000.0, request_id="req_1", operation="generate", protocol="anthropic", model="asked", status=200,
        key_id="key_1", key_name="ci", owner="ann", team="red", route="asked", provider="one", upstream_model="m",
        upstream_protocol="openai_chat", stream=True, tries=1, input_total=10, output_total=4, cache_read=3, reasoning=2, raw=row.raw,
        cost_usd=Decimal("0.000018"), price="settings one/m: input 1, output 2", latency_s=1.5, first_s=0.25, losses=("dropped top_k",),
    )  # fmt: skip
    assert raw(row) == {"protocol": "openai_chat", "usage": said}


def test_a_client_that_left_before_the_upstream_counted_has_no_counts() -> None:
    row = row_of(finished(status=499, error="client_gone"), PRICES)
    assert (row.input_total, row.output_total, row.cost_usd, row.price, row.raw) == (None, None, None, None, None)
    assert (row.status, row.error) == (499, "client_gone")


def test_a_client_that_left_keeps_what_the_upstream_had_counted() -> None:
    row = row_of(finished(status=499, error="client_gone", usage=Usage(1000, 1)), PRICES)
    assert (row.input_total, row.output_total, row.cost_usd) == (1000, 1, Decimal("0.001002"))


def test_a_request_that_was_refused_before_any_call() -> None:
    row = row_of(finished(status=404, error="not_found", called=None, upstream_protocol=None, tries=0), PRICES)
    assert (row.provider, row.upstream_model, row.cost_usd, row.tries) == (None, None, None, 0)


def test_tries_that_had_counted_count_too() -> None:
    first, last = Usage(100, 10, cache_read=5, raw={"a": 1}, protocol="x"), Usage(100, 20, raw={"b": 2}, protocol="y")
    row = row_of(finished(usage=last, earlier=(Spent(ONE, first),), tries=2), PRICES)
    assert (row.input_total, row.output_total, row.cache_read, row.cache_write) == (200, 30, 5, None)
    assert row.cost_usd == Decimal("0.000260")
    assert raw(row) == [{"protocol": "x", "usage": {"a": 1}}, {"protocol": "y", "usage": {"b": 2}}]


def test_where_the_price_of_one_try_is_unknown_the_cost_is() -> None:
    row = row_of(finished(usage=Usage(100, 20), earlier=(Spent(OTHER, Usage(100, 1)),), tries=2), PRICES)
    assert (row.input_total, row.cost_usd, row.price) == (200, None, None)


def test_an_unknown_price_is_unknown() -> None:
    row = row_of(finished(called=OTHER, usage=Usage(5, 5)), PRICES)
    assert (row.input_total, row.cost_usd, row.price) == (5, None, None)


@pytest.mark.parametrize("count", [-1, MAX_COUNT + 1, 2**70])
def test_counts_that_are_damage_are_none(count: int) -> None:
    row = row_of(finished(usage=Usage(count, 5, cache_read=count)), PRICES)
    assert (row.input_total, row.output_total, row.cache_read) == (None, 5, None)


def test_a_usage_object_that_is_too_large_is_left_out() -> None:
    row = row_of(finished(usage=Usage(1, 1, raw={"x": "y" * 5000}, protocol="p")), PRICES)
    assert (row.raw, row.input_total) == (None, 1)


@given(st.text(), st.lists(st.text(), max_size=60))
def test_any_text_of_a_client_can_be_stored(model: str, losses: list[str]) -> None:
    call = finished(model=model, called=Called("one", "t", "http://x", model), losses=tuple(losses), request_id=model)
    row = row_of(call, PRICES)
    for text in (row.model, row.upstream_model or "", row.request_id, *row.losses):
        assert "\0" not in text
        assert len(text) <= 200
        text.encode()
    assert len(row.losses) <= 50
    assert msgspec.json.decode(msgspec.json.encode(row), type=UsageRow) == row
