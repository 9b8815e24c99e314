"""There are fifty, each has its test, and each test names the threads it comes from."""

import ast
from pathlib import Path

from llm_api_converter.tools.conformance.run import CASES


def test_every_pitfall_has_a_named_test_that_cites_its_threads() -> None:
    found: dict[int, str] = {}
    for file in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AsyncFunctionDef) and node.name[5:7].isdecimal():
                found[int(node.name[5:7])] = ast.get_docstring(node) or ""
    assert sorted(found) == sorted(CASES) == list(range(1, 51))
    for number, case in CASES.items():
        assert case.threads, number
        assert found[number].split() == list(case.threads), number
