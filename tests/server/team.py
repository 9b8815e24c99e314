"""A gateway with everything a team has, in this process: a store in a folder, an admin key."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn

from llm_api_converter.config import Config
from llm_api_converter.hub.seal import SealKey
from llm_api_converter.observe.metrics import Metrics
from llm_api_converter.server.app import Gateway, build
from llm_api_converter.server.cork import CorkedProtocol
from llm_api_converter.server.services import Services
from llm_api_converter.store.open import open_store
from tests.fakes import KEY, FakeUpstream, config, upstream

ADMIN = "admin-test-key-0123456789"
PATH = "/admin/api"


class Team:
    """It, and ways to ask it."""

    def __init__(self, url: str, app: Gateway, http: aiohttp.ClientSession, fake: FakeUpstream) -> None:
        self.url, self.app, self.http, self.fake = url, app, http, fake

    async def admin(self, method: str, path: str, body: Any = None, *, key: str = ADMIN, raw: BytesIO | None = None) -> tuple[int, Any]:
        """An operation of the admin API: (status, JSON)."""
        given: dict[str, Any] = {"data": raw} if raw is not None else {"json": body}
        async with self.http.request(method, self.url + PATH + path, headers={"authorization": f"Bearer {key}"}, **given) as answer:
            return answer.status, await answer.json()

    async def key(self, name: str = "k", **more: Any) -> tuple[str, str]:
        """(id, key) of a new one."""
        status, made = await self.admin("POST", "/keys", {"name": name, **more})
        assert status == 201, made
        return made["id"], made["key"]

    async def chat(self, key: str | None, model: str = "m", headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
        """A Chat request: (status, JSON, headers)."""
        given = {"authorization": f"Bearer {key}"} if key else {}
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        async with self.http.post(self.url + "/v1/chat/completions", json=body, headers={**given, **(headers or {})}) as answer:
            return answer.status, await answer.json(), answer.headers


def settings(fake: FakeUpstream, folder: Path, **more: Any) -> Config:
    provider = {"type": "openai_compatible", "base_url": fake.url + "/v1", "api_key": "sk-upstream-secret-1"}
    models = [{"name": "m", "provider": "up", "model": "up-model"}, {"name": "other", "provider": "up", "model": "up-other"}]
    return config({"up": provider}, models, data_dir=str(folder), **{"retry": {"attempts": 0, "max_wait_s": 0}, **more})


@asynccontextmanager
async def serving(settled: Config) -> AsyncIterator[tuple[str, Gateway]]:
    """The gateway of these settings, with its services."""
    metrics = Metrics()
    services = Services(settled, open_store(settled.store_url), metrics)
    seals = (SealKey("k1", b"a test secret of thirty-two bytes"),)
    app = build(settled, master_key=KEY, seal_keys=seals, metrics=metrics, services=services, admin_key=ADMIN)
    listening = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False, lifespan="on", http=CorkedProtocol)
    server = uvicorn.Server(listening)
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        if task.done():
            await task
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", app
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def team(script: Any, folder: Path, **more: Any) -> AsyncIterator[Team]:
    async with upstream(script) as fake, serving(settings(fake, folder, **more)) as (url, app), aiohttp.ClientSession() as http:
        yield Team(url, app, http, fake)
