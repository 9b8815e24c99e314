"""Background tasks end when they are told to, whatever the libraries they use make of a cancellation."""

import asyncio

import pytest

from llm_api_converter.observe import tasks
from llm_api_converter.observe.tasks import background, stopped

pytestmark = pytest.mark.anyio


async def test_a_task_that_lost_a_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "AGAIN_S", 0.05)
    lost = 0

    async def loop() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    task = background(loop())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await stopped((task, None))
    assert task.cancelled()
    assert lost == 2


async def test_what_is_over_is_over() -> None:
    async def nothing() -> None:
        pass

    task = background(nothing())
    await task
    await stopped((task,))
    await stopped(())
    assert not task.cancelled()
