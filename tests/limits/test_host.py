"""What is the host's own: one file for all processes, and processes that die anywhere."""

import asyncio
import fcntl
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llm_api_converter.limits import table as table_module
from llm_api_converter.limits.base import Decision, Denied, Grant, Rule
from llm_api_converter.limits.host import SETTLE_S, HostLimiter, LockBusy
from llm_api_converter.limits.table import MOST_WORDS, WINDOW, WORKERS, Table, mark_of

pytestmark = pytest.mark.anyio

FIXED = Rule("key:a", "requests", 0, 1000)
SLOTS_OF_A = Rule("key:a", "concurrent", 0, 2)


async def opened(folder: Path, **more: object) -> HostLimiter:
    limiter = HostLimiter(folder, **more)  # type: ignore[arg-type]
    await limiter.open()
    return limiter


def run(script: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own, which says what it has done on its standard output."""
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "src"})


TAKER = """
import asyncio, sys
from pathlib import Path
from llm_api_converter.limits.base import Grant, Rule
from llm_api_converter.limits.host import HostLimiter
async def main():
    limiter = HostLimiter(Path(sys.argv[1]))
    await limiter.open()
    rules = (Rule("key:a", "requests", 0, 1000), Rule("overall", "requests", 0, 1000))
    print(sum(isinstance(limiter.reserve(rules, 0), Grant) for _ in range(600)))
    await limiter.close()
asyncio.run(main())
"""


async def test_processes_that_press_get_exactly_what_there_is(tmp_path: Path) -> None:
    children = [run(TAKER, str(tmp_path)) for _ in range(3)]
    assert sum(int(child.communicate(timeout=60)[0]) for child in children) == 1000


# Forks one child for each line that runs while something is decided, and kills it before that line; each leaves the file as it is then.
KILLED_ANYWHERE = """
import asyncio, os, signal, sys
from collections import Counter
from pathlib import Path
from llm_api_converter.limits.base import Grant, Rule
from llm_api_converter.limits.host import HostLimiter
FOLDER = Path(sys.argv[1])
RULES = (Rule("key:a", "requests", 0, 1000), Rule("key:a", "tokens", 0, 10000), Rule("key:a", "concurrent", 0, 1), Rule("overall", "requests", 0, 1000))
def levels(limiter):
    answer = limiter.reserve(RULES[:2] + RULES[3:], 0)
    limiter.settle(answer, None)
    return answer.levels
async def once(line):
    limiter = HostLimiter(FOLDER)
    await limiter.open()
    seen = 0
    passed = Counter()
    def trace(frame, event, argument):
        nonlocal seen
        if "limits" not in frame.f_code.co_filename:
            return None
        place = (frame.f_code, frame.f_lineno)
        passed[place] += 1
        if event == "line" and passed[place] < 10:  # in a long loop, not every time
            seen += 1
            if seen == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace
    sys.settrace(trace)
    grant = limiter.reserve(RULES, 10)
    limiter.settle(grant, 7)
    sys.settrace(None)
    assert isinstance(grant, Grant)
loop = asyncio.new_event_loop()
watcher = HostLimiter(FOLDER)
loop.run_until_complete(watcher.open())
print(*levels(watcher))
line, status = 0, 1
while status:
    line += 1
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        asyncio.run(once(line))
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    print(*levels(watcher), flush=True)
loop.run_until_complete(watcher.close())
loop.close()
"""


def test_killed_before_any_line_it_leaves_the_old_state_or_the_new(tmp_path: Path) -> None:
    out, _ = run(KILLED_ANYWHERE, str(tmp_path)).communicate(timeout=60)
    seen = [tuple(map(float, line.split())) for line in out.splitlines()]
    # Looking takes a request as well. The slot is free again each time, or nothing could be reserved any more.
    changes = [tuple(old - new for old, new in zip(before, after, strict=True)) for before, after in itertools.pairwise(seen)]
    nothing, reserved, settled = (1.0, 0.0, 1.0), (2.0, 10.0, 2.0), (2.0, 7.0, 2.0)
    assert len(changes) > 300
    assert [change for change, _ in itertools.groupby(changes)] == [nothing, reserved, settled]


HOLDER = """
import asyncio, sys
from pathlib import Path
from llm_api_converter.limits.base import Rule
from llm_api_converter.limits.host import HostLimiter
async def main():
    limiter = HostLimiter(Path(sys.argv[1]))
    await limiter.open()
    for _ in range(2):
        limiter.reserve((Rule("key:a", "concurrent", 0, 2), Rule("overall", "concurrent", 0, 9)), 0)
    print("held", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_the_slots_of_a_killed_worker_are_free_when_they_are_needed(tmp_path: Path) -> None:
    decisions: list[Decision] = []
    limiter = await opened(tmp_path, log=decisions.append)
    first = limiter.reserve((SLOTS_OF_A,), 0)
    assert isinstance(first, Grant)
    limiter.settle(first, None)
    child = run(HOLDER, str(tmp_path))
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    assert isinstance(limiter.reserve((SLOTS_OF_A,), 0), Denied)
    child.kill()
    child.communicate()
    answers = [limiter.reserve((SLOTS_OF_A,), 0) for _ in range(3)]
    assert [type(answer) for answer in answers] == [Grant, Grant, Denied]
    assert limiter.reserve((Rule("overall", "concurrent", 0, 9),), 0).levels == (8.0,), "and those of every other scope it held"
    assert decisions[-2].takes[0].freed + sum(decision.takes[0].freed for decision in decisions[:-2]) == 2
    await limiter.close()


async def test_a_number_that_is_taken_again_holds_nothing(tmp_path: Path) -> None:
    child = run(HOLDER, str(tmp_path))
    assert child.stdout is not None
    child.stdout.readline()
    child.kill()
    child.communicate()
    limiter = await opened(tmp_path)
    assert [type(limiter.reserve((SLOTS_OF_A,), 0)) for _ in range(3)] == [Grant, Grant, Denied]
    await limiter.close()
    again = await opened(tmp_path)
    assert isinstance(again.reserve((SLOTS_OF_A,), 0), Grant), "closed, it holds none"
    await again.close()


async def test_truths_of_many_calls_are_told_together_and_before_the_end(tmp_path: Path) -> None:
    decisions: list[Decision] = []
    limiter, rule = HostLimiter(tmp_path, decisions.append), Rule("key:a", "tokens", 0, 1000)
    await limiter.open()
    grants = [limiter.reserve((rule,), 10) for _ in range(5)]
    for grant in grants[:3]:
        assert isinstance(grant, Grant)
        limiter.settle(grant, 7)
    await asyncio.sleep(5 * SETTLE_S)
    assert [(made.kind, made.takes[0].cost) for made in decisions[5:]] == [("settle", -9.0)]
    for grant in grants[3:]:
        assert isinstance(grant, Grant)
        limiter.settle(grant, 20)
    await limiter.close()
    assert [(made.kind, made.takes[0].cost) for made in decisions[6:]] == [("settle", 20.0)]
    limiter.settle(grants[0], 999)  # type: ignore[arg-type]  # a call that ends after its worker has closed
    await asyncio.sleep(5 * SETTLE_S)
    assert len(decisions) == 7


async def test_a_stopped_process_with_the_lock_holds_up_nobody_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "LOCK_S", 0.1)
    limiter = await opened(tmp_path)
    held = limiter.reserve((FIXED, SLOTS_OF_A, Rule("key:a", "tokens", 0, 100)), 50)
    assert isinstance(held, Grant)
    with (tmp_path / "limits-2").open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        start_s = time.monotonic()
        with pytest.raises(LockBusy, match="is a process stopped"):
            limiter.reserve((FIXED,), 0)
        assert 0.1 <= time.monotonic() - start_s < 1
        start_s = time.monotonic()
        for _ in range(50):
            with pytest.raises(LockBusy):
                limiter.reserve((FIXED,), 0)
        limiter.settle(held, 20)
        assert time.monotonic() - start_s < 1, "nobody else waits for it"
        assert limiter.status() == {"backend": "host", "reachable": False, "away": 52, "forgotten": 0}
    end_s = time.monotonic() + 5
    while time.monotonic() < end_s:
        await asyncio.sleep(0.1)
        found = limiter.reserve((SLOTS_OF_A, Rule("key:a", "tokens", 0, 100)), 0)
        assert isinstance(found, Grant)
        limiter.settle(found, None)
        if found.levels == (1.0, 80.0):
            break
    else:
        raise AssertionError("what was owed was never settled")
    assert limiter.status()["reachable"]
    await limiter.close()


async def test_buckets_that_are_full_make_room_and_none_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "BUCKETS", WINDOW + 1)  # all live in one window
    names = [f"key:{number}" for number in range(WINDOW + 4)]
    limiter = await opened(tmp_path)
    busy = [Rule(name, "requests", 0.001, 2) for name in names[: WINDOW - 1]]
    for rule in busy:
        limiter.reserve((rule,), 0)
    quick = [Rule(name, "requests", 1e6, 2) for name in names[WINDOW - 1 :]]
    for rule in quick:
        assert isinstance(limiter.reserve((rule,), 0), Grant)
        await asyncio.sleep(0.001)
    assert limiter.status()["forgotten"] == 0
    assert [limiter.reserve((rule,), 0).levels[0] for rule in busy] == [pytest.approx(0, abs=0.01)] * len(busy)
    both = limiter.reserve(tuple(Rule(rule.scope, "requests", 0.001, 5) for rule in quick[:2]), 0)
    assert min(both.levels) >= 0, both
    assert both.levels[1] == 4, "two new ones do not share a record"
    assert limiter.status()["forgotten"] > 0
    await limiter.close()


