"""Requests: wire examples read, neutral values written, and the law that nothing neutral is lost in silence."""

from typing import Any

import pytest
from google.genai import types

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    CacheMark,
    Citation,
    FileRef,
    Inline,
    Media,
    Message,
    Native,
    Opaque,
    Part,
    PartList,
    PlainText,
    Ran,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    Url,
)
from llm_api_converter.hub.request import (
    AudioOut,
    OutputFormat,
    ProviderTool,
    ReasoningAsk,
    Request,
    Sampling,
    Tool,
    ToolChoice,
)
from llm_api_converter.protocols.gemini import CODEC

Json = dict[str, Any]
SIGNATURE = Opaque("wire.gemini", "signature", "c2ln")
GOOGLES = Opaque("google.gemini", "signature", "Z29v")
FOREIGN = Opaque("wire.anthropic", "signature", "eA==")
ME = Message("user", (Text("hi", at="m"),), at="m")


def decode(body: Json) -> Request:
    return CODEC.decode_request(body, model="m")


def contents(*parts: Json, role: str = "user") -> Json:
    return {"contents": [{"role": role, "parts": list(parts)}]}


def one(part: Json, role: str = "user") -> Part:
    return decode(contents(part, role=role)).messages[0].parts[0]


def encode(request: Request, facts: Facts | None = None) -> tuple[Json, list[tuple[str, str, str]]]:
    ledger = Ledger()
    body = CODEC.encode_request(request, facts or Facts(), ledger).body
    return body, [(loss.path, loss.feature, loss.action) for loss in ledger.losses]


def asked(**fields: Any) -> Request:
    return Request(**{"model": "m", "messages": (ME,), **fields})


AT = "contents[0].parts[0]"
PARTS: list[tuple[Json, Part]] = [
    ({"text": "a"}, Text("a", at=AT)),
    ({"text": "", "thoughtSignature": "-_8="}, Text("", tokens=(Opaque("wire.gemini", "signature", "+/8="),), at=AT)),
    ({"text": "a", "thoughtSignature": "skip_thought_signature_validator"}, Text("a", at=AT)),
    ({"text": "a", "thought": True}, Reasoning("a", summary=True, at=AT)),
    ({"text": "a", "thought": False}, Text("a", at=AT)),
    ({"inlineData": {"mimeType": "image/png", "data": "-_8"}}, Media("image", Inline("+/8="), media_type="image/png", at=AT)),
    ({"inline_data": {"mime_type": "text/csv", "data": "QQ=="}}, Media("document", Inline("QQ=="), media_type="text/csv", at=AT)),
    (
        {"fileData": {"fileUri": "https://youtu.be/x"}, "videoMetadata": {"fps": 1}},
        Media("video", Url("https://youtu.be/x"), extras={"gemini": {"videoMetadata": {"fps": 1}}}, at=AT),
    ),
    ({"file_data": {"file_uri": "gs://b/a.mp3"}}, Media("audio", Url("gs://b/a.mp3"), at=AT)),
    (
        {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc", "mimeType": "application/pdf"}},
        Media(
            "document", FileRef("gemini", "https://generativelanguage.googleapis.com/v1beta/files/abc"), media_type="application/pdf",
            at=AT,
        ),
    ),
    ({"functionCall": {"name": "f", "id": "c1"}}, ToolCall("c1", "f", "{}", at=AT)),
    ({"functionCall": {"name": "f", "args": {"a": 1}}}, ToolCall("gemini_0_0", "f", '{"a":1}', at=AT)),
    (
        {"functionResponse": {"name": "f", "response": {"output": "done"}}},
        ToolResult("gemini_0_0", (Text("done", at=f"{AT}.functionResponse.response"),), name="f", at=AT),
    ),
    (
        {"functionResponse": {"name": "f", "id": "c", "response": {"error": {"no": 1}}}},
        ToolResult(
            "c", (Text('{"no":1}', at=f"{AT}.functionResponse.response"),), name="f", is_error=True, json=True, at=AT
        ),
    ),
    (
        {"functionResponse": {"name": "f", "id": "c", "response": {"result": "x"}, "scheduling": "SILENT"}},
        ToolResult(
            "c", (Text('{"result":"x"}', at=f"{AT}.functionResponse.response"),), name="f", json=True,
            extras={"gemini": {"scheduling": "SILENT"}}, at=AT,
        ),
    ),
    (
        {"executableCode": {"language": "PYTHON", "code": "1", "id": "e"}},
        ToolCall("e", "code_execution", '{"language":"PYTHON","code":"1"}', runs="provider", extras={"~gemini": {}}, at=AT),
    ),
    (
        {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "no", "id": "e"}},
        ToolResult(
            "e", (Text("no", at=f"{AT}.codeExecutionResult"),), name="code_execution", is_error=True, runs="provider", at=AT,
            extras={"~gemini": {}}, outcome=Ran("no"),
        ),
    ),
    ({"hologram": {"x": 1}}, Native("gemini", "hologram", {"hologram": {"x": 1}}, at=AT)),
]


