"""The conformance command, as its users run it: against this gateway, against one that fails, against another project's."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter.tools.conformance import replies as say
from llm_api_converter.tools.conformance.run import chosen, run
from llm_api_converter.tools.conformance.upstream import Reply, listening
from tests.agents.lab import CLIENTS, PROJECT, free_port, process, wait_for

KEY = "sk-conformance-key-0123456789"
CASES = 50
PROGRAM = [sys.executable, "-m", "llm_api_converter"]


def command(*arguments: str, timeout_s: float = 110) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT / "src")}
    return subprocess.run(
        [*PROGRAM, "conformance", *arguments], env=env, capture_output=True, text=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL
    )


@contextmanager
def serving(folder: Path, upstream_port: int) -> Iterator[str]:
    """This gateway with the settings the command prints; its address."""
    port = free_port()
    (folder / "gateway.yaml").write_text(command("--print-config", "ours", "--upstream-port", str(upstream_port)).stdout)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(PROJECT / "src"), "MASTER_API_KEY": KEY}
    log = folder / "serve.log"
    with process([*PROGRAM, "serve", "--port", str(port)], log, cwd=folder, env=env) as child:
        wait_for(f"http://127.0.0.1:{port}/health", child, log)
        yield f"http://127.0.0.1:{port}"


def test_this_gateway_avoids_every_pitfall(tmp_path: Path) -> None:
    upstream = free_port()
    with serving(tmp_path, upstream) as url:
        done = command("--target", url, "--key", KEY, "--upstream-port", str(upstream), "--quick")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[:4] for line in lines[:-1]] == ["pass"] * (CASES - 1), done.stdout
    assert lines[-1] == f"{CASES - 1} of {CASES - 1} pitfalls avoided"
    assert done.stderr == ""


def test_what_goes_wrong_fails_and_says_why(tmp_path: Path) -> None:
    """A gateway that leads elsewhere: nothing it says can be right."""
    upstream, elsewhere = free_port(), free_port()
    with serving(tmp_path, elsewhere) as url:
        done = command("--target", url, "--key", KEY, "--upstream-port", str(upstream), "--only", "2,31", "--json")
        assert done.returncode == 1
        verdicts = json.loads(done.stdout)
        assert [(verdict["number"], verdict["outcome"]) for verdict in verdicts] == [(2, "failed"), (31, "failed")]
        assert all("status 5" in verdict["why"] for verdict in verdicts)
        wrong_key = command("--target", url, "--key", "sk-no", "--upstream-port", str(upstream), "--only", "2")
        assert (wrong_key.returncode, "status 401" in wrong_key.stdout) == (1, True)


IDLE = 12
"""The case that waits for seconds where nothing is sent upstream."""
WORTHLESS = {
    "nothing": Reply((b"{}",)),
    "an empty stream": Reply((b": hello\n\n",), kind="text/event-stream"),
    "no": Reply((b'{"error": {"message": "web_search tool"}}',), 400),
    "always busy": Reply((b'{"error": {"message": "busy"}}',), 503, headers=(("retry-after", "37"),)),
    "the same Chat answer": say.chat_answer({"content": "ok"}),
    "the same Anthropic answer": say.message([{"type": "text", "text": "ok"}]),
}


@pytest.mark.anyio
@pytest.mark.parametrize("reply", WORTHLESS.values(), ids=WORTHLESS)
async def test_a_gateway_that_asks_nobody_avoids_nothing(reply: Reply) -> None:
    async with listening() as worthless:
        worthless.play([reply])
        verdicts = await run(f"http://127.0.0.1:{worthless.port}", KEY, [case for case in chosen(quick=True) if case.number != IDLE])
    assert [verdict for verdict in verdicts if verdict.outcome != "failed"] == []


@pytest.mark.anyio
async def test_a_wire_avoids_only_what_a_wire_can() -> None:
    """The judge talks to its own upstream: every request arrives as it was asked, and every answer goes back as it was given."""
    port = free_port()
    verdicts = await run(f"http://127.0.0.1:{port}", KEY, chosen(quick=True), port=port)
    assert {verdict.number for verdict in verdicts if verdict.outcome == "passed"} == {IDLE, 50}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--list"], 0, "50  a crowd is served whole"),
        (["--list", "--only", "2"], 0, " 2  arguments that come only at the end are not lost"),
        (["--list"], 0, "https://github.com/BerriAI/litellm/issues/32357"),
        (["--print-config", "litellm"], 0, '"model_name": "pitfall-anthropic"'),
        (["--print-config", "other"], 2, "none of ours, litellm"),
        (["--only", "one", "--target", "http://127.0.0.1:1"], 2, "expected numbers from 1 to 50"),
        (["--only", "51", "--target", "http://127.0.0.1:1"], 2, "expected numbers from 1 to 50"),
        ([], 2, "--target: required"),
        (["--target", "http://127.0.0.1:1", "--upstream-port", "0"], 2, "cannot be judged"),
    ],
)
def test_how_it_is_called(arguments: list[str], code: int, said: str) -> None:
    done = command(*arguments)
    assert done.returncode == code
    assert said in " ".join((done.stdout + done.stderr).replace("│", " ").split()) or said in done.stdout + done.stderr


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_another_gateway_gets_a_card_too(tmp_path: Path) -> None:
    program = CLIENTS / "venvs" / "litellm" / "bin" / "litellm"
    if not program.exists() or shutil.which("python3") is None:
        pytest.skip(f"LiteLLM's proxy is not installed in {CLIENTS}")
    upstream, port = free_port(), free_port()
    (tmp_path / "config.yaml").write_text(command("--print-config", "litellm", "--upstream-port", str(upstream)).stdout)
    log = tmp_path / "litellm.log"
    arguments = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    env: Mapping[str, str] = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": KEY, "HOME": str(tmp_path)}
    with process([str(program), *arguments], log, cwd=tmp_path, env=env) as child:
        wanted = ("--target", f"http://127.0.0.1:{port}", "--key", KEY, "--upstream-port", str(upstream), "--wait", "120", "--json")
        done = command(*wanted, timeout_s=500)
        if done.returncode == 2 and child.poll() is not None and "pip install 'litellm[proxy]'" in log.read_text():
            pytest.skip("LiteLLM is installed without its proxy")
    assert done.returncode in (0, 1), (done.stderr, log.read_text()[-2000:])
    verdicts: list[dict[str, Any]] = json.loads(done.stdout)
    assert [verdict["number"] for verdict in verdicts] == list(range(1, CASES + 1)), log.read_text()[-2000:]
    assert sum(verdict["outcome"] == "passed" for verdict in verdicts) > 5, verdicts
