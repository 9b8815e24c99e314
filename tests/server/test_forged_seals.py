"""Seals that are forged, cut, swapped, of another gateway or of another credential: none reaches an upstream, none fails a turn."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import aiohttp
import anyio.to_thread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.messages import Opaque
from llm_api_converter.hub.seal import SEAL_PREFIX, Sealed, Sealer, SealKey
from tests.fakes import config

from .session_clients import CLIENTS, HEADERS, Client, PlainChat, Responses
from .session_vendors import Vendor
from .test_sessions import FIRST, MODELS, SECOND, sealing, vendors

pytestmark = pytest.mark.anyio

PREFIX = SEAL_PREFIX.decode()
FULL = [kind for kind in CLIENTS if kind is not PlainChat]
Place = tuple[Any, Any]


def places(value: Any) -> Iterator[Place]:
    """Wherever a seal stands: (container, key)."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(inner, str) and inner.startswith(PREFIX):
            yield value, key
        else:
            yield from places(inner)


def elsewhere(realm: str, keys: SealKey) -> str:
    """A good seal, of a gateway with these keys."""
    state = Opaque(realm, "signature", "Rm9yZWlnbg==")
    return Sealer([keys]).seal(Sealed(realm, "00000000", tokens=(state,), call_tokens=(state,), text_tokens=(state,)))


MUTATIONS: dict[str, Callable[[str, Any], str]] = {
    "cut": lambda seal, draw: seal[: draw(st.integers(len(PREFIX), _length(seal) - 1))],
    "prefix only": lambda seal, draw: PREFIX,
    "prefix broken": lambda seal, draw: seal[: draw(st.integers(1, len(PREFIX) - 1))] + "AAAA" + seal[len(PREFIX):],
    "one character changed": lambda seal, draw: _changed(seal, draw(st.integers(len(PREFIX), _length(seal) - 2)), draw(st.sampled_from("Aa0Z"))),
    "made longer": lambda seal, draw: seal + draw(st.sampled_from(["AAAA", "A", "Zm9v", seal])),
    "garbage behind the prefix": lambda seal, draw: PREFIX + draw(st.text("ABCabc019+/-_=", max_size=60)),
    "the other alphabet": lambda seal, draw: seal.translate(str.maketrans("+/", "-_")).rstrip("="),
    "of another gateway": lambda seal, draw: elsewhere(draw(st.sampled_from(["anthropic.claude", "openai.responses", "google.gemini"])), SECOND),
    "of nobody's realm": lambda seal, draw: elsewhere("nobody.nothing", FIRST),
}


def _length(seal: str) -> int:
    """Without padding, which a seal does not need; and of the last character before it some bits mean nothing."""
    return len(seal.rstrip("="))


def _changed(seal: str, at: int, other: str) -> str:
    return seal[:at] + (other if seal[at] != other else "b") + seal[at + 1 :]


def request_of(client: Client, model: str) -> tuple[str, Any]:
    """The path and body the client would send now."""
    caught: list[tuple[str, Any]] = []

    async def post(url: str, body: Any) -> bytes:
        caught.append((url, body))
        raise StopAsyncIteration

    kept, client.post = client.post, post  # type: ignore[method-assign]
    with pytest.raises((StopAsyncIteration, RuntimeError)):
        client.ask("", model, stream=False).send(None)
    client.post = kept  # type: ignore[method-assign]
    return caught[0]


def answer(url: str, body: Any) -> tuple[int, str, list[Any]]:
    """(status, text, report) of a plain POST."""
    request = urllib.request.Request(url, json.dumps(body).encode(), HEADERS)
    try:
        with urllib.request.urlopen(request, timeout=30) as got:
            return got.status, got.read().decode(), json.loads(got.headers.get("x-conversion-report", "[]"))
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), []


async def grown(client: Client, url: str) -> None:
    """A history with thoughts, calls and texts of all four, and a question at its end."""
    for turn, name in enumerate(MODELS):
        client.say(f"turn {turn}")
        for step in range(2):
            await client.ask(url, f"{name}/{MODELS[name]}", stream=step == 1)
    client.say("and now?")


