"""Requests, example by example: what each field and item becomes, and how the hub's values are written."""

from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger, compact
from llm_api_converter.hub.messages import (
    CacheMark,
    FileRef,
    Inline,
    Media,
    Message,
    Native,
    Opaque,
    Part,
    PlainText,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    Url,
)
from llm_api_converter.hub.request import ProviderTool, ReasoningAsk, Request, Sampling, Tool, ToolChoice
from llm_api_converter.protocols import codec
from tests.protocols.openai_responses.sdk import CODEC

REALM = "wire.openai_responses"


def decode(**body: Any) -> Request:
    return CODEC.decode_request({"model": "gpt-5", **body})


def encode(request: Request, facts: Facts | None = None) -> tuple[dict[str, Any], list[dict[str, str]]]:
    ledger = Ledger()
    body = CODEC.encode_request(request, facts or Facts(), ledger).body
    return body, compact(ledger.losses)


def again(**body: Any) -> tuple[dict[str, Any], list[dict[str, str]]]:
    return encode(decode(**body))


def user(*parts: Part) -> Request:
    return Request("gpt-5", (Message("user", parts, at="messages[0]"),))


# ------------------------------------------------------------------------------------------------------------------- Codex

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}
EXEC = {"type": "function", "name": "exec_command", "parameters": {"type": "object", "properties": {}}, "strict": False}
AGENTS = {"type": "namespace", "name": "multi_agent_v1", "description": "agents", "tools": [EXEC, {**EXEC, "name": "wait"}]}
CODEX: dict[str, Any] = {
    "tool_choice": "auto",
    "parallel_tool_calls": True,
    "reasoning": {"summary": "auto"},
    "store": False,
    "stream": True,
    "include": ["reasoning.encrypted_content"],
    "prompt_cache_key": "session",
    "client_metadata": {"installation": "x"},
    "text": {"verbosity": "low"},
}
HISTORY: list[dict[str, Any]] = [
    {"type": "message", "id": "msg_0", "role": "developer", "content": [{"type": "input_text", "text": "You are Codex."}]},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Go."}]},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look."}], "content": None, "encrypted_content": "gAAA"},
    {"type": "message", "id": "msg_1", "role": "assistant", "phase": "commentary", "content": [{"type": "output_text", "text": "Looking."}]},
    {"type": "function_call", "id": "fc_1", "name": "exec_command", "arguments": "{}", "call_id": "call_1"},
    {"type": "function_call", "id": "fc_2", "name": "wait", "namespace": "multi_agent_v1", "arguments": "{}", "call_id": "call_2"},
    {"type": "function_call_output", "call_id": "call_1", "output": "done"},
    {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
    {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_3", "name": "apply_patch", "input": "*** Begin Patch"},
    {"type": "custom_tool_call_output", "call_id": "call_3", "output": "ok"},
]


def test_codex_with_functions_a_namespace_and_web_search() -> None:
    tools = [EXEC, AGENTS, {"type": "web_search", "external_web_access": True}]
    request = decode(**CODEX, input=HISTORY, tools=tools)
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    turn = request.messages[2]
    assert [type(part) for part in turn.parts] == [Reasoning, Text, ToolCall, ToolCall]
    assert turn.parts[0] == Reasoning(
        "Look.", True, (Opaque(REALM, "encrypted", "gAAA", "rs_1"),), extras={"~openai_responses": {"id": "rs_1"}}, at="input[2]"
    )
    assert request.tools[1:3] == (
        Tool("exec_command", schema=EXEC["parameters"], strict=False, namespace="multi_agent_v1", namespace_description="agents",
             at="tools[1].tools[0]"),
        Tool("wait", schema=EXEC["parameters"], strict=False, namespace="multi_agent_v1", namespace_description="agents",
             at="tools[1].tools[1]"),
    )  # fmt: skip
    assert request.tools[3] == ProviderTool("web_search", "openai_responses", tools[2], at="tools[2]")
    assert request.reasoning is not None
    assert (request.reasoning.show, request.reasoning.mode) == ("summary", None)
    body, losses = encode(request)
    assert body["tools"] == tools
    assert body["client_metadata"] == {"installation": "x"}
    assert body["include"] == ["reasoning.encrypted_content"]
    assert [item.get("id") for item in body["input"]] == [item.get("id") for item in HISTORY]
    assert body["input"][3]["phase"] == "commentary"
    assert losses == []


def test_codex_with_a_freeform_tool_and_tool_search() -> None:
    tools = [
        {"type": "custom", "name": "apply_patch", "description": "patch", "format": GRAMMAR},
        {"type": "tool_search", "execution": "client", "description": "find", "parameters": {}},
    ]
    request = decode(**CODEX, input=HISTORY, tools=tools)
    assert request.tools[0] == Tool("apply_patch", "patch", custom=True, format=GRAMMAR, at="tools[0]")
    assert isinstance(request.tools[1], ProviderTool)
    assert request.tools[1].kind == "tool_search"
    call, result = request.messages[4].parts[0], request.messages[5].parts[0]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert (call.custom, call.arguments, result.custom) == (True, "*** Begin Patch", True)
    body, losses = encode(request)
    assert (body["tools"], losses) == (tools, [])


def test_codex_with_tools_inside_the_input() -> None:
    item = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [
            {"type": "namespace", "name": "functions", "description": "", "tools": [{"type": "custom", "name": "exec", "format": {"type": "text"}}]},
            {"type": "namespace", "name": "collaboration", "description": "", "tools": [EXEC]},
        ],
    }
    request = decode(**CODEX, input=[HISTORY[0], item, HISTORY[1]])
    assert [(tool.namespace, tool.name, tool.at) for tool in request.tools if isinstance(tool, Tool)] == [
        ("functions", "exec", "input[1].tools[0].tools[0]"), ("collaboration", "exec_command", "input[1].tools[1].tools[0]"),
    ]
    assert [message.at for message in request.messages] == ["input[0]", "input[2]"]
    body, losses = encode(request)
    assert "tools" not in body
    assert body["input"][1] == item
    assert losses == []


