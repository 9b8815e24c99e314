"""`launch`: with a stand-in for the client, a small script that writes down how it was started."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.agents.lab import free_port

KEY = "sk-launch-master-key-0123456789"
STAND_IN = """#!{python}
import json, os, sys, urllib.request
names = [n for n in os.environ if n.split("_")[0] in ("ANTHROPIC", "GATEWAY", "GEMINI", "GOOGLE", "ENABLE")]
request = urllib.request.Request("http://127.0.0.1:" + os.environ["PORT"] + "/health")
alive = json.load(urllib.request.urlopen(request))
with open("seen.json", "w") as out:
    json.dump({{"arguments": sys.argv[1:], "environ": {{n: os.environ[n] for n in names}}, "alive": alive}}, out)
sys.exit(7)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with stand-ins for the three clients on its path."""
    (tmp_path / "bin").mkdir()
    for name in ("claude", "codex", "gemini"):
        file = tmp_path / "bin" / name
        file.write_text(STAND_IN.format(python=sys.executable))
        file.chmod(0o755)
    return tmp_path


def run(place: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{place / 'bin'}", "HOME": str(place), "PORT": str(free_port()), "MASTER_API_KEY": KEY, **environ}
    command = [sys.executable, "-m", "llm_api_converter", "launch", *arguments]
    return subprocess.run(command, cwd=place, env=env, capture_output=True, text=True, timeout=60, check=False)


def seen(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "seen.json").read_text())
    return found


@pytest.mark.parametrize(
    ("client", "own", "variables", "arguments"),
    [
        ("claude", "ANTHROPIC_API_KEY", {"ANTHROPIC_AUTH_TOKEN": KEY, "ANTHROPIC_MODEL": "local/m", "ANTHROPIC_DEFAULT_HAIKU_MODEL": "local/m"},
         ["-p", "hi"]),
        ("codex", "", {"GATEWAY_API_KEY": KEY}, ["-m", "local/m", "-p", "hi"]),
        ("gemini", "", {"GEMINI_API_KEY": KEY, "GOOGLE_API_KEY": KEY}, ["-m", "local/m", "-p", "hi"]),
    ],
)  # fmt: skip
def test_a_gateway_is_started_for_the_client_and_stops_with_it(
    place: Path, client: str, own: str, variables: Mapping[str, str], arguments: list[str]
) -> None:
    port = free_port()
    (place / "gateway.yaml").write_text("providers: {local: {type: openai_compatible, base_url: 'http://127.0.0.1:1/v1', api_key: none}}")
    done = run(place, client, "--model", "local/m", "--", "-p", "hi", PORT=str(port), **({own: "the user's own"} if own else {}))
    assert done.returncode == 7, done.stderr
    told = seen(place)
    assert told["alive"] == {"status": "ok"}
    assert told["environ"].items() >= variables.items()
    assert own not in told["environ"], "the client would go by it"
    assert any(f"127.0.0.1:{port}" in text for text in (*told["environ"].values(), *told["arguments"]))
    assert told["arguments"][-len(arguments):] == arguments
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    assert "listens on" in (place / "data" / "launch.log").read_text()


def test_without_any_provider_the_demo_answers_and_that_is_said(place: Path) -> None:
    done = run(place, "claude")
    assert done.returncode == 7, done.stderr
    assert seen(place)["environ"]["ANTHROPIC_MODEL"] == "demo"
    assert "No provider is configured" in done.stderr


@pytest.fixture
def stranger() -> Iterator[str]:
    """A server that is no gateway; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield str(server.server_port)
    server.shutdown()
    server.server_close()


def test_what_keeps_a_client_from_starting_is_told(place: Path, stranger: str) -> None:
    for arguments, environ, code, said in (
        (["claude"], {"PATH": str(place)}, 127, "npm install -g @anthropic-ai/claude-code"),
        (["claude"], {"PORT": stranger}, 1, "something else listens at http://127.0.0.1:" + stranger),
        (["claude", "--model", "dmo"], {}, 1, "dmo"),
        (["claude"], {"OPENAI_API_KEY": "sk-x"}, 1, "this client asks for claude-sonnet-4-5"),
        (["cursor"], {}, 2, "none of claude, codex, gemini"),
        (["codex"], {"STORAGE_BACKEND": "oracle"}, 1, "STORAGE_BACKEND"),
    ):
        done = run(place, *arguments, **environ)  # type: ignore[arg-type]
        assert (done.returncode, said in done.stderr + done.stdout) == (code, True), (arguments, done.stderr, done.stdout)
        assert not (place / "seen.json").exists()
    assert os.path.exists(place / "data" / "launch.log")
