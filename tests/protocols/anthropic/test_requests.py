"""Requests by example: what each field becomes, both ways, and what this protocol cannot say."""

from typing import Any

import pytest
from msgspec.structs import replace

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    CacheMark,
    Citation,
    FileRef,
    Found,
    Inline,
    Media,
    Message,
    Native,
    Opaque,
    Part,
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
from llm_api_converter.protocols.anthropic import CODEC

HI = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
TOOL = {"name": "f", "input_schema": SCHEMA}
TOOLS = (Tool("f", schema=SCHEMA, at="tools[0]"),)


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 10, "messages": [HI], **fields}


def decoded(**fields: Any) -> Request:
    return CODEC.decode_request(body(**fields))


def encoded(request: Request, facts: Facts = Facts()) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:  # noqa: B008
    ledger = Ledger()
    wire = CODEC.encode_request(request, facts, ledger)
    return wire.body, [(loss.path, loss.feature, loss.loss_class) for loss in ledger.losses]


def user(*parts: Part) -> Request:
    return Request("m", (Message("user", parts, at="messages[0]"),), max_tokens=10)


AT = "messages[0].content[0]"
OWN = "wire.anthropic"

# block <-> part
BLOCKS: list[tuple[dict[str, Any], Part]] = [
    ({"type": "text", "text": "hi"}, Text("hi", at=AT)),
    ({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}, Text("hi", cache=CacheMark(), at=AT)),
    ({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}, Text("hi", cache=CacheMark(3600), at=AT)),
    (
        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "scope": "global"}},
        Text("hi", cache=CacheMark(), extras={"anthropic": {"cache_control.scope": "global"}}, at=AT),
    ),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}},
        Media("image", Inline("iVBO"), "image/png", at=AT),
    ),
    ({"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}, Media("image", Url("https://x/a.png"), at=AT)),
    ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, Media("image", FileRef("anthropic", "file_1"), at=AT)),
    (
        {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}, "transformations": {"resize": "none"}},
        Media("image", Url("https://x/a.png"), extras={"anthropic": {"transformations": {"resize": "none"}}}, at=AT),
    ),
    (
        {
            "type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}, "title": "T", "context": "C",
            "citations": {"enabled": True},
        },
        Media("document", Inline("JVBE"), "application/pdf", "T", "C", True, at=AT),
    ),
    (
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        Media("document", PlainText("words"), "text/plain", at=AT),
    ),
    (
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "a"}]}},
        Media("document", PartList((Text("a", at=f"{AT}.source.content[0]"),)), at=AT),
    ),
    (
        {"type": "document", "source": {"type": "content", "content": "a"}},
        Media("document", PartList((Text("a", at=f"{AT}.source.content"),)), at=AT),
    ),
    ({"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}}, Media("document", Url("https://x/a.pdf"), at=AT)),
    (
        {"type": "search_result", "source": "https://x", "title": "T", "content": [{"type": "text", "text": "a"}]},
        Media(
            "document", PartList((Text("a", at=f"{AT}.content[0]"),)), name="T", context="https://x",
            extras={"~anthropic": {"search_result": True}}, at=AT,
        ),
    ),
    ({"type": "tool_use", "id": "t1", "name": "f", "input": {}}, ToolCall("t1", "f", at=AT)),
    (
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"q": 1}, "caller": {"type": "direct"}},
        ToolCall("t1", "f", '{"q":1}', extras={"~anthropic": {"caller": {"type": "direct"}}}, at=AT),
    ),
    (
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}, "caller": {"type": "code_execution_20250825", "tool_id": "s1"}},
        ToolCall("t1", "f", extras={"anthropic": {"caller": {"type": "code_execution_20250825", "tool_id": "s1"}}}, at=AT),
    ),
    ({"type": "tool_result", "tool_use_id": "t1"}, ToolResult("t1", at=AT)),
    (
        {"type": "tool_result", "tool_use_id": "t1", "content": "ok", "is_error": False},
        ToolResult("t1", (Text("ok", at=f"{AT}.content"),), is_error=False, at=AT),
    ),
    (
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "tool_reference", "tool_name": "f"}], "is_error": True},
        ToolResult("t1", (ToolReference("f", at=f"{AT}.content[0]"),), is_error=True, at=AT),
    ),
    ({"type": "thinking", "thinking": "hm", "signature": "s"}, Reasoning("hm", tokens=(Opaque(OWN, "signature", "s"),), at=AT)),
    ({"type": "redacted_thinking", "data": "d"}, Reasoning("", tokens=(Opaque(OWN, "redacted", "d"),), redacted=True, at=AT)),
    (
        {"type": "server_tool_use", "id": "s1", "name": "bash_code_execution", "input": {"command": "ls"}},
        ToolCall(
            "s1", "code_execution", '{"command":"ls"}', "provider",
            extras={"~anthropic": {"block": {"type": "server_tool_use", "name": "bash_code_execution"}}}, at=AT,
        ),
    ),
    (
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": {"type": "web_search_tool_result_error", "error_code": "e"}},
        ToolResult(
            "s1", name="web_search", is_error=True, runs="provider", at=AT, outcome=Found(),
            extras={
                "~anthropic": {
                    "block": {"type": "web_search_tool_result", "content": {"type": "web_search_tool_result_error", "error_code": "e"}}
                }
            },
        ),
    ),
    (
        {"type": "mcp_tool_use", "id": "m1", "name": "echo", "server_name": "srv", "input": {}},
        ToolCall(
            "m1", "mcp", "{}", "provider", extras={"~anthropic": {"block": {"type": "mcp_tool_use", "name": "echo", "server_name": "srv"}}}, at=AT,
        ),
    ),
    (
        {"type": "container_upload", "file_id": "f1", "cache_control": {"type": "ephemeral"}},
        Native("anthropic", "container_upload", {"type": "container_upload", "file_id": "f1"}, CacheMark(), AT),
    ),
    (
        {"type": "text", "text": "a", "citations": [{"type": "web_search_result_location", "url": "https://x", "title": "T", "cited_text": "q", "encrypted_index": "i"}]},
        Text(
            "a",
            (
                Citation(
                    "https://x", "T", "q",
                    extras={
                        "~anthropic": {
                            "location": {
                                "type": "web_search_result_location", "url": "https://x", "title": "T", "cited_text": "q", "encrypted_index": "i",
                            }
                        }
                    },
                ),
            ),
            at=AT,
        ),
    ),
    (
        {"type": "text", "text": "hi", "cache_control": {"type": "eternal", "ttl": "9d"}},
        Text("hi", cache=CacheMark(), extras={"anthropic": {"cache_control.type": "eternal", "cache_control.ttl": "9d"}}, at=AT),
    ),
    (
        {"type": "search_result", "source": "https://x", "title": "T", "content": [{"type": "text", "text": "a"}], "citations": {"enabled": True}},
        Media(
            "document", PartList((Text("a", at=f"{AT}.content[0]"),)), name="T", context="https://x", cite=True,
            extras={"~anthropic": {"search_result": True}}, at=AT,
        ),
    ),
    (
        {"type": "document", "source": {"type": "hologram", "data": "x"}},
        Native("anthropic", "document", {"type": "document", "source": {"type": "hologram", "data": "x"}}, at=AT),
    ),
    (
        {"type": "image", "source": {"type": "hologram", "data": "x"}},
        Native("anthropic", "image", {"type": "image", "source": {"type": "hologram", "data": "x"}}, at=AT),
    ),
]


