"""Everything a request can say in neutral form, one thing at a time: `FEATURES`, in the order of the page of losses.

A feature is a name and a function that makes a request out of the protocol it is said in (state, native items and provider-run tools
belong to a protocol). `BASE` is the request without it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from msgspec.structs import replace

from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    CacheMark,
    FileRef,
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
from llm_api_converter.protocols import codec

PNG, PDF, WAV = "iVBORw0KGgo=", "JVBERi0xLjQKJUVPRgo=", "UklGRiQAAABXQVZF"
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
HELLO = Message("user", (Text("Hello"),))
WEATHER = Tool("weather", "Tells the weather.", SCHEMA)
CALL = ToolCall("call_1", "weather", '{"city":"Oslo"}')
RESULT = ToolResult("call_1", (Text("rain"),), name="weather")
BASE = Request("model", (HELLO,), max_tokens=500)
WITH_TOOL = replace(BASE, tools=(WEATHER,))

# A declaration of a tool the provider runs, in each protocol that has one.
WEB_SEARCH: dict[str, dict[str, Any]] = {
    "anthropic": {"type": "web_search_20250305", "name": "web_search"},
    "openai_chat": {"web_search_options": {}},
    "openai_responses": {"type": "web_search"},
    "gemini": {"googleSearch": {}},
    "bedrock_converse": {"systemTool": {"name": "nova_grounding"}},
}
# An item without a neutral meaning.
NATIVE: dict[str, tuple[str, dict[str, Any]]] = {
    "anthropic": ("container_upload", {"type": "container_upload", "file_id": "file_1"}),
    "openai_chat": ("odd", {"type": "odd", "odd": {}}),
    "openai_responses": ("compaction", {"type": "compaction", "encrypted_content": "x"}),
    "gemini": ("videoMetadata", {"videoMetadata": {"fps": 1}}),
    "bedrock_converse": ("searchResult", {"searchResult": {"source": "https://example.com", "title": "t", "content": [{"text": "x"}]}}),
}


# Assistant turns as their own protocol writes them: text with citations, and a tool the provider has run.
_FOUND = {"type": "web_search_result", "url": "https://example.com", "title": "Title", "encrypted_content": "RXE=", "page_age": None}
_CITATION = {"type": "url_citation", "url": "https://example.com", "title": "Title", "start_index": 0, "end_index": 6}
CITED: dict[str, Any] = {
    "anthropic": {"role": "assistant", "content": [{"type": "text", "text": "I said.", "citations": [
        {"type": "web_search_result_location", "url": "https://example.com", "title": "Title", "encrypted_index": "RXE=", "cited_text": "quote"}]}]},
    "openai_chat": {"role": "assistant", "content": "I said.", "annotations": [{"type": "url_citation", "url_citation": {
        k: v for k, v in _CITATION.items() if k != "type"}}]},
    "openai_responses": {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [
        {"type": "output_text", "text": "I said.", "annotations": [_CITATION]}]},
    "bedrock_converse": {"role": "assistant", "content": [{"citationsContent": {"content": [{"text": "I said."}], "citations": [
        {"title": "Title", "sourceContent": [{"text": "quote"}], "location": {"web": {"url": "https://example.com"}}}]}}]},
}  # fmt: skip
PROVIDER_CALLS: dict[str, Any] = {
    "anthropic": {"role": "assistant", "content": [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [_FOUND]}, {"type": "text", "text": "I said."}]},
    "openai_responses": [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [
            {"type": "output_text", "text": "I said.", "annotations": []}]}],
    "gemini": {"role": "model", "parts": [
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}}, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"text": "I said."}]},
    "bedrock_converse": {"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "t1", "name": "nova_grounding", "input": {"query": "x"}, "type": "server_tool_use"}},
        {"toolResult": {"toolUseId": "t1", "content": [{"text": "found"}], "type": "nova_grounding_result", "status": "success"}},
        {"text": "I said."}]},
}  # fmt: skip


class Feature(NamedTuple):
    """One thing. `make(protocol)` says it (KeyError: this protocol has no such thing); `base` is what it is compared with."""

    name: str
    make: Callable[[str], Request]
    base: Request = BASE


def _as_written(turns: dict[str, Any]) -> Callable[[str], Request]:
    """The conversation of ANSWERED with an assistant turn in the protocol's own words."""

    def make(protocol: str) -> Request:
        turn = turns[protocol]
        said = codec(protocol).encode_request(ANSWERED, Facts(), Ledger()).body
        items = said["contents" if protocol == "gemini" else "input" if protocol == "openai_responses" else "messages"]
        items[1:2] = turn if isinstance(turn, list) else [turn]
        return codec(protocol).decode_request(said, model="model", stream=False)

    return make


