"""Conversations that their client names instead of sending: `previous_response_id`, and `item_reference`s to items of earlier answers.

Pure: what a request refers to, the request written out whole, and the finished answer in what goes to the client.
https://platform.openai.com/docs/api-reference/responses/create (read 2026-11).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from ...hub.errors import invalid

FINAL = (b'"response.completed"', b'"response.incomplete"')
"""Events with the whole answer in them; a failed one is not kept."""
STATE = "reasoning.encrypted_content"
Item = dict[str, Any]

_decode = msgspec.json.decode


class Kept(Struct, frozen=True):
    """One exchange: every item of its conversation up to the answer, the answer's own, and the answer as the client got it."""

    input: list[Item]
    output: list[Item]
    body: Item


def refers_to(body: Any) -> tuple[str | None, tuple[str, ...]]:
    """(`previous_response_id`, ids of referenced items) of a request's JSON."""
    if not isinstance(body, dict):
        return None, ()
    previous, given = body.get("previous_response_id"), body.get("input")
    ids = [
        item["id"] for item in (given if isinstance(given, list) else ())
        if isinstance(item, dict) and item.get("type") == "item_reference" and isinstance(item.get("id"), str)
    ]
    return (previous if isinstance(previous, str) else None), tuple(dict.fromkeys(ids))


def self_contained(body: Mapping[str, Any]) -> bool:
    """Does the request hold its whole conversation, so that a later one can be written out from it?"""
    return body.get("previous_response_id") is None and body.get("conversation") is None and readable(body)


def readable(body: Mapping[str, Any]) -> bool:
    """Is its input one that can be added to?"""
    return body.get("input") is None or isinstance(body["input"], str | list)


def with_state_asked(body: Item) -> Item:
    """A request that keeps nothing upstream, with its reasoning asked for: who remembers the conversation must have it to go on."""
    include = body.get("include")
    if body.get("store") is not False or body.get("reasoning") is None or not (include is None or isinstance(include, list)):
        return body
    return body if include and STATE in include else {**body, "include": [*(include or ()), STATE]}


def input_items(body: Mapping[str, Any]) -> list[Item]:
    """`input` as a list of items."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    if given is None:
        return []
    if not isinstance(given, list):
        raise invalid("input", "expected text or a list of items")
    return given


def written_out(body: Mapping[str, Any], before: Kept | None, items: Mapping[str, Item]) -> Item:
    """The request with the earlier conversation in front of its input, and references replaced by `items` where they are known.

    Items that stand in the earlier conversation already are not said twice.
    """
    out = dict(body)
    earlier = [] if before is None else [*before.input, *before.output]
    said = {item["id"] for item in earlier if isinstance(item.get("id"), str)}
    own = [
        items.get(item["id"], item) if isinstance(item, dict) and item.get("type") == "item_reference" and item.get("id") in items else item
        for item in input_items(body) if not (isinstance(item, dict) and item.get("type") == "item_reference" and item.get("id") in said)
    ]
    out["input"] = [*earlier, *own]
    if before is not None:
        del out["previous_response_id"]
    return out


def resendable(output: Iterable[Item], body: Mapping[str, Any]) -> list[Item]:
    """The items of an answer as a later request may hold them: what an upstream keeps nowhere cannot be named by its id alone."""
    kept = body.get("store") is not False
    return [item for item in output if kept or item.get("type") != "reasoning" or item.get("encrypted_content")]


def finished(sent: bytes) -> Item | None:
    """The whole answer in bytes that go to the client: a plain answer, or the stream's last event; None where there is none."""
    if sent.startswith(b"{"):
        answer = _decode(sent)
    elif any(word in sent for word in FINAL):
        events = [_decode(line[5:]) for line in sent.split(b"\n") if line.startswith(b"data:") and any(word in line for word in FINAL)]
        answer = events[-1].get("response") if events else None
    else:
        return None
    return answer if isinstance(answer, dict) and answer.get("status") in ("completed", "incomplete") else None


def output_ids(output: Iterable[Item]) -> list[str]:
    """The ids by which a later request may refer to items."""
    return [item["id"] for item in output if isinstance(item.get("id"), str)]
