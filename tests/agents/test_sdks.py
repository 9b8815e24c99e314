"""The vendors' own SDKs and Vercel's AI SDK, plain and streamed, through the gateway onto upstreams of every protocol."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .lab import Fake, Gateway, gateway, program, run_script, settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

OPTS = ["", "thinking,text,parallel=2,split=awkward,bytesplit=7"]
UPSTREAMS = ["chat", "anthropic", "responses", "gemini", "bedrock"]
SIGNING_KEY = "AKIDFAKE"
"""What the kit's AWS clients sign with: the gateway takes its own key as the access key id."""


@pytest.fixture(scope="module")
def signed(lab: Path, fake: Fake) -> Iterator[Gateway]:
    """A gateway whose key is an access key id."""
    with gateway(lab, settings(fake, auth={"master_api_key": SIGNING_KEY}), name="signed") as running:
        running.key = SIGNING_KEY
        yield running


@pytest.mark.parametrize("opts", OPTS)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_python(signed: Gateway, fake: Fake, upstream: str, opts: str) -> None:
    program("the Python SDKs")
    run_script(signed, fake, "sdk_py.sh", f"{upstream}/some-model", opts, "anthropic,openai,google,genai,boto3,mistralai").check()


@pytest.mark.parametrize("opts", OPTS)
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_javascript(signed: Gateway, fake: Fake, upstream: str, opts: str) -> None:
    program("the JavaScript SDKs")
    which = "anthropic,openai,google,aws,vercel_anthropic,vercel_chat,vercel_responses,vercel_google,vercel_bedrock"
    run_script(signed, fake, "sdk_js.sh", f"{upstream}/some-model", opts, which).check()
