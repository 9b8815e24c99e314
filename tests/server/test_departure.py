"""The moments at which a client may leave."""

import asyncio

import pytest

from llm_api_converter.server.http import ClientGone, Departure, Leaving

pytestmark = pytest.mark.anyio


async def test_who_left_before_anybody_watched_is_gone() -> None:
    looked: list[bool] = []
    leaving = Leaving(lambda: looked.append(True))
    leaving.happened()
    with pytest.raises(ClientGone):
        async with Departure(leaving):
            raise AssertionError("nobody is there to be served")
    assert not looked, "there is nothing left to read"


async def test_who_leaves_while_served_ends_what_runs_and_nothing_after_it() -> None:
    leaving = Leaving(lambda: None)
    asyncio.get_running_loop().call_soon(leaving.happened)
    with pytest.raises(ClientGone):
        async with Departure(leaving):
            await asyncio.sleep(60)
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_who_leaves_afterwards_disturbs_nobody() -> None:
    leaving = Leaving(lambda: None)
    async with Departure(leaving):
        pass
    leaving.happened()
    await asyncio.sleep(0)


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def serve() -> None:
        async with Departure(Leaving(lambda: None)):
            await asyncio.sleep(60)

    task = asyncio.ensure_future(serve())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
