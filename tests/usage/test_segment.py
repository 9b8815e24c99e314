"""Files of records that wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.usage.segment import Segment, line_of, row_in
from tests.usage.calls import a_row

ROWS = [a_row(number) for number in range(20)]
LINES = [line_of(row) for row in ROWS]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    segment = Segment.make(tmp_path / "a.usage")
    segment.append(LINES[:3])
    segment.append(LINES[3:])
    assert (segment.records, segment.waiting) == (20, sum(map(len, LINES)))
    rows, size, damaged = segment.peek(8)
    assert (rows, size, damaged) == (ROWS[:8], sum(map(len, LINES[:8])), 0)
    segment.advance(8, size)
    assert segment.peek(100)[0] == ROWS[8:]
    segment.advance(12, segment.peek(100)[1])
    assert (segment.waiting, segment.path.stat().st_size) == (0, 0)
    segment.append(LINES[:1])
    assert segment.peek(5)[0] == ROWS[:1]
    segment.close()
    assert segment.path.exists()


def test_an_empty_file_goes_with_its_worker(tmp_path: Path) -> None:
    segment = Segment.make(tmp_path / "a.usage")
    segment.close()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_held_is_not_adopted(tmp_path: Path) -> None:
    segment = Segment.make(tmp_path / "a.usage")
    assert Segment.adopt(segment.path) is None
    assert Segment.adopt(tmp_path / "gone.usage") is None
    segment.append(LINES[:2])
    segment.close()
    adopted = Segment.adopt(segment.path)
    assert adopted is not None
    assert (adopted.own, adopted.peek(9)[0]) == (False, ROWS[:2])
    adopted.advance(2, adopted.peek(9)[1])
    adopted.close()
    assert not segment.path.exists()


def test_a_killed_process_lets_go_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.usage"
    script = (
        "import os, sys; from pathlib import Path; from llm_api_converter.usage.segment import Segment\n"
        f"s = Segment.make(Path({str(path)!r})); s.append([{LINES[0]!r}]); print('written', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        assert Segment.adopt(path) is None
        child.kill()
        child.wait()
        adopted = Segment.adopt(path)
    assert adopted is not None
    assert adopted.peek(9)[0] == ROWS[:1]
    adopted.close()


@given(st.integers(0, len(b"".join(LINES))))
def test_a_torn_end_costs_only_the_torn_record(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "a.usage"
    path.write_bytes(b"".join(LINES)[:cut])
    segment = Segment.adopt(path)
    assert segment is not None
    rows, size, damaged = segment.peek(100)
    whole = next(n for n in range(len(LINES), -1, -1) if sum(map(len, LINES[:n])) <= cut)
    assert (rows, size, damaged) == (ROWS[:whole], sum(map(len, LINES[:whole])), 0)
    segment.close()


@given(st.integers(0, len(LINES[1]) - 2), st.integers(1, 255))
def test_a_damaged_line_is_no_record_and_costs_no_other(tmp_path_factory: pytest.TempPathFactory, at: int, change: int) -> None:
    line = bytearray(LINES[1])
    line[at] ^= change
    path = tmp_path_factory.mktemp("damaged") / "a.usage"
    path.write_bytes(LINES[0] + line + LINES[2])
    segment = Segment.adopt(path)
    assert segment is not None
    rows, size, damaged = segment.peek(100)
    assert rows == [ROWS[0], ROWS[2]]
    assert (size, damaged) == (path.stat().st_size, 1 + line[:-1].count(b"\n"))
    segment.close()


@pytest.mark.parametrize("text", [b"{}", b"[]", b'{"id":1}', b"", b"\xff"])
def test_a_record_of_another_shape_is_none(text: bytes) -> None:
    from zlib import crc32

    assert row_in(b"%08x %b" % (crc32(text), text)) is None


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    segment = Segment.make(tmp_path / "a.usage")
    segment.append(LINES[:1])
    import resource
    import signal

    before, size = resource.getrlimit(resource.RLIMIT_FSIZE), segment.size
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            segment.append(LINES[1:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert os.stat(segment.path).st_size == size
    segment.append(LINES[1:2])
    assert segment.peek(9)[0] == ROWS[:2]
    segment.close()
