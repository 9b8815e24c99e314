import io
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter.config import Config
from llm_api_converter.hub.seal import SealKey
from llm_api_converter.observe import logs
from llm_api_converter.observe.logs import AccessLog, LineWriter
from llm_api_converter.server.app import build

pytestmark = pytest.mark.anyio


async def test_a_gateway_that_is_stopped_at_once_writes_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uvicorn ends the process by the signal it got, so this is the last that runs; the thread that writes lines may be asleep."""
    monkeypatch.setattr(logs, "FLUSH_S", 600)
    out, told = io.BytesIO(), iter(["lifespan.startup", "lifespan.shutdown"])
    gateway = build(Config.load(None, {}, tmp_path, {}), master_key="sk-0123456789abcdef", seal_keys=(SealKey("a", b"0" * 32),))
    gateway.runtime.access_log = AccessLog(LineWriter(out))
    gateway.runtime.access_log({"status": 200})
    said: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": next(told)}

    async def send(message: Any) -> None:
        said.append(message["type"])

    await gateway({"type": "lifespan"}, receive, send)
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert b'"status":200' in out.getvalue()
