"""Pitfalls of Bedrock (29-35): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_29_a_history_with_calls_has_its_tools_declared(avoided: Avoided) -> None:
    """patriceckhart/zot#18 vxcontrol/pentagi#196 nearai/ironclaw#1710"""
    await avoided(29)


async def test_30_no_blank_text(avoided: Avoided) -> None:
    """NousResearch/hermes-agent#60628 NousResearch/hermes-agent#63983 OpenHands/OpenHands#5339 boto/botocore#3525 NousResearch/hermes-agent#55092"""
    await avoided(30)


async def test_31_long_tool_names_are_fitted_everywhere_and_come_back_as_they_were(avoided: Avoided) -> None:
    """awslabs/mcp#3181 openai/codex#46188 anthropics/claude-code#21136 raphaelmansuy/edgequake-llm#66"""
    await avoided(31)


async def test_32_roles_alternate_the_user_begins_results_come_first(avoided: Avoided) -> None:
    """Portkey-AI/gateway#748 aws-solutions-library-samples/guidance-for-multi-provider-generative-ai-gateway-on-aws#123 langchain-ai/langchain-aws#192"""
    await avoided(32)


async def test_33_throttling_inside_a_stream_is_told_as_such_or_tried_again_while_nothing_was_said(avoided: Avoided) -> None:
    """maximhq/bifrost#2480 mlflow/mlflow#25863 crewAIInc/crewAI#7417"""
    await avoided(33)


async def test_34_a_beta_flag_and_the_field_it_gates_go_together(avoided: Avoided) -> None:
    """anthropics/claude-code#49370 anthropics/claude-code#82549 router-for-me/CLIProxyAPI#4750 Wei-Shaw/sub2api#2726 QuantumNous/new-api#3041"""
    await avoided(34)


async def test_35_the_clients_beta_flags_are_kept_wherever_they_stand(avoided: Avoided) -> None:
    """stdapi-ai/stdapi.ai#291 mnfst/llm-gateway#2910"""
    await avoided(35)