def test_tools_a_search_has_found_can_be_called_elsewhere() -> None:
    found = {"type": "tool_search_output", "call_id": "c", "execution": "client", "status": "completed", "tools": [AGENTS]}
    request = decode(input=[{"role": "user", "content": "x"}, {"type": "tool_search_call", "call_id": "c", "arguments": {"q": 1}}, found])
    assert [tool.name for tool in request.tools] == ["exec_command", "wait"]
    body, losses = encode(request)
    assert "tools" not in body
    assert body["input"][2] == found
    assert losses == []


# ------------------------------------------------------------------------------------------------------------------- items

ITEMS: dict[str, dict[str, Any]] = {
    "web_search_call": {"id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
    "file_search_call": {"id": "fs_1", "status": "completed", "queries": ["x"], "results": [{"text": "y"}]},
    "code_interpreter_call": {"id": "ci_1", "status": "completed", "code": "1", "container_id": "c", "outputs": [{"type": "logs", "logs": "1"}]},
    "image_generation_call": {"id": "ig_1", "status": "completed", "result": "iVBORw0KGgo="},
    "mcp_call": {"id": "mcp_1", "name": "ask", "server_label": "s", "arguments": '{"a":1}', "output": "yes"},
    "mcp_list_tools": {"id": "mcpl_1", "server_label": "s", "tools": []},
    "mcp_approval_request": {"id": "mcpr_1", "name": "ask", "server_label": "s", "arguments": "{}"},
    "mcp_approval_response": {"approval_request_id": "mcpr_1", "approve": True},
    "computer_call": {"id": "cu_1", "call_id": "c", "action": {"type": "screenshot"}, "status": "completed", "pending_safety_checks": []},
    "computer_call_output": {"call_id": "c", "output": {"type": "computer_screenshot", "image_url": "https://example.com/a.png"}},
    "local_shell_call": {"id": "lsh_1", "call_id": "c", "action": {"type": "exec", "command": ["ls"], "env": {}}, "status": "completed"},
    "local_shell_call_output": {"id": "c", "output": "a"},
    "shell_call": {"call_id": "c", "action": {"commands": ["ls"]}},
    "shell_call_output": {"call_id": "c", "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
    "apply_patch_call": {"call_id": "c", "operation": {"type": "delete_file", "path": "a"}, "status": "completed"},
    "apply_patch_call_output": {"call_id": "c", "status": "completed"},
    "compaction": {"id": "cmp_1", "encrypted_content": "gAAA"},
    "compaction_trigger": {},
    "item_reference": {"id": "msg_1"},
    "program": {"id": "cm_1", "call_id": "c", "code": "x", "fingerprint": "f"},
    "of_the_future": {"id": "x", "anything": [1]},
}  # fmt: skip
FROM_USER = {
    "mcp_approval_response", "computer_call_output", "local_shell_call_output", "shell_call_output", "apply_patch_call_output",
    "compaction_trigger", "item_reference",
}  # fmt: skip
HOSTED = {
    "web_search_call": "web_search", "file_search_call": "file_search", "code_interpreter_call": "code_execution",
    "image_generation_call": "image_generation", "mcp_call": "mcp",
}  # fmt: skip


@pytest.mark.parametrize("kind", ITEMS)
def test_every_item_goes_back_whole(kind: str) -> None:
    item = {"type": kind, **ITEMS[kind]}
    request = decode(input=[{"type": "message", "role": "user", "content": "a"}, item, {"type": "message", "role": "user", "content": "b"}])
    assert [message.role for message in request.messages] == ["user", "user" if kind in FROM_USER else "assistant", "user"]
    parts = request.messages[1].parts
    if kind in HOSTED:
        call, result = parts
        assert isinstance(call, ToolCall)
        assert isinstance(result, ToolResult)
        assert (call.name, call.runs, result.runs, result.call_id) == (HOSTED[kind], "provider", "provider", call.id)
    else:
        assert parts == (Native("openai_responses", kind, item, at="input[1]"),)
    body, losses = encode(request)
    assert body["input"][1] == item
    assert losses == []


def test_reasoning_by_its_id_alone_is_state_of_the_provider() -> None:
    items = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "message", "role": "assistant", "content": "x"}]
    part = decode(input=items).messages[0].parts[0]
    assert isinstance(part, Reasoning)
    assert part.tokens == (Opaque(REALM, "reference", "rs_1", "rs_1"),)
    assert again(input=items)[0]["input"][0] == items[0]


