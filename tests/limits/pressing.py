"""A process that presses on limits: `python -m tests.limits.pressing BACKEND LOG SEED SECONDS`, where BACKEND is a folder or a Redis URL.

Writes every decision to the log, at once, one a line. At the end it says how many were granted, and how long the longest took.
"""

import asyncio
import inspect
import os
import random
import sys
import time
from pathlib import Path

import msgspec

from llm_api_converter.limits.base import Decision, Grant, Limiter, Rule
from llm_api_converter.limits.host import HostLimiter, LockBusy

CLIENTS = 16
LEASE_S = 1.5
KEYS = 3
SLOTS = 4
OVERALL = (Rule("overall", "requests", 900, 60), Rule("overall", "tokens", 100_000 / 3, 4000))


def rules_of(key: int) -> tuple[Rule, ...]:
    """What a request of a key counts against."""
    scope = f"key:{key}"
    return (Rule(scope, "requests", 1000 / 3, 20), Rule(scope, "tokens", 20_000, 1500), Rule(scope, "concurrent", 0, SLOTS), *OVERALL)


def limiter_for(backend: str, log: Path | None) -> Limiter:
    """As a gateway would have it."""
    write = None
    if log is not None:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

        def write(decision: Decision) -> None:
            os.write(file, msgspec.json.encode(decision) + b"\n")

    if "://" not in backend:
        return HostLimiter(Path(backend), write)
    from llm_api_converter.limits.redis import RedisLimiter

    return RedisLimiter(backend, log=write, lease_s=LEASE_S)


async def main(backend: str, log: Path, seed: int, seconds: float) -> None:
    limiter = limiter_for(backend, log)
    await limiter.open()
    end_s = time.monotonic() + seconds
    granted, longest_s = 0, 0.0

    async def client(number: int) -> None:
        nonlocal granted, longest_s
        rng = random.Random(seed * 1000 + number)
        while (start_s := time.monotonic()) < end_s:
            estimate = rng.choice((10, 100, 300, 2000))
            try:
                answer = limiter.reserve(rules_of(rng.randrange(KEYS)), estimate)
                answer = await answer if inspect.isawaitable(answer) else answer
            except LockBusy:
                continue
            longest_s = max(longest_s, time.monotonic() - start_s)
            if not isinstance(answer, Grant):
                await asyncio.sleep(rng.random() * min(answer.retry_after_s, 0.05))
                continue
            granted += 1
            await asyncio.sleep(rng.random() * 0.02)
            settled = limiter.settle(answer, rng.choice((None, 0.0, estimate * rng.random(), estimate * 1.5)))
            if settled is not None:
                await settled

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    print(granted, longest_s, limiter.away)
    await limiter.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
