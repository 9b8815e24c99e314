"""What is Redis's own: a server that goes away, hangs, forgets, and comes back; callers that do not wait; workers that die."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from llm_api_converter.limits import redis as redis_module
from llm_api_converter.limits.base import Away, Decision, Denied, Grant, Rule
from llm_api_converter.limits.redis import TIMEOUT_S, RedisLimiter
from llm_api_converter.observe.tasks import stopped
from tests.engines import Redis, free_port, redis_server

from .replay import replay

pytestmark = pytest.mark.anyio
engine_test = pytest.mark.engine

RULE = Rule("key:a", "requests", 0.001, 3)
SLOTS = Rule("key:a", "concurrent", 0, 2)


@pytest.fixture(params=["redis-server", "valkey-server"])
def server(request: pytest.FixtureRequest) -> Iterator[Redis]:
    with redis_server(request.param) as server:
        yield server


@pytest.fixture
async def limiter(server: Redis) -> AsyncIterator[RedisLimiter]:
    made = RedisLimiter(server.url)
    await made.open()
    yield made
    await made.close()


async def until_back(limiter: RedisLimiter) -> None:
    end_s = time.monotonic() + 10
    while not limiter.status()["reachable"]:
        assert time.monotonic() < end_s, "it never came back"
        await asyncio.sleep(0.05)


async def test_a_server_that_is_not_there_keeps_nobody_from_starting() -> None:
    """Needs no server."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    for on_failure in ("open", "closed"):
        limiter = RedisLimiter(url, on_failure=on_failure)
        await limiter.open()
        assert limiter.status() == {"backend": "redis", "reachable": False, "away": 0}
        start_s = time.monotonic()
        if on_failure == "open":
            grant = await limiter.reserve((RULE, SLOTS), 0)
            assert grant == Grant(), "nothing was taken, nothing is to be settled"
            await limiter.settle(grant, 5)
        else:
            with pytest.raises(Away, match="is away"):
                await limiter.reserve((RULE,), 0)
        assert time.monotonic() - start_s < TIMEOUT_S
        assert limiter.away == 1
        await limiter.close()


@engine_test
@pytest.mark.parametrize("on_failure", ["open", "closed"])
async def test_away_and_back(server: Redis, on_failure: str) -> None:
    limiter = RedisLimiter(server.url, on_failure=on_failure)  # type: ignore[arg-type]
    await limiter.open()
    assert isinstance(await limiter.reserve((RULE,), 0), Grant)
    server.stop()
    start_s = time.monotonic()
    answers = await asyncio.gather(*(limiter.reserve((RULE,), 0) for _ in range(200)), return_exceptions=True)
    assert time.monotonic() - start_s < TIMEOUT_S + 1.5
    assert {type(answer) for answer in answers} == {Grant if on_failure == "open" else Away}
    assert limiter.away == 200
    server.start()
    await until_back(limiter)
    assert [type(await limiter.reserve((RULE,), 0)) for _ in range(4)] == [Grant, Grant, Grant, Denied]
    assert limiter.away == 200
    await limiter.close()


@engine_test
async def test_a_server_that_hangs_is_waited_for_once(server: Redis, limiter: RedisLimiter) -> None:
    await limiter.reserve((RULE,), 0)
    server.pause()
    start_s = time.monotonic()
    await asyncio.gather(*(limiter.reserve((RULE,), 0) for _ in range(100)))
    assert TIMEOUT_S * 0.9 < time.monotonic() - start_s < TIMEOUT_S + 1.5
    start_s = time.monotonic()
    for _ in range(100):
        await limiter.reserve((RULE,), 0)
    assert time.monotonic() - start_s < TIMEOUT_S
    assert limiter.away == 200
    server.resume()
    await until_back(limiter)


@engine_test
async def test_a_server_without_memory_is_away_until_it_has_some(limiter: RedisLimiter) -> None:
    await limiter._redis.config_set("maxmemory", 1)
    assert await limiter.reserve((RULE,), 0) == Grant()
    await asyncio.sleep(redis_module.AGAIN_S * 1.5)
    assert not limiter.status()["reachable"], "it answers, but does not decide"
    await limiter._redis.config_set("maxmemory", 0)
    await until_back(limiter)
    assert await limiter.reserve((RULE,), 0) != Grant()


