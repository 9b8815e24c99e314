"""State of one vendor through a client of any protocol and back: answer -> seal -> client's wire -> echo -> decode -> open."""

import base64
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from llm_api_converter.hub.events import Event
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Opaque, Part, Reasoning, Text, ToolCall
from llm_api_converter.hub.request import Request
from llm_api_converter.hub.response import Finish, Response, Usage
from llm_api_converter.hub.seal import SEAL_PREFIX, Sealer, SealKey
from llm_api_converter.hub.sealing import SealWriter, open_seals
from llm_api_converter.protocols import PROTOCOLS, codec
from llm_api_converter.protocols.base import Answer

SEALER = Sealer([SealKey("k", b"secret")])
REALM, SCOPE = "vendor.model", "ab12"


def raw(data: str, kind: str = "signature") -> Opaque:
    return Opaque("wire.other", kind, data)


CALL, CALL2 = ToolCall("call_1", "get", '{"a":1}'), ToolCall("call_2", "get", '{"b":1}')
ANSWERS: dict[str, tuple[Part, ...]] = {
    "signed thinking and calls": (Reasoning("Let me see.", tokens=(raw("RXE0Q2s="),)), Text("I look."), CALL, CALL2),
    "unsigned thinking": (Reasoning("Let me see."), Text("I look."), CALL),
    "thinking and no call": (Reasoning("Let me see.", tokens=(raw("RXE0Q2s="),)), Text("Done.")),
    "no text": (Reasoning("Let me see.", tokens=(raw("gAAAAB-_x", "encrypted"),)), CALL),
    "redacted": (Reasoning("", redacted=True, tokens=(raw("RXJlZGFj", "redacted"),)), Text("I look."), CALL),
    "state on the calls": (replace(CALL, tokens=(raw("Q2lRQg=="),)), replace(CALL2, tokens=(raw("Q2lRQw=="),))),
    "thoughts, state on text and call": (
        Reasoning("Let me see.", summary=True), Text("I look.", tokens=(raw("QQ=="),)), replace(CALL, tokens=(raw("Qg=="),))
    ),
}  # fmt: skip


def results(answer: tuple[Part, ...]) -> list[str]:
    return [x.id for x in answer if isinstance(x, ToolCall)]


def echo_anthropic(wire: Any, calls: list[str]) -> Any:
    back = [{"type": "tool_result", "tool_use_id": x, "content": "ok"} for x in calls] or [{"type": "text", "text": "and?"}]
    turns = [{"role": "user", "content": "go"}, {"role": "assistant", "content": wire["content"]}, {"role": "user", "content": back}]
    return {"model": "m", "max_tokens": 99, "messages": turns}


def echo_openai_chat(wire: Any, calls: list[str]) -> Any:
    back: list[Any] = [{"role": "tool", "tool_call_id": x, "content": "ok"} for x in calls] or [{"role": "user", "content": "and?"}]
    return {"model": "m", "messages": [{"role": "user", "content": "go"}, wire["choices"][0]["message"], *back]}


def echo_openai_responses(wire: Any, calls: list[str]) -> Any:
    back: list[Any] = [{"type": "function_call_output", "call_id": x, "output": "ok"} for x in calls]
    return {"model": "m", "input": [{"role": "user", "content": "go"}, *wire["output"], *back, {"role": "user", "content": "and?"}]}


def echo_gemini(wire: Any, calls: list[str]) -> Any:
    """Drops thoughts, as Gemini CLI does; its bytes fields come back in the other alphabet, as from the SDK."""
    parts = [x for x in wire["candidates"][0]["content"]["parts"] if not x.get("thought")]
    for part in parts:
        if "thoughtSignature" in part:
            part["thoughtSignature"] = base64.urlsafe_b64encode(base64.b64decode(part["thoughtSignature"])).decode()
    back: list[Any] = [{"functionResponse": {"id": x, "name": "get", "response": {"output": "ok"}}} for x in calls] or [{"text": "and?"}]
    return {"contents": [
        {"role": "user", "parts": [{"text": "go"}]}, {"role": "model", "parts": parts}, {"role": "user", "parts": back}
    ]}  # fmt: skip


