import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.events import Attach, Begin, Close, Delta, End, Event, Finished, Open, check
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.messages import Opaque, Part, Reasoning, Text, ToolCall
from llm_api_converter.hub.names import ToolName
from llm_api_converter.hub.response import Finish, Response
from llm_api_converter.hub.restore import Restorer

from .strategies import batches, responses, streams

NAMES = {
    "get_9f": ToolName("mcp::a very long name/get"),
    "docs__find": ToolName("find", namespace="docs"),
    "free": ToolName("free", custom=True),
    "free_2": ToolName("patch", namespace="repo", custom=True),
}


def restored(*parts: Part, finish: str = "tool_call", output: str | None = None) -> Response:
    whole = Response("id", "m", parts, Finish(finish, raw="tool_calls"))  # type: ignore[arg-type]
    return Restorer(NAMES, output).response(whole)


@pytest.mark.parametrize(
    ("upstream", "client"),
    [
        (ToolCall("c", "other", '{"a":1}'), ToolCall("c", "other", '{"a":1}')),
        (ToolCall("c", "get_9f", '{"a":1}'), ToolCall("c", "mcp::a very long name/get", '{"a":1}')),
        (ToolCall("c", "docs__find"), ToolCall("c", "find", namespace="docs")),
        (ToolCall("c", "free", '{"input":"SELECT \\"1\\"\\n"}'), ToolCall("c", "free", 'SELECT "1"\n', custom=True)),
        (ToolCall("c", "free", '{ "input" : "" }'), ToolCall("c", "free", "", custom=True)),
        (ToolCall("c", "free", "{}"), ToolCall("c", "free", "", custom=True)),
        (ToolCall("c", "free", "SELECT 1"), ToolCall("c", "free", "SELECT 1", custom=True)),
        (ToolCall("c", "free", '{"sql":"x"}'), ToolCall("c", "free", '{"sql":"x"}', custom=True)),
        (ToolCall("c", "free", '{"input":3}'), ToolCall("c", "free", '{"input":3}', custom=True)),
        (ToolCall("c", "free_2", '{"input":"*** x"}'), ToolCall("c", "patch", "*** x", custom=True, namespace="repo")),
        # The target has custom tools of its own: its text is raw already.
        (ToolCall("c", "free", '{"input":"x"}', custom=True), ToolCall("c", "free", '{"input":"x"}', custom=True)),
        # Not the client's to run: the name is the provider's.
        (ToolCall("c", "get_9f", runs="provider"), ToolCall("c", "get_9f", runs="provider")),
    ],
)  # fmt: skip
def test_calls_get_their_own_words_back(upstream: ToolCall, client: ToolCall) -> None:
    answer = restored(Text("x"), upstream)
    assert answer.parts == (Text("x"), client)
    assert answer.finish == Finish("tool_call", raw="tool_calls")


@pytest.mark.parametrize("arguments", ['{"city":"Oslo"}', "[1]", "broken {", "{}"])
def test_the_output_tool_becomes_text(arguments: str) -> None:
    answer = restored(Reasoning("hm"), ToolCall("c", "out", arguments), output="out")
    assert answer.parts == (Reasoning("hm"), Text(arguments))
    assert answer.finish == Finish("stop")


def test_the_output_beside_a_real_call_still_calls() -> None:
    answer = restored(ToolCall("c", "out", '{"a":1}'), ToolCall("d", "get_9f"), output="out")
    assert [type(x) for x in answer.parts] == [Text, ToolCall]
    assert answer.finish.reason == "tool_call"


def test_other_finishes_stay() -> None:
    assert restored(ToolCall("c", "out", '{"a'), finish="length", output="out").finish == Finish("length", raw="tool_calls")


def test_state_on_the_output_call_moves_to_its_text_and_call_fields_do_not() -> None:
    token = Opaque("wire.alpha", "signature", "s")
    events: list[Event] = [
        Begin("id", "m"), Open(0, ToolCall("c", "out")), Attach(0, {"alpha": {"k": 1}}), Attach(0, token), Close(0),
        Finished(Finish("tool_call")), End(),
    ]  # fmt: skip
    assert fold(Restorer(NAMES, "out").events(events)).parts == (Text("{}", tokens=(token,)),)


def test_custom_arguments_are_held_and_others_stream() -> None:
    restorer = Restorer(NAMES, "out")
    assert restorer.events([Begin("id", "m"), Open(0, ToolCall("c", "free")), Delta(0, '{"inp')])[1:] == [
        Open(0, ToolCall("c", "free", "", custom=True))
    ]
    assert restorer.events([Delta(0, 'ut":"a\\n')]) == []
    assert restorer.events([Delta(0, 'b"}'), Close(0)]) == [Delta(0, "a\nb"), Close(0)]
    assert restorer.events([Open(1, ToolCall("d", "out")), Delta(1, '{"a"')]) == [Open(1, Text("")), Delta(1, '{"a"')]
    assert restorer.events([Delta(1, ":1}"), Close(1)]) == [Delta(1, ":1}"), Close(1)]


def test_a_batch_of_deltas_is_passed_on_as_it_is() -> None:
    restorer = Restorer(NAMES)
    restorer.events([Begin("id", "m"), Open(0, ToolCall("c", "get_9f"))])
    batch: list[Event] = [Delta(0, "{"), Delta(0, "}")]
    assert restorer.events(batch) is batch


def test_an_answer_without_calls_is_returned_as_it_is() -> None:
    whole = Response("id", "m", (Text("x"),), Finish("stop"))
    assert Restorer(NAMES, "out").response(whole) is whole


NAMED = {"get": ToolName("got"), "free": ToolName("libre", "ns", custom=True)}
outputs = st.sampled_from([None, "out"])


@given(streams(), outputs, st.data())
@settings(max_examples=150)
def test_legal_streams_stay_legal_however_they_are_read(stream: list[Event], output: str | None, data: st.DataObject) -> None:
    whole = Restorer(NAMED, output).events(stream)
    check(whole)
    restorer = Restorer(NAMED, output)
    assert [e for batch in data.draw(batches(stream)) for e in restorer.events(batch)] == whole


@given(responses, outputs)
@settings(max_examples=100)
def test_a_whole_answer_is_restored_as_its_stream(whole: Response, output: str | None) -> None:
    answer = Restorer(NAMED, output).response(whole)
    assert fold(Restorer(NAMED, output).events(unfold(whole))) == answer
    assert len(answer.parts) == len(whole.parts)
