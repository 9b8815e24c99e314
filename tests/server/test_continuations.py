"""Chat clients that drop all reasoning, with what they drop kept for them in the store."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from llm_api_converter.hub.seal import SEAL_PREFIX
from llm_api_converter.server.continuations import Continuations
from llm_api_converter.server.vault import Vault
from llm_api_converter.store.base import Store, StoreError
from llm_api_converter.store.open import open_store
from tests.fakes import Running, config

from .session_clients import Chat, PlainChat
from .test_sessions import FIRST, MODELS, SECOND, sealing, vendors

pytestmark = pytest.mark.anyio

ORDER = [name for _ in range(8) for name, calls in zip(list(MODELS) * 3, (3, 2, 1) * 4, strict=True) for _ in range(calls)][:48]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = open_store(f"sqlite:///{tmp_path}/gateway.db")
    await made.open()
    yield made
    await made.close()


@contextmanager
def keeping(store: Store, *gateways: Running, now: list[float] | None = None) -> Iterator[None]:
    for running in gateways:
        clock = {"clock": lambda: now[0]} if now is not None else {}
        running.app.runtime.continuations = Continuations(store.continuations, Vault([SECOND, FIRST]), 60.0, **clock)
    yield


async def talk(client: Chat, four: dict[str, Any], order: list[str], urls: list[str]) -> None:
    for call, name in enumerate(order):
        if call % 2 == 0:
            client.say(f"turn {call // 2}")
        await client.ask(urls[call % len(urls)], f"{name}/{MODELS[name]}", stream=call % 5 < 3)
    assert [why for vendor in four.values() for why in vendor.refused] == []


async def test_a_session_of_a_client_that_keeps_nothing(store: Store) -> None:
    """Every vendor gets back what it thought before its calls, through either of two replicas; no answer without calls is kept."""
    async with vendors() as (four, providers), aiohttp.ClientSession() as http:
        settings = config(providers, retry={"attempts": 0})
        async with sealing(settings, FIRST) as one, sealing(settings, SECOND, FIRST) as other:
            with keeping(store, one, other):
                await talk(PlainChat(http), four, ORDER, [one.url, other.url])
    for vendor in four.values():
        owed = [x for x in vendor.owed if x not in vendor.given_up]
        back = vendor.back[-1]
        assert len(back) >= 3
        assert back == owed[: len(back)]
        assert len(owed) - len(back) <= 1
    assert four["claude"].thinking_off == sum(ORDER[i] == "claude" != ORDER[i - 1] for i in range(1, len(ORDER), 2))


async def test_what_has_expired_is_gone_and_costs_no_turn(store: Store) -> None:
    now = [1000.0]
    async with vendors() as (four, providers), aiohttp.ClientSession() as http, sealing(config(providers), FIRST) as running:
        client = PlainChat(http)
        with keeping(store, running, now=now):
            await talk(client, four, ["claude"], [running.url])
            now[0] += 61
            await client.ask(running.url, f"claude/{MODELS['claude']}", stream=False)
    assert (four["claude"].back, four["claude"].thinking_off, four["claude"].refused) == ([[], []], 1, [])


async def test_kept_reasoning_is_its_owners_and_unreadable_in_the_store(store: Store) -> None:
    async with vendors() as (four, providers), aiohttp.ClientSession() as http, sealing(config(providers), FIRST) as running:
        with keeping(store, running):
            await talk(PlainChat(http), four, ["claude"], [running.url])
        kept = await store.continuations.get("master", ["toolu_claude1x0"], 0.0)
        assert await store.continuations.get("team:other", ["toolu_claude1x0"], 0.0) == {}
    (closed,) = kept.values()
    assert SEAL_PREFIX not in closed
    assert b"thinks" not in closed
    foreign = Continuations(store.continuations, Vault([FIRST]), 60.0)
    assert await foreign.get("master", ["toolu_claude1x0"]) == {}


async def test_a_store_that_is_away_costs_the_reasoning_and_no_turn(store: Store) -> None:
    class Away:
        """A store nobody reaches."""

        async def put(self, *_: Any) -> None:
            raise StoreError("away")

        async def get(self, *_: Any) -> dict[str, bytes]:
            raise StoreError("away")

        async def sweep(self, *_: Any) -> int:
            raise StoreError("away")

    async with vendors() as (four, providers), aiohttp.ClientSession() as http, sealing(config(providers), FIRST) as running:
        running.app.runtime.continuations = Continuations(Away(), Vault([FIRST]), 60.0)
        await talk(PlainChat(http), four, ["claude", "claude", "deepseek", "deepseek"], [running.url])


async def test_a_client_that_carries_its_reasoning_needs_none(store: Store) -> None:
    async with vendors() as (four, providers), aiohttp.ClientSession() as http, sealing(config(providers), FIRST) as running:
        with keeping(store, running):
            await talk(Chat(http), four, ["claude", "claude", "gpt", "gpt"], [running.url])
    assert [len(vendor.back[-1]) for vendor in (four["claude"], four["gpt"])] == [1, 1]
