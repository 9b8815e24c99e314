"""Fills the parts of the pages in `docs/` that are made from the code: `python -m tests.docs.pages`.

A made part stands between `<!-- made: WHAT ARGUMENTS -->` and `<!-- end -->`; the rest of a page is written by hand. `MAKERS` says what
can be made. What a table says was tried when it was made; a test fails when a page and the code differ.
"""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from llm_api_converter.convert import convert_request, convert_response
from llm_api_converter.framing.aws_event_stream import AwsEventReader
from llm_api_converter.framing.sse import SseReader
from llm_api_converter.hub.errors import ERROR_KINDS, ApiError
from llm_api_converter.hub.events import Event
from llm_api_converter.hub.fold import unfold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Reasoning, Text, ToolCall
from llm_api_converter.hub.request import Request
from llm_api_converter.hub.response import Finish, Response, Usage
from llm_api_converter.protocols import PROTOCOLS, codec
from llm_api_converter.protocols.base import Answer

from .answers import REASONS
from .examples import ANSWERS, REQUESTS
from .losses import TITLES, finish_word
from .samples import ENDS, FIELDS, MESSAGES, PARTS, SMALLEST, USAGE

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = (DOCS / "convert.md", *(DOCS / "protocols" / f"{name}.md" for name in PROTOCOLS))
BLOCK = re.compile(r"<!-- made: ([^\n]*) -->\n(.*?)<!-- end -->", re.DOTALL)

# ---------------------------------------------------------------- neutral values in short

HIDDEN = frozenset({"at", "raw", "protocol", "spelled"})


def short(value: Any) -> str:
    """A neutral value as one would write it, without what is at its default; JSON objects and long text as `…`."""
    if isinstance(value, Struct):
        shown = [(f.name, getattr(value, f.name)) for f in msgspec.structs.fields(value) if f.name not in HIDDEN]
        defaults = {f.name: f.default for f in msgspec.structs.fields(value)}
        said = [f"{name}={short(x)}" for name, x in shown if x != defaults[name] and not (name == "extras" and _only_wording(x))]
        return f"{type(value).__name__}({', '.join(said)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(short, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{…}" if value else "{}"
    if isinstance(value, str):
        return json.dumps(value if len(value) < 40 else value[:36] + "…", ensure_ascii=False)
    return str(value)


def _only_wording(extras: dict[str, Any] | None) -> bool:
    return extras is None or all(owner.startswith("~") for owner in extras)


def changes(base: Any, now: Any, path: str = "") -> Iterator[str]:
    """`path = value` of each neutral field that differs."""
    for field in msgspec.structs.fields(now):
        if field.name in HIDDEN or field.name == "paths":
            continue
        before, after = getattr(base, field.name), getattr(now, field.name)
        where = f"{path}{field.name}"
        if before == after:
            continue
        if field.name == "extras":
            new = [x for owner, fields in (after or {}).items() if not owner.startswith("~") for x in fields]
            yield f"kept as it is: {', '.join(new)}" if new else "a word of this protocol only"
        elif isinstance(after, Struct) and type(before) is type(after):
            yield from changes(before, after, f"{where}.")
        elif field.name == "messages":
            yield f"messages[0] = {short(after[0])}"
        else:
            yield f"{where} = {short(after)}"


# ---------------------------------------------------------------- tables


def _decode(protocol: str, body: Any) -> Request:
    return codec(protocol).decode_request(body, model="m", stream=None if codec(protocol).model_in_body else False)


def _put(body: dict[str, Any], dotted: str, value: Any) -> None:
    *outer, last = dotted.split(".")
    for name in outer:
        body = body.setdefault(name, {})
    body[last] = value


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"


def _wire(value: Any) -> str:
    return _code(json.dumps(value, ensure_ascii=False))


def fields(protocol: str) -> Iterator[str]:
    """Request fields: each one added to the smallest request."""
    yield "| field | example | neutral form |"
    yield "|---|---|---|"
    base = _decode(protocol, deepcopy(SMALLEST[protocol]))
    for dotted, value in FIELDS[protocol].items():
        body = deepcopy(SMALLEST[protocol])
        _put(body, dotted, value)
        told = "; ".join(changes(base, _decode(protocol, body)))
        yield f"| `{dotted}` | {_wire(value)} | {_code(told) if told else 'the default'} |"


