"""The pages of docs/clients, as written: every block is run with the real client, or written where it says, or read by the gateway.

A comment before a block says what it is when it is not simply to be run: `file PATH` (it is written there), `gateway` (settings for the
gateway, which has to accept them), `not run: WHY`. Only the gateway's address differs, and the agents get a prompt instead of a terminal.
A block that is run has to reach the model and to print what it said.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .lab import CLIENTS, KEY, PROJECT, Fake, Gateway, gateway, program

PAGES = PROJECT / "docs" / "clients"
ADDRESS = "127.0.0.1:8000"
SAID = "hello from the fake model"
# What has to be installed for a page.
NEEDS = {
    "claude-code.md": "Claude Code (latest)", "codex.md": "Codex CLI", "gemini-cli.md": "Gemini CLI", "opencode.md": "opencode",
    "qwen-code.md": "Qwen Code", "python-sdks.md": "the Python SDKs", "aws-sdks.md": "the JavaScript SDKs", "javascript-sdks.md": "the JavaScript SDKs",
    "vercel-ai-sdk.md": "the JavaScript SDKs", "langchain.md": "the Python frameworks", "python-frameworks.md": "the Python frameworks",
}  # fmt: skip
# How an agent is asked without a terminal: what stands before and after its arguments.
HEADLESS = {
    "claude": ('-p "Say hello"', "--dangerously-skip-permissions"), "codex": ("exec --skip-git-repo-check", '"Say hello"'),
    "gemini": ('-p "Say hello"', "--yolo"), "opencode": ("run", '"Say hello"'), "qwen": ('-p "Say hello"', "--yolo"),
}  # fmt: skip
_BLOCK = re.compile(r"(?:<!-- (?P<what>[^\n]*?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


class Block(NamedTuple):
    """A fenced block: what the comment before it says ("" for none), its language, its text."""

    what: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    text = (PAGES / page).read_text(encoding="utf-8")
    assert len(_BLOCK.findall(text)) == text.count("```") / 2, "a block has no language"
    return [Block(found["what"] or "", found["language"], found["text"]) for found in _BLOCK.finditer(text)]


@pytest.fixture(scope="module")
def known(lab: Path, fake: Fake) -> Iterator[Gateway]:
    """A gateway with the providers of the pages, each asked in its own protocol."""
    key = "sk-upstream-0123456789"
    providers: dict[str, Any] = {
        "anthropic": {"type": "anthropic", "base_url": fake.url, "api_key": key},
        "openai": {"type": "openai", "base_url": fake.url + "/v1", "api_key": key},
        "deepseek": {"type": "deepseek", "base_url": fake.url, "api_key": key},
    }
    with gateway(lab, {"auth": {"master_api_key": KEY}, "providers": providers}, name="pages") as running:
        yield running


class Reader:
    """Someone who does what a page says, in a folder that is the gateway's, with a home of their own."""

    def __init__(self, folder: Path, running: Gateway) -> None:
        self.folder, self.address = folder, running.url.removeprefix("http://")
        (folder / "data").mkdir()
        (folder / "data" / "master.key").write_text(KEY + "\n")
        (folder / "home").mkdir()
        (folder / "bin").mkdir()
        for name, (before, after) in HEADLESS.items():
            self._program(name, before, after)
        python = "frameworks" if (CLIENTS / "venvs/frameworks").is_dir() else "sdks"
        self.pythons = {"langchain.md": python, "python-frameworks.md": python}
        (folder / "node_modules").symlink_to(CLIENTS / "npm/sdks/node_modules")
        (folder / "bin" / "llm-api-converter").write_text(f'#!/bin/sh\nexec {sys.executable} -m llm_api_converter "$@"\n')
        (folder / "bin" / "llm-api-converter").chmod(0o755)
        host, _, port = self.address.partition(":")
        (folder / "variables").write_text(
            f"export PATH='{folder / 'bin'}:{os.environ['PATH']}' HOME='{folder / 'home'}' HOST={host} PORT={port} PYTHONPATH='{PROJECT / 'src'}'\n"
            "export IS_SANDBOX=1 TERM=dumb LANG=C.UTF-8 GEMINI_CLI_TRUST_WORKSPACE=true CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1\n"
            "export DISABLE_TELEMETRY=1 DISABLE_AUTOUPDATER=1 AWS_EC2_METADATA_DISABLED=true LITELLM_LOCAL_MODEL_COST_MAP=True\n"
        )

    def _program(self, name: str, before: str, after: str) -> None:
        installed = "claude_latest" if name == "claude" else name
        file = self.folder / "bin" / name
        file.write_text(f'#!/bin/sh\nexec {CLIENTS}/npm/{installed}/node_modules/.bin/{name} {before} "$@" {after}\n')
        file.chmod(0o755)

    def write(self, path: str, text: str) -> None:
        file = Path(path.replace("~", str(self.folder / "home"), 1)) if path.startswith("~") else self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self._here(text).replace('"KEY"', f'"{KEY}"'))

    def configure(self, language: str, text: str) -> None:
        """Settings of the gateway: it has to accept them."""
        place = self.folder / "settings"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if language == "yaml":
            (place / "gateway.yaml").write_text(text)
        self._shell(f"cd settings\n{text if language == 'sh' else ''}\nunset HOST PORT\nllm-api-converter check-config", keep=False)

    def run(self, page: str, language: str, text: str) -> str:
        if language == "sh":
            return self._shell(self._here(text), keep=True)
        name = {"python": "example.py", "js": "example.mjs"}[language]
        (self.folder / name).write_text(self._here(text))
        return self._shell(f"{'node' if language == 'js' else self._python(page)} {name}", keep=False)

    def _python(self, page: str) -> str:
        return str(CLIENTS / "venvs" / self.pythons.get(page, "sdks") / "bin" / "python")

    def _here(self, text: str) -> str:
        return text.replace(ADDRESS, self.address)

    def _shell(self, text: str, *, keep: bool) -> str:
        """What it printed; what it exports stays for the blocks after it."""
        python = f"python() {{ {CLIENTS}/venvs/sdks/bin/python \"$@\"; }}\n"
        script = f". ./variables\n{python}set -eu\n{text}\n{'export -p > variables' if keep else ''}\n"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, f"{text}\n---\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        return done.stdout


