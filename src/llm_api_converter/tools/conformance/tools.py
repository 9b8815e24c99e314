"""Pitfalls of tools, schemas and media (36-45)."""

import json
from typing import Any

from . import replies as say
from .trial import Trial, Value, case, ok, texts, tool, user

LL = "https://github.com/BerriAI/litellm/issues/"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def use(call_id: str, name: str = "f", **arguments: Any) -> Value:
    """A call of an Anthropic history."""
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def result(call_id: str, content: Any = "1") -> Value:
    """Its result."""
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


@case(
    36,
    "calls without results and results without calls do not end a session",
    "https://github.com/farion1231/cc-switch/pull/6044",
    "https://github.com/microsoft/vscode/issues/299295",
)
async def orphans(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}))
    history = [
        user("hi"), {"role": "assistant", "content": [use("toolu_1"), use("toolu_2")]}, {"role": "user", "content": [result("toolu_1")]},
        {"role": "assistant", "content": "hm"}, {"role": "user", "content": [result("toolu_9"), {"type": "text", "text": "go on"}]},
    ]  # fmt: skip
    ok(await t.messages("chat", history, tools=[tool("f")]))
    open_calls: list[str] = []
    for message in t.last()["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_calls, "a tool message answers no call before it"
            open_calls.remove(message["tool_call_id"])
            continue
        assert not open_calls, "a call has no tool message after it"
        open_calls += [call["id"] for call in message.get("tool_calls") or ()]
    assert not open_calls, "a call has no tool message after it"


@case(
    37,
    "Gemini gets the results of a turn together, in the order of its calls",
    "https://github.com/mlflow/mlflow/issues/25788",
    "https://github.com/cloudwego/eino-ext/issues/571",
)
async def grouped_results(t: Trial) -> None:
    t.play(say.plain(say.gemini([{"text": "ok"}])))
    history = [
        user("hi"), {"role": "assistant", "content": [use("toolu_1", "f"), use("toolu_2", "g")]},
        {"role": "user", "content": [result("toolu_2", "two")]},
        {"role": "user", "content": [result("toolu_1", "one"), {"type": "text", "text": "go"}]},
    ]  # fmt: skip
    ok(await t.messages("gemini", history, tools=[tool("f"), tool("g")]))
    turns = [[part["functionResponse"]["name"] for part in c["parts"] if "functionResponse" in part] for c in t.last()["contents"]]
    assert [turn for turn in turns if turn] == [["f", "g"]], f"the results stand as {turns}"


@case(
    38,
    "call ids fit their reader, on both sides of the pair",
    "https://github.com/decolua/9router/pull/3167",
    "https://github.com/earendil-works/pi/issues/1022",
)
async def long_ids(t: Trial) -> None:
    long_id = "toolu_" + "x" * 300
    for upstream, reply in (("chat", say.chat_answer({"content": "ok"})), ("bedrock", say.converse([{"text": "ok"}]))):
        t.play(reply)
        history = [user("hi"), {"role": "assistant", "content": [use(long_id)]}, {"role": "user", "content": [result(long_id)]}]
        ok(await t.messages(upstream, history, tools=[tool("f")]))
        if upstream == "chat":
            messages = t.last()["messages"]
            pair = [messages[-2]["tool_calls"][0]["id"], messages[-1]["tool_call_id"]]
        else:
            blocks = [block for message in t.last()["messages"] for block in message["content"]]
            pair = [b["toolUse"]["toolUseId"] for b in blocks if "toolUse" in b] + [
                b["toolResult"]["toolUseId"] for b in blocks if "toolResult" in b
            ]
        assert pair[0] == pair[1], "call and result have different ids"
        assert len(pair[0]) <= 64, f"the id has {len(pair[0])} characters"


REFUSED = ("$schema", "exclusiveMinimum", "propertyNames", "const", "$ref")


@case(
    39,
    "schemas are rewritten for Gemini, and properties named like keywords stay",
    "https://github.com/router-for-me/CLIProxyAPI/pull/1542",
    "https://github.com/1rgs/claude-code-proxy/pull/88",
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
    declared = next(f for entry in t.last()["tools"] for f in entry.get("functionDeclarations") or entry.get("function_declarations") or ())
    sent = declared.get("parametersJsonSchema") or declared.get("parameters")
    assert sent, "the schema is gone"
    assert "const" in sent["properties"], "a property is taken for a keyword and removed"
    if "parametersJsonSchema" not in declared:
        keywords = _keywords(sent)
        assert not keywords & set(REFUSED), f"keywords Gemini refuses are sent: {sorted(keywords & set(REFUSED))}"


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


@case(40, "too many tools are refused early, or trimmed by rule", "https://github.com/musistudio/claude-code-router/issues/686")
async def many_tools(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}))
    answer = await t.messages("openai", [user("hi")], tools=[tool(f"tool_{number}") for number in range(140)])
    if answer.status == 200:
        sent = len(t.last()["tools"])
        assert sent <= 128, f"{sent} tools are sent, and OpenAI takes 128"
    else:
        assert answer.status == 400, f"the status is {answer.status}"
        assert "tool" in answer.json["error"]["message"], "the error does not say that it is about tools"


