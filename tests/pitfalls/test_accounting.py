"""Pitfalls of caching, usage and cost (22-28): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_22_cached_tokens_are_counted_alike_streamed_or_not(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#5617 BerriAI/litellm#36091"""
    await avoided(22)


async def test_23_cached_tokens_are_counted_once(avoided: Avoided) -> None:
    """BerriAI/litellm#9812 BerriAI/litellm#29145 BerriAI/litellm#11364 headroomlabs-ai/headroom#2757"""
    await avoided(23)


async def test_24_caching_is_used_for_clients_that_know_nothing_of_it_and_left_alone_where_they_do(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#5557 BerriAI/litellm#33573 cline/cline#5067"""
    await avoided(24)


async def test_25_never_more_than_four_cache_marks_and_the_clients_are_kept_with_their_lifetime(avoided: Avoided) -> None:
    """BerriAI/litellm#30480 BerriAI/litellm#33886 maximhq/bifrost#5931"""
    await avoided(25)


async def test_26_a_session_keeps_its_place_in_the_cache(avoided: Avoided) -> None:
    """BerriAI/litellm#37508"""
    await avoided(26)


async def test_27_counting_counts_everything_and_only_what_the_client_sent(avoided: Avoided) -> None:
    """decolua/9router#2337 BerriAI/litellm#13252 router-for-me/CLIProxyAPI#4104 farion1231/cc-switch#3260"""
    await avoided(27)


async def test_28_every_protocol_says_what_was_used_streamed_or_not(avoided: Avoided) -> None:
    """BerriAI/litellm#38176 BerriAI/litellm#29912"""
    await avoided(28)
