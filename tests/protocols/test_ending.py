"""Why an answer ended: what a client's protocol cannot say of it is in the report, the same words for plain answers and streams."""

import pytest

from llm_api_converter.hub.fold import unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Text
from llm_api_converter.hub.response import Finish, Response
from llm_api_converter.protocols import PROTOCOLS, codec
from llm_api_converter.protocols.base import Answer

PAUSED = Finish("paused", "pause_turn")
ODD = Finish("other", "odd_word")
MATCHED = Finish("stop_sequence", stop_sequence="END")
EXPLAINED = Finish("refused", "refusal", "about weapons")
CUT = Finish("length", "max_tokens")

SAME = {"paused": [("finish", "paused", "approximated")], "other": [("finish", "other", "approximated")]}
WHICH = [("stop_sequence", "stop_sequence", "dropped")]
WHY = [("stop_details", "stop_details", "dropped")]

# Finish -> client -> the report.
TOLD: list[tuple[Finish, dict[str, list[tuple[str, str, str]]]]] = [
    (PAUSED, {"openai_chat": SAME["paused"], "openai_responses": SAME["paused"], "gemini": SAME["paused"], "bedrock_converse": SAME["paused"]}),
    (ODD, {"anthropic": SAME["other"], "openai_chat": SAME["other"], "openai_responses": SAME["other"], "bedrock_converse": SAME["other"]}),
    (MATCHED, {"openai_chat": WHICH, "openai_responses": WHICH, "gemini": WHICH, "bedrock_converse": WHICH}),
    (
        EXPLAINED,
        {
            "openai_chat": WHY, "openai_responses": WHY, "gemini": [("finish", "refused", "approximated")],
            "bedrock_converse": [*WHY, ("finish", "refused", "approximated")],
        },
    ),
    (CUT, {}),
]  # fmt: skip


@pytest.mark.parametrize("client", PROTOCOLS)
@pytest.mark.parametrize(("finish", "told"), TOLD, ids=[finish.reason for finish, _ in TOLD])
def test_what_is_not_said_of_an_ending_is_reported(client: str, finish: Finish, told: dict[str, list[tuple[str, str, str]]]) -> None:
    response = Response("id", "m", (Text("a"),), finish)
    answer = Answer(model="m", new_id=lambda prefix: f"{prefix}1")
    plain, streamed = Ledger(), Ledger()
    codec(client).encode_response(response, answer, plain)
    codec(client).stream_encoder(answer, streamed).encode(unfold(response))
    assert [(x.path, x.feature, x.action) for x in plain.losses] == told.get(client, [])
    assert streamed.losses == plain.losses


def test_a_word_of_its_own_is_no_loss_to_a_responses_client() -> None:
    ledger = Ledger()
    response = Response("resp_1", "m", (), Finish("other", "cancelled"))
    codec("openai_responses").encode_response(response, Answer(model="m", new_id=str), ledger)
    assert ledger.losses == []