@pytest.mark.parametrize(("wire", "part"), PARTS, ids=[next(iter(wire)) + str(i) for i, (wire, _) in enumerate(PARTS)])
def test_parts_are_read(wire: Json, part: Part) -> None:
    assert one(wire) == part


def test_calls_without_ids_are_found_by_name_and_order() -> None:
    def call(name: str, **more: Any) -> Json:
        return {"functionCall": {"name": name, "args": {}, **more}}

    def result(name: str, **more: Any) -> Json:
        return {"functionResponse": {"name": name, "response": {"output": name}, **more}}

    request = decode({"contents": [
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [call("a"), call("b"), call("a"), call("a", id="x")]},
        {"role": "user", "parts": [result("b"), result("a"), result("a", id="x"), result("a")]},
        {"role": "model", "parts": [call("a")]},
        {"role": "user", "parts": [result("a"), result("z")]},
    ]})  # fmt: skip
    ids = [[getattr(part, "id", None) or getattr(part, "call_id", None) for part in message.parts] for message in request.messages[1:]]
    assert ids == [
        ["gemini_1_0", "gemini_1_1", "gemini_1_2", "x"],
        ["gemini_1_1", "gemini_1_0", "x", "gemini_1_2"],
        ["gemini_3_0"],
        ["gemini_3_0", "gemini_4_1"],
    ]


def test_results_stand_first_and_system_and_roles_are_read() -> None:
    request = decode({
        "system_instruction": "be brief",
        "contents": [
            "hello",
            {"role": "model", "parts": {"functionCall": {"name": "f", "args": {}}}},
            {"role": "function", "parts": [{"text": "also"}, {"functionResponse": {"name": "f", "response": {}}}]},
        ],
    })
    roles = [(message.role, message.at) for message in request.messages]
    assert roles == [
        ("system", "system_instruction"), ("user", "contents[0]"), ("assistant", "contents[1]"), ("user", "contents[2]"),
    ]
    assert request.messages[2].parts[0].at == "contents[1].parts"
    assert [type(part) for part in request.messages[3].parts] == [ToolResult, Text]
    assert [part.at for part in request.messages[3].parts] == ["contents[2].parts[1]", "contents[2].parts[0]"]


def test_empty_text_beside_other_parts_of_the_model_is_left_out() -> None:
    nothing, said = {"text": ""}, {"text": "a"}
    assert [part.text for part in decode(contents(nothing, said, nothing, role="model")).messages[0].parts] == ["a"]  # type: ignore[union-attr]
    assert len(decode(contents(nothing, nothing, role="model")).messages[0].parts) == 1
    assert len(decode(contents(nothing, said)).messages[0].parts) == 2


