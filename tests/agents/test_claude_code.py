"""Claude Code through the gateway, onto an upstream that speaks Chat and one that speaks Anthropic.

The model's name decides what Claude Code sends: names of the 4-5 models get a thinking budget; newer and unknown names get adaptive
thinking, effort, and system messages in the middle of the conversation. Two versions: what npm installs on an old node, and the newest.
"""

from pathlib import Path

import pytest

from .lab import Fake, Gateway, program, run_script

pytestmark = [pytest.mark.engine, pytest.mark.timeout(150)]

# What is asked of the upstream, and how many requests a client that is well served needs for it.
CASES = {
    "": 2, "thinking,text": 2, "parallel=3": 2, "steps=3": 4, "split=awkward,bytesplit=7": 2, "thinking,text,parallel=2,split=awkward": 2,
    "err=429x2": 4, "err=529x1": 3, "err=500x1": 3, "mid=overloaded,split=20": 3, "mid=cut,split=20": 3, "pretool=ToolSearch": 3, "slow=50": 2,
}


@pytest.fixture(scope="module", params=["Claude Code", "Claude Code (latest)"])
def clients(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of clients that holds this version of Claude Code where the kit looks for it."""
    home = tmp_path_factory.mktemp("clients")
    (home / "npm").mkdir()
    (home / "npm/claude").symlink_to(program(request.param).parents[2])
    return home


@pytest.mark.parametrize("opts", CASES)
@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "claude-opus-4-8"])
@pytest.mark.parametrize("upstream", ["chat", "anthropic"])
def test_the_task_is_done(served: Gateway, fake: Fake, clients: Path, upstream: str, model: str, opts: str) -> None:
    # With a gateway's address, old versions defer tools only when they are told to.
    deferred = {"EXTRA_ENV": "ENABLE_TOOL_SEARCH=true"} if "ToolSearch" in opts else {}
    run = run_script(served, fake, "claude_code.sh", f"{upstream}/{model}", opts, clients=clients, **deferred)
    run.check()
    assert {x["proto"] for x in run.asked} == {upstream}
    assert len(run.asked) == CASES[opts], [(x["stream"], x["plan"]) for x in run.asked]


# (upstream, model) -> the protocol it is asked in. The fake's answers of InvokeModel name no model, which spoils only whole answers.
OTHERS = {
    ("responses", "gpt-5.5"): "responses", ("gemini", "gemini-3.1-pro-preview"): "gemini", ("gemini", "gemini-2.5-pro"): "gemini",
    ("bedrock", "qwen.qwen3-coder"): "bedrock", ("bedrock", "anthropic.claude-sonnet-4-5"): "anthropic",
}


WAYS = ["thinking,text,parallel=3,split=awkward,bytesplit=7", "steps=3,thinking", "err=429x1", "mid=cut,split=20"]


@pytest.mark.parametrize(
    ("upstream", "model", "opts"), [(*key, opts) for key, spoken in OTHERS.items() for opts in WAYS if spoken != "anthropic" or "mid" not in opts]
)
def test_other_upstreams(served: Gateway, fake: Fake, upstream: str, model: str, opts: str) -> None:
    program("Claude Code")
    run = run_script(served, fake, "claude_code.sh", f"{upstream}/{model}", opts)
    run.check()
    assert {x["proto"] for x in run.asked} == {OTHERS[upstream, model]}
