"""Values on the wire, places in time, and what fits into one transaction: laws."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.store.base import StoreError
from llm_api_converter.store.dynamodb.timeline import SHARDS, shard_of
from llm_api_converter.store.dynamodb.usage import _batches, _counted
from llm_api_converter.store.dynamodb.values import FIRST, LAST, Value, cursor_of, moment, packed, place, place_of, unpacked
from llm_api_converter.store.records import UsageRow

times = st.floats(allow_nan=False)
values = st.text() | st.binary() | st.integers(-(10**37), 10**37) | st.decimals(allow_nan=False, allow_infinity=False, places=12)


@given(st.dictionaries(st.text(), values | st.none()))
def test_what_is_written_is_read(said: dict[str, Value | None]) -> None:
    assert unpacked(packed(said)) == {name: value for name, value in said.items() if value is not None}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_time_comes_back_as_it_was(at_s: float) -> None:
    assert float(unpacked(packed({"at": at_s}))["at"]) == at_s


def test_money_is_written_without_an_exponent() -> None:
    assert packed({"cost": Decimal("1E-12")}) == {"cost": {"N": "0.000000000001"}}


@given(times, times)
def test_places_sort_as_times_do(a: float, b: float) -> None:
    assert (moment(a) < moment(b)) == (a < b)
    assert FIRST < moment(a) < LAST


@given(st.floats(0, 1e12), st.text(min_size=1, max_size=64))
def test_a_cursor_leads_back_to_its_place(at_s: float, row_id: str) -> None:
    found = place(at_s, row_id)
    assert place_of(cursor_of(found)) == found


@pytest.mark.parametrize("cursor", ["", "what?", "é", "AAAA", cursor_of("zzzzzzzzzzzzzzzz#a"), cursor_of("0" * 16), cursor_of("0" * 16 + "#" + "a" * 2000)])
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(StoreError, match="cursor"):
        place_of(cursor)


def test_shards_are_used_alike() -> None:
    used = [shard_of(f"use_{number}") for number in range(4000)]
    assert all(800 < used.count(name) < 1200 for name in SHARDS)


rows = st.builds(
    UsageRow, id=st.uuids().map(str), at_s=st.sampled_from([0.0, 86_400.0, 1e9]), request_id=st.just("r"), operation=st.just("generate"), protocol=st.just("p"),
    model=st.just("m"), status=st.just(200), key_id=st.none() | st.integers(0, 40).map(str), team=st.none() | st.integers(0, 5).map(str),
    cost_usd=st.none() | st.just(Decimal(1)), raw=st.sampled_from([None, "x" * 200_000]),
)  # fmt: skip


@given(st.lists(rows, max_size=150, unique_by=lambda row: row.id))
def test_rows_are_cut_into_transactions_that_fit(added: list[UsageRow]) -> None:
    batches = list(_batches(added))
    assert sorted(row.id for batch in batches for row in batch) == sorted(row.id for row in added)
    for batch in batches:
        sums = {counted for row in batch for counted in _counted(row)}
        assert 0 < len(batch) + len(sums) <= 100
        assert sum(len(row.raw or "") for row in batch) < 3_000_000