@pytest.mark.parametrize("snake", [False, True])
def test_everything_around_the_contents(snake: bool) -> None:
    camel_body: Json = {
        "contents": "hi",
        "generationConfig": {
            "temperature": 1, "topP": 0.5, "topK": 3.0, "seed": 7, "stopSequences": ["x"], "frequencyPenalty": 0.1,
            "presencePenalty": 0.2, "maxOutputTokens": 9, "responseMimeType": "application/json", "candidateCount": 1,
            "responseSchema": {"type": "STRING", "nullable": True}, "responseModalities": ["TEXT", "AUDIO"],
            "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Puck"}}},
            "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": False}, "mediaResolution": "LOW",
        },
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}, "retrievalConfig": {}},
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}, {"googleSearch": {}}, {"urlContext": {}}],
        "safetySettings": [], "labels": {"a": "b"}, "serviceTier": "flex", "cachedContent": "cachedContents/x",
    }  # fmt: skip
    body = _snaked(camel_body) if snake else camel_body
    request = decode(body)
    assert request.sampling == Sampling(1, 0.5, 3, 7, ("x",), 0.1, 0.2)
    assert request.max_tokens == 9
    assert request.output == OutputFormat("schema", {"type": ["string", "null"]})
    assert request.modalities == ("text", "audio")
    assert request.audio == AudioOut("Puck")
    assert request.reasoning == ReasoningAsk("on", "low", None, "none")
    assert request.tool_choice == ToolChoice("one", "f")
    assert [getattr(tool, "kind", "function") for tool in request.tools] == ["function", "web_search", "web_fetch"]
    assert isinstance(request.tools[0], Tool)
    assert request.tools[0].schema == {"type": "object"}
    assert request.metadata == {"a": "b"}
    assert request.service_tier == "flex"
    assert request.extras == {"gemini": {
        "safetySettings": [], "cachedContent": "cachedContents/x", "generationConfig.mediaResolution": "LOW",
        "toolConfig.retrievalConfig": {},
    }}  # fmt: skip
    config = "generation_config" if snake else "generationConfig"
    assert request.path("max_tokens") == f"{config}.{'max_output_tokens' if snake else 'maxOutputTokens'}"
    assert request.path("reasoning.effort").startswith(f"{config}.thinking")
    assert request.path("tool_choice").startswith("tool_config." if snake else "toolConfig.")


def _snaked(value: Any) -> Any:
    if isinstance(value, list):
        return [_snaked(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {"".join("_" + c.lower() if c.isupper() else c for c in name): _snaked(item) for name, item in value.items()}


@pytest.mark.parametrize(
    ("config", "ask"),
    [
        ({"thinkingBudget": 0}, ReasoningAsk("off")),
        ({"thinkingBudget": -1, "includeThoughts": True}, ReasoningAsk("adaptive", show="summary")),
        ({"thinkingBudget": 512}, ReasoningAsk("on", budget_tokens=512)),
        ({"thinkingLevel": "high"}, ReasoningAsk("on", "high")),
        ({}, None),
    ],
)
def test_thinking_is_read_and_written(config: Json, ask: ReasoningAsk | None) -> None:
    request = decode({"contents": "hi", "generationConfig": {"thinkingConfig": config}})
    assert request.reasoning == ask
    written = encode(request)[0].get("generationConfig", {}).get("thinkingConfig", {})
    assert {name: str(value).lower() for name, value in written.items()} == {name: str(value).lower() for name, value in config.items()}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "body: expected an object, got an array"),
        ({}, "contents: at least one content is required"),
        ({"contents": 1}, "contents: expected an array, got a whole number"),
        ({"contents": [{"role": "system", "parts": []}]}, r"contents\[0\].role: expected user or model, got 'system'"),
        ({"contents": [{"parts": [7]}]}, r"contents\[0\].parts\[0\]: expected an object"),
        ({"contents": [{"parts": [{"function_call": {}}]}]}, r"contents\[0\].parts\[0\].function_call.name: required"),
        ({"contents": [{"parts": [{"functionResponse": {"name": "f", "response": "x"}}]}]}, "response: expected an object, got a string"),
        ({"contents": "x", "generation_config": {"max_output_tokens": "9"}}, "generation_config.max_output_tokens: expected a whole"),
        ({"contents": "x", "generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount: only one"),
        ({"contents": "x", "toolConfig": {"functionCallingConfig": {"mode": "SOME"}}}, "mode: expected one of AUTO"),
        ({"contents": "x", "tools": [{"functionDeclarations": [{}]}]}, r"tools\[0\].functionDeclarations\[0\].name: required"),
    ],
)
def test_a_bad_request_names_the_path(body: Any, message: str) -> None:
    with pytest.raises(ApiError, match=message) as caught:
        CODEC.decode_request(body, model="m")
    assert caught.value.kind == "invalid"


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-x", False, "/v1beta/models/gemini-x:generateContent"),
        ("gemini-x", True, "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"),
        ("tunedModels/a b", False, "/v1beta/tunedModels/a%20b:generateContent"),
        ("models/org/x?y", False, "/v1beta/models/org/x%3Fy:generateContent"),
    ],
)
def test_paths(model: str, stream: bool, path: str) -> None:
    wire = CODEC.encode_request(asked(model=model, stream=stream), Facts(), Ledger())
    assert wire.path == path


