"""How usage is shown: to a person, as JSON, as CSV, by the command."""

import asyncio
import csv
import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from llm_api_converter.cli import app
from llm_api_converter.hub.response import Usage
from llm_api_converter.store.open import open_store
from llm_api_converter.store.records import UsageRow, UsageTotal
from llm_api_converter.usage.report import GROUPS, csv_line, groups, moment_before, table, total_fields
from tests.usage.calls import AT_S, a_row

DAY = "2026-09-21"


def total(cost: str = "0", unpriced: int = 0, group: tuple[str | None, ...] = (), **more: Any) -> UsageTotal:
    counts = dict.fromkeys(("errors", "input_total", "output_total", "cache_read", "cache_write", "reasoning"), 0) | {"requests": 1} | more
    return UsageTotal(group=group, cost_usd=Decimal(cost), unpriced=unpriced, **counts)


@pytest.mark.parametrize(
    ("cost", "unpriced", "in_json", "shown"),
    [
        ("0", 0, "0", "0.0000"), ("0", 3, None, "?"), ("1.500000000000", 0, "1.5", "1.5000"), ("1.5", 2, "1.5", "1.5000 + ?"),
        ("1234.5678", 0, "1234.5678", "1,234.5678"), ("0.000000000001", 0, "0.000000000001", "0.0000"),
        ("100", 0, "100", "100.0000"),
    ],
)  # fmt: skip
def test_an_unknown_price_is_never_zero(cost: str, unpriced: int, in_json: str | None, shown: str) -> None:
    fields = total_fields(total(cost, unpriced), ())
    assert (fields["cost_usd"], fields["unpriced"]) == (in_json, unpriced)
    lines = list(table([total(cost, unpriced)], ()))
    assert lines[1].endswith(shown)
    assert (len(lines) == 3) == bool(unpriced)


def test_a_table() -> None:
    found = [total("1", 0, ("ci", "2026-11-24"), input_total=1234567, cache_read=1000), total("2.25", 1, (None, "2026-11-25"), requests=40)]
    assert list(table(found, ("key", "day"))) == [
        "key  day         requests  errors      input  of it cached  output  US dollars",
        "ci   2026-11-24         1       0  1,234,567         1,000       0      1.0000",
        "-    2026-11-25        40       0          0             0       0  2.2500 + ?",
        "all                    41       0  1,234,567         1,000       0  3.2500 + ?",
        "?: the price of 1 calls is not known; `prices:` in the settings can say it",
    ]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("gpt-5", "gpt-5"), (None, ""), (Decimal("0.50"), "0.5"),
        ('a,"b"\n', 'a,"b"\n'), (-5, "-5"),
    ],
)  # fmt: skip
def test_cells_are_text_to_a_spreadsheet(value: Any, cell: str) -> None:
    assert next(csv.reader(io.StringIO(csv_line([value, "x"])))) == [cell, "x"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("7d", AT_S - 7 * 86400), ("24h", AT_S - 86400), ("30m", AT_S - 1800), ("2w", AT_S - 14 * 86400), ("2026-09-21", 1_789_948_800.0),
        ("2026-09-21T01:00", 1_789_952_400.0), ("2026-09-21T01:00+01:00", 1_789_948_800.0),
    ],
)  # fmt: skip
def test_moments(said: str, expected: float) -> None:
    assert moment_before(said, AT_S) == expected


@pytest.mark.parametrize("said", ["", "d", "7x", "-7d", "yesterday", "2026-13-01"])
def test_what_is_no_moment(said: str) -> None:
    with pytest.raises(ValueError, match="expected a date such as"):
        moment_before(said, AT_S)


def test_groups() -> None:
    assert groups(" key, day ,") == ("key", "day")
    assert groups("") == ()
    assert set(groups(",".join(GROUPS))) == set(GROUPS)
    with pytest.raises(ValueError, match="colour: expected some of key, "):
        groups("key,colour")


# ---------------------------------------------------------------------- the command

Run = Callable[..., Result]


def keep(url: str, rows: list[UsageRow]) -> None:
    async def add() -> None:
        store = open_store(url)
        await store.open()
        await store.usage.add(rows)
        await store.close()

    asyncio.run(add())


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Of the store the command reads."""
    return f"sqlite:///{tmp_path}/gateway.db"


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`usage` over a store with thirty calls of two keys, one of them without a price, one cut by its client."""
    rows = [a_row(number, key_name="ci" if number % 2 else "ann") for number in range(28)]
    rows.append(a_row(28, key_name="ci", called=None, model="=cmd()"))
    rows[-1] = UsageRow(**{**{name: getattr(rows[-1], name) for name in rows[-1].__struct_fields__}, "input_total": 5, "output_total": 5})
    rows.append(a_row(29, key_name="ann", usage=None, status=499, error="client_gone", losses=("dropped top_k", "a")))
    keep(url, rows)
    (tmp_path / "gateway.yaml").write_text(f"store: {{url: '{url}'}}\n")
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(app, ["usage", *arguments])
        assert result.exit_code == code, result.output
        return result

    return command


