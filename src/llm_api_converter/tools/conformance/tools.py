"""Pitfalls of tools, schemas and media (36-45)."""

import json
import re
from typing import Any

from . import replies as say
from .trial import Answer, Trial, Value, camel, case, check, first, gemini_parts, ok, texts, tool, user

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
CODEX: Value = {"originator": "codex_cli_rs", "user_agent": "codex_cli_rs/0.169.0"}
OK_CHAT = say.chat_answer({"content": "ok"})
OK_CLAUDE = say.message([{"type": "text", "text": "ok"}])


def use(call_id: str, name: str = "f", **arguments: Any) -> Value:
    """A call of an Anthropic history."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def result(call_id: str, content: Any = "1") -> Value:
    """Its result."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


@case(
    36,
    "calls without results, results without calls and results told twice do not end a session",
    "farion1231/cc-switch#6044 agentforce314/clawcodex#394 microsoft/vscode#299295 RooCodeInc/Roo-Code#10027",
)
async def orphans(t: Trial) -> None:
    history = [
        user("hi"), {"role": "assistant", "content": [use("toolu_1"), use("toolu_2")]},
        {"role": "user", "content": [result("toolu_1"), result("toolu_1", "again")]},
        {"role": "assistant", "content": "hm"},
        {"role": "user", "content": [result("toolu_9", "left over"), {"type": "text", "text": "go on"}]},
    ]  # fmt: skip
    t.play(OK_CHAT)
    ok(await t.messages("chat", history, tools=[tool("f")]))
    open_calls: list[str] = []
    called = False
    for message in t.last()["messages"]:
        if message["role"] == "tool":
            check(message["tool_call_id"] in open_calls, "a tool message answers no call before it")
            open_calls.remove(message["tool_call_id"])
            continue
        check(not open_calls, "a call has no tool message after it")
        open_calls += [call["id"] for call in message.get("tool_calls") or ()]
        called = called or bool(open_calls)
    check(not open_calls, "a call has no tool message after it")
    check(called, "the calls are gone")
    check("left over" in texts(t.last()), "a result without a call is thrown away")


@case(
    37,
    "Gemini gets the results of a turn together, in the order of its calls",
    "mlflow/mlflow#25788 cloudwego/eino-ext#571 epam/ai-dial-adapter-vertexai#214",
)
async def grouped_results(t: Trial) -> None:
    t.play(say.plain(say.gemini([{"text": "ok"}])))
    history = [
        user("hi"), {"role": "assistant", "content": [use("toolu_1", "f"), use("toolu_2", "g")]},
        {"role": "user", "content": [result("toolu_2", "two")]},
        {"role": "user", "content": [result("toolu_1", "one"), {"type": "text", "text": "go"}]},
    ]  # fmt: skip
    ok(await t.messages("gemini", history, tools=[tool("f"), tool("g")]))
    turns = [[part["functionResponse"]["name"] for part in parts if "functionResponse" in part] for parts in gemini_parts(t.last())]
    check([turn for turn in turns if turn] == [["f", "g"]], f"the results stand as {turns}")


@case(
    38,
    "call ids fit their reader, on both sides of the pair",
    "decolua/9router#3167 earendil-works/pi#1022 decolua/9router#3369",
)
async def long_ids(t: Trial) -> None:
    for given in ("toolu_" + "x" * 300, "call:with|odd.characters/in+it="):
        for upstream, reply, pair, legal in (
            ("chat", OK_CHAT, _chat_pair, ".{1,64}"),
            ("bedrock", say.converse([{"text": "ok"}]), _converse_pair, "[a-zA-Z0-9_-]{1,64}"),
        ):
            sent: list[str] = []
            for _ in range(2):  # as in the turns of a session: always the same
                t.play(reply)
                history = [user("hi"), {"role": "assistant", "content": [use(given)]}, {"role": "user", "content": [result(given)]}]
                ok(await t.messages(upstream, history, tools=[tool("f")]))
                sent += pair(t.last())
            check(len(set(sent)) == 1, f"one id of the client becomes {sorted(set(sent))}")
            check(len(sent[0]) <= 64, f"the id has {len(sent[0])} characters")
            check(re.fullmatch(legal, sent[0]), f"{upstream} refuses the id {sent[0]!r}")