@engine_test
async def test_scripts_that_were_flushed_and_connections_that_were_cut_are_nothing(limiter: RedisLimiter) -> None:
    rule = Rule("key:a", "requests", 0, 40)
    for disturbance in (("SCRIPT", "FLUSH"), ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")):
        await limiter._redis.execute_command(*disturbance)  # type: ignore[no-untyped-call]
        answers = await asyncio.gather(*(limiter.reserve((rule,), 0) for _ in range(20)))
        assert all(isinstance(answer, Grant) and answer.rules for answer in answers)
    assert limiter.away == 0
    assert isinstance(await limiter.reserve((rule,), 0), Denied), "each was counted once"


@engine_test
async def test_who_does_not_wait_gets_back_what_was_granted(server: Redis, limiter: RedisLimiter) -> None:
    rules = (Rule("key:a", "requests", 0, 40), Rule("key:a", "tokens", 0, 100), SLOTS)
    server.pause()
    waiting = [asyncio.create_task(limiter.reserve(rules, 50)) for _ in range(2)]
    await asyncio.sleep(0.05)
    for task in waiting:
        task.cancel()
    server.resume()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.2)
    grant = await limiter.reserve(rules, 50)
    assert grant.levels == (39, 50, 1)
    assert isinstance(grant, Grant)
    await limiter.settle(grant, 0)
    assert limiter.away == 0


@engine_test
async def test_who_leaves_as_the_answer_comes_gets_it_back_too(limiter: RedisLimiter, monkeypatch: pytest.MonkeyPatch) -> None:
    class Leaving(redis_module._Ask):
        __slots__ = ()

        def __init__(self, mode: Any, *more: Any) -> None:
            super().__init__(mode, *more)
            if mode == "reserve":
                self.answer.add_done_callback(lambda _: late.cancel())

    rules = (Rule("key:a", "tokens", 0, 100), SLOTS)
    with monkeypatch.context() as patched:
        patched.setattr(redis_module, "_Ask", Leaving)
        late = asyncio.create_task(limiter.reserve(rules, 50))
        with pytest.raises(asyncio.CancelledError):
            await late
        await asyncio.sleep(0.1)
    assert (await limiter.reserve(rules, 50)).levels == (50, 1)
    assert limiter.away == 0


@engine_test
async def test_slots_run_out_with_their_worker_and_are_kept_by_one_that_lives(server: Redis) -> None:
    decisions: list[Decision] = []
    living, dying = RedisLimiter(server.url, lease_s=0.6, log=decisions.append), RedisLimiter(server.url, lease_s=0.6, log=decisions.append)
    await living.open()
    await dying.open()
    assert isinstance(await living.reserve((SLOTS,), 0), Grant)
    assert isinstance(await dying.reserve((SLOTS,), 0), Grant)
    await stopped((dying._renewing,))
    await asyncio.sleep(0.4)
    assert isinstance(await living.reserve((SLOTS,), 0), Denied)
    await asyncio.sleep(0.4)
    assert [type(await living.reserve((SLOTS,), 0)) for _ in range(2)] == [Grant, Denied]
    assert replay(decisions).freed == 1
    dying._leases.clear()
    await dying.close()
    await living.close()
    after = RedisLimiter(server.url)
    await after.open()
    assert [type(await after.reserve((SLOTS,), 0)) for _ in range(3)] == [Grant, Grant, Denied], "closed, it holds none"
    await after.close()


@engine_test
async def test_a_server_that_was_started_anew_learns_which_slots_are_held(server: Redis) -> None:
    limiter = RedisLimiter(server.url, lease_s=0.9)
    await limiter.open()
    held = [await limiter.reserve((SLOTS,), 0) for _ in range(2)]
    await limiter._redis.flushall()
    await asyncio.sleep(0.5)
    assert isinstance(await limiter.reserve((SLOTS,), 0), Denied)
    assert isinstance(held[0], Grant)
    await limiter.settle(held[0], None)
    assert isinstance(await limiter.reserve((SLOTS,), 0), Grant)
    await limiter.close()


@engine_test
async def test_what_nobody_uses_is_forgotten(limiter: RedisLimiter) -> None:
    quick, slow = Rule("key:q", "requests", 100, 10), Rule("key:s", "requests", 0.1, 10)
    await limiter.reserve((quick, slow, SLOTS), 0)
    left_ms = [await limiter._redis.pttl(limiter._prefix + rule.name) for rule in (quick, slow, SLOTS)]
    assert [round(left, -3) for left in left_ms] == [1000, 11000, 30000]


@engine_test
async def test_the_password_is_in_no_log(server: Redis, limiter: RedisLimiter, capsys: pytest.CaptureFixture[str]) -> None:
    await limiter._redis.config_set("requirepass", "another")
    wrong = RedisLimiter(server.url.replace("redis://", "redis://:geheim-geheim@"))
    await wrong.open()
    assert not wrong.status()["reachable"]
    await wrong.close()
    written = "".join(capsys.readouterr())
    assert "rate limits away" in written
    assert "geheim" not in written
