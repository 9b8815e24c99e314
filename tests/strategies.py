"""Hypothesis strategies over the neutral representation, for laws that every codec keeps.

    event_lists()   legal streams (`hub.events.check` passes): text is cut at random places, usage and pings stand anywhere
    responses()     whole answers
    requests()      requests that use every neutral field, with a history whose calls are answered

Values are small, so that failures are readable. `parts=` narrows what answers consist of.
"""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from msgspec.structs import replace

from llm_api_converter.hub.errors import ERROR_KINDS, ApiError
from llm_api_converter.hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from llm_api_converter.hub.fold import taken_apart
from llm_api_converter.hub.messages import (
    CacheMark,
    Citation,
    FileRef,
    Inline,
    Media,
    Message,
    Opaque,
    Part,
    PartList,
    PlainText,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from llm_api_converter.hub.request import AudioOut, OutputFormat, ProviderTool, ReasoningAsk, Request, Sampling, Tool, ToolChoice
from llm_api_converter.hub.response import Finish, Response, Usage

PROTOCOLS = ("anthropic", "openai_chat", "openai_responses", "gemini", "bedrock_converse")
PNG = "iVBORw0KGgo="
_ENDS = ("stop", "length", "stop_sequence", "refused", "filtered", "paused", "context_full", "other")

words = st.text(alphabet="ab é\n\"\\{}\u2028🌊", max_size=12)
filled = words.map(lambda text: text + "x")
names = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
json_values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | words, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
json_objects = st.dictionaries(names, json_values, max_size=3)
arguments = json_objects.map(lambda value: json.dumps(value, ensure_ascii=False) if value else "{}")
marks = st.none() | st.sampled_from([CacheMark(), CacheMark(300), CacheMark(3600)])


@st.composite
def tokens(draw: DrawFn, kinds: tuple[str, ...] = ("signature", "encrypted", "seal")) -> Opaque:
    """Opaque state of any protocol."""
    kind = draw(st.sampled_from(kinds))
    realm = "seal" if kind == "seal" else f"wire.{draw(st.sampled_from(PROTOCOLS))}"
    return Opaque(realm, kind, draw(st.from_regex(r"[A-Za-z0-9+/]{4,12}", fullmatch=True)))


@st.composite
def citations(draw: DrawFn) -> Citation:
    """A citation of a page, or of one of the request's documents."""
    if draw(st.booleans()):
        return Citation(url="https://example.com/a", title=draw(st.none() | filled), quote=draw(st.none() | filled))
    return Citation(title=draw(st.none() | filled), quote=draw(filled), document=draw(st.integers(0, 3)))


def texts() -> SearchStrategy[Text]:
    """Text of an answer."""
    return st.builds(Text, words, st.lists(citations(), max_size=2).map(tuple), tokens=st.lists(tokens(), max_size=1).map(tuple))


@st.composite
def thoughts(draw: DrawFn) -> Reasoning:
    """Reasoning of an answer, readable or redacted."""
    if draw(st.integers(0, 3)) == 0:
        return Reasoning("", tokens=(draw(tokens(("redacted", "seal"))),), redacted=True)
    return Reasoning(draw(words), draw(st.booleans()), tuple(draw(st.lists(tokens(), max_size=2))))


def calls() -> SearchStrategy[ToolCall]:
    """A client-run call; its id is made unique by `parts_lists`."""
    return st.builds(ToolCall, st.just("call"), names, arguments, tokens=st.lists(tokens(), max_size=1).map(tuple))


def answer_parts() -> SearchStrategy[Part]:
    """Whatever models answer with in every protocol."""
    return st.one_of(texts(), texts(), thoughts(), calls(), st.builds(Refusal, words))


def media_parts() -> SearchStrategy[Part]:
    """Pictures and sound of an answer."""
    return st.sampled_from([Media("image", Inline(PNG), "image/png"), Media("audio", Inline("AAAA"), "audio/wav")])


@st.composite
def part_lists(draw: DrawFn, parts: SearchStrategy[Part] | None = None) -> tuple[Part, ...]:
    """The parts of one answer; calls have ids of their own."""
    drawn = draw(st.lists(answer_parts() if parts is None else parts, max_size=5))
    return tuple(replace(part, id=f"call_{i}") if isinstance(part, ToolCall) else part for i, part in enumerate(drawn))


@st.composite
def usages(draw: DrawFn) -> Usage:
    """Counts whose parts are no larger than their totals. Some are not said."""
    fresh, read, write, output = (draw(st.integers(0, 5000)) for _ in range(4))
    said = draw(st.booleans())
    hour = draw(st.none() | st.integers(0, write)) if said else None
    reasoning = draw(st.none() | st.integers(0, output))
    return Usage(fresh + read + write if said else fresh, output, read if said else None, write if said else None, hour, reasoning)


@st.composite
def finishes(draw: DrawFn, parts: tuple[Part, ...]) -> Finish:
    """A finish that suits the parts: a turn with a client-run call is never a plain stop."""
    if any(isinstance(part, ToolCall) and part.runs == "client" for part in parts):
        return Finish(draw(st.sampled_from(["tool_call", "tool_call", "length"])), draw(st.none() | names))
    reason = draw(st.sampled_from(_ENDS))
    matched = draw(filled) if reason == "stop_sequence" else None
    return Finish(reason, draw(st.none() | names), draw(st.none() | filled) if reason in ("refused", "filtered") else None, matched)


@st.composite
def responses(draw: DrawFn, parts: SearchStrategy[Part] | None = None) -> Response:
    """A whole answer."""
    drawn = draw(part_lists(parts))
    return Response(draw(st.sampled_from(["id_1", ""])), "model-1", drawn, draw(finishes(drawn)), draw(st.none() | usages()))


@st.composite
def event_lists(draw: DrawFn, parts: SearchStrategy[Part] | None = None, *, fails: bool = False) -> list[Event]:
    """A legal stream. With `fails`, some break off at any place, as `Failed`."""
    answer = draw(responses(parts))
    events: list[Event] = [Begin(answer.id, answer.model)]
    for index, part in enumerate(answer.parts):
        start, text, attached = taken_apart(part)
        events += [Open(index, start), *[Delta(index, piece) for piece in _cut(draw, text)], *[Attach(index, value) for value in attached]]
        events += [*draw(_between(answer)), Close(index), *draw(_between(answer))]
    late = draw(st.booleans())
    if answer.usage is not None and not late:
        events.append(UsageSeen(answer.usage))
    events.append(Finished(answer.finish))
    if answer.usage is not None and late:
        events.append(UsageSeen(answer.usage))
    events.append(End())
    if fails and draw(st.booleans()):
        kind: Any = draw(st.sampled_from(ERROR_KINDS))
        return [*events[: draw(st.integers(0, len(events) - 1))], Failed(ApiError(kind, draw(filled)))]
    return events


def _cut(draw: DrawFn, text: str) -> list[str]:
    """`text` in pieces; an empty piece may be among them."""
    if not text:
        return []
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[a:b] for a, b in zip([0, *at], [*at, len(text)], strict=True)]