def _chat_pair(body: Value) -> list[str]:
    """The ids of the call and of its result, in a Chat request."""
    return [body["messages"][-2]["tool_calls"][0]["id"], body["messages"][-1]["tool_call_id"]]


def _converse_pair(body: Value) -> list[str]:
    """The same in a Converse request."""
    blocks = [block for message in body["messages"] for block in message["content"]]
    calls = [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
    return calls + [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]


REFUSED = ("$schema", "exclusiveMinimum", "propertyNames", "const", "$ref")


@case(
    39,
    "schemas are rewritten for Gemini with their meaning kept, and properties named like keywords stay",
    "router-for-me/CLIProxyAPI#1542 1rgs/claude-code-proxy#88 tashfeenahmed/freellmapi#65 pizza-bot-app/pizza-bot#62",
)
async def schemas(t: Trial) -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "required": ["const"], "additionalProperties": False,
        "properties": {
            "const": {"type": "string"}, "count": {"type": "integer", "exclusiveMinimum": 0}, "kind": {"const": "a"},
            "map": {"type": "object", "propertyNames": {"pattern": "^a"}}, "node": {"$ref": "#/$defs/node"},
        },
        "$defs": {"node": {"type": "object", "properties": {"x": {"type": "string"}}}},
    }  # fmt: skip
    t.play(say.plain(say.gemini([{"text": "ok"}])))
    ok(await t.messages("gemini", [user("hi")], tools=[tool("f", schema)]))
    entries = [camel(f) for entry in t.last()["tools"] for f in camel(entry).get("functionDeclarations") or ()]
    declared = first(entries, "the tool is not declared")
    sent = first(filter(None, (declared.get("parametersJsonSchema"), declared.get("parameters"))), "the schema is gone")
    check("const" in sent["properties"], "a property is taken for a keyword and removed")
    if "parametersJsonSchema" not in declared:  # which takes JSON Schema as it is
        keywords = _keywords(sent) & set(REFUSED)
        check(not keywords, f"keywords Gemini refuses are sent: {sorted(keywords)}")
        check(sent["properties"]["count"].get("minimum") == 1, "an integer above 0 is no longer one")
        check(sent["properties"]["kind"].get("enum") == ["a"], "a constant is no longer one")
        check("x" in texts(sent["properties"]["node"]), "what a $ref leads to is gone")


def _keywords(schema: Any) -> set[str]:
    """Keywords of a schema, property names left aside."""
    found: set[str] = set()
    if isinstance(schema, dict):
        for name, value in schema.items():
            found.add(name)
            for inner in value.values() if name in ("properties", "$defs") and isinstance(value, dict) else (value,):
                found |= _keywords(inner)
    elif isinstance(schema, list):
        for item in schema:
            found |= _keywords(item)
    return found


@case(40, "too many tools are refused early, or trimmed by rule", "musistudio/claude-code-router#686 caozhiyuan/copilot-api#188")
async def many_tools(t: Trial) -> None:
    t.play(say.gpt("ok"))
    ok(await t.messages("openai", [user("hi")], tools=[tool(f"tool_{number}") for number in range(100)]))
    check(len(t.last().get("tools") or ()) == 100, "a hundred tools are too many already")
    t.play(say.gpt("ok"))
    answer = await t.messages("openai", [user("hi")], tools=[tool(f"tool_{number}") for number in range(140)])
    if answer.status == 200:
        sent = len(t.last()["tools"])
        check(sent <= 128, f"{sent} tools are sent, and OpenAI takes 128")
    else:
        check(answer.status == 400, f"the status is {answer.status}")
        check("tool" in answer.json["error"]["message"], "the error does not say that it is about tools")


