"""opencode and Qwen Code through the gateway, in each protocol they speak that is not only a vendor's own, onto several upstreams."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .lab import CONTENT, Fake, Gateway, Run, program, prompt

pytestmark = [pytest.mark.engine, pytest.mark.timeout(150)]

# What the upstream does -> the files that are there in the end.
WAYS = {"thinking,text,parallel=2,split=awkward,bytesplit=7": ("made", "made.2"), "err=429x2": ("made",), "steps=3": ("made", "made.s2", "made.s3")}
BREAKS = "mid=cut,split=20"
"""Inside a call: too late for the gateway to ask again, as the client has half of it."""


def run(served: Gateway, fake: Fake, folder: Path, command: list[str], environ: Mapping[str, str]) -> Run:
    """One run in `folder`."""
    mark, said = fake.mark(), served.mark()
    (folder / "home").mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "TERM": "dumb", "LANG": "C.UTF-8", **environ}
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=100, check=False
    )
    return Run(done.returncode, done.stdout[-3000:] + done.stderr[-3000:], fake.asked(mark), served.said(said))


def made(folder: Path, names: tuple[str, ...]) -> None:
    assert {name: (folder / name).read_text() for name in names} == dict.fromkeys(names, CONTENT)


# opencode: the package it speaks with, and what stands behind the address.
PACKAGES = {"@ai-sdk/openai-compatible": "/v1", "@ai-sdk/anthropic": "/v1", "@ai-sdk/openai": "/v1", "@ai-sdk/google": "/v1beta", "@ai-sdk/amazon-bedrock": ""}


@pytest.mark.parametrize(
    ("package", "model", "opts"),
    [
        *(("@ai-sdk/openai-compatible", model, opts) for model in ("anthropic/some-model", "chat/some-model") for opts in WAYS),
        *((package, model, next(iter(WAYS))) for package in PACKAGES if package != "@ai-sdk/openai-compatible"
          for model in ("chat/some-model", "anthropic/some-model")),
    ],
)  # fmt: skip
def test_opencode(served: Gateway, fake: Fake, tmp_path: Path, package: str, model: str, opts: str) -> None:
    done = opencode(served, fake, tmp_path, package, model, opts)
    done.check()
    made(tmp_path, WAYS[opts])


def opencode(served: Gateway, fake: Fake, folder: Path, package: str, model: str, opts: str) -> Run:
    binary = program("opencode")
    options: dict[str, Any] = {"baseURL": served.url + PACKAGES[package], "apiKey": served.key}
    if package == "@ai-sdk/amazon-bedrock":
        options["region"] = "us-east-1"
    config = {
        "autoupdate": False, "share": "disabled", "permission": {"edit": "allow", "bash": "allow"},
        "provider": {"gw": {"npm": package, "name": "gw", "options": options, "models": {model: {"name": "m"}}}},
    }
    environ = {"OPENCODE_CONFIG_CONTENT": json.dumps(config), "OPENCODE_DISABLE_AUTOUPDATE": "1"}
    return run(served, fake, folder, [str(binary), "run", "--format", "json", "-m", f"gw/{model}", prompt(folder / "made", opts)], environ)


def test_opencode_goes_on_after_a_break(served: Gateway, fake: Fake, tmp_path: Path) -> None:
    """With another turn, in which it sends back half a call, emptied; that is its own doing, and the fake says so."""
    done = opencode(served, fake, tmp_path, "@ai-sdk/openai-compatible", "anthropic/some-model", BREAKS)
    made(tmp_path, ("made",))
    assert len(done.asked) <= 6
    assert all("changed" in rule for x in done.asked for rule in x["lint"])


@pytest.mark.parametrize("opts", WAYS)
@pytest.mark.parametrize(
    ("protocol", "model"),
    [("openai", "chat/some-model"), ("openai", "anthropic/some-model"), ("anthropic", "chat/some-model"), ("gemini", "chat/some-model")],
)
def test_qwen_code(served: Gateway, fake: Fake, tmp_path: Path, protocol: str, model: str, opts: str) -> None:
    done = qwen_code(served, fake, tmp_path, protocol, model, opts)
    done.check()
    made(tmp_path, WAYS[opts])


def qwen_code(served: Gateway, fake: Fake, folder: Path, protocol: str, model: str, opts: str) -> Run:
    binary = program("Qwen Code")
    variables = {
        "openai": {"OPENAI_BASE_URL": served.url + "/v1", "OPENAI_API_KEY": served.key, "OPENAI_MODEL": model},
        "anthropic": {"ANTHROPIC_BASE_URL": served.url, "ANTHROPIC_API_KEY": served.key, "ANTHROPIC_MODEL": model},
        "gemini": {"GOOGLE_GEMINI_BASE_URL": served.url, "GEMINI_API_KEY": served.key, "GEMINI_MODEL": model},
    }[protocol]
    command = [str(binary), "-p", prompt(folder / "made", opts), "--yolo", "--auth-type", protocol, "--output-format", "stream-json"]
    return run(served, fake, folder, command, variables)


@pytest.mark.parametrize(("protocol", "said"), [("openai", "cut its answer short"), ("anthropic", "cut its answer short"), ("gemini", "")])
def test_qwen_code_says_what_broke(served: Gateway, fake: Fake, tmp_path: Path, protocol: str, said: str) -> None:
    """It has no recovery of its own: it shows the gateway's words and stops. In Gemini's protocol calls are whole, and the gateway asks again."""
    done = qwen_code(served, fake, tmp_path, protocol, "chat/some-model", BREAKS)
    if said:
        assert f"the upstream `chat` {said}" in done.output
        assert len(done.asked) <= 2
    else:
        done.check()
        made(tmp_path, ("made",))
