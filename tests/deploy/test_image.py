"""Every step of the Dockerfile in a bare Debian, and the gateway in what they make: no rights, a root nobody writes to, a volume, a tmpfs."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.dockerfile import stages
from tests.deploy.root import PROJECT, Root, built
from tests.engines import dynamodb, free_port, redis_server

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900), pytest.mark.xdist_group("image")]

DOCKER = PROJECT / "deploy" / "docker"
PLAN = stages((DOCKER / "Dockerfile").read_text())
IMAGE = PLAN[-1]
VOLUME = IMAGE.last("VOLUME").text
START_S = 60


@pytest.fixture(scope="module")
def image() -> Iterator[Root]:
    with built(PLAN) as root:
        yield root


@dataclass
class Container:
    """The image's command, running."""

    root: Root
    process: subprocess.Popen[bytes]
    url: str
    volume: Path
    environment: Mapping[str, str]
    mounts: Mapping[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What `docker exec` would."""
        return self.root.run(words, self.environment, self.mounts)

    def healthy(self) -> bool:
        """What the image's health check says."""
        return self.run(*IMAGE.last("HEALTHCHECK").command()).returncode == 0

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """One request with the master key; status and JSON."""
        key = (self.volume / "master.key").read_text().strip()
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode() if body is not None else None,
            {"x-api-key": key, "content-type": "application/json"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@contextmanager
def container(
    root: Root, folder: Path, environment: Mapping[str, str] | None = None, mounts: Mapping[str, str] | None = None, *, before: tuple[str, ...] = ()
) -> Iterator[Container]:
    """`docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges`, after the command `before` where one is given."""
    volume, port = folder / "volume", free_port()
    uid, gid = map(int, root.user.split(":"))
    folder.mkdir(exist_ok=True)
    for parent in (folder, *folder.parents):
        if str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    volume.mkdir(mode=0o700)
    os.chown(volume, uid, gid)
    env = {**(environment or {}), "PORT": str(port)}
    mounted = {VOLUME: str(volume), "/tmp": "tmpfs", **(mounts or {})}
    if before:
        ran = root.run(before, env, mounted)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(root.command(IMAGE.last("CMD").words(), env, mounted), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    running = Container(root, process, f"http://127.0.0.1:{port}", volume, env, mounted)
    try:
        end = time.monotonic() + START_S
        while not running.healthy():
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < end, (folder / "log").read_text()[-3000:]
            time.sleep(0.2)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


ASK = {"model": "demo", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}


def test_the_image_serves_without_rights_and_on_a_root_nobody_writes_to(image: Root, tmp_path: Path) -> None:
    with container(image, tmp_path) as running:
        status, answer = running.ask("/v1/messages", ASK)
        assert (status, answer["type"]) == (200, "message")
        assert running.ask("/ready")[0] == 200
        said = dict(line.split(":\t", 1) for line in Path(f"/proc/{running.process.pid}/status").read_text().splitlines() if ":\t" in line)
        uid, gid = image.user.split(":")
        assert said["Uid"].split() == [uid] * 4
        assert said["Gid"].split() == [gid] * 4
        assert said["Groups"].split() == []
        assert said["NoNewPrivs"] == "1"
        assert {said[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert "Read-only file system" in running.run("touch", "/etc/gateway/x").stderr
        for file in ("master.key", "admin.key", "seal.keys.json"):
            assert (running.volume / file).stat().st_mode & 0o777 == 0o600, file
        running.process.send_signal(signal.SIGTERM)  # what `docker stop` sends
        assert running.process.wait(25) in (0, -signal.SIGTERM)
        assert not running.healthy()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines() if line.startswith("{")]
    assert [line["model"] for line in lines if line["event"] == "request" and "model" in line] == ["demo"]
    assert not list(image.inside(VOLUME).iterdir()), "everything it wrote is in the volume"


def test_the_image_has_what_it_needs_and_no_more(image: Root) -> None:
    mounts = {VOLUME: "tmpfs", "/tmp": "tmpfs"}
    python = image.run(["python", "-m", "pip", "--version"], {}, mounts)
    assert "No module named pip" in python.stderr
    needed = "import asyncpg, azure.identity, botocore, google.auth, opentelemetry.sdk, redis, requests, llm_api_converter"
    found = image.run(["python", "-c", needed + "; print(llm_api_converter.__file__)"], {}, mounts)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("/opt/gateway/lib/")
    assert list(Path(found.stdout.strip()).parent.parts[:3]) == ["/", "opt", "gateway"]
    compiled = image.inside(found.stdout.strip()).parent / "__pycache__"
    assert list(compiled.glob("__init__.*.pyc")), "compiled when it was built: nothing can be written later"
    assert image.run(["llm-api-converter", "check-config"], {}, mounts).returncode == 0


def test_the_stack_of_compose_serves(image: Root, tmp_path: Path) -> None:
    """The gateway of compose.yaml with its settings, the addresses of its neighbours apart: two workers, DynamoDB Local, Redis."""
    stack = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    with dynamodb() as table, redis_server() as limits:
        settings = tmp_path / "gateway.yaml"
        settings.write_text((DOCKER / "gateway.yaml").read_text().replace("redis://redis:6379/0", limits.url))
        settings.chmod(0o644)
        gateway = stack["services"]["gateway"]
        environment = {name: _default(value) for name, value in gateway["environment"].items()}
        environment["DYNAMODB_ENDPOINT_URL"] = table.url
        migrate = tuple(stack["services"]["migrate"]["command"])
        with container(image, tmp_path / "run", environment, {"/etc/gateway/gateway.yaml": f"{settings}:ro"}, before=migrate) as running:
            assert running.ask("/ready")[0] == 200
            status, answer = running.ask("/v1/messages", ASK)
            assert (status, answer["type"]) == (200, "message")
            made = running.run("llm-api-converter", "keys", "create", "ci", "--json")
            assert made.returncode == 0, made.stderr
            key = json.loads(made.stdout)["key"]
            request = urllib.request.Request(running.url + "/v1/messages", json.dumps(ASK).encode(), {"x-api-key": key})
            with urllib.request.urlopen(request, timeout=10) as limited:
                assert "anthropic-ratelimit-requests-limit" in limited.headers
            page = urllib.request.urlopen(running.url + "/metrics", timeout=10).read().decode()
            assert "llm_converter_workers 2.0" in page
            assert "llm_converter_store_up 1.0" in page
            assert "llm_converter_limiter_up 1.0" in page


def _default(value: str) -> str:
    """What `${NAME:-default}` is where NAME is not set."""
    return value[value.index(":-") + 2 : -1] if value.startswith("${") else value
