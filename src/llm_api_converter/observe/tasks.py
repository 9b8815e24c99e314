"""Tasks that run as long as the worker does: one that ends by an error is a fault of the gateway, and must not end in silence."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger("gateway")


def background(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start it. An error that ends it is logged as it happens."""
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_tell)
    return task


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("background task failed", task=task.get_coro().__qualname__, error=repr(error), exc_info=error)  # type: ignore[union-attr]
