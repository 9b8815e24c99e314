from collections.abc import Hashable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.events import Attach, Begin, Close, Delta, End, Event, Finished, Open, check
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.messages import Opaque, Text, ToolCall
from llm_api_converter.hub.response import Finish
from llm_api_converter.protocols.sequencer import Sequencer

# (what a decoder says, the events): o open, + add, c close; keys are letters
CASES: list[tuple[str, str, str]] = [
    ("one after the other", "oa +a1 ca ob +b2 cb", "O0 D0:1 C0 O1 D1:2 C1"),
    ("a live part streams", "oa +a1 +a2 ca", "O0 D0:1 D0:2 C0"),
    ("a later part is held", "oa +a1 ob +b2 +a3 ca cb", "O0 D0:1 D0:3 C0 O1 D1:2 C1"),
    ("released, it streams", "oa ob +b1 ca +b2 cb", "O0 C0 O1 D1:1 D1:2 C1"),
    ("closed while held", "oa ob +b1 cb +a2 ca", "O0 D0:2 C0 O1 D1:1 C1"),
    ("three interleaved", "oa ob oc +c1 +a2 +b3 cc cb ca", "O0 D0:2 C0 O1 D1:3 C1 O2 D2:1 C2"),
    ("the order is that of the beginnings", "oa oc ob cc cb ca", "O0 C0 O1 C1 O2 C2"),
    ("what comes after a close is ignored", "oa ca +a1 ca", "O0 C0"),
    ("what comes for a held part after its close is ignored", "oa ob +b1 cb +b2 ca", "O0 C0 O1 D1:1 C1"),
    ("what never began is ignored", "+x1 cx oa +a2 ca", "O0 D0:2 C0"),
    ("close all", "oa +a1 ob +b2 oc ! ", "O0 D0:1 C0 O1 D1:2 C1 O2 C2"),
    ("close all of nothing", "!", ""),
]


def play(script: str, sequencer: Sequencer | None = None) -> list[Event]:
    sequencer, out = sequencer or Sequencer(), []  # type: ignore[var-annotated]
    for step in script.split():
        key = step[1:2]
        match step[0]:
            case "o":
                sequencer.open(key, ToolCall(key, "f"), out)
            case "+":
                sequencer.add(key, step[2:], out)
            case "c":
                sequencer.close(key, out)
            case _:
                sequencer.close_all(out)
    return out


def short(event: Event) -> str:
    match event:
        case Open(index):
            return f"O{index}"
        case Delta(index, text):
            return f"D{index}:{text}"
        case Close(index):
            return f"C{index}"
    raise AssertionError(event)


@pytest.mark.parametrize(("script", "events"), [x[1:] for x in CASES], ids=[x[0] for x in CASES])
def test_puts_parts_in_order(script: str, events: str) -> None:
    assert [short(x) for x in play(script)] == events.split()


def test_attachments_are_held_in_their_place() -> None:
    sequencer, out = Sequencer(), list[Event]()
    token = Opaque("wire.alpha", "signature", "s")
    sequencer.open(0, Text(""), out)
    sequencer.open(1, Text(""), out)
    for piece in ("x", token, {"alpha": {"k": 1}}, "y"):
        sequencer.add(1, piece, out)
    assert out == [Open(0, Text(""))]
    sequencer.close(0, out)
    assert out[2:] == [Open(1, Text("")), Delta(1, "x"), Attach(1, token), Attach(1, {"alpha": {"k": 1}}), Delta(1, "y")]


def test_knows_its_keys() -> None:
    sequencer = Sequencer()
    play("oa ob", sequencer)
    assert sequencer.live == "a"
    assert (sequencer.knows("a"), sequencer.knows("b"), sequencer.knows("c")) == (True, True, False)
    play("ca", sequencer)
    assert sequencer.live == "b"
    assert sequencer.knows("a")
    play("!", sequencer)
    assert sequencer.live is None


@given(st.lists(st.tuples(st.sampled_from("o++c"), st.integers(0, 4), st.text("xy", max_size=2)), max_size=30))
@settings(max_examples=200)
def test_any_order_of_calls_is_legal_and_loses_nothing(steps: list[tuple[str, int, str]]) -> None:
    sequencer, out = Sequencer(), list[Event]()
    written: dict[Hashable, str] = {}
    over: set[Hashable] = set()
    for step, key, text in steps:
        if step == "o" and not sequencer.knows(key):
            sequencer.open(key, Text(f"{key}:"), out)
            written[key] = f"{key}:"
        elif step == "+":
            sequencer.add(key, text, out)
            if key in written and key not in over:
                written[key] += text
        elif step == "c":
            sequencer.close(key, out)
            over |= {key} & set(written)
    sequencer.close_all(out)
    stream: list[Event] = [Begin("id", "m"), *out, Finished(Finish("stop")), End()]
    check(stream)
    assert [x.text for x in fold(stream).parts if isinstance(x, Text)] == list(written.values())