def parts(protocol: str) -> Iterator[str]:
    """Parts of messages, and whole messages where a protocol keeps things in them."""
    yield "| on the wire | neutral form |"
    yield "|---|---|"
    for role, part in PARTS[protocol]:
        yield f"| {_wire(part)} | {_code(', '.join(short(x) for x in _said(protocol, _message(protocol, role, part))))} |"
    for message in MESSAGES.get(protocol, ()):
        yield f"| {_wire(message)} | {_code(', '.join(short(x) for x in _said(protocol, message)))} |"


def _message(protocol: str, role: str, part: Any) -> dict[str, Any]:
    return {"role": role, "parts" if protocol == "gemini" else "content": [part]}


def _said(protocol: str, message: Any) -> tuple[Any, ...]:
    """What a message of a conversation is decoded to."""
    body = deepcopy(SMALLEST[protocol])
    body["contents" if protocol == "gemini" else "input" if protocol == "openai_responses" else "messages"] = [message]
    if protocol == "gemini":
        body["contents"] = [{"role": "user", "parts": [{"text": "Hi"}]}, message]
    (*_, last) = _decode(protocol, body).messages
    return last.parts


def finish(protocol: str) -> Iterator[str]:
    """Why answers end: what is read from upstreams, and what clients are told."""
    yield "| from an upstream | neutral reason | | neutral reason | to a client |"
    yield "|---|---|---|---|---|"
    read = [(f"`{word}`", f"`{_ended(protocol, word)}`") for word in ENDS[protocol]]
    told = [(f"`{reason}`", f"`{finish_word(protocol, Finish(reason))}`") for reason in REASONS]
    for i in range(max(len(read), len(told))):
        left, right = (x[i] if i < len(x) else ("", "") for x in (read, told))
        yield f"| {left[0]} | {left[1]} | | {right[0]} | {right[1]} |"


def _ended(protocol: str, word: str) -> str:
    body = _answer_of(protocol, USAGE[protocol])
    match protocol:
        case "anthropic":
            body["stop_reason"] = word
        case "openai_chat":
            body["choices"][0]["finish_reason"] = word
        case "openai_responses":
            status, _, reason = word.partition(": ")
            body |= {"status": status, "incomplete_details": {"reason": reason} if reason else None}
        case "gemini":
            body["candidates"][0]["finishReason"] = word
        case _:
            body["stopReason"] = word
    return codec(protocol).decode_response(json.dumps(body).encode()).finish.reason


def usage(protocol: str) -> Iterator[str]:
    """A usage object and what it means."""
    response = codec(protocol).decode_response(json.dumps(_answer_of(protocol, USAGE[protocol])).encode())
    yield f"{_wire(USAGE[protocol])}\n\nis\n\n{_code(short(response.usage))}"


def _answer_of(protocol: str, used: dict[str, Any]) -> dict[str, Any]:
    whole = Response("id_1", "m", (Text("Hello"),), Finish("stop"))
    body: dict[str, Any] = msgspec.json.decode(codec(protocol).encode_response(whole, _answer(), Ledger()))
    body["usageMetadata" if protocol == "gemini" else "usage"] = used
    return body


def errors(protocol: str) -> Iterator[str]:
    """What a client is told when something goes wrong before the first byte."""
    yield "| what is wrong | status | the protocol's word |"
    yield "|---|---|---|"
    for kind in ERROR_KINDS:
        wire = codec(protocol).encode_error(ApiError(kind, "what is wrong"), "req_1")  # type: ignore[arg-type]
        error = {} if protocol == "bedrock_converse" else msgspec.json.decode(wire.body)["error"]
        words = [wire.headers["x-amzn-errortype"]] if protocol == "bedrock_converse" else [
            error[x] for x in (("status",) if protocol == "gemini" else ("type", "code")) if error.get(x)
        ]  # fmt: skip
        yield f"| {kind} | {wire.status} | {', '.join(f'`{x}`' for x in dict.fromkeys(words))} |"


STREAMED = Response(
    "id_1", "m", (Reasoning("Hmm."), Text("Hello"), ToolCall("call_1", "weather", '{"city":"Oslo"}')), Finish("tool_call"), Usage(9, 2)
)


def stream(protocol: str) -> Iterator[str]:
    """The frames of one answer, event by event."""
    yield "| neutral event | frames written |"
    yield "|---|---|"
    encoder = codec(protocol).stream_encoder(_answer(), Ledger())
    for event in unfold(STREAMED):
        written = _frames(protocol, encoder.encode([event]))
        yield f"| `{_event(event)}` | {', '.join(f'`{x}`' for x in written) or 'nothing yet'} |"


