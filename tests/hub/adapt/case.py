"""Helpers of the step tests: a request through `adapt`, and short ways to write messages."""

from typing import Any

from msgspec.structs import replace

from llm_api_converter.hub.adapt import Adapted, adapt
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Inline, Media, Message, Opaque, Part, Text
from llm_api_converter.hub.request import Request

Reports = list[tuple[str, str, str]]
HELLO = (Message("user", (Text("hi", at="messages[0].content"),), at="messages[0]"),)
SIGNED = (Opaque("mine", "signature", "s"),)
FOREIGN = (Opaque("theirs", "signature", "s"),)
IMAGE = Media("image", Inline("aGk="), "image/png")
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}}


def run(request: Request, **facts: Any) -> tuple[Adapted, Reports]:
    ledger = Ledger()
    adapted = adapt(request, Facts(**facts), ledger)
    return adapted, [(loss.path, loss.feature, loss.action) for loss in ledger.losses]


def turns(*messages: tuple[str, Part | str] | tuple[str, Part | str, Part | str]) -> tuple[Message, ...]:
    """Messages with paths; a bare string is text."""
    out = []
    for index, (role, *parts) in enumerate(messages):
        whole = tuple(
            _at(Text(part) if isinstance(part, str) else part, f"messages[{index}].content[{place}]") for place, part in enumerate(parts)
        )
        out.append(Message(role, whole, at=f"messages[{index}]"))  # type: ignore[arg-type]
    return tuple(out)


def _at(part: Part, at: str) -> Part:
    return replace(part, at=at)  


def said(request: Request) -> list[tuple[str, list[str]]]:
    return [(m.role, [part.text for part in m.parts if isinstance(part, Text)]) for m in request.messages]