@pytest.mark.parametrize(("block", "part"), BLOCKS, ids=[f"{i}-{block['type']}" for i, (block, _) in enumerate(BLOCKS)])
def test_blocks_and_parts(block: dict[str, Any], part: Part) -> None:
    request = decoded(messages=[{"role": "user", "content": [block]}])
    assert request.messages[0].parts == (part,)
    written, losses = encoded(request)
    assert written["messages"][0]["content"] == [block]
    assert losses == []


# request field <-> neutral field
FIELDS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"temperature": 0.5, "top_p": 0.9, "top_k": 3, "stop_sequences": ["END"]}, {"sampling": Sampling(0.5, 0.9, 3, stop=("END",))}),
    ({"stream": True}, {"stream": True}),
    ({"metadata": {"user_id": "u"}}, {"user": "u"}),
    ({"metadata": {"user_id": "u", "team": "t"}}, {"user": "u", "extras": {"anthropic": {"metadata.team": "t"}}}),
    ({"service_tier": "standard_only"}, {"service_tier": "default"}),
    ({"cache_control": {"type": "ephemeral", "ttl": "5m"}}, {"cache": CacheMark(300)}),
    ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, {"reasoning": ReasoningAsk("on", budget_tokens=2048)}),
    ({"thinking": {"type": "adaptive", "display": "summarized"}}, {"reasoning": ReasoningAsk("adaptive", show="summary")}),
    ({"thinking": {"type": "adaptive", "display": "omitted"}}, {"reasoning": ReasoningAsk("adaptive", show="none")}),
    ({"thinking": {"type": "disabled"}}, {"reasoning": ReasoningAsk("off")}),
    (
        {"thinking": {"type": "adaptive", "display": "whole"}},
        {"reasoning": ReasoningAsk("adaptive", extras={"anthropic": {"thinking.display": "whole"}})},
    ),
    (
        {"thinking": {"type": "between_tools"}},
        {"reasoning": ReasoningAsk("on", extras={"anthropic": {"thinking.type": "between_tools"}})},
    ),
    ({"output_config": {"effort": "xhigh"}}, {"reasoning": ReasoningAsk(effort="xhigh")}),
    ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, {"output": OutputFormat("schema", SCHEMA)}),
    ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, {"output": OutputFormat("schema", SCHEMA)}),
    ({"output_format": {"type": "grammar"}}, {"extras": {"anthropic": {"output_format": {"type": "grammar"}}}}),
    ({"output_config": {"task_budget": 5}}, {"reasoning": ReasoningAsk(extras={"anthropic": {"output_config.task_budget": 5}})}),
    ({"context_management": {"edits": []}, "container": "c"}, {"extras": {"anthropic": {"context_management": {"edits": []}, "container": "c"}}}),
    (
        {"tools": [{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True, "defer_loading": True, "cache_control": {"type": "ephemeral"}}]},
        {"tools": (Tool("f", "d", SCHEMA, True, CacheMark(), deferred=True, at="tools[0]"),)},
    ),
    (
        {"tools": [{"name": "f", "type": "custom", "input_schema": SCHEMA, "allowed_callers": ["direct"]}]},
        {"tools": (Tool("f", None, SCHEMA, extras={"anthropic": {"allowed_callers": ["direct"]}, "~anthropic": {"type": "custom"}}, at="tools[0]"),)},
    ),
    (
        {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": None, "cache_control": {"type": "ephemeral"}}]},
        {
            "tools": (
                ProviderTool(
                    "web_search", "anthropic", {"type": "web_search_20250305", "name": "web_search", "max_uses": None}, "web_search", CacheMark(),
                    "tools[0]",
                ),
            )
        },
    ),
    (
        {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"tools": TOOLS, "tool_choice": ToolChoice("auto"), "parallel_tools": False},
    ),
    (
        {"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": False}},
        {"tools": TOOLS, "tool_choice": ToolChoice("any"), "parallel_tools": True},
    ),
    ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f"}}, {"tools": TOOLS, "tool_choice": ToolChoice("one", "f")}),
    ({"tools": [TOOL], "tool_choice": {"type": "none"}}, {"tools": TOOLS, "tool_choice": ToolChoice("none")}),
]


