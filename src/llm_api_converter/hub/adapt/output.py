"""The form of the answer: JSON where the target has no such switch, and speech or pictures where it makes none.

Structured output is emulated by a tool that the model must call (`Notes.output_tool`; `restore` turns the call back into text) or
by words in the system text, as `facts.output_emulation` says. A forced tool needs the tools for itself.
"""

import json
from typing import Any

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import Message, Text
from ..request import OutputFormat, Request, Tool, ToolChoice
from .names import fits
from .walk import Notes, reasoning_on

OUTPUT_TOOL = "structured_output"
JSON_ONLY = "Answer with one JSON object and nothing else: no code fence, no words around it."
FITTING = "It must fit this JSON schema:"


def fit_output(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """The wanted output format by the target's own switch, by a forced tool, or by words."""
    output = request.output
    if output is None or output.kind == "text" or output.kind in facts.output_formats:
        return request
    path = request.path("output")
    if output.kind == "json":
        ledger.emulate(path, "json_output", "tuning", "asked for in the system text")
        return _told(replace(request, output=None), JSON_ONLY, path)
    schema = output.schema or {}
    if facts.output_emulation == "tool" and _tool_possible(request, schema, facts):
        ledger.emulate(path, "structured_output", "tuning", "a tool that the model must call carries the answer")
        return _by_tool(request, output, schema, facts, notes)
    ledger.emulate(path, "structured_output", "tuning", "the schema is given in the system text")
    words = f"{JSON_ONLY} {FITTING}\n{json.dumps(schema, ensure_ascii=False)}" if schema else JSON_ONLY
    left = OutputFormat("json") if "json" in facts.output_formats else None
    return _told(replace(request, output=left), words, path)


def _tool_possible(request: Request, schema: dict[str, Any], facts: Facts) -> bool:
    """Can a forced tool carry the output? Not beside other tools, and not where the model reasons and then chooses for itself."""
    if not facts.accepts_tools or request.tools or schema.get("type") != "object":
        return False
    if not facts.tool_choice_one and not facts.tool_choice_any:
        return False
    return facts.forced_choice_with_reasoning or not reasoning_on(request, facts)


def _by_tool(request: Request, output: OutputFormat, schema: dict[str, Any], facts: Facts, notes: Notes) -> Request:
    """The schema as the one tool, which must be called."""
    name = output.name if output.name and fits(facts.tool_name_pattern, output.name) else OUTPUT_TOOL
    notes.output_tool = name
    about = output.description or "Gives the answer. Call it once, with the whole answer."
    tool = Tool(name, about, schema, strict=output.strict, at=request.path("output"))
    return replace(request, output=None, tools=(tool,), tool_choice=ToolChoice("one", name), parallel_tools=None)


def _told(request: Request, words: str, path: str) -> Request:
    """The words as the last of the leading system texts."""
    lead = 0
    while lead < len(request.messages) and request.messages[lead].role == "system":
        lead += 1
    message = Message("system", (Text(words, at=path),), at=path)
    return replace(request, messages=(*request.messages[:lead], message, *request.messages[lead:]))


def fit_modalities(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Speech and pictures in the answer, where the target makes none."""
    if request.audio is None and not request.modalities:
        return request
    refused = {kind for kind, made in (("audio", facts.audio_out), ("image", facts.image_out)) if not made}
    kept = tuple(kind for kind in request.modalities if kind not in refused)
    for kind in request.modalities:
        if kind in refused:
            ledger.drop(request.path("modalities"), f"{kind}_output", "content", f"the model does not answer in {kind}")
    audio = request.audio
    if audio is not None and "audio" in refused:
        ledger.drop(request.path("audio"), "audio_output", "content", "the model does not answer in audio")
        audio = None
    return request if kept == request.modalities and audio is request.audio else replace(request, modalities=kept, audio=audio)
