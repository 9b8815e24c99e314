"""What an encoder leaves out takes nothing with it: no choice among tools that are gone, no empty turn, no broken alternation."""

from typing import Any

import pytest

from llm_api_converter.convert import convert_request

SEARCH = {"type": "web_search_20250305", "name": "web_search"}
WEATHER = {"name": "weather", "input_schema": {"type": "object", "properties": {}}}
USER = {"role": "user", "content": "Look it up"}
FOUND = [
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "tool_search_tool_regex", "input": {"pattern": "weather"}},
    {"type": "tool_search_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "tool_search_tool_search_result", "tool_references": []}},
]
TARGETS = {"openai_chat": "some-model", "openai_responses": "some-model", "gemini": "some-model", "bedrock_converse": "some-model"}
CHOICE = {"openai_chat": "tool_choice", "openai_responses": "tool_choice", "gemini": "toolConfig", "bedrock_converse": "toolConfig"}
TURNS = {"openai_chat": "messages", "openai_responses": "input", "gemini": "contents", "bedrock_converse": "messages"}


def sent(upstream: str, **fields: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    body = {"model": "m", "max_tokens": 100, "messages": [USER], **fields}
    wire, report = convert_request(body, client="anthropic", upstream=upstream, model=TARGETS[upstream])
    return wire.body, [(loss["path"], loss["feature"]) for loss in report]


@pytest.mark.parametrize("upstream", TARGETS)
def test_a_choice_leaves_with_the_last_tool(upstream: str) -> None:
    choice = {"type": "any", "disable_parallel_tool_use": True}
    body, report = sent(upstream, tools=[SEARCH], tool_choice=choice)

    assert "tools" not in body
    assert CHOICE[upstream] not in body
    assert "parallel_tool_calls" not in body
    assert report == [("tools[0]", "web_search"), ("tool_choice", "tool_choice")]


@pytest.mark.parametrize("upstream", TARGETS)
def test_the_choice_of_a_lost_tool_is_no_choice_of_another(upstream: str) -> None:
    body, report = sent(upstream, tools=[SEARCH, WEATHER], tool_choice={"type": "tool", "name": "web_search"})

    assert "web_search" not in str(body)
    assert ("tools[0]", "web_search") in report
    assert ("tool_choice", "tool_choice") in report


@pytest.mark.parametrize("upstream", TARGETS)
def test_a_turn_of_nothing_but_found_tools_is_left_out(upstream: str) -> None:
    said = {"role": "assistant", "content": FOUND}
    body, report = sent(upstream, messages=[USER, said, {"role": "user", "content": "And now?"}])
    turns = body[TURNS[upstream]]

    assert all(turn["role"] == "user" for turn in turns)
    assert len(turns) == (1 if upstream in ("gemini", "bedrock_converse") else 2)
    assert "Look it up" in str(turns)
    assert "And now?" in str(turns)
    assert {path for path, _ in report} == {"messages[1].content[0]", "messages[1].content[1]"}
