"""Clients of five protocols on the bare wire: each says what its SDK or agent would say, reads plain answers and streams, and sends the
history back as that client keeps it.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import aiohttp
from botocore.eventstream import EventStreamBuffer  # type: ignore[import-untyped]

from tests.fakes import KEY

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}, "i": {"type": "integer"}}}
ABOUT = {"name": "get", "description": "Gets it"}
HEADERS = {"x-api-key": KEY, "content-type": "application/json"}


class Client:
    """One session. `ask` sends the history and takes the answer into it, with the results of the calls in it; how many there were."""

    carries_reasoning = True
    """False: it drops every field that may hold reasoning."""
    carries_text_state = True
    """False: its protocol has a place for state in reasoning only, so that a text's own is given up where no call follows it."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.http = http
        self.history: list[Any] = []
        self.reports: list[Any] = []

    def say(self, text: str) -> None:
        raise NotImplementedError

    async def ask(self, url: str, model: str, *, stream: bool) -> int:
        raise NotImplementedError

    async def post(self, url: str, body: Any) -> bytes:
        async with self.http.post(url, data=json.dumps(body), headers=HEADERS) as answer:
            raw = await answer.read()
            assert answer.status == 200, (answer.status, raw.decode(errors="replace"))
            self.reports.append(json.loads(answer.headers.get("x-conversion-report", "[]")))
            return raw


def events_of(raw: bytes) -> Iterator[Any]:
    for line in raw.split(b"\n"):
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


class Anthropic(Client):
    carries_text_state = False

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    async def ask(self, url: str, model: str, *, stream: bool) -> int:
        raw = await self.post(url + "/v1/messages", {
            "model": model, "max_tokens": 4096, "messages": self.history, "thinking": {"type": "enabled", "budget_tokens": 1024},
            "tools": [{**ABOUT, "input_schema": SCHEMA}], "stream": stream,
        })  # fmt: skip
        content = self._folded(raw) if stream else json.loads(raw)["content"]
        self.history.append({"role": "assistant", "content": content})
        calls = [x for x in content if x["type"] == "tool_use"]
        if calls:
            results = [{"type": "tool_result", "tool_use_id": x["id"], "content": "ok"} for x in calls]
            self.history.append({"role": "user", "content": results})
        return len(calls)

    def _folded(self, raw: bytes) -> list[Any]:
        blocks: list[Any] = []
        inputs: dict[int, str] = {}
        for event in events_of(raw):
            if event["type"] == "content_block_start":
                assert event["index"] == len(blocks)
                blocks.append(dict(event["content_block"]))
            elif event["type"] == "content_block_delta":
                block, delta = blocks[event["index"]], event["delta"]
                if delta["type"] == "input_json_delta":
                    inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
                elif delta["type"] == "signature_delta":
                    block["signature"] = delta["signature"]  # as the SDK: the last one wins
                else:
                    field = delta["type"].removesuffix("_delta")
                    block[field] += delta[field]
        for index, text in inputs.items():
            blocks[index]["input"] = json.loads(text or "{}")
        return blocks


