"""What the Chat tests share: answers to encode for, streams cut in pieces, and two readings of a whole stream.

`sdk_snapshot` is the official SDK's accumulator. It knows OpenAI's dialect only: it adds up repeated ids, chokes on fragments without an
index and on content arrays. `reference_snapshot` is our own reading of what such a stream says.
"""

import json
from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from llm_api_converter.hub.events import Delta, Event
from llm_api_converter.hub.request import Request
from llm_api_converter.protocols.base import Answer
from llm_api_converter.protocols.openai_chat import CODEC


def answer(model: str = "model-1", *, include_usage: bool = True, request: Request | None = None) -> Answer:
    return Answer(model=model, new_id=lambda prefix: prefix + "made", created_s=17, include_usage=include_usage, request=request)


def sse(*chunks: Any, done: bool = True) -> bytes:
    frames = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return b"".join(frames) + (b"data: [DONE]\n\n" if done else b"")


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 5, "model": "m", "choices": choices, **more}


def decoded(data: bytes, size: int | None = None) -> list[Event]:
    decoder = CODEC.stream_decoder()
    events: list[Event] = []
    for i in range(0, len(data), size or len(data) or 1):
        events += decoder.feed(data[i : i + (size or len(data))])
    return events + decoder.finish()


def joined(events: list[Event]) -> list[Event]:
    """Neighbouring deltas as one."""
    out: list[Event] = []
    for event in events:
        last = out[-1] if out else None
        if isinstance(event, Delta) and isinstance(last, Delta) and last.index == event.index:
            out[-1] = Delta(event.index, last.text + event.text)
        else:
            out.append(event)
    return out


def frames(data: bytes) -> list[Any]:
    """The JSON frames of a stream."""
    lines = data.decode().replace("\r\n", "\n").split("\n")
    return [json.loads(x[5:]) for x in lines if x.startswith("data:") and x[5:].strip() != "[DONE]"]


def sdk_snapshot(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    state: Any = ChatCompletionStreamState()
    for value in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(value))
    snapshot: dict[str, Any] = state.current_completion_snapshot.to_dict()
    return snapshot


def reference_snapshot(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The `chat.completion` a stream adds up to: the first choice, text joined, calls by index or id, the last of everything else."""
    out: dict[str, Any] = {"id": "", "object": "chat.completion", "created": 0, "model": ""}
    message: dict[str, Any] = {"role": "assistant", "content": None}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": None}
    named = False
    for value in chunks:
        choices = value.get("choices") or []
        if not named and (choices or value.get("id")):
            out.update({k: value.get(k) or out[k] for k in ("id", "created", "model")})
            named = True
        left = ("id", "created", "model", "object", "choices", "obfuscation", "p")
        out.update({k: v for k, v in value.items() if k not in left and v is not None})
        if "usage" not in value and isinstance(value.get("x_groq"), dict) and value["x_groq"].get("usage"):
            out["usage"] = value["x_groq"]["usage"]
        for one in choices:
            if one.get("index"):
                continue
            for k, v in one.items():
                if k == "logprobs" and v is not None:
                    for name, items in v.items():
                        if items is not None:
                            there = choice.setdefault("logprobs", {})
                            there[name] = there.get(name, []) + items if isinstance(items, list) else items
                elif k == "finish_reason":
                    choice[k] = v or choice[k]
                    if v == "" and choice[k] is None:
                        choice[k] = ""
                elif k not in ("index", "delta", "message", "logprobs") and v is not None:
                    choice[k] = v
            _add_delta(message, one.get("delta") or {})
    for call in message.get("tool_calls") or []:
        call.pop("_index", None)
    out["choices"] = [choice]
    return out


def _add_delta(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if value is None or name == "role":
            continue
        if name == "content" and isinstance(value, list):
            for part in value:
                if part["type"] == "thinking":
                    text = "".join(x["text"] for x in part["thinking"])
                    message["reasoning_content"] = message.get("reasoning_content", "") + text
                else:
                    message["content"] = (message["content"] or "") + part["text"]
        elif name in ("content", "reasoning", "reasoning_content", "refusal"):
            if value or name == "content":
                message[name] = (message.get(name) or "") + value
        elif name == "tool_calls":
            for call in value:
                _add_call(message.setdefault("tool_calls", []), call)
        elif name == "reasoning_details":
            _add_details(message.setdefault("reasoning_details", []), value)
        elif name in ("annotations", "images"):
            message[name] = message.get(name, []) + value
        elif name not in ("name", "channel"):
            message[name] = value


def _add_call(calls: list[dict[str, Any]], delta: dict[str, Any]) -> None:
    index, call_id = delta.get("index"), delta.get("id") or ""
    name = (delta.get("function") or {}).get("name") or ""
    if index is None:
        found = [x for x in calls if call_id and x["id"] == call_id] or ([] if call_id or name else calls[-1:])
    else:
        found = [x for x in calls if x["_index"] == index][-1:]
        if found and call_id and name and found[0]["id"] != call_id:
            found = [x for x in calls if x["id"] == call_id]
    if not found:
        found = [{"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}, "_index": index}]
        calls += found
    call = found[0]
    call["id"] = call["id"] or call_id
    call["function"]["name"] = call["function"]["name"] or name
    call["function"]["arguments"] += (delta.get("function") or {}).get("arguments") or ""


def _add_details(details: list[dict[str, Any]], entries: list[dict[str, Any]]) -> None:
    """Neighbours of one type and index are one entry."""
    for entry in entries:
        entry = {k: v for k, v in entry.items() if v is not None}
        last = details[-1] if details else None
        if last and last["type"] == entry["type"] != "reasoning.encrypted" and last.get("index") == entry.get("index") and not last.get("signature"):
            for field in ("text", "summary"):
                if field in entry:
                    last[field] = last.get(field, "") + entry[field]
            last.update({k: v for k, v in entry.items() if k not in ("text", "summary")})
        else:
            details.append(dict(entry))
