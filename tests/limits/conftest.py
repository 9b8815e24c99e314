"""The back ends: the host's in every run, Redis and Valkey where they are installed."""

import inspect
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter.limits.base import Denied, Grant, Limiter, Rule
from llm_api_converter.limits.host import HostLimiter
from tests.engines import redis_server

ENGINES = ["host", pytest.param("redis-server", marks=pytest.mark.engine), pytest.param("valkey-server", marks=pytest.mark.engine)]
_numbers = itertools.count()


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
async def limiters(engine: str, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Limiter]]]:
    """Makes limiters that count together, as processes would."""
    made: list[Limiter] = []
    manager = None
    if engine == "host":

        def make(**more: Any) -> Limiter:
            return HostLimiter(tmp_path / "limits", **more)
    else:
        from llm_api_converter.limits.redis import RedisLimiter

        manager = redis_server(engine)
        server = manager.__enter__()
        prefix = f"{{test}}:{next(_numbers)}:"

        def make(**more: Any) -> Limiter:
            return RedisLimiter(server.url, prefix=prefix, **more)

    async def opened(**more: Any) -> Limiter:
        limiter = make(**more)
        await limiter.open()
        made.append(limiter)
        return limiter

    yield opened
    for limiter in made:
        await limiter.close()
    if manager is not None:
        manager.__exit__(None, None, None)


async def reserve(limiter: Limiter, rules: tuple[Rule, ...], tokens: float = 0) -> Grant | Denied:
    answer = limiter.reserve(rules, tokens)
    return await answer if inspect.isawaitable(answer) else answer


async def settle(limiter: Limiter, grant: Grant | Denied, tokens: float | None = None) -> None:
    assert isinstance(grant, Grant)
    answer = limiter.settle(grant, tokens)
    if inspect.isawaitable(answer):
        await answer
