"""Odd values anywhere: a request is refused by its path, an answer is an upstream's failure, and nothing ever crashes."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import check
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from tests.protocols.openai_responses.sdk import CODEC, answer, decode, frames, sse
from tests.recordings import load, needs_recordings

pytestmark = needs_recordings

ODD: list[Any] = [None, 1, -1.5, "x", "", True, [], {}, [1], [None], [[]], {"a": 1}, {"type": "x"}, ["x"], 1e30]


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from spots(value[key])


def bent(value: Any, chance: random.Random) -> Any:
    """A copy with one or two odd values in it."""
    copy = json.loads(json.dumps(value))
    for _ in range(chance.randint(1, 2)):
        places = list(spots(copy))
        if places:
            container, key = chance.choice(places)
            container[key] = json.loads(json.dumps(chance.choice(ODD)))
    return copy


def small(side: str, kind: type, limit: int) -> list[Any]:
    """Recorded bodies of one side that are short enough to be bent many times."""
    found = [record[side]["body"] for record in load("openai_responses") if record[side] and isinstance(record[side].get("body"), kind)]
    return [body for body in found if len(json.dumps(body)) < limit]


def read(decode: Callable[[Any], Any], body: Any) -> Any:
    """What it decodes to, or the error it is refused with."""
    try:
        return decode(body)
    except ApiError as error:
        return error


def test_odd_requests_are_refused_by_their_path() -> None:
    chance = random.Random(1)
    refused = 0
    for body in small("request", dict, 12_000):
        for _ in range(4):
            request = read(CODEC.decode_request, bent(body, chance))
            if isinstance(request, ApiError):
                assert request.kind == "invalid"
                assert request.path is not None
                refused += 1
            else:
                json.dumps(CODEC.encode_request(request, Facts(), Ledger()).body)
    assert refused > 100


def test_odd_answers_are_the_upstreams_failure() -> None:
    chance = random.Random(2)
    for body in small("response", dict, 12_000):
        for _ in range(4):
            response = read(CODEC.decode_response, json.dumps(bent(body, chance)).encode())
            if isinstance(response, ApiError):
                assert response.kind != "internal"
            else:
                CODEC.encode_response(response, answer(), Ledger())


def test_odd_frames_fail_or_are_read() -> None:
    chance = random.Random(3)
    for body in small("response", str, 20_000):
        sent = frames(body.encode())
        for _ in range(6):
            odd = list(sent)
            for _ in range(3):
                place = chance.randrange(len(odd))
                odd[place] = bent(odd[place], chance)
            events = decode(sse(*odd))
            check(events)
            CODEC.stream_encoder(answer(), Ledger()).encode(events)
