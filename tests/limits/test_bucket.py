"""Laws of the token bucket."""

from hypothesis import assume, given
from hypothesis import strategies as st

from llm_api_converter.limits.bucket import decide, price, wait_s

RATE = st.floats(0.001, 1e6)
BURST = st.floats(1, 1e9)
COST = st.floats(0, 2e9)
LEVEL = st.floats(-1e9, 1e9)
STEPS = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 1.2)), max_size=30)


@given(RATE, BURST, STEPS)
def test_in_any_stretch_of_time_no_more_than_burst_and_what_was_gained(rate: float, burst: float, steps: list[tuple[float, float]]) -> None:
    level, at_s, now_s = burst, 0.0, 0.0
    taken: list[tuple[float, float]] = []
    for pause_s, share in steps:
        now_s += pause_s
        cost = price(share * burst, burst)
        level, told_s = decide(level, at_s, now_s, rate, burst, cost)
        at_s = now_s
        if told_s == 0:
            level -= cost
            taken.append((now_s, cost))
    for first, (start_s, _) in enumerate(taken):
        total = 0.0
        for end_s, cost in taken[first:]:
            total += cost
            assert total <= (burst + rate * (end_s - start_s)) * (1 + 1e-9)


@given(RATE, BURST, COST, LEVEL)
def test_waiting_as_long_as_told_is_enough_and_less_is_not(rate: float, burst: float, cost: float, level: float) -> None:
    level, told_s = decide(level, 0.0, 0.0, rate, burst, cost)
    assert decide(level, 0.0, told_s, rate, burst, cost)[1] == 0
    assume(told_s * rate > 1e-12 * cost)  # less is rounding
    assert decide(level, 0.0, told_s * 0.99, rate, burst, cost)[1] > 0


@given(RATE, BURST, COST, LEVEL, st.floats(0, 1000), st.floats(0, 1000))
def test_time_only_helps(rate: float, burst: float, cost: float, level: float, first_s: float, second_s: float) -> None:
    (earlier, more_s), (later, less_s) = (decide(level, 0.0, at_s, rate, burst, cost) for at_s in sorted((first_s, second_s)))
    assert earlier <= later <= burst
    assert more_s >= less_s


@given(RATE, BURST, COST, COST, LEVEL)
def test_more_costs_more(rate: float, burst: float, one: float, other: float, level: float) -> None:
    assert decide(level, 0.0, 0.0, rate, burst, min(one, other))[1] <= decide(level, 0.0, 0.0, rate, burst, max(one, other))[1]


@given(BURST, COST, LEVEL)
def test_a_bucket_that_gains_nothing_has_enough_now_or_never(burst: float, cost: float, level: float) -> None:
    level, told_s = decide(level, 0.0, 1e6, 0.0, burst, cost)
    assert told_s == (0 if level >= price(cost, burst) else float("inf"))
    assert wait_s(burst, cost, 0.0, burst) == 0


def test_a_clock_that_goes_back_adds_nothing() -> None:
    assert decide(1.0, 100.0, 50.0, 1.0, 10.0, 0.0) == (1.0, 0.0)