def test_another_boot_begins_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Table(tmp_path)
    place = first.bucket(mark_of("a"), 1.0, 5.0, 100.0, ())
    first.change((place + 1, first.words[place + 1], place + 2, first.words[place + 2]), ((place + 1, 2.0), (place + 2, 100.0)))
    same = Table(tmp_path)
    assert same.words[place + 1] == 2.0
    monkeypatch.setattr(table_module, "_boot", lambda: b"the next boot")
    other = Table(tmp_path)
    assert (other.marks[place], other.words[place + 1]) == (0, 0.0)
    for table in (first, same, other):
        table.close()


async def test_there_are_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "SLOTS", WINDOW + 1)  # all live in one window
    limiter = await opened(tmp_path)
    with pytest.raises(ValueError, match="more than 124 limits"):
        limiter.reserve(tuple(Rule(f"k{n}", "requests", 1, 1) for n in range(MOST_WORDS // 2 + 1)), 0)
    others = [await opened(tmp_path) for _ in range(WORKERS - 1)]
    with pytest.raises(LockBusy, match="data_dir"):
        await opened(tmp_path)
    for other in others:
        await other.close()
    rules = [Rule(f"key:{number}", "concurrent", 0, 1) for number in range(WINDOW + 1)]
    held = [limiter.reserve((rule,), 0) for rule in rules[:WINDOW]]
    with pytest.raises(LockBusy, match="no room"):
        limiter.reserve((rules[WINDOW],), 0)
    assert isinstance(held[3], Grant)
    limiter.settle(held[3], None)
    assert isinstance(limiter.reserve((rules[WINDOW],), 0), Grant)
    await limiter.close()


async def test_it_is_fast(tmp_path: Path) -> None:
    """Measured 11 us a reservation and its settlement over three buckets; ten times that on a busy machine is still no burden."""
    limiter = await opened(tmp_path)
    rules = (Rule("key:a", "requests", 1e6, 1e6), Rule("key:a", "tokens", 1e9, 1e9), Rule("overall", "requests", 1e6, 1e6))
    best_s = float("inf")
    for _ in range(5):
        start_s = time.process_time()
        for _ in range(500):
            grant = limiter.reserve(rules, 100)
            assert isinstance(grant, Grant)
            limiter.settle(grant, 90)
        best_s = min(best_s, (time.process_time() - start_s) / 500)
    assert best_s < 110e-6
    await limiter.close()
