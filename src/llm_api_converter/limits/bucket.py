"""The token bucket, as arithmetic.

A bucket holds at most `burst` and gains `rate_per_s`; a reservation takes its cost if that much is there. What was reserved is an estimate:
the truth is settled later, and may leave the bucket below zero, so that the next ones wait. A cost above `burst` could never be had, so a
reservation takes no more than `burst`; the truth is settled all the same.

In any stretch of time no more is granted than `burst` and what was gained in it; whoever waits as long as told gets in, if nobody else took
it meanwhile, and nobody gets in sooner. `tests/limits/test_bucket.py` has these as laws. `redis` writes the same once more, in Lua.
"""

ROUND_UP = 1 + 4e-15
"""A wait is longer by this than the division says, so that after it no rounding is left for which to wait again."""


def decide(level: float, at_s: float, now_s: float, rate_per_s: float, burst: float, cost: float) -> tuple[float, float]:
    """Of a bucket that was at `level` at `at_s`: what is there now, and the seconds until `cost` can be taken (0: now; infinite for a
    bucket that gains nothing). Times are seconds of any one clock; one that went back adds nothing.
    """
    if now_s > at_s:
        level += (now_s - at_s) * rate_per_s
    if level > burst:
        level = burst
    if level >= cost:
        return level, 0.0
    return level, wait_s(level, cost, rate_per_s, burst)


def price(cost: float, burst: float) -> float:
    """What a reservation of this cost takes."""
    return cost if cost < burst else burst


def wait_s(level: float, cost: float, rate_per_s: float, burst: float) -> float:
    """Seconds until the cost can be taken, of what is there now."""
    lacking = price(cost, burst) - level
    if lacking <= 0:
        return 0.0
    return lacking / rate_per_s * ROUND_UP if rate_per_s > 0 else float("inf")
