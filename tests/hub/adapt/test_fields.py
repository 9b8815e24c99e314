"""Sampling, limits, options, output format, media, cache marks, and what an upstream refused."""

import json
from typing import Any

import pytest

from llm_api_converter.hub.adapt import without
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    CacheMark,
    Inline,
    Media,
    Message,
    Part,
    PlainText,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from llm_api_converter.hub.request import (
    AudioOut,
    OutputFormat,
    ReasoningAsk,
    Request,
    Sampling,
    Tool,
    ToolChoice,
)

from .case import HELLO, IMAGE, OBJECT, Reports, run, said, turns

# ---------------------------------------------------------------- sampling, limits, options

FIELDS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], Reports]] = [
    # name, facts, fields of the request, the fields sent, the reports
    ("a demanded default", {"max_tokens_default": 4096}, {}, {"max_tokens": 4096}, []),
    (
        "too much",
        {"max_output_tokens": 100},
        {"max_tokens": 500},
        {"max_tokens": 100},
        [("max_tokens", "max_tokens", "approximated")],
    ),
    ("too little", {"min_output_tokens": 16}, {"max_tokens": 5}, {"max_tokens": 16}, [("max_tokens", "max_tokens", "approximated")]),
    (
        "a field not taken, by the client's path",
        {"sampling": ("temperature",)},
        {"sampling": Sampling(0.5, top_k=3), "paths": {"top_k": "generationConfig.topK"}},
        {"sampling": Sampling(0.5)},
        [("generationConfig.topK", "top_k", "dropped")],
    ),
    (
        "while it reasons",
        {"sampling_with_reasoning": ("stop",), "reasoning_default_on": True},
        {"sampling": Sampling(0.5, stop=("x",))},
        {"sampling": Sampling(stop=("x",))},
        [("temperature", "temperature", "dropped")],
    ),
    (
        "warmer than it gets",
        {"temperature_max": 1.0},
        {"sampling": Sampling(1.5)},
        {"sampling": Sampling(1.0)},
        [("temperature", "temperature", "approximated")],
    ),
    ("one of the two", {"temperature_xor_top_p": True}, {"sampling": Sampling(0.5, 0.9)}, {"sampling": Sampling(0.5)}, [("top_p", "top_p", "dropped")]),
    (
        "stop sequences",
        {"stop_limit": 1, "stop_blank": False},
        {"sampling": Sampling(stop=("\n", "a", "b"))},
        {"sampling": Sampling(stop=("a",))},
        [("stop", "stop_blank", "dropped"), ("stop", "stop", "dropped")],
    ),
    ("store false where nothing is kept", {}, {"store": False}, {"store": None}, []),
    ("store false where all is", {"stores": True}, {"store": False}, {"store": None}, [("store", "store", "dropped")]),
    ("a tier that means nothing", {"service_tiers": ()}, {"service_tier": "auto"}, {"service_tier": None}, []),
    ("a tier", {"service_tiers": ("flex",)}, {"service_tier": "priority"}, {"service_tier": None}, [("service_tier", "service_tier", "dropped")]),
    ("an end user", {"accepts_user": False}, {"user": "u"}, {"user": None}, [("user", "user", "dropped")]),
    ("labels", {}, {"metadata": {"a": "b"}}, {"metadata": None}, [("metadata", "metadata", "dropped")]),
    ("wordiness", {}, {"verbosity": "low"}, {"verbosity": None}, [("verbosity", "verbosity", "dropped")]),
    ("a cache key", {}, {"cache_key": "k"}, {"cache_key": None}, [("cache_key", "cache_key", "dropped")]),
    ("speech", {}, {"modalities": ("text", "audio"), "audio": AudioOut("v")}, {"modalities": ("text",), "audio": None}, [
        ("modalities", "audio_output", "dropped"), ("audio", "audio_output", "dropped"),
    ]),
    ("text alone", {}, {"modalities": ("text",)}, {"modalities": ("text",)}, []),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "fields", "want", "reports"), [x[1:] for x in FIELDS], ids=[x[0] for x in FIELDS])
def test_fields(facts: dict[str, Any], fields: dict[str, Any], want: dict[str, Any], reports: Reports) -> None:
    adapted, found = run(Request("m", HELLO, **fields), **facts)
    assert {name: getattr(adapted.request, name) for name in want} == want
    assert found == reports


# ---------------------------------------------------------------- output


def test_json_by_words() -> None:
    adapted, reports = run(Request("m", turns(("system", "be nice"), ("user", "hi")), output=OutputFormat("json")), output_formats=())
    assert adapted.request.output is None
    assert [role for role, _ in said(adapted.request)] == ["system", "system", "user"]
    assert "JSON" in said(adapted.request)[1][1][0]
    assert reports == [("output", "json_output", "emulated")]