def test_reasoning_keeps_its_parts() -> None:
    summary = [{"type": "summary_text", "text": "a\n\nb"}, {"type": "summary_text", "text": "c"}]
    item = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA"}
    raw = {"type": "reasoning", "id": "rs_2", "summary": summary, "content": [{"type": "reasoning_text", "text": "raw"}]}
    request = decode(input=[item, raw])
    first, second = request.messages[0].parts
    assert isinstance(first, Reasoning)
    assert isinstance(second, Reasoning)
    assert (first.text, first.summary, second.text, second.summary) == ("a\n\nb\n\nc", True, "raw", False)
    assert encode(request)[0]["input"] == [item, raw]


def test_a_second_message_begins_another_turn_and_order_stays() -> None:
    items = [
        {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}, {"type": "function_call", "name": "f", "call_id": "c", "arguments": ""},
        {"role": "user", "content": "d"}, {"type": "function_call_output", "call_id": "c", "output": "e"},
    ]
    request = decode(input=items)
    assert [(message.role, message.at, len(message.parts)) for message in request.messages] == [
        ("assistant", "input[0]", 1), ("assistant", "input[1]", 2), ("user", "input[3]", 1), ("user", "input[4]", 1),
    ]
    call = request.messages[1].parts[1]
    assert isinstance(call, ToolCall)
    assert call.arguments == "{}"


# ----------------------------------------------------------------------------------------------------------- content parts

