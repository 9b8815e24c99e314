"""`system` and `messages` <-> Message, with what Converse demands of turns: neighbours of one role are one, results come first, a text
stands beside a document.

Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `Message`, `SystemContentBlock` (November 2026); recordings.
"""

from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Message, Role, ToolResult
from ...hub.request import Request
from ..base import Json
from ..citing import lose_citations
from ..fields import Fields
from .content import decode_content
from .wire import PROTOCOL
from .written import ContentEncoder

ROLES: dict[str, Role] = {"user": "user", "assistant": "assistant", "system": "system"}


# ---------------------------------------------------------------------- decode


def decode_system(f: Fields) -> tuple[Message, ...]:
    """The top-level list, as one message."""
    blocks = f.array("system")
    return (Message("system", decode_content(blocks, "system"), at="system"),) if blocks else ()


def decode_messages(f: Fields) -> tuple[Message, ...]:
    """One message each."""
    messages: list[Message] = []
    for i, entry in enumerate(f.array("messages") or []):
        at = f"messages[{i}]"
        m = Fields(entry, at)
        role = ROLES.get(m.text_required("role"))
        if role is None:
            raise m.error("role", f"expected one of {', '.join(ROLES)}")
        parts = decode_content(m.array_required("content"), f"{at}.content")
        messages.append(Message(role, parts, at=at, extras=m.extras(PROTOCOL)))
    return tuple(messages)


# ---------------------------------------------------------------------- encode


def encode_messages(request: Request, facts: Facts, body: Json, ledger: Ledger) -> None:
    """`messages` and `system` of the body."""
    encoder = ContentEncoder(ledger, facts.accepts_realms)
    system: list[Json] = []
    turns: list[tuple[Message, Json]] = []
    for message in request.messages:
        left = unknown_extras(message.extras, PROTOCOL, message.at, ledger)
        if message.name is not None:
            ledger.drop(f"{message.at}.name", "name", "tuning")
        if message.role == "system" and not (turns and facts.system_inline):
            if turns:
                ledger.approximate(message.at, "system", "content", "moved to the front")
            _encode_system(message, encoder, system)
            continue
        if turns and not turns[-1][1]["content"]:
            turns.pop()  # nothing of it could be said: its neighbours are one turn where they are of one role
        if not turns or turns[-1][1]["role"] != message.role:
            turns.append((message, {"role": message.role, "content": []}))
        first, turn = turns[-1]
        turn.update(left)
        content: list[Json] = turn["content"]
        if content and any(isinstance(part, ToolResult) for part in message.parts):
            _insert_results(message, encoder, content)
        else:
            encoder.content(message.parts, content)
    for first, turn in turns:
        _accompany_documents(first, turn["content"], ledger)
    if request.messages:
        body["messages"] = [turn for _, turn in turns if turn["content"]]
    if system:
        body["system"] = system


def _encode_system(message: Message, encoder: ContentEncoder, out: list[Json]) -> None:
    """The top-level list takes text, guarded content and cache points only."""
    blocks: list[Json] = []
    encoder.content(message.parts, blocks)
    for block in blocks:
        kind = next(iter(block))
        if kind == "citationsContent":
            out.extend(block[kind].get("content", []))
            lose_citations(message.at, encoder.ledger)
        elif kind in ("text", "guardContent", "cachePoint"):
            out.append(block)
        else:
            encoder.ledger.drop(message.at, kind, "content", "not in system text")


def _insert_results(message: Message, encoder: ContentEncoder, content: list[Json]) -> None:
    """Results of a later message of one merged turn stand behind the results already there, before its other blocks."""
    results = tuple(part for part in message.parts if isinstance(part, ToolResult) and part.runs == "client")
    others = tuple(part for part in message.parts if not (isinstance(part, ToolResult) and part.runs == "client"))
    place = 0
    while place < len(content) and ("toolResult" in content[place] or (place and "cachePoint" in content[place])):
        place += 1
    blocks: list[Json] = []
    encoder.content(results, blocks)
    content[place:place] = blocks
    encoder.content(others, content)


def _accompany_documents(first: Message, content: list[Json], ledger: Ledger) -> None:
    """A message with a document must hold a text."""
    if any("document" in block for block in content) and not any("text" in block for block in content):
        content.append({"text": "."})
        ledger.repair(first.at, "document_text", "content", "a text must accompany a document")
