"""The token bucket, as arithmetic.

A bucket holds at most `burst` and gains `rate_per_s`; a reservation takes its cost if that much is there. What was reserved is an estimate:
the truth is settled later, and may leave the bucket below zero, so that the next ones wait. A cost above `burst` could never be had, so a
reservation takes no more than `burst`; the truth is settled all the same.
"""

EPSILON = 1e-9
"""Less than this is rounding."""


def level_at(level: float, at_s: float, now_s: float, rate_per_s: float, burst: float) -> float:
    """How much is there now, of what was `level` at `at_s` (seconds of any one clock). A clock that went back adds nothing."""
    if now_s > at_s:
        level += (now_s - at_s) * rate_per_s
    return level if level < burst else burst


def price(cost: float, burst: float) -> float:
    """What a reservation of this cost takes."""
    return min(cost, burst)


def wait_s(level: float, cost: float, rate_per_s: float, burst: float) -> float:
    """Seconds until the cost can be taken: 0 now, infinite for a bucket that gains nothing."""
    lacking = price(cost, burst) - level
    if lacking <= EPSILON:
        return 0.0
    return lacking / rate_per_s if rate_per_s > 0 else float("inf")