def test_a_schema_by_a_forced_tool() -> None:
    request = Request("m", HELLO, output=OutputFormat("schema", OBJECT, name="person"))
    adapted, reports = run(request, output_formats=(), output_emulation="tool")
    assert adapted.output_tool == "person"
    assert adapted.request.tool_choice == ToolChoice("one", "person")
    assert [tool.schema for tool in adapted.request.tools if isinstance(tool, Tool)] == [OBJECT]
    assert reports == [("output", "structured_output", "emulated")]


@pytest.mark.parametrize(
    ("fields", "facts", "left"),
    [
        ({"tools": (Tool("t"),)}, {}, None),
        ({}, {"output_emulation": "prompt"}, None),
        ({}, {"output_emulation": "prompt", "output_formats": ("json",)}, OutputFormat("json")),
        ({}, {"reasoning_default_on": True, "forced_choice_with_reasoning": False}, None),
    ],
)
def test_a_schema_by_words(fields: dict[str, Any], facts: dict[str, Any], left: OutputFormat | None) -> None:
    request = Request("m", HELLO, output=OutputFormat("schema", OBJECT), **fields)
    adapted, _ = run(request, **{"output_formats": (), "output_emulation": "tool", **facts})
    assert adapted.output_tool is None
    assert adapted.request.output == left
    assert json.dumps(OBJECT) in said(adapted.request)[0][1][0]


# ---------------------------------------------------------------- media

def test_media_a_model_does_not_take() -> None:
    shot = ToolResult("a", (IMAGE,))
    request = Request("m", turns(("user", IMAGE), ("assistant", ToolCall("a", "shot")), ("user", shot, "and this?"), ("user", IMAGE)))
    adapted, reports = run(request, accepts_images=False)
    assert reports == [
        ("messages[0].content[0]", "image", "approximated"),
        ("", "image", "approximated"),
        ("messages[3].content[0]", "image", "dropped"),
    ]
    left = "[image left out: the model takes no images]"
    assert said(adapted.request) == [("user", [left]), ("assistant", []), ("user", ["and this?"]), ("user", [left])]


REFUSED: list[tuple[str, dict[str, Any], Media, str | None]] = [
    ("inline", {}, IMAGE, None),
    ("a type", {"image_types": ("image/jpeg",)}, IMAGE, "image/png"),
    ("an address", {"image_urls": False}, Media("image", Url("https://x.test/a.png")), "URL"),
    ("an address it knows", {"native_url_prefixes": ("gs://",)}, Media("image", Url("gs://b/a.png")), None),
    ("a foreign address", {}, Media("image", Url("s3://b/a.png")), "URL"),
    ("a document's address", {}, Media("document", Url("https://x.test/a.pdf")), "URL"),
    ("a video", {}, Media("video", Inline("aGk=")), "videos"),
    ("a sound", {"accepts_audio": True}, Media("audio", Inline("aGk=")), None),
]


@pytest.mark.parametrize(("facts", "media", "why"), [x[1:] for x in REFUSED], ids=[x[0] for x in REFUSED])
def test_what_media_are_taken(facts: dict[str, Any], media: Media, why: str | None) -> None:
    request = Request("m", turns(("user", media)))
    adapted, reports = run(request, **facts)
    assert (adapted.request is request) == (why is None)
    assert [x for _, _, x in reports] == ([] if why is None else ["dropped"])
    assert why is None or why in said(adapted.request)[0][1][0]


def test_a_document_of_text_is_sent_as_text() -> None:
    document = Media("document", PlainText("the words"), name="notes", context="old", cache=CacheMark())
    adapted, reports = run(Request("m", turns(("user", document))), accepts_documents=False, cache_marks=4)
    assert adapted.request.messages[0].parts == (Text("Document: notes\nold\n\nthe words", cache=CacheMark(), at="messages[0].content[0]"),)
    assert reports == [("messages[0].content[0]", "document", "approximated")]


TABLE = Media("document", Inline("YSxiCjEsMgo="), "text/csv", "t.csv")
TEXTS: list[tuple[str, dict[str, Any], Media, Part]] = [
    ("a table", {"document_types": ("application/pdf", "text/plain")}, TABLE,
     Media("document", PlainText("a,b\n1,2\n"), "text/plain", "t.csv", at="messages[0].content[0]")),
    ("a table to a model without documents", {"accepts_documents": False}, TABLE,
     Text("Document: t.csv\n\na,b\n1,2\n", at="messages[0].content[0]")),
    ("JSON", {"document_types": ("text/plain",)}, Media("document", Inline("e30="), "application/json"),
     Media("document", PlainText("{}"), "text/plain", at="messages[0].content[0]")),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "media", "sent"), [x[1:] for x in TEXTS], ids=[x[0] for x in TEXTS])
def test_a_document_that_is_text_by_another_name_is_sent_as_text(facts: dict[str, Any], media: Media, sent: Part) -> None:
    adapted, reports = run(Request("m", turns(("user", media))), **facts)
    assert adapted.request.messages[0].parts == (sent,)
    assert reports == [("messages[0].content[0]", "document", "approximated")]