@case(
    41,
    "tools loaded by a search are declared",
    "https://github.com/anthropics/claude-code/issues/89211",
    "https://github.com/headroomlabs-ai/headroom/pull/753",
)
async def tool_search(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}))
    loaded = [{"type": "tool_reference", "tool_name": "WebFetch"}]
    history = [
        user("hi"), {"role": "assistant", "content": [use("toolu_1", "ToolSearch", query="web")]},
        {"role": "user", "content": [result("toolu_1", loaded), {"type": "text", "text": "Tool loaded."}]},
    ]  # fmt: skip
    tools = [tool("ToolSearch"), tool("WebFetch", {"type": "object", "properties": {"url": {"type": "string"}}}, defer_loading=True)]
    ok(await t.messages("chat", history, tools=tools, headers={"anthropic_beta": "advanced-tool-use-2025-11-20"}))
    declared = {entry["function"]["name"]: entry["function"] for entry in t.last()["tools"]}
    assert "url" in texts(declared.get("WebFetch", {})), "the loaded tool is not declared with its schema"
    assert "tool_reference" not in texts(t.last()) or "WebFetch" in texts(t.last()["messages"]), "what was loaded is not said"
    assert "defer_loading" not in texts(t.last()), "a field nobody else knows is sent on"


@case(
    42,
    "a tool that only the vendor can run is not lost in silence",
    "https://github.com/Alishahryar1/free-claude-code/issues/1470",
    LL + "25477",
)
async def server_tool(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}))
    search = {"type": "web_search_20250305", "name": "web_search"}
    answer = await t.messages("chat", [user("hi")], tools=[search, tool("f")], tool_choice={"type": "tool", "name": "web_search"})
    if answer.status == 400:
        assert "web_search" in answer.json["error"]["message"], "the error does not name the tool"
        return
    ok(answer)
    body = t.last()
    assert [entry.get("type") for entry in body["tools"]] == ["function"], f"the tools sent are {texts(body['tools'])}"
    named = (body.get("tool_choice") or {}) if isinstance(body.get("tool_choice"), dict) else {}
    assert "web_search" not in texts(named), "the choice points at a tool that is not there"
    assert any("web_search" in value for value in answer.headers.values()), "nothing tells the client that the search was dropped"


@case(
    43,
    "raw-text and namespaced tools of Codex come back in their own shape",
    "https://github.com/router-for-me/CLIProxyAPI/issues/5753",
    "https://github.com/openai/codex/issues/26234",
)
async def custom_tools(t: Trial) -> None:
    patch = {
        "type": "custom",
        "name": "apply_patch",
        "description": "d",
        "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
    }
    spaced = {
        "type": "namespace",
        "name": "agents",
        "description": "d",
        "tools": [{"type": "function", "name": "wait", "parameters": {"type": "object", "properties": {}}}],
    }
    t.play(say.message([{"type": "text", "text": "ok"}]))
    ok(await t.responses("anthropic", "hi", tools=[patch, spaced]))
    declared = {entry["name"]: entry["input_schema"] for entry in t.last()["tools"]}
    assert "apply_patch" in declared, f"the tools declared are {list(declared)}"
    (argument,) = declared["apply_patch"]["properties"]
    flat = next(name for name in declared if name != "apply_patch")
    calls = [use("toolu_1", "apply_patch", **{argument: "*** Begin Patch\n"}), use("toolu_2", flat)]
    t.play(say.message(calls, "tool_use"))
    output = ok(await t.responses("anthropic", "hi", tools=[patch, spaced])).json["output"]
    custom = next((item for item in output if item["type"] == "custom_tool_call"), None)
    assert custom is not None, f"the call comes back as {[item['type'] for item in output]}"
    assert custom["input"] == "*** Begin Patch\n", f"its input is {custom['input']!r}"
    called = next(item for item in output if item["type"] == "function_call")
    assert (called["name"], called.get("namespace")) == ("wait", "agents"), (
        f"the namespaced call is {called['name']!r} of {called.get('namespace')!r}"
    )


@case(
    44,
    "Codex is served whole: compaction, and a catalogue of models",
    "https://github.com/router-for-me/CLIProxyAPI/issues/4848",
    "https://github.com/openai/codex/issues/37393",
)
async def codex(t: Trial) -> None:
    t.play(say.message([{"type": "text", "text": "the story so far"}]))
    given = [{"type": "message", "role": "user", "content": "hi"}, {"type": "compaction_trigger"}]
    output = ok(await t.responses("anthropic", given)).json["output"]
    kinds = [item["type"] for item in output]
    assert kinds == ["compaction"], f"a compaction trigger is answered with {kinds}"
    t.play(say.message([{"type": "text", "text": "ok"}]))
    ok(await t.responses("anthropic", [*output, {"type": "message", "role": "user", "content": "go on"}]))
    assert "the story so far" in texts(t.last()), "the model is not told what was compacted"


@case(45, "an image in a tool's result stays an image", LL + "23712", "https://github.com/router-for-me/CLIProxyAPI/issues/4699")
async def result_image(t: Trial) -> None:
    t.play(say.chat_answer({"content": "ok"}))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    history = [user("hi"), {"role": "assistant", "content": [use("toolu_1")]}, {"role": "user", "content": [result("toolu_1", [image])]}]
    ok(await t.messages("chat", history, tools=[tool("f")]))
    messages = t.last()["messages"]
    assert any(message["role"] == "tool" for message in messages), "the result is gone"
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
            assert part["type"] != "text" or PNG not in part["text"], "base64 is sent as text"
    assert PNG in json.dumps(messages), "the image is gone"
