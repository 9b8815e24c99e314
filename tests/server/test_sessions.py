"""Sessions of sixty turns that change models: nobody refuses anything, each vendor gets its own state back byte for byte and nobody else's.

Two replicas share the keys and take turns; in the middle both are stopped and two others, with a new key in front of the list, go on.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from llm_api_converter.hub.seal import Sealer, SealKey
from tests.fakes import Running, config, gateway, upstream

from .session_clients import CLIENTS, Anthropic, Client, ResponsesSocket
from .session_vendors import Claude, DeepSeek, Gemini, Gpt, Vendor

pytestmark = pytest.mark.anyio

TURNS = 60
FIRST, SECOND = SealKey("k1", b"the first secret of two, thirty-two"), SealKey("k2", b"the second secret of two, thirty-tw")
MODELS = {"claude": "claude-sonnet-4-5", "gemini": "gemini-3-pro-preview", "deepseek": "deepseek-v4-pro", "gpt": "gpt-5.5"}
SECRET = "sk-upstream-secret-1"


@asynccontextmanager
async def vendors() -> AsyncIterator[tuple[dict[str, Vendor], dict[str, Any]]]:
    """The four of them, and the settings that lead to them."""
    four: dict[str, Vendor] = {x.name: x for x in (Claude(), Gemini(), DeepSeek(), Gpt())}
    kinds: dict[str, Any] = {
        "claude": {"type": "anthropic"}, "gemini": {"type": "gemini"}, "deepseek": {"type": "deepseek", "protocol": "openai_chat"},
        "gpt": {"type": "openai", "protocol": "openai_responses"},
    }  # fmt: skip
    async with AsyncExitStack() as stack:
        for name, kind in kinds.items():
            fake = await stack.enter_async_context(upstream(four[name]))
            kind |= {"base_url": fake.url + ("/v1" if name == "gpt" else ""), "api_key": SECRET}
        yield four, kinds


@asynccontextmanager
async def sealing(settings: Any, *keys: SealKey) -> AsyncIterator[Running]:
    """A gateway that seals with these keys."""
    async with gateway(settings) as running:
        running.app.runtime.sealer = Sealer(keys)
        yield running


ORDER = [name for _ in range(2 * TURNS) for name, calls in zip(list(MODELS) * 3, (3, 2, 1) * 4, strict=True) for _ in range(calls)]
"""Who answers which call, two calls a turn: each vendor takes over between turns and within them."""


@pytest.mark.parametrize("kind", [*CLIENTS, ResponsesSocket], ids=lambda kind: kind.__name__)
async def test_sixty_turns_on_four_vendors_two_replicas_and_a_restart(kind: type[Client]) -> None:
    async with vendors() as (four, providers), aiohttp.ClientSession() as http:
        settings = config(providers, retry={"attempts": 0})
        client, call = kind(http), 0
        for keys, turns in (((FIRST,), range(TURNS // 2)), ((SECOND, FIRST), range(TURNS // 2, TURNS))):
            async with sealing(settings, *keys) as one, sealing(settings, *keys) as other:
                urls = one.url, other.url
                for turn in turns:
                    client.say(f"turn {turn}")
                    for calls_tools in (True, False):
                        made = await client.ask(urls[call % 2], f"{ORDER[call]}/{MODELS[ORDER[call]]}", stream=call % 5 < 3)
                        assert (made > 0) == calls_tools
                        call += 1
        assert [why for vendor in four.values() for why in vendor.refused] == []
        assert sum(vendor.calls for vendor in four.values()) == 2 * TURNS
        for vendor in four.values():
            whole(vendor, client)


def whole(vendor: Vendor, client: Client) -> None:
    """With its last call a vendor had got everything back that it gave away before, in order, each thing once."""
    back = vendor.back[-1]
    if not client.carries_reasoning:
        assert vendor.back == [[]] * vendor.calls
        return
    texts = vendor.given_up if vendor.name == "gemini" and not client.carries_text_state else ()
    owed = [x for x in vendor.owed if x not in texts]
    assert len(back) >= 10
    assert back == owed[: len(back)]
    assert len(owed) - len(back) <= 1  # what that very call was answered with
    if vendor.name == "claude":  # it cannot think where somebody else made the call whose result it gets
        assert vendor.thinking_off == sum(ORDER[i] == "claude" != ORDER[i - 1] for i in range(1, 2 * TURNS, 2))


async def test_a_fallback_in_the_middle_of_a_session() -> None:
    """The first target is overloaded for a while: the second one goes on with the session, and hands it back."""
    async with vendors() as (four, providers), aiohttp.ClientSession() as http:
        targets = [{"provider": name, "model": MODELS[name]} for name in ("claude", "gpt")]
        settings = config(providers, [{"name": "best", "targets": targets}], retry={"attempts": 0})
        client = Anthropic(http)
        async with sealing(settings, FIRST) as running:
            for turn in range(12):
                client.say(f"turn {turn}")
                for step in range(2):
                    if turn in (3, 4, 8) or (turn, step) == (6, 1):
                        four["claude"].overloaded = 1
                    await client.ask(running.url, "best", stream=step == 1)
        assert [why for vendor in four.values() for why in vendor.refused] == []
        assert (four["claude"].calls, four["gpt"].calls) == (17, 7)
        for vendor in (four["claude"], four["gpt"]):
            assert vendor.back[-1] == vendor.owed[: len(vendor.back[-1])]
            assert len(vendor.owed) - len(vendor.back[-1]) <= 1
