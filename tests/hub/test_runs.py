"""What a provider ran: how it is read, marked and told in words."""

import re

import pytest

from llm_api_converter.hub.messages import Found, Hit, Outcome, Page, Ran, Text, ToolCall, ToolResult
from llm_api_converter.hub.runs import MARK, SHOWN_TEXT, code_of, in_words, is_marked, marked_id, queries_of, ran_by, settled, urls_of


def call(name: str, arguments: str) -> ToolCall:
    return ToolCall("c", name, arguments, "provider")


def result(name: str, outcome: Outcome | None = None, text: str = "") -> ToolResult:
    return ToolResult("c", (Text(text),) if text else (), name, runs="provider", outcome=outcome)


READ = [
    ('{"query": "a"}', ("a",), (), None),
    ('{"queries": ["a", " ", 1, "b"]}', ("a", "b"), (), None),
    ('{"type": "search", "query": "", "queries": ["a"]}', ("a",), (), None),
    ('{"url": "https://a"}', (), ("https://a",), None),
    ('{"urls": ["https://a"]}', (), ("https://a",), None),
    ('{"language": "PYTHON", "code": "1"}', (), (), "1"),
    ('{"snippet": "2"}', (), (), "2"),
    ('{"command": "ls"}', (), (), "ls"),
    ('{"command": "view", "path": "/a"}', (), (), None),
    ("[1]", (), (), None),
    ("{broken", (), (), None),
    ("", (), (), None),
]


@pytest.mark.parametrize(("arguments", "queries", "urls", "code"), READ)
def test_arguments_are_read_whatever_they_are_called(
    arguments: str, queries: tuple[str, ...], urls: tuple[str, ...], code: str | None
) -> None:
    made = call("web_search", arguments)
    assert (queries_of(made), urls_of(made), code_of(made)) == (queries, urls, code)


TOLD = [
    (call("web_search", '{"query":"a"}'), result("web_search", Found((Hit("https://x", "X"), Hit("https://y")))),
     "[Searched: a]\n[Found:]\n- X: https://x\n- https://y"),
    (call("web_search", '{"queries":["a","b"]}'), result("web_search", Found()), "[Searched: a; b]"),
    (call("web_fetch", '{"url":"https://x"}'), result("web_fetch", Page("https://x", "X", "words")), "[Opened: https://x]\n[Page: X]\nwords"),
    (call("code_execution", '{"code":"print(1)"}'), result("code_execution", Ran("1\n", "warning")),
     "[Ran this code:]\n```\nprint(1)\n```\n[It printed:]\n1\n\nwarning"),
    (call("code_execution", '{"command":"view","path":"/a"}'), None, '[Used code execution: {"command":"view","path":"/a"}]'),
    (call("mcp", '{"a":1}'), result("mcp", None, "said"), '[Used mcp: {"a":1}]\n[It gave:]\nsaid'),
    (call("other", "{}"), result("other"), None),
    (None, result("web_search", Found((Hit("https://x"),))), "[Found:]\n- https://x"),
]  # fmt: skip


@pytest.mark.parametrize(("made", "got", "words"), TOLD)
def test_words(made: ToolCall | None, got: ToolResult | None, words: str | None) -> None:
    assert in_words(made, got) == words


def test_words_are_few() -> None:
    hits = tuple(Hit(f"https://x/{i}") for i in range(50))
    told = in_words(call("code_execution", '{"code":"' + "x" * 9_000 + '"}'), result("web_search", Found(hits)))
    assert told is not None
    assert len(told) < SHOWN_TEXT + 500
    assert told.count("https://") == 10


SETTLED: list[tuple[ToolResult, Outcome | None]] = [
    (result("web_search"), Found()), (result("web_fetch"), Page("")), (result("code_execution", None, "out"), Ran("out")), (result("mcp"), None),
    (result("mcp", Found()), Found()),
]  # fmt: skip


@pytest.mark.parametrize(("got", "outcome"), SETTLED)
def test_an_outcome_nobody_showed_is_an_empty_one(got: ToolResult, outcome: Outcome | None) -> None:
    assert settled(got) == outcome


def test_marked_ids_are_legal_everywhere_alike_for_a_call_and_stay_as_they_are() -> None:
    made = marked_id("srvtoolu_", "toolu \u00e9/" * 50)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", made)
    assert made == marked_id("srvtoolu_", "toolu \u00e9/" * 50) == marked_id("srvtoolu_", made)
    assert made != marked_id("srvtoolu_", "other")
    assert is_marked(made)
    assert is_marked(f"cntr_{MARK}")
    assert not any(map(is_marked, ("srvtoolu_01", None, 5)))


def test_who_ran_it() -> None:
    assert ran_by(ToolCall("c", "web_search", extras={"~gemini": {}})) == "gemini"
    assert ran_by(ToolCall("c", "web_search", extras={"gemini": {"x": 1}})) == "gemini"
    assert ran_by(ToolCall("c", "web_search")) == ""