def _event(event: Event) -> str:
    part = getattr(event, "part", None)
    return f"{type(event).__name__}({type(part).__name__})" if part is not None else type(event).__name__


def _frames(protocol: str, data: bytes) -> list[str]:
    if protocol == "bedrock_converse":
        return [str(headers[":event-type"]) for headers, _ in AwsEventReader().feed(data)]
    out = []
    for name, body in SseReader().feed(data):
        if name:
            out.append(name.decode())
        elif body == b"[DONE]":
            out.append("[DONE]")
        else:
            out.append(_chunk(protocol, json.loads(body)))
    return out


def _chunk(protocol: str, chunk: dict[str, Any]) -> str:
    """What a nameless event brings."""
    if protocol == "gemini":
        candidate = chunk.get("candidates", [{}])[0]
        said = [("thought" if part.get("thought") else next(iter(part))) for part in candidate.get("content", {}).get("parts", ())]
        return ", ".join([*said, *(x for x in ("finishReason",) if x in candidate), *(x for x in ("usageMetadata",) if x in chunk)])
    if not chunk["choices"]:
        return "usage"
    choice = chunk["choices"][0]
    return ", ".join([*(f"delta.{x}" for x in choice["delta"]), *(["finish_reason"] if choice.get("finish_reason") else [])])


# ---------------------------------------------------------------- examples


def request(client: str, upstream: str, name: str, model: str) -> Iterator[str]:
    """A client's request and what the upstream gets."""
    wire, report = convert_request(REQUESTS[name][client], client=client, upstream=upstream, model=model)
    yield f"From a client of {TITLES[client]}:\n"
    yield _fence(REQUESTS[name][client])
    yield f"\n`POST {wire.path}`:\n"
    yield _fence(wire.body)
    yield from _report(report)


def answer(upstream: str, client: str, name: str) -> Iterator[str]:
    """An upstream's answer and what the client gets."""
    body, report = convert_response(ANSWERS[name][upstream], upstream=upstream, client=client)
    yield f"From an upstream of {TITLES[upstream]}:\n"
    yield _fence(ANSWERS[name][upstream])
    yield f"\nTo a client of {TITLES[client]}:\n"
    yield _fence(body)
    yield from _report(report)


def directions(name: str, model: str) -> Iterator[str]:
    """One request in every direction."""
    for client in PROTOCOLS:
        yield f"### {TITLES[client]} clients\n"
        yield _fence(REQUESTS[name][client]) + "\n"
        for upstream in PROTOCOLS:
            wire, report = convert_request(REQUESTS[name][client], client=client, upstream=upstream, model=model)
            if client == upstream:
                continue
            yield f"to {TITLES[upstream]}, `POST {wire.path}`:\n"
            yield _fence(wire.body)
            yield from _report(report)
            yield ""


def _report(report: list[dict[str, str]]) -> Iterator[str]:
    yield "\nThe report is empty." if not report else "\nThe report:\n\n" + _fence(report)


def _fence(value: Any) -> str:
    return "```json\n" + _laid_out(value) + "\n```"


def _laid_out(value: Any, indent: str = "") -> str:
    """JSON, each item of an object or array that does not fit on a line on its own."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + len(indent) <= 110 or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + "  "
    if isinstance(value, dict):
        items = [f"{inner}{json.dumps(key)}: {_laid_out(item, inner)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _laid_out(item, inner) for item in value) + f"\n{indent}]"


def _answer() -> Answer:
    return Answer(model="m", new_id=lambda prefix: f"{prefix}1", created_s=1, include_usage=True)


MAKERS: dict[str, Callable[..., Iterator[str]]] = {
    "fields": fields, "parts": parts, "finish": finish, "usage": usage, "errors": errors, "stream": stream, "request": request,
    "answer": answer, "directions": directions,
}  # fmt: skip


def renewed(text: str) -> str:
    """A page with its made parts as the code is now."""

    def made(found: re.Match[str]) -> str:
        what, *arguments = found[1].split()
        lines = "\n".join(MAKERS[what](*arguments))
        return f"<!-- made: {found[1]} -->\n{lines}\n<!-- end -->"

    return BLOCK.sub(made, text)


def main() -> None:
    """Renew all pages."""
    for page in PAGES:
        page.write_text(renewed(page.read_text()))


if __name__ == "__main__":
    main()
