"""Pitfalls of caching, usage and cost (22-28): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_22_cached_tokens_are_counted_alike_streamed_or_not(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/issues/5617 https://github.com/BerriAI/litellm/issues/36091"""
    await avoided(22)


async def test_23_cached_tokens_are_counted_once(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/9812 https://github.com/BerriAI/litellm/issues/11364 https://github.com/headroomlabs-ai/headroom/pull/2757"""
    await avoided(23)


async def test_24_caching_is_used_for_clients_that_know_nothing_of_it(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/issues/5557"""
    await avoided(24)


async def test_25_never_more_than_four_cache_marks(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/pull/30480 https://github.com/maximhq/bifrost/pull/5931"""
    await avoided(25)


async def test_26_a_session_keeps_its_place_in_the_cache(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/37508"""
    await avoided(26)


async def test_27_counting_counts_everything(avoided: Avoided) -> None:
    """https://github.com/decolua/9router/issues/2337 https://github.com/BerriAI/litellm/issues/13252"""
    await avoided(27)


async def test_28_every_protocol_says_what_was_used(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/38176 https://github.com/BerriAI/litellm/issues/29912"""
    await avoided(28)