class Chat(Client):
    """A client that echoes the message as it came, extension fields included."""

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": text})

    async def ask(self, url: str, model: str, *, stream: bool) -> int:
        raw = await self.post(url + "/v1/chat/completions", {
            "model": model, "messages": self.history, "reasoning_effort": "medium", "stream": stream,
            "tools": [{"type": "function", "function": {**ABOUT, "parameters": SCHEMA}}],
        })  # fmt: skip
        message = self._folded(raw) if stream else json.loads(raw)["choices"][0]["message"]
        self.history.append(self.kept(message))
        calls = message.get("tool_calls") or []
        self.history += [{"role": "tool", "tool_call_id": x["id"], "content": "ok"} for x in calls]
        return len(calls)

    def kept(self, message: Any) -> Any:
        return message

    def _folded(self, raw: bytes) -> Any:
        message: dict[str, Any] = {"role": "assistant", "content": None}
        for event in events_of(raw):
            for choice in event["choices"]:
                for field, value in choice["delta"].items():
                    if field == "tool_calls":
                        self._calls(message.setdefault("tool_calls", []), value)
                    elif isinstance(value, list):
                        message.setdefault(field, []).extend(value)
                    elif isinstance(value, str) and field != "role":
                        message[field] = (message.get(field) or "") + value
                    elif isinstance(value, dict):
                        message[field] = message.get(field, {}) | value
        return message

    def _calls(self, calls: list[Any], deltas: list[Any]) -> None:
        for delta in deltas:
            if delta["index"] == len(calls):
                calls.append({"type": "function", "function": {"name": "", "arguments": ""}})
            call = calls[delta["index"]]
            for field, text in delta.get("function", {}).items():
                call["function"][field] += text or ""
            call |= {k: v for k, v in delta.items() if k not in ("index", "function", "type")}


class PlainChat(Chat):
    """A client that keeps the fields of OpenAI's own answers only, as most do."""

    carries_reasoning = False

    def kept(self, message: Any) -> Any:
        calls = [{"id": x["id"], "type": "function", "function": x["function"]} for x in message.get("tool_calls") or ()]
        return {"role": "assistant", "content": message.get("content"), **({"tool_calls": calls} if calls else {})}


class Responses(Client):
    carries_text_state = False

    def say(self, text: str) -> None:
        self.history.append({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]})

    async def ask(self, url: str, model: str, *, stream: bool) -> int:
        raw = await self.post(url + "/v1/responses", {
            "model": model, "input": self.history, "store": False, "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "medium", "summary": "auto"}, "tools": [{"type": "function", **ABOUT, "parameters": SCHEMA}],
            "stream": stream,
        })  # fmt: skip
        if stream:  # as Codex: the items that are done, not the answer at the end
            output = [event["item"] for event in events_of(raw) if event["type"] == "response.output_item.done"]
        else:
            output = json.loads(raw)["output"]
        self.history += output
        calls = [x for x in output if x["type"] == "function_call"]
        self.history += [{"type": "function_call_output", "call_id": x["call_id"], "output": "ok"} for x in calls]
        return len(calls)