def _between(answer: Response) -> SearchStrategy[list[Event]]:
    """What may stand anywhere after `Begin`. Usage there is smaller than the last, which counts."""
    aside: list[Event] = [Aside("anthropic", {"type": "ping"}, ping=True)]
    choices: list[list[Event]] = [[], [], [], aside]
    if answer.usage is not None:
        choices.append([UsageSeen(replace(answer.usage, output_total=0, reasoning=None))])
    return st.sampled_from(choices)


def request_media() -> SearchStrategy[Media]:
    """Media of a user turn, from every kind of source."""
    documents = st.sampled_from(
        [
            (Inline("JVBERi0x"), "application/pdf"), (Inline("aGk="), "text/plain"), (Inline("aGk="), "application/msword"),
            (Url("https://example.com/a.pdf"), None), (Url("gs://bucket/a.pdf"), None), (PlainText("hi"), "text/plain"),
            (PartList((Text("one"), Text("two"))), None), (FileRef("anthropic", "file_1"), None), (FileRef("openai_chat", "file-1"), None),
        ]
    )
    images = st.sampled_from(
        [(Inline(PNG), "image/png"), (Inline(PNG), None), (Url("https://example.com/a.png"), None), (FileRef("gemini", "files/1"), None)]
    )
    sounds = st.just((Inline("AAAA"), "audio/wav"))
    return st.one_of(
        documents.flatmap(lambda x: st.builds(Media, st.just("document"), st.just(x[0]), st.just(x[1]), st.none() | filled, cache=marks)),
        images.flatmap(lambda x: st.builds(Media, st.just("image"), st.just(x[0]), st.just(x[1]), detail=st.none() | st.just("low"))),
        sounds.map(lambda x: Media("audio", x[0], x[1])),
        st.just(Media("video", Url("https://example.com/a.mp4"))),
    )


@st.composite
def histories(draw: DrawFn) -> tuple[Message, ...]:
    """System text, then turns; every client-run call is answered by the user turn after it."""
    turns: list[tuple[str, list[Part]]] = []
    if draw(st.booleans()):
        turns.append(("system", [Text(draw(filled), cache=draw(marks))]))
    for number in range(draw(st.integers(1, 3))):
        turns.append(("user", [Text(draw(filled)), *draw(st.lists(request_media(), max_size=1))]))
        if draw(st.booleans()):
            turns.append(("assistant", draw(_assistant(number))))
            made = [part for part in turns[-1][1] if isinstance(part, ToolCall)]
            if made:
                turns.append(("user", [_answered(draw, call) for call in made]))
        if draw(st.integers(0, 4)) == 0:
            turns.append(("system", [Text(draw(filled))]))
    if turns[-1][0] != "user":
        turns.append(("user", [Text("go on")]))
    return tuple(_placed(role, parts, i) for i, (role, parts) in enumerate(turns))


