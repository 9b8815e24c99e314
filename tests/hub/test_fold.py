import pytest
from hypothesis import given, settings

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen, check
from llm_api_converter.hub.fold import Folder, fold, merge_extras, unfold
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
    ToolResult,
)
from llm_api_converter.hub.response import Finish, Response, Usage

from .strategies import responses, streams

TOKEN = Opaque("wire.alpha", "signature", "s")
CITED = Citation(url="https://x")

# part as opened, what follows, the whole part
PARTS: list[tuple[Part, list[str | Opaque | Citation | dict[str, dict[str, object]]], Part]] = [
    (Text(""), [], Text("")),
    (Text(""), ["a", "", "b"], Text("ab")),
    (Text("a"), ["b"], Text("ab")),
    (Text(""), ["a", CITED, TOKEN, "b"], Text("ab", (CITED,), None, (TOKEN,))),
    (Text("", tokens=(TOKEN,)), [TOKEN], Text("", tokens=(TOKEN, TOKEN))),
    (Reasoning("", summary=True), ["a", TOKEN], Reasoning("a", True, (TOKEN,))),
    (Refusal(""), ["no"], Refusal("no")),
    (ToolCall("c", "f"), [], ToolCall("c", "f", "{}")),
    (ToolCall("c", "f", ""), [], ToolCall("c", "f", "{}")),
    (ToolCall("c", "f"), ['{"a"', ":1}"], ToolCall("c", "f", '{"a":1}')),
    (ToolCall("c", "f", ""), ["{}", TOKEN], ToolCall("c", "f", "{}", tokens=(TOKEN,))),
    (ToolCall("c", "f", "", custom=True), [], ToolCall("c", "f", "", custom=True)),
    (ToolCall("c", "f", "", custom=True), ["raw"], ToolCall("c", "f", "raw", custom=True)),
    (Media("audio", Inline("")), ["AA", "AA"], Media("audio", Inline("AAAA"))),
    (Text(""), [{"alpha": {"k": 1}}, {"alpha": {"l": 2}, "b": {"k": 3}}], Text("", extras={"alpha": {"k": 1, "l": 2}, "b": {"k": 3}})),
    (ToolResult("c", (Text("x"),)), [], ToolResult("c", (Text("x"),))),
    (Native("alpha", "odd", {}), [{"alpha": {"k": 1}}], Native("alpha", "odd", {})),
]


@pytest.mark.parametrize(("opened", "pieces", "whole"), PARTS)
def test_a_part_adds_up(opened: Part, pieces: list[str | Opaque | Citation | dict[str, dict[str, object]]], whole: Part) -> None:
    inside: list[Event] = [Delta(0, x) if isinstance(x, str) else Attach(0, x) for x in pieces]
    stream: list[Event] = [Begin("id", "m"), Open(0, opened), *inside, Close(0), Finished(Finish("stop")), End()]
    assert fold(stream) == Response("id", "m", (whole,), Finish("stop"))


def test_the_last_usage_wins_and_late_extras_are_merged() -> None:
    stream: list[Event] = [
        Begin("id", "m", 7, "flex", {"alpha": {"a": 1, "b": 1}}),
        UsageSeen(Usage(1, 1)),
        Aside("alpha", {"type": "ping"}, ping=True),
        Finished(Finish("length", "max"), {"alpha": {"b": 2}}),
        UsageSeen(Usage(5, 9)),
        End(),
    ]
    assert fold(stream) == Response("id", "m", (), Finish("length", "max"), Usage(5, 9), "flex", 7, {"alpha": {"a": 1, "b": 2}})


def test_a_failed_stream_raises_its_own_error() -> None:
    error = ApiError("overloaded", "busy")
    with pytest.raises(ApiError) as raised:
        fold([Begin("id", "m"), Open(0, Text("")), Failed(error)])
    assert raised.value is error


@pytest.mark.parametrize("stream", [[], [Begin("id", "m")], [Begin("id", "m"), Open(0, Text("")), Close(0)]])
def test_a_stream_that_never_finished_is_incomplete(stream: list[Event]) -> None:
    with pytest.raises(ApiError) as raised:
        fold(stream)
    assert raised.value.kind == "upstream_incomplete"


def test_a_folder_shows_what_there_is_so_far() -> None:
    folder = Folder()
    for event in (Begin("id", "m"), Open(0, Text("")), Delta(0, "a"), Close(0), Open(1, ToolCall("c", "f"))):
        folder.add(event)
    assert folder.parts == [Text("a")]
    assert folder.live == ToolCall("c", "f")


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        (None, None, None),
        ({"a": {"k": 1}}, None, {"a": {"k": 1}}),
        (None, {"a": {"k": 1}}, {"a": {"k": 1}}),
        ({"a": {"k": 1, "l": 1}}, {"a": {"k": 2}}, {"a": {"k": 2, "l": 1}}),
        ({"a": {"k": 1}}, {"b": {"k": 2}}, {"a": {"k": 1}, "b": {"k": 2}}),
    ],
)
def test_extras_merge_field_by_field(
    first: dict[str, dict[str, int]] | None, second: dict[str, dict[str, int]] | None, merged: dict[str, dict[str, int]] | None
) -> None:
    assert merge_extras(first, second) == merged


@given(responses)
@settings(max_examples=150)
def test_unfold_is_legal_and_folds_back(response: Response) -> None:
    stream = unfold(response)
    check(stream)
    assert fold(stream) == response


@given(streams())
@settings(max_examples=100)
def test_fold_is_total_over_legal_streams(stream: list[Event]) -> None:
    if isinstance(stream[-1], Failed):
        with pytest.raises(ApiError, match="cut"):
            fold(stream)
    else:
        assert len(fold(stream).parts) == sum(isinstance(x, Open) for x in stream)