@pytest.mark.engine
@pytest.mark.timeout(200)
@pytest.mark.parametrize("page", NEEDS)
def test_what_is_written_works(known: Gateway, fake: Fake, tmp_path: Path, page: str) -> None:
    program(NEEDS[page])
    reader = Reader(tmp_path, known)
    ran = 0
    for block in blocks(page):
        kind, _, rest = block.what.partition(" ")
        if kind == "not":
            continue
        if kind == "file":
            reader.write(rest, block.text)
        elif kind == "gateway":
            reader.configure(block.language, block.text)
        else:
            assert block.what == ""
            mark, said = fake.mark(), known.mark()
            printed = reader.run(page, block.language, block.text)
            assert SAID in printed, f"{block.text}\n---\n{printed[-2000:]}\n{known.said(said)[-2000:]}"
            asked = fake.asked(mark)
            assert asked
            assert [x["lint"] for x in asked if x["lint"]] == []
            ran += 1
    assert ran


def test_every_page_is_run_and_in_the_index() -> None:
    pages = {file.name for file in PAGES.glob("*.md")} - {"README.md", "matrix.md"}
    assert pages == set(NEEDS)
    index = (PAGES / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index)) == pages | {"matrix.md"}


@pytest.mark.parametrize("page", ["README.md", *NEEDS])
def test_a_block_that_is_not_run_says_why(page: str) -> None:
    for block in blocks(page):
        assert block.what.partition(" ")[0] in ("", "file", "gateway", "not"), block.what
        if block.what.startswith("not"):
            assert re.match(r"not run: \w+", block.what)
        if not block.what:
            assert block.language in ("sh", "python", "js")
