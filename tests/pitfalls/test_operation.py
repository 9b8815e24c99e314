"""Pitfalls of parameters, errors and operation (46-50): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_46_parameters_a_model_refuses_are_not_sent_or_left_out_at_the_second_try_and_ever_after(avoided: Avoided) -> None:
    """ericc-ch/copilot-api#222 finch-xu/cc-router#32 Davidvandijcke/coarse#214"""
    await avoided(46)


async def test_47_structured_output_the_schema_fits_and_the_answer_is_json(avoided: Avoided) -> None:
    """BerriAI/litellm#35808 BerriAI/litellm#21222 langchain-ai/langchain-aws#883"""
    await avoided(47)


async def test_48_nothing_is_dropped_in_silence(avoided: Avoided) -> None:
    """langwatch/langwatch#6318 BerriAI/litellm#33738"""
    await avoided(48)


async def test_49_overload_and_its_retry_after_are_kept(avoided: Avoided) -> None:
    """langwatch/langwatch#6207 tombii/better-ccflare#236 huggingface/tau#333"""
    await avoided(49)


async def test_50_a_crowd_is_served_whole_and_a_client_that_does_not_read_does_not_fill_the_memory(avoided: Avoided) -> None:
    """BerriAI/litellm#12685 BerriAI/litellm#27954 BerriAI/litellm#13546 BerriAI/litellm#21046 BerriAI/litellm#14681 BerriAI/litellm#12067 BerriAI/litellm#40291 BerriAI/litellm#13202"""
    await avoided(50)