PARTS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "input_text", "text": "x"}, Text("x")),
    ({"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
     Text("x", cache=CacheMark(at="input[0].content[0].prompt_cache_breakpoint"))),
    ({"type": "input_image", "image_url": "data:image/gif;base64,R0lG", "detail": "low"}, Media("image", Inline("R0lG"), "image/gif", detail="low")),
    ({"type": "input_image", "image_url": "https://example.com/a.png"}, Media("image", Url("https://example.com/a.png"))),
    ({"type": "input_image", "file_id": "file-1", "detail": "auto"}, Media("image", FileRef("openai_responses", "file-1"), detail="auto")),
    ({"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}, Media("document", Inline("JVBE"), "application/pdf", "a.pdf")),
    ({"type": "input_file", "file_url": "https://example.com/a.pdf"}, Media("document", Url("https://example.com/a.pdf"))),
    ({"type": "input_file", "file_id": "file-1"}, Media("document", FileRef("openai_responses", "file-1"))),
    ({"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}, Media("audio", Inline("UklG"), "audio/wav")),
    ({"type": "of_the_future", "x": 1}, Native("openai_responses", "of_the_future", {"type": "of_the_future", "x": 1})),
]


@pytest.mark.parametrize(("wire", "part"), PARTS, ids=[str(wire)[:60] for wire, _ in PARTS])
def test_content_both_ways(wire: dict[str, Any], part: Part) -> None:
    content = [wire, {"type": "input_text", "text": "."}]
    request = decode(input=[{"type": "message", "role": "user", "content": content}])
    got = request.messages[0].parts[0]
    assert got.at == "input[0].content[0]"
    assert [getattr(got, name) for name in part.__struct_fields__ if name != "at"] == [
        getattr(part, name) for name in part.__struct_fields__ if name != "at"
    ]
    body, losses = encode(request, Facts(cache_marks=4))
    assert body["input"][0]["content"] == content
    assert losses == []


def test_bare_file_data_stays_bare_and_is_known_by_its_name() -> None:
    content = [{"type": "input_file", "file_data": "JVBE", "filename": "A.PDF"}]
    part = decode(input=[{"role": "user", "content": content}]).messages[0].parts[0]
    assert isinstance(part, Media)
    assert part.media_type == "application/pdf"
    assert again(input=[{"role": "user", "content": content}])[0]["input"][0]["content"] == content


def test_media_of_other_protocols() -> None:
    request = user(
        Media("document", PlainText("hi"), "text/plain", at="a"),
        Media("document", Inline("JVBE"), "application/pdf", at="b"),
        Media("image", FileRef("anthropic", "file_1"), at="c"),
        Media("video", Url("https://example.com/a.mp4"), at="d"),
        ToolResult("call_1", (Text("x"), Media("image", Inline("iVBO"), "image/png"), ToolReference("t", at="e")), is_error=True, at="f"),
    )
    body, losses = encode(request)
    assert body["input"][0]["content"] == [
        {"type": "input_file", "file_data": "data:text/plain;base64,aGk=", "filename": "document.txt"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,JVBE", "filename": "document.pdf"},
    ]
    assert body["input"][1]["output"][2] == {"type": "input_image", "image_url": "data:image/png;base64,iVBO"}
    assert {(loss["path"], loss["class"]) for loss in losses} == {
        ("c", "content"), ("d", "content"), ("e", "tools"), ("f", "tools"),
    }


# ---------------------------------------------------------------------------------------------------------------- settings

CHOICES: list[tuple[Any, ToolChoice]] = [
    ("auto", ToolChoice("auto")),
    ("none", ToolChoice("none")),
    ("required", ToolChoice("any")),
    ({"type": "function", "name": "exec_command"}, ToolChoice("one", "exec_command")),
    ({"type": "custom", "name": "patch"}, ToolChoice("one", "patch")),
    ({"type": "web_search"}, ToolChoice("one", "web_search")),
    ({"type": "mcp", "server_label": "s", "name": "ask"}, ToolChoice("one", "ask")),
    ({"type": "apply_patch"}, ToolChoice("one", "apply_patch")),
    (
        {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "exec_command"}, {"type": "mcp", "server_label": "s"}]},
        ToolChoice("any", allowed=("exec_command", "s")),
    ),
]


@pytest.mark.parametrize(("wire", "choice"), CHOICES, ids=[str(wire)[:40] for wire, _ in CHOICES])
def test_tool_choice_both_ways(wire: Any, choice: ToolChoice) -> None:
    tools = [EXEC, {"type": "custom", "name": "patch"}]
    got = decode(input="x", tools=tools, tool_choice=wire).tool_choice
    assert got is not None
    assert (got.mode, got.name, got.allowed) == (choice.mode, choice.name, choice.allowed)
    body, losses = again(input="x", tools=tools, tool_choice=wire)
    assert (body["tool_choice"], losses) == (wire, [])
    foreign = Request("m", (), (Tool("exec_command"), Tool("patch", custom=True)), ToolChoice("one", "patch"))
    assert encode(foreign)[0]["tool_choice"] == {"type": "custom", "name": "patch"}


SETTINGS: dict[str, Any] = {
    "instructions": "Be short.",
    "temperature": 0.5,
    "top_p": 0.9,
    "max_output_tokens": 100,
    "parallel_tool_calls": False,
    "reasoning": {"effort": "high", "summary": "detailed", "context": "all_turns"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}, "verbosity": "low", "odd": 1},
    "metadata": {"a": "b"},
    "store": False,
    "user": "u",
    "safety_identifier": "s",
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "service_tier": "flex",
    "top_logprobs": 2,
    "truncation": "auto",
    "background": True,
    "previous_response_id": "resp_1",
    "conversation": {"id": "conv_1"},
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "stream_options": {"include_obfuscation": False},
    "max_tool_calls": 3,
    "of_the_future": {"x": [1]},
}


def test_settings_both_ways() -> None:
    request = decode(input="x", **SETTINGS)
    assert request.messages[0] == Message("system", (Text("Be short.", at="instructions"),), at="instructions", spelled="instructions")
    assert (request.max_tokens, request.user, request.store, request.verbosity, request.cache_key) == (100, "u", False, "low", "k")
    assert request.sampling == Sampling(0.5, 0.9)
    assert request.path("max_tokens") == "max_output_tokens"
    body, losses = encode(request)
    assert body == {"model": "gpt-5", "input": "x", **SETTINGS}
    assert losses == []


def test_what_only_this_protocol_says_is_foreign_to_others() -> None:
    extras = decode(input="x", **SETTINGS).extras
    assert extras is not None
    assert {"previous_response_id", "conversation", "background", "truncation", "of_the_future", "text.odd"} <= set(extras["openai_responses"])
    assert set(decode(input="x", **CODEX).extras or {}) == {"~openai_responses", "openai_responses"}
    assert set((decode(input="x", **CODEX).extras or {})["openai_responses"]) == {"client_metadata"}


def test_the_end_users_name_goes_back_to_its_field() -> None:
    assert again(input="x", safety_identifier="s")[0]["safety_identifier"] == "s"
    assert decode(input="x", safety_identifier="s").user == "s"


def test_a_foreign_request_asks_for_encrypted_reasoning_where_it_is_given() -> None:
    request = Request("gpt-5", (Message("user", (Text("x"),)),), reasoning=ReasoningAsk("on", "high", show="summary"))
    body, _ = encode(request, Facts(realm="openai.responses", reasoning_input="effort"))
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body["reasoning"] == {"effort": "high", "summary": "auto"}
    assert "include" not in encode(request)[0]


def test_a_foreign_history_in_items() -> None:
    sealed = Opaque("openai.responses", "encrypted", "gAAA", "rs_9")
    request = Request(
        "gpt-5",
        (
            Message("system", (Text("S"),), at="system"),
            Message("user", (Text("a"), Text("b"))),
            Message("assistant", (Reasoning("r", tokens=(sealed,)), Text("t"), Refusal("no"), ToolCall("call_1", "f"))),
            Message("user", (ToolResult("call_1", (Text("ok"),)), Text("more"))),
            Message("assistant", (Reasoning("x", tokens=(Opaque("wire.anthropic", "signature", "s"),), at="messages[3].content[0]"),)),
        ),
        (Tool("f"),),
    )
    body, losses = encode(request, Facts(accepts_realms=("openai.responses",)))
    assert body["input"] == [
        {"type": "message", "role": "system", "content": "S"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "r"}], "encrypted_content": "gAAA", "id": "rs_9"},
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "annotations": [], "text": "t"}, {"type": "refusal", "refusal": "no"},
        ]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "ok"},
        {"type": "message", "role": "user", "content": "more"},
    ]  # fmt: skip
    assert body["tools"] == [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}]
    assert {loss["class"] for loss in losses} == {"state"}


