"""Pitfalls of parameters, errors and operation (46-50): each case, on this gateway."""

import pytest

from .conftest import Avoided

pytestmark = pytest.mark.anyio


async def test_46_parameters_a_model_refuses_are_not_sent_or_left_out_at_the_second_try(avoided: Avoided) -> None:
    """https://github.com/ericc-ch/copilot-api/issues/222 https://github.com/finch-xu/cc-router/issues/32"""
    await avoided(46)


async def test_47_structured_output_the_schema_fits_and_the_answer_is_json(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/35808 https://github.com/langchain-ai/langchain-aws/issues/883"""
    await avoided(47)


async def test_48_nothing_is_dropped_in_silence(avoided: Avoided) -> None:
    """https://github.com/langwatch/langwatch/pull/6318 https://github.com/BerriAI/litellm/pull/33738"""
    await avoided(48)


async def test_49_overload_and_its_retry_after_are_kept(avoided: Avoided) -> None:
    """https://github.com/langwatch/langwatch/pull/6207 https://github.com/tombii/better-ccflare/pull/236"""
    await avoided(49)


async def test_50_a_crowd_is_served_whole(avoided: Avoided) -> None:
    """https://github.com/BerriAI/litellm/issues/27954 https://github.com/BerriAI/litellm/issues/13546 https://github.com/BerriAI/litellm/issues/12685"""
    await avoided(50)
