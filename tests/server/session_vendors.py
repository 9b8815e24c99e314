"""Four strict upstreams with a memory of what they said: Claude, Gemini, DeepSeek and GPT, each in its own protocol.

Each answers what the user says with a thought and a call (or two), and a result with a thought and a text. Thoughts are numbered and every
opaque token is new. What comes back is held against what went out, byte for byte: state of its own on the very part it was issued for, none
of anybody else's, no thought of anybody's outside the protocol's place for reasoning. What a vendor would refuse is a 400, and is kept in
`refused`, so that a session that went on all the same still fails its test.
"""

import base64
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from hashlib import sha512
from typing import Any, ClassVar

from tests.fakes import Reply, Seen, json_reply, sse_reply

THOUGHT = re.compile(r"(?:claude|gemini|deepseek|gpt) thinks \d+")
SEAL = "SEALEDSTATEOFTHISGATEWAY"


class Refused(Exception):
    """What this vendor would answer with a 400."""


class BadState(Refused):
    """State it does not accept; it says so in words by which it can be told from other mistakes."""


class Vendor:
    """`issued`: token -> what it was issued with. `owed`: the tokens (or thoughts) in the order they went out; `given_up`: those of answers
    without calls.
    `back`: what came back of it with each call. `thinking_off`: how often a call came without what thinking needs. `overloaded`: how many
    of the next calls are answered with a 529.
    """

    name = ""
    bad_state: ClassVar[Any] = None
    """The `error` of its refusal of state."""

    def __init__(self) -> None:
        self.issued: dict[str, Any] = {}
        self.owed: list[str] = []
        self.given_up: set[str] = set()
        self.refused: list[str] = []
        self.calls = 0
        self.overloaded = 0
        self.back: list[list[str]] = []
        self.thinking_off = 0
        self._numbers = itertools.count(1)

    def __call__(self, seen: Seen) -> Reply:
        if self.overloaded:
            self.overloaded -= 1
            return json_reply({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529)
        body = seen.json
        try:
            if SEAL in seen.body.decode():
                raise Refused("a seal has reached an upstream")
            self.back.append(self.check(body))
        except Refused as why:
            self.refused.append(f"{self.name} call {self.calls + 1}: {why}")
            error = {"message": str(why), "type": "invalid_request_error"}
            return json_reply({"error": self.bad_state if isinstance(why, BadState) else error}, 400)
        self.calls += 1
        return self.reply(body, seen)

    def check(self, body: Any) -> list[str]:
        """Everything of its own in the request, in order. Raises Refused."""
        raise NotImplementedError

    def reply(self, body: Any, seen: Seen) -> Reply:
        """The next answer, plain or streamed."""
        raise NotImplementedError

    def issue(self, token: str, what: Any, *, last: bool) -> str:
        """`last`: in an answer without calls."""
        self.issued[token] = what
        self.owed.append(token)
        if last:
            self.given_up.add(token)
        return token

    def own(self, token: str, what: Any) -> str:
        """The token, if it is its own and stands where it was put."""
        if token not in self.issued:
            raise BadState(f"state it never issued: {token[:40]}")
        if self.issued[token] != what:
            raise BadState(f"state of {self.issued[token]!r} on {what!r}")
        return token

    def thought(self) -> tuple[int, str]:
        number = next(self._numbers)
        return number, f"{self.name} thinks {number}"

    def token(self, number: int, size: int = 64) -> str:
        """Bytes nobody can guess, of a length that needs padding now and then."""
        return base64.b64encode(sha512(f"{self.name}/{number}".encode()).digest()[: size - number % 3]).decode()


def nobody_thinks_in(value: Any, but: Iterable[str] = ()) -> None:
    """No thought stands in it, except these."""
    found = THOUGHT.findall(json.dumps(value))
    if sorted(found) != sorted(but):
        raise Refused(f"thoughts where they do not belong: {found}, not {sorted(but)}")


def is_result(message: Any, kind: str) -> bool:
    content = message.get("content")
    return isinstance(content, list) and any(part.get("type") == kind for part in content)


def sse(events: Iterable[Any], *, named: bool = True) -> Reply:
    pieces = [
        (f"event: {event['type']}\n" if named else "").encode() + b"data: " + json.dumps(event).encode() + b"\n\n" for event in events
    ]
    return sse_reply(b"".join(pieces))


class Claude(Vendor):
    """Anthropic Messages. A turn with tools must begin with its thinking while thinking is on; every fifth thought is redacted."""

    name = "claude"
    bad_state: ClassVar[Any] = {"type": "invalid_request_error", "message": "messages.1.content.0: Invalid `signature` in `thinking` block"}

    def check(self, body: Any) -> list[str]:
        found: list[str] = []
        thoughts: list[str] = []
        for message in body["messages"]:
            for part in message["content"] if isinstance(message["content"], list) else ():
                if part["type"] == "thinking":
                    found.append(self.own(part["signature"], part["thinking"]))
                    thoughts.append(part["thinking"])
                elif part["type"] == "redacted_thinking":
                    found.append(self.own(part["data"], "redacted"))
        nobody_thinks_in(body, thoughts)
        self._pairs(body["messages"])
        if body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
            self._begins_with_thinking(body["messages"])
        else:
            self.thinking_off += 1
        return found

    def _pairs(self, messages: list[Any]) -> None:
        for message, after in zip(messages, [*messages[1:], {"content": []}], strict=True):
            calls = [x["id"] for x in message["content"] if x["type"] == "tool_use"] if isinstance(message["content"], list) else []
            results = [x["tool_use_id"] for x in after["content"] if x["type"] == "tool_result"] if isinstance(after["content"], list) else []
            if sorted(calls) != sorted(results):
                raise Refused(f"calls {calls} are followed by results {results}")

    def _begins_with_thinking(self, messages: list[Any]) -> None:
        loop = 0
        for i, message in enumerate(messages):
            if message["role"] == "user" and not is_result(message, "tool_result"):
                loop = i
        first = next((m for m in messages[loop:] if m["role"] == "assistant" and is_result(m, "tool_use")), None)
        if first is not None and first["content"][0]["type"] not in ("thinking", "redacted_thinking"):
            raise Refused("expected `thinking` or `redacted_thinking`, but found `" + first["content"][0]["type"] + "`")

    def reply(self, body: Any, seen: Seen) -> Reply:
        number, thought = self.thought()
        done = is_result(body["messages"][-1], "tool_result")
        if number % 5 == 0:
            content: list[Any] = [{"type": "redacted_thinking", "data": self.issue(self.token(number), "redacted", last=done)}]
        else:
            content = [{"type": "thinking", "thinking": thought, "signature": self.issue(self.token(number), thought, last=done)}]
        content.append({"type": "text", "text": f"Step {number}."})
        if not done:
            content += [
                {"type": "tool_use", "id": f"toolu_{self.name}{number}x{i}", "name": "get", "input": {"n": number, "i": i}}
                for i in range(1 + (number % 3 == 0))
            ]
        message = {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"], "content": content,
            "stop_reason": "end_turn" if done else "tool_use", "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 9},
        }
        return sse(self._events(message)) if body.get("stream") else json_reply(message)

    def _events(self, message: Any) -> Iterator[Any]:
        yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
        for index, block in enumerate(message["content"]):
            at = {"index": index}
            match block["type"]:
                case "thinking":
                    yield {"type": "content_block_start", **at, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}
                    yield {"type": "content_block_delta", **at, "delta": {"type": "thinking_delta", "thinking": block["thinking"][:5]}}
                    yield {"type": "content_block_delta", **at, "delta": {"type": "thinking_delta", "thinking": block["thinking"][5:]}}
                    yield {"type": "content_block_delta", **at, "delta": {"type": "signature_delta", "signature": block["signature"]}}
                case "text":
                    yield {"type": "content_block_start", **at, "content_block": {"type": "text", "text": ""}}
                    yield {"type": "content_block_delta", **at, "delta": {"type": "text_delta", "text": block["text"]}}
                case "tool_use":
                    yield {"type": "content_block_start", **at, "content_block": {**block, "input": {}}}
                    given = json.dumps(block["input"])
                    yield {"type": "content_block_delta", **at, "delta": {"type": "input_json_delta", "partial_json": given}}
                case _:
                    yield {"type": "content_block_start", **at, "content_block": block}
            yield {"type": "content_block_stop", **at}
        yield {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"], "stop_sequence": None}, "usage": message["usage"]}
        yield {"type": "message_stop"}


class Gemini(Vendor):
    """Gemini 3: the first call of each step of the running turn needs a signature; its text has one too. No ids."""

    name = "gemini"
    bad_state: ClassVar[Any] = {"code": 400, "status": "INVALID_ARGUMENT", "message": "Corrupted thought signature."}
    UNSIGNED = "skip_thought_signature_validator"

    def check(self, body: Any) -> list[str]:
        found: list[str] = []
        outside: list[Any] = []
        turn = max(i for i, content in enumerate(body["contents"]) if content["role"] == "user" and any("text" in p for p in content["parts"]))
        for i, content in enumerate(body["contents"]):
            outside.append([part for part in content["parts"] if not part.get("thought")])
            calls = [part for part in content["parts"] if "functionCall" in part]
            if i > turn and calls and not calls[0].get("thoughtSignature"):
                raise Refused(f"contents[{i}]: function call is missing a thought_signature")
            found += [self.own(part["thoughtSignature"], self._what(part)) for part in content["parts"] if self._signed(part)]
            answers = body["contents"][i + 1]["parts"] if i + 1 < len(body["contents"]) else []
            if len(calls) != sum("functionResponse" in part for part in answers):
                raise Refused(f"contents[{i}]: {len(calls)} calls and another number of responses")
        nobody_thinks_in([outside, body.get("systemInstruction")])
        return found

    def _signed(self, part: Any) -> bool:
        return part.get("thoughtSignature") not in (None, self.UNSIGNED)

    def _what(self, part: Any) -> Any:
        return part["functionCall"]["args"] if "functionCall" in part else part.get("text")

    def reply(self, body: Any, seen: Seen) -> Reply:
        number, thought = self.thought()
        parts: list[Any] = [{"text": thought, "thought": True}]
        if any("functionResponse" in part for part in body["contents"][-1]["parts"]):
            text = f"Step {number}."
            parts.append({"text": text, "thoughtSignature": self.issue(self.token(number), text, last=True)})
        else:
            for i in range(1 + (number % 3 == 0)):
                call = {"name": "get", "args": {"n": number, "i": i}}
                signed = {} if i else {"thoughtSignature": self.issue(self.token(number), call["args"], last=False)}
                parts.append({"functionCall": call, **signed})
        if ":stream" in seen.path:
            return sse([self._chunk([part], last=part is parts[-1]) for part in parts], named=False)
        return json_reply(self._chunk(parts, last=True))

    def _chunk(self, parts: list[Any], *, last: bool) -> Any:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if last:
            candidate["finishReason"] = "STOP"
        return {"candidates": [candidate], "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}}


class DeepSeek(Vendor):
    """Chat Completions. Its reasoning has no signature: what it thought before a call must stand before that call, word for word."""

    name = "deepseek"
    bad_state: ClassVar[Any] = {"type": "invalid_request_error", "message": "The `reasoning_content` in the thinking mode must be passed back to the API."}

    def check(self, body: Any) -> list[str]:
        found: list[str] = []
        on = body.get("thinking", {}).get("type") != "disabled"
        self.thinking_off += not on
        answered = {message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"}
        for i, message in enumerate(body["messages"]):
            thought = message.get("reasoning_content")
            for call in message.get("tool_calls") or ():
                if on and not thought:
                    raise Refused(f"messages[{i}]: the reasoning_content in the thinking mode must be passed back to the API")
                if call["id"] not in answered:
                    raise Refused(f"messages[{i}]: no answer to {call['id']}")
                if thought and call["id"].startswith("call_deepseek") and call["id"].endswith("x0"):
                    found.append(self.own(thought, call["id"]))
        nobody_thinks_in([{k: v for k, v in message.items() if k != "reasoning_content"} for message in body["messages"]])
        return found

    def reply(self, body: Any, seen: Seen) -> Reply:
        number, thought = self.thought()
        done = body["messages"][-1]["role"] == "tool"
        message: dict[str, Any] = {"role": "assistant", "content": f"Step {number}.", "reasoning_content": thought}
        if not done:
            self.issue(thought, f"call_deepseek{number}x0", last=False)
            message["tool_calls"] = [
                {"index": i, "id": f"call_deepseek{number}x{i}", "type": "function",
                 "function": {"name": "get", "arguments": json.dumps({"n": number, "i": i})}}
                for i in range(1 + (number % 3 == 0))
            ]  # fmt: skip
        head = {"id": f"c{number}", "created": 1, "model": body["model"]}
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        finish = "stop" if done else "tool_calls"
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": finish}
            return json_reply({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
        deltas: list[Any] = [{"role": "assistant", "reasoning_content": thought[:6]}, {"reasoning_content": thought[6:]}]
        deltas += [{"content": message["content"]}, *({"tool_calls": [call]} for call in message.get("tool_calls", ()))]
        chunks = [{**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        chunks.append({**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "usage": usage})
        return sse_reply(b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n")


class Gpt(Vendor):
    """Responses. Encrypted reasoning goes with its item id and its summary, and something must follow it."""

    name = "gpt"
    bad_state: ClassVar[Any] = {"code": "invalid_encrypted_content", "message": "The encrypted content could not be verified."}

    def check(self, body: Any) -> list[str]:
        found: list[str] = []
        thoughts: list[str] = []
        items = body["input"] if isinstance(body["input"], list) else []
        calls = [x["call_id"] for x in items if x.get("type") == "function_call"]
        outputs = [x["call_id"] for x in items if x.get("type") == "function_call_output"]
        if sorted(calls) != sorted(outputs):
            raise Refused(f"No tool output found for function call: {set(calls) ^ set(outputs)}")
        for item, after in zip(items, [*items[1:], {}], strict=True):
            if item.get("type") != "reasoning":
                continue
            summary = "".join(part["text"] for part in item["summary"])
            found.append(self.own(item["encrypted_content"], (item["id"], summary)))
            thoughts.append(summary)
            if after.get("type") not in ("function_call", "message") and after.get("role") != "assistant":
                raise Refused(f"Item '{item['id']}' of type 'reasoning' was provided without its required following item")
        nobody_thinks_in(body, [x for text in thoughts for x in THOUGHT.findall(text)])
        return found

    def reply(self, body: Any, seen: Seen) -> Reply:
        number, thought = self.thought()
        done = body["input"][-1].get("type") == "function_call_output"
        sealed = self.issue("gAAAA" + self.token(number).replace("+", "-").replace("/", "_"), (f"rs_{number}", thought), last=done)
        output: list[Any] = [
            {"type": "reasoning", "id": f"rs_{number}", "summary": [{"type": "summary_text", "text": thought}], "encrypted_content": sealed}
        ]
        if done:
            text = {"type": "output_text", "text": f"Step {number}.", "annotations": []}
            output.append({"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [text]})
        else:
            output += [
                {"type": "function_call", "id": f"fc_{number}x{i}", "call_id": f"call_gpt{number}x{i}", "name": "get", "status": "completed",
                 "arguments": json.dumps({"n": number, "i": i})}
                for i in range(1 + (number % 3 == 0))
            ]  # fmt: skip
        response = {
            "id": f"resp_{number}", "object": "response", "created_at": 1, "status": "completed", "model": body["model"], "output": output,
            "usage": {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}, "error": None, "incomplete_details": None, "tools": [],
            "tool_choice": "auto", "parallel_tool_calls": True, "instructions": None, "metadata": {}, "temperature": None, "top_p": None,
        }  # fmt: skip
        return sse(self._events(response)) if body.get("stream") else json_reply(response)

    def _events(self, response: Any) -> Iterator[Any]:
        numbers = itertools.count()
        yield {"type": "response.created", "sequence_number": next(numbers), "response": {**response, "status": "in_progress", "output": []}}
        for index, item in enumerate(response["output"]):
            begun = {**item, "summary": []} if item["type"] == "reasoning" else {**item, "content": []} if item["type"] == "message" else item
            yield {"type": "response.output_item.added", "sequence_number": next(numbers), "output_index": index, "item": begun}
            yield {"type": "response.output_item.done", "sequence_number": next(numbers), "output_index": index, "item": item}
        yield {"type": "response.completed", "sequence_number": next(numbers), "response": response}
