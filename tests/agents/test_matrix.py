"""Every cell of docs/clients/matrix.md, again."""

from pathlib import Path

import pytest

from .lab import program
from .matrix import CLIENTS_TRIED, OPTIONS, PAGE, UPSTREAMS, cells, run_all

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1500)]


def test_every_agent_on_every_upstream(tmp_path: Path) -> None:
    for name in ("Claude Code", "Claude Code (latest)", "Codex CLI", "Gemini CLI"):
        program(name)
    results = run_all(list(cells()), tmp_path)
    assert len(results) == len(CLIENTS_TRIED) * len(UPSTREAMS) * len(OPTIONS) - 4 * len(UPSTREAMS)
    assert {cell: result for cell, result in results.items() if result.startswith("FAILED")} == {}


def test_the_page_shows_them_all() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert "FAILED" not in text
    assert text.count(" done |") == sum(1 for _ in cells())
