"""Four processes with sixteen clients each, and one that is killed in the middle: every decision follows from the formula, to the bit."""

import asyncio
import inspect
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from llm_api_converter.limits.base import Grant
from tests.engines import redis_server

from .pressing import CLIENTS, KEYS, LEASE_S, SLOTS, limiter_for, rules_of
from .replay import read, replay

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]
PROCESSES = 4


def press(address: str, log: Path, seed: int, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.limits.pressing", address, str(log), str(seed), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "src"})


@pytest.mark.parametrize(
    ("backend", "seconds"),
    [
        ("host", 2.0), pytest.param("host", 20.0, marks=pytest.mark.engine), pytest.param("redis-server", 20.0, marks=pytest.mark.engine),
        pytest.param("valkey-server", 20.0, marks=pytest.mark.engine),
    ],
)  # fmt: skip
async def test_every_decision_follows_from_the_formula(backend: str, seconds: float, tmp_path: Path) -> None:
    with nullcontext(None) if backend == "host" else redis_server(backend) as server:
        address = str(tmp_path / "limits") if server is None else server.url
        logs = [tmp_path / f"{number}.log" for number in range(PROCESSES)]
        children = [press(address, log, number, seconds) for number, log in enumerate(logs)]
        while not all(log.exists() for log in logs):
            assert [child.poll() for child in children] == [None] * PROCESSES
            await asyncio.sleep(0.01)
        await asyncio.sleep(seconds / 2)
        children[0].kill()
        killed_s = time.monotonic()
        said = [(await asyncio.to_thread(child.communicate, timeout=seconds + 30))[0].split() for child in children]
        assert [child.returncode for child in children] == [-9, 0, 0, 0]

        made = replay(read(*logs))
        # Of the killed process decisions may be missing that it had no time to write: on the host one; with a server, those on their way.
        assert made.missing <= (1 if server is None else CLIENTS), made
        assert min(made.granted, made.denied, made.settled) > 20 * seconds, made
        assert [away for _, _, away in said[1:]] == ["0", "0", "0"], said
        assert max(float(longest_s) for _, longest_s, _ in said[1:]) < 1.5, said

        await _slots_are_free(address, killed_s)


async def _slots_are_free(address: str, killed_s: float) -> None:
    """All slots of every key can be had, at the latest when the lease of the killed process has run out."""
    await asyncio.sleep(max(0.0, killed_s + (LEASE_S if "://" in address else 0.0) - time.monotonic()))
    limiter = limiter_for(address, None)
    await limiter.open()
    for key in range(KEYS):
        slots = rules_of(key)[2:3]
        for number in range(SLOTS + 1):
            answer = limiter.reserve(slots, 0)
            answer = await answer if inspect.isawaitable(answer) else answer
            assert isinstance(answer, Grant) == (number < SLOTS), (key, number, answer)
    await limiter.close()