@case(
    41,
    "tools loaded by a search are declared, and told in the client's own way to who knows it",
    "anthropics/claude-code#89211 BerriAI/litellm-docs#993 router-for-me/CLIProxyAPI#1892 headroomlabs-ai/headroom#753",
)
async def tool_search(t: Trial) -> None:
    loaded = [{"type": "tool_reference", "tool_name": "WebFetch"}]
    history = [
        user("hi"), {"role": "assistant", "content": [use("toolu_1", "ToolSearch", query="web")]},
        {"role": "user", "content": [result("toolu_1", loaded), {"type": "text", "text": "Tool loaded."}]},
    ]  # fmt: skip
    tools = [tool("ToolSearch"), tool("WebFetch", {"type": "object", "properties": {"url": {"type": "string"}}}, defer_loading=True)]
    flags = {"anthropic_beta": "advanced-tool-use-2025-11-20"}
    t.play(OK_CHAT)
    ok(await t.messages("chat", history, tools=tools, headers=flags))
    declared = {entry["function"]["name"]: entry["function"] for entry in t.last()["tools"]}
    check("url" in texts(declared.get("WebFetch", {})), "the loaded tool is not declared with its schema")
    check("WebFetch" in texts(t.last()["messages"]), "the model is not told what was loaded")
    check("defer_loading" not in texts(t.last()), "a field nobody else knows is sent on")
    t.play(OK_CLAUDE)
    ok(await t.messages("anthropic", history, tools=tools, headers=flags))
    sent = texts(t.last())
    check("tool_reference" in sent and "defer_loading" in sent, "Claude is not sent what it knows: references and deferred tools")


@case(
    42,
    "a tool that only the vendor can run is not lost in silence",
    "Alishahryar1/free-claude-code#1470 BerriAI/litellm#25477 1rgs/claude-code-proxy#68",
)
async def server_tool(t: Trial) -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    t.play(OK_CHAT)
    ok(await t.messages("chat", [user("hi")], tools=[tool("f")]))
    check(t.sent, "not even a tool of the client's own is served")
    t.play(OK_CHAT)
    answer = await t.messages("chat", [user("hi")], tools=[search, tool("f")], tool_choice={"type": "tool", "name": "web_search"})
    if _refused_by_name(answer):
        return
    body = t.last()
    check([entry.get("type") for entry in body["tools"]] == ["function"], f"the tools sent are {texts(body['tools'])}")
    choice = body.get("tool_choice")
    check("web_search" not in texts(choice), "the choice points at a tool that is not there")
    check(any("web_search" in value for value in answer.headers.values()), "nothing tells the client that the search was dropped")
    t.play(say.plain(say.gemini([{"text": "ok"}])))
    answer = await t.messages("gemini", [user("hi")], tools=[search])
    if not _refused_by_name(answer):
        own = any("googleSearch" in camel(entry) for entry in t.last().get("tools") or ())
        check(own or any("web_search" in value for value in answer.headers.values()), "Gemini's own search is not used, and nobody is told")


def _refused_by_name(answer: Answer) -> bool:
    """Is the request refused, with words about the tool?"""
    if answer.status == 400:
        check("web_search" in answer.told, "the error does not name the tool")
        return True
    ok(answer)
    return False


@case(
    43,
    "raw-text and namespaced tools of Codex come back in their own shape",
    "router-for-me/CLIProxyAPI#5753 openai/codex#26234 ggml-org/llama.cpp#23041",
)
async def custom_tools(t: Trial) -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
    patch = {"type": "custom", "name": "apply_patch", "description": "d", "format": grammar}
    wait = {"type": "function", "name": "wait", "parameters": {"type": "object", "properties": {}}}
    tools = [patch, {"type": "namespace", "name": "agents", "description": "d", "tools": [wait]}]
    t.play(OK_CLAUDE)
    ok(await t.responses("anthropic", "hi", tools=tools))
    declared = {entry["name"]: entry["input_schema"] for entry in t.last()["tools"]}
    check("apply_patch" in declared, f"the tools declared are {list(declared)}")
    check(len(declared["apply_patch"]["properties"]) == 1, "a raw-text tool is not declared with one argument")
    (argument,) = declared["apply_patch"]["properties"]
    flat = first((name for name in declared if name != "apply_patch"), "the tool of the namespace is not declared")
    text = "*** Begin Patch\n"
    pieces = [say.message_start(), *say.call_block(0, "apply_patch", json.dumps({argument: text})), *say.call_block(1, flat, "{}")]
    for stream, reply in (
        (False, say.message([use("toolu_1", "apply_patch", **{argument: text}), use("toolu_2", flat)], "tool_use")),
        (True, say.sse(*pieces, *say.message_end("tool_use"))),
    ):
        t.play(reply)
        answer = ok(await t.responses("anthropic", "hi", tools=tools, stream=stream))
        output = [event["item"] for event in answer.of("response.output_item.done")] if stream else answer.json["output"]
        kinds = [item["type"] for item in output if item["type"] != "reasoning"]
        check(kinds == ["custom_tool_call", "function_call"], f"the calls come back as {kinds}")
        custom, called = (item for item in output if item["type"] != "reasoning")
        check(custom["input"] == text, f"the raw text is {custom['input']!r}")
        named = called["name"], called.get("namespace")
        check(named == ("wait", "agents"), f"the namespaced call is {named[0]!r} of {named[1]!r}")


