import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import (
    GRAMMAR,
    Aside,
    Attach,
    Begin,
    Checker,
    Close,
    Delta,
    End,
    Event,
    Failed,
    Finished,
    Open,
    UsageSeen,
    check,
)
from llm_api_converter.hub.messages import Opaque, Text
from llm_api_converter.hub.response import Finish, Usage

from .strategies import streams

BEGIN, TEXT, STOP, END = Begin("id", "m"), Text(""), Finished(Finish("stop")), End()
USAGE, PING = UsageSeen(Usage()), Aside("alpha", None, ping=True)
FAILED = Failed(ApiError("overloaded", "busy"))
TOKEN = Opaque("wire.alpha", "signature", "s")

LEGAL: list[tuple[str, list[Event]]] = [
    ("empty answer", [BEGIN, STOP, END]),
    ("one part", [BEGIN, Open(0, TEXT), Delta(0, "a"), Attach(0, TOKEN), Close(0), STOP, END]),
    ("two parts", [BEGIN, Open(0, TEXT), Close(0), Open(1, TEXT), Close(1), STOP, END]),
    ("usage and pings anywhere", [PING, BEGIN, USAGE, Open(0, TEXT), PING, USAGE, Close(0), STOP, USAGE, PING, END]),
    ("failed at once", [FAILED]),
    ("failed between", [BEGIN, FAILED]),
    ("failed in a part", [BEGIN, Open(0, TEXT), Delta(0, "a"), FAILED]),
    ("failed after the finish", [BEGIN, STOP, FAILED]),
]
ILLEGAL: list[tuple[str, list[Event]]] = [
    ("nothing", []),
    ("no begin", [STOP, END]),
    ("two begins", [BEGIN, BEGIN, STOP, END]),
    ("usage first", [USAGE, BEGIN, STOP, END]),
    ("no finish", [BEGIN, END]),
    ("no end", [BEGIN, STOP]),
    ("delta outside", [BEGIN, Delta(0, "a"), STOP, END]),
    ("finish inside", [BEGIN, Open(0, TEXT), STOP, END]),
    ("two open", [BEGIN, Open(0, TEXT), Open(1, TEXT), Close(1), Close(0), STOP, END]),
    ("first index 1", [BEGIN, Open(1, TEXT), Close(1), STOP, END]),
    ("index again", [BEGIN, Open(0, TEXT), Close(0), Open(0, TEXT), Close(0), STOP, END]),
    ("delta of another", [BEGIN, Open(0, TEXT), Delta(1, "a"), Close(0), STOP, END]),
    ("close of another", [BEGIN, Open(0, TEXT), Close(1), STOP, END]),
    ("part after the finish", [BEGIN, STOP, Open(0, TEXT), Close(0), END]),
    ("two finishes", [BEGIN, STOP, STOP, END]),
    ("after the end", [BEGIN, STOP, END, USAGE]),
    ("ping after the end", [BEGIN, STOP, END, PING]),
    ("after a failure", [BEGIN, FAILED, END]),
    ("failed twice", [FAILED, FAILED]),
]


@pytest.mark.parametrize("events", [x[1] for x in LEGAL], ids=[x[0] for x in LEGAL])
def test_legal_streams_pass(events: list[Event]) -> None:
    check(events)


@pytest.mark.parametrize("events", [x[1] for x in ILLEGAL], ids=[x[0] for x in ILLEGAL])
def test_illegal_streams_are_refused(events: list[Event]) -> None:
    with pytest.raises(ValueError, match=r"legal|index|open part|ends"):
        check(events)


def test_the_message_names_state_and_event() -> None:
    with pytest.raises(ValueError, match=r"Delta\(index=0, text='a'\) is not legal in state 'between'"):
        check([BEGIN, Delta(0, "a")])


def test_events_may_be_fed_one_by_one() -> None:
    checker = Checker()
    for event in LEGAL[1][1]:
        checker.feed([event])
    checker.finish()


def test_the_grammar_leads_nowhere_unknown() -> None:
    assert {after for row in GRAMMAR.values() for after in row.values()} <= set(GRAMMAR)


@given(streams(), st.data())
@settings(max_examples=100)
def test_a_stream_with_an_event_of_its_own_missing_is_illegal(stream: list[Event], data: st.DataObject) -> None:
    check(stream)
    needed = [i for i, x in enumerate(stream) if isinstance(x, Begin | Close | Finished | End | Failed)]
    if isinstance(stream[-1], Failed):
        needed = [len(stream) - 1]
    gone = data.draw(st.sampled_from(needed))
    with pytest.raises(ValueError, match=r"legal|ends"):
        check([*stream[:gone], *stream[gone + 1 :]])
