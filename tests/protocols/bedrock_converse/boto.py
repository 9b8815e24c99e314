"""What boto3 makes of bytes: botocore's parsers over its own service model, its validator, and a reference accumulator of streams."""

import json
from functools import cache
from typing import Any

from botocore import xform_name
from botocore.eventstream import EventStream
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.parsers import EventStreamJSONParser, RestJSONParser
from botocore.validate import ParamValidator


@cache
def model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def problems(params: dict[str, Any], operation: str = "Converse") -> str:
    """What botocore has against these parameters of an operation; "" is nothing. Unknown members count."""
    shape = model().operation_model(operation).input_shape
    given = {"modelId": "model", **params}
    report = ParamValidator().validate(as_params(given, shape), shape)
    return report.generate_report() + "".join(unknown_members(given, shape, "", True))


def as_params(value: Any, shape: Shape) -> Any:
    """Wire JSON -> botocore parameters: base64 text stands for bytes."""
    if shape.type_name == "structure" and not shape.is_document_type:
        members = shape.members
        return {key: as_params(item, members[key]) if key in members else item for key, item in value.items()}
    if shape.type_name == "list":
        return [as_params(item, shape.member) for item in value]
    if shape.type_name == "map":
        return {key: as_params(item, shape.value) for key, item in value.items()}
    return value.encode() if shape.type_name == "blob" else value


def unknown_members(value: Any, shape: Shape, path: str, complete: bool) -> list[str]:
    """Members the model does not have, required ones that are missing, and scalars of a wrong type or word."""
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        if not isinstance(value, dict):
            return [f"{path}: no object\n"]
        out = [f"{path}.{key}: not in the model\n" for key in value if key not in shape.members]
        out += [f"{path}.{key}: missing\n" for key in shape.required_members if complete and key not in value]
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            out.append(f"{path}: a union of {list(value)}\n")
        for key, item in value.items():
            if key in shape.members:
                out += unknown_members(item, shape.members[key], f"{path}.{key}", complete)
        return out
    if shape.type_name == "list":
        return [x for i, item in enumerate(value) for x in unknown_members(item, shape.member, f"{path}[{i}]", complete)]
    kinds = {"string": str, "integer": int, "long": int, "boolean": bool, "blob": str}
    if shape.type_name in kinds and not isinstance(value, kinds[shape.type_name]):
        return [f"{path}: {value!r} is no {shape.type_name}\n"]
    if getattr(shape, "enum", None) and value not in shape.enum:
        return [f"{path}: {value!r} is not in {shape.enum}\n"]
    return []


def answer_problems(body: dict[str, Any]) -> str:
    """What the model of an answer has against this body."""
    return "".join(unknown_members(body, model().operation_model("Converse").output_shape, "", True))


def parse_answer(body: bytes, operation: str = "Converse") -> dict[str, Any]:
    """The dictionary `client.converse` returns."""
    response = {"status_code": 200, "headers": {}, "body": body, "context": {"operation_name": operation}}
    return RestJSONParser().parse(response, model().operation_model(operation).output_shape)


def parse_error(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The dictionary `ClientError.response` holds."""
    response = {"status_code": status, "headers": headers, "body": body, "context": {"operation_name": "Converse"}}
    return RestJSONParser().parse(response, model().operation_model("Converse").output_shape)


class _Raw:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def stream(self) -> Any:
        yield from (self.data[at : at + 997] for at in range(0, len(self.data), 997))


def stream_shape() -> Shape:
    return model().operation_model("ConverseStream").output_shape.members["stream"]


def parse_stream(data: bytes) -> list[dict[str, Any]]:
    """The events `client.converse_stream` yields. Raises EventStreamError for exception frames."""
    return list(EventStream(_Raw(data), stream_shape(), EventStreamJSONParser(blob_parser=lambda text: text), xform_name("ConverseStream")))


def event_problems(kind: str, payload: dict[str, Any]) -> str:
    """What the model of a stream event has against this payload (padding aside)."""
    shape = stream_shape().members.get(kind)
    given = {key: value for key, value in payload.items() if key != "p"}
    return f"no event {kind}" if shape is None else "".join(unknown_members(given, shape, kind, True))


def accumulate(frames: list[tuple[dict[str, Any], bytes]]) -> dict[str, Any]:
    """Reference accumulator: the frames of a stream -> the answer Converse would have given in one piece."""
    message: dict[str, Any] = {"role": "assistant", "content": []}
    body: dict[str, Any] = {"output": {"message": message}}
    blocks: dict[int, dict[str, Any]] = {}
    for headers, payload in frames:
        kind, data = headers[":event-type"], json.loads(payload)
        data.pop("p", None)
        if kind == "messageStart":
            message.update(data)
        elif kind == "contentBlockStart":
            ((name, start),) = data["start"].items()
            blocks[data["contentBlockIndex"]] = {name: dict(start)}
        elif kind == "contentBlockDelta":
            block = blocks.setdefault(data["contentBlockIndex"], {})
            _add(block, data["delta"])
        elif kind == "messageStop" or kind == "metadata":
            body.update(data)
    message["content"] = [_finished(block) for _, block in sorted(blocks.items())]
    return body


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    ((kind, value),) = delta.items()
    if kind == "text":
        block["text"] = block.get("text", "") + value
    elif kind == "toolUse":
        block["toolUse"]["input"] = block["toolUse"].get("input", "") + value["input"]
    elif kind == "toolResult":
        block["toolResult"].setdefault("content", []).extend(value)
    elif kind == "image":
        block["image"].update(value)
    elif kind == "citation":
        block.setdefault("citations", []).append(value)
    else:
        ((field, piece),) = value.items()
        reasoning = block.setdefault("reasoningContent", {})
        reasoning[field] = reasoning.get(field, "") + piece


def _finished(block: dict[str, Any]) -> dict[str, Any]:
    if "toolUse" in block:
        block["toolUse"]["input"] = json.loads(block["toolUse"].get("input") or "{}")
    if "toolResult" in block:
        block["toolResult"].setdefault("content", [])
    if "citations" in block:
        cited: dict[str, Any] = {"content": [{"text": block["text"]}]} if block.get("text") else {}
        return {"citationsContent": {**cited, "citations": block["citations"]}}
    reasoning = block.get("reasoningContent")
    if reasoning is not None and "redactedContent" not in reasoning:
        return {"reasoningContent": {"reasoningText": {"text": "", **reasoning}}}
    return block