@pytest.mark.parametrize("kind", FULL, ids=lambda kind: kind.__name__)
async def test_a_broken_seal_neither_reaches_an_upstream_nor_fails_a_turn(kind: type[Client]) -> None:
    async with vendors() as (four, providers), aiohttp.ClientSession() as http, sealing(config(providers), FIRST) as running:
        client = kind(http)
        await grown(client, running.url)
        assert sum(1 for _ in places(client.history)) >= 4
        requests = [(name, *request_of(client, f"{name}/{model}")) for name, model in MODELS.items()]

        @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def broken(data: Any) -> None:
            name, path, body = data.draw(st.sampled_from(requests))
            body = deepcopy(body)
            found = list(places(body))
            harmless = True
            for container, key in data.draw(st.lists(st.sampled_from(range(len(found))), min_size=1, max_size=3, unique=True).map(
                lambda chosen: [found[i] for i in chosen]
            )):  # fmt: skip
                how = data.draw(st.sampled_from(sorted(MUTATIONS)))
                harmless = harmless and how in ("the other alphabet", "prefix broken", "of nobody's realm")
                container[key] = MUTATIONS[how](container[key], data.draw)
            _judge(four[name], running.url + path, body, seals_lost=not harmless)

        await anyio.to_thread.run_sync(broken)


@pytest.mark.parametrize("kind", FULL, ids=lambda kind: kind.__name__)
async def test_good_seals_in_each_others_places(kind: type[Client]) -> None:
    """State on a part it was not made for: an upstream may refuse it once; the turn goes on without it."""
    async with vendors() as (four, providers), aiohttp.ClientSession() as http, sealing(config(providers), FIRST) as running:
        client = kind(http)
        await grown(client, running.url)
        # DeepSeek issues no state, so there is none it could refuse.
        requests = [(name, *request_of(client, f"{name}/{model}")) for name, model in MODELS.items() if name != "deepseek"]

        @settings(max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def swapped(data: Any) -> None:
            name, path, body = data.draw(st.sampled_from(requests))
            body = deepcopy(body)
            found = list(places(body))
            seals = data.draw(st.permutations([container[key] for container, key in found]))
            for (container, key), seal in zip(found, seals, strict=True):
                container[key] = seal
            _judge(four[name], running.url + path, body, seals_lost=False)

        await anyio.to_thread.run_sync(swapped)


def _judge(vendor: Vendor, url: str, body: Any, *, seals_lost: bool) -> None:
    vendor.refused.clear()
    status, said, report = answer(url, body)
    assert status == 200, said
    # The upstream may have been asked with state it refuses, and then without; never with a seal, never with anybody else's state.
    assert len(vendor.refused) <= 1
    assert not any("a seal has reached" in why or "thoughts where" in why for why in vendor.refused), vendor.refused
    if seals_lost:
        assert any("more" in loss or (loss["feature"], loss["class"]) == ("seal", "state") for loss in report), report


@pytest.mark.parametrize("kind", FULL, ids=lambda kind: kind.__name__)
async def test_seals_of_other_keys_and_state_of_another_organisation(kind: type[Client]) -> None:
    """Encrypted reasoning is one credential's; signatures of the others are good for any. Nothing is good under other keys."""
    async with vendors() as (four, providers), aiohttp.ClientSession() as http:
        client = kind(http)
        async with sealing(config(providers), FIRST) as running:
            await grown(client, running.url)
        rotated = {name: {**provider, "api_key": "sk-upstream-secret-2"} for name, provider in providers.items()}
        async with sealing(config(rotated), FIRST) as running:
            for name, model in MODELS.items():
                path, body = request_of(client, f"{name}/{model}")
                if not (name == "gpt" and kind is Responses):  # what has passed through has no seal: it is tried, and left out where refused
                    status, said, report = await anyio.to_thread.run_sync(answer, running.url + path, body)
                    assert status == 200, said
                    assert bool(four[name].back[-1]) == (name != "gpt")
            running.app.runtime.sealer = Sealer([SECOND])
            for name, model in MODELS.items():
                path, body = request_of(client, f"{name}/{model}")
                status, said, report = await anyio.to_thread.run_sync(answer, running.url + path, body)
                assert status == 200, said
                assert [loss["class"] for loss in report if "more" in loss or loss["feature"] == "seal"]
        assert [why for vendor in four.values() for why in vendor.refused] == []
