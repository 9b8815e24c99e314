"""Gemini CLI through the gateway, onto upstreams of every protocol."""

import pytest

from .lab import Fake, Gateway, program, run_script

pytestmark = [pytest.mark.engine, pytest.mark.timeout(150)]

CASES = {
    "": 2, "thinking,text,parallel=3,split=awkward,bytesplit=7": 2, "steps=5": 6, "err=429x2": 4, "err=500x1": 3, "mid=error,split=20": 3,
    "mid=cut,split=20": 3,
}


@pytest.mark.parametrize("opts", CASES)
@pytest.mark.parametrize("model", ["chat/gemini-2.5-pro", "chat/some-model", "anthropic/some-model"])
def test_the_task_is_done(served: Gateway, fake: Fake, model: str, opts: str) -> None:
    program("Gemini CLI")
    run = run_script(served, fake, "gemini.sh", model, opts)
    run.check()
    assert len(run.asked) == CASES[opts], [(x["stream"], x["plan"]) for x in run.asked]


@pytest.mark.parametrize("opts", ["thinking,text,parallel=3,split=awkward,bytesplit=7", "steps=3,thinking", "err=429x1"])
@pytest.mark.parametrize("model", ["responses/gpt-5.5", "gemini/gemini-3.1-pro-preview", "bedrock/qwen.qwen3-coder"])
def test_other_upstreams(served: Gateway, fake: Fake, model: str, opts: str) -> None:
    program("Gemini CLI")
    run = run_script(served, fake, "gemini.sh", model, opts)
    run.check()
    assert {x["proto"] for x in run.asked} == {model.partition("/")[0]}
