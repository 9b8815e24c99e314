"""Pitfalls of tools, schemas and media (36-45): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_36_calls_without_results_results_without_calls_and_results_told_twice_do_not_end_a_session(avoided: Avoided) -> None:
    """farion1231/cc-switch#6044 agentforce314/clawcodex#394 microsoft/vscode#299295 RooCodeInc/Roo-Code#10027"""
    await avoided(36)


async def test_37_gemini_gets_the_results_of_a_turn_together_in_the_order_of_its_calls(avoided: Avoided) -> None:
    """mlflow/mlflow#25788 cloudwego/eino-ext#571 epam/ai-dial-adapter-vertexai#214"""
    await avoided(37)


async def test_38_call_ids_fit_their_reader_on_both_sides_of_the_pair(avoided: Avoided) -> None:
    """decolua/9router#3167 earendil-works/pi#1022 decolua/9router#3369"""
    await avoided(38)


async def test_39_schemas_are_rewritten_for_gemini_with_their_meaning_kept_and_properties_named_like_keywords_stay(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#1542 1rgs/claude-code-proxy#88 tashfeenahmed/freellmapi#65 pizza-bot-app/pizza-bot#62"""
    await avoided(39)


async def test_40_too_many_tools_are_refused_early_or_trimmed_by_rule(avoided: Avoided) -> None:
    """musistudio/claude-code-router#686 caozhiyuan/copilot-api#188"""
    await avoided(40)


async def test_41_tools_loaded_by_a_search_are_declared_and_told_in_the_clients_own_way_to_who_knows_it(avoided: Avoided) -> None:
    """anthropics/claude-code#89211 BerriAI/litellm-docs#993 router-for-me/CLIProxyAPI#1892 headroomlabs-ai/headroom#753"""
    await avoided(41)


async def test_42_a_tool_that_only_the_vendor_can_run_is_not_lost_in_silence(avoided: Avoided) -> None:
    """Alishahryar1/free-claude-code#1470 BerriAI/litellm#25477 1rgs/claude-code-proxy#68"""
    await avoided(42)


async def test_43_raw_text_and_namespaced_tools_of_codex_come_back_in_their_own_shape(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#5753 openai/codex#26234 ggml-org/llama.cpp#23041"""
    await avoided(43)


async def test_44_codex_is_served_whole_compaction_a_catalogue_of_models_a_clear_answer_to_websockets(avoided: Avoided) -> None:
    """router-for-me/CLIProxyAPI#4848 router-for-me/CLIProxyAPI#5103 openai/codex#37393"""
    await avoided(44)


async def test_45_an_image_in_a_tools_result_stays_an_image(avoided: Avoided) -> None:
    """BerriAI/litellm#23712 router-for-me/CLIProxyAPI#4699 kaitranntt/ccs#1133"""
    await avoided(45)
