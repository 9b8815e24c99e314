"""What every back end does."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from llm_api_converter.limits.base import Decision, Denied, Grant, Limiter, Rule, Rules

from .conftest import reserve, settle
from .replay import replay

pytestmark = pytest.mark.anyio
Make = Callable[..., Awaitable[Limiter]]

SLOW = 0.001
SOON_S = 0.05
"""By then every back end knows the truth about tokens."""
REQUESTS = Rule("key:a", "requests", SLOW, 3)
TOKENS = Rule("key:a", "tokens", SLOW, 100)
SLOTS = Rule("key:a", "concurrent", 0, 2)


async def test_a_burst_and_no_more_over_all_processes(limiters: Make) -> None:
    one, other = await limiters(), await limiters()
    answers = [await reserve(limiter, (REQUESTS,)) for limiter in (one, other, one, other, one)]
    assert [type(answer) for answer in answers] == [Grant, Grant, Grant, Denied, Denied]
    denied = answers[3]
    assert isinstance(denied, Denied)
    assert denied.rule == REQUESTS
    assert denied.retry_after_s == pytest.approx(1 / SLOW, rel=0.01)
    assert [round(answer.levels[0]) for answer in answers] == [2, 1, 0, 0, 0]


async def test_what_was_told_to_wait_gets_in_after_it(limiters: Make) -> None:
    limiter = await limiters()
    rule = Rule("key:b", "requests", 10, 1)
    assert isinstance(await reserve(limiter, (rule,)), Grant)
    denied = await reserve(limiter, (rule,))
    assert isinstance(denied, Denied)
    assert 0 < denied.retry_after_s <= 0.1
    await asyncio.sleep(denied.retry_after_s + 0.005)
    assert isinstance(await reserve(limiter, (rule,)), Grant)


async def test_all_buckets_or_none(limiters: Make) -> None:
    limiter = await limiters()
    empty = Rule("team:t", "requests", SLOW, 1)
    assert isinstance(await reserve(limiter, (empty,)), Grant)
    denied = await reserve(limiter, (REQUESTS, TOKENS, SLOTS, empty), 60)
    assert isinstance(denied, Denied)
    assert denied.rule == empty
    whole = await reserve(limiter, (REQUESTS, TOKENS, SLOTS), 100)
    assert isinstance(whole, Grant), "something was taken by the one that was denied"
    assert [round(level) for level in whole.levels[:2]] == [2, 0]


@pytest.mark.parametrize(("actual", "then"), [(10, True), (60, False), (500, False), (None, False)])
async def test_the_truth_is_settled(limiters: Make, actual: float | None, then: bool) -> None:
    limiter = await limiters()
    grant = await reserve(limiter, (TOKENS,), 60)
    await settle(limiter, grant, actual)
    await asyncio.sleep(SOON_S)
    assert isinstance(await reserve(limiter, (TOKENS,), 50), Grant if then else Denied)


async def test_more_than_a_bucket_holds_takes_all_of_it_and_owes_the_rest(limiters: Make) -> None:
    limiter = await limiters()
    grant = await reserve(limiter, (TOKENS,), 1000)
    assert isinstance(grant, Grant)
    await settle(limiter, grant, 1000)
    await asyncio.sleep(SOON_S)
    denied = await reserve(limiter, (TOKENS,), 1)
    assert isinstance(denied, Denied)
    assert denied.retry_after_s == pytest.approx(901 / SLOW, rel=0.01)


async def test_slots_are_held_until_settled(limiters: Make) -> None:
    one, other = await limiters(), await limiters()
    first, second = await reserve(one, (SLOTS,)), await reserve(other, (SLOTS,))
    third = await reserve(one, (SLOTS,))
    assert [type(answer) for answer in (first, second, third)] == [Grant, Grant, Denied]
    assert isinstance(third, Denied)
    assert third.retry_after_s > 0
    await settle(other, second)
    assert isinstance(await reserve(one, (SLOTS,)), Grant)


async def test_buckets_do_not_mix(limiters: Make) -> None:
    limiter = await limiters()
    for number in range(200):
        rule = Rule(f"key:{number}", "requests", SLOW, 1)
        assert isinstance(await reserve(limiter, (rule,)), Grant)
    for number in range(200):
        assert isinstance(await reserve(limiter, (Rule(f"key:{number}", "requests", SLOW, 1),)), Denied)


async def test_rules_that_are_made_again_mean_the_same_buckets(limiters: Make) -> None:
    limiter = await limiters()
    first, again = Rules((REQUESTS, TOKENS)), Rules((REQUESTS, TOKENS))
    assert first != again
    answers = [await reserve(limiter, rules, 30) for rules in (first, again, first, again)]
    assert [type(answer) for answer in answers] == [Grant, Grant, Grant, Denied]
    for answer in answers[:3]:
        await settle(limiter, answer, 0)
    await asyncio.sleep(SOON_S)
    assert round((await reserve(limiter, (TOKENS,), 100)).levels[0]) == 0


async def test_every_decision_can_be_made_again_from_the_log(limiters: Make) -> None:
    decisions: list[Decision] = []
    one, other = await limiters(log=decisions.append), await limiters(log=decisions.append)
    rules = (Rule("key:r", "requests", 50, 5), Rule("key:r", "tokens", 1000 / 3, 50), Rule("key:r", "concurrent", 0, 2))

    async def use(limiter: Limiter, number: int) -> None:
        answer = await reserve(limiter, rules[: 1 + number % 3], number % 30)
        if isinstance(answer, Grant):
            await settle(limiter, answer, number % 17)

    for number in range(60):
        await use((one, other)[number % 2], number)
        await asyncio.sleep(0.002)
    made = replay(decisions)
    assert (made.granted > 5, made.denied > 5, made.missing) == (True, True, 0)
