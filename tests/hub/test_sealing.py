import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from llm_api_converter.hub.events import Attach, Begin, Checker, Close, Delta, End, Event, Finished, Open, check
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Media, Message, Opaque, Part, Reasoning, Text, ToolCall, ToolResult, Url
from llm_api_converter.hub.request import Request
from llm_api_converter.hub.response import Finish, Response
from llm_api_converter.hub.seal import Sealed, Sealer, SealKey, is_seal
from llm_api_converter.hub.sealing import Holder, SealWriter, Style, open_seals

from .strategies import batches, responses, streams

SEALER = Sealer([SealKey("k", b"secret")])
REALM, SCOPE = "vendor.model", "ab12"
STYLES: tuple[Style, ...] = ("reasoning", "fields", "late")
styles = st.sampled_from(STYLES)


def raw(data: str) -> Opaque:
    """A token as an upstream's decoder leaves it."""
    return Opaque("wire.alpha", "signature", data)


def ours(*data: str) -> tuple[Opaque, ...]:
    """Tokens as they come back out of a seal."""
    return tuple(Opaque(REALM, "signature", x, None, SCOPE) for x in data)


def writer(style: Style) -> SealWriter:
    return SealWriter(SEALER, REALM, SCOPE, style)


def answer(*parts: Part) -> Response:
    return Response("id", "model", parts, Finish("tool_call"))


def turn(*parts: Part) -> Request:
    """The parts as a client sends them back, with a result behind them."""
    placed = tuple(replace(x, at=f"messages[1].content[{i}]") for i, x in enumerate(parts))
    return Request(
        "m",
        (
            Message("user", (Text("go"),), at="messages[0]"),
            Message("assistant", placed, at="messages[1]"),
            Message("user", (ToolResult("c1"),), at="messages[2]"),
        ),
    )


