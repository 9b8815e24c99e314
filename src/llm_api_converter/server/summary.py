"""Compaction where the upstream has none: ask its model for a summary, seal it for the client to carry, write it out when it comes back."""

import msgspec

from ..hub.errors import ApiError
from ..hub.seal import SEAL_PREFIX, BadSeal, Sealed, Sealer, Thought, is_seal
from ..protocols.openai_responses.compaction import as_item, as_question, summary_in, told, wants
from ..protocols.openai_responses.kept import Item, input_items
from ..protocols.relay import Head, parse
from .exchange import Exchange, new_id

REALM = "gateway.compaction"
"""Whose a seal with a summary is: nobody's upstream."""

_encode = msgspec.json.encode


def write_out(sealer: Sealer, body: bytes) -> bytes:
    """A request's body with our compaction items in it written out as text, which every upstream takes."""
    if b'"compaction"' not in body or SEAL_PREFIX not in body:
        return body
    asked = parse(body)
    if not isinstance(asked, dict) or not isinstance(asked.get("input"), list):
        return body
    return _encode({**asked, "input": told(asked["input"], lambda text: _opened(sealer, text))})


def _opened(sealer: Sealer, text: str) -> str | None:
    if not is_seal(text):
        return None
    try:
        sealed = sealer.open(text)
    except BadSeal:
        return ""  # begun like one of ours: nobody else could read it either
    return "\n".join(thought.text for thought in sealed.thoughts) if sealed.realm == REALM else None


def is_wanted(x: Exchange) -> bool:
    """Is a compaction asked for by a trigger, of a target that has none? Raises `ApiError(invalid)` for a misplaced trigger."""
    if b'"compaction_trigger"' not in x.body or x.route is None or x.route.targets[0].protocol == x.codec.name:
        return False
    asked = parse(x.body)
    return isinstance(asked, dict) and wants(asked)


def ask(x: Exchange) -> Head:
    """Make the exchange one that asks the model for the summary, in one piece."""
    asked = parse(x.body)
    x.parsed = as_question(asked, input_items(asked))
    x.body, x.stream, x.decoded = _encode(x.parsed), False, None
    return Head(x.model, False, None)


def item_of(x: Exchange, answer: Item) -> Item:
    """The item a client carries, made of the answer. Raises `ApiError(upstream_failed)` where there is no whole summary in it."""
    if answer.get("status") != "completed":
        raise ApiError("upstream_failed", "the model did not finish its summary of the conversation")
    sealed = x.runtime.sealer.seal(Sealed(realm=REALM, thoughts=(Thought(summary_in(answer)),)))
    return as_item(new_id("cmp_"), sealed)
