"""Records on their way to the store: in batches, once each, whatever happens to the store or to the process."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from llm_api_converter.store.base import Store
from llm_api_converter.store.records import UsageFilter, UsageRow
from llm_api_converter.usage import spool as module
from llm_api_converter.usage.report import every_row
from llm_api_converter.usage.segment import Segment, line_of
from llm_api_converter.usage.spool import Spool
from tests.usage.calls import Gate, Notes, a_row, until

pytestmark = pytest.mark.anyio
MANY = 1 << 30


@pytest.fixture
def gate(store: Store) -> Gate:
    return Gate(store.usage)


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is waited for is shorter."""
    for name, value in {"FLUSH_S": 0.02, "STRAIGHT_S": 0.2, "GATHER_S": 0.02, "AGAIN_S": (0.02, 0.05), "ADOPT_S": 0.05}.items():
        monkeypatch.setattr(module, name, value)


Make = Callable[..., Spool]


@pytest.fixture
async def make(tmp_path: Path, gate: Gate) -> AsyncIterator[Make]:
    made: list[Spool] = []

    def one(notes: Notes, max_bytes: int = MANY) -> Spool:
        made.append(Spool(tmp_path / "spool", gate, notes, max_bytes=max_bytes))
        return made[-1]

    yield one
    for spool in made:
        await spool.stop(0.2)


async def stored(gate: Gate) -> list[UsageRow]:
    return [row async for row in every_row(gate, UsageFilter())]


def left(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "spool").iterdir())


async def test_what_is_added_reaches_the_store_once(make: Make, gate: Gate, tmp_path: Path) -> None:
    notes = Notes()
    spool = make(notes)
    await spool.start()
    for number in range(1200):
        spool.add(a_row(number))
    await until(lambda: len(notes.sent) == 1200)
    rows = {row.id: row for row in await stored(gate)}
    assert rows == {row.id: row for row in (a_row(number) for number in range(1200))}
    assert max(gate.batches) <= 500
    assert len(gate.batches) < 30
    assert notes.waits == (0, 0)
    await spool.stop()
    assert left(tmp_path) == []


async def test_a_stop_delivers_what_is_there(make: Make, gate: Gate, tmp_path: Path) -> None:
    spool = make(Notes())
    await spool.start()
    for number in range(700):
        spool.add(a_row(number))
    await spool.stop()
    assert len(await stored(gate)) == 700
    assert left(tmp_path) == []


async def test_records_wait_for_a_store_that_is_away(make: Make, gate: Gate) -> None:
    notes = Notes()
    spool = make(notes)
    gate.shut = True
    await spool.start()
    for number in range(100):
        spool.add(a_row(number))
    await until(lambda: gate.tries > 10)
    assert (notes.sent, notes.waits[0]) == ([], 100)
    gate.shut = False
    await until(lambda: len(notes.sent) == 100)
    assert len(await stored(gate)) == 100
    assert notes.given_up == 0


