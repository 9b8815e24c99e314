"""Requests: wire in, neutral out, and what the neutral becomes for targets of different facts."""

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
    PartList,
    PlainText,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    Url,
)
from llm_api_converter.hub.request import AudioOut, OutputFormat, ProviderTool, ReasoningAsk, Request, Sampling, Tool, ToolChoice
from llm_api_converter.protocols.openai_chat import CODEC

R = "wire.openai_chat"
M0, C0 = "messages[0]", "messages[0].content[0]"


def decode(**fields: Any) -> Request:
    return CODEC.decode_request({"model": "m", "messages": [], **fields})


def message(value: dict[str, Any]) -> Message:
    return decode(messages=[value]).messages[0]


def encode(request: Request, facts: Facts | None = None) -> tuple[dict[str, Any], list[dict[str, str]]]:
    ledger = Ledger()
    wire = CODEC.encode_request(request, facts or Facts(), ledger)
    return wire.body, compact(ledger.losses)


def encode_one(one: Message, facts: Facts | None = None) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    body, report = encode(Request("m", (one,)), facts)
    return body["messages"], report


PARTS: list[tuple[Any, Any]] = [
    ({"type": "text", "text": "a"}, Text("a", at=C0)),
    ("a", Text("a", at=C0)),
    ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, Text("a", cache=CacheMark(3600), at=C0)),
    ({"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
     Text("a", cache=CacheMark(at=f"{C0}.prompt_cache_breakpoint"), at=C0)),
    ({"type": "text", "text": "a", "odd": 1}, Text("a", extras={"openai_chat": {"odd": 1}}, at=C0)),
    ({"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}, Media("image", Url("https://x/a.png"), detail="low", at=C0)),
    ({"type": "image_url", "image_url": "data:image/png;base64,AAAA"}, Media("image", Inline("AAAA"), "image/png", at=C0)),
    ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}, Media("audio", Inline("AAAA"), "audio/mpeg", at=C0)),
    ({"type": "input_audio", "input_audio": "AAAA"}, Media("audio", Inline("AAAA"), at=C0)),
    (
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
        Media("document", Inline("AAAA"), "application/pdf", "a.pdf", at=C0),
    ),
    ({"type": "file", "file": {"filename": "a.pdf", "file_data": "AAAA"}}, Media("document", Inline("AAAA"), "application/pdf", "a.pdf", at=C0)),
    ({"type": "file", "file": {"file_data": "https://x/a.pdf"}}, Media("document", Url("https://x/a.pdf"), at=C0)),
    ({"type": "file", "file": {"file_id": "file-1"}}, Media("document", FileRef("openai_chat", "file-1"), at=C0)),
    ({"type": "document_url", "document_url": "https://x/a.pdf", "document_name": "a"}, Media("document", Url("https://x/a.pdf"), name="a", at=C0)),
    ({"type": "video_url", "video_url": {"url": "https://x/a.mp4", "fps": 2}},
     Media("video", Url("https://x/a.mp4"), extras={"openai_chat": {"video_url.fps": 2}}, at=C0)),
    ({"type": "refusal", "refusal": "no"}, Refusal("no", at=C0)),
    ({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True}, Reasoning("hm", at=C0)),
    ({"type": "new", "x": 1}, Native("openai_chat", "new", {"type": "new", "x": 1}, at=C0)),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "part"), PARTS)
def test_content_parts(wire: Any, part: Any) -> None:
    assert message({"role": "user", "content": [wire]}).parts == (part,)