def test_totals_for_a_person(run: Run) -> None:
    lines = run("--since", "all", "--by", "key").output.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [["ann", "15", "1"], ["ci", "15", "0"], ["all", "30", "1"]]
    assert lines[1].endswith("0.0002")
    assert lines[2].endswith("0.0002 + ?")


def test_totals_as_json(run: Run) -> None:
    found = json.loads(run("--since", DAY, "--by", "key,day", "--json").output)
    assert found["by"] == ["key", "day"]
    assert [(x["key"], x["day"], x["requests"], x["unpriced"]) for x in found["totals"]] == [("ann", DAY, 15, 0), ("ci", DAY, 15, 1)]
    assert found["totals"][0]["cost_usd"] == "0.000224"
    assert found["totals"][0]["input_total"] == 140


def test_totals_as_csv(run: Run) -> None:
    found = list(csv.DictReader(io.StringIO(run("--since", "all", "--by", "model", "--csv").output)))
    assert [x["model"] for x in found] == ["'=cmd()", "asked"]
    assert (found[0]["cost_usd"], found[0]["unpriced"]) == ("", "1")
    assert found[1]["requests"] == "29"


def test_filters(run: Run) -> None:
    for arguments, expected in {
        ("--key-id", "key_1"): 30, ("--key-id", "key_2"): 0, ("--team", "red"): 30, ("--model", "=cmd()"): 1, ("--provider", "one"): 29,
        ("--until", DAY): 0,
    }.items():  # fmt: skip
        (found,) = json.loads(run("--since", "all", "--json", *arguments).output)["totals"]
        assert found["requests"] == expected, arguments


def test_each_call_as_json_lines(run: Run) -> None:
    found = [json.loads(line) for line in run("--since", "all", "--rows").output.splitlines()]
    assert [x["id"] for x in found] == [f"use_{number}" for number in reversed(range(30))]
    assert (found[0]["error"], found[0]["cost_usd"], found[0]["raw"], found[0]["losses"]) == ("client_gone", None, None, ["dropped top_k", "a"])
    assert found[-2]["raw"] == {"protocol": "openai_chat", "usage": {"prompt_tokens": 10, "completion_tokens": 1}}
    assert (found[-2]["cost_usd"], found[-2]["at"]) == ("0.000012", "2026-09-21T14:13:20.001+00:00")


def test_each_call_as_csv(run: Run) -> None:
    found = list(csv.DictReader(io.StringIO(run("--since", "all", "--rows", "--csv").output)))
    assert len(found) == 30
    assert (found[0]["status"], found[0]["losses"], found[0]["cost_usd"], found[1]["model"]) == ("499", "dropped top_k; a", "", "'=cmd()")


def test_verify(run: Run) -> None:
    assert run("--since", "all", "--verify", "--until", "2026-09-21T14:13:20.028").output.splitlines()[-1] == "They are equal."
    # The record without a price was given counts its upstream did not say.
    output = run("--since", "all", "--verify", "--model", "=cmd()", code=0).output
    assert "1 records: 0 compared" in output
    found = json.loads(run("--since", "all", "--verify", "--json").output)
    assert (found["rows"], found["checked"], found["different"]) == (30, 28, 0)
    assert found["sums"]["requests"] == 30


def test_verify_tells_of_a_difference(run: Run, url: str) -> None:
    keep(url, [a_row(99, usage=Usage(11, 1, raw={"prompt_tokens": 10, "completion_tokens": 1}, protocol="openai_chat"))])
    output = run("--since", "all", "--verify", code=1).output
    assert "use_99  input_total: 11 here, 10 by the upstream's own words" in output
    assert output.splitlines()[-1] == "1 differences."


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--by", "colour"), "--by: colour: expected some of key, "), (("--since", "once"), "--since: 'once': expected a date"),
        (("--json", "--csv"), "one of --json and --csv"),
    ],
)  # fmt: skip
def test_wrong_usage(run: Run, arguments: tuple[str, ...], why: str) -> None:
    assert why in run(*arguments, code=2).output.replace("\n", " ").replace("  ", " ")


def test_a_store_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gateway.yaml").write_text("store: {url: 'postgresql://nobody@127.0.0.1:1/none'}\n")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["usage"])
    assert result.exit_code == 1
    assert "PostgreSQL" in result.output
