"""Pitfalls of reasoning and its signatures (14-21): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_14_a_chat_clients_tool_turn_is_legal_for_a_thinking_model(avoided: Avoided) -> None:
    """aws-samples/bedrock-access-gateway#119 anomalyco/opencode#3077 BerriAI/litellm#8777"""
    await avoided(14)


async def test_15_a_signature_goes_back_to_its_vendor_and_to_no_other(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#1584 vybestack/llxprt-code#2335 CommonstackAI/UncommonRoute#19"""
    await avoided(15)


async def test_16_gemini_gets_its_thought_signatures_back(avoided: Avoided) -> None:
    """diegosouzapw/OmniRoute#9273 musistudio/claude-code-router#1032 router-for-me/CLIProxyAPI#2360 farion1231/cc-switch#5725"""
    await avoided(16)


async def test_17_claudes_signature_is_no_thought_signature(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#994"""
    await avoided(17)


async def test_18_deepseek_gets_its_reasoning_back_on_tool_turns(avoided: Avoided) -> None:
    """musistudio/claude-code-router#1378 decolua/9router#1786 decolua/9router#355"""
    await avoided(18)


async def test_19_encrypted_reasoning_is_asked_for_carried_and_left_out_where_it_is_refused(avoided: Avoided) -> None:
    """maximhq/bifrost#5410 router-for-me/CLIProxyAPI#3189 experientiallabs/experiential#965 theopenco/llmgateway#3042"""
    await avoided(19)


async def test_20_thinking_and_a_forced_tool_do_not_go_together(avoided: Avoided) -> None:
    """vercel/ai#11227"""
    await avoided(20)


async def test_21_more_effort_never_becomes_less(avoided: Avoided) -> None:
    """api7/aisix#1094 decolua/9router#560"""
    await avoided(21)
