"""Numbers of workers, and what is left of those that died."""

import signal
import subprocess
import sys
from pathlib import Path

from llm_api_converter.observe import slots

HOLD = "import sys, pathlib, time; from llm_api_converter.observe import slots; print(slots.claim(pathlib.Path(sys.argv[1])), flush=True); time.sleep(60)"


def holder(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)


def number(child: "subprocess.Popen[str]") -> int:
    assert child.stdout is not None
    return int(child.stdout.readline())


def end(child: "subprocess.Popen[str]") -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


def test_a_number_is_free_again_when_its_holder_is_killed(tmp_path: Path) -> None:
    first, second = holder(tmp_path), holder(tmp_path)
    taken = {number(first): first, number(second): second}
    assert set(taken) == {0, 1}
    with slots.dead(tmp_path) as gone:
        assert gone == []
    end(taken[0])
    with slots.dead(tmp_path) as gone:
        assert gone == [0]
        third = holder(tmp_path)
        assert number(third) == 2, "a number that is being cleared is not given away"
    fourth = holder(tmp_path)
    assert number(fourth) == 0
    for child in (taken[1], third, fourth):
        end(child)
    assert len(list(tmp_path.iterdir())) == 3
