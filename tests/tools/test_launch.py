"""`launch`: with a stand-in for the client, a small script that writes down how it was started."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.agents.lab import free_port, gateway

KEY = "sk-launch-master-key-0123456789"
STAND_IN = """#!{python}
import json, os, sys, time, urllib.request
names = [n for n in os.environ if n.split("_")[0] in ("ANTHROPIC", "GATEWAY", "GEMINI", "GOOGLE", "ENABLE", "NO")]
request = urllib.request.Request("http://127.0.0.1:" + os.environ["PORT"] + "/health")
alive = json.load(urllib.request.urlopen(request))
with open("seen.json.new", "w") as out:
    json.dump({{"arguments": sys.argv[1:], "environ": {{n: os.environ[n] for n in names}}, "alive": alive}}, out)
os.rename("seen.json.new", "seen.json")
if "wait" in sys.argv:
    time.sleep(60)
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


def start(place: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    env = {"PATH": f"{place / 'bin'}", "HOME": str(place), "PORT": str(free_port()), "MASTER_API_KEY": KEY, **environ}
    command = [sys.executable, "-m", "llm_api_converter", "launch", *arguments]
    return subprocess.Popen(command, cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(place: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    child = start(place, *arguments, **environ)
    out, err = child.communicate(timeout=60)
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


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


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a gateway that runs."""
    providers = {"openai": {"type": "openai", "api_key": "sk-x"}, "anthropic": {"type": "anthropic", "api_key": "sk-ant-x"}}
    with gateway(tmp_path_factory.mktemp("launch"), {"auth": {"master_api_key": KEY}, "providers": providers}) as running:
        yield running.url.rpartition(":")[2]


def test_a_gateway_that_runs_is_used_and_goes_on(place: Path, port: str) -> None:
    done = run(place, "claude", PORT=port)
    assert done.returncode == 7, done.stderr
    assert not (place / "data" / "launch.log").exists()
    assert b"ok" in urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
    other = run(place, "claude", PORT=port, MASTER_API_KEY="sk-another-master-key-0123456789")
    assert (other.returncode, "takes another key" in other.stderr) == (1, True), other.stderr


def test_codex_is_told_the_context_window_where_it_is_known(place: Path, port: str) -> None:
    done = run(place, "codex", "--model", "claude-sonnet-4-5", PORT=port)
    assert done.returncode == 7, done.stderr
    assert "model_context_window=200000" in seen(place)["arguments"]


@pytest.mark.parametrize(("arguments", "environ"), [
    (["--", "--model", "openai/gpt-5.5"], {}), (["--", "-p", "hi", "--model=openai/gpt-5.5"], {}), ([], {"GEMINI_MODEL": "openai/gpt-5.5"}),
])  # fmt: skip
def test_a_model_may_be_named_to_the_client_itself(place: Path, port: str, arguments: list[str], environ: dict[str, str]) -> None:
    done = run(place, "gemini", *arguments, PORT=port, **environ)
    assert done.returncode == 7, done.stderr
    assert seen(place)["arguments"] == arguments[1:]


def test_when_it_is_ended_the_client_and_the_gateway_end(place: Path) -> None:
    port = free_port()
    child = start(place, "claude", "--", "wait", PORT=str(port))
    end_s = time.monotonic() + 30
    while not (place / "seen.json").exists() and time.monotonic() < end_s:
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    assert child.returncode == 128 + signal.SIGTERM
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1).close()


def test_a_proxy_of_the_environment_is_not_for_the_gateway(place: Path) -> None:
    """Nobody listens at this one."""
    done = run(place, "claude", HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9", NO_PROXY="intra", no_proxy="127.0.0.1")
    assert done.returncode == 7, done.stderr
    assert seen(place)["environ"]["NO_PROXY"] == "intra,127.0.0.1"


@pytest.fixture
def mute() -> Iterator[str]:
    """A server that speaks no HTTP; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1)
                connection.sendall(b"220 ready\r\n")

        thread = Thread(target=greet, daemon=True)
        thread.start()
        yield str(server.getsockname()[1])
        thread.join(5)


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


def test_what_keeps_a_client_from_starting_is_told(place: Path, port: str, stranger: str, mute: str) -> None:
    cases: tuple[tuple[list[str], dict[str, str], int, str], ...] = (
        (["claude"], {"PATH": str(place)}, 127, "npm install -g @anthropic-ai/claude-code"),
        (["claude"], {"PORT": stranger}, 1, "something else listens at http://127.0.0.1:" + stranger),
        (["claude"], {"PORT": mute}, 1, "something else listens at http://127.0.0.1:" + mute),
        (["claude", "--model", "claud-sonnet-4-6"], {"PORT": port}, 1, "Did you mean claude-sonnet-4-6"),
        (["claude", "--", "--model", "dmo"], {"PORT": port}, 1, "dmo"),
        (["gemini"], {"PORT": port, "OPENAI_API_KEY": "sk-x"}, 1, "this client asks for gemini-2.5-pro"),
        (["claude"], {"OPENAI_API_KEY": "sk-x"}, 1, "this client asks for claude-sonnet-4-5"),
        (["cursor"], {}, 2, "none of claude, codex, gemini"),
        (["codex"], {"STORAGE_BACKEND": "oracle"}, 1, "STORAGE_BACKEND"),
    )
    for arguments, environ, code, said in cases:
        done = run(place, *arguments, **environ)
        assert (done.returncode, said in done.stderr + done.stdout) == (code, True), (arguments, done.stderr, done.stdout)
        assert not (place / "seen.json").exists()
    assert os.path.exists(place / "data" / "launch.log")
