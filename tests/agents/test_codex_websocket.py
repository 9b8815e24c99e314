"""Codex CLI as it talks to OpenAI by itself: over a WebSocket, with a warm-up, and only what is new in each turn."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter.config import Config
from llm_api_converter.server.http import Message
from llm_api_converter.server.websocket import Socket
from tests.fakes import KEY as TEST_KEY
from tests.fakes import gateway as gateway_here

from .lab import CLIENTS, KIT, Fake, Gateway, program, run_script, settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(150)]


@pytest.mark.parametrize(
    "opts", ["thinking,text,parallel=3,split=awkward,bytesplit=7", "steps=5", "err=429x2", "err=500x1", "mid=error,split=20", "mid=cut,split=20"]
)
@pytest.mark.parametrize("model", ["chat/some-model", "anthropic/gpt-5.5", "responses/gpt-5.6-sol"])
def test_the_task_is_done(served: Gateway, fake: Fake, model: str, opts: str) -> None:
    program("Codex CLI")
    run = run_script(served, fake, "codex.sh", model, opts, BUILTIN="1")
    run.check()
    assert "falling back" not in run.output.lower()


@pytest.mark.anyio
@pytest.mark.parametrize("model", ["chat/some-model", "anthropic/some-model", "responses/gpt-5.5", "gemini/gemini-3.1-pro-preview"])
async def test_turns_come_over_one_socket_with_what_is_new(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    program("Codex CLI")
    sockets: list[list[dict[str, Any]]] = []

    class Watched(Socket):
        """A socket that shows what its client sends."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            sockets.append([])

        async def _take(self, message: Message) -> None:
            sockets[-1].append(json.loads(message["text"]))
            await super()._take(message)

    monkeypatch.setattr("llm_api_converter.server.app.Socket", Watched)
    tree = settings(fake) | {"auth": {"master_api_key": TEST_KEY}}
    async with gateway_here(Config.model_validate(tree)) as running:
        child = await asyncio.create_subprocess_exec(
            "bash", str(KIT / "codex.sh"), running.url, TEST_KEY, model, "steps=3,thinking", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLIENTS_HOME": str(CLIENTS), "BUILTIN": "1"},
        )
        output, _ = await child.communicate()
    assert child.returncode == 0, output.decode(errors="replace")[-3000:]
    (frames,) = sockets
    turns = [frame for frame in frames if frame["type"] == "response.create"]
    assert turns[0].get("generate") is False
    assert [bool(frame.get("previous_response_id")) for frame in turns] == [False, *[True] * (len(turns) - 1)]
    assert len(turns) >= 4
    assert all(len(frame["input"]) <= 4 for frame in turns[2:])
