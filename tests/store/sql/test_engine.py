"""Transactions that lost against another one."""

import pytest
import structlog

from llm_api_converter.store.base import Conflict, StoreError
from llm_api_converter.store.sql.engine import TRIES, again

pytestmark = pytest.mark.anyio


class Losing:
    """A transaction that loses some times before it is done."""

    def __init__(self, error: StoreError, times: int) -> None:
        self.error, self.times, self.tries = error, times, 0

    @again
    async def do(self, secret: bytes, *, other: str) -> str:
        self.tries += 1
        if self.tries <= self.times:
            raise self.error
        return other


@pytest.mark.parametrize("words", ["PostgreSQL: deadlock detected", "PostgreSQL: could not serialize access", "SQLite: database is locked"])
async def test_it_is_done_again_and_nothing_it_holds_is_logged(words: str) -> None:
    losing = Losing(StoreError(words), 2)
    with structlog.testing.capture_logs() as logged:
        assert await losing.do(b"geheim", other="geheim too") == "geheim too"
    assert losing.tries == 3
    assert "geheim" not in repr(logged)


async def test_it_is_given_up_in_the_end() -> None:
    losing = Losing(StoreError("PostgreSQL: deadlock detected"), 100)
    with pytest.raises(StoreError, match="deadlock"):
        await losing.do(b"", other="")
    assert losing.tries == TRIES


@pytest.mark.parametrize("error", [Conflict("taken"), StoreError("PostgreSQL: no such table")])
async def test_what_another_try_does_not_mend_is_not_tried_again(error: StoreError) -> None:
    losing = Losing(error, 1)
    with pytest.raises(type(error)):
        await losing.do(b"", other="")
    assert losing.tries == 1