def test_results_are_one_turn_in_call_order_with_their_names() -> None:
    messages = (
        ME,
        Message("assistant", (ToolCall("c1", "f"), ToolCall("gemini_1_1", "g"))),
        Message("user", (ToolResult("gemini_1_1", (Text("two"),)),)),
        Message("user", (ToolResult("c1", (Text('{"a":1}'),), json=True, is_error=False), Text("go on"))),
        Message("user", (Text("please"),)),
    )
    body, losses = encode(asked(messages=messages))
    assert losses == []
    assert body["contents"][1:] == [
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}, "id": "c1"}}, {"functionCall": {"name": "g", "args": {}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "f", "response": {"a": 1}, "id": "c1"}},
            {"functionResponse": {"name": "g", "response": {"output": "two"}}},
            {"text": "go on"}, {"text": "please"},
        ]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("result", "response"),
    [
        (ToolResult("c", (Text("a"), Text("b"))), {"output": "a\nb"}),
        (ToolResult("c"), {"output": ""}),
        (ToolResult("c", (Text("no"),), is_error=True), {"error": "no"}),
        (ToolResult("c", (Text('{"x":1}'),), json=True, is_error=True), {"error": {"x": 1}}),
        (ToolResult("c", (Text("[1]"),), json=True), {"output": [1]}),
        (ToolResult("c", (Text("{broken"),), json=True), {"output": "{broken"}),
    ],
)
def test_what_a_result_becomes(result: ToolResult, response: Json) -> None:
    body, losses = encode(asked(messages=(Message("user", (result,)),)))
    assert body["contents"][0]["parts"][0]["functionResponse"]["response"] == response
    assert losses == []


ASSISTANT: list[tuple[str, tuple[Part, ...], dict[str, Any], list[Json], list[tuple[str, str, str]]]] = [
    ("own signature", (ToolCall("c", "f", tokens=(SIGNATURE,)),), {}, ["c2ln"], []),
    ("accepted realm", (ToolCall("c", "f", tokens=(GOOGLES,)),), {"accepts_realms": ("google.gemini",)}, ["Z29v"], []),
    ("foreign state", (ToolCall("c", "f", tokens=(FOREIGN,), at="x"),), {}, [None], [("x", "thought_signature", "dropped")]),
    ("carried to the call", (Reasoning("t", tokens=(SIGNATURE,)), Text("a"), ToolCall("c", "f")), {}, [None, "c2ln"], []),
    ("carried to the text", (Reasoning("t", tokens=(SIGNATURE,)), Text("a")), {}, ["c2ln"], []),
    ("carried to nothing", (Reasoning("t", tokens=(SIGNATURE,)),), {}, ["c2ln"], []),
    ("sent back", (Reasoning("t", tokens=(SIGNATURE,)), Text("a")), {"sends_reasoning_back": "always"}, ["c2ln", None], []),
    ("not wanted", (Reasoning("t", at="x"), Text("a")), {}, [None], [("x", "thinking", "dropped")]),
    (
        "required", (ToolCall("c", "f", at="x"), ToolCall("d", "g")), {"signature_required_on_calls": True},
        ["skip_thought_signature_validator", None], [("x", "thought_signature", "emulated")],
    ),
    ("required and there", (ToolCall("c", "f", tokens=(SIGNATURE,)),), {"signature_required_on_calls": True}, ["c2ln"], []),
]  # fmt: skip


