"""`llm-api-converter convert`, as a user runs it: bytes in, bytes out, the report beside them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from llm_api_converter.cli import app
from llm_api_converter.hub.events import Event
from llm_api_converter.protocols import codec
from tests.test_convert import ANSWER, ASK, streamed

runner = CliRunner()


def run(*arguments: str, given: bytes | None = None) -> Result:
    return runner.invoke(app, ["convert", *arguments], input=given)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_request_from_standard_input() -> None:
    body = {**ASK["anthropic"], "top_k": 5}
    result = run("--from", "anthropic", "--to", "openai_chat", "--model", "gpt-4o", given=json.dumps(body).encode())
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {**ASK["openai_chat"], "model": "gpt-4o"}
    assert lines(result.stderr) == [{"path": "top_k", "feature": "top_k", "action": "dropped", "class": "tuning"}]


def test_a_request_from_a_file_with_its_path_and_headers(tmp_path: Path) -> None:
    (tmp_path / "ask.json").write_text(json.dumps(ASK["openai_chat"]))
    result = run("--from", "openai_chat", "--to", "anthropic", "--whole", str(tmp_path / "ask.json"))
    assert result.exit_code == 0
    assert result.stderr == ""
    whole = json.loads(result.stdout)
    assert (whole["method"], whole["path"], whole["headers"]) == ("POST", "/v1/messages", {"anthropic-version": "2023-06-01"})
    assert whole["body"]["max_tokens"] == 50


def test_the_provider_sharpens_the_facts() -> None:
    ask = json.dumps({**ASK["openai_chat"], "prompt_cache_key": "k"}).encode()
    arguments = ("--from", "openai_chat", "--to", "openai_responses", "--model", "gpt-5")
    assert "prompt_cache_key" not in json.loads(run(*arguments, given=ask).stdout)
    assert json.loads(run(*arguments, "--provider", "openai", given=ask).stdout)["prompt_cache_key"] == "k"


def test_an_answer_with_the_request_it_belongs_to(tmp_path: Path) -> None:
    (tmp_path / "ask.json").write_text(json.dumps({**ASK["openai_chat"], "model": "my-name"}))
    result = run(
        "--from", "gemini", "--to", "openai_chat", "--response", "--request", str(tmp_path / "ask.json"),
        given=json.dumps(ANSWER["gemini"]).encode(),
    )  # fmt: skip
    assert result.exit_code == 0
    answer = json.loads(result.stdout)
    assert (answer["model"], answer["choices"][0]["message"]["content"]) == ("my-name", "Hello")


@pytest.mark.parametrize(("source", "target"), [("bedrock_converse", "anthropic"), ("openai_chat", "bedrock_converse")])
def test_a_stream_is_bytes_in_and_bytes_out(source: str, target: str) -> None:
    result = run("--from", source, "--to", target, "--stream", given=streamed(source))
    assert result.exit_code == 0
    decoder = codec(target).stream_decoder()
    events: list[Event] = [*decoder.feed(result.stdout_bytes), *decoder.finish()]
    assert "Hello" in "".join(getattr(x, "text", "") for x in events)
    assert result.stderr == ""


def test_a_live_stream_comes_out_as_it_goes_in() -> None:
    command = [sys.executable, "-m", "llm_api_converter", "convert", "--from", "openai_chat", "--to", "anthropic", "--stream"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    first, rest = streamed("openai_chat").split(b"\n\n", 1)
    process.stdin.write(first + b"\n\n")
    process.stdin.flush()
    assert process.stdout.readline() == b"event: message_start\n"
    process.stdin.write(rest)
    process.stdin.close()
    assert b"message_stop" in process.stdout.read()
    process.stdout.close()
    assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("given", "message", "path"),
    [
        (b'{"model": "m"', "not valid JSON", None),
        (b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "image"}]}]}', "required",
         "messages[0].content[0].source"),
    ],
)  # fmt: skip
def test_bad_input_ends_with_1_and_says_where(given: bytes, message: str, path: str | None) -> None:
    result = run("--from", "anthropic", "--to", "gemini", given=given)
    assert result.exit_code == 1
    assert result.stdout == ""
    (error,) = lines(result.stderr)
    assert error["error"] == "invalid"
    assert message in error["message"]
    assert error.get("path") == path


def test_a_cut_stream_ends_with_1_and_the_clients_error() -> None:
    result = run("--from", "openai_chat", "--to", "anthropic", "--stream", given=streamed("openai_chat").partition(b"\n\n")[0] + b"\n\n")
    assert result.exit_code == 1
    assert b"event: error" in result.stdout_bytes
    assert lines(result.stderr)[-1]["error"] == "upstream_incomplete"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--from", "chat", "--to", "gemini"),
        ("--from", "gemini"),
        ("--from", "gemini", "--to", "anthropic", "--response", "--stream"),
        ("--from", "gemini", "--to", "anthropic", "no-such-file.json"),
    ],
)
def test_wrong_usage_ends_with_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments, given=b"{}").exit_code == 2