def test_bytes_that_are_no_text_are_refused_whatever_they_are_called() -> None:
    media = Media("document", Inline("/w=="), "text/csv")
    adapted, reports = run(Request("m", turns(("user", media))), document_types=("text/plain",))
    assert reports == [("messages[0].content[0]", "document", "dropped")]
    assert "text/csv" in said(adapted.request)[0][1][0]


def test_a_refusal_says_how_the_media_was_given() -> None:
    film = Media("video", Url("https://youtu.be/x"))
    assert "here given by a URL" in said(run(Request("m", turns(("user", film))))[0].request)[0][1][0]
    page = Media("image", Url("s3://b/a.png"))
    assert "a s3:// one" in said(run(Request("m", turns(("user", page))))[0].request)[0][1][0]


def test_media_in_results_move_behind_them() -> None:
    calls = ("assistant", ToolCall("a", "shot"), ToolCall("b", "look"))
    messages = turns(("user", "hi"), calls, ("user", ToolResult("a", (IMAGE,))), ("user", ToolResult("b", (Text("1"),)), "and?"))
    adapted, reports = run(Request("m", messages), tool_result_media="none")
    assert adapted.request.messages[2].parts == (
        ToolResult("a", (Text("[The result follows below.]", at="messages[2].content[0]"),), at="messages[2].content[0]"),
    )
    kinds = [type(part).__name__ for part in adapted.request.messages[3].parts]
    assert kinds == ["ToolResult", "Text", "Media", "Text"]
    assert said(adapted.request)[3] == ("user", ["[image from tool result a]", "and?"])
    assert [(feature, action) for _, feature, action in reports] == [("tool_result_media", "approximated")]


# ---------------------------------------------------------------- cache


def test_cache_marks_beyond_the_limit() -> None:
    mark = CacheMark()
    messages = turns(*(("user" if i % 2 == 0 else "assistant", Text(f"{i}", cache=mark)) for i in range(4)))
    system = Message("system", (Text("s", cache=mark, at="system[0]"),), at="system")
    tools = (Tool("a", cache=mark, at="tools[0]"), Tool("b", cache=mark, at="tools[1]"))
    request = Request("m", (system, *messages), tools=tools)
    adapted, reports = run(request, cache_marks=4)
    kept = [part.at for m in adapted.request.messages for part in m.parts if isinstance(part, Text) and part.cache]
    assert kept == ["system[0]", "messages[2].content[0]", "messages[3].content[0]"]
    assert [tool.cache for tool in adapted.request.tools] == [None, mark]
    assert reports == [(f"{at}.cache_control", "cache_control", "dropped") for at in ("messages[0].content[0]", "messages[1].content[0]", "tools[0]")]
    assert run(request, cache_marks=7)[0].request is request
    assert len(run(request)[1]) == 7


def test_lifetimes_of_marks() -> None:
    for asked, sent, count in ((None, None, 0), (300, 300, 0), (3600, 300, 1), (60, 300, 1)):
        request = Request("m", turns(("user", Text("x", cache=CacheMark(asked)))))
        adapted, reports = run(request, cache_marks=1)
        assert adapted.request.messages[0].parts[0] == Text("x", cache=CacheMark(sent), at="messages[0].content[0]")
        assert [feature for _, feature, _ in reports] == ["cache_ttl"] * count


# ---------------------------------------------------------------- what an upstream refused

WITHOUT: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("temperature", {"sampling": Sampling(0.0)}, {"sampling": Sampling()}),
    ("generationConfig.topP", {"sampling": Sampling(top_p=0.5)}, {"sampling": Sampling()}),
    ("stop_sequences", {"sampling": Sampling(stop=("a",))}, {"sampling": Sampling()}),
    ("reasoning_effort", {"reasoning": ReasoningAsk(effort="high")}, {"reasoning": None}),
    ("thinking.budget_tokens", {"reasoning": ReasoningAsk("on", budget_tokens=5)}, {"reasoning": ReasoningAsk("on")}),
    ("parallel_tool_calls", {"parallel_tools": False}, {"parallel_tools": None}),
    ("text.verbosity", {"verbosity": "low"}, {"verbosity": None}),
    ("tools[0].function.strict", {"tools": (Tool("a", strict=True),)}, {"tools": (Tool("a"),)}),
    ("tool_choice", {"tool_choice": ToolChoice("any")}, {"tool_choice": None}),
    ("logit_bias", {"extras": {"p": {"logit_bias": {}, "n": 1}}}, {"extras": {"p": {"n": 1}}}),
    ("temperature", {}, None),
    ("messages", {}, None),
    ("max_tokens", {"max_tokens": 5}, None),
]


@pytest.mark.parametrize(("field", "fields", "want"), WITHOUT)
def test_without(field: str, fields: dict[str, Any], want: dict[str, Any] | None) -> None:
    ledger = Ledger()
    after = without(Request("m", HELLO, **fields), field, ledger)
    if want is None:
        assert after is None
        assert ledger.losses == []
    else:
        assert after is not None
        assert {name: getattr(after, name) for name in want} == want
        assert [loss.action for loss in ledger.losses] == ["dropped"]
