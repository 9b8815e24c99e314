"""Pitfalls of tools, schemas and media (36-45): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_36_calls_without_results_and_results_without_calls_do_not_end_a_session(avoided: Avoided) -> None:
    """https://github.com/farion1231/cc-switch/pull/6044 https://github.com/microsoft/vscode/issues/299295"""
    await avoided(36)


async def test_37_gemini_gets_the_results_of_a_turn_together_in_the_order_of_its_calls(avoided: Avoided) -> None:
    """https://github.com/mlflow/mlflow/issues/25788 https://github.com/cloudwego/eino-ext/issues/571"""
    await avoided(37)


async def test_38_call_ids_fit_their_reader_on_both_sides_of_the_pair(avoided: Avoided) -> None:
    """https://github.com/decolua/9router/pull/3167 https://github.com/earendil-works/pi/issues/1022"""
    await avoided(38)


async def test_39_schemas_are_rewritten_for_gemini_and_properties_named_like_keywords_stay(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/pull/1542 https://github.com/1rgs/claude-code-proxy/pull/88"""
    await avoided(39)


async def test_40_too_many_tools_are_refused_early_or_trimmed_by_rule(avoided: Avoided) -> None:
    """https://github.com/musistudio/claude-code-router/issues/686"""
    await avoided(40)


async def test_41_tools_loaded_by_a_search_are_declared(avoided: Avoided) -> None:
    """https://github.com/anthropics/claude-code/issues/89211 https://github.com/headroomlabs-ai/headroom/pull/753"""
    await avoided(41)


async def test_42_a_tool_that_only_the_vendor_can_run_is_not_lost_in_silence(avoided: Avoided) -> None:
    """https://github.com/Alishahryar1/free-claude-code/issues/1470 https://github.com/BerriAI/litellm/issues/25477"""
    await avoided(42)


async def test_43_raw_text_and_namespaced_tools_of_codex_come_back_in_their_own_shape(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/issues/5753 https://github.com/openai/codex/issues/26234"""
    await avoided(43)


async def test_44_codex_is_served_whole_compaction_and_a_catalogue_of_models(avoided: Avoided) -> None:
    """https://github.com/router-for-me/CLIProxyAPI/issues/4848 https://github.com/openai/codex/issues/37393"""
    await avoided(44)


async def test_45_an_image_in_a_tools_result_stays_an_image(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/23712 https://github.com/router-for-me/CLIProxyAPI/issues/4699"""
    await avoided(45)
