"""Deleting what is old, some at a time."""

import pytest

from llm_api_converter.store.base import Store
from llm_api_converter.store.records import UsageFilter
from llm_api_converter.store.sql import old

from ..test_contract import NOON, entry, row

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=pytest.mark.engine)], indirect=True)
@pytest.mark.parametrize("before", [0, 1, 3, 6, 7, 10, 20])
async def test_all_that_is_old_goes_and_nothing_else(store: Store, before: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old, "SLICE", 3)
    await store.usage.add([row(number) for number in range(10)])
    await store.audit.append([entry(number) for number in range(10)])
    assert await store.usage.forget(NOON + before) == await store.audit.rotate(NOON + before) == min(before, 10)
    assert [x.at_s for x in (await store.usage.rows(UsageFilter())).items] == [NOON + number for number in range(9, before - 1, -1)]
