"""A place to try real clients: the kit that lies beside the project, its fake model server, and the gateway as its users start it.

The kit's scripts run one task through a client (create a file whose content is awkward) and exit 0 when the file is right. What is
asked of the fake travels inside the prompt, so it arrives through any gateway; every request the fake gets is one line of its log.
"""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]
KIT = PROJECT.parent / "shared" / "clients"
CLIENTS = Path(os.environ.get("CLIENTS_HOME") or Path.home() / ".cache" / "gateway-clients")
KEY = "sk-agents-master-key-0123456789"
START_S = 30
_PROGRAMS = {
    "Claude Code": CLIENTS / "npm/claude/node_modules/.bin/claude",
    "Claude Code (latest)": CLIENTS / "npm/claude_latest/node_modules/.bin/claude",
    "Codex CLI": CLIENTS / "npm/codex/node_modules/.bin/codex",
    "Gemini CLI": CLIENTS / "npm/gemini/node_modules/.bin/gemini",
    "opencode": CLIENTS / "npm/opencode/node_modules/.bin/opencode",
    "Qwen Code": CLIENTS / "npm/qwen/node_modules/.bin/qwen",
    "the Python SDKs": CLIENTS / "venvs/sdks/bin/python",
    "the Python frameworks": CLIENTS / "venvs/frameworks/bin/litellm",
    "the JavaScript SDKs": CLIENTS / "npm/sdks/node_modules/openai",
}


def needs_kit() -> None:
    """Skip where the kit is not beside the project."""
    if not (KIT / "fake/fake_model.py").is_file():
        pytest.skip("the kit of real clients (shared/clients) is not beside the project")


def program(name: str) -> Path:
    """Where a client is; skips the test by the client's name when it is not installed."""
    needs_kit()
    path = _PROGRAMS[name]
    if not path.exists():
        pytest.skip(f"{name} is not installed in {CLIENTS}")
    if "npm" in path.parts and shutil.which("node") is None:
        pytest.skip(f"node, which {name} needs, is not installed")
    return path


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


@contextmanager
def process(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A server for the time of the block; what it prints is in `log`."""
    with log.open("ab") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **options)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(url: str, child: subprocess.Popen[bytes], log: Path) -> None:
    """Until the server answers at all."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if child.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} did not start:\n{log.read_text(errors='replace')[-3000:]}")


