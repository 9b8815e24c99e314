"""Compaction of a conversation for upstreams that have none: the model writes a summary, and the client carries it as a `compaction` item.

A client asks by a last input item `compaction_trigger` (answered with exactly one `compaction` item), or by `POST /v1/responses/compact`
(answered with the user's messages and that item). Pure: JSON in, JSON out; what stands in `encrypted_content` is given.
https://platform.openai.com/docs/guides/compaction and openai/codex#22809 (read 2026-11).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...hub.errors import ApiError, invalid
from .wire import encode_json

Item = dict[str, Any]
TRIGGER = "compaction_trigger"
ITEM = "compaction"

ASK = (
    "This conversation has become long and will be replaced by a summary. Write that summary now, for yourself: whoever reads it has "
    "nothing else and must be able to go on with the work. Say what the user wants, with the exact words that matter; what was decided "
    "and why; what was done, with names of files, functions, commands and their results; what is still open, and what comes next. Write "
    "only the summary."
)
TOLD = "What came before in this conversation, as it was summed up when it was compacted:\n\n"


def wants(body: Mapping[str, Any]) -> bool:
    """Does the request ask for a compaction? Raises `ApiError(invalid)` for a trigger that is not the last item."""
    given = body.get("input")
    items = given if isinstance(given, list) else []
    places = [i for i, item in enumerate(items) if isinstance(item, dict) and item.get("type") == TRIGGER]
    if not places:
        return False
    if places != [len(items) - 1]:
        raise invalid(f"input[{places[0]}]", f"a {TRIGGER} must be the last item, and the only one")
    return True


def as_question(body: Mapping[str, Any], items: Sequence[Item]) -> Item:
    """The request for a summary: the conversation as it is, so that prompt caches hold, and the question behind it."""
    kept = [item for item in items if item.get("type") != TRIGGER]
    out = {name: value for name, value in body.items() if name not in ("text", "previous_response_id", "context_management")}
    out["input"] = [*kept, {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASK}]}]
    if out.get("tools"):
        out["tool_choice"] = "none"
    return out


def summary_in(answer: Mapping[str, Any]) -> str:
    """What the model wrote. Raises `ApiError(upstream_failed)` where that is nothing."""
    text = "".join(
        part.get("text", "") for item in answer.get("output", ()) if item.get("type") == "message" for part in item.get("content", ())
    ).strip()
    if not text:
        raise ApiError("upstream_failed", "the model wrote no summary of the conversation")
    return text


def as_item(item_id: str, sealed: str) -> Item:
    """The item a client carries."""
    return {"type": ITEM, "id": item_id, "encrypted_content": sealed}


def as_answer(answer: Mapping[str, Any], item: Item) -> Item:
    """The answer of a triggered compaction: that of the summary, with one item in it."""
    return {**answer, "output": [item]}


def as_compacted(answer: Mapping[str, Any], items: Sequence[Item], item: Item) -> Item:
    """The answer of `/responses/compact`: the user's messages, and the item."""
    said = [entry for entry in items if entry.get("role") == "user"]
    return {
        "id": answer["id"], "object": "response.compaction", "created_at": answer["created_at"], "output": [*said, item],
        "usage": answer.get("usage"),
    }  # fmt: skip


def as_events(answer: Item) -> Iterator[bytes]:
    """A stream that says it."""
    (item,) = answer["output"]
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    events: list[Item] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": answer},
    ]
    for number, event in enumerate(events):
        yield f"event: {event['type']}\ndata: ".encode() + encode_json({**event, "sequence_number": number}) + b"\n\n"


def told(items: Sequence[Any], opened: Callable[[str], str | None]) -> list[Any]:
    """Input items with each compaction item of ours written out as the user's words; `opened` gives its summary, None: not ours."""
    out = []
    for item in items:
        sealed = item.get("encrypted_content") if isinstance(item, dict) and item.get("type") == ITEM else None
        summary = opened(sealed) if isinstance(sealed, str) else None
        if summary is None:
            out.append(item)
        else:
            out.append({"type": "message", "role": "user", "content": [{"type": "input_text", "text": TOLD + summary}]})
    return out
