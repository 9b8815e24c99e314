"""What the official SDK makes of a stream: its own accumulator (the beta one, which knows more blocks), and strict validation."""

import json
from typing import Any

from anthropic._models import construct_type_unchecked
from anthropic.lib.streaming._beta_messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from anthropic.types.beta import BetaRawMessageStreamEvent
from httpx2 import Headers
from pydantic import TypeAdapter

from llm_api_converter.framing.sse import SseReader

_adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def frames(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of every frame. Each must carry an `event:` line that says its type, or none; `[DONE]` is skipped."""
    reader = SseReader()
    out = []
    for name, data in [*reader.feed(stream), *reader.finish()]:
        if data != b"[DONE]":
            out.append(json.loads(data))
            assert name.decode() in ("", out[-1]["type"])
    return out


def snapshot(stream: bytes) -> dict[str, Any]:
    """The message the SDK accumulates from a whole stream, without null fields."""
    message = None
    buffers: dict[int, bytes] = {}
    for frame in frames(stream):
        if frame["type"] == "ping":
            continue
        assert frame["type"] != "error", frame
        event: Any = construct_type_unchecked(type_=BetaRawMessageStreamEvent, value=frame)  # type: ignore[arg-type]
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers, request_headers=Headers())
    assert message is not None
    found: dict[str, Any] = json.loads(message.to_json(warnings=False))
    return said(found)


def validate(stream: bytes) -> None:
    """Every frame but pings and errors is an event of the SDK's types, strictly."""
    for frame in frames(stream):
        if frame["type"] not in ("ping", "error"):
            _adapter.validate_python(frame, strict=True)


def said(value: Any) -> Any:
    """`value` without null fields, at any depth: null and absent mean the same in this protocol."""
    if isinstance(value, dict):
        return {k: said(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [said(v) for v in value]
    return value