def test_unsigned_reasoning_goes_where_it_is_taken() -> None:
    request = Request("m", (Message("assistant", (Reasoning("r", at="x"), Text("t"))),))
    assert encode(request)[1] == [{"path": "x", "feature": "thinking", "action": "dropped", "class": "state"}]
    body, losses = encode(request, Facts(reasoning_unsigned=True))
    assert body["input"][0] == {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "r"}]}
    assert losses == []


def test_a_grammar_in_chats_spelling() -> None:
    grammar = {"syntax": "lark", "definition": "d"}
    flat = {"type": "custom", "name": "t", "format": {"type": "grammar", **grammar}}
    nested = {"type": "custom", "custom": {"name": "t", "format": {"type": "grammar", "grammar": grammar}}}
    chat = codec("openai_chat")

    asked = chat.decode_request({"model": "m", "messages": [], "tools": [nested]})
    assert encode(asked)[0]["tools"] == [flat]
    assert chat.encode_request(decode(tools=[flat]), Facts(), Ledger()).body["tools"] == [nested]
    assert chat.encode_request(asked, Facts(), Ledger()).body["tools"] == [nested]
    text = {"type": "custom", "custom": {"name": "t", "format": {"type": "text"}}}
    assert chat.encode_request(chat.decode_request({"model": "m", "messages": [], "tools": [text]}), Facts(), Ledger()).body["tools"] == [text]