CATALOGUE = ("slug", "display_name", "supported_reasoning_levels", "shell_type", "visibility", "priority", "base_instructions")
"""Of what Codex wants to know of each model; it throws a catalogue away where one is missing."""


@case(
    44,
    "Codex is served whole: compaction, a catalogue of models, a clear answer to WebSockets",
    "router-for-me/CLIProxyAPI#4848 router-for-me/CLIProxyAPI#5103 openai/codex#37393",
)
async def codex(t: Trial) -> None:
    t.play(say.message([{"type": "text", "text": "the story so far"}]))
    given = [{"type": "message", "role": "user", "content": "hi"}, {"type": "compaction_trigger"}]
    output = ok(await t.responses("anthropic", given)).json["output"]
    kinds = [item["type"] for item in output]
    check(kinds == ["compaction"], f"a compaction trigger is answered with {kinds}")
    t.play(OK_CLAUDE)
    ok(await t.responses("anthropic", [*output, {"type": "message", "role": "user", "content": "go on"}]))
    check("the story so far" in texts(t.last()), "the model is not told what was compacted")
    status = await t.upgraded("/v1/responses")
    check(status in (101, 426), f"a WebSocket handshake is answered with {status}, where 101 or 426 (use HTTP) is understood")
    models = ok(await t.get("/v1/models?client_version=0.169.0", **CODEX)).json.get("models")
    check(isinstance(models, list), "the list of models has no `models`, which Codex reads")
    listed = (entry for entry in models if entry.get("slug") == t.model("anthropic"))
    entry = first(listed, "the catalogue does not have the models that are served")
    missing = [name for name in CATALOGUE if name not in entry]
    check(not missing, f"an entry of the catalogue has no {', '.join(missing)}")


@case(
    45,
    "an image in a tool's result stays an image",
    "BerriAI/litellm#23712 router-for-me/CLIProxyAPI#4699 kaitranntt/ccs#1133",
)
async def result_image(t: Trial) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    history = [user("hi"), {"role": "assistant", "content": [use("toolu_1")]}, {"role": "user", "content": [result("toolu_1", [image])]}]
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    seen = [{"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"}]
    items = [{"type": "message", "role": "user", "content": "hi"}, call, {"type": "function_call_output", "call_id": "c1", "output": seen}]
    declared = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}
    t.play(OK_CHAT)
    ok(await t.messages("chat", history, tools=[tool("f")]))
    messages = t.last()["messages"]
    check(any(message["role"] == "tool" for message in messages), "the result is gone")
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
            check(part["type"] != "text" or PNG not in part["text"], "base64 is sent as text")
    check(PNG in json.dumps(messages), "the image is gone")
    t.play(OK_CLAUDE)
    ok(await t.responses("anthropic", items, tools=[declared]))
    results = [b for m in t.last()["messages"] if isinstance(m["content"], list) for b in m["content"] if b["type"] == "tool_result"]
    images = [part for found in results if isinstance(found.get("content"), list) for part in found["content"] if part["type"] == "image"]
    check(PNG in texts(images), "from a Responses client, the image is not in the result Claude is sent")
    t.play(say.plain(say.gemini([{"text": "ok"}])))
    ok(await t.messages("gemini", history, tools=[tool("f")]))
    data = [_inline(part) for parts in gemini_parts(t.last()) for part in parts]
    check(any(PNG in texts(found) for found in data), "Gemini is not sent the image as one")


def _inline(part: Value) -> list[Any]:
    """The media of a Gemini part, and of a function's response in it."""
    inner = (part.get("functionResponse") or {}).get("parts") or ()
    return [entry["inlineData"] for entry in (part, *map(camel, inner)) if "inlineData" in entry]
