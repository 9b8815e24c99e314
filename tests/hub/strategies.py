"""Hypothesis strategies of neutral values: parts, answers, legal streams."""

from hypothesis import strategies as st

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen
from llm_api_converter.hub.messages import (
    Citation,
    Inline,
    Media,
    Native,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
)  # fmt: skip
from llm_api_converter.hub.response import Finish, Response, Usage

words = st.text(st.characters(codec="utf-8"), max_size=12)
tokens = st.builds(
    Opaque,
    realm=st.sampled_from(["wire.alpha", "wire.beta"]),
    kind=st.sampled_from(["signature", "redacted", "encrypted"]),
    data=st.one_of(words, st.sampled_from(["", "AAAA", "AAA=", "QUJD", "_-_-", "not base64!", "A" * 300])),
    item_id=st.none() | st.just("rs_1"),
    format=st.sampled_from(["", "alpha-v1"]),
)
token_lists = st.lists(tokens, max_size=2).map(tuple)
calls = st.builds(
    ToolCall,
    id=st.sampled_from(["c1", "c2"]),
    name=st.sampled_from(["get", "put", "out", "free"]),
    arguments=st.sampled_from(["{}", '{"a":1}', '{"input":"x"}', "broken"]),
    runs=st.sampled_from(["client", "client", "provider"]),
    tokens=token_lists,
)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, text=words, tokens=token_lists, citations=st.lists(st.builds(Citation, url=words), max_size=1).map(tuple)),
    st.builds(Reasoning, text=words, tokens=token_lists, summary=st.booleans(), redacted=st.booleans()),
    calls,
    st.builds(Media, kind=st.just("image"), source=st.builds(Inline, data=st.just("AAAA")), tokens=token_lists),
    st.builds(Refusal, text=words),
    st.just(Native("alpha", "odd", {"x": 1})),
    st.just(ToolResult("c1", (Text("done"),), runs="provider")),
    st.just(ToolReference("get")),
)
usages = st.builds(Usage, input_total=st.integers(0, 9), output_total=st.integers(0, 9))
finishes = st.builds(Finish, reason=st.sampled_from(["stop", "tool_call", "length"]), raw=st.none() | st.just("word"))
responses = st.builds(
    Response, id=words, model=words, parts=st.lists(parts, max_size=6).map(tuple), finish=finishes, usage=st.none() | usages
)


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """One whole legal stream; a third of them fail somewhere."""
    between = st.lists(st.one_of(st.builds(UsageSeen, usages), st.just(Aside("alpha", None, ping=True))), max_size=1)
    events: list[Event] = [Begin("id", "model")]
    for index in range(draw(st.integers(0, 5))):
        part = draw(parts)
        events += [*draw(between), Open(index, part)]
        inside = st.one_of(
            st.builds(Delta, st.just(index), words),
            st.builds(Attach, st.just(index), st.one_of(tokens, st.builds(Citation, url=words), st.just({"alpha": {"k": 1}}))),
        )
        events += draw(st.lists(inside, max_size=4))
        events += [*draw(between), Close(index)]
    events += [Finished(draw(finishes)), *draw(between), End()]
    cut = draw(st.none() | st.none() | st.integers(0, len(events) - 1))
    return events if cut is None else [*events[:cut], Failed(ApiError("upstream_incomplete", "cut"))]


@st.composite
def batches(draw: st.DrawFn, events: list[Event]) -> list[list[Event]]:
    """The same stream as a few network reads would bring it."""
    cuts = sorted(draw(st.lists(st.integers(0, len(events)), max_size=6)))
    return [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