def bare(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(replace(x, at="") for x in parts)


def opened(*parts: Part) -> tuple[tuple[Part, ...], Ledger]:
    """The assistant's parts after `open_seals`, and what was lost."""
    ledger = Ledger()
    messages = [x for x in open_seals(turn(*parts), SEALER, ledger).messages if x.role == "assistant"]
    return bare(messages[0].parts) if messages else (), ledger


def shape(parts: tuple[Part, ...]) -> list[str]:
    """`reasoning*` is a part with exactly one seal and nothing else."""
    out = []
    for part in parts:
        tokens = part.tokens if isinstance(part, Holder) else ()
        assert len(tokens) <= 1
        assert all(x.realm == "seal" and x.kind == "seal" and is_seal(x.data) for x in tokens)
        out.append(type(part).__name__ + "*" * len(tokens))
    return out


CALL = ToolCall("c1", "get", '{"a":1}')
CALL2 = ToolCall("c2", "get", "{}")


def signed(part: Part, *data: str) -> Part:
    assert isinstance(part, Holder)
    return replace(part, tokens=tuple(raw(x) for x in data))


# (what the upstream answered, what a client sees by style, what comes back where that is not the whole answer)
ANSWERS = [
    ("text only", [Text("hi")], {"reasoning": ["Text"], "fields": ["Text"], "late": ["Text"]}),
    (
        "signed thinking, text",
        [signed(Reasoning("hm"), "s1"), Text("hi")],
        {"reasoning": ["Reasoning*", "Text"], "fields": ["Reasoning*", "Text"], "late": ["Reasoning", "Text", "Text*"]},
    ),
    (
        "unsigned thinking, call",
        [Reasoning("hm"), CALL],
        {"reasoning": ["Reasoning*", "ToolCall"], "fields": ["Reasoning*", "ToolCall"], "late": ["Reasoning", "ToolCall*"]},
    ),
    (
        "redacted thinking between",
        [signed(Reasoning("a"), "s1"), signed(Reasoning("", redacted=True), "s2"), Text("x"), signed(Reasoning("b"), "s3"), CALL, CALL2],
        {
            "reasoning": ["Reasoning*", "Reasoning*", "Text", "Reasoning*", "ToolCall", "ToolCall"],
            "fields": ["Reasoning*", "Reasoning*", "Text", "Reasoning*", "ToolCall", "ToolCall"],
            "late": ["Reasoning", "Reasoning", "Text", "Reasoning", "ToolCall*", "ToolCall"],
        },
    ),
    (
        "signature on the first of two calls",
        [signed(CALL, "t1"), CALL2],
        {
            "reasoning": ["Reasoning*", "ToolCall", "ToolCall"],
            "fields": ["ToolCall*", "ToolCall"],
            "late": ["ToolCall*", "ToolCall"],
        },
    ),
    (
        "thoughts, then signatures on both calls",
        [Reasoning("hm", summary=True), signed(CALL, "t1"), signed(CALL2, "t2")],
        {
            "reasoning": ["Reasoning*", "ToolCall", "Reasoning*", "ToolCall"],
            "fields": ["Reasoning*", "ToolCall*", "ToolCall*"],
            "late": ["Reasoning", "ToolCall*", "ToolCall*"],
        },
    ),
    (
        "signature on text before a call",
        [signed(Text("look"), "t0"), CALL],
        {"reasoning": ["Text", "Reasoning*", "ToolCall"], "fields": ["Text*", "ToolCall"], "late": ["Text", "ToolCall*"]},
    ),
    (
        "signature on an image before a call",
        [signed(Media("image", Url("https://x")), "t0"), signed(CALL, "t1")],
        {"reasoning": ["Media", "Reasoning*", "ToolCall"], "fields": ["Media*", "ToolCall*"], "late": ["Media", "ToolCall*"]},
    ),
    (
        "thoughts, signed text, call, thoughts, signed text, call, thoughts",
        [
            Reasoning("a"), signed(Text("x"), "t0"), signed(CALL, "t1"),
            signed(Reasoning("b"), "s2"), signed(Text("y"), "t2"), CALL2, Reasoning("c"),
        ],
        {
            "reasoning": ["Reasoning*", "Text", "Reasoning*", "ToolCall", "Reasoning*", "Text", "Reasoning*", "ToolCall", "Reasoning*"],
            "fields": ["Reasoning*", "Text*", "ToolCall*", "Reasoning*", "Text*", "ToolCall", "Reasoning*"],
            "late": ["Reasoning", "Text", "ToolCall*", "Reasoning", "Text", "ToolCall*", "Reasoning", "Text*"],
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("parts", "seen"), [x[1:] for x in ANSWERS], ids=[x[0] for x in ANSWERS])
def test_goes_out_and_comes_back(parts: list[Part], seen: dict[str, list[str]], style: Style) -> None:
    whole = answer(*parts)
    sent = writer(style).response(whole)
    assert shape(sent.parts) == seen[style]
    back, ledger = opened(*sent.parts)
    assert back == bare(tuple(expected(x) for x in parts))
    assert not ledger.losses


def expected(part: Part) -> Part:
    """What stands in the history of a later turn for a part of the answer."""
    if not isinstance(part, Holder):
        return part
    part = replace(part, tokens=tuple(replace(x, realm=REALM, scope=SCOPE) for x in part.tokens))
    return replace(part, origin=REALM) if isinstance(part, Reasoning) else part


def test_text_state_is_given_up_where_no_reasoning_or_call_follows() -> None:
    sent = writer("reasoning").response(answer(signed(Text("hi"), "t0")))
    assert sent.parts == (Text("hi"),)


def test_text_state_at_the_end_of_a_late_answer_goes_on_an_empty_text() -> None:
    sent = writer("late").response(answer(signed(Text("hi"), "t0")))
    assert shape(sent.parts) == ["Text", "Text*"]
    assert opened(*sent.parts)[0] == (Text("hi", tokens=ours("t0")),)
    # A client that joins the two texts
    assert isinstance(sent.parts[1], Text)
    assert opened(Text("hi", tokens=sent.parts[1].tokens))[0] == (Text("hi", tokens=ours("t0")),)


def test_provider_run_calls_carry_no_seal() -> None:
    parts = (Reasoning("a"), ToolCall("c1", "web_search", runs="provider"), CALL)
    assert shape(writer("late").response(answer(*parts)).parts) == ["Reasoning", "ToolCall", "ToolCall*"]
    back, ledger = opened(*writer("reasoning").response(answer(signed(parts[1], "t1"), signed(CALL, "t2"))).parts)
    assert back == (replace(parts[1], tokens=ours("t1")), replace(CALL, tokens=ours("t2")))
    assert not ledger.losses


def test_late_client_that_echoes_thoughts_has_them_once() -> None:
    sent = writer("late").response(answer(Reasoning("a b"), Text("x"), CALL))
    assert shape(sent.parts) == ["Reasoning", "Text", "ToolCall*"]
    split = (Reasoning("a "), Reasoning("b"), *sent.parts[1:])
    for echoed in (sent.parts, split, sent.parts[1:]):
        assert opened(*echoed)[0] == (Reasoning("a b", origin=REALM), Text("x"), CALL)


def test_late_client_that_splits_text_keeps_the_order() -> None:
    sent = writer("late").response(answer(Reasoning("a"), Text("xy"), Reasoning("b"), CALL))
    echoed = (Text("x"), Text("y"), sent.parts[-1])
    assert opened(*echoed)[0] == (Reasoning("a", origin=REALM), Text("x"), Text("y"), Reasoning("b", origin=REALM), CALL)


def test_reasoning_of_a_target_without_tokens_names_its_origin() -> None:
    sent = SealWriter(SEALER, "", "", "reasoning", "unsigned.alpha").response(answer(Reasoning("hm"), CALL))
    back, _ = opened(*sent.parts)
    assert back == (Reasoning("hm", origin="unsigned.alpha"), CALL)


def test_one_message_an_item() -> None:
    """Protocols that list items: a carrier's message disappears, state crosses from message to message."""
    sent = writer("reasoning").response(answer(signed(Text("x"), "t0"), signed(CALL, "t1"), signed(CALL2, "t2")))
    assert shape(sent.parts) == ["Text", "Reasoning*", "ToolCall", "Reasoning*", "ToolCall"]
    items = Request("m", tuple(Message("assistant", (x,)) for x in sent.parts))
    ledger = Ledger()
    assert [x.parts for x in open_seals(items, SEALER, ledger).messages] == [
        (Text("x", tokens=ours("t0")),), (replace(CALL, tokens=ours("t1")),), (replace(CALL2, tokens=ours("t2")),)
    ]  # fmt: skip
    assert not ledger.losses


def test_call_state_that_comes_late_in_a_stream_is_kept() -> None:
    batches_ = [
        [Begin("id", "m"), Open(0, CALL2)], [Delta(0, "{}")], [Attach(0, raw("t1"))], [Close(0)],
        [Open(1, CALL2), Attach(1, raw("t2")), Close(1)], [Finished(Finish("tool_call")), End()],
    ]  # fmt: skip
    for style in STYLES:
        out = written(writer(style), batches_)
        back, ledger = opened(*fold(out).parts)
        assert back == (replace(CALL2, tokens=ours("t1")), replace(CALL2, tokens=ours("t2"))), style
        assert not ledger.losses


def test_call_state_that_comes_last_is_kept() -> None:
    batches_ = [[Begin("id", "m"), Open(0, CALL2)], [Attach(0, raw("t1")), Close(0)], [Finished(Finish("tool_call")), End()]]
    assert shape(fold(written(writer("reasoning"), batches_)).parts) == ["ToolCall", "Reasoning*"]
    for style in STYLES:
        back, ledger = opened(*fold(written(writer(style), batches_)).parts)
        assert back == (replace(CALL2, tokens=ours("t1")),)
        assert not ledger.losses


def test_the_seal_comes_just_before_the_close() -> None:
    out = writer("reasoning").events(unfold(answer(signed(Reasoning("hm"), "s"), Text("x"))))
    assert [type(x).__name__ for x in out][:5] == ["Begin", "Open", "Delta", "Attach", "Close"]


# ---------------------------------------------------------------- what cannot be trusted


def damaged(seal: str, how: str) -> str:
    match how:
        case "cut":
            return seal[:-8]
        case "forged":
            return seal[:60] + ("A" if seal[60] != "A" else "B") + seal[61:]
        case "foreign":
            return Sealer([SealKey("other", b"s")]).seal(Sealed(REALM, SCOPE, ours("s1")))
        case _:
            return seal[:24]


@pytest.mark.parametrize("how", ["cut", "forged", "foreign", "prefix only"])
@pytest.mark.parametrize("style", STYLES)
def test_a_bad_seal_is_dropped_with_a_loss(style: Style, how: str) -> None:
    sent = writer(style).response(answer(signed(Reasoning("hm"), "s1"), signed(Text("x"), "t0"), signed(CALL, "t1")))
    bad = tuple(
        replace(x, tokens=tuple(replace(t, data=damaged(t.data, how)) for t in x.tokens)) if isinstance(x, Holder) else x
        for x in sent.parts
    )
    back, ledger = opened(*bad)
    assert back == (Reasoning("hm"), Text("x"), CALL)
    assert {(x.feature, x.action, x.loss_class) for x in ledger.losses} == {("seal", "dropped", "state")}
    assert {x.path for x in ledger.losses} == {f"messages[1].content[{i}]" for i, x in enumerate(sent.parts) if _tokens(x)}


def _tokens(part: Part) -> tuple[Opaque, ...]:
    return part.tokens if isinstance(part, Holder) else ()


def test_a_redacted_part_with_a_bad_seal_is_gone() -> None:
    back, ledger = opened(Reasoning("", redacted=True, tokens=(Opaque("wire.beta", "redacted", "SEALEDSTATEOFTHISGATEWAYAAAA"),)), Text("x"))
    assert back == (Text("x"),)
    assert [x.path for x in ledger.losses] == ["messages[1].content[0]"]


def test_tokens_that_are_no_seals_stay() -> None:
    parts = (Reasoning("hm", tokens=(raw("EqQB"),)), replace(CALL, tokens=(raw("CiQB"),)))
    back, ledger = opened(*parts)
    assert back == parts
    assert not ledger.losses


def test_a_request_without_tokens_is_returned_as_it_is() -> None:
    request = turn(Reasoning("hm"), Text("x"), CALL)
    assert open_seals(request, SEALER, Ledger()) is request


def test_state_of_a_part_the_client_removed_is_a_loss() -> None:
    sent = writer("reasoning").response(answer(signed(Text("x"), "t0"), signed(CALL, "t1")))
    back, ledger = opened(sent.parts[1])
    assert back == ()
    assert [(x.path, x.feature, x.loss_class) for x in ledger.losses] == [("messages[1].content[0]", "seal", "state")]
    back, ledger = opened(*sent.parts[:2])
    assert back == (Text("x", tokens=ours("t0")),)
    assert [x.detail for x in ledger.losses] == ["the tool call it belongs to is gone"]


def test_a_seal_on_another_kind_of_part_still_gives_its_state() -> None:
    seal = Opaque("wire.beta", "signature", SEALER.seal(Sealed(REALM, SCOPE, ours("s1"), ours("t1"))))
    back, ledger = opened(replace(CALL, tokens=(seal,)))
    assert back == (Reasoning("", tokens=ours("s1"), origin=REALM), replace(CALL, tokens=ours("t1")))
    assert not ledger.losses


# ---------------------------------------------------------------- laws


def written(seals: SealWriter, batches_: list[list[Event]]) -> list[Event]:
    return [event for batch in batches_ for event in seals.events(batch)]


@given(streams().flatmap(batches), styles)
@settings(max_examples=150)
def test_legal_streams_stay_legal_in_any_batches(batches_: list[list[Event]], style: Style) -> None:
    out = written(writer(style), batches_)
    check(out)
    for event in out:
        if isinstance(event, Attach) and isinstance(event.value, Opaque):
            assert event.value.kind == "seal"
        if isinstance(event, Open):
            assert not _tokens(event.part)


@given(streams(), styles, st.data())
@settings(max_examples=100)
def test_every_prefix_is_legal(stream: list[Event], style: Style, data: st.DataObject) -> None:
    checker, seals = Checker(), writer(style)
    for batch in data.draw(batches(stream)):
        checker.feed(seals.events(batch))
    checker.finish()


@given(responses, styles)
@settings(max_examples=150)
def test_a_whole_answer_is_sealed_as_its_stream(whole: Response, style: Style) -> None:
    assert fold(writer(style).events(unfold(whole))) == writer(style).response(whole)


@given(responses)
@settings(max_examples=150)
def test_every_reasoning_part_carries_one_seal(whole: Response) -> None:
    for style in ("reasoning", "fields"):
        for part in writer(style).response(whole).parts:
            if isinstance(part, Reasoning):
                assert [x.kind for x in part.tokens] == ["seal"]


@given(responses)
@settings(max_examples=200)
def test_fields_come_back_whole(whole: Response) -> None:
    back, ledger = opened(*writer("fields").response(whole).parts)
    assert back == tuple(expected(x) for x in whole.parts)
    assert not ledger.losses


@given(responses, st.sampled_from(["reasoning", "late"]))
@settings(max_examples=200)
def test_reasoning_and_calls_come_back_whole(whole: Response, style: Style) -> None:
    """Visible parts may lose state in these styles (see the module's documentation), nothing else does, and nothing is added."""
    back, ledger = opened(*writer(style).response(whole).parts)
    want = tuple(expected(x) for x in whole.parts)
    if style == "late":
        # Reasoning is put back before or after the visible parts of its stretch, not between them; empty text carries nothing.
        assert [x for x in back if isinstance(x, Reasoning)] == [x for x in want if isinstance(x, Reasoning)]
        back, want = (tuple(x for x in parts if not isinstance(x, Reasoning)) for parts in (back, want))
    assert len(back) == len(want)
    for got, wanted in zip(back, want, strict=True):
        if isinstance(wanted, Reasoning) or (isinstance(wanted, ToolCall) and wanted.runs == "client"):
            assert got == wanted
        else:
            assert got == wanted or got == (replace(wanted, tokens=()) if isinstance(wanted, Holder) else wanted)
    assert not ledger.losses


@given(responses, styles, st.data())
@settings(max_examples=150)
def test_tampering_never_crashes_and_never_leaks(whole: Response, style: Style, data: st.DataObject) -> None:
    """Whatever happens to the seals and the parts around them, no seal reaches an upstream and no state is taken from a forgery."""
    parts = list(writer(style).response(whole).parts)
    for i, part in enumerate(parts):
        if isinstance(part, Holder) and part.tokens and data.draw(st.booleans()):
            seal = part.tokens[0].data
            cut = data.draw(st.integers(24, len(seal) - 2))
            parts[i] = replace(part, tokens=(replace(part.tokens[0], data=seal[:cut] + seal[cut + 1 :]),))
    shuffled = data.draw(st.permutations(parts)) if data.draw(st.booleans()) else parts
    known = {x.data for part in whole.parts for x in _tokens(part)}
    back, _ = opened(*shuffled)
    for part in back:
        for token in _tokens(part):
            assert token.realm == REALM
            assert token.data in known


# ---------------------------------------------------------------- speed


def test_a_batch_of_deltas_costs_next_to_nothing() -> None:
    seals = writer("reasoning")
    seals.events([Begin("id", "m"), Open(0, Text(""))])
    batch: list[Event] = [Delta(0, "word")]
    assert seals.events(batch) is batch
    start = time.perf_counter()
    for _ in range(20_000):
        seals.events(batch)
    assert (time.perf_counter() - start) / 20_000 < 5e-6
