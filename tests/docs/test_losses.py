"""Nothing is lost in silence, for every neutral field and every pair of protocols; and the page of losses says what the code does."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from llm_api_converter.hub.ledger import LOSS_CLASSES
from llm_api_converter.hub.messages import (
    CacheMark,
    Citation,
    FileRef,
    Inline,
    Media,
    Message,
    Native,
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
from llm_api_converter.hub.response import Finish, Response, Usage
from llm_api_converter.protocols import PROTOCOLS

from . import losses
from .answers import ANSWERS
from .features import FEATURES, WITH_TOOL
from .losses import LEFT_OUT, MEANS_NOTHING, Table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocols" / "losses.md"
SIDES = {"requests": losses.requests, "answers": losses.answers}

# Fields no feature of its own stands for.
BOOKKEEPING = {
    "since": "the client's path of the item that declares a tool late; reported as additional_tools",
    "at": "the client's path, for errors and reports",
    "spelled": "a wording that means nothing elsewhere",
    "origin": "whose reasoning it is, for adapt",
    "raw": "the upstream's own words, beside what they mean",
    "protocol": "of a usage: the language of `raw`",
    "stream_usage": "whether a Chat client's stream ends with the usage; upstreams are always asked for it",
    "paths": "the client's paths, for errors and reports",
}


@pytest.mark.parametrize("own", PROTOCOLS)
@pytest.mark.parametrize("side", SIDES)
def test_nothing_is_lost_in_silence(side: str, own: str) -> None:
    silent = []
    for _, name, cells in SIDES[side](own):
        allowed = {**MEANS_NOTHING, **LEFT_OUT}.get(name, ((), ""))[0]
        silent += [f"{name} -> {to}" for to, cell in cells.items() if not cell.losses and not cell.refused and cell.same and to not in allowed]
    assert not silent


def test_every_reason_for_silence_is_needed() -> None:
    used = {
        (name, to)
        for table in SIDES.values() for own in PROTOCOLS for _, name, cells in table(own)
        for to, cell in cells.items() if not cell.losses and not cell.refused and cell.same
    }  # fmt: skip
    listed = {(name, to) for reasons in (MEANS_NOTHING, LEFT_OUT) for name, (tos, _) in reasons.items() for to in tos}
    assert listed == used


@pytest.mark.parametrize("own", PROTOCOLS)
def test_the_same_protocol_loses_only_what_the_target_cannot_take(own: str) -> None:
    """Whatever a protocol's client can say its own encoder can write; state of its own is never lost on answers."""
    lost = {name for _, name, cells in losses.answers(own) for action, _ in cells[own].losses if action == "dropped"}
    assert not lost


def test_everything_is_said_by_someone() -> None:
    for features, table in ((FEATURES, losses.requests), (ANSWERS, losses.answers)):
        names = [x.name for group in features.values() for x in group]
        assert len(names) == len(set(names))
        assert set(names) == {name for own in PROTOCOLS for _, name, _ in table(own)}


def test_every_cell_has_a_class_of_the_policy() -> None:
    found = {loss_class for rows in tables() for _, _, cells in rows for cell in cells.values() for _, loss_class in cell.losses}
    assert found <= set(LOSS_CLASSES)


def tables() -> Iterator[Table]:
    yield from (table(own) for table in SIDES.values() for own in PROTOCOLS)


# ---------------------------------------------------------------- completeness


def values(value: Any) -> Iterator[Struct]:
    """Every struct inside a value."""
    if isinstance(value, Struct):
        yield value
        for field in msgspec.structs.fields(value):
            yield from values(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from values(item)


def said(things: Iterable[Any]) -> set[tuple[type, str]]:
    """(struct, field) of every field that is not at its default."""
    found = set()
    for thing in things:
        for struct in values(thing):
            for field in msgspec.structs.fields(struct):
                if getattr(struct, field.name) != field.default:
                    found.add((type(struct), field.name))
    return found


def made(groups: dict[str, list[Any]]) -> Iterator[Any]:
    for features in groups.values():
        for feature in features:
            for protocol in PROTOCOLS:
                try:
                    yield feature.make(protocol)
                except KeyError:
                    continue


REQUEST_STRUCTS = (
    Request, Message, Text, Media, Reasoning, ToolCall, ToolResult, ToolReference, Refusal, Native, Tool, ProviderTool, ToolChoice, Sampling,
    ReasoningAsk, OutputFormat, AudioOut, CacheMark, Citation, Inline, Url, FileRef, PlainText, PartList,
)  # fmt: skip
ANSWER_STRUCTS = (Response, Finish, Usage)
# Tried among the answers, or in the tests of the codecs that have them.
ELSEWHERE = {(Citation, "document"), (ToolReference, "extras"), (Finish, "extras"), (Native, "cache")}


@pytest.mark.parametrize(
    ("groups", "structs"), [(FEATURES, REQUEST_STRUCTS), (ANSWERS, ANSWER_STRUCTS)], ids=["requests", "answers"]
)
def test_every_neutral_field_has_a_feature(groups: dict[str, list[Any]], structs: tuple[type, ...]) -> None:
    found = said(made(groups))
    every = {(struct, field.name) for struct in structs for field in msgspec.structs.fields(struct)}
    missing = {(struct, name) for struct, name in every - found - ELSEWHERE if name not in BOOKKEEPING}
    assert not missing


def test_the_measure_of_completeness_itself() -> None:
    assert (Tool, "strict") not in said([WITH_TOOL])
    assert (Tool, "description") in said([WITH_TOOL])


# ---------------------------------------------------------------- the page


def test_the_page_says_what_the_code_does() -> None:
    page = losses.page()
    assert PAGE.read_text() == page, "docs/protocols/losses.md is old: make docs"
