"""Laws of the token bucket."""

from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.limits.bucket import level_at, price, wait_s

RATE = st.floats(0.001, 1e6)
BURST = st.floats(1, 1e6)
COST = st.floats(0, 2e6)
STEPS = st.lists(st.tuples(st.floats(0, 100), COST), max_size=40)


@given(RATE, BURST, STEPS)
def test_never_more_than_burst_and_rate_allow(rate: float, burst: float, steps: list[tuple[float, float]]) -> None:
    level, at_s, now_s, taken = burst, 0.0, 0.0, 0.0
    for pause_s, cost in steps:
        now_s += pause_s
        level = level_at(level, at_s, now_s, rate, burst)
        at_s = now_s
        if wait_s(level, cost, rate, burst) == 0:
            level -= price(cost, burst)
            taken += price(cost, burst)
        assert taken <= (burst + rate * now_s) * (1 + 1e-9) + 1e-6


@given(RATE, BURST, COST, st.floats(-1e6, 1e6))
def test_waiting_as_long_as_told_is_enough_and_less_is_not(rate: float, burst: float, cost: float, level: float) -> None:
    level = min(level, burst)
    told_s = wait_s(level, cost, rate, burst)
    assert wait_s(level_at(level, 0.0, told_s * (1 + 1e-9), rate, burst), cost, rate, burst) < 1e-3
    if told_s > 1e-3:
        assert wait_s(level_at(level, 0.0, told_s * 0.9, rate, burst), cost, rate, burst) > 0


@given(RATE, BURST, st.floats(-1e6, 1e6), st.floats(0, 1000), st.floats(0, 1000))
def test_it_only_gains_and_never_beyond_its_burst(rate: float, burst: float, level: float, first_s: float, second_s: float) -> None:
    level = min(level, burst)
    earlier, later = (level_at(level, 0.0, at_s, rate, burst) for at_s in sorted((first_s, second_s)))
    assert level <= earlier <= later <= burst


@given(BURST, COST)
def test_a_bucket_that_gains_nothing(burst: float, cost: float) -> None:
    assert wait_s(burst, cost, 0.0, burst) == 0
    assert wait_s(0.5, 1.0, 0.0, burst) == float("inf")


def test_a_clock_that_goes_back_adds_nothing() -> None:
    assert level_at(1.0, 100.0, 50.0, 1.0, 10.0) == 1.0
