"""The list of models with what a coding agent wants to know of each, as Codex CLI reads it (`GET /v1/models?client_version=0.169.0`).

    {"object": "list", "data": [...],  "models": [{"slug", "display_name", "supported_reasoning_levels": [{"effort", "description"}],
     "shell_type", "visibility", "context_window", "base_instructions", ...}]}

Beside OpenAI's own list, so that every client of it finds what it looks for. An entry without one of these fields makes Codex CLI throw the
whole catalogue away; which they are was found with version 0.169.0, those that only older versions demand are here as well (November 2026).
"""

from collections.abc import Sequence
from typing import Any

from ..base import ModelInfo
from ..openai_chat.models import listing
from .wire import encode_json

# Words every version that reads a catalogue knows, with what its menu shows; another word would spoil the catalogue.
_EFFORTS = {
    "minimal": "Answers almost at once", "low": "Thinks a little", "medium": "Thinks as long as most tasks need",
    "high": "Thinks longer about hard tasks", "xhigh": "Thinks as long as it can",
}  # fmt: skip
_TOOL_OUTPUT_TOKENS = 10_000
"""How much of a tool's output is kept: what Codex CLI does for the models it knows."""
_INSTRUCTIONS = """\
You are a coding agent. You work in a terminal on the user's machine, inside the folder of their project, through the tools you are given. \
Stay with a task until it is solved, then say briefly what you did.

- Look before you change anything: read the files concerned and follow the project's own style and rules. An AGENTS.md file in a folder \
tells how to work on what is below it; what the user says goes before it.
- Find files and text with `rg` where it is installed.
- Change what the task needs and nothing else. Mend the cause rather than the symptom. Leave alone changes that are not yours; never \
discard or commit work unless you are asked to.
- After a change, check it: run the tests or the program where you can, and tell what you could not check.
- Ask before anything that cannot be undone. If a command is refused, do not get around it; say what you need and why.
- Before a group of related tool calls say in a sentence what you are about to do. Where several calls do not depend on each other, make \
them together.
- Be exact and short in what you write. Name files as `path:line`. Do not repeat the contents of files you have written.
"""
"""An entry has to bring the instructions of the model with it, in place of those the agent uses for models it does not know."""


def encode_models(models: Sequence[ModelInfo]) -> bytes:
    """OpenAI's list and the catalogue, in the order given."""
    return encode_json({**listing(models), "models": [_entry(model, place) for place, model in enumerate(models)]})


def _entry(model: ModelInfo, place: int) -> dict[str, Any]:
    efforts = [effort for effort in model.efforts if effort in _EFFORTS]
    out: dict[str, Any] = {
        "slug": model.id,
        "display_name": model.display_name or model.id,
        "description": f"Served by {model.owned_by}.",
        "supported_reasoning_levels": [{"effort": effort, "description": _EFFORTS[effort]} for effort in efforts],
        "supports_reasoning_summaries": bool(efforts),
        # Plain functions, as for models the agent does not know: what every model can use.
        "shell_type": "unified_exec",
        "apply_patch_tool_type": None,
        "experimental_supported_tools": [],
        "supports_parallel_tool_calls": True,
        "truncation_policy": {"mode": "tokens", "limit": _TOOL_OUTPUT_TOKENS},
        "visibility": "list",
        "supported_in_api": True,
        "priority": place,
        "upgrade": None,
        "support_verbosity": model.verbosity,
        "default_verbosity": None,
        "input_modalities": ["text", "image"] if model.accepts_images else ["text"],
        "base_instructions": _INSTRUCTIONS,
    }
    if efforts:
        out["default_reasoning_level"] = "medium" if "medium" in efforts else efforts[-1]
    if model.context_window is not None:
        out["context_window"] = model.context_window
    return out
