"""Codex CLI through the gateway. The model's name decides how it declares its tools.

Unknown names: functions and a namespace; gpt-5.5: also the custom tool `apply_patch`, whose input is raw text; gpt-5.6 and later: an
`additional_tools` item with a custom tool `exec` that takes JavaScript.
"""

import asyncio
import base64
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import KEY as TEST_KEY
from tests.fakes import Reply, Seen, config, sse_reply, upstream
from tests.fakes import gateway as gateway_here

from .javascript_fake import SUMMARY
from .lab import CLIENTS, KEY, KIT, Fake, Gateway, fake_model, gateway, program, run_script, settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(150)]

CASES = {
    "": 2, "thinking,text,parallel=3,split=awkward,bytesplit=7": 2, "steps=5": 6, "err=429x2": 4, "err=500x1": 3, "mid=error,split=20": 3,
    "mid=cut,split=20": 3, "prefer=shell,thinking": 2,
}
# The fake's rules do not know custom tools in Chat: `plain` has none, so they travel as functions there.
TARGETS = ["chat/some-model", "anthropic/some-model", "plain/gpt-5.5", "anthropic/gpt-5.5"]


@pytest.mark.parametrize("opts", CASES)
@pytest.mark.parametrize("model", TARGETS)
def test_the_task_is_done(served: Gateway, fake: Fake, model: str, opts: str) -> None:
    program("Codex CLI")
    run = run_script(served, fake, "codex.sh", model, opts)
    run.check()
    assert len(run.asked) == CASES[opts], [(x["stream"], x["plan"]) for x in run.asked]


@pytest.mark.parametrize("opts", ["thinking,text,parallel=3,split=awkward,bytesplit=7", "steps=3,thinking", "err=429x1", "mid=cut,split=20"])
@pytest.mark.parametrize("model", ["responses/some-model", "responses/gpt-5.6-sol", "gemini/gemini-3.1-pro-preview", "bedrock/qwen.qwen3-coder"])
def test_other_upstreams(served: Gateway, fake: Fake, model: str, opts: str) -> None:
    program("Codex CLI")
    run = run_script(served, fake, "codex.sh", model, opts)
    run.check()
    assert {x["proto"] for x in run.asked} == {model.partition("/")[0]}


def _javascript(seen: Seen) -> str:
    """What `exec` is to run for the task in the prompt, in its tool's own language."""
    _, _, task = seen.body.decode().partition("[[task file=")
    path, _, rest = task.partition(" content=")
    content = base64.b64decode(rest.partition(" ")[0]).decode()
    command = f"cat > '{path}' <<'EOF_TASK'\n{content}EOF_TASK"
    return f"const r = await tools.exec_command({{cmd: {json.dumps(command)}}});\ntext(r.output);\n"


def _chat(delta: dict[str, Any], finish: str | None = None) -> bytes:
    body = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def _answer(call: dict[str, Any] | None) -> Reply:
    """A Chat stream: the call, or else the end of the task."""
    if call is None:
        return sse_reply(_chat({"role": "assistant", "content": "done"}), _chat({}, "stop"), b"data: [DONE]\n\n")
    return sse_reply(_chat({"role": "assistant", "tool_calls": [{"index": 0, "id": "call_1", **call}]}), _chat({}, "tool_calls"), b"data: [DONE]\n\n")


@pytest.mark.anyio
@pytest.mark.parametrize("custom", [True, False])
async def test_javascript_tools_of_new_models(custom: bool, tmp_path: Path) -> None:
    """The custom tool of a namespace, once as Chat's custom tool and once as a function; its result comes back to the upstream."""
    program("Codex CLI")

    def script(seen: Seen) -> Reply:
        if any(m["role"] == "tool" for m in seen.json["messages"]):
            return _answer(None)
        code = _javascript(seen)
        if custom:
            return _answer({"type": "custom", "custom": {"name": "functions__exec", "input": code}})
        return _answer({"type": "function", "function": {"name": "functions__exec", "arguments": json.dumps({"input": code})}})

    async with upstream(script) as fake:
        up = {"type": "openai_compatible", "base_url": fake.url + "/v1", "api_key": "sk-upstream-1", "facts": {"custom_tools": custom}}
        async with gateway_here(config({"up": up})) as running:
            child = await asyncio.create_subprocess_exec(
                "bash", str(KIT / "codex.sh"), running.url, TEST_KEY, "up/gpt-5.6-sol", stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CLIENTS_HOME": str(CLIENTS)},
            )
            output, _ = await child.communicate()
        assert child.returncode == 0, output.decode(errors="replace")[-3000:]
        assert len(fake.seen) == 2
        kinds = {(t["type"], t[t["type"]]["name"]) for t in fake.seen[0].json["tools"]}
        assert ("custom" if custom else "function", "functions__exec") in kinds
        call, result = fake.seen[1].json["messages"][-2:]
        assert (call["tool_calls"][0]["id"], result["tool_call_id"]) == ("call_1", "call_1")


def test_it_reads_the_catalogue(fake: Fake, tmp_path: Path) -> None:
    """Names it does not know get their window and their efforts; one wrong field and it would show nothing."""
    binary = program("Codex CLI")
    models = [{"name": "big-one", "provider": "anthropic", "model": "claude-sonnet-4-5"}, {"name": "plain-one", "provider": "chat", "model": "m"}]
    with gateway(tmp_path, settings(fake, models=models)) as running:
        home = tmp_path / "home"
        home.mkdir()
        (home / "config.toml").write_text(
            'model_provider = "gw"\n[model_providers.gw]\nname = "gw"\nenv_key = "GW_KEY"\nwire_api = "responses"\n'
            f'base_url = "{running.url}/v1"\nmodel_catalog_url = "{running.url}/v1/models"\n'
        )
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home), "GW_KEY": KEY}
        done = subprocess.run([str(binary), "debug", "models"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    found = {m["slug"]: m for m in json.loads(done.stdout)["models"]}
    assert found.keys() >= {"big-one", "plain-one"}, done.stderr[-2000:]
    assert found["big-one"]["context_window"] == 200_000
    assert "high" in [level["effort"] for level in found["big-one"]["supported_reasoning_levels"]]


@pytest.mark.parametrize("builtin", ["", "1"], ids=["by itself", "by a trigger"])
def test_it_goes_on_after_a_compaction(tmp_path: Path, builtin: str) -> None:
    """With a provider of the settings it asks for the summary itself; with its own it asks the server to compact, over the WebSocket."""
    program("Codex CLI")
    with fake_model(tmp_path, javascript=True) as fake, gateway(tmp_path, settings(fake)) as running:
        for model in ("chat/some-model", "anthropic/claude-sonnet-4-5", "gemini/gemini-3.1-pro-preview", "bedrock/qwen.qwen3-coder"):
            limit = "-c model_auto_compact_token_limit=9000"  # less than its first request has
            run = run_script(running, fake, "codex.sh", model, "thinking", EXTRA_ARGS=limit, BUILTIN=builtin)
            run.check()
            first, question, last = run.asked
            assert [kind for kind, _ in first["plan"]] == ["thinking", "tool"]
            assert question["plan"] == [["text", SUMMARY]]
            assert SUMMARY in json.dumps(last["body"], ensure_ascii=False)
            assert last["plan"] == [["text", "done"]]
