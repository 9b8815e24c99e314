"""What the tests hold the codec against: normal forms of requests and answers, and an accumulator of streams (Google's SDK has none)."""

import json
from base64 import b64decode
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from llm_api_converter.protocols.gemini.spelling import camel

Json = Any
# Values in here are the client's own data: names inside are not Google's.
DATA = frozenset({"args", "response", "properties", "labels", "enum", "default", "example", "required", "propertyOrdering", "partialArgs"})
SCHEMAS = frozenset({"parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema"})


def loads(value: Any) -> Any:
    return json.loads(value)


def camelled(value: Json, *, data: bool = False) -> Json:
    """Names of fields in camelCase, nulls left out."""
    if isinstance(value, list):
        return [camelled(item, data=data) for item in value]
    if not isinstance(value, dict):
        return value
    if data:
        return {key: camelled(item) if isinstance(item, dict) else item for key, item in value.items()}
    out = {}
    for key, item in value.items():
        name = camel(key)
        if item is None:
            continue
        if name in ("args", "response"):
            out[name] = item
        else:
            out[name] = camelled(item, data=name in DATA and isinstance(item, dict))
    return out


def base64_bytes(text: str) -> bytes:
    return b64decode(text.replace("-", "+").replace("_", "/") + "==")


def schema_types(value: Json) -> Json:
    """Types of schemas in lower-case words; a null type is `nullable`, however it is said."""
    if isinstance(value, list):
        return [schema_types(item) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: schema_types(item) for key, item in value.items()}
    if isinstance(out.get("type"), str):
        out["type"] = out["type"].lower()
    elif isinstance(out.get("type"), int):
        out["type"] = {1: "string", 2: "number", 3: "integer", 4: "boolean", 5: "array", 6: "object"}[out["type"]]
    kinds = out.get("type")
    if isinstance(kinds, list) and "null" in kinds:
        out["nullable"] = True
        rest = [kind for kind in kinds if kind != "null"]
        out["type"] = rest[0] if len(rest) == 1 else rest
    if {"type": "null"} in as_list(out.get("anyOf")):
        out["nullable"] = True
        out["anyOf"] = [option for option in out["anyOf"] if option != {"type": "null"}]
    if isinstance(out.get("enum"), list):
        out["enum"] = [item for item in out["enum"] if item is not None]
    return out


def one_schema(value: Json) -> Json:
    """Gemini's own schema and a JSON schema under one name: which is written is the target's choice."""
    names = {"parameters": "parametersJsonSchema", "responseSchema": "responseJsonSchema"}
    return {names.get(key, key): schema_types(item) if key in SCHEMAS else item for key, item in value.items()}


def as_list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]


