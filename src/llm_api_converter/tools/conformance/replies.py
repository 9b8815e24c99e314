"""What upstreams say, in their own protocols: short answers, plain and streamed, with text, reasoning and calls."""

import json
from collections.abc import Sequence
from typing import Any

from ...framing.aws_event_stream import aws_event, aws_exception
from .upstream import Reply

Value = dict[str, Any]


def plain(value: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer."""
    return Reply((json.dumps(value).encode(),), status, headers=tuple((name.replace("_", "-"), text) for name, text in headers.items()))


def sse(*pieces: Any) -> Reply:
    """A stream of events; a dict is a `data:` line, anything else goes as it is."""
    return Reply(tuple(data(piece) if isinstance(piece, dict) else piece for piece in pieces), kind="text/event-stream")


def data(value: Value) -> bytes:
    """One event."""
    kind = value.get("type")
    name = f"event: {kind}\n" if isinstance(kind, str) else ""
    return f"{name}data: {json.dumps(value)}\n\n".encode()


# ---------------------------------------------------------------- Chat

DONE = b"data: [DONE]\n\n"


def chat_chunk(delta: Value, finish: str | None = None, **more: Any) -> Value:
    """One chunk of a stream."""
    return {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more,
    }  # fmt: skip


def chat_usage(usage: Value) -> Value:
    """The chunk with the usage."""
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}


def chat_stream(*deltas: Value, finish: str = "stop", usage: Value | None = None) -> Reply:
    """A whole stream."""
    counted = usage or {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    return sse(*(chat_chunk(delta) for delta in deltas), chat_chunk({}, finish), chat_usage(counted), DONE)


def chat_answer(message: Value, finish: str = "stop", usage: Value | None = None) -> Reply:
    """A whole answer."""
    counted = usage or {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return plain({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": counted})


def chat_call(index: int, call_id: str, name: str, arguments: str) -> Value:
    """A call, as a delta or in a message."""
    return {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


# ---------------------------------------------------------------- Anthropic


def message(content: Sequence[Value], stop: str = "end_turn", usage: Value | None = None) -> Reply:
    """A whole answer."""
    return plain({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(content), "stop_reason": stop,
        "stop_sequence": None, "usage": usage or {"input_tokens": 11, "output_tokens": 3},
    })  # fmt: skip


def message_start(usage: Value | None = None) -> Value:
    """The first event of a stream."""
    return {"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": usage or {"input_tokens": 11, "output_tokens": 1},
    }}  # fmt: skip


def call_block(index: int, name: str, *pieces: str) -> list[Value]:
    """The events of a call, its arguments in pieces."""
    call = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}}
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return [
        {"type": "content_block_start", "index": index, "content_block": call},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text_block(index: int, text: str, *, close: bool = True) -> list[Value]:
    """The events of a text block."""
    events: list[Value] = [
        {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}},
    ]
    return [*events, {"type": "content_block_stop", "index": index}] if close else events


def message_end(stop: str = "end_turn", usage: Value | None = None) -> list[Value]:
    """The last events of a stream."""
    delta = {"stop_reason": stop, "stop_sequence": None}
    return [{"type": "message_delta", "delta": delta, "usage": usage or {"output_tokens": 3}}, {"type": "message_stop"}]


def message_refused(status: int, kind: str, text: str, **headers: str) -> Reply:
    """An error."""
    return plain({"type": "error", "error": {"type": kind, "message": text}}, status, **headers)


# ---------------------------------------------------------------- Responses


def response(output: Sequence[Value], status: str = "completed", usage: Value | None = None) -> Value:
    """The object of a whole answer."""
    counted = usage or {
        "input_tokens": 11, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 14,
    }  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": None, "incomplete_details": None, "model": "m",
        "output": list(output), "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "usage": counted,
    }  # fmt: skip


def output_text(text: str) -> Value:
    """A message item."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}


def function_call(arguments: str = '{"a":1}') -> Value:
    """A call of the function f."""
    return {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": arguments, "status": "completed"}


def call_stream(call: Value, *deltas: str, done: bool = False) -> Reply:
    """A stream of one call: its arguments in deltas, which may be none or not all of it; the `.done` event has them whole."""
    where = {"output_index": 0, "item_id": call["id"]}
    events: list[Value] = [
        {"type": "response.created", "response": {**response([], "in_progress"), "usage": None}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**call, "status": "in_progress", "arguments": ""}},
        *({"type": "response.function_call_arguments.delta", "delta": delta, **where} for delta in deltas),
    ]
    if done:
        events.append({"type": "response.function_call_arguments.done", "arguments": call["arguments"], **where})
    events.append({"type": "response.output_item.done", "output_index": 0, "item": call})
    events.append({"type": "response.completed", "response": response([call])})
    return sse(*({**event, "sequence_number": number} for number, event in enumerate(events)))


def gpt(text: str) -> dict[str, Reply]:
    """An answer of a model of OpenAI's, in whichever of its two protocols it is asked."""
    return {"/chat/completions": chat_answer({"content": text}), "/responses": plain(response([output_text(text)]))}


# ---------------------------------------------------------------- Gemini


def gemini(parts: Sequence[Value], finish: str | None = "STOP", usage: Value | None = None) -> Value:
    """A whole answer, or a piece of one."""
    candidate: Value = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    counted = usage or {"promptTokenCount": 11, "candidatesTokenCount": 3, "totalTokenCount": 14}
    return {"candidates": [candidate], "usageMetadata": counted, "modelVersion": "m", "responseId": "r1"}


def gemini_stream(*pieces: Sequence[Value], finish: str = "STOP") -> Reply:
    """A stream of pieces, each of some parts; the last one says how it ended."""
    return sse(*(gemini(parts, finish if place == len(pieces) - 1 else None) for place, parts in enumerate(pieces)))


# ---------------------------------------------------------------- Converse


def converse(content: Sequence[Value], stop: str = "end_turn") -> Reply:
    """A whole answer."""
    return plain({
        "output": {"message": {"role": "assistant", "content": list(content)}}, "stopReason": stop,
        "usage": {"inputTokens": 11, "outputTokens": 3, "totalTokens": 14}, "metrics": {"latencyMs": 1},
    })  # fmt: skip


def converse_stream(*events: tuple[str, Value] | float, exception: bool = False) -> Reply:
    """A stream of (event type, payload), or seconds to wait; with `exception` the last one is an exception."""
    frames: list[Any] = [event if isinstance(event, float) else _frame(*event) for event in events]
    if exception and not isinstance(last := events[-1], float):
        name, payload = last
        frames[-1] = aws_exception(name, json.dumps(payload).encode())
    return Reply(tuple(frames), kind="application/vnd.amazon.eventstream")


def _frame(name: str, payload: Value) -> bytes:
    headers = {":message-type": "event", ":event-type": name, ":content-type": "application/json"}
    return aws_event(headers, json.dumps(payload).encode())


CONVERSE_START: tuple[str, Value] = ("messageStart", {"role": "assistant"})


def converse_text(text: str, stop: str = "end_turn") -> tuple[tuple[str, Value], ...]:
    """The events of an answer in text."""
    delta = ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
    return (CONVERSE_START, delta, ("contentBlockStop", {"contentBlockIndex": 0}), *converse_end(stop))


def converse_end(stop: str = "end_turn") -> tuple[tuple[str, Value], ...]:
    """The last events of an answer."""
    usage = {"inputTokens": 11, "outputTokens": 3, "totalTokens": 14}
    return ("messageStop", {"stopReason": stop}), ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})


def claude_on_bedrock(text: str) -> dict[str, Reply]:
    """An answer of Claude there, in whichever of its two protocols it is asked."""
    return {"/invoke": message([{"type": "text", "text": text}]), "/converse": converse([{"text": text}])}
