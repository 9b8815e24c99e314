"""Recorded requests of every protocol through the facts of typical targets: they fit afterwards, and stay."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.request import Request
from tests.recordings import load, needs_recordings

from .laws import broken

TARGETS = {
    "permissive": Facts(),
    "signed reasoning by budget": Facts(
        system_inline=False, roles_alternate=True, first_role_user=True, blank_text=False, tool_id_pattern="[a-zA-Z0-9_-]{1,64}",
        schema_dialect="strict_objects", reasoning_input="budget", reasoning_budget_min=1024, forced_choice_with_reasoning=False,
        reasoning_required_on_tool_turns=True, accepts_realms=("wire.anthropic",), max_tokens_default=4096, stop_blank=False,
        sampling=("temperature", "top_p", "top_k", "stop"), sampling_with_reasoning=("stop",), temperature_max=1.0, cache_marks=4,
    ),
    "a schema subset, results in order": Facts(
        system_inline=False, results_in_call_order=True, first_role_user=True, blank_text=False, schema_dialect="openapi",
        reasoning_input="budget", reasoning_budget_max=24576, image_urls=False, accepts_realms=("wire.gemini",), stop_limit=5,
    ),
    "unsigned reasoning, text only": Facts(
        accepts_images=False, accepts_documents=False, tool_result_media="none", reasoning_levels=("low", "high", "max"),
        reasoning_default_on=True, sends_reasoning_back="tool_turns", reasoning_unsigned=True, reasoning_required_on_tool_turns=True,
        output_formats=("json",),
    ),
    "tools demanded by history, output by tool": Facts(
        system_inline=False, roles_alternate=True, first_role_user=True, blank_text=False, tool_choice_none=False, image_urls=False,
        tools_required_by_history=True, parallel_control=False, output_formats=(), output_emulation="tool", prefill=False,
    ),
    "no tools at all": Facts(accepts_tools=False, reasoning_input="none", sampling=()),
}  # fmt: skip
FILES = {
    "anthropic": "anthropic_messages", "openai_chat": "openai_chat", "openai_responses": "openai_responses", "gemini": "gemini_generate",
    "bedrock_converse": "bedrock_converse",
}  # fmt: skip


def requests(protocol: str) -> Iterator[tuple[str, Request]]:
    decode: Any = import_module(f"llm_api_converter.protocols.{protocol}.request").decode_request
    for record in load(FILES[protocol])[::2]:
        sent = record.get("request")
        if sent and isinstance(sent.get("body"), dict):
            try:
                yield record["id"], decode(sent["body"], model="m", stream=False)
            except ApiError:
                continue  # the recording of a refusal


@needs_recordings
@pytest.mark.parametrize("protocol", FILES)
def test_recorded_requests_fit_and_stay(protocol: str) -> None:
    count = 0
    for name, request in requests(protocol):
        for target, facts in TARGETS.items():
            adapted = adapt(request, facts, Ledger()).request
            assert broken(adapted, facts) == [], (name, target)
            again = Ledger()
            assert adapt(adapted, facts, again).request == adapted, (name, target)
            assert again.losses == [], (name, target)
        count += 1
    assert count > 90
