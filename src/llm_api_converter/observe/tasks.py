"""Tasks that run as long as the worker does: one that ends by an error is a fault of the gateway, and must not end in silence."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

import structlog

log = structlog.get_logger("gateway")

AGAIN_S = 0.5


def background(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start it. An error that ends it is logged as it happens."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_tell)
    return task


async def stopped(tasks: Iterable[asyncio.Task[Any] | None]) -> None:
    """Cancel them, and return when they are over.

    Told again every `AGAIN_S`: in Python 3.11 `asyncio.wait_for`, which clients of stores use within, loses a cancellation that comes
    together with the result it waits for.
    """
    left = {task for task in tasks if task is not None}
    over = asyncio.gather(*left, return_exceptions=True)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    await over


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background task failed", task=task.get_coro().__qualname__, error=repr(error), exc_info=error)  # type: ignore[union-attr]
