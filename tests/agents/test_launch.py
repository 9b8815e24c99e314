"""`llm-api-converter launch` with the real clients: a task is done with nothing set up by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .lab import CONTENT, PROJECT, Fake, free_port, program, prompt, settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(150)]

ARGUMENTS = {
    "claude": ("Claude Code", ["-p", "PROMPT", "--dangerously-skip-permissions"]),
    "codex": ("Codex CLI", ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "PROMPT"]),
    "gemini": ("Gemini CLI", ["-p", "PROMPT", "--yolo"]),
}


@pytest.mark.parametrize("upstream", ["chat", "anthropic"])
@pytest.mark.parametrize("client", ARGUMENTS)
def test_a_task_is_done(fake: Fake, tmp_path: Path, client: str, upstream: str) -> None:
    name, arguments = ARGUMENTS[client]
    binary = program(name)
    (tmp_path / "settings.json").write_text(json.dumps(settings(fake)))
    file = tmp_path / "made.txt"
    env = {
        "PATH": f"{binary.parent}:{os.environ['PATH']}", "HOME": str(tmp_path), "PORT": str(free_port()), "PYTHONPATH": str(PROJECT / "src"),
        "IS_SANDBOX": "1", "TERM": "dumb", "GEMINI_CLI_TRUST_WORKSPACE": "true", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    command = [sys.executable, "-m", "llm_api_converter", "launch", client, "--model", f"{upstream}/some-model", "--config", "settings.json"]
    given = [prompt(file) if argument == "PROMPT" else argument for argument in arguments]
    done = subprocess.run(
        [*command, "--", *given], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert file.read_text() == CONTENT