MESSAGES: list[tuple[dict[str, Any], Message]] = [
    ({"role": "system", "content": "a"}, Message("system", (Text("a", at=f"{M0}.content"),), at=M0)),
    ({"role": "developer", "content": "a"}, Message("system", (Text("a", at=f"{M0}.content"),), at=M0, spelled="developer")),
    ({"role": "user", "content": "a", "name": "ann"}, Message("user", (Text("a", at=f"{M0}.content"),), "ann", M0)),
    ({"role": "user", "content": "a", "cache_control": {"type": "ephemeral"}}, Message("user", (Text("a", cache=CacheMark(at=f"{M0}.cache_control"), at=f"{M0}.content"),), at=M0)),
    ({"role": "user", "content": "a", "odd": 1}, Message("user", (Text("a", at=f"{M0}.content"),), at=M0, extras={"openai_chat": {"odd": 1}})),
    ({"role": "assistant", "content": ""}, Message("assistant", (), at=M0)),
    ({"role": "assistant", "content": None, "refusal": "no"}, Message("assistant", (Refusal("no", at=f"{M0}.refusal"),), at=M0)),
    (
        {"role": "assistant", "audio": {"id": "au"}},
        Message("assistant", (Media("audio", FileRef("openai_chat", "au"), at=f"{M0}.audio"),), at=M0),
    ),
    (
        {"role": "assistant", "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        Message("assistant", (ToolCall("x", "f", at=f"{M0}.tool_calls[0]"),), at=M0),
    ),
    (
        {"role": "assistant", "tool_calls": [{"id": "x", "type": "custom", "custom": {"name": "f", "input": "ls"}}]},
        Message("assistant", (ToolCall("x", "f", "ls", custom=True, at=f"{M0}.tool_calls[0]"),), at=M0),
    ),
    (
        {"role": "assistant", "tool_calls": [
            {"id": "x", "function": {"name": "f", "arguments": "{", "odd": 1}, "extra_content": {"gateway": {"seal": "S"}, "google": {"a": 1}}}]},
        Message("assistant", (ToolCall(
            "x", "f", "{", tokens=(Opaque(R, "signature", "S"),),
            extras={"openai_chat": {"extra_content.google.a": 1, "function.odd": 1}}, at=f"{M0}.tool_calls[0]"),), at=M0),
    ),
    (
        {"role": "assistant", "content": "a", "extra_content": {"gateway": {"seals": ["S", "T"]}}},
        Message("assistant", (Text("a", tokens=(Opaque(R, "signature", "S"), Opaque(R, "signature", "T")), at=f"{M0}.content"),), at=M0),
    ),
    ({"role": "assistant", "reasoning_content": "hm", "content": "a"}, Message("assistant", (Reasoning("hm", at=M0), Text("a", at=f"{M0}.content")), at=M0)),
    ({"role": "assistant", "reasoning": "hm"}, Message("assistant", (Reasoning("hm", at=M0),), at=M0)),
    (
        {"role": "assistant", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "S", "index": 0}]},
        Message("assistant", (Reasoning("hm", tokens=(Opaque(R, "signature", "S"),), at=f"{M0}.reasoning_details[0]"),), at=M0),
    ),
    (
        {"role": "assistant", "reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "id": "rs"}]},
        Message("assistant", (Reasoning("hm", tokens=(Opaque(R, "encrypted", "E", "rs"),), at=M0),), at=M0),
    ),
    (
        {"role": "assistant", "reasoning_content": "abc", "reasoning_details": [{"type": "reasoning.text", "text": "b", "signature": "S"}]},
        Message("assistant", (
            Reasoning("a", at=M0), Reasoning("b", tokens=(Opaque(R, "signature", "S"),), at=f"{M0}.reasoning_details[0]"), Reasoning("c", at=M0)), at=M0),
    ),
    (
        {"role": "assistant", "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "S"}, {"type": "redacted_thinking", "data": "E"}]},
        Message("assistant", (
            Reasoning("hm", tokens=(Opaque(R, "signature", "S"),), at=f"{M0}.thinking_blocks[0]"),
            Reasoning("", tokens=(Opaque(R, "redacted", "E"),), redacted=True, at=f"{M0}.thinking_blocks[1]")), at=M0),
    ),
    (
        {"role": "tool", "tool_call_id": "x", "content": "r", "name": "f"},
        Message("user", (ToolResult("x", (Text("r", at=f"{M0}.content"),), "f", at=M0),), at=M0),
    ),
    ({"role": "tool", "tool_call_id": "x", "content": ""}, Message("user", (ToolResult("x", at=M0),), at=M0)),
]  # fmt: skip


@pytest.mark.parametrize(("wire", "neutral"), MESSAGES)
def test_messages(wire: dict[str, Any], neutral: Message) -> None:
    assert message(wire) == neutral


def test_consecutive_tool_messages_stay_apart_and_custom_results_know_it() -> None:
    calls = [{"id": "x", "type": "custom", "custom": {"name": "f", "input": ""}}, {"id": "y", "function": {"name": "g", "arguments": "{}"}}]
    results = [{"role": "tool", "tool_call_id": x, "content": "r"} for x in ("x", "y")]
    _, first, second = decode(messages=[{"role": "assistant", "tool_calls": calls}, *results]).messages
    assert [(x.parts[0].call_id, x.parts[0].custom) for x in (first, second) if isinstance(x.parts[0], ToolResult)] == [("x", True), ("y", False)]


def test_legacy_functions_pair_by_name() -> None:
    request = decode(
        messages=[
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": '{"a":1}'}},
            {"role": "function", "name": "f", "content": "r"},
        ],
        functions=[{"name": "f", "parameters": {"type": "object"}}], function_call={"name": "f"},
    )  # fmt: skip
    call, result = request.messages[0].parts[0], request.messages[1].parts[0]
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert call.id == result.call_id
    assert request.tools == (Tool("f", schema={"type": "object"}, at="functions[0]"),)
    assert request.tool_choice == ToolChoice("one", "f")
    assert request.path("tools") == "functions"
    body, report = encode(request)
    assert report == []
    assert body["messages"][0]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert body["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}


FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"max_tokens": 5}, {"max_tokens": 5}),
    ({"max_completion_tokens": 5, "max_tokens": 9}, {"max_tokens": 5}),
    ({"stop": "END"}, {"sampling": Sampling(stop=("END",))}),
    ({"temperature": 1, "top_p": 0.5, "top_k": 4, "seed": 3}, {"sampling": Sampling(1, 0.5, 4, 3)}),
    ({"frequency_penalty": 1.5, "presence_penalty": -1}, {"sampling": Sampling(frequency_penalty=1.5, presence_penalty=-1)}),
    ({"reasoning_effort": "high"}, {"reasoning": ReasoningAsk(effort="high")}),
    ({"reasoning_effort": "none"}, {"reasoning": ReasoningAsk("off", "none")}),
    ({"reasoning_effort": "default"}, {"reasoning": None, "extras": {"openai_chat": {"reasoning_effort": "default"}}}),
    ({"reasoning": {"effort": "low", "exclude": True}}, {"reasoning": ReasoningAsk(effort="low", show="none")}),
    ({"reasoning": {"max_tokens": 100}}, {"reasoning": ReasoningAsk(budget_tokens=100)}),
    ({"reasoning": {"enabled": True}}, {"reasoning": ReasoningAsk("on")}),
    ({"thinking": {"type": "disabled"}}, {"reasoning": ReasoningAsk("off")}),
    ({"thinking": {"type": "enabled", "clear_thinking": False}, "reasoning_effort": "max"},
     {"reasoning": ReasoningAsk("on", "max"), "extras": {"openai_chat": {"thinking.clear_thinking": False}}}),
    ({"response_format": {"type": "text"}}, {"output": OutputFormat("text")}),
    ({"response_format": {"type": "json_object"}}, {"output": OutputFormat("json")}),
    ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}},
     {"output": OutputFormat("schema", {"type": "object"}, "n", strict=True)}),
    ({"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
     {"stream": True, "stream_usage": True, "extras": {"openai_chat": {"stream_options.include_obfuscation": False}}}),
    ({"user": "u"}, {"user": "u"}),
    ({"safety_identifier": "u"}, {"user": "u"}),
    ({"user": "u", "safety_identifier": "s"}, {"user": "u", "extras": {"openai_chat": {"safety_identifier": "s"}}}),
    ({"metadata": {"a": "b"}, "store": False, "verbosity": "low", "prompt_cache_key": "k", "service_tier": "flex"},
     {"metadata": {"a": "b"}, "store": False, "verbosity": "low", "cache_key": "k", "service_tier": "flex"}),
    ({"metadata": {"a": 1}}, {"metadata": None, "extras": {"openai_chat": {"metadata": {"a": 1}}}}),
    ({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
     {"modalities": ("text", "audio"), "audio": AudioOut("alloy", "wav")}),
    ({"audio": {"voice": {"id": "v"}, "format": "wav"}}, {"audio": AudioOut(None, "wav"), "extras": {"openai_chat": {"audio.voice": {"id": "v"}}}}),
    ({"parallel_tool_calls": False}, {"parallel_tools": False}),
    ({"n": 2}, {"choices": 2}),
    ({"cache_control": {"type": "ephemeral"}}, {"cache": CacheMark()}),
    ({"logprobs": True, "top_logprobs": 3, "logit_bias": {"5": 1}, "prediction": {"type": "content", "content": "a"}},
     {"extras": {"openai_chat": {"logprobs": True, "top_logprobs": 3, "logit_bias": {"5": 1}, "prediction": {"type": "content", "content": "a"}}}}),
    ({"web_search_options": {"search_context_size": "low"}},
     {"tools": (ProviderTool("web_search", "openai_chat", {"web_search_options": {"search_context_size": "low"}}, at="web_search_options"),)}),
    ({"tools": [{"type": "openrouter:web_search", "parameters": {}}]},
     {"tools": (ProviderTool("web_search", "openai_chat", {"type": "openrouter:web_search", "parameters": {}}, at="tools[0]"),)}),
    ({"tools": [{"type": "function", "function": {"name": "f", "strict": True, "odd": 1}, "cache_control": {"type": "ephemeral"}}]},
     {"tools": (Tool("f", strict=True, cache=CacheMark(), extras={"openai_chat": {"function.odd": 1}}, at="tools[0]"),)}),
    ({"tools": [{"type": "custom", "custom": {"name": "f", "format": {"type": "text"}}}], "tool_choice": {"type": "custom", "custom": {"name": "f"}}},
     {"tools": (Tool("f", custom=True, format={"type": "text"}, at="tools[0]"),), "tool_choice": ToolChoice("one", "f")}),
    ({"tool_choice": "required"}, {"tool_choice": ToolChoice("any")}),
    ({"tool_choice": "none"}, {"tool_choice": ToolChoice("none")}),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"tool_choice": ToolChoice("one", "f")}),
    ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}}},
     {"tool_choice": ToolChoice("any", allowed=("f",))}),
]  # fmt: skip


