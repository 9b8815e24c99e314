"""The command line, as a user runs it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_api_converter import __version__
from llm_api_converter.cli import NOT_BUILT, app
from llm_api_converter.config import Config

runner = CliRunner()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and an environment without the variables the settings read."""
    monkeypatch.chdir(tmp_path)
    from llm_api_converter.config.environ import VARIABLES

    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    return tmp_path


@pytest.fixture(autouse=True)
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Config, Path | None]]:
    """What `serve` would have served."""
    calls: list[tuple[Config, Path | None]] = []
    monkeypatch.setattr("llm_api_converter.server.serve.serve", lambda config, path=None: calls.append((config, path)))
    return calls


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.stdout.strip()) == (0, f"llm-api-converter {__version__}")


def test_help_names_every_command_of_the_contract() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    for name in ("serve", "check-config", "models", *NOT_BUILT):
        assert re.search(rf"^  {name} ", result.stdout, re.MULTILINE), name


@pytest.mark.parametrize("name", sorted(NOT_BUILT))
@pytest.mark.parametrize("arguments", [[], ["create", "--json"], ["--help"], ["claude", "--", "-p", "x"]])
def test_commands_that_are_not_built_are_refused_by_name(name: str, arguments: list[str]) -> None:
    result = runner.invoke(app, [name, *arguments])
    assert result.exit_code == 2
    assert f"`{name}` is not built yet" in result.output


def test_an_unknown_command_is_wrong_usage() -> None:
    assert runner.invoke(app, ["srve"]).exit_code == 2


def test_check_config_shows_values_and_sources(folder: Path) -> None:
    (folder / "gateway.yaml").write_text("server: {port: 99}\nauth: {master_api_key: geheim}\n")
    result = runner.invoke(app, ["check-config"])
    assert result.exit_code == 0
    assert re.search(r"^server\.port +99 +# gateway\.yaml:1$", result.stdout, re.MULTILINE)
    assert re.search(r"^auth\.master_api_key +\*\*\* +# gateway\.yaml:2$", result.stdout, re.MULTILINE)
    assert "geheim" not in result.output


@pytest.mark.parametrize("command", ["check-config", "serve", "models"])
def test_wrong_settings_are_all_told_and_end_with_1(
    folder: Path, command: str, served: list[tuple[Config, Path | None]]
) -> None:
    (folder / "wrong.yaml").write_text("servr: {}\nretry: {attempts: -1}\n")
    result = runner.invoke(app, [command, "--config", "wrong.yaml"])
    assert result.exit_code == 1
    assert "wrong in 2 places" in result.output
    assert "servr: unknown setting, did you mean server?" in result.output
    assert "retry.attempts: " in result.output
    assert "Traceback" not in result.output
    assert not served


def test_serve_takes_flags_over_the_file(folder: Path, served: list[tuple[Config, Path | None]]) -> None:
    (folder / "g.yaml").write_text("server: {port: 99, workers: 2}\n")
    result = runner.invoke(app, ["serve", "--config", "g.yaml", "--host", "0.0.0.0", "--port", "98"])
    assert result.exit_code == 0
    ((config, path),) = served
    assert (config.server.host, config.server.port, config.server.workers) == ("0.0.0.0", 98, 2)
    assert path == Path("g.yaml")


@pytest.mark.parametrize("command", ["check-config", "serve"])
def test_a_default_model_that_leads_nowhere_is_told(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_DEFAULT_MODEL", "nowhere/model")
    result = runner.invoke(app, [command])
    assert result.exit_code == 1
    assert "claude_models.default: The model 'nowhere/model' is not configured." in result.output


def test_models_lists_names_patterns_and_providers(folder: Path) -> None:
    (folder / "gateway.yaml").write_text(
        "providers: {local: {type: openai_compatible, base_url: 'http://h/v1'}}\n"
        "models:\n- {name: fast, provider: local, model: m1}\n- {name: 'x-*', provider: local, model: '*'}\n"
    )
    lines = runner.invoke(app, ["models"]).stdout.splitlines()
    assert lines == [
        "fast  ->  local/m1 (openai_chat)",
        "x-*  ->  local/*",
        "local/MODEL  ->  any model of local (openai_compatible)",
    ]


def test_a_port_that_is_no_number_is_wrong_usage() -> None:
    assert runner.invoke(app, ["serve", "--port", "abc"]).exit_code == 2


def test_the_module_runs_and_loads_no_server_for_small_things() -> None:
    code = (
        "import sys; sys.argv = ['x', '--version']\n"
        "from llm_api_converter.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert e.code in (0, None), e.code\n"
        "heavy = [m for m in ('uvicorn', 'aiohttp', 'pydantic', 'structlog', 'yaml', 'msgspec') if m in sys.modules]\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
    done = subprocess.run([sys.executable, "-m", "llm_api_converter", "--version"], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"llm-api-converter {__version__}"
