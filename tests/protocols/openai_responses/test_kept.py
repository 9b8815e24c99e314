"""Requests that name a conversation instead of sending it."""

from typing import Any

import pytest

from llm_api_converter.protocols.openai_responses.kept import Kept, finished, refers_to, written_out

USER = {"type": "message", "role": "user", "content": "hi"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "1"}
BEFORE = Kept([USER], [THOUGHT, CALL], {})


def reference(item_id: str) -> dict[str, Any]:
    return {"type": "item_reference", "id": item_id}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"input": "hi"}, (None, ())),
        ({"input": [reference("a"), USER, reference("b"), reference("a")]}, (None, ("a", "b"))),
        ({"previous_response_id": "resp_1", "input": "hi"}, ("resp_1", ())),
        ({"previous_response_id": None}, (None, ())),
        ([], (None, ())),
    ],
)
def test_what_a_request_refers_to(body: Any, expected: object) -> None:
    assert refers_to(body) == expected


@pytest.mark.parametrize(
    ("body", "before", "items", "expected"),
    [
        ({"input": [USER, reference("rs_1"), reference("fc_1"), RESULT]}, None, {"rs_1": THOUGHT, "fc_1": CALL}, [USER, THOUGHT, CALL, RESULT]),
        ({"input": [reference("rs_1"), reference("no")]}, None, {"rs_1": THOUGHT}, [THOUGHT, reference("no")]),
        ({"previous_response_id": "r", "input": [RESULT]}, BEFORE, {}, [USER, THOUGHT, CALL, RESULT]),
        ({"previous_response_id": "r", "input": [reference("fc_1"), RESULT]}, BEFORE, {}, [USER, THOUGHT, CALL, RESULT]),
        ({"previous_response_id": "r", "input": "more"}, BEFORE, {}, [USER, THOUGHT, CALL, {"type": "message", "role": "user", "content": "more"}]),
        ({"previous_response_id": "r"}, BEFORE, {}, [USER, THOUGHT, CALL]),
    ],
)  # fmt: skip
def test_it_is_written_out(body: dict[str, Any], before: Kept | None, items: dict[str, Any], expected: list[Any]) -> None:
    given = {**body, "model": "m"}
    out = written_out(given, before, items)
    assert out == {"model": "m", "input": expected}
    assert given == {**body, "model": "m"}, "the client's own stays as it was"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b'{"id":"resp_1","status":"completed","output":[]}', "resp_1"),
        (b'{"id":"resp_1","status":"failed"}', None),
        (b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_2","status":"completed"}}\n\n', "resp_2"),
        (b'data: {"type":"x"}\n\ndata: {"type":"response.incomplete","response":{"id":"resp_3","status":"incomplete"}}\n\n', "resp_3"),
        (b'event: response.failed\ndata: {"type":"response.failed","response":{"id":"resp_4","status":"failed"}}\n\n', None),
        (b'data: {"type":"response.output_text.delta","delta":"\\"response.completed\\""}\n\n', None),
        (b": ping\n\n", None),
    ],
)
def test_the_answer_in_what_is_sent(sent: bytes, expected: str | None) -> None:
    found = finished(sent)
    assert (None if found is None else found["id"]) == expected