@pytest.mark.parametrize(("fields", "neutral"), FIELDS, ids=[str(list(f)) + str(i) for i, (f, _) in enumerate(FIELDS)])
def test_fields(fields: dict[str, Any], neutral: dict[str, Any]) -> None:
    request = decoded(**fields)
    plain = decoded()
    for name in Request.__struct_fields__:
        if name != "paths":
            assert getattr(request, name) == neutral.get(name, getattr(plain, name)), name
    assert encoded(request) == (body(**fields), [])


KINDS = {
    "web_search_20260318": "web_search", "web_fetch_20250910": "web_fetch", "code_execution_20260521": "code_execution",
    "computer_20251124": "computer", "computer_toolset_20260801": "computer", "bash_20250124": "bash", "text_editor_20250728": "text_editor",
    "memory_20250818": "memory", "tool_search_tool_regex": "tool_search", "mcp_toolset": "mcp", "advisor_20260301": "other",
}


@pytest.mark.parametrize("type", KINDS)
def test_kinds_of_provider_tools(type: str) -> None:
    (tool,) = decoded(tools=[{"type": type}]).tools
    assert isinstance(tool, ProviderTool)
    assert (tool.kind, tool.body) == (KINDS[type], {"type": type})


def test_system_text_stands_where_it_stood() -> None:
    late = {"role": "system", "content": [{"type": "text", "text": "late"}]}
    fields = {"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "messages": [HI, late, {"role": "system", "content": "x"}]}
    request = decoded(**fields)
    assert [message.role for message in request.messages] == ["system", "user", "system", "system"]
    assert [message.at for message in request.messages] == ["system", "messages[0]", "messages[1]", "messages[2]"]
    assert encoded(request) == (body(**fields), [])


def test_leading_system_messages_become_one_system() -> None:
    request = Request("m", (Message("system", (Text("a"),)), Message("system", (Text("b"),)), Message("user", (Text("hi", at="u.content"),))))
    written, losses = encoded(request)
    assert written["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert written["max_tokens"] == 4096
    assert losses == []


def test_an_item_in_a_leading_system_message_stays_a_message() -> None:
    fields = {"messages": [{"role": "system", "content": [{"type": "tool_addition", "tool": {"type": "tool_reference", "name": "f"}}]}, HI]}
    assert encoded(decoded(**fields)) == (body(**fields), [])


def test_betas_of_header_and_body_in_order() -> None:
    request = CODEC.decode_request(body(betas=["b", "c"], anthropic_beta=["d"]), headers={"anthropic-beta": "a, b,"})
    assert request.betas == ("a", "b", "c", "d")
    assert CODEC.encode_request(request, Facts(), Ledger()).headers == {"anthropic-version": "2023-06-01", "anthropic-beta": "a,b,c,d"}


def test_flags_and_the_fields_they_gate_leave_together() -> None:
    facts = Facts(
        beta_flags=("keep",), refused_fields=("container",),
        beta_fields={"context_management": ("cm",), "output_config.effort": ("effort",), "tools[].defer_loading": ("search", "keep-not"), "speed": ("keep",)},
    )
    fields = {
        "context_management": {"edits": []}, "output_config": {"effort": "low"}, "speed": "fast", "container": "c",
        "tools": [{"name": "a", "input_schema": SCHEMA}, {"name": "b", "input_schema": SCHEMA, "defer_loading": True}],
    }
    request = CODEC.decode_request(body(**fields), headers={"anthropic-beta": "cm,keep"})
    ledger = Ledger()
    wire = CODEC.encode_request(request, facts, ledger)
    assert wire.headers["anthropic-beta"] == "keep"
    assert wire.body == body(speed="fast", tools=[{"name": "a", "input_schema": SCHEMA}, {"name": "b", "input_schema": SCHEMA}])
    assert [loss.path for loss in ledger.losses] == [
        "anthropic-beta.cm", "context_management", "output_config.effort", "tools[1].defer_loading", "container",
    ]


# broken body -> what the error says
BROKEN: list[tuple[Any, str]] = [
    ([], "body: expected an object, got an array"),
    ({"max_tokens": 1, "messages": []}, "model: required"),
    ({"model": "m", "messages": []}, "max_tokens: required"),
    ({"model": "m", "max_tokens": -1, "messages": []}, "max_tokens: must not be negative"),
    ({"model": "m", "max_tokens": 1}, "messages: required"),
    (body(messages=[{"role": "user", "content": ["hi"]}]), "messages[0].content[0]: expected an object, got a string"),
    (body(messages=["hi"]), "messages[0]: expected an object, got a string"),
    (body(messages=[{"role": "tool", "content": "x"}]), "messages[0].role: expected one of user, assistant, system, got 'tool'"),
    (body(messages=[{"role": "user"}]), "messages[0].content: required"),
    (body(messages=[{"role": "user", "content": 3}]), "messages[0].content: expected a string or an array of blocks, got a whole number"),
    (body(messages=[{"role": "user", "content": [{"text": "x"}]}]), "messages[0].content[0].type: required"),
    (body(messages=[{"role": "user", "content": [{"type": "text"}]}]), "messages[0].content[0].text: required"),
    (body(messages=[{"role": "user", "content": [{"type": "image"}]}]), "messages[0].content[0].source: required"),
    (
        body(messages=[{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text"}]}]}]),
        "messages[0].content[0].content[0].text: required",
    ),
    (body(messages=[{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": "x"}]}]), "messages[0].content[0].input: expected an object, got a string"),
    (body(tools=[{"input_schema": {}}]), "tools[0].name: required"),
    (body(tool_choice={"type": "some"}), "tool_choice.type: expected one of auto, any, tool, none, got 'some'"),
    (body(tool_choice={"type": "tool"}), "tool_choice.name: required"),
    (body(temperature="warm"), "temperature: expected a number, got a string"),
    (body(system=7), "system: expected a string or an array of blocks, got a whole number"),
]


@pytest.mark.parametrize(("broken", "message"), BROKEN)
def test_errors_name_the_path(broken: Any, message: str) -> None:
    with pytest.raises(ApiError) as error:
        CODEC.decode_request(broken)
    assert (error.value.kind, error.value.message) == ("invalid", message)


# A part this protocol cannot say as it is -> what is written, and the losses.
UNSAID_PARTS: list[tuple[Part, list[dict[str, Any]], list[tuple[str, str, str]]]] = [
    (Media("audio", Inline("AA"), "audio/wav", at=AT), [], [(AT, "audio", "content")]),
    (Media("video", Url("https://x/a.mp4"), at=AT), [], [(AT, "video", "content")]),
    (Media("image", Url("gs://b/a.png"), at=AT), [], [(AT, "media_url", "content")]),
    (Media("document", FileRef("openai_chat", "f"), at=AT), [], [(AT, "file", "content")]),
    (Media("document", Inline("AA"), "application/msword", at=AT), [], [(AT, "document", "content")]),
    (
        Media("document", Inline("aGk="), "text/csv", at=AT), [{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}}],
        [(AT, "media_type", "tuning")],
    ),
    (
        Media("image", Inline("/9j/AA"), detail="low", name="a.jpg", at=AT),
        [{"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/AA"}}],
        [(AT, "name", "tuning"), (AT, "detail", "tuning")],
    ),
    (Reasoning("hm", tokens=(Opaque("google.gemini", "signature", "s"),), at=AT), [], [(AT, "signature", "state"), (AT, "thinking", "state")]),
    (Media("document", Inline("aGk"), "text/plain", at=AT), [], [(AT, "document", "content")]),
    (Media("image", PlainText("x"), at=AT), [], [(AT, "image", "content")]),
    (Media("image", PartList(()), at=AT), [], [(AT, "image", "content")]),
    (
        Media("image", Url("https://x/a.png"), tokens=(Opaque("wire.gemini", "signature", "s"),), at=AT),
        [{"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}], [(AT, "signature", "state")],
    ),
    (
        Reasoning("hm", tokens=(Opaque(OWN, "signature", "s"),), cache=CacheMark(), at=AT),
        [{"type": "thinking", "thinking": "hm", "signature": "s"}], [(f"{AT}.cache_control", "cache_control", "cache")],
    ),
    (Reasoning("hm", at=AT), [], [(AT, "thinking", "state")]),
    (Reasoning("", redacted=True, at=AT), [], [(AT, "redacted_thinking", "state")]),
    (Refusal("no", at=AT), [{"type": "text", "text": "no"}], [(AT, "refusal", "content")]),
    (Native("openai_responses", "local_shell_call", {}, at=AT), [], [(AT, "local_shell_call", "content")]),
    (ToolCall("1", "web_search", runs="provider", at=AT), [], [(AT, "web_search", "tools")]),
    (ToolResult("1", name="web_search", runs="provider", at=AT), [], [(AT, "web_search", "tools")]),
    (Text("a", tokens=(Opaque("wire.gemini", "signature", "s"),), at=AT), [{"type": "text", "text": "a"}], [(AT, "signature", "state")]),
    (Text("a", (Citation(url="https://x"),), at=AT), [{"type": "text", "text": "a"}], [(AT, "citations", "state")]),
    (Text("a", extras={"gemini": {"odd": 1}}, at=AT), [{"type": "text", "text": "a"}], [(f"{AT}.odd", "odd", "unknown")]),
    (
        Text("a", cache=CacheMark(7200), at=AT), [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        [(f"{AT}.cache_control.ttl", "cache_ttl", "cache")],
    ),
    (
        ToolCall("1", "f", "{broken", namespace="n", at=AT), [{"type": "tool_use", "id": "1", "name": "f", "input": {"input": "{broken"}}],
        [(AT, "namespace", "tools"), (AT, "arguments", "content")],
    ),
]


@pytest.mark.parametrize(("part", "blocks", "losses"), UNSAID_PARTS, ids=[f"{i}-{type(x[0]).__name__}" for i, x in enumerate(UNSAID_PARTS)])
def test_parts_that_cannot_be_said(part: Part, blocks: list[dict[str, Any]], losses: list[tuple[str, str, str]]) -> None:
    written, found = encoded(user(part, Text("end", at="messages[0].content[1]")))
    assert written["messages"][0]["content"] == [*blocks, {"type": "text", "text": "end"}]
    assert found == losses


# A neutral field -> what is written, and the losses.
UNSAID_FIELDS: list[tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = [
    ({"sampling": Sampling(seed=1)}, {}, [("seed", "tuning")]),
    ({"sampling": Sampling(frequency_penalty=1.0)}, {}, [("frequency_penalty", "tuning")]),
    ({"sampling": Sampling(presence_penalty=1.0)}, {}, [("presence_penalty", "tuning")]),
    ({"output": OutputFormat("json")}, {}, [("json_output", "tuning")]),
    ({"output": OutputFormat("text")}, {}, []),
    (
        {"output": OutputFormat("schema", {"type": "object"}, "n", "d", False)},
        {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "title": "n", "description": "d"}}}}, [("strict", "tuning")],
    ),
    ({"modalities": ("text", "audio"), "audio": AudioOut("alloy")}, {}, [("audio", "tuning"), ("modalities", "tuning")]),
    ({"service_tier": "flex"}, {}, [("service_tier", "tuning")]),
    ({"service_tier": "default"}, {"service_tier": "standard_only"}, []),
    ({"metadata": {"team": "a"}}, {}, [("metadata", "tuning")]),
    ({"store": True}, {}, [("store", "tuning")]),
    ({"store": False}, {}, []),
    ({"verbosity": "low"}, {}, [("verbosity", "tuning")]),
    ({"cache_key": "k"}, {}, [("cache_key", "cache")]),
    ({"stream_usage": True}, {}, []),
    ({"extras": {"gemini": {"odd": 1}}}, {}, [("odd", "unknown")]),
    ({"reasoning": ReasoningAsk(effort="minimal")}, {"output_config": {"effort": "low"}}, [("reasoning_effort", "tuning")]),
    ({"reasoning": ReasoningAsk(effort="none")}, {"thinking": {"type": "disabled"}}, []),
    ({"reasoning": ReasoningAsk("adaptive", budget_tokens=9)}, {"thinking": {"type": "adaptive"}}, [("reasoning_budget", "tuning")]),
    ({"reasoning": ReasoningAsk("on", show="full")}, {"thinking": {"type": "adaptive", "display": "summarized"}}, [("reasoning_display", "tuning")]),
    ({"reasoning": ReasoningAsk(effort="low", show="none")}, {"output_config": {"effort": "low"}}, [("reasoning_display", "tuning")]),
    (
        {"tools": TOOLS, "tool_choice": ToolChoice("any", allowed=("f",))}, {"tools": [TOOL], "tool_choice": {"type": "any"}},
        [("allowed_tools", "tuning")],
    ),
    ({"tool_choice": ToolChoice("auto")}, {}, []),
    ({"tool_choice": ToolChoice("one", "f")}, {}, [("tool_choice", "tuning")]),
    ({"parallel_tools": False, "tools": (Tool("f", schema=SCHEMA),)}, {"tools": [{"name": "f", "input_schema": SCHEMA}], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, []),
    ({"parallel_tools": True}, {}, []),
    ({"tools": (Tool("f"),)}, {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, []),
    ({"tools": (Tool("f", custom=True),)}, {}, [("custom_tool", "tools")]),
    ({"tools": (Tool("f", schema=SCHEMA, format={"type": "text"}),)}, {"tools": [TOOL]}, [("tool_format", "tools")]),
    ({"tools": (ProviderTool("web_search", "gemini", {}),)}, {}, [("web_search", "tools")]),
    (
        {"tools": (Tool("f", schema=SCHEMA, namespace="n", namespace_description="d"),)}, {"tools": [{"name": "f", "input_schema": SCHEMA}]},
        [("namespace", "tools"), ("namespace_description", "tools")],
    ),
]


@pytest.mark.parametrize(("fields", "written", "losses"), UNSAID_FIELDS, ids=[f"{i}-{next(iter(x[0]))}" for i, x in enumerate(UNSAID_FIELDS)])
def test_fields_that_cannot_be_said(fields: dict[str, Any], written: dict[str, Any], losses: list[tuple[str, str]]) -> None:
    request = replace(user(Text("hi", at="messages[0].content")), **fields)
    found, lost = encoded(request)
    assert found == body(**written)
    assert [(feature, loss_class) for _, feature, loss_class in lost] == losses


def test_every_neutral_field_is_in_these_tables() -> None:
    tried = {name for fields, _, _ in UNSAID_FIELDS for name in fields} | {name for _, fields in FIELDS for name in fields}
    assert set(Request.__struct_fields__) - tried == {"model", "messages", "max_tokens", "betas", "choices", "paths"}


def test_a_provider_that_keeps_answers_cannot_be_told_not_to() -> None:
    _, losses = encoded(replace(user(Text("hi")), store=False), Facts(stores=True))
    assert losses == [("store", "store", "privacy")]


def test_effort_words_go_only_where_they_are_taken() -> None:
    request = replace(user(Text("hi", at="x.content")), reasoning=ReasoningAsk("on", "high", 2048))
    assert encoded(request, Facts(reasoning_input="budget")) == (body(thinking={"type": "enabled", "budget_tokens": 2048}), [])
    written, losses = encoded(replace(request, reasoning=ReasoningAsk(effort="high")), Facts(reasoning_input="budget"))
    assert (written, losses) == (body(), [("reasoning.effort", "reasoning_effort", "tuning")])


def test_unknown_fields_of_a_message() -> None:
    messages = [{"role": "user", "content": "hi", "id": "m1", "name": None}]
    request = decoded(messages=messages)
    assert request.messages[0].extras == {"anthropic": {"id": "m1"}}
    assert encoded(request)[0]["messages"] == [{"role": "user", "content": "hi", "id": "m1"}]


def test_a_search_result_given_as_a_string() -> None:
    result = Media("document", PartList((Text("a", at="x"),)), name="T", context="S", extras={"~anthropic": {"search_result": True}}, at=AT)
    assert encoded(user(result))[0]["messages"][0]["content"][0]["content"] == [{"type": "text", "text": "a"}]


def test_thinking_of_other_issuers() -> None:
    thought = Reasoning("hm", tokens=(Opaque("bedrock.claude", "signature", "s"),), at=AT)
    written, losses = encoded(user(thought), Facts(accepts_realms=("bedrock.claude",)))
    assert (written["messages"][0]["content"], losses) == ([{"type": "thinking", "thinking": "hm", "signature": "s"}], [])
    written, losses = encoded(user(Reasoning("hm", at=AT)), Facts(reasoning_unsigned=True))
    assert (written["messages"][0]["content"], losses) == ([{"type": "thinking", "thinking": "hm", "signature": ""}], [])


def test_results_of_one_turn_stand_in_one_message() -> None:
    def result(id: str, *more: Part) -> Message:
        return Message("user", (ToolResult(id, (Text("ok", at="x.content"),)), *more))

    calls = Message("assistant", (ToolCall("1", "f"), ToolCall("2", "f"), ToolCall("3", "f")))
    request = Request("m", (Message("user", (Text("hi"),)), calls, result("1"), result("2"), result("3", Text("and")), Message("user", (Text("go"),))))
    written, losses = encoded(request)
    assert [[block["type"] for block in message["content"]] for message in written["messages"]] == [
        ["text"], ["tool_use"] * 3, ["tool_result"] * 3 + ["text"], ["text"],
    ]
    assert losses == []


def test_a_message_that_lost_everything_is_left_out() -> None:
    request = Request("m", (Message("user", (Text("hi", at="x.content"),)), Message("assistant", (Reasoning("hm", at=AT),)), Message("user", ())))
    written, _ = encoded(request)
    assert written["messages"] == [HI, {"role": "user", "content": []}]


def test_trimmed_marks_do_not_come_back() -> None:
    fields = {
        "tools": [{"type": "web_search_20250305", "cache_control": {"type": "ephemeral", "scope": "s"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "container_upload", "file_id": "f", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "scope": "s"}},
            ]},
        ],
    }
    request = decoded(**fields)
    assert encoded(request)[0] == body(**fields)
    bare = replace(
        request,
        tools=tuple(replace(tool, cache=None) for tool in request.tools),
        messages=tuple(replace(m, parts=tuple(replace(part, cache=None) for part in m.parts)) for m in request.messages),  # type: ignore[call-arg]
    )
    assert "cache_control" not in str(encoded(bare)[0])


def test_a_name_of_a_turn_is_reported() -> None:
    _, losses = encoded(Request("m", (Message("user", (Text("hi"),), "bob", "messages[0]"),)))
    assert losses == [("messages[0].name", "name", "tuning")]


def test_system_holds_text_only() -> None:
    request = Request("m", (Message("system", (Text("a", at="s[0]"), Media("image", Url("https://x/a.png"), at="s[1]"))), Message("user", (Text("hi"),))))
    written, losses = encoded(request)
    assert (written["system"], losses) == ([{"type": "text", "text": "a"}], [("s[1]", "image", "content")])


def test_counting_takes_what_counts_only() -> None:
    assert CODEC.encode_count_request is not None
    assert CODEC.decode_count_request is not None
    fields = {"system": "s", "thinking": {"type": "adaptive"}, "mcp_servers": [], "temperature": 1.0, "stream": True, "metadata": {"user_id": "u"}}
    request = CODEC.decode_count_request({"model": "m", "messages": [HI], **fields})
    ledger = Ledger()
    wire = CODEC.encode_count_request(replace(request, store=True), Facts(), ledger)
    assert wire.body == {"model": "m", "messages": [HI], "system": "s", "thinking": {"type": "adaptive"}, "mcp_servers": []}
    assert ledger.losses == []
