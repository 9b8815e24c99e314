"""Pitfalls of reasoning and its signatures (14-21): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_14_a_chat_clients_tool_turn_is_legal_for_a_thinking_model(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/8777 https://github.com/anomalyco/opencode/issues/3077"""
    await avoided(14)


async def test_15_a_signature_never_goes_to_another_vendor(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/issues/1584"""
    await avoided(15)


async def test_16_gemini_gets_its_thought_signatures_back(avoided: Avoided) -> None:
    """https://github.com/diegosouzapw/OmniRoute/pull/9273"""
    await avoided(16)


async def test_17_claudes_signature_is_no_thought_signature(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/pull/994"""
    await avoided(17)


async def test_18_deepseek_gets_its_reasoning_back_on_tool_turns(avoided: Avoided) -> None:
    """https://github.com/musistudio/claude-code-router/issues/1378"""
    await avoided(18)


async def test_19_encrypted_reasoning_is_asked_for_carried_and_left_out_where_it_is_refused(avoided: Avoided) -> None:
    """https://github.com/maximhq/bifrost/issues/5410"""
    await avoided(19)


async def test_20_thinking_and_a_forced_tool_do_not_go_together(avoided: Avoided) -> None:
    """https://github.com/vercel/ai/issues/11227"""
    await avoided(20)


async def test_21_more_effort_never_becomes_less(avoided: Avoided) -> None:
    """https://github.com/api7/aisix/pull/1094 https://github.com/decolua/9router/issues/560"""
    await avoided(21)
