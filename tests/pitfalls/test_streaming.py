"""Pitfalls of streams and tool calls (1-13): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_01_thinking_stands_in_a_block_of_its_own(avoided: Avoided) -> None:
    """BerriAI/litellm#32357 BerriAI/litellm#33224"""
    await avoided(1)


async def test_02_arguments_that_come_only_at_the_end_are_not_lost(avoided: Avoided) -> None:
    """BerriAI/litellm#25321 BerriAI/litellm#29491"""
    await avoided(2)


async def test_03_block_indexes_are_contiguous_and_blocks_never_interleave(avoided: Avoided) -> None:
    """BerriAI/litellm#13373"""
    await avoided(3)


async def test_04_parallel_calls_all_arrive_each_with_its_own_index(avoided: Avoided) -> None:
    """mozilla-ai/any-llm#970 BerriAI/litellm#5231 andrewyng/aisuite#386"""
    await avoided(4)


async def test_05_a_call_without_arguments_is_an_empty_object(avoided: Avoided) -> None:
    """agentgateway/agentgateway#3002 MoonshotAI/kimi-cli#1764 openai/openai-agents-js#664"""
    await avoided(5)


async def test_06_a_turn_with_calls_ends_as_one_whatever_the_upstream_says(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#866"""
    await avoided(6)


async def test_07_a_malformed_call_is_a_failure_not_an_empty_success(avoided: Avoided) -> None:
    """NousResearch/hermes-agent#83886 google-gemini/gemini-cli#12674 router-for-me/CLIProxyAPI#1100"""
    await avoided(7)


async def test_08_an_error_after_the_first_byte_ends_the_stream_in_the_clients_own_words(avoided: Avoided) -> None:
    """dativo-io/talon#254 mozilla-ai/any-llm#847 BerriAI/litellm#32159"""
    await avoided(8)


async def test_09_the_error_never_merges_with_an_event_that_was_cut(avoided: Avoided) -> None:
    """dativo-io/talon#393"""
    await avoided(9)


async def test_10_a_silent_upstream_does_not_let_the_connection_fall_asleep(avoided: Avoided) -> None:
    """BerriAI/litellm#36024 BerriAI/litellm#14953 LuthienResearch/luthien-proxy#804 theopenco/llmgateway#1541"""
    await avoided(10)


async def test_11_input_tokens_are_known_from_the_first_event_exactly_at_the_last(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#1700 sgl-project/sglang#20678 MadAppGang/claudish#123"""
    await avoided(11)


async def test_12_when_the_client_leaves_the_upstream_call_ends(avoided: Avoided) -> None:
    """BerriAI/litellm#13774 BerriAI/litellm#37140 BerriAI/litellm#31499"""
    await avoided(12)


async def test_13_an_overflow_of_the_context_is_told_in_the_clients_own_words(avoided: Avoided) -> None:
    """StringKe/claudex#10"""
    await avoided(13)
