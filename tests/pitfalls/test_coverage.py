"""There are fifty, each has its test, and each test names the threads it comes from."""

import ast
from collections import defaultdict
from pathlib import Path

from llm_api_converter.tools.conformance.run import chosen


def test_every_pitfall_has_a_named_test_that_cites_its_threads() -> None:
    found: dict[int, list[str]] = defaultdict(list)
    for file in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and node.name[5:7].isdecimal():
                found[int(node.name[5:7])].append(ast.get_docstring(node) or "")
    cases = chosen()
    assert sorted(found) == [case.number for case in cases] == list(range(1, 51))
    for case in cases:
        assert case.threads, case.number
        cited = {thread for docstring in found[case.number] for thread in docstring.split()}
        assert set(case.threads) <= cited, case.number
