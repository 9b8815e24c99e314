"""`migrate` on the command line."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_api_converter.cli import app
from llm_api_converter.config.environ import VARIABLES
from tests.engines import Postgres, dynamodb, free_port, postgres

runner = CliRunner()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    return tmp_path


def run(url: str, code: int = 0) -> str:
    Path("gateway.yaml").write_text(f"store: {{url: '{url}'}}\n")
    done = runner.invoke(app, ["migrate"])
    assert done.exit_code == code, done.output
    return done.output


def twice(url: str) -> str:
    """What the first time did; the second does nothing."""
    first = run(url)
    assert run(url) == "the tables are up to date\n"
    return first


def test_sqlite_gets_its_file_and_tables(folder: Path) -> None:
    assert "tables: 0001" in twice("sqlite:///data/here.db")
    assert (folder / "data" / "here.db").is_file()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:////proc/none/gateway.db", "SQLite: "),
        ("postgresql://me:geheim@127.0.0.1:{port}/none", "PostgreSQL: "),
        ("dynamodb://eu-west-1?endpoint=http://127.0.0.1:{port}", "DynamoDB at http://127.0.0.1:{port} cannot be reached"),
    ],
)
def test_a_store_that_is_away_is_said_and_ends_with_one(url: str, why: str) -> None:
    port = free_port()
    said = run(url.format(port=port), code=1)
    assert said.startswith(why.format(port=port))
    assert "geheim" not in said


def test_wrong_settings_are_shown_as_everywhere() -> None:
    assert "did you mean prefix?" in run("dynamodb://eu-west-1?perfix=x", code=1)


@pytest.mark.engine
def test_postgresql_gets_its_tables(tmp_path_factory: pytest.TempPathFactory) -> None:
    with postgres(tmp_path_factory.mktemp("postgres")) as engine:
        assert isinstance(engine, Postgres)
        assert "tables: 0001" in twice(engine.database("migrated"))


@pytest.mark.engine
def test_dynamodb_gets_its_tables() -> None:
    with dynamodb() as engine:
        said = twice(f"dynamodb://eu-west-1?prefix=my-&endpoint={engine.url}")
    assert "my-api_keys: created, paid by request\n" in said
    assert "my-api_keys: without point-in-time recovery, which this engine does not have\n" in said
    assert "my-responses: items expire by ttl\n" in said
