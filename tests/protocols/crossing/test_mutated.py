"""Recorded traffic with something wrong in it: a field gone, of another type, new, or a word nobody knows.

Every request is decoded, and encoded for every upstream, or refused with an error that names the field; every answer is decoded, and
encoded for every client, or is an upstream's failure. Nothing else is ever raised. The choice is the same in every run; with `FULL=1`
in the environment a hundred times as much is tried.
"""

import copy
import json
import random
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from msgspec.structs import replace

from llm_api_converter.framing.aws_event_stream import aws_frame, event_headers
from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Event, check
from llm_api_converter.hub.fold import fold, unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.protocols import PROTOCOLS, codec
from tests.protocols.crossing.corpus import FULL, Case, answer, answers, needs_kit, requests, target

TRIES = 20_000 if FULL else 150
JUNK: list[Any] = [
    None, True, 0, -1, 1.5, 1e30, 10**18, "", "text", "data:", "NaN", [], {}, [None], ["a"], [{}], {"type": "text"}, {"type": "odd_new"},
    {"a": None}, [[]],
]  # fmt: skip


def mutated(value: Any, dice: random.Random) -> Any:
    """A copy with up to three things wrong."""
    value = copy.deepcopy(value)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        spots = _spots(value)
        if not spots:
            return dice.choice(JUNK)
        _damage(*dice.choice(spots), dice)
    return value


def _spots(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [spot for key in keys for spot in ((value, key), *_spots(value[key]))]


def _damage(holder: Any, key: Any, dice: random.Random) -> None:
    how = dice.random()
    if how < 0.3:
        del holder[key]
    elif how < 0.75:
        holder[key] = copy.deepcopy(dice.choice(JUNK))
    elif how < 0.85 and isinstance(holder[key], str):
        holder[key] += "_new"
    elif isinstance(holder, dict):
        holder["odd_field"] = copy.deepcopy(dice.choice(JUNK))
    else:
        holder.insert(key, copy.deepcopy(dice.choice(JUNK)))


def mutated_stream(protocol: str, raw: bytes, dice: random.Random) -> bytes:
    """A frame gone, twice, or with something wrong in it."""
    if protocol == "bedrock_converse":
        buffer = EventStreamBuffer()
        buffer.add_data(raw)
        frames = [(event.headers[":event-type"], event.payload) for event in buffer]
        at = dice.randrange(len(frames))
        kind, payload = frames[at]
        frames[at : at + 1] = [(kind, frame) for frame in _instead(payload, dice)]
        return b"".join(aws_frame(event_headers(kind), payload) for kind, payload in frames)
    lines = raw.split(b"\n")
    spots = [at for at, line in enumerate(lines) if line.startswith(b"data:") and line[5:].strip().startswith(b"{")]
    if spots:
        at = dice.choice(spots)
        lines[at : at + 1] = [b"data: " + frame + b"\n" for frame in _instead(lines[at][5:].strip(), dice)]
    return b"\n".join(lines)


def _instead(payload: bytes, dice: random.Random) -> list[bytes]:
    how = dice.random()
    if how < 0.15:
        return []
    return [payload, payload] if how < 0.25 else [json.dumps(mutated(json.loads(payload), dice)).encode()]


def _refused(error: ApiError, case: Case) -> None:
    """The client is told, and where."""
    assert error.kind in ("invalid", "unsupported"), (case.id, error.message)
    assert error.path, (case.id, error.message)


def _failed(error: ApiError, case: Case) -> None:
    """The upstream is to blame."""
    assert error.kind != "invalid", (case.id, error.message)


@needs_kit
@pytest.mark.parametrize("client", PROTOCOLS)
def test_requests(client: str) -> None:
    dice = random.Random(1)
    known = list(requests(client))
    read = 0
    for _ in range(TRIES):
        case = dice.choice(known)
        body = mutated(case.body, dice)
        in_path = client in ("gemini", "bedrock_converse")
        try:
            request = codec(client).decode_request(body, headers=case.headers, model=case.model, stream=case.stream if in_path else None)
        except ApiError as error:
            _refused(error, case)
            continue
        read += 1
        for upstream in PROTOCOLS:
            facts, model = target(upstream, False)
            ledger = Ledger()
            try:
                adapted = adapt(replace(request, model=model), facts, ledger, upstream)
                json.dumps(codec(upstream).encode_request(adapted.request, facts, ledger).body)
            except ApiError as error:
                _refused(error, case)
    assert read > TRIES / 4


@needs_kit
@pytest.mark.parametrize("upstream", PROTOCOLS)
def test_answers(upstream: str) -> None:
    dice = random.Random(1)
    known = list(answers(upstream))
    read = 0
    for _ in range(TRIES):
        case = dice.choice(known)
        try:
            events = _events(case, upstream, dice)
        except ApiError as error:
            _failed(error, case)
            continue
        check(events)
        read += 1
        for client in PROTOCOLS:
            encoder = codec(client).stream_encoder(answer(), Ledger())
            cut = dice.randrange(len(events) + 1)
            data = encoder.encode(events[:cut]) + encoder.encode(events[cut:])
            decoder = codec(client).stream_decoder()
            check(decoder.feed(data) + decoder.finish())
            try:
                codec(client).decode_response(codec(client).encode_response(fold(events), answer(), Ledger()))
            except ApiError as error:
                _failed(error, case)
    assert read > TRIES / 4


def _events(case: Case, upstream: str, dice: random.Random) -> list[Event]:
    """What is read of an answer that has been tampered with."""
    if not case.stream:
        return unfold(codec(upstream).decode_response(json.dumps(mutated(json.loads(case.raw), dice)).encode()))
    raw = mutated_stream(upstream, case.raw, dice)
    decoder = codec(upstream).stream_decoder()
    return decoder.feed(raw) + decoder.finish()