@pytest.mark.parametrize(("parts", "facts", "signatures", "losses"), [row[1:] for row in ASSISTANT], ids=[row[0] for row in ASSISTANT])
def test_where_signatures_go(parts: tuple[Part, ...], facts: dict[str, Any], signatures: list[Any], losses: list[Any]) -> None:
    body, found = encode(asked(messages=(ME, Message("assistant", parts))), Facts(**facts))
    assert [part.get("thoughtSignature") for part in body["contents"][1]["parts"]] == signatures
    assert found == losses


def test_calls_of_earlier_turns_need_no_mark() -> None:
    call = Message("assistant", (ToolCall("c", "f"),))
    result = Message("user", (ToolResult("c", (Text("x"),)),))
    body, losses = encode(asked(messages=(ME, call, result, ME, call, result)), Facts(signature_required_on_calls=True))
    marked = ["thoughtSignature" in str(content) for content in body["contents"]]
    assert marked == [False, False, False, True, False]
    assert len(losses) == 1


def test_schemas_are_written_in_the_targets_dialect() -> None:
    schema = {"type": "object", "properties": {"type": {"type": ["string", "null"], "enum": ["a", None]}}, "required": ["type"]}
    request = asked(tools=(Tool("f", "d", schema),), output=OutputFormat("schema", schema))
    body, _ = encode(request, Facts(schema_dialect="openapi"))
    own = {"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": True, "enum": ["a"]}}, "required": ["type"]}
    assert body["tools"] == [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": own}]}]
    assert body["generationConfig"] == {"responseMimeType": "application/json", "responseSchema": own}
    body, _ = encode(request)
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == schema
    assert body["generationConfig"]["responseJsonSchema"] == schema


# ---------------------------------------------------------------------------- the law: written, or in the ledger
MARK = CacheMark()
NEUTRAL: list[tuple[str, dict[str, Any], str]] = [
    # (what, fields of the request, words in the body or `!feature` in the ledger)
    ("system", {"messages": (Message("system", (Text("SYS"),)), ME)}, "SYS"),
    ("late system", {"messages": (ME, Message("system", (Text("SYS"),), at="x"))}, "!system_inline"),
    ("name", {"messages": (Message("user", (Text("a"),), name="bob", at="x"),)}, "!name"),
    ("text cache", {"messages": (Message("user", (Text("a", cache=MARK, at="x"),)),)}, "!cache_control"),
    ("citations", {"messages": (ME, Message("assistant", (Text("a", citations=(Citation(url="u"),), at="x"),)))}, "!citations"),
    ("foreign text extras", {"messages": (Message("user", (Text("a", extras={"openai_chat": {"odd": 1}}, at="x"),)),)}, "!odd"),
    ("foreign message extras", {"messages": (Message("user", (Text("a"),), extras={"openai_chat": {"odd": 1}}),)}, "!odd"),
    ("image", {"messages": (Message("user", (Media("image", Inline("QUJD"), media_type="image/webp"),)),)}, "image/webp"),
    ("untyped audio", {"messages": (Message("user", (Media("audio", Inline("QUJD")),)),)}, "audio/wav"),
    ("url", {"messages": (Message("user", (Media("document", Url("gs://b/c")),)),)}, "gs://b/c"),
    ("own file", {"messages": (Message("user", (Media("image", FileRef("gemini", "files/1")),)),)}, "files/1"),
    ("file of others", {"messages": (Message("user", (Media("image", FileRef("anthropic", "f"), at="x"),)),)}, "!file_id"),
    ("plain document", {"messages": (Message("user", (Media("document", PlainText("abc")),)),)}, "YWJj"),
    ("document in parts", {"messages": (Message("user", (Media("document", PartList((Text("abc"),))),)),)}, "YWJj"),
    (
        "image inside a document",
        {"messages": (Message("user", (Media("document", PartList((Media("image", Inline("QQ=="), at="y"),)), at="x"),)),)}, "!document",
    ),
    ("media name", {"messages": (Message("user", (Media("document", Inline("QUJD"), name="a.pdf"),)),)}, "a.pdf"),
    ("context", {"messages": (Message("user", (Media("document", Inline("QQ=="), context="c", at="x"),)),)}, "!document_context"),
    ("cite", {"messages": (Message("user", (Media("document", Inline("QQ=="), cite=True, at="x"),)),)}, "!citations"),
    ("detail", {"messages": (Message("user", (Media("image", Inline("QQ=="), detail="low", at="x"),)),)}, "!image_detail"),
    ("redacted", {"messages": (ME, Message("assistant", (Reasoning("", redacted=True, at="x"), Text("a"))))}, "!redacted_thinking"),
    ("reasoning cache", {"messages": (ME, Message("assistant", (Reasoning("t", cache=MARK, at="x"),)))}, "!cache_control"),
    ("refusal", {"messages": (ME, Message("assistant", (Refusal("NO"),)))}, "NO"),
    ("arguments", {"messages": (ME, Message("assistant", (ToolCall("c", "f", '{"k":"ARG"}'),)))}, "ARG"),
    ("broken arguments", {"messages": (ME, Message("assistant", (ToolCall("c", "f", "{broken", at="x"),)))}, "!arguments"),
    ("custom call", {"messages": (ME, Message("assistant", (ToolCall("c", "f", "raw", custom=True, at="x"),)))}, "!custom_tool"),
    ("namespace of a call", {"messages": (ME, Message("assistant", (ToolCall("c", "f", namespace="n", at="x"),)))}, "!namespace"),
    ("search of others", {"messages": (ME, Message("assistant", (ToolCall("c", "web_search", runs="provider", at="x"),)))}, "!web_search"),
    (
        "code of others",
        {"messages": (ME, Message("assistant", (ToolCall("c", "code_execution", '{"code":"print(1)"}', runs="provider"),)))}, "print(1)",
    ),
    (
        "result of others",
        {"messages": (ME, Message("assistant", (ToolResult("c", name="web_search", runs="provider", at="x"),)))}, "!web_search",
    ),
    ("image in a result", {"messages": (Message("user", (ToolResult("c", (Media("image", Inline("QUJD")),)),)),)}, "QUJD"),
    ("reference", {"messages": (Message("user", (ToolResult("c", (ToolReference("f", at="x"),)),)),)}, "!tool_reference"),
    ("native in a result", {"messages": (Message("user", (ToolResult("c", (Native("anthropic", "odd", {}, at="x"),)),)),)}, "!odd"),
    ("native", {"messages": (Message("user", (Native("anthropic", "container_upload", {}, at="x"),)),)}, "!container_upload"),
    ("own native", {"messages": (Message("user", (Native("gemini", "new", {"new": "NEW"}),)),)}, "NEW"),
    ("tool", {"tools": (Tool("f", "DESC", {"type": "object"}),)}, "DESC"),
    ("strict", {"tools": (Tool("f", strict=True, at="x"),)}, "!strict"),
    ("tool cache", {"tools": (Tool("f", cache=MARK, at="x"),)}, "!cache_control"),
    ("custom tool", {"tools": (Tool("f", custom=True, at="x"),)}, "!custom_tool"),
    ("grammar", {"tools": (Tool("f", custom=True, format={"type": "grammar"}, at="x"),)}, "!format"),
    ("deferred", {"tools": (Tool("f", deferred=True, at="x"),)}, "!defer_loading"),
    ("namespace", {"tools": (Tool("f", namespace="n", at="x"),)}, "!namespace"),
    ("namespace description", {"tools": (Tool("f", namespace_description="n", at="x"),)}, "!namespace_description"),
    ("foreign tool extras", {"tools": (Tool("f", extras={"openai_chat": {"odd": 1}}, at="x"),)}, "!odd"),
    ("own search", {"tools": (ProviderTool("web_search", "gemini", {"google_search": {}}),)}, "googleSearch"),
    ("search", {"tools": (ProviderTool("web_search", "anthropic", {}, at="x"),)}, "!web_search"),
    ("provider tool cache", {"tools": (ProviderTool("other", "gemini", {"a": {}}, cache=MARK, at="x"),)}, "!cache_control"),
    ("any", {"tool_choice": ToolChoice("any")}, "ANY"),
    ("none", {"tool_choice": ToolChoice("none")}, "NONE"),
    ("one", {"tool_choice": ToolChoice("one", "f")}, "allowedFunctionNames"),
    ("allowed", {"tool_choice": ToolChoice("auto", allowed=("f",))}, "VALIDATED"),
    ("foreign choice extras", {"tool_choice": ToolChoice("auto", extras={"openai_chat": {"odd": 1}})}, "!odd"),
    ("parallel", {"parallel_tools": False}, "!parallel_tool_calls"),
    ("max tokens", {"max_tokens": 99}, "99"),
    *((name, {"sampling": Sampling(**{name: 7 if name in ("top_k", "seed") else 0.25})}, "7" if name in ("top_k", "seed") else "0.25")
      for name in ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty")),
    ("stop", {"sampling": Sampling(stop=("STOPPER",))}, "STOPPER"),
    ("off", {"reasoning": ReasoningAsk("off")}, "'thinkingBudget': 0"),
    ("effort", {"reasoning": ReasoningAsk("on", "high")}, "HIGH"),
    ("budget", {"reasoning": ReasoningAsk("on", budget_tokens=77)}, "77"),
    ("both", {"reasoning": ReasoningAsk("on", "high", 77)}, "!reasoning_budget"),
    ("show", {"reasoning": ReasoningAsk(show="full")}, "'includeThoughts': True"),
    ("json", {"output": OutputFormat("json")}, "application/json"),
    ("text", {"output": OutputFormat("text")}, "text/plain"),
    ("schema description", {"output": OutputFormat("schema", {"type": "object"}, description="DESC")}, "DESC"),
    ("two descriptions", {"output": OutputFormat("schema", {"description": "a"}, description="b")}, "!schema_description"),
    ("modalities", {"modalities": ("image",)}, "IMAGE"),
    ("voice", {"audio": AudioOut("Puck")}, "Puck"),
    ("audio format", {"audio": AudioOut("Puck", "mp3")}, "!audio_format"),
    ("service tier", {"service_tier": "flex"}, "flex"),
    ("user", {"user": "u"}, "!user"),
    ("metadata", {"metadata": {"k": "v"}}, "!metadata"),
    ("store", {"store": True}, "!store"),
    ("verbosity", {"verbosity": "low"}, "!verbosity"),
    ("cache", {"cache": MARK}, "!cache_control"),
    ("cache key", {"cache_key": "k"}, "!cache_key"),
    ("foreign extras", {"extras": {"openai_chat": {"odd": 1}}}, "!odd"),
    ("own extras", {"extras": {"gemini": {"generationConfig.new": "NEW"}}}, "NEW"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "wanted"), [row[1:] for row in NEUTRAL], ids=[row[0] for row in NEUTRAL])
def test_every_neutral_field_is_written_or_reported(fields: dict[str, Any], wanted: str) -> None:
    body, losses = encode(asked(**fields))
    features = {feature for _, feature, _ in losses}
    if wanted.startswith("!"):
        assert wanted[1:] in features
    else:
        assert wanted in str(body)
        assert features <= {"refusal"}
    validate(body)


def test_a_promise_not_to_keep_answers() -> None:
    assert encode(asked(store=False))[1] == []
    assert encode(asked(store=False), Facts(stores=True))[1] == [("store", "store", "dropped")]


def test_media_of_results_where_the_target_takes_none() -> None:
    result = ToolResult("c", (Text("t"), Media("image", Inline("QQ=="), at="x")))
    body, losses = encode(asked(messages=(Message("user", (result,)),)), Facts(tool_result_media="none"))
    assert "inlineData" not in str(body)
    assert losses == [("x", "image", "dropped")]


def validate(body: Json) -> None:
    """Google's own types, which forbid unknown fields."""
    for content in [*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else [])]:
        if "new" not in str(content):
            types.Content.model_validate(content)
    for tool in body.get("tools", []):
        if "a" not in tool:
            types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.get("toolConfig", {}))
    config = {name: value for name, value in body.get("generationConfig", {}).items() if name != "new"}
    types.GenerationConfig.model_validate(config)
