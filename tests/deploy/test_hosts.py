"""A real nginx with our file in front of a real gateway; what systemd and compose say of theirs."""

import asyncio
import io
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.agents.lab import PROJECT, free_port, process
from tests.deploy.certificate import certificate
from tests.engines import wait_for
from tests.fakes import HANG, Reply, Seen, json_reply, sse_reply, upstream
from tests.server.test_pipeline import CHAT, CHAT_ANSWER, CHAT_ASK, CHAT_STREAM
from tests.team.running import MASTER, Served, served

pytestmark = [pytest.mark.anyio, pytest.mark.engine]

DEPLOY = PROJECT / "deploy"
CONF = (DEPLOY / "nginx/llm-api-converter.conf").read_text()
KEY = {"x-api-key": MASTER}


def answer(seen: Seen) -> Reply:
    return sse_reply(CHAT_STREAM[0], HANG) if seen.json.get("stream") else json_reply(CHAT_ANSWER)


@contextmanager
def nginx(folder: Path, gateway: str) -> Iterator[str]:
    """Our file with this machine's paths and ports; its address."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    port = free_port()
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl", "server 127.0.0.1:8000": f"server {gateway}",
        "/etc/ssl/certs/gateway.pem": str(folder / "gateway.pem"), "/etc/ssl/private/gateway.key": str(folder / "gateway.key"),
    }  # fmt: skip
    certificate(folder / "gateway.pem", folder / "gateway.key", "gateway.example.com")
    text = CONF
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; worker_processes 1; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;"
        f" uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n{text}\n}}\n"
    )
    for parent in (folder, *folder.parents):
        if str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o011)  # its workers are somebody else
    command = [program, "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0, tried.stderr
    assert "[warn]" not in tried.stderr
    with process(command, folder / "nginx.log") as child:
        wait_for(port, child, "nginx")
        yield f"https://127.0.0.1:{port}"


@asynccontextmanager
async def both(folder: Path) -> AsyncIterator[tuple[str, Served]]:
    async with upstream(answer) as fake:
        settings = {
            "server": {"trusted_proxies": ["127.0.0.1/32"]}, "models": [{"name": "m", "provider": "up", "model": "m"}],
            "providers": {"up": {"type": "openai_compatible", "base_url": f"{fake.url}/v1", "api_key": "none"}},
        }  # fmt: skip
        starting = served(folder / "home", settings, workers=1)
        gateway = await asyncio.to_thread(starting.__enter__)
        try:
            with nginx(folder, gateway.url.removeprefix("http://")) as url:
                yield url, gateway
        finally:
            await asyncio.to_thread(starting.__exit__, None, None, None)


async def test_behind_nginx_pieces_come_at_once_and_sockets_open(tmp_path: Path) -> None:
    async with both(tmp_path) as (url, _), aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as http:
        async with http.post(url + CHAT, json={**CHAT_ASK, "model": "m"}, headers=KEY) as whole:
            assert whole.status == 200
        async with http.post(url + CHAT, json={**CHAT_ASK, "model": "m", "stream": True}, headers=KEY) as stream:
            first = await asyncio.wait_for(stream.content.readany(), 3)  # its upstream says no more
            assert first.startswith(b"data: ")
        async with http.ws_connect(url.replace("https", "wss") + "/v1/responses", headers=KEY) as socket:
            await socket.send_str(json.dumps({"type": "response.create", "model": "none", "input": "hi"}))
            assert (await socket.receive_json(timeout=5))["type"] == "error"
        large = io.BytesIO(b" " * (33_554_432 - 1000))
        async with http.post(url + CHAT, data=large, headers=KEY) as big:
            assert big.status == 400, "as much as the gateway takes arrives there"
        async with http.get(url + "/metrics") as page:
            assert page.status == 200


async def test_nginx_keeps_strangers_from_metrics_and_administration(tmp_path: Path) -> None:
    elsewhere = aiohttp.TCPConnector(ssl=False, local_addr=("127.0.0.2", 0))
    async with both(tmp_path) as (url, _), aiohttp.ClientSession(connector=elsewhere) as http:
        for path, status in (("/metrics", 403), ("/admin/api/keys", 403), ("/health", 200)):
            async with http.get(url + path) as got:
                assert got.status == status, path


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    text = (DEPLOY / "systemd/llm-api-converter.service").read_text()
    unit = tmp_path / "llm-api-converter.service"
    unit.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text))  # it looks whether the program is there
    said = subprocess.run([program, "verify", "--recursive-errors=no", str(unit)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    exposed = subprocess.run([program, "security", "--offline=yes", "--threshold=20", str(unit)], capture_output=True, text=True, check=False)
    assert exposed.returncode == 0, exposed.stdout[-500:] + exposed.stderr


def test_compose_takes_the_stack() -> None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0:
            said = subprocess.run([*command, "-f", "compose.yaml", "config", "--quiet"], cwd=DEPLOY / "docker", capture_output=True, text=True, check=False)
            assert (said.returncode, said.stderr) == (0, "")
            return
    pytest.skip("docker compose is not installed")
