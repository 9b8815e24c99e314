"""Pitfalls of streams and tool calls (1-13): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_01_thinking_stands_in_a_block_of_its_own(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/32357 https://github.com/BerriAI/litellm/issues/33224"""
    await avoided(1)


async def test_02_arguments_that_come_only_at_the_end_are_not_lost(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/25321 https://github.com/BerriAI/litellm/issues/29491"""
    await avoided(2)


async def test_03_block_indexes_are_contiguous_and_blocks_never_interleave(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/13373"""
    await avoided(3)


async def test_04_parallel_calls_keep_their_own_indexes(avoided: Avoided) -> None:
    """https://github.com/mozilla-ai/any-llm/pull/970 https://github.com/BerriAI/litellm/issues/5231"""
    await avoided(4)


async def test_05_a_call_without_arguments_is(avoided: Avoided) -> None:
    """https://github.com/agentgateway/agentgateway/pull/3002 https://github.com/MoonshotAI/kimi-cli/pull/1764"""
    await avoided(5)


async def test_06_a_turn_with_calls_ends_as_one_whatever_the_upstream_says(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/issues/866"""
    await avoided(6)


async def test_07_a_malformed_call_is_a_failure_not_an_empty_success(avoided: Avoided) -> None:
    """https://github.com/google-gemini/gemini-cli/issues/12674 https://github.com/NousResearch/hermes-agent/pull/83886"""
    await avoided(7)


async def test_08_an_error_after_the_first_byte_ends_the_stream_in_the_clients_own_words(avoided: Avoided) -> None:
    """https://github.com/dativo-io/talon/pull/254 https://github.com/mozilla-ai/any-llm/pull/847"""
    await avoided(8)


async def test_09_the_error_never_merges_with_an_event_that_was_cut(avoided: Avoided) -> None:
    """https://github.com/dativo-io/talon/issues/393"""
    await avoided(9)


async def test_10_a_silent_upstream_does_not_let_the_connection_fall_asleep(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/14953 https://github.com/LuthienResearch/luthien-proxy/pull/804"""
    await avoided(10)


async def test_11_input_tokens_are_known_from_the_first_event(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/issues/1700 https://github.com/sgl-project/sglang/issues/20678"""
    await avoided(11)


async def test_12_when_the_client_leaves_the_upstream_call_ends(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/13774 https://github.com/BerriAI/litellm/issues/37140"""
    await avoided(12)


async def test_13_an_overflow_of_the_context_is_told_in_the_clients_own_words(avoided: Avoided) -> None:
    """https://github.com/StringKe/claudex/issues/10"""
    await avoided(13)
