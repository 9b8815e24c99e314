"""The first two minutes of a DeepSeek user: a key and a model's name in the environment, no settings file, Claude Code as it comes."""

from pathlib import Path

import pytest

from .lab import CONTENT, claude, fake_model, gateway, prompt

pytestmark = [pytest.mark.engine, pytest.mark.timeout(150)]


# The fake's rules are OpenAI's; DeepSeek's Chat takes this field.
OWN_FIELD = "Unknown parameter: 'thinking'"


@pytest.mark.parametrize("version", ["Claude Code", "Claude Code (latest)"])
@pytest.mark.parametrize("only", ["", "anthropic", "chat"])
def test_claude_code_without_a_model(tmp_path: Path, only: str, version: str) -> None:
    """Also at a server of DeepSeek's Chat dialect alone: that the other one is not there must not be the user's trouble."""
    with fake_model(tmp_path, *(["--only", only] if only else []), opts="" if only == "chat" else "strict") as fake:
        environ = {"DEEPSEEK_API_KEY": "sk-deepseek-0123456789", "DEEPSEEK_BASE_URL": fake.url, "ANTHROPIC_DEFAULT_MODEL": "deepseek-chat"}
        with gateway(tmp_path, None, environ) as running:
            key_file = tmp_path / "gateway/data/master.key"
            assert str(key_file.relative_to(tmp_path / "gateway")) in running.said()
            running.key = key_file.read_text().strip()
            assert key_file.stat().st_mode & 0o077 == 0
            task = tmp_path / "task"
            claude(running, task, prompt(task / "hello.txt", "thinking,text,parallel=2"), version=version)
        assert [(task / name).read_text() for name in ("hello.txt", "hello.txt.2")] == [CONTENT, CONTENT]
        assert {x["body"]["model"] for x in fake.asked()} == {"deepseek-chat"}
        assert {rule for x in fake.asked() for rule in x["lint"]} <= {OWN_FIELD}
        missing = [x for x in fake.requests() if x.get("refused")]
        assert len(missing) == (1 if only == "chat" else 0), "the missing dialect is asked for once"