def target_for(wire: dict[str, Any]) -> Facts:
    field = "reasoning_details" if "reasoning" in wire else "reasoning_content"
    tokens: Any = "max_tokens" if set(wire) == {"max_tokens"} else "max_completion_tokens"
    toggles: Any = "toggle" if "thinking" in wire else "effort"
    return Facts(reasoning_field=field, reasoning_input=toggles, max_tokens_field=tokens, cache_marks=4, custom_tools=True)


@pytest.mark.parametrize(("wire", "neutral"), FIELDS)
def test_fields(wire: dict[str, Any], neutral: dict[str, Any]) -> None:
    request = decode(**wire)
    assert {name: getattr(request, name) for name in neutral} == neutral
    body, report = encode(request, target_for(wire))
    assert report == []
    if wire.get("stop"):
        wire = {"stop": ["END"]}
    if "max_completion_tokens" in wire:
        wire = {"max_completion_tokens": 5}
    assert body == {"model": "m", "messages": [], **wire}


BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": None}, "model"),
    ({"messages": None}, "messages"),
    ({"messages": [{"role": "clown", "content": "a"}]}, "messages[0].role"),
    ({"messages": [{"content": "a"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].image_url"),
    ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file.file_data"),
    ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].tool_call_id"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"id": "x", "function": {}}]}]}, "messages[0].tool_calls[0].function.name"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {"parameters": {}}}]}, "tools[0].function.name"),
    ({"tool_choice": "perhaps"}, "tool_choice"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"temperature": "hot"}, "temperature"),
    ({"stop": [1]}, "stop[0]"),
    ({"stream": "yes"}, "stream"),
]


