"""docs/logs.md against what the gateway logs, and prompts where they are asked for."""

import ast
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_api_converter.hub.errors import ERROR_KINDS
from llm_api_converter.observe.logs import Redactor, configure
from llm_api_converter.observe.traces import open_tracing
from tests.fakes import Lines, json_reply, sse_reply
from tests.server.test_pipeline import ANTHROPIC_ASK, CHAT, CHAT_ANSWER, CHAT_ASK, CHAT_STREAM, MESSAGES, case, post

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
LEVELS = ("debug", "info", "warning", "error", "critical", "exception")
PAGE = (ROOT / "docs" / "logs.md").read_text()


def rows(title: str) -> list[tuple[str, str]]:
    """First and second cell of the table under a heading."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, re.MULTILINE)


async def test_the_fields_of_a_request_line_are_those_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    lines = Lines()
    cached = {**CHAT_ANSWER, "usage": {**CHAT_ANSWER["usage"], "prompt_tokens_details": {"cached_tokens": 4}}}
    replies = [json_reply(cached), json_reply({"error": {"message": "no"}}, 400)]
    async with case(replies) as (running, _, http):
        running.app.runtime.access_log = lines  # type: ignore[assignment]
        tracing = running.app.runtime.tracing = open_tracing()
        await post(http, running.url + MESSAGES, {**ANTHROPIC_ASK, "top_k": 5})
        await post(http, running.url + CHAT, CHAT_ASK)
        tracing.close()
    fields = {name for line in lines for name in line}
    assert fields == {name for name, _ in rows("The line of a request")}


def test_every_kind_of_error_is_on_the_page() -> None:
    said = next(text for name, text in rows("The line of a request") if name == "error")
    assert tuple(re.findall(r"`(\w+)`", said)) == ERROR_KINDS


def events() -> Iterator[tuple[str, str]]:
    """(event, level) of every call of a logger in the source."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name)
            if called and node.func.value.id == "log" and node.func.attr in LEVELS:  # type: ignore[attr-defined]
                first = node.args[0]  # type: ignore[attr-defined]
                said = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
                for event in said:
                    assert isinstance(event, ast.Constant), f"{path}:{node.lineno}: an event is a constant"  # type: ignore[attr-defined]
                    yield str(event.value), node.func.attr  # type: ignore[attr-defined]


def test_every_event_is_on_the_page_with_its_levels() -> None:
    logged: dict[str, set[str]] = {}
    for event, level in events():
        logged.setdefault(event, set()).add("error" if level == "exception" else level)
    assert {event: set(levels.split(", ")) for event, levels in rows("Other lines")} == logged


async def test_prompts_are_printed_where_that_is_asked_for() -> None:
    out = io.BytesIO()
    writer = configure("info", out=out, redactor=Redactor(["sk-upstream-secret-1"]))
    for wanted, stream in ((True, False), (True, True), (False, False)):
        async with case([sse_reply(*CHAT_STREAM) if stream else json_reply(CHAT_ANSWER)], logging={"print_prompts": wanted}) as (running, _, http):
            ask = {**ANTHROPIC_ASK, "stream": stream, "system": "the key is sk-upstream-secret-1"}
            _, answer, headers = await post(http, running.url + MESSAGES, ask)
        writer.flush()
        lines = [json.loads(line) for line in out.getvalue().splitlines() if headers["x-request-id"].encode() in line and b'"prompts"' in line]
        assert len(lines) == wanted
        for line in lines:
            assert json.loads(line["request"]) == {**ask, "system": "the key is ***"}
            assert line["answer"] == answer.decode()
