"""How clients are told about limits: the headers of their own protocol, and `retry-after`.

Anthropic: `anthropic-ratelimit-requests-limit`, `-remaining`, `-reset` (RFC 3339), the same with `tokens`.
OpenAI: `x-ratelimit-limit-requests`, `x-ratelimit-remaining-requests`, `x-ratelimit-reset-requests` (`6m0s`), the same with `tokens`.
Gemini and Bedrock have none. https://docs.anthropic.com/en/api/rate-limits, https://platform.openai.com/docs/guides/rate-limits (2026-11).
"""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache

from .base import Left

Headers = list[tuple[bytes, bytes]]
LONGEST_S = 366 * 86_400.0
"""Nothing further away is told: calendars end."""


def limit_headers(protocol: str, lefts: Iterable[Left], now_s: float) -> Headers:
    """The headers of the bucket of each dimension that has least of its burst left. `now_s` is Unix time."""
    write = _WRITE.get(protocol)
    if write is None:
        return []
    tightest: dict[str, Left] = {}
    for found in lefts:
        if found.rule.dimension == "concurrent":
            continue
        known = tightest.get(found.rule.dimension)
        if known is None or found.remaining / found.rule.burst < known.remaining / known.rule.burst:
            tightest[found.rule.dimension] = found
    return [header for dimension, found in sorted(tightest.items()) for header in write(dimension, found, now_s)]


def _anthropic(dimension: str, found: Left, now_s: float) -> Headers:
    base = f"anthropic-ratelimit-{dimension}-".encode()
    return [
        (base + b"limit", b"%d" % found.rule.burst), (base + b"remaining", b"%d" % found.remaining),
        (base + b"reset", _rfc3339(int(now_s + min(found.reset_s, LONGEST_S)))),
    ]  # fmt: skip


@lru_cache(256)
def _rfc3339(at_s: int) -> bytes:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()


def _openai(dimension: str, found: Left, now_s: float) -> Headers:
    end = dimension.encode()
    return [
        (b"x-ratelimit-limit-" + end, b"%d" % found.rule.burst), (b"x-ratelimit-remaining-" + end, b"%d" % found.remaining),
        (b"x-ratelimit-reset-" + end, duration(min(found.reset_s, LONGEST_S)).encode()),
    ]  # fmt: skip


_WRITE: dict[str, Callable[[str, Left, float], Headers]] = {"anthropic": _anthropic, "openai_chat": _openai, "openai_responses": _openai}


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