@pytest.mark.parametrize(("wire", "path"), BAD)
def test_errors_name_the_place(wire: dict[str, Any], path: str) -> None:
    with pytest.raises(ApiError) as raised:
        decode(**wire)
    assert (raised.value.kind, raised.value.path) == ("invalid", path)
    assert raised.value.message.startswith(path)


def test_the_model_may_come_from_the_path() -> None:
    assert CODEC.decode_request({"messages": []}, model="azure-deployment").model == "azure-deployment"


def result(*parts: Any, **fields: Any) -> ToolResult:
    return ToolResult("x", parts, at=M0, **fields)


IMAGE = Media("image", Inline("AAAA"), "image/png", at=C0)
TO_UPSTREAM: list[tuple[Message, Facts, list[dict[str, Any]], list[tuple[str, str, str, str]]]] = [
    (Message("system", (Text("a"),)), Facts(system_role="developer"), [{"role": "developer", "content": "a"}], []),
    (Message("system", (Text("a"),), spelled="developer"), Facts(system_role="system"), [{"role": "system", "content": "a"}], []),
    (
        Message("user", (Text("a"), result(Text("r")), ToolResult("y", (Text("s"),)))), Facts(),
        [{"role": "tool", "tool_call_id": "x", "content": "r"}, {"role": "tool", "tool_call_id": "y", "content": "s"}, {"role": "user", "content": "a"}], [],
    ),
    (
        Message("user", (result(Text("it broke"), is_error=True),)), Facts(), [{"role": "tool", "tool_call_id": "x", "content": "Error: it broke"}],
        [(M0, "is_error", "approximated", "tools")],
    ),
    (Message("user", (result(Text("error: no"), is_error=True),)), Facts(), [{"role": "tool", "tool_call_id": "x", "content": "error: no"}], []),
    (
        Message("user", (result(Text("r"), IMAGE),)), Facts(),
        [{"role": "tool", "tool_call_id": "x", "content": [
            {"type": "text", "text": "r"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}], [],
    ),
    (
        Message("user", (result(Text("r"), IMAGE),)), Facts(tool_result_media="none"), [{"role": "tool", "tool_call_id": "x", "content": "r"}],
        [(C0, "image", "dropped", "content")],
    ),
    (
        Message("user", (result(ToolReference("f", at=C0)),)), Facts(), [{"role": "tool", "tool_call_id": "x", "content": "Tool loaded: f"}],
        [(C0, "tool_reference", "approximated", "tools")],
    ),
    (
        Message("user", (Media("document", PlainText("text"), name="a.txt", at=C0),)), Facts(), [{"role": "user", "content": "a.txt\n\ntext"}],
        [(C0, "document", "approximated", "content")],
    ),
    (
        Message("user", (Media("document", PartList((Text("one"), IMAGE)), context="c", at=C0),)), Facts(),
        [{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
        [(C0, "document_context", "dropped", "tuning"), (C0, "document", "approximated", "content")],
    ),
    (
        Message("user", (Media("document", Inline("AAAA"), "application/msword", at=C0),)), Facts(),
        [{"role": "user", "content": [{"type": "file", "file": {"filename": "document.doc", "file_data": "data:application/msword;base64,AAAA"}}]}], [],
    ),
    (
        Message("user", (Text("a", at=C0), Media("document", FileRef("anthropic", "file_1"), at="messages[0].content[1]"))), Facts(),
        [{"role": "user", "content": "a"}], [("messages[0].content[1]", "document", "dropped", "content")],
    ),
    (
        Message("user", (Text("a", cache=CacheMark(300), at=C0),)), Facts(cache_marks=4),
        [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}}]}], [],
    ),
    (
        Message("user", (Text("a", cache=CacheMark(), at=C0),)), Facts(cache_marks=4, cache_ttls_s=(1800,)),
        [{"role": "user", "content": [{"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}]}], [],
    ),
    (
        Message("user", (Text("a", cache=CacheMark(), at=C0),)), Facts(), [{"role": "user", "content": "a"}],
        [(f"{C0}.cache_control", "cache_control", "dropped", "cache")],
    ),
    (
        Message("assistant", (ToolCall("x", "f", ""),)), Facts(),
        [{"role": "assistant", "content": None, "tool_calls": [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}], [],
    ),
    (
        Message("assistant", (Reasoning("hm", tokens=(Opaque("wire.anthropic", "signature", "S"),), at=C0), Text("a"))), Facts(reasoning_field="reasoning"),
        [{"role": "assistant", "content": "a", "reasoning": "hm"}], [(C0, "signature", "dropped", "state")],
    ),
    (
        Message("assistant", (Reasoning("", tokens=(Opaque("wire.anthropic", "redacted", "S"),), redacted=True, at=C0), Text("a"))), Facts(),
        [{"role": "assistant", "content": "a"}], [(C0, "redacted_thinking", "dropped", "state")],
    ),
    (
        Message("assistant", (Reasoning("hm", tokens=(Opaque("claude", "signature", "S", format="anthropic-claude-v1"),), at=C0),)),
        Facts(reasoning_field="reasoning_details", accepts_realms=("claude",)),
        [{"role": "assistant", "content": "", "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "format": "anthropic-claude-v1", "index": 0, "signature": "S"}]}], [],
    ),
    (
        Message("assistant", (Text("a"), ToolCall("s", "web_search", runs="provider", at=C0), result(name="web_search", runs="provider"))), Facts(),
        [{"role": "assistant", "content": "a"}],
        [(C0, "web_search", "dropped", "tools"), (M0, "web_search", "dropped", "tools")],
    ),
    (
        Message("assistant", (ToolCall("x", "f", tokens=(Opaque("google", "signature", "S"),)),)), Facts(accepts_realms=("google",)),
        [{"role": "assistant", "content": None, "tool_calls": [
            {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "S"}}}]}], [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("neutral", "facts", "wire", "losses"), TO_UPSTREAM)
def test_messages_for_an_upstream(neutral: Message, facts: Facts, wire: list[dict[str, Any]], losses: list[tuple[str, str, str, str]]) -> None:
    messages, report = encode_one(neutral, facts)
    assert messages == wire
    assert [tuple(x.values()) for x in report] == losses


ASKS: list[tuple[ReasoningAsk, Facts, dict[str, Any], list[str]]] = [
    (ReasoningAsk("on", "high"), Facts(reasoning_input="toggle"), {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, []),
    (ReasoningAsk("off", "high"), Facts(reasoning_input="toggle"), {"thinking": {"type": "disabled"}}, []),
    (ReasoningAsk("off"), Facts(), {"reasoning_effort": "none"}, []),
    (ReasoningAsk("on"), Facts(), {}, ["reasoning.mode"]),
    (ReasoningAsk(budget_tokens=5, effort="low"), Facts(), {"reasoning_effort": "low"}, ["reasoning.budget_tokens"]),
    (ReasoningAsk(budget_tokens=5), Facts(reasoning_input="budget"), {"reasoning": {"max_tokens": 5}}, []),
    (ReasoningAsk(effort="low", show="none"), Facts(reasoning_field="reasoning_details"), {"reasoning": {"effort": "low", "exclude": True}}, []),
    (ReasoningAsk(effort="low", show="summary"), Facts(), {"reasoning_effort": "low"}, ["reasoning.show"]),
]


@pytest.mark.parametrize(("ask", "facts", "wire", "lost"), ASKS)
def test_reasoning_for_an_upstream(ask: ReasoningAsk, facts: Facts, wire: dict[str, Any], lost: list[str]) -> None:
    body, report = encode(Request("m", (), reasoning=ask), facts)
    assert {k: v for k, v in body.items() if k not in ("model", "messages")} == wire
    assert [x["path"] for x in report] == lost


def test_stream_options_follow_the_target() -> None:
    request = Request("m", (), stream=True)
    assert encode(request)[0]["stream_options"] == {"include_usage": True}
    assert "stream_options" not in encode(request, Facts(usage_in_stream=False))[0]


def test_a_search_tool_where_the_target_has_one() -> None:
    tool = ProviderTool("web_search", "anthropic", {"type": "web_search_20250305"}, "web_search", at="tools[0]")
    body, report = encode(Request("m", (), (tool,)), Facts(provider_tools={"web_search": {"web_search_options": {}}}))
    assert (body["web_search_options"], report) == ({}, [])
    body, report = encode(Request("m", (), (tool,)))
    assert "tools" not in body
    assert report == [{"path": "tools[0]", "feature": "web_search", "action": "dropped", "class": "tools"}]
