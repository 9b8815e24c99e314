"""Plain answers: JSON bytes <-> Response.

    {"id", "type": "message", "role": "assistant", "model", "content": [...], "stop_reason", "stop_sequence", "usage"} <-> Response

Source: anthropic SDK 2.12.0, types/message.py; https://platform.claude.com/docs/en/api/messages (November 2026).
"""

from typing import Any

import msgspec

from ...hub.errors import ApiError, invalid
from ...hub.ledger import Ledger
from ...hub.messages import Part, Refusal, ToolCall
from ...hub.response import Response
from ..base import UNREADABLE, Answer
from ..fields import Fields
from .blocks import Side, decode_block, encode_blocks
from .errors import error_of
from .marks import put_extras
from .usage import decode_finish, decode_tier, decode_usage, encode_finish, encode_usage, estimated
from .wire import leftovers

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def decode_response(body: bytes) -> Response:
    """A message -> Response. Raises `ApiError`: the upstream's own if it is an error, else `upstream_failed`."""
    try:
        message = _decode(body)
    except UNREADABLE as error:
        raise ApiError("upstream_failed", f"the upstream's answer is not valid JSON: {error}") from None
    if isinstance(message, dict) and message.get("type") == "error":
        raise error_of(message, body)
    try:
        return _decode_message(Fields(message, ""))
    except ApiError as error:
        raise ApiError("upstream_failed", f"the upstream's answer is no message: {error.message}") from None


def encode_response(response: Response, answer: Answer, ledger: Ledger) -> bytes:
    """Response -> a message. Raises `ApiError(upstream_failed)` for an answer that ended in an unreadable call."""
    content = encode_blocks(response.parts, Side(ledger, answer=True))
    out: dict[str, Any] = {
        "id": response.id or answer.new_id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": content,
        **encode_finish(response.finish, ledger, called=has_call(response.parts), refused=has_refusal(response.parts)),
    }
    out["usage"] = encode_usage(response.usage or estimated(answer.input_estimate), response.service_tier, ledger)
    put_extras(out, response.extras, "", ledger)
    return _encode(out)


def has_call(parts: tuple[Part, ...]) -> bool:
    """Is there a call for the client to run?"""
    return any(isinstance(part, ToolCall) and part.runs == "client" for part in parts)


def has_refusal(parts: tuple[Part, ...]) -> bool:
    """Are there words of refusal?"""
    return any(isinstance(part, Refusal) for part in parts)


def _decode_message(f: Fields) -> Response:
    f.take("type")
    f.take("role")
    id, model = f.text("id") or "", f.text("model") or ""
    parts = tuple([_decode_part(block, i) for i, block in enumerate(f.array_required("content"))])
    finish = decode_finish(f.take("stop_reason"), f.take("stop_sequence"), f.take("stop_details"), has_call(parts))
    raw = f.object("usage")
    usage = decode_usage(raw)
    return Response(id, model, parts, finish, usage, decode_tier(raw), extras=leftovers(f.rest()))


def _decode_part(block: Any, index: int) -> Part:
    """A block of an answer: its part has no path, but an error names one."""
    try:
        return decode_block(block, "")
    except ApiError as error:
        raise invalid(f"content[{index}]", error.message) from None