@st.composite
def _assistant(draw: DrawFn, number: int) -> list[Part]:
    made = [replace(draw(calls()), id=f"call_{number}_{i}") for i in range(draw(st.integers(0, 2)))]
    return [*draw(st.lists(thoughts(), max_size=1)), Text(draw(filled)), *made]


def _answered(draw: DrawFn, call: ToolCall) -> ToolResult:
    inner: list[Part] = [Text(draw(words)), *draw(st.lists(st.just(Media("image", Inline(PNG), "image/png")), max_size=1))]
    return ToolResult(call.id, tuple(inner), call.name, draw(st.none() | st.booleans()), cache=draw(marks))


def _placed(role: Any, parts: list[Part], index: int) -> Message:
    """The message with the paths a decoder would give."""
    at = f"messages[{index}]"
    placed = []
    for i, part in enumerate(parts):
        here = f"{at}.content[{i}]"
        if isinstance(part, ToolResult):
            part = replace(part, parts=tuple(replace(x, at=f"{here}.content[{j}]") for j, x in enumerate(part.parts)))
        placed.append(replace(part, at=here))
    return Message(role, tuple(placed), at=at)


def request_tools() -> SearchStrategy[Tool | ProviderTool]:
    """Tools of the client's own, and of a provider's."""
    schema = st.sampled_from([None, {"type": "object", "properties": {"q": {"type": "string"}}}])
    own = st.builds(Tool, names, st.none() | filled, schema, st.none() | st.booleans(), marks, deferred=st.booleans(), at=st.just("tools[0]"))
    foreign = st.sampled_from(
        [
            ProviderTool("web_search", "anthropic", {"type": "web_search_20250305", "name": "web_search"}, "web_search", at="tools[1]"),
            ProviderTool("web_search", "openai_responses", {"type": "web_search"}, at="tools[1]"),
            ProviderTool("code_execution", "gemini", {"codeExecution": {}}, at="tools[1]"),
        ]
    )
    custom = st.builds(Tool, names, filled, custom=st.just(True), format=st.just({"type": "text"}), at=st.just("tools[2]"))
    return st.one_of(own, own, foreign, custom)


@st.composite
def requests(draw: DrawFn) -> Request:
    """A request that may use every neutral field."""
    tools = tuple(draw(st.lists(request_tools(), max_size=3)))
    own = [tool.name for tool in tools if isinstance(tool, Tool)]
    choices = [None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("any"), *[ToolChoice("one", name) for name in own[:1]]]
    sampling = Sampling(
        draw(st.none() | st.sampled_from([0.0, 0.5, 1.0])), draw(st.none() | st.just(0.9)), draw(st.none() | st.just(40)), draw(st.none() | st.just(7)),
        draw(st.sampled_from([(), ("END",)])), draw(st.none() | st.just(0.5)), draw(st.none() | st.just(-0.5)),
    )
    efforts = st.none() | st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
    reasoning = draw(
        st.none() | st.builds(
            ReasoningAsk, st.none() | st.sampled_from(["on", "off", "adaptive"]), efforts, st.none() | st.just(2048),
            st.none() | st.sampled_from(["none", "summary", "full"]),
        )
    )
    outputs = [
        None, OutputFormat("text"), OutputFormat("json"), OutputFormat("schema", {"type": "object", "properties": {}}, "answer", "what it is", True),
    ]
    return Request(
        "model-1", draw(histories()), tools, draw(st.sampled_from(choices)) if tools else None, draw(st.none() | st.booleans()),
        draw(st.none() | st.integers(1, 8192)), sampling, reasoning, draw(st.sampled_from(outputs)),
        modalities=draw(st.sampled_from([(), ("text",), ("text", "audio")])), audio=draw(st.none() | st.just(AudioOut("alloy", "wav"))),
        stream=draw(st.booleans()), stream_usage=draw(st.none() | st.booleans()), service_tier=draw(st.none() | st.sampled_from(["auto", "default", "flex"])),
        user=draw(st.none() | st.just("user-1")), metadata=draw(st.none() | st.just({"team": "a"})), store=draw(st.none() | st.booleans()),
        verbosity=draw(st.none() | st.just("low")), cache=draw(marks), cache_key=draw(st.none() | st.just("key-1")),
        extras=draw(st.none() | st.sampled_from([{name: {"odd_field": 1}} for name in PROTOCOLS])),
    )
