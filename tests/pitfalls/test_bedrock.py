"""Pitfalls of Bedrock (29-35): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_29_a_history_with_calls_has_its_tools_declared(avoided: Avoided) -> None:
    """https://github.com/patriceckhart/zot/pull/18 https://github.com/vxcontrol/pentagi/pull/196"""
    await avoided(29)


async def test_30_no_blank_text(avoided: Avoided) -> None:
    """https://github.com/NousResearch/hermes-agent/pull/60628 https://github.com/OpenHands/OpenHands/issues/5339"""
    await avoided(30)


async def test_31_long_tool_names_are_fitted_and_come_back_as_they_were(avoided: Avoided) -> None:
    """https://github.com/awslabs/mcp/issues/3181 https://github.com/anthropics/claude-code/issues/21136"""
    await avoided(31)


async def test_32_roles_alternate_and_the_user_begins(avoided: Avoided) -> None:
    """https://github.com/Portkey-AI/gateway/issues/748 https://github.com/langchain-ai/langchain-aws/issues/192"""
    await avoided(32)


async def test_33_throttling_inside_a_stream_is_a_429_or_tried_again(avoided: Avoided) -> None:
    """https://github.com/maximhq/bifrost/issues/2480 https://github.com/mlflow/mlflow/pull/25863"""
    await avoided(33)


async def test_34_a_beta_flag_and_the_field_it_gates_go_together(avoided: Avoided) -> None:
    """https://github.com/anthropics/claude-code/issues/49370 https://github.com/anthropics/claude-code/issues/82549"""
    await avoided(34)


async def test_35_the_clients_beta_flags_are_kept(avoided: Avoided) -> None:
    """https://github.com/stdapi-ai/stdapi.ai/issues/291 https://github.com/mnfst/llm-gateway/pull/2910"""
    await avoided(35)
