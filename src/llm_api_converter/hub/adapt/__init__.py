"""What may be said to a target: pure steps that make a decoded request fit its facts, before encoding.

    adapt(request, facts, ledger) -> Adapted

STEPS is the whole of it, in order. A step gives the same object back where it has nothing to do; whatever it changes is in the
ledger, except where the client gets its own words back (names, ids), where nothing is lost by spelling (merged turns, a
demanded default) and where the target would do the same anyway. No step knows a vendor: they ask the facts. What comes out fits
the facts, so that adapting it again changes nothing.
"""

from collections.abc import Callable, Mapping

from msgspec import Struct

from ..facts import Facts
from ..ledger import Ledger
from ..names import ToolName
from ..request import Request
from .cache import fit_cache
from .cache_marks import mark_cache
from .choice import fit_choice
from .history import repair_history
from .media import fit_media, move_result_media
from .names import fit_ids, fit_names
from .output import fit_modalities, fit_output
from .reasoning import fit_reasoning
from .runs import tell_foreign_runs
from .sampling import fit_limits, fit_options, fit_sampling
from .schemas import fit_schemas
from .state import drop_foreign_state, require_reasoning, strip_state
from .tools import (
    declare_called,
    fit_count,
    fit_custom,
    fit_deferred,
    fit_late,
    fit_provider_tools,
    fit_strict,
    without_tools,
)
from .turns import begin_and_end, drop_blanks, fill_empty, merge_turns, place_system
from .walk import Notes
from .without import without

Step = Callable[[Request, Facts, Ledger, Notes], Request]

STEPS: tuple[Step, ...] = (
    # What the history says.
    repair_history,
    without_tools,
    tell_foreign_runs,
    drop_foreign_state,
    require_reasoning,
    # How much may be thought and written, and the form of the answer.
    fit_limits,
    fit_reasoning,
    fit_output,
    fit_modalities,
    # Tools: which, under what names, and which of them must be called.
    fit_deferred,
    fit_late,
    fit_custom,
    fit_strict,
    fit_provider_tools,
    declare_called,
    fit_count,
    fit_names,
    fit_ids,
    fit_choice,
    fit_schemas,
    # Images, documents, sounds.
    fit_media,
    move_result_media,
    # Where things stand in the conversation; after everything that moves or removes parts.
    place_system,
    drop_blanks,
    merge_turns,
    fill_empty,
    begin_and_end,
    # Everything else.
    fit_sampling,
    fit_options,
    mark_cache,
    fit_cache,
)


class Adapted(Struct, frozen=True):
    """A request that fits, and what the answer needs to be turned back.

    `names`: upstream name -> what the client called the tool; only the tools whose call differs. `output_tool`: the forced tool
    that stands in for structured output; its call is the answer's text.
    """

    request: Request
    names: Mapping[str, ToolName] = {}
    output_tool: str | None = None


def adapt(request: Request, facts: Facts, ledger: Ledger, protocol: str = "", scope: str = "") -> Adapted:
    """Make `request` fit `facts`. `protocol` is the target's, where known: its own opaque tokens and provider tools stay as they are.
    `scope` names the target's credential, where known: state that was issued to another one goes where the facts bind it.

    Raises ApiError(invalid) for what only the client can mend (more tools than the model takes).
    """
    notes = Notes(request.messages, protocol, scope)
    for step in STEPS:
        after = step(request, facts, ledger, notes)
        if after is not request:
            if after.messages is not request.messages and step is not STEPS[-1]:
                notes.look(after.messages)
            request = after
    return Adapted(request, notes.names, notes.output_tool)


__all__ = ["STEPS", "Adapted", "Step", "ToolName", "adapt", "strip_state", "without"]