async def test_what_the_store_takes_at_once_is_in_no_file(make: Make, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Notes()
    spool = make(notes)
    monkeypatch.setattr(Segment, "append", None)
    await spool.start()
    for number in range(700):
        spool.add(a_row(number))
    await until(lambda: len(notes.sent) == 700)
    assert [row.id for row in notes.rows] == notes.sent
    assert notes.waits == (0, 0)


async def test_what_the_store_does_not_take_at_once_is_in_the_file_meanwhile_and_counted_once(make: Make, gate: Gate, tmp_path: Path) -> None:
    notes = Notes()
    spool = make(notes)
    gate.hangs = True
    await spool.start()
    for number in range(100):
        spool.add(a_row(number))
    await until(lambda: notes.waits[0] == 100)
    assert notes.sent == []
    assert len(await stored(gate)) == 100
    gate.hangs = False
    (waits,) = [task for task in asyncio.all_tasks() if "_delivering" in repr(task)]
    assert not waits.done()
    await spool.stop()
    assert sorted(notes.sent) == sorted(f"use_{number}" for number in range(100))
    assert left(tmp_path) == []
    (total,) = await gate.totals(UsageFilter())
    assert total.requests == 100


async def test_a_store_that_is_slow_gets_its_records_from_the_file(make: Make, gate: Gate) -> None:
    notes = Notes()
    spool = make(notes)
    gate.slow_s = 0.3
    await spool.start()
    for number in range(40):
        spool.add(a_row(number))
    await until(lambda: len(notes.sent) == 40)
    tries = gate.tries
    for number in range(40, 80):
        spool.add(a_row(number))
    await until(lambda: len(notes.sent) == 80)
    assert gate.tries - tries <= 2  # none that is broken off
    gate.slow_s = 0.0
    for number in range(80, 120):
        spool.add(a_row(number))
    await until(lambda: len(notes.sent) == 120)
    assert len(await stored(gate)) == 120


async def test_many_batches_for_a_store_that_is_nearly_slow_are_soon_in_the_file(
    make: Make, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 10)
    notes = Notes()
    spool = make(notes)
    gate.slow_s = 0.1
    await spool.start()
    for number in range(300):  # three seconds, if each waited for the one before
        spool.add(a_row(number))
    began_s = time.monotonic()
    await until(lambda: len(notes.sent) + notes.waits[0] == 300)
    assert time.monotonic() - began_s < 1
    gate.slow_s = 0.0
    await until(lambda: len(notes.sent) == 300)
    assert len(await stored(gate)) == 300


async def test_what_a_stop_leaves_is_delivered_by_the_next_start(make: Make, gate: Gate, tmp_path: Path) -> None:
    gate.shut = True
    first = make(Notes())
    await first.start()
    for number in range(100):
        first.add(a_row(number))
    await first.stop(0.1)
    assert len(left(tmp_path)) == 1
    gate.shut = False
    notes = Notes()
    second = make(notes)
    await second.start()
    await until(lambda: not gate.shut and gate.batches != [])
    await until(lambda: len(left(tmp_path)) == 1)
    assert len(await stored(gate)) == 100
    assert notes.sent == []  # not this worker's: its budgets do not count them twice
    await second.stop()
    assert left(tmp_path) == []


async def test_a_record_that_was_delivered_before_a_kill_is_not_delivered_twice(make: Make, gate: Gate, tmp_path: Path) -> None:
    rows = [a_row(number) for number in range(50)]
    await gate.add(rows[:30])
    (tmp_path / "spool").mkdir()
    segment = Segment.make(tmp_path / "spool" / "1-1.usage")
    segment.append([line_of(row) for row in rows])
    segment.close()
    with segment.path.open("ab") as file:
        file.write(line_of(rows[0])[:-20])  # and the kill tore the last write
    spool = make(Notes())
    await spool.start()
    await until(lambda: not segment.path.exists())
    assert sorted(row.id for row in await stored(gate)) == sorted(row.id for row in rows)


async def test_a_full_spool_gives_records_up_and_counts_them(make: Make, gate: Gate) -> None:
    notes = Notes()
    spool = make(notes, max_bytes=20_000)
    gate.shut = True
    await spool.start()
    for number in range(1000):
        spool.add(a_row(number))
    await until(lambda: len(notes.rows) == 1000)
    assert 0 < notes.given_up < 1000
    assert notes.waits[1] < 20_000 + 64 * 1000
    gate.shut = False
    await until(lambda: len(notes.sent) == 1000 - notes.given_up)
    spool.add(a_row(5000))
    await until(lambda: "use_5000" in notes.sent)
    assert len(await stored(gate)) == 1001 - notes.given_up


async def test_one_record_that_is_refused_does_not_hold_up_the_others(make: Make, gate: Gate, tmp_path: Path) -> None:
    notes = Notes()
    spool = make(notes)
    gate.refused = {"use_7", "use_30"}
    await spool.start()
    for number in range(60):
        spool.add(a_row(number))
    await until(lambda: len(notes.sent) == 58)
    assert {row.id for row in await stored(gate)} == {f"use_{number}" for number in range(60)} - gate.refused
    assert notes.given_up == 2
    kept = (tmp_path / "spool" / module.REFUSED).read_bytes().splitlines()
    assert {msgspec.json.decode(line)["id"] for line in kept} == gate.refused


async def test_a_large_backlog_is_in_several_files_that_go_one_by_one(
    make: Make, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEGMENT_BYTES", 50_000)
    notes = Notes()
    spool = make(notes)
    gate.shut = True
    await spool.start()
    for number in range(1000):
        spool.add(a_row(number))
    await until(lambda: len(notes.rows) == 1000)
    assert len(left(tmp_path)) > 5
    gate.shut = False
    await until(lambda: len(notes.sent) == 1000)
    assert len(left(tmp_path)) == 1
    assert [row.id for row in await stored(gate)] == [f"use_{number}" for number in reversed(range(1000))]


async def test_a_call_that_cannot_be_written_costs_no_other(make: Make, gate: Gate) -> None:
    notes = Notes()
    spool = make(notes)
    await spool.start()
    spool.add(a_row(1))
    spool.add(a_row(2, operation=object()))
    spool.add(a_row(3))
    await until(lambda: len(notes.sent) == 2)
    assert notes.given_up == 1


async def test_two_workers_in_one_folder_keep_apart(make: Make, gate: Gate, tmp_path: Path) -> None:
    notes = [Notes(), Notes()]
    spools = [make(each) for each in notes]
    for spool in spools:
        await spool.start()
    for number in range(200):
        spools[number % 2].add(a_row(number))
    await until(lambda: all(len(each.sent) == 100 for each in notes))
    assert len(await stored(gate)) == 200


async def test_adding_costs_a_request_nearly_nothing(tmp_path: Path, gate: Gate) -> None:
    spool = Spool(tmp_path, gate, Notes(), max_bytes=MANY)
    call = a_row(1)
    began = time.perf_counter()
    for _ in range(10_000):
        spool.add(call)
    assert (time.perf_counter() - began) / 10_000 < 10e-6


WORKER = """
import asyncio, sys
from pathlib import Path
from llm_api_converter.store.open import open_store
from llm_api_converter.usage.spool import Spool
from tests.usage.calls import Notes, a_row

async def main(folder, url, first):
    store = open_store(url)
    await store.open()
    spool = Spool(Path(folder), store.usage, Notes(), max_bytes=1 << 30)
    await spool.start()
    number = int(first)
    while True:
        for _ in range(20):
            spool.add(a_row(number))
            number += 1
        print(number, flush=True)
        await asyncio.sleep(0.01)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_kill_9_loses_at_most_the_last_second(make: Make, gate: Gate, store: Store, tmp_path: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WORKER, str(tmp_path / "spool"), f"sqlite:///{tmp_path}/gateway.db", "0", stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    told: list[tuple[float, int]] = []
    while not told or told[-1][0] - told[0][0] < 1.6:
        told.append((time.monotonic(), int(await child.stdout.readline())))
    child.kill()
    killed_s = time.monotonic()
    await child.wait()
    # A worker that got no processor for a while could not write either: its longest silence counts to the second it may lose.
    silent_s = max(later[0] - earlier[0] for earlier, later in pairwise(told))
    due = max((number for at_s, number in told if at_s < killed_s - 1 - silent_s), default=0)
    made = told[-1][1]
    notes = Notes()
    spool = make(notes)
    await spool.start()
    await until(lambda: len(list((tmp_path / "spool").glob("*.usage"))) == 1)
    found = {int(row.id.partition("_")[2]) for row in await stored(gate)}
    assert set(range(due)) <= found
    assert max(found, default=0) < made + 1000
    (total,) = await store.usage.totals(UsageFilter())
    assert total.requests == len(found)
    assert total.output_total == sum(number % 7 for number in found)