def echo_bedrock_converse(wire: Any, calls: list[str]) -> Any:
    back: list[Any] = [{"toolResult": {"toolUseId": x, "content": [{"text": "ok"}]}} for x in calls] or [{"text": "and?"}]
    return {"messages": [{"role": "user", "content": [{"text": "go"}]}, wire["output"]["message"], {"role": "user", "content": back}]}


ECHO: dict[str, Callable[[Any, list[str]], Any]] = {
    "anthropic": echo_anthropic,
    "openai_chat": echo_openai_chat,
    "openai_responses": echo_openai_responses,
    "gemini": echo_gemini,
    "bedrock_converse": echo_bedrock_converse,
}


def travel(protocol: str, parts: tuple[Part, ...], change: Callable[[bytes], bytes] = bytes) -> tuple[tuple[Part, ...], Ledger]:
    """The assistant's parts of the next turn, as the hub sees them, and what was lost on the way."""
    client, ledger = codec(protocol), Ledger()
    whole = Response("id", "up", parts, Finish("tool_call" if results(parts) else "stop"), Usage(3, 4))
    sealed = SealWriter(SEALER, REALM, SCOPE, client.seals).response(whole)
    ids = itertools.count()
    wire = client.encode_response(sealed, Answer(model="m", new_id=lambda prefix: f"{prefix}{next(ids)}"), ledger)
    body = change(json.dumps(ECHO[protocol](json.loads(wire), results(parts))).encode())
    assert SEAL_PREFIX in body
    request: Request = client.decode_request(json.loads(body), model="m", stream=False, headers={})
    request = open_seals(request, SEALER, ledger)
    found = tuple(part for message in request.messages if message.role == "assistant" for part in message.parts)
    return found, ledger


def expected(part: Part) -> Part:
    assert isinstance(part, Text | Reasoning | ToolCall)
    part = replace(part, tokens=tuple(replace(x, realm=REALM, scope=SCOPE) for x in part.tokens))
    return replace(part, origin=REALM) if isinstance(part, Reasoning) else part


def essence(part: Part) -> Any:
    """What must survive: a client's wire may not tell a summary from a chain, or may space JSON another way."""
    match part:
        case Reasoning(text, tokens=tokens, origin=origin):
            return "reasoning", text, tokens, origin
        case Text(text, tokens=tokens):
            return "text", text, tokens
        case ToolCall(id, name, arguments, tokens=tokens):
            return "call", id, name, json.loads(arguments), tokens
    raise AssertionError(part)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_state_comes_back_through_a_client(protocol: str, name: str) -> None:
    back, ledger = travel(protocol, ANSWERS[name])
    assert [essence(x) for x in back] == [essence(expected(x)) for x in ANSWERS[name]]
    assert not ledger.losses


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_stream_carries_the_same_seals(protocol: str, name: str) -> None:
    client, ledger = codec(protocol), Ledger()
    whole = Response("id", "up", ANSWERS[name], Finish("tool_call" if results(ANSWERS[name]) else "stop"), Usage(3, 4))
    sealed = SealWriter(SEALER, REALM, SCOPE, client.seals).response(whole)
    ids = itertools.count()
    encoder = client.stream_encoder(Answer(model="m", new_id=lambda prefix: f"{prefix}{next(ids)}"), ledger)
    decoder, seals = client.stream_decoder(), SealWriter(SEALER, REALM, SCOPE, client.seals)
    out: list[Event] = []
    for event in unfold(whole):
        out += decoder.feed(encoder.encode(seals.events([event])))
    read = fold([*out, *decoder.finish()])
    assert seals_of(read) == seals_of(sealed)
    assert not ledger.losses


def seals_of(response: Response) -> list[str]:
    """In any order: a stream may bring the state of a text after the calls."""
    return sorted(x.data for part in response.parts if isinstance(part, Text | Reasoning | ToolCall) for x in part.tokens)


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_forged_seal_never_reaches_the_history(protocol: str, name: str) -> None:
    back, ledger = travel(protocol, ANSWERS[name], lambda body: body.replace(SEAL_PREFIX, SEAL_PREFIX + b"AQAB"))
    assert b"SEALEDSTATE" not in repr(back).encode()
    assert all(not x.tokens for x in back if isinstance(x, Text | Reasoning | ToolCall))
    assert {(x.feature, x.loss_class) for x in ledger.losses} == {("seal", "state")}
    assert [x.id for x in back if isinstance(x, ToolCall)] == results(ANSWERS[name])
