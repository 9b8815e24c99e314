"""The list of models as a coding agent reads it."""

import json

from llm_api_converter.protocols.base import ModelInfo
from llm_api_converter.protocols.openai_responses import CODEC

# What Codex CLI 0.169.0, or an older one, takes no entry without.
DEMANDED = {
    "slug", "display_name", "supported_reasoning_levels", "shell_type", "visibility", "supported_in_api", "priority", "support_verbosity",
    "truncation_policy", "experimental_supported_tools", "base_instructions", "supports_reasoning_summaries", "supports_parallel_tool_calls",
}  # fmt: skip


def test_both_lists_in_one() -> None:
    assert CODEC.encode_models is not None
    thinker = ModelInfo("acme/big", "Big", context_window=200_000, efforts=("none", "low", "high", "max"), accepts_images=False, verbosity=True)
    listed = json.loads(CODEC.encode_models([thinker, ModelInfo("plain")]))
    assert (listed["object"], [m["id"] for m in listed["data"]]) == ("list", ["acme/big", "plain"])
    big, plain = listed["models"]
    assert big.keys() >= DEMANDED
    assert plain.keys() >= DEMANDED
    assert (big["slug"], big["display_name"], big["priority"], big["context_window"]) == ("acme/big", "Big", 0, 200_000)
    assert [level["effort"] for level in big["supported_reasoning_levels"]] == ["low", "high"], "a word an agent does not know spoils the whole"
    assert (big["default_reasoning_level"], big["input_modalities"], big["support_verbosity"]) == ("high", ["text"], True)
    assert (plain["display_name"], plain["supported_reasoning_levels"], plain["input_modalities"]) == ("plain", [], ["text", "image"])
    assert "context_window" not in plain
    assert "default_reasoning_level" not in plain


def test_medium_is_where_thinking_begins() -> None:
    assert CODEC.encode_models is not None
    listed = json.loads(CODEC.encode_models([ModelInfo("m", efforts=("low", "medium", "high"))]))
    assert listed["models"][0]["default_reasoning_level"] == "medium"