def _user(*parts: Part) -> Callable[[str], Request]:
    return lambda _: replace(BASE, messages=(Message("user", (*parts, Text("Hello"))),))


def _more(**fields: Any) -> Callable[[str], Request]:
    return lambda _: replace(BASE, **fields)


def _tools(*tools: Tool | ProviderTool, **fields: Any) -> Callable[[str], Request]:
    return lambda _: replace(BASE, tools=tools, **fields)


def turn(*parts: Part, result: ToolResult = RESULT) -> tuple[Message, ...]:
    """A conversation in which the model has called a tool, its parts before the call being `parts`."""
    call = next((x for x in parts if isinstance(x, ToolCall)), CALL)
    before = [x for x in parts if not isinstance(x, ToolCall)]
    return (HELLO, Message("assistant", (*before, call)), Message("user", (replace(result, call_id=call.id),)))


def _history(*parts: Part, result: ToolResult = RESULT) -> Callable[[str], Request]:
    return lambda _: replace(WITH_TOOL, messages=turn(*parts, result=result))


def _token(protocol: str, kind: str) -> tuple[Opaque, ...]:
    return (Opaque(f"wire.{protocol}", kind, "RXE0QmFzZTY0", item_id="rs_1" if kind == "encrypted" else None),)


def _said(*parts: Part) -> Callable[[str], Request]:
    """The model said this earlier, and was answered."""
    return lambda _: replace(BASE, messages=(HELLO, Message("assistant", parts), HELLO))


def _signed(part: Callable[[tuple[Opaque, ...]], Part], kind: str) -> Callable[[str], Request]:
    def make(protocol: str) -> Request:
        return replace(WITH_TOOL, messages=turn(part(_token(protocol, kind))))

    return make


TURN = replace(WITH_TOOL, messages=turn())
ANSWERED = replace(BASE, messages=(HELLO, Message("assistant", (Text("I said."),)), HELLO))
MARK = CacheMark(3600)