class ResponsesSocket(Responses):
    """The same over WebSockets, one to each gateway: only what is new goes out, after the last answer of that very connection."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        super().__init__(http)
        self.sockets: dict[str, aiohttp.ClientWebSocketResponse] = {}
        self.known: dict[str, tuple[str, int]] = {}  # address -> (id of the last answer there, items of the history it knows)

    async def ask(self, url: str, model: str, *, stream: bool) -> int:
        if url not in self.sockets:
            self.sockets[url] = await self.http.ws_connect(url + "/v1/responses", headers=HEADERS)
        previous, known = self.known.get(url, (None, 0))
        await self.sockets[url].send_json({
            "type": "response.create", "model": model, "input": self.history[known:], "store": False, "previous_response_id": previous,
            "reasoning": {"effort": "medium", "summary": "auto"}, "tools": [{"type": "function", **ABOUT, "parameters": SCHEMA}],
        })  # fmt: skip
        output = []
        while True:
            event = await self.sockets[url].receive_json(timeout=10)
            assert event["type"] not in ("error", "response.failed"), event
            if event["type"] == "response.output_item.done":
                output.append(event["item"])
            elif event["type"] == "response.completed":
                break
        self.history += output
        self.known[url] = event["response"]["id"], len(self.history)
        calls = [x for x in output if x["type"] == "function_call"]
        self.history += [{"type": "function_call_output", "call_id": x["call_id"], "output": "ok"} for x in calls]
        return len(calls)


class GeminiSdk(Client):
    """A chat of the SDK: keeps every part; bytes come back in the URL-safe alphabet."""

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "parts": [{"text": text}]})

    async def ask(self, url: str, model: str, *, stream: bool) -> int:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        raw = await self.post(f"{url}/v1beta/models/{model}:{verb}", {
            "contents": self.history, "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
            "tools": [{"functionDeclarations": [{**ABOUT, "parametersJsonSchema": SCHEMA}]}],
        })  # fmt: skip
        chunks = list(events_of(raw)) if stream else [json.loads(raw)]
        parts = [part for chunk in chunks for x in chunk.get("candidates", ()) for part in x.get("content", {}).get("parts", ())]
        self.history.append({"role": "model", "parts": [self._encoded(part) for part in parts if self.keeps(part)]})
        calls = [x["functionCall"] for x in parts if "functionCall" in x]
        if calls:
            results = [{"name": x["name"], "response": {"output": "ok"}, **({"id": x["id"]} if "id" in x else {})} for x in calls]
            self.history.append({"role": "user", "parts": [{"functionResponse": result} for result in results]})
        return len(calls)

    def keeps(self, part: Any) -> bool:
        return True

    def _encoded(self, part: Any) -> Any:
        signature = part.get("thoughtSignature")
        if signature is None:
            return part
        return {**part, "thoughtSignature": base64.urlsafe_b64encode(base64.b64decode(signature)).decode()}


class GeminiCli(GeminiSdk):
    """As Gemini CLI: thoughts are shown and not kept."""

    def keeps(self, part: Any) -> bool:
        return not part.get("thought")

    def _encoded(self, part: Any) -> Any:
        return part


class Converse(Client):
    carries_text_state = False

    def say(self, text: str) -> None:
        self.history.append({"role": "user", "content": [{"text": text}]})

    async def ask(self, url: str, model: str, *, stream: bool) -> int:
        raw = await self.post(f"{url}/model/{model.replace('/', '%2F')}/converse" + ("-stream" if stream else ""), {
            "messages": self.history, "inferenceConfig": {"maxTokens": 4096},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
            "toolConfig": {"tools": [{"toolSpec": {**ABOUT, "inputSchema": {"json": SCHEMA}}}]},
        })  # fmt: skip
        content = self._folded(raw) if stream else json.loads(raw)["output"]["message"]["content"]
        self.history.append({"role": "assistant", "content": content})
        calls = [x["toolUse"] for x in content if "toolUse" in x]
        if calls:
            results = [{"toolResult": {"toolUseId": x["toolUseId"], "content": [{"text": "ok"}]}} for x in calls]
            self.history.append({"role": "user", "content": results})
        return len(calls)

    def _folded(self, raw: bytes) -> list[Any]:
        buffer = EventStreamBuffer()
        buffer.add_data(raw)
        blocks: dict[int, Any] = {}
        inputs: dict[int, str] = {}
        for message in buffer:
            event = json.loads(message.payload)
            at = event.get("contentBlockIndex", -1)
            if "start" in event:
                blocks[at] = {"toolUse": dict(event["start"]["toolUse"])}
            if "delta" in event:
                self._delta(blocks.setdefault(at, {}), event["delta"], inputs, at)
        for at, text in inputs.items():
            blocks[at]["toolUse"]["input"] = json.loads(text or "{}")
        return [blocks[at] for at in sorted(blocks)]

    def _delta(self, block: Any, delta: Any, inputs: dict[int, str], at: int) -> None:
        if "text" in delta:
            block["text"] = block.get("text", "") + delta["text"]
        elif "toolUse" in delta:
            inputs[at] = inputs.get(at, "") + delta["toolUse"]["input"]
        elif "redactedContent" in delta["reasoningContent"]:
            block["reasoningContent"] = dict(delta["reasoningContent"])
        else:
            reasoning = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
            for field, text in delta["reasoningContent"].items():
                reasoning[field] = reasoning.get(field, "") + text


CLIENTS: tuple[type[Client], ...] = (Anthropic, Chat, PlainChat, Responses, GeminiSdk, GeminiCli, Converse)
