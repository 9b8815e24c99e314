"""Gateways in processes of their own, an upstream that counts what it said, and clients that press."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.agents.lab import PROJECT, free_port, process, wait_for

MASTER, ADMIN = "sk-team-master-key-0123456789", "admin-team-key-0123456789"


@dataclass
class Counted:
    """An upstream of the Chat protocol. `said` are the usages it has told, in order."""

    url: str = ""
    said: list[tuple[int, int]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = len(self.said) + 1
        usage = {"prompt_tokens": 10 + number % 7, "completion_tokens": 1 + number % 5, "total_tokens": 11 + number % 7 + number % 5}
        self.said.append((usage["prompt_tokens"], usage["completion_tokens"]))
        message = {"role": "assistant", "content": "ok"}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            answer = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": usage}
            return web.json_response(answer)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
        for more in (
            {"choices": [{"index": 0, "delta": message, "finish_reason": None}]}, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": usage},
        ):  # fmt: skip
            await response.write(b"data: " + json.dumps({**chunk, **more}).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response


@asynccontextmanager
async def counted_upstream() -> AsyncIterator[Counted]:
    upstream = Counted()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", upstream.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    upstream.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        await runner.cleanup()


@dataclass
class Served:
    """A gateway with its workers."""

    url: str
    home: Path
    pid: int

    def workers(self) -> list[int]:
        """The processes that serve, in the order they were started."""
        tasks = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(pid) for pid in tasks if "spawn_main" in _command(pid)]

    def kill_one(self) -> int:
        """`kill -9` of a worker; its pid."""
        pid = self.workers()[0]
        os.kill(pid, signal.SIGKILL)
        return pid


def _command(pid: str) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@contextmanager
def served(home: Path, settings: Mapping[str, Any], *, workers: int, **environ: str) -> Iterator[Served]:
    """`llm-api-converter serve` in its folder."""
    home.mkdir(parents=True, exist_ok=True)
    port = free_port()
    (home / "gateway.yaml").write_text(json.dumps(settings))
    env = {
        "PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(PROJECT / "src"), "MASTER_API_KEY": MASTER, "ADMIN_API_KEY": ADMIN,
        "LOG_LEVEL": "warning", **environ,
    }  # fmt: skip
    command = [sys.executable, "-m", "llm_api_converter", "serve", "--port", str(port), "--workers", str(workers)]
    log = home / "serve.log"
    with process(command, log, cwd=home, env=env) as child:
        wait_for(f"http://127.0.0.1:{port}/ready", child, log)
        yield Served(f"http://127.0.0.1:{port}", home, child.pid)


def settings(upstream: Counted, **more: Any) -> dict[str, Any]:
    """One provider, at the upstream that counts, with a price."""
    provider = {"type": "openai_compatible", "base_url": upstream.url + "/v1", "api_key": "sk-upstream-secret-0123456789"}
    prices = [{"model": "*", "input": "1.50", "output": "6"}]
    return {"providers": {"up": provider}, "models": [{"name": "m", "provider": "up", "model": "up-model"}], "prices": prices, **more}


async def admin(http: aiohttp.ClientSession, gateway: Served, method: str, path: str, body: Any = None) -> Any:
    """One operation of the admin API."""
    async with http.request(method, f"{gateway.url}/admin/api{path}", json=body, headers={"authorization": f"Bearer {ADMIN}"}) as answer:
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def ask(http: aiohttp.ClientSession, url: str, key: str, *, stream: bool = False) -> int:
    """One Anthropic request; its status, 0 where the connection broke."""
    body = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    try:
        async with http.post(f"{url}/v1/messages", json=body, headers={"x-api-key": key}) as answer:
            await answer.read()
            return answer.status
    except (TimeoutError, aiohttp.ClientError, OSError):
        return 0
