"""Damaged input: any JSON in any place of a body or a chunk is an ApiError or a `Failed`, never a crash."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols.openai_chat import CODEC
from tests.protocols.openai_chat.test_request import FIELDS, MESSAGES, PARTS
from tests.protocols.openai_chat.test_stream_quirks import QUIRKS
from tests.protocols.openai_chat.wire_examples import decoded, reference_snapshot, sse

JUNK = st.sampled_from([None, True, 0, -1, 1.5, "", "text", "data:", [], {}, [None], ["a"], [{}], {"type": "text"}, {"a": None}, [[]]])
BODIES: list[dict[str, Any]] = [
    *({"model": "m", "messages": [{"role": "user", "content": [wire]}]} for wire, _ in PARTS),
    *({"model": "m", "messages": [wire]} for wire, _ in MESSAGES),
    *({"model": "m", "messages": [], **wire} for wire, _ in FIELDS),
]
STREAMS = [chunks for chunks, _, _ in QUIRKS.values()]
ANSWERS = [
    reference_snapshot(json.loads(json.dumps(chunks)))
    for name, (chunks, _, _) in QUIRKS.items()
    if name not in ("a custom call", "arguments as an object", "an unknown part in an array")
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(x for k, v in inner for x in places(v, (*path, k)))]


@st.composite
def damaged(draw: st.DrawFn, whole: list[Any]) -> Any:
    value = json.loads(json.dumps(draw(st.sampled_from(whole))))
    path = draw(st.sampled_from(places(value)))
    if not path:
        return draw(JUNK)
    at = value
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = draw(JUNK)
    return value


@settings(max_examples=500, deadline=None)
@given(damaged(BODIES))
def test_requests(body: Any) -> None:
    with suppress(ApiError):
        request = CODEC.decode_request(body)
        json.dumps(CODEC.encode_request(request, Facts(cache_marks=4, reasoning_field="reasoning_details"), Ledger()).body)


@settings(max_examples=500, deadline=None)
@given(damaged(STREAMS))
def test_streams(chunks: Any) -> None:
    check(decoded(sse(*(chunks if isinstance(chunks, list) else [chunks]))))


@settings(max_examples=300, deadline=None)
@given(damaged(ANSWERS))
def test_answers(body: Any) -> None:
    with suppress(ApiError):
        fold(unfold(CODEC.decode_response(json.dumps(body).encode())))


@settings(max_examples=150, deadline=None)
@given(st.integers(400, 599), damaged([{"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}, [{"error": "x"}], {"detail": [{"msg": "m"}]}]))
def test_errors(status: int, body: Any) -> None:
    error = CODEC.decode_error(status, {}, json.dumps(body).encode())
    assert error.message
    json.loads(CODEC.encode_error(error, "req").body)
