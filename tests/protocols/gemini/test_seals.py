"""State of another provider survives a Gemini client that drops thoughts and re-spells bytes."""

import json
from typing import Any

import pytest

from llm_api_converter.hub.events import Event
from llm_api_converter.hub.fold import unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Opaque, Part, Reasoning, Text, ToolCall
from llm_api_converter.hub.response import Finish, Response
from llm_api_converter.hub.seal import Sealer, SealKey
from llm_api_converter.hub.sealing import SealWriter, open_seals
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.gemini import CODEC

SEALER = Sealer([SealKey("k1", b"0" * 32)])
ANSWER = Answer(model="m", new_id=lambda prefix: "made-up")
TOKEN = Opaque("wire.anthropic", "signature", "c2lnbmF0dXJl" * 9)
THOUGHT = Reasoning("because", tokens=(TOKEN,))
TURNS: dict[str, tuple[Part, ...]] = {
    "a call": (THOUGHT, ToolCall("c1", "f", '{"a":1}')),
    "text and calls": (THOUGHT, Text("let me see"), ToolCall("c1", "f"), ToolCall("c2", "g")),
    "text": (THOUGHT, Text("because I say so")),
    "nothing else": (THOUGHT,),
}


def echoed(parts: list[Any], *, url_safe: bool) -> list[Any]:
    """What a client sends back: thoughts are gone, bytes may be re-spelled, the rest is as it came."""
    kept = [dict(part) for part in parts if not part.get("thought")]
    for part in kept:
        if url_safe and "thoughtSignature" in part:
            part["thoughtSignature"] = part["thoughtSignature"].replace("+", "-").replace("/", "_")
    return kept


def streamed(events: list[Event]) -> list[Any]:
    written = CODEC.stream_encoder(ANSWER, Ledger()).encode(events)
    frames = [json.loads(frame.removeprefix(b"data: ")) for frame in written.split(b"\r\n\r\n") if frame]
    return [part for frame in frames for part in frame["candidates"][0]["content"]["parts"]]


@pytest.mark.parametrize("url_safe", [False, True], ids=["as it came", "re-spelled"])
@pytest.mark.parametrize("plain", [False, True], ids=["stream", "plain"])
@pytest.mark.parametrize("parts", TURNS.values(), ids=TURNS.keys())
def test_reasoning_comes_back_whole(parts: tuple[Part, ...], plain: bool, url_safe: bool) -> None:
    response = Response("r", "claude", parts, Finish("stop"))
    sealer = SealWriter(SEALER, "anthropic.claude", "scope", "late")
    if plain:
        body = json.loads(CODEC.encode_response(sealer.response(response), ANSWER, Ledger()))
        wire = body["candidates"][0]["content"]["parts"]
    else:
        wire = streamed(sealer.events(unfold(response)))
    turn = {"role": "model", "parts": echoed(wire, url_safe=url_safe)}
    request = CODEC.decode_request({"contents": [{"role": "user", "parts": [{"text": "hi"}]}, turn]}, model="m")
    ledger = Ledger()
    opened = open_seals(request, SEALER, ledger)
    assert ledger.losses == []
    thoughts = [part for part in opened.messages[1].parts if isinstance(part, Reasoning)]
    assert [(thought.text, thought.tokens[0].data, thought.tokens[0].realm) for thought in thoughts] == [
        ("because", TOKEN.data, "anthropic.claude")
    ]
    assert isinstance(opened.messages[1].parts[0], Reasoning)