@dataclass
class Fake:
    """The fake model server; it speaks every protocol at one address."""

    url: str
    log: Path

    def mark(self) -> int:
        """Where the log ends now, for `requests`."""
        return self.log.stat().st_size if self.log.exists() else 0

    def requests(self, mark: int = 0) -> list[dict[str, Any]]:
        """The requests since a mark, as the fake logged them."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as lines:
            lines.seek(mark)
            return [json.loads(line) for line in lines]

    def asked(self, mark: int = 0) -> list[dict[str, Any]]:
        """The model calls among them."""
        return [x for x in self.requests(mark) if "proto" in x]


@contextmanager
def fake_model(folder: Path, *arguments: str, name: str = "fake", opts: str = "strict", javascript: bool = False) -> Iterator[Fake]:
    """A fake that is strict by default: whatever a real provider would refuse is a 400. `javascript`: see `javascript_fake`."""
    needs_kit()
    port, log, out = free_port(), folder / f"{name}.jsonl", folder / f"{name}.out"
    program = ["-m", "tests.agents.javascript_fake", str(KIT / "fake/fake_model.py")] if javascript else [str(KIT / "fake/fake_model.py")]
    command = [sys.executable, *program, "--port", str(port), "--log", str(log), "--opts", opts, *arguments]
    with process(command, out, cwd=PROJECT) as child:
        fake = Fake(f"http://127.0.0.1:{port}", log)
        wait_for(f"{fake.url}/v1/models", child, out)
        log.unlink(missing_ok=True)
        yield fake


@dataclass
class Gateway:
    """A gateway that listens."""

    url: str
    log: Path
    key: str = KEY

    def said(self, mark: int = 0) -> str:
        """What it printed since a mark."""
        return self.log.read_bytes()[mark:].decode("utf-8", "replace")

    def mark(self) -> int:
        """Where its log ends now."""
        return self.log.stat().st_size


@contextmanager
def gateway(folder: Path, settings: Mapping[str, Any] | None, environ: Mapping[str, str] | None = None, *, port: int = 0,
            name: str = "gateway") -> Iterator[Gateway]:
    """`llm-api-converter serve` in a process of its own, in an empty folder with an empty environment. Settings may be none."""
    port = port or free_port()
    home = folder / name
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "llm_api_converter", "serve", "--port", str(port)]
    if settings is not None:
        (home / "settings.json").write_text(json.dumps(settings))
        command += ["--config", "settings.json"]
    log = folder / f"{name}.log"
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(PROJECT / "src"), **(environ or {})}
    with process(command, log, cwd=home, env=env) as child:
        running = Gateway(f"http://127.0.0.1:{port}", log)
        wait_for(f"{running.url}/ready", child, log)
        yield running


def settings(fake: Fake, **more: Any) -> dict[str, Any]:
    """One provider a protocol, all at the fake: `chat/MODEL` goes there as Chat, `anthropic/MODEL` as Anthropic, ...

    `plain` is Chat without custom tools, whatever the model is called.
    """
    def compatible(protocol: str, base: str) -> dict[str, Any]:
        return {"type": "openai_compatible", "protocol": protocol, "base_url": fake.url + base, "api_key": "sk-upstream-0123456789"}

    key = "sk-upstream-0123456789"
    providers = {
        "chat": compatible("openai_chat", "/v1"),
        "plain": {**compatible("openai_chat", "/v1"), "facts": {"custom_tools": False}},
        "responses": compatible("openai_responses", "/v1"),
        "anthropic": {"type": "anthropic", "base_url": fake.url, "api_key": key},
        "gemini": {"type": "gemini", "base_url": fake.url, "api_key": key},
        "bedrock": {"type": "bedrock", "base_url": fake.url, "api_key": key, "region": "us-east-1"},
    }
    return {"auth": {"master_api_key": KEY}, "providers": providers, **more}


@dataclass
class Run:
    """What came of a client's run."""

    code: int
    output: str
    asked: list[dict[str, Any]]
    log: str

    def check(self) -> None:
        """The task was done, and nothing sent upstream was refused by the fake's rules."""
        assert self.code == 0, f"{self.output}\n--- gateway\n{self.log[-3000:]}"
        assert [x["lint"] for x in self.asked if x["lint"]] == []
        assert not re.search(r'internal error|"event": ?"internal', self.log), self.log[-3000:]


def run_script(
    gateway: Gateway, fake: Fake, script: str, model: str, opts: str = "", *arguments: str, key: str = "", clients: Path = CLIENTS,
    **environ: str,
) -> Run:
    """One run of one of the kit's scripts through the gateway."""
    mark, said = fake.mark(), gateway.mark()
    env = {**os.environ, "CLIENTS_HOME": str(clients), "LIMIT": "90", **environ}
    done = subprocess.run(
        ["bash", str(KIT / script), gateway.url, key or gateway.key, model, opts, *arguments], env=env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, errors="replace", timeout=110, check=False,
    )
    return Run(done.returncode, done.stdout + done.stderr, fake.asked(mark), gateway.said(said))


CONTENT = "héllo wörld ☃ 日本 \"quoted\" back\\slash \\n\ttab 😀 $HOME `x` 'q'\nline two\n"


def prompt(file: Path, opts: str = "") -> str:
    """A task as the fake understands it: create this file with CONTENT."""
    content = base64.b64encode(CONTENT.encode()).decode()
    return f"Create the file with the tools you have. [[task file={file} content={content} opts={opts}]]"


def claude(gateway: Gateway, folder: Path, text: str, *arguments: str, version: str = "Claude Code", **environ: str) -> str:
    """Claude Code as a user starts it, headless, in `folder` (its home is kept there between runs); what it printed."""
    binary = program(version)
    (folder / "home").mkdir(parents=True, exist_ok=True)
    env = {
        "PATH": os.environ["PATH"], "HOME": str(folder / "home"), "IS_SANDBOX": "1", "TERM": "dumb", "LANG": "C.UTF-8",
        "ANTHROPIC_BASE_URL": gateway.url, "ANTHROPIC_API_KEY": gateway.key, "DISABLE_TELEMETRY": "1", "DISABLE_AUTOUPDATER": "1",
        "DISABLE_ERROR_REPORTING": "1", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", **environ,
    }
    command = [str(binary), "-p", text, "--output-format", "stream-json", "--verbose", "--dangerously-skip-permissions", *arguments]
    done = subprocess.run(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}\n--- gateway\n{gateway.said()[-3000:]}"
    return done.stdout