def part(value: Json) -> Json:
    if isinstance(value, str):
        return {"text": value}
    out = {key: item for key, item in value.items() if not (key == "thought" and item is False)}
    if "thoughtSignature" in out and set(out) <= {"thoughtSignature", "thought"}:
        out["text"] = ""
    if "thoughtSignature" in out:
        out["thoughtSignature"] = base64_bytes(out["thoughtSignature"])
        if out["thoughtSignature"] in (b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go"):
            del out["thoughtSignature"]
    if "functionCall" in out:
        out["functionCall"] = {"args": {}, **out["functionCall"]}
    if out.get("toolCall", {}).get("args") == {}:
        out["toolCall"] = {key: item for key, item in out["toolCall"].items() if key != "args"}
    if "inlineData" in out:
        out["inlineData"] = {**out["inlineData"], "data": base64_bytes(out["inlineData"]["data"])}
    if out.get("functionResponse", {}).get("parts"):
        out["functionResponse"] = {**out["functionResponse"], "parts": [part(item) for item in out["functionResponse"]["parts"]]}
    return out


def request(body: Json) -> Json:
    """The normal form of a request. Normalised away: spelling of names, enum words and bytes; null and empty objects; `thought: false`,
    empty `args`, one candidate, null types, empty text of the model beside other parts; a missing role, `function` for `user`; strings and single objects for lists; contents of one role in a
    row; declarations spread over several tools, and in which of its two schema fields a schema stands; Google's stand-ins for "no
    signature".
    """
    body = camelled(body)
    contents: list[Json] = []
    for content in as_list(body.pop("contents", [])):
        if isinstance(content, str):
            content = {"parts": [content]}
        role = content.get("role", "user")
        role = "user" if role == "function" else role
        parts = [part(item) for item in as_list(content.get("parts", []))]
        if role == "model" and len(parts) > 1:
            parts = [item for item in parts if item != {"text": ""}] or parts[:1]
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    body["contents"] = contents
    system = body.pop("systemInstruction", None)
    if isinstance(system, str):
        system = {"parts": [system]}
    if system:
        body["systemInstruction"] = {**system, "parts": [part(item) for item in as_list(system["parts"])]}
    body["tools"] = tools(as_list(body.get("tools") or []))
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    if "mode" in calling:
        calling["mode"] = calling["mode"].upper()
    config = body["generationConfig"] = one_schema(body.get("generationConfig", {}))
    if config.get("candidateCount") == 1:
        del config["candidateCount"]
    thinking = config.get("thinkingConfig", {})
    if "thinkingLevel" in thinking:
        config["thinkingConfig"] = {**thinking, "thinkingLevel": thinking["thinkingLevel"].upper()}
    return {name: value for name, value in body.items() if value not in ({}, [], None) and name != "model"}


def tools(given: list[Json]) -> Json:
    out: dict[str, Json] = {}
    for tool in given:
        for name, value in tool.items():
            if name == "functionDeclarations":
                out.setdefault(name, []).extend(one_schema(function) for function in as_list(value))
            else:
                out[name] = value
    return out


def answer(body: Json) -> Json:
    """The normal form of a whole answer: enum words for numbers, no `index`, no empty text or sources, bytes as bytes."""
    body = camelled(body)
    out = {name: value for name, value in body.items() if name != "candidates"}
    candidates = body.get("candidates") or []
    if candidates:
        candidate = {name: value for name, value in candidates[0].items() if name != "index" and value != {}}
        if isinstance(candidate.get("finishReason"), int):
            candidate["finishReason"] = {1: "STOP", 2: "MAX_TOKENS"}[candidate["finishReason"]]
        content = candidate.pop("content", {})
        parts = [part(item) for item in content.get("parts", []) if item]
        candidate["content"] = {"role": "model", "parts": [item for item in parts if item != {"text": ""}]}
        out["candidates"] = [candidate]
    return out


def accumulate(frames: list[Json], merge_field: Callable[[str, Json, Json], Json]) -> Json:
    """A stream of answers -> one answer: text and thoughts in a row are one part, a signature on empty text belongs to the text before
    it, calls in pieces are put together, later fields win.
    """
    whole: Json = {}
    candidate: Json = {}
    parts: list[Json] = []
    pieces: Json | None = None
    for frame in frames:
        frame = camelled(frame)
        given = (frame.pop("candidates", None) or [{}])[0]
        whole.update(frame)
        for item in given.pop("content", {}).get("parts", []):
            pieces = add_part(parts, item, pieces)
        for name, value in given.items():
            if value != {} and name != "index":
                candidate[name] = merge_field(name, candidate.get(name), value)
    if candidate or parts:
        whole["candidates"] = [{**candidate, "content": {"role": "model", "parts": parts}}]
    return whole


def add_part(parts: list[Json], item: Json, pieces: Json | None) -> Json | None:
    """Add one part; returns the call that is still in pieces."""
    item = {key: value for key, value in item.items() if not (key == "thought" and value is False)}
    if "functionCall" in item:
        call = item["functionCall"]
        if "name" not in call:
            if pieces is not None:
                put_pieces(pieces, call.get("partialArgs", []))
            return pieces if call.get("willContinue") else None
        new = {key: value for key, value in call.items() if key not in ("partialArgs", "willContinue")}
        new.setdefault("args", {})
        parts.append({**item, "functionCall": new})
        if call.get("willContinue") or "partialArgs" in call:
            put_pieces(new, call.get("partialArgs", []))
            return new if call.get("willContinue") else None
        return None
    if not item or item == {"text": ""}:
        return pieces
    text = item.get("text")
    last = parts[-1] if parts else {}
    extra = set(item) - {"text", "thought"}
    if text is not None and "text" in last and last.get("thought") == item.get("thought") and (text or extra):
        last["text"] += text
        for key in extra:
            if key == "thoughtSignature" and key in last:
                parts.append({**item, "text": ""})
                break
            last[key] = item[key]
        return None
    parts.append(dict(item))
    return None


def put_pieces(call: Json, pieces: list[Json]) -> None:
    """`partialArgs` by a second, simpler reading: paths of plain names and indexes."""
    for piece in pieces:
        steps = [int(step) if step.isdecimal() else step for step in piece["jsonPath"].replace("]", "").replace("[", ".").split(".")[1:]]
        value = next((piece[kind] for kind in ("stringValue", "numberValue", "boolValue") if kind in piece), None)
        node: Any = call["args"]
        for step, after in pairwise(steps):
            if isinstance(step, int):
                while len(node) <= step:
                    node.append(None)
                node[step] = node[step] if node[step] is not None else ([] if isinstance(after, int) else {})
                node = node[step]
            else:
                node = node.setdefault(step, [] if isinstance(after, int) else {})
        last = steps[-1]
        if isinstance(last, int):
            while len(node) <= last:
                node.append(None)
            node[last] = (node[last] or "") + value if isinstance(value, str) else value
        else:
            node[last] = (node.get(last) or "") + value if isinstance(value, str) else value
