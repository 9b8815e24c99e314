"""Requests: examples in both directions, what Converse cannot say, and what botocore's validator says of any request."""

from typing import Any

import pytest
from hypothesis import given, settings
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
from llm_api_converter.protocols.bedrock_converse import CODEC
from tests import strategies as neutral
from tests.protocols.bedrock_converse.boto import problems

P = "bedrock_converse"
HI = Message("user", (Text("hi", at="messages[0].content[0]"),), at="messages[0]")
TOOL = Tool("get", "gets", {"type": "object"}, at="tools[0]")


def decode(body: Any, model: str = "m") -> Request:
    return CODEC.decode_request(body, model=model)


def encode(request: Request, facts: Facts | None = None) -> tuple[dict[str, Any], list[tuple[str, str, str, str]]]:
    ledger = Ledger()
    body = CODEC.encode_request(request, facts or Facts(), ledger).body
    return body, [(x.path, x.feature, x.action, x.loss_class) for x in ledger.losses]


def asking(**fields: Any) -> Request:
    return replace(Request("m", (HI,)), **fields)


def saying(*parts: Any, role: Any = "user") -> Request:
    return Request("m", (Message(role, parts, at="messages[0]"),))


# ---------------------------------------------------------------------- one block of each kind, there and back

BLOCKS: list[tuple[dict[str, Any], Any]] = [
    ({"text": "hi"}, Text("hi")),
    ({"image": {"format": "jpeg", "source": {"bytes": "/9j/"}}}, Media("image", Inline("/9j/"), "image/jpeg")),
    (
        {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://b/k", "bucketOwner": "123456789012"}}}},
        Media("image", Url("s3://b/k"), "image/png", extras={P: {"image.source.s3Location.bucketOwner": "123456789012"}}),
    ),
    ({"image": {"format": "avif", "source": {"bytes": "AA=="}}}, Media("image", Inline("AA=="), "image/avif", extras={P: {"image.format": "avif"}})),
    (
        {"document": {"format": "pdf", "name": "a b", "source": {"bytes": "JVBERi0="}, "context": "c", "citations": {"enabled": True}}},
        Media("document", Inline("JVBERi0="), "application/pdf", "a b", "c", True),
    ),
    ({"document": {"format": "txt", "name": "n", "source": {"text": "t"}}}, Media("document", PlainText("t"), "text/plain", "n")),
    (
        {"document": {"name": "n", "source": {"content": [{"text": "one"}, {"text": "two"}]}}},
        Media("document", PartList((Text("one"), Text("two"))), None, "n"),
    ),
    ({"video": {"format": "three_gp", "source": {"bytes": "AA=="}}}, Media("video", Inline("AA=="), "video/3gpp")),
    ({"audio": {"format": "mp3", "source": {"bytes": "AA=="}}}, Media("audio", Inline("AA=="), "audio/mpeg")),
    (
        {"searchResult": {"source": "https://a.example", "title": "T", "content": [{"text": "x"}], "citations": {"enabled": True}}},
        Media("document", PartList((Text("x"),)), None, "T", cite=True, extras={P: {"searchResult.source": "https://a.example"}}),
    ),
    ({"toolUse": {"toolUseId": "c", "name": "get", "input": {"a": 1}}}, ToolCall("c", "get", '{"a":1}')),
    (
        {"toolUse": {"toolUseId": "c", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
        ToolCall("c", "web_search", "{}", "provider", extras={f"~{P}": {"toolUse.name": "nova_grounding", "toolUse.type": "server_tool_use"}}),
    ),
    (
        {"toolResult": {"toolUseId": "c", "content": [{"text": "t"}, {"json": [1]}], "status": "error"}},
        ToolResult("c", (Text("t"), Text("[1]", extras={P: {"json": True}})), is_error=True),
    ),
    ({"toolResult": {"toolUseId": "c", "content": [{"json": {"a": 1}}]}}, ToolResult("c", (Text('{"a":1}'),), json=True)),
    (
        {"toolResult": {"toolUseId": "c", "content": [{"text": "t"}], "type": "nova_grounding_result"}},
        ToolResult("c", (Text("t"),), "web_search", runs="provider", extras={f"~{P}": {"toolResult.type": "nova_grounding_result"}}, outcome=Found()),
    ),
    (
        {"reasoningContent": {"reasoningText": {"text": "r", "signature": "s"}}},
        Reasoning("r", tokens=(Opaque(f"wire.{P}", "signature", "s"),)),
    ),
    ({"reasoningContent": {"reasoningText": {"text": "r"}}}, Reasoning("r")),
    (
        {"reasoningContent": {"redactedContent": "YWJjZA=="}},
        Reasoning("", tokens=(Opaque(f"wire.{P}", "redacted", "abcd"),), redacted=True),
    ),
    ({"reasoningContent": {"redactedContent": "AAEC"}}, Reasoning("", tokens=(Opaque(f"wire.{P}", "redacted", ":AAEC"),), redacted=True)),
    (
        {"guardContent": {"text": {"text": "g", "qualifiers": ["query"]}}},
        Text("g", extras={P: {"guardContent": {"qualifiers": ["query"]}}}),
    ),
    (
        {"guardContent": {"image": {"format": "png", "source": {"bytes": "AA=="}}}},
        Media("image", Inline("AA=="), "image/png", extras={P: {"guardContent": {}}}),
    ),
    (
        {
            "citationsContent": {
                "content": [{"text": "t"}],
                "citations": [
                    {"title": "T", "sourceContent": [{"text": "q"}], "location": {"documentPage": {"documentIndex": 2, "start": 1, "end": 3}}},
                    {"location": {"web": {"url": "https://a.example"}}},
                ],
            }
        },
        Text(
            "t",
            (
                Citation(
                    None, "T", "q", document=2,
                    extras={P: {"location": {"documentPage": {"documentIndex": 2, "start": 1, "end": 3}}}, f"~{P}": {}},
                ),
                Citation("https://a.example", extras={f"~{P}": {}}),
            ),
        ),
    ),
    ({"toolAddition": {"tool": {"name": "x"}}}, Native(P, "toolAddition", {"toolAddition": {"tool": {"name": "x"}}})),
    ({"cachePoint": {"type": "default"}}, Native(P, "cachePoint", {"cachePoint": {"type": "default"}})),
]


def without_paths(part: Any) -> Any:
    changes: dict[str, Any] = {"at": ""} if hasattr(part, "at") else {}
    if isinstance(part, ToolResult):
        changes["parts"] = tuple(without_paths(x) for x in part.parts)
    if isinstance(part, Media) and isinstance(part.source, PartList):
        changes["source"] = PartList(tuple(without_paths(x) for x in part.source.parts))
    return replace(part, **changes)


@pytest.mark.parametrize(("block", "part"), BLOCKS, ids=[f"{next(iter(block))}-{i}" for i, (block, _) in enumerate(BLOCKS)])
def test_blocks(block: dict[str, Any], part: Any) -> None:
    content = [block] if "document" not in block else [block, {"text": "."}]
    request = decode({"messages": [{"role": "user", "content": content}]})
    first = request.messages[0].parts[0]
    assert without_paths(first) == part
    assert first.at == "messages[0].content[0]"
    body, losses = encode(request)
    assert (body["messages"][0]["content"], losses) == (content, [])


def test_cache_points_are_marks_on_what_stands_before_them() -> None:
    point, hour = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}
    spec = {"toolSpec": {"name": "get", "inputSchema": {"json": {}}}}
    body = {
        "messages": [{"role": "user", "content": [{"text": "a"}, hour, {"text": "b"}, point]}],
        "system": [{"text": "s"}, point],
        "toolConfig": {"tools": [spec, hour]},
    }
    request = decode(body)
    assert [part.cache for part in request.messages[1].parts] == [
        CacheMark(3600, "messages[0].content[1].cachePoint"), CacheMark(at="messages[0].content[3].cachePoint"),
    ]
    assert request.messages[0].parts[0].cache == CacheMark(at="system[1].cachePoint")
    assert request.tools[0].cache == CacheMark(3600, "toolConfig.tools[1].cachePoint")
    assert encode(request) == (body, [])


def test_results_come_first_and_keep_their_paths() -> None:
    result = {"toolResult": {"toolUseId": "c", "content": [{"text": "t"}]}}
    request = decode({"messages": [{"role": "user", "content": [{"text": "a"}, result]}]})
    assert [part.at for part in request.messages[0].parts] == ["messages[0].content[1]", "messages[0].content[0]"]
    assert request.messages[0].parts[0].parts[0].at == "messages[0].content[1].toolResult.content[0]"


def test_sampling_reasoning_and_labels_have_neutral_fields() -> None:
    body = {
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 1, "stopSequences": ["x"], "new": 1},
        "additionalModelRequestFields": {
            "thinking": {"type": "adaptive", "display": "summarized", "new": 2}, "top_k": 5, "anthropic_beta": ["b"], "output_config": {"effort": "low"},
            "other": 3,
        },
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}}}},
        "serviceTier": {"type": "flex"}, "requestMetadata": {"k": "v"}, "guardrailConfig": {"guardrailIdentifier": "g"},
        "promptVariables": {"p": {"text": "t"}}, "additionalModelResponseFieldPaths": ["/x"], "performanceConfig": {"latency": "optimized"},
    }  # fmt: skip
    request = decode(body)
    assert request.sampling == Sampling(0.5, 1, 5, stop=("x",))
    assert request.reasoning == ReasoningAsk("adaptive", "low", None, "summary")
    assert (request.max_tokens, request.betas, request.service_tier, request.metadata) == (9, ("b",), "flex", {"k": "v"})
    assert request.output == OutputFormat("schema", {"type": "object"}, "n")
    assert request.extras == {
        P: {
            "inferenceConfig.new": 1, "additionalModelRequestFields.thinking.new": 2, "additionalModelRequestFields.other": 3,
            "guardrailConfig": {"guardrailIdentifier": "g"}, "promptVariables": {"p": {"text": "t"}},
            "additionalModelResponseFieldPaths": ["/x"], "performanceConfig": {"latency": "optimized"},
        }
    }  # fmt: skip
    assert request.path("reasoning.effort") == "additionalModelRequestFields.output_config.effort"
    assert request.path("temperature") == "inferenceConfig.temperature"
    encoded, losses = encode(request, Facts(reasoning_input="adaptive"))
    del body["additionalModelRequestFields"]["output_config"]  # type: ignore[attr-defined]
    body["outputConfig"]["effort"] = "low"  # type: ignore[index]
    assert (encoded, losses) == (body, [])


