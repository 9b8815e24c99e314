"""LangChain, Pydantic AI and LiteLLM, plain and streamed, in every protocol they speak, onto upstreams of every protocol."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab import KIT, Fake, Gateway, Run, gateway, program, settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(240)]

OPTS = "thinking,text,parallel=2,split=awkward,bytesplit=7"
SIGNING_KEY = "AKIDFAKE"
"""What the kit's AWS clients sign with: the gateway takes its own key as the access key id."""
UPSTREAMS = {"chat": "some-model", "anthropic": "claude-sonnet-4-5", "responses": "gpt-5.5", "gemini": "gemini-3.1-pro-preview", "bedrock": "some-model"}
LOOPS = ("litellm_openai", "litellm_anthropic", "litellm_gemini", "langchain_", "pydantic_ai_")
"""Not LiteLLM's Converse: it asks that only for names it knows."""
OWN_SPELLING = ("gemini", "litellm_gemini")
"""It writes `function_response`, which Gemini takes and the fake does not; what is in the upstream's own protocol arrives as it was written."""


@pytest.fixture(scope="module")
def signed(lab: Path, fake: Fake) -> Iterator[Gateway]:
    # Names of their own: LiteLLM takes `responses/` in a name for itself.
    models = [{"name": f"to-{upstream}", "provider": upstream, "model": model} for upstream, model in UPSTREAMS.items()]
    with gateway(lab, settings(fake, auth={"master_api_key": SIGNING_KEY}, models=models), name="frameworks") as running:
        running.key = SIGNING_KEY
        yield running


@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_the_task_is_done(lab: Path, signed: Gateway, fake: Fake, upstream: str) -> None:
    python = program("the Python frameworks").parent / "python"
    mark, said = fake.mark(), signed.mark()
    which = ",".join(loop for loop in LOOPS if (upstream, loop) != OWN_SPELLING)
    env = {**os.environ, "GROUP": "fw", "BEDROCK_AUTH": "sigv4"}
    done = subprocess.run(
        [str(python), str(KIT / "sdk_loop.py"), signed.url, signed.key, f"to-{upstream}", OPTS, which], env=env, cwd=lab,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=200, check=False,
    )
    Run(done.returncode, done.stdout + done.stderr, fake.asked(mark), signed.said(said)).check()