def test_counts_ask_only_for_what_counts() -> None:
    request = CODEC.decode_count_request({"input": "x", "model": "m", "temperature": 1, "tools": [EXEC]})  # type: ignore[misc]
    wire = CODEC.encode_count_request(request, Facts(), Ledger())  # type: ignore[misc]
    assert wire.body == {"model": "m", "input": "x", "tools": [EXEC]}
    assert CODEC.decode_count_request({}).model == ""  # type: ignore[misc]


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"input": 1}, "input"),
    ({"input": [1]}, "input[0]"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
    ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].file_data"),
    ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].call_id"),
    ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name"),
    ({"input": [{"type": "function_call_output", "output": "x"}]}, "input[0].call_id"),
    ({"input": [{"type": "reasoning", "summary": [{}]}]}, "input[0].summary[0].text"),
    ({"input": "x", "tools": [{"type": "function"}]}, "tools[0].name"),
    ({"input": "x", "tool_choice": "maybe"}, "tool_choice"),
    ({"input": "x", "temperature": "hot"}, "temperature"),
    ({"input": "x", "metadata": {"a": 1}}, "metadata.a"),
    ({"input": "x", "text": {"format": {"type": "xml"}}}, "text.format.type"),
]


@pytest.mark.parametrize(("body", "path"), MISTAKES, ids=[path for _, path in MISTAKES])
def test_mistakes_are_named_by_their_path(body: dict[str, Any], path: str) -> None:
    with pytest.raises(ApiError) as caught:
        decode(**body)
    assert caught.value.kind == "invalid"
    assert caught.value.path == path


def test_a_request_needs_a_model() -> None:
    with pytest.raises(ApiError) as caught:
        CODEC.decode_request({"input": "x"})
    assert caught.value.path == "model"
    assert CODEC.decode_request({"input": "x"}, model="from-route").model == "from-route"
