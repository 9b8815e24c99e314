"""What the official SDK makes of our bytes: its accumulator, and its types taken strictly."""

import itertools
import json
from typing import Any

from openai._models import construct_type
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter, ValidationError

from llm_api_converter.hub.events import Delta, Event, Failed
from llm_api_converter.protocols import codec
from llm_api_converter.protocols.base import Answer

CODEC = codec("openai_responses")
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
ANSWER: TypeAdapter[Any] = TypeAdapter(Response)


def answer(model: str = "m", **more: Any) -> Answer:
    """Ids count up, so that two encodings of one answer mint the same ones."""
    numbers = itertools.count()
    return Answer(model=model, new_id=lambda prefix: f"{prefix}{next(numbers)}", created_s=7, **more)


def frames(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream."""
    lines = stream.replace(b"\r\n", b"\n").split(b"\n")
    return [json.loads(line[5:]) for line in lines if line.startswith(b"data:") and line[5:].strip() != b"[DONE]"]


def sse(*events: dict[str, Any]) -> bytes:
    """Events without names and numbers, as some servers send them."""
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)


def decode(stream: bytes, size: int | None = None) -> list[Event]:
    """All events, fed in pieces of `size` bytes."""
    decoder = CODEC.stream_decoder()
    step = size or len(stream) or 1
    events = [event for at in range(0, len(stream), step) for event in decoder.feed(stream[at : at + step])]
    return events + decoder.finish()


def comparable(events: list[Event]) -> list[Any]:
    """Neighbouring deltas joined; errors, which are never equal, as their words."""
    out: list[Any] = []
    for event in events:
        if isinstance(event, Delta) and out and isinstance(out[-1], Delta):
            out[-1] = Delta(event.index, out[-1].text + event.text)
        else:
            out.append(repr(event.error) if isinstance(event, Failed) else event)
    return out


def accumulate(events: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The SDK's final answer; it raises where the stream does not fit together."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for event in events:
        state.handle_event(construct_type(type_=ResponseStreamEvent, value=event))  # type: ignore[arg-type]
    final = state._completed_response
    return None if final is None else final.to_dict()


def complaints(event: dict[str, Any]) -> list[str]:
    """What the SDK's type of this very event says against it."""
    kind = event["type"]
    try:
        EVENTS.validate_json(json.dumps(event), strict=True)
    except ValidationError as e:
        # The union reports every alternative; only the one of this type counts.
        name = _class_of(kind)
        found = [f"{x['loc']}: {x['msg']}" for x in e.errors() if str(x["loc"][0]) == name]
        return found or [f"no such event: {kind}"]
    return []


def _class_of(kind: str) -> str:
    for choice in _choices():
        if choice.model_fields["type"].annotation.__args__[0] == kind:
            return str(choice.__name__)
    return kind


def _choices() -> Any:
    union = ResponseStreamEvent.__args__[0]  # type: ignore[attr-defined]
    return union.__args__