WRONG = [
    ([], "body: expected an object, got an array"),
    ({"messages": {}}, "messages: expected an array, got an object"),
    ({"messages": [{"content": []}]}, "messages[0].role: required"),
    ({"messages": [{"role": "tool", "content": []}]}, "messages[0].role: expected one of user, assistant, system"),
    ({"messages": [{"role": "user"}]}, "messages[0].content: required"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]: expected an object with one member that names the kind"),
    ({"messages": [{"role": "user", "content": [{"text": 1}]}]}, "messages[0].content[0].text: expected a string"),
    ({"messages": [{"role": "user", "content": [{"image": {"format": "png"}}]}]}, "messages[0].content[0].image.source: required"),
    ({"messages": [{"role": "user", "content": [{"image": {"source": {}}}]}]}, "messages[0].content[0].image.source: expected one of bytes"),
    ({"messages": [{"role": "user", "content": [{"toolUse": {"name": "x"}}]}]}, "messages[0].content[0].toolUse.toolUseId: required"),
    ({"messages": [{"role": "user", "content": [{"toolResult": {}}]}]}, "messages[0].content[0].toolResult.toolUseId: required"),
    ({"toolConfig": {"tools": [{"toolSpec": {"name": "x"}}]}}, "toolConfig.tools[0].toolSpec.inputSchema: required"),
    ({"toolConfig": {"tools": [], "toolChoice": {}}}, "toolConfig.toolChoice: expected one of auto, any, tool"),
    ({"inferenceConfig": {"maxTokens": "9"}}, "inferenceConfig.maxTokens: expected a whole number, got a string"),
    (
        {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{"}}}}},
        "outputConfig.textFormat.structure.jsonSchema.schema: not JSON",
    ),
]


@pytest.mark.parametrize(("body", "message"), WRONG, ids=[message[:50] for _, message in WRONG])
def test_errors_name_the_path(body: Any, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        decode(body)
    assert caught.value.kind == "invalid"
    assert caught.value.message.startswith(message)


def test_counting_takes_converse_input_only() -> None:
    with pytest.raises(ApiError, match=r"input\.converse: required"):
        CODEC.decode_count_request({"input": {}}, model="m")  # type: ignore[misc]
    with pytest.raises(ApiError) as caught:
        CODEC.decode_count_request({"input": {"invokeModel": {"body": "e30="}}}, model="m")  # type: ignore[misc]
    assert (caught.value.kind, caught.value.path) == ("unsupported", "input.invokeModel")
    with pytest.raises(ApiError, match="inputTokens"):
        CODEC.decode_count(b"{}")  # type: ignore[misc]


# ---------------------------------------------------------------------- encode


def test_paths_are_percent_encoded() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.model-v1:0"
    path = CODEC.encode_request(Request(arn, (HI,), stream=True), Facts(), Ledger()).path
    assert path == "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.model-v1%3A0/converse-stream"
    assert CODEC.encode_request(Request("m", (HI,)), Facts(), Ledger()).path == "/model/m/converse"


def test_neighbours_of_one_role_are_merged_results_first() -> None:
    request = Request(
        "m",
        (
            Message("user", (Text("a"),)),
            Message("assistant", (ToolCall("c", "get"),)),
            Message("assistant", (ToolCall("d", "get"),)),
            Message("user", (ToolResult("c", (Text("1"),)),)),
            Message("user", (Text("b"),)),
            Message("user", (ToolResult("d", (Text("2"),)), Text("c"))),
        ),
    )
    body, losses = encode(request)
    assert [(m["role"], [next(iter(block)) for block in m["content"]]) for m in body["messages"]] == [
        ("user", ["text"]),
        ("assistant", ["toolUse", "toolUse"]),
        ("user", ["toolResult", "toolResult", "text", "text"]),
    ]
    assert losses == []


def test_system_text_is_hoisted_or_stays_in_its_place() -> None:
    late = Message("system", (Text("late"),), at="messages[2]")
    request = Request("m", (Message("system", (Text("s"),)), HI, late, HI))
    body, losses = encode(request, Facts(system_inline=True))
    assert [m["role"] for m in body["messages"]] == ["user", "system", "user"]
    assert (body["system"], losses) == ([{"text": "s"}], [])
    body, losses = encode(request, Facts(system_inline=False))
    assert [m["role"] for m in body["messages"]] == ["user"]
    assert body["system"] == [{"text": "s"}, {"text": "late"}]
    assert losses == [("messages[2]", "system", "approximated", "content")]


def test_documents_get_legal_unique_names_and_company() -> None:
    names = ["report.pdf", "a  b/c.pdf", "report", "报告.pdf", None]
    parts = [Media("document", Inline("JVBERi0="), "application/pdf", name, at=f"messages[0].content[{i}]") for i, name in enumerate(names)]
    body, losses = encode(saying(*parts))
    content = body["messages"][0]["content"]
    assert [block["document"]["name"] for block in content[:-1]] == ["report", "a b-c", "report-2", "document", "document-2"]
    assert content[-1] == {"text": "."}
    assert problems(body) == ""
    assert losses == [
        ("messages[0].content[1]", "document_name", "repaired", "content"),
        ("messages[0].content[2]", "document_name", "repaired", "content"),
        ("messages[0].content[3]", "document_name", "repaired", "content"),
        ("messages[0]", "document_text", "repaired", "content"),
    ]


MEDIA = [
    (Media("image", Inline("iVBORw0KGgo=")), {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}}),
    (Media("image", Inline("AA=="), "image/jpg; q=1"), {"image": {"format": "jpeg", "source": {"bytes": "AA=="}}}),
    (Media("image", Url("s3://b/a.jpg")), {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://b/a.jpg"}}}}),
    (Media("audio", Inline("AA=="), "audio/x-wav"), {"audio": {"format": "wav", "source": {"bytes": "AA=="}}}),
    (Media("video", Inline("AA=="), None, "clip.webm"), {"video": {"format": "webm", "source": {"bytes": "AA=="}}}),
    (Media("document", PlainText("t"), name="n"), {"document": {"name": "n", "source": {"text": "t"}}}),
]


@pytest.mark.parametrize(("part", "block"), MEDIA)
def test_formats_are_found(part: Media, block: dict[str, Any]) -> None:
    body, losses = encode(saying(Text("x"), part))
    assert (body["messages"][0]["content"][1], losses, problems(body)) == (block, [], "")


LOST = [
    (Media("image", Url("https://a.example/a.png"), at="p"), [("p", "image", "dropped", "content")]),
    (Media("document", FileRef("anthropic", "f"), at="p"), [("p", "document", "dropped", "content")]),
    (Media("image", Inline("AA=="), "image/tiff", at="p"), [("p", "image", "dropped", "content")]),
    (Media("image", Inline("AA=="), at="p"), [("p", "image", "dropped", "content")]),
    (Media("image", Inline("AA=="), "image/png", detail="low", at="p"), [("p", "detail", "dropped", "tuning")]),
    (Media("document", Inline("AA=="), "application/json", "n", at="p"), [("p.media_type", "media_type", "approximated", "content")]),
    (Text("t", tokens=(Opaque("gemini", "signature", "s"),), at="p"), [("p", "signature", "dropped", "state")]),
    (Text("t", cache=CacheMark(60), at="p"), [("p.cache_control.ttl", "cache_ttl", "approximated", "cache")]),
    (Text("t", extras={"openai_chat": {"odd": 1}}, at="p"), [("p.odd", "odd", "dropped", "unknown")]),
    (ToolCall("c", "web_search", runs="provider", at="p"), [("p", "web_search", "dropped", "tools")]),
    (ToolCall("c", "get", "[1]", at="p"), [("p", "arguments", "approximated", "content")]),
    (ToolCall("c", "get", '{"a":', at="p"), [("p", "arguments", "approximated", "content")]),
    (ToolCall("c", "get", "raw", custom=True, at="p"), [("p", "custom", "approximated", "tools")]),
    (ToolCall("c", "get", namespace="n", at="p"), [("p.namespace", "namespace", "dropped", "tools")]),
    (ToolResult("c", (Media("audio", Inline("AA=="), "audio/wav", at="p"),)), [("p", "audio", "dropped", "content")]),
    (ToolResult("c", (ToolReference("get", at="p"),)), [("p", "tool_reference", "dropped", "tools")]),
    (ToolResult("c", (Text("t", cache=CacheMark(), at="p"),)), [("p.cache_control", "cache_control", "dropped", "cache")]),
    (ToolResult("c", runs="provider", at="p"), [("p", "provider_tool_result", "dropped", "tools")]),
    (Reasoning("r", tokens=(Opaque("other", "signature", "s"),), at="p"), [("p", "signature", "dropped", "state")]),
    (Reasoning("r", tokens=(Opaque("seal", "seal", "s"),), at="p"), [("p", "seal", "dropped", "state")]),
    (Reasoning("", redacted=True, at="p"), [("p", "redacted_thinking", "dropped", "state")]),
    (Refusal("no", at="p"), [("p", "refusal", "approximated", "content")]),
    (Native("gemini", "odd", {}, at="p"), [("p", "odd", "dropped", "content")]),
]


@pytest.mark.parametrize(("part", "losses"), LOST, ids=[f"{type(part).__name__}-{losses[0][1]}" for part, losses in LOST])
def test_what_a_part_cannot_say_is_reported_at_its_path(part: Any, losses: list[Any]) -> None:
    body, found = encode(saying(Text("x"), part))
    assert found == losses
    assert problems(body) == ""


def test_tokens_of_accepted_realms_are_written() -> None:
    part = Reasoning("r", tokens=(Opaque("some.realm", "signature", "s"),))
    body, losses = encode(saying(Text("x"), part), Facts(accepts_realms=("some.realm",)))
    assert body["messages"][0]["content"][1] == {"reasoningContent": {"reasoningText": {"text": "r", "signature": "s"}}}
    assert losses == []


# One neutral field, the facts it meets, what the body then holds beside the message, and what is reported.
FIELDS: list[tuple[dict[str, Any], Facts, dict[str, Any], list[tuple[str, str]]]] = [
    ({"max_tokens": 5}, Facts(), {"inferenceConfig": {"maxTokens": 5}}, []),
    ({"sampling": Sampling(temperature=0.1, top_p=0.2, stop=("x",))}, Facts(), {"inferenceConfig": {"temperature": 0.1, "topP": 0.2, "stopSequences": ["x"]}}, []),
    ({"sampling": Sampling(top_k=3)}, Facts(), {"additionalModelRequestFields": {"top_k": 3}}, []),
    (
        {"sampling": Sampling(top_k=3)}, Facts(sampling_fields_converse={"top_k": "inferenceConfig.topK"}),
        {"additionalModelRequestFields": {"inferenceConfig": {"topK": 3}}}, [],
    ),
    ({"sampling": Sampling(seed=1)}, Facts(), {}, [("seed", "dropped")]),
    ({"sampling": Sampling(frequency_penalty=1.0)}, Facts(), {}, [("frequency_penalty", "dropped")]),
    ({"sampling": Sampling(presence_penalty=1.0)}, Facts(), {}, [("presence_penalty", "dropped")]),
    ({"sampling": Sampling(seed=1)}, Facts(sampling_fields_converse={"seed": "seed"}), {"additionalModelRequestFields": {"seed": 1}}, []),
    ({"tools": (TOOL,)}, Facts(), {"toolConfig": {"tools": [{"toolSpec": {"name": "get", "description": "gets", "inputSchema": {"json": {"type": "object"}}}}]}}, []),
    ({"tools": (Tool("get"),)}, Facts(), {"toolConfig": {"tools": [{"toolSpec": {"name": "get", "inputSchema": {"json": {"type": "object", "properties": {}}}}}]}}, []),
    ({"tools": (Tool("get", custom=True, format={}),)}, Facts(), {}, [("custom_tool", "dropped")]),
    ({"tools": (ProviderTool("web_search", "anthropic", {}),)}, Facts(), {}, [("web_search", "dropped")]),
    (
        {"tools": (ProviderTool("web_search", "anthropic", {}),)}, Facts(provider_tools={"web_search": {"systemTool": {"name": "nova_grounding"}}}),
        {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}, [],
    ),
    ({"tool_choice": ToolChoice("any")}, Facts(), {}, [("tool_choice", "dropped")]),
    ({"tool_choice": ToolChoice("none")}, Facts(), {}, []),
    ({"parallel_tools": False}, Facts(), {}, [("parallel_tools", "dropped")]),
    ({"parallel_tools": True}, Facts(), {}, []),
    ({"output": OutputFormat("text")}, Facts(), {}, []),
    ({"output": OutputFormat("json")}, Facts(), {}, [("json_mode", "dropped")]),
    (
        {"output": OutputFormat("schema", {"type": "object"}, "n", "d", False)}, Facts(),
        {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n", "description": "d"}}}}},
        [("strict", "approximated")],
    ),
    ({"modalities": ("text", "audio")}, Facts(), {}, [("audio", "dropped")]),
    ({"audio": AudioOut("v")}, Facts(), {}, [("audio", "dropped")]),
    ({"stream_usage": True}, Facts(), {}, []),
    ({"service_tier": "priority"}, Facts(), {"serviceTier": {"type": "priority"}}, []),
    ({"service_tier": "auto"}, Facts(), {}, []),
    ({"service_tier": "scale"}, Facts(), {}, [("service_tier", "dropped")]),
    ({"user": "u"}, Facts(), {}, [("user", "dropped")]),
    ({"metadata": {"k": "v", "bad{": "v"}}, Facts(), {"requestMetadata": {"k": "v"}}, [("metadata", "dropped")]),
    ({"store": True}, Facts(), {}, [("store", "dropped")]),
    ({"store": False}, Facts(), {}, []),
    ({"store": False}, Facts(stores=True), {}, [("store", "dropped")]),
    ({"verbosity": "low"}, Facts(), {}, [("verbosity", "dropped")]),
    ({"cache": CacheMark()}, Facts(), {}, [("cache_control", "dropped")]),
    ({"cache_key": "k"}, Facts(), {}, [("cache_key", "dropped")]),
    ({"betas": ("a", "b")}, Facts(beta_field_converse="flags"), {"additionalModelRequestFields": {"flags": ["a", "b"]}}, []),
    ({"betas": ("a", "b")}, Facts(beta_field_converse="flags", beta_flags=("b",)), {"additionalModelRequestFields": {"flags": ["b"]}}, [("beta", "dropped")]),
    ({"betas": ("a",)}, Facts(), {}, [("beta", "dropped")]),
    ({"extras": {P: {"guardrailConfig": {"a": 1}}, "gemini": {"odd": 1}}}, Facts(), {"guardrailConfig": {"a": 1}}, [("odd", "dropped")]),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "facts", "expected", "losses"), FIELDS, ids=[f"{i}-{next(iter(x[0]))}" for i, x in enumerate(FIELDS)])
def test_every_neutral_field_is_written_or_reported(fields: dict[str, Any], facts: Facts, expected: dict[str, Any], losses: list[Any]) -> None:
    body, found = encode(asking(**fields), facts)
    assert body.pop("messages") == [{"role": "user", "content": [{"text": "hi"}]}]
    assert body == expected
    assert [(feature, action) for _, feature, action, _ in found] == losses


def test_no_field_of_a_request_is_missing_from_the_table() -> None:
    elsewhere = {"model", "messages", "stream", "reasoning", "choices", "paths"}
    assert {name for fields, *_ in FIELDS for name in fields} == {*Request.__struct_fields__} - elsewhere
    said = {x for fields, *_ in FIELDS for x in Sampling.__struct_fields__ if getattr(fields.get("sampling", Sampling()), x) not in (None, ())}
    assert said == {*Sampling.__struct_fields__}


def test_refused_fields_and_those_of_a_flag_that_stays_behind_are_removed() -> None:
    request = decode({"additionalModelRequestFields": {"a": 1, "b": 2, "anthropic_beta": ["x"]}, "guardrailConfig": {}})
    facts = Facts(
        refused_fields=("guardrailConfig", "missing.field"),
        beta_flags=("x",), beta_fields={"additionalModelRequestFields.a": ("x",), "additionalModelRequestFields.b": ("y",)},
    )  # fmt: skip
    body, losses = encode(request, facts)
    assert body == {"additionalModelRequestFields": {"a": 1, "anthropic_beta": ["x"]}}
    assert [path for path, *_ in losses] == ["guardrailConfig", "additionalModelRequestFields.b"]


def test_two_answers_cannot_be_asked_for() -> None:
    with pytest.raises(ApiError, match="choices: Converse gives one answer"):
        encode(asking(choices=2))


MORE = "additionalModelRequestFields"
THINK = [
    (ReasoningAsk("on", budget_tokens=2048), Facts(reasoning_input="budget"), {MORE: {"thinking": {"type": "enabled", "budget_tokens": 2048}}}, []),
    (ReasoningAsk("off"), Facts(reasoning_input="budget"), {MORE: {"thinking": {"type": "disabled"}}}, []),
    (
        ReasoningAsk("adaptive", "high", show="none"), Facts(reasoning_input="adaptive"),
        {MORE: {"thinking": {"type": "adaptive", "display": "omitted"}}, "outputConfig": {"effort": "high"}}, [],
    ),
    (ReasoningAsk("on"), Facts(reasoning_input="toggle"), {MORE: {"thinking": {"type": "enabled"}}}, []),
    (
        ReasoningAsk("on", budget_tokens=2048), Facts(reasoning_input="budget", reasoning_field_converse="reasoning_config"),
        {MORE: {"reasoning_config": {"type": "enabled", "budget_tokens": 2048}}}, [],
    ),
    (ReasoningAsk(effort="low"), Facts(reasoning_field_converse="reasoning_config"), {MORE: {"reasoning_config": "low"}}, []),
    (ReasoningAsk("on", "low"), Facts(), {MORE: {"reasoning_effort": "low"}}, []),
    (ReasoningAsk(effort="low"), Facts(reasoning_field_converse="outputConfig"), {"outputConfig": {"effort": "low"}}, []),
    (ReasoningAsk("on", "low"), Facts(reasoning_field_converse="reasoningConfig"), {MORE: {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}}, []),
    (ReasoningAsk("off", "none"), Facts(reasoning_field_converse="reasoningConfig"), {MORE: {"reasoningConfig": {"type": "disabled"}}}, []),
    (ReasoningAsk("off"), Facts(), {}, []),
    (ReasoningAsk("off"), Facts(reasoning_default_on=True), {}, ["reasoning_mode"]),
    (ReasoningAsk("off", "none"), Facts(reasoning_levels=("low", "high")), {}, []),
    (ReasoningAsk("on", "low", 2048), Facts(reasoning_input="none"), {}, ["reasoning_mode", "reasoning_effort", "reasoning_budget_tokens"]),
    (ReasoningAsk("adaptive", budget_tokens=2048), Facts(reasoning_input="adaptive"), {MORE: {"thinking": {"type": "adaptive"}}}, ["reasoning_budget_tokens"]),
    (ReasoningAsk("on", "low"), Facts(reasoning_input="budget"), {MORE: {"thinking": {"type": "enabled"}}}, ["reasoning_effort"]),
    (ReasoningAsk("on", budget_tokens=2048), Facts(), {}, ["reasoning_budget_tokens", "reasoning_mode"]),
    (ReasoningAsk("on", "low", show="none"), Facts(), {MORE: {"reasoning_effort": "low"}}, ["reasoning_show"]),
]  # fmt: skip


@pytest.mark.parametrize(("ask", "facts", "expected", "losses"), THINK)
def test_reasoning_is_asked_for_in_the_words_of_the_target(ask: ReasoningAsk, facts: Facts, expected: dict[str, Any], losses: list[str]) -> None:
    body, found = encode(asking(reasoning=ask), facts)
    del body["messages"]
    assert body == expected
    assert [feature for _, feature, *_ in found] == losses


def test_tool_properties_and_choices() -> None:
    tool = Tool("get", "", {"type": "object"}, True, CacheMark(), deferred=True, namespace="n", namespace_description="d", at="tools[0]")
    body, losses = encode(asking(tools=(tool,), tool_choice=ToolChoice("one", "get", allowed=("get",))))
    spec = {"name": "get", "inputSchema": {"json": {"type": "object"}}, "strict": True}
    assert body["toolConfig"] == {"tools": [{"toolSpec": spec}, {"cachePoint": {"type": "default"}}], "toolChoice": {"tool": {"name": "get"}}}
    assert [(path, feature) for path, feature, *_ in losses] == [
        ("tools[0]", "namespace"),
        ("tools[0]", "namespace_description"),
        ("tools[0].defer_loading", "defer_loading"),
        ("tool_choice", "allowed_tools"),
    ]
    body, losses = encode(asking(tools=(TOOL,), tool_choice=ToolChoice("none")))
    assert "toolChoice" not in body["toolConfig"]
    assert losses == [("tool_choice", "tool_choice", "dropped", "tools")]


@settings(max_examples=100, deadline=None)
@given(neutral.requests())
def test_any_request_pleases_botocore_and_reads_back_alike(request: Request) -> None:
    facts = Facts(system_inline=True, reasoning_input="adaptive")
    ledger = Ledger()
    wire = CODEC.encode_request(request, facts, ledger)
    known = {key: value for key, value in wire.body.items() if key != "odd_field"}  # an unknown field of the client's, kept
    assert problems(known, "ConverseStream" if request.stream else "Converse") == ""
    again, second = decode(wire.body, request.model), Ledger()
    repeated = CODEC.encode_request(replace(again, stream=request.stream), facts, second)
    assert repeated == wire
    assert second.losses == []
    counted = CODEC.encode_count_request(request, facts, Ledger())  # type: ignore[misc]
    assert problems(counted.body, "CountTokens") == ""