FEATURES: dict[str, list[Feature]] = {
    "Turns": [
        Feature("system text", lambda _: replace(BASE, messages=(Message("system", (Text("Be brief."),)), HELLO))),
        Feature("system text in mid-conversation",
                lambda _: replace(ANSWERED, messages=(*ANSWERED.messages[:2], Message("system", (Text("Be brief."),)), HELLO)), ANSWERED),
        Feature("the name of a participant", lambda _: replace(BASE, messages=(replace(HELLO, name="ann"),))),
        Feature("an assistant turn to go on from", lambda _: replace(BASE, messages=(HELLO, Message("assistant", (Text("Once upon"),))))),
        Feature("a refusal in the history", _said(Refusal("I will not.")), BASE),
        Feature("citations in the history", _as_written(CITED), ANSWERED),
    ],
    "Media": [
        Feature("image, inline", _user(Media("image", Inline(PNG), "image/png"))),
        Feature("image, by URL", _user(Media("image", Url("https://example.com/a.png"), "image/png"))),
        Feature("image, uploaded file", lambda p: _user(Media("image", FileRef(p, "file_1"), "image/png"))(p)),
        Feature("image detail", _user(Media("image", Inline(PNG), "image/png", detail="high")), _user(Media("image", Inline(PNG), "image/png"))("")),
        Feature("document, inline", _user(Media("document", Inline(PDF), "application/pdf"))),
        Feature("document, by URL", _user(Media("document", Url("https://example.com/a.pdf"), "application/pdf"))),
        Feature("document, uploaded file", lambda p: _user(Media("document", FileRef(p, "file_1"), "application/pdf"))(p)),
        Feature("document as text", _user(Media("document", PlainText("the text"), "text/plain"))),
        Feature("document of parts", _user(Media("document", PartList((Text("the text"),))))),
        Feature("document title", _user(Media("document", Inline(PDF), "application/pdf", name="report")),
                _user(Media("document", Inline(PDF), "application/pdf"))("")),
        Feature("document context", _user(Media("document", Inline(PDF), "application/pdf", context="About it.")),
                _user(Media("document", Inline(PDF), "application/pdf"))("")),
        Feature("citations wanted", _user(Media("document", Inline(PDF), "application/pdf", cite=True)),
                _user(Media("document", Inline(PDF), "application/pdf"))("")),
        Feature("sound, inline", _user(Media("audio", Inline(WAV), "audio/wav"))),
        Feature("video, inline", _user(Media("video", Inline("AAAA"), "video/mp4"))),
        Feature("image of the model in the history", _said(Text("I said."), Media("image", Inline(PNG), "image/png")), ANSWERED),
        Feature("state on an image of the model", lambda p: _said(Text("I said."), Media("image", Inline(PNG), "image/png", tokens=_token(p, "signature")))(p),
                _said(Text("I said."), Media("image", Inline(PNG), "image/png"))("")),
    ],
    "Tools": [
        Feature("tool", _tools(WEATHER)),
        Feature("tool without schema", _tools(Tool("weather", "Tells the weather."))),
        Feature("strict arguments", _tools(replace(WEATHER, strict=True)), WITH_TOOL),
        Feature("free-text (custom) tool", _tools(Tool("sql", "Runs SQL.", custom=True))),
        Feature("grammar of a custom tool", _tools(Tool("sql", "Runs SQL.", custom=True, format={"type": "grammar", "syntax": "lark", "definition": "start: /.+/"})),
                _tools(Tool("sql", "Runs SQL.", custom=True))("")),
        Feature("namespace of tools", _tools(replace(WEATHER, namespace="geo", namespace_description="Places.")), WITH_TOOL),
        Feature("deferred tool", _tools(WEATHER, Tool("tides", "Tells the tides.", SCHEMA, deferred=True))),
        Feature("tool run by the provider (web search)", lambda p: _tools(ProviderTool("web_search", p, WEB_SEARCH[p], "web_search" if p == "anthropic" else None))(p)),
        Feature("cache mark on that tool",
                lambda p: _tools(ProviderTool("web_search", p, WEB_SEARCH[p], "web_search" if p == "anthropic" else None, cache=MARK))(p), BASE),
        Feature("choice: auto", _tools(WEATHER, tool_choice=ToolChoice("auto")), WITH_TOOL),
        Feature("choice: none", _tools(WEATHER, tool_choice=ToolChoice("none")), WITH_TOOL),
        Feature("choice: any", _tools(WEATHER, tool_choice=ToolChoice("any")), WITH_TOOL),
        Feature("choice: one tool", _tools(WEATHER, tool_choice=ToolChoice("one", "weather")), WITH_TOOL),
        Feature("choice among some", _tools(WEATHER, replace(WEATHER, name="tides"), tool_choice=ToolChoice("any", allowed=("weather",))),
                _tools(WEATHER, replace(WEATHER, name="tides"), tool_choice=ToolChoice("any"))("")),
        Feature("no parallel calls", _tools(WEATHER, parallel_tools=False), WITH_TOOL),
        Feature("call and result", _history(), WITH_TOOL),
        Feature("failed result", _history(result=replace(RESULT, is_error=True)), TURN),
        Feature("result as JSON", _history(result=replace(RESULT, parts=(Text('{"sky":"rain"}'),), json=True)), TURN),
        Feature("image in a result", _history(result=replace(RESULT, parts=(Text("rain"), Media("image", Inline(PNG), "image/png")))), TURN),
        Feature("document in a result", _history(result=replace(RESULT, parts=(Text("rain"), Media("document", Inline(PDF), "application/pdf")))), TURN),
        Feature("call of a custom tool", lambda _: replace(
            BASE, tools=(Tool("sql", "Runs SQL.", custom=True),),
            messages=turn(ToolCall("call_1", "sql", "SELECT 1", custom=True), result=replace(RESULT, custom=True, name="sql")))),
        Feature("call in a namespace", lambda _: replace(
            BASE, tools=(replace(WEATHER, namespace="geo"),), messages=turn(replace(CALL, namespace="geo")))),
        Feature("tool loaded by a search", lambda _: replace(
            BASE, tools=(WEATHER, Tool("tides", "Tells the tides.", SCHEMA, deferred=True)),
            messages=turn(result=replace(RESULT, parts=(ToolReference("tides"),))))),
        Feature("call run by the provider", _as_written(PROVIDER_CALLS), ANSWERED),
    ],
    "Reasoning": [
        Feature("effort", _more(reasoning=ReasoningAsk(effort="low"))),
        Feature("budget in tokens", lambda _: replace(BASE, max_tokens=4000, reasoning=ReasoningAsk("on", budget_tokens=2000)), replace(BASE, max_tokens=4000)),
        Feature("on, as the model likes", lambda _: replace(BASE, max_tokens=4000, reasoning=ReasoningAsk("adaptive")), replace(BASE, max_tokens=4000)),
        Feature("off", _more(reasoning=ReasoningAsk("off"))),
        Feature("summary wanted", _more(reasoning=ReasoningAsk(effort="low", show="summary")), _more(reasoning=ReasoningAsk(effort="low"))("")),
        Feature("unsigned reasoning in the history", _history(Reasoning("Hmm.")), TURN),
        Feature("a reasoning summary in the history", _history(Reasoning("Hmm.", summary=True)), TURN),
        Feature("signed reasoning", _signed(lambda t: Reasoning("Hmm.", tokens=t), "signature"), TURN),
        Feature("encrypted reasoning", _signed(lambda t: Reasoning("Hmm.", summary=True, tokens=t), "encrypted"), TURN),
        Feature("redacted reasoning", _signed(lambda t: Reasoning("", redacted=True, tokens=t), "redacted"), TURN),
        Feature("state on a call", _signed(lambda t: replace(CALL, tokens=t), "signature"), TURN),
        Feature("state on text", _signed(lambda t: Text("I look.", tokens=t), "signature"), replace(WITH_TOOL, messages=turn(Text("I look.")))),
    ],
    "Sampling and limits": [
        Feature("output limit", _more(), replace(BASE, max_tokens=None)),
        *(Feature(name, _more(sampling=Sampling(**{name: value}))) for name, value in (  # type: ignore[arg-type]
            ("temperature", 0.5), ("top_p", 0.5), ("top_k", 5), ("seed", 7), ("stop", ("END",)), ("frequency_penalty", 0.5), ("presence_penalty", 0.5))),
        Feature("temperature over 1", _more(sampling=Sampling(temperature=1.5))),
        Feature("several answers", _more(choices=2)),
    ],
    "Form of the answer": [
        Feature("text", _more(output=OutputFormat("text"))),
        Feature("any JSON", _more(output=OutputFormat("json"))),
        Feature("JSON by a schema", _more(output=OutputFormat("schema", SCHEMA, "place"))),
        Feature("strict schema", _more(output=OutputFormat("schema", SCHEMA, "place", strict=True)), _more(output=OutputFormat("schema", SCHEMA, "place"))("")),
        Feature("description of the schema", _more(output=OutputFormat("schema", SCHEMA, "place", "A place.")),
                _more(output=OutputFormat("schema", SCHEMA, "place"))("")),
        Feature("spoken answer", _more(modalities=("text", "audio"), audio=AudioOut("alloy", "wav"))),
        Feature("image as the answer", _more(modalities=("text", "image"))),
        Feature("wordiness", _more(verbosity="low")),
    ],
    "The call": [
        Feature("stream", _more(stream=True)),
        Feature("service tier", _more(service_tier="priority")),
        Feature("end user", _more(user="user-1")),
        Feature("labels", _more(metadata={"team": "a"})),
        Feature("do not store", _more(store=False)),
        Feature("store", _more(store=True)),
    ],
    "Caching": [
        Feature("mark on text", lambda _: replace(BASE, messages=(Message("user", (Text("Long.", cache=MARK), Text("Hello"))),)),
                replace(BASE, messages=(Message("user", (Text("Long."), Text("Hello"))),))),
        Feature("mark on system text", lambda _: replace(BASE, messages=(Message("system", (Text("Be brief.", cache=MARK),)), HELLO)),
                replace(BASE, messages=(Message("system", (Text("Be brief."),)), HELLO))),
        Feature("mark on an image", _user(Media("image", Inline(PNG), "image/png", cache=MARK)), _user(Media("image", Inline(PNG), "image/png"))("")),
        Feature("mark on a tool", _tools(replace(WEATHER, cache=MARK)), WITH_TOOL),
        Feature("mark on a call", _history(replace(CALL, cache=MARK)), TURN),
        Feature("mark on a result", _history(result=replace(RESULT, cache=MARK)), TURN),
        Feature("mark on reasoning", lambda p: _signed(lambda t: Reasoning("Hmm.", tokens=t, cache=MARK), "signature")(p),
                TURN),
        Feature("mark without a lifetime", lambda _: replace(BASE, messages=(Message("user", (Text("Long.", cache=CacheMark()), Text("Hello"))),)),
                replace(BASE, messages=(Message("user", (Text("Long."), Text("Hello"))),))),
        Feature("mark on the whole request", _more(cache=CacheMark())),
        Feature("cache key", _more(cache_key="k")),
    ],
    "What only one protocol knows": [
        Feature("beta flags", lambda p: replace(BASE, betas=("fine-grained-tool-streaming-2025-05-14",))),
        Feature("an item of one protocol", lambda p: replace(BASE, messages=(Message("user", (Native(p, *NATIVE[p]), Text("Hello"))),))),
        Feature("a field the gateway does not know", lambda p: replace(BASE, extras={p: {"brand_new": 1}})),
        Feature("an unknown field of a message", lambda p: replace(BASE, messages=(replace(HELLO, extras={p: {"brand_new": 1}}),))),
        Feature("an unknown field of a part", lambda p: replace(BASE, messages=(Message("user", (Text("Hello", extras={p: {"brand_new": 1}}),)),))),
        Feature("an unknown field of an image", lambda p: _user(Media("image", Inline(PNG), "image/png", extras={p: {"brand_new": 1}}))(p),
                _user(Media("image", Inline(PNG), "image/png"))("")),
        Feature("an unknown field of a call", lambda p: _history(replace(CALL, extras={p: {"brand_new": 1}}))(p), TURN),
        Feature("an unknown field of a result", lambda p: _history(result=replace(RESULT, extras={p: {"brand_new": 1}}))(p), TURN),
        Feature("an unknown field of reasoning",
                lambda p: _signed(lambda t: Reasoning("Hmm.", tokens=t, extras={p: {"brand_new": 1}}), "signature")(p), TURN),
        Feature("an unknown field of a refusal", lambda p: _said(Refusal("No.", extras={p: {"brand_new": 1}}))(p), _said(Refusal("No."))("")),
        Feature("an unknown field of a tool", lambda p: replace(BASE, tools=(replace(WEATHER, extras={p: {"brand_new": 1}}),)), WITH_TOOL),
        Feature("an unknown field of the reasoning wish", lambda p: replace(BASE, reasoning=ReasoningAsk(effort="low", extras={p: {"brand_new": 1}})),
                _more(reasoning=ReasoningAsk(effort="low"))("")),
        Feature("an unknown field of the tool choice", lambda p: replace(WITH_TOOL, tool_choice=ToolChoice("auto", extras={p: {"brand_new": 1}})),
                replace(WITH_TOOL, tool_choice=ToolChoice("auto"))),
    ],
}  # fmt: skip
