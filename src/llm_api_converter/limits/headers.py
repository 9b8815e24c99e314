"""How clients are told about limits: the headers of their own protocol, and `retry-after`.

Anthropic: `anthropic-ratelimit-requests-limit`, `-remaining`, `-reset` (RFC 3339), the same with `tokens`.
OpenAI: `x-ratelimit-limit-requests`, `x-ratelimit-remaining-requests`, `x-ratelimit-reset-requests` (`6m0s`), the same with `tokens`.
Gemini and Bedrock have none. https://docs.anthropic.com/en/api/rate-limits, https://platform.openai.com/docs/guides/rate-limits (2026-11).
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from .base import Rule

LONGEST_S = 366 * 86_400.0
"""Nothing further away is told: calendars end."""
_KEPT = 4096


class _Told(NamedTuple):
    """What may be told of a bucket: its place among the rules, what it is like, and its lines, which lack what remains and the reset."""

    place: int
    burst: float
    rate_per_s: float
    lines: bytes


def limit_lines(protocol: str, rules: tuple[Rule, ...], levels: Sequence[float], now_s: float) -> bytes:
    """The headers of the bucket of each dimension that has least of its burst left, as they stand in a head: each with its line's end.
    `levels` are the buckets' after a decision, in the order of `rules`; `now_s` is Unix time.
    """
    lines = b""
    by_the_clock, plan = _plan(protocol, rules)
    for buckets in plan:
        told = buckets[0] if len(buckets) == 1 else min(buckets, key=lambda one: max(0.0, levels[one.place]) / one.burst)
        place, burst, rate_per_s, form = told
        level = levels[place]
        reset_s = (burst - level) / rate_per_s if rate_per_s > 0 and level < burst else 0.0
        if reset_s > LONGEST_S:
            reset_s = LONGEST_S
        lines += form % (level if level > 0 else 0, _rfc3339(int(now_s + reset_s)) if by_the_clock else duration(reset_s).encode())
    return lines


@lru_cache(_KEPT)
def _plan(protocol: str, rules: tuple[Rule, ...]) -> tuple[bool, tuple[tuple[_Told, ...], ...]]:
    """Whether a reset is told by the clock, and the buckets of each dimension that is told of."""
    names = _NAMES.get(protocol)
    if names is None:
        return False, ()
    found = []
    for dimension in ("requests", "tokens"):
        limit, remaining, reset = (form.format(dimension) for form in (names.limit, names.remaining, names.reset))
        buckets = tuple(
            _Told(place, rule.burst, rule.rate_per_s, f"{limit}: {int(rule.burst)}\r\n{remaining}: %d\r\n{reset}: %b\r\n".encode())
            for place, rule in enumerate(rules) if rule.dimension == dimension
        )  # fmt: skip
        if buckets:
            found.append(buckets)
    return names.by_the_clock, tuple(found)


@lru_cache(256)
def _rfc3339(at_s: int) -> bytes:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


class _Names(NamedTuple):
    """A protocol's: `{}` is the dimension. `by_the_clock`: a reset is told as a time of day, else as how long it takes."""

    limit: str
    remaining: str
    reset: str
    by_the_clock: bool


_ANTHROPIC = _Names("anthropic-ratelimit-{}-limit", "anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset", by_the_clock=True)
_OPENAI = _Names("x-ratelimit-limit-{}", "x-ratelimit-remaining-{}", "x-ratelimit-reset-{}", by_the_clock=False)
_NAMES = {"anthropic": _ANTHROPIC, "openai_chat": _OPENAI, "openai_responses": _OPENAI}


def duration(seconds: float) -> str:
    """`0s`, `120ms`, `6m0s`, `1h2m3s`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms" if seconds > 0 else "0s"
    whole = math.ceil(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left_s = divmod(rest, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{left_s}s"


def retry_after(seconds: float) -> float:
    """Whole seconds, at least one: what fits `retry-after`. Nobody is told to wait for more than a day."""
    return float(max(1, math.ceil(min(seconds, 86_400))))
