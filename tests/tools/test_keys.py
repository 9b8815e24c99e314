"""`keys` on the command line."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_api_converter.cli import app

runner = CliRunner()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from llm_api_converter.config.environ import VARIABLES

    monkeypatch.chdir(tmp_path)
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    done = runner.invoke(app, ["keys", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_the_life_of_a_key() -> None:
    made = json.loads(run(
        "create", "ci", "--owner", "zoe", "--team", "web", "--tag", "a=b", "--model", "claude-*", "--model", "fast", "--requests", "5",
        "--budget-day", "2.50", "--expires", "30d", "--set", '{"on_loss": {"content": "report"}}', "--json",
    ))  # fmt: skip
    assert re.fullmatch(r"sk-[A-Za-z0-9_-]{43}", made["key"])
    assert (made["models"], made["tags"], made["limits"]["requests"], made["budget"]["day"]) == (["claude-*", "fast"], {"a": "b"}, 5, "2.50")
    assert made["on_loss"] == {"content": "report"}
    shown = run("show", made["id"])
    assert made["key"] not in shown
    assert "zoe" in shown
    changed = json.loads(run("update", made["id"], "--team", "ops", "--set", '{"models": null}', "--json"))
    assert (changed["team"], changed["models"], changed["owner"], changed["version"]) == ("ops", None, "zoe", 2)
    rotated = json.loads(run("rotate", made["id"], "--grace", "1h", "--json"))
    assert rotated["key"] != made["key"]
    assert [line.split()[2] for line in run("list").splitlines()] == ["good"]
    run("revoke", made["id"])
    assert [line.split()[2] for line in run("list", "--team", "ops").splitlines()] == ["revoked"]
    assert run("list", "--team", "web") == ""
    assert json.loads(run("list", "--json"))["id"] == made["id"]


def test_a_person_is_told_that_it_is_shown_once() -> None:
    said = run("create", "me")
    assert "This is the key. It is shown only now" in said
    assert len(re.findall(r"sk-[A-Za-z0-9_-]{43}", said)) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "a", "--address", "home"], "addresses.0: expected an address or a network"),
        (["create", "a", "--protocol", "grpc"], "protocols.0: expected one of anthropic"),
        (["create", "a", "--expires", "soon"], "expires: expected a date"),
        (["create", "a", "--tag", "x"], "--tag: expected NAME=VALUE"),
        (["create", "a", "--set", "{"], "--set: is not JSON"),
        (["create", "a", "--set", '{"modles": []}'], "modles: unknown field"),
        (["create", "a", "--budget-day", "-1"], "budget.day: "),
        (["show", "key_none"], "there is no key with the id 'key_none'"),
        (["rotate", "key_none", "--grace", "later"], "--grace: expected a time"),
        (["revoke", "key_none"], "there is no key with the id"),
    ],
)
def test_what_is_refused_says_why(arguments: list[str], words: str) -> None:
    assert words in run(*arguments, code=1)


def test_a_store_that_is_away_is_told(folder: Path) -> None:
    (folder / "data").write_text("a file where the folder should be")
    assert "SQLite" in run("list", code=1)
