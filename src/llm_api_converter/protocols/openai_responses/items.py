"""Items of the model's side <-> parts: messages, reasoning, calls. Shared by requests (history), answers and streams.

    message         Text and Refusal parts, each with the item's id, status and phase in its bookkeeping
    reasoning       one Reasoning; several summary parts are joined by a blank line, their lengths kept
    function_call   ToolCall; custom_tool_call: ToolCall(custom)

Source: openai 3.54.0 `types/responses/response_output_item.py` (November 2026).
"""

from typing import Any

from msgspec.structs import replace

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Opaque, Part, Reasoning, Refusal, Text, ToolCall
from ..fields import Fields, type_name
from .content import decode_content, drop_tokens, encode_annotations
from .hosted import decode_hosted
from .wire import PROTOCOL, REALM, extras_of, put_own, worded

BETWEEN_SUMMARIES = "\n\n"

MESSAGE_PARTS = (Text, Refusal)


# ---------------------------------------------------------------------------------------------------------------- decode


def decode_item(item: Any, at: str) -> list[Part]:
    """An item the model wrote -> its parts. `at` is "" in answers."""
    if type(item) is not dict:
        raise invalid(at, f"expected an object, got {type_name(item)}")
    kind = item.get("type")
    if kind is None:
        kind = "message"
    elif type(kind) is not str:
        raise invalid(f"{at}.type" if at else "type", f"expected a string, got {type_name(kind)}")
    decode = ITEMS_IN.get(kind)
    return decode(Fields(item, at)) if decode is not None else decode_hosted(item, at)


def _words(f: Fields, *names: str) -> dict[str, Any]:
    """The bookkeeping fields that are there."""
    f.take("type")
    return {name: value for name in names if (value := f.text(name)) is not None}


def decode_message(f: Fields) -> list[Part]:
    """An assistant's message. What is known only when the item is done (status, fields nobody knows) goes to its last part."""
    words = _words(f, "id", "status", "phase")
    status = words.pop("status", None)
    f.take("role")
    content = f.take("content")
    parts = list(decode_content([] if content is None else content, f.at("content") if f.path else "", words))
    if not any(isinstance(part, MESSAGE_PARTS) for part in parts):
        parts.append(Text("", extras=extras_of({**words, "empty": True}, {}), at=f.path))
    rest = f.rest()
    if status is not None or rest:
        parts[-1] = _with_late_fields(parts[-1], status, rest)
    return parts


def _with_late_fields(part: Part, status: Any, rest: dict[str, Any]) -> Part:
    if not isinstance(part, (Text, Refusal)):
        return part
    words, own = worded(part.extras), (part.extras or {}).get(PROTOCOL) or {}
    if status is not None:
        words = {**words, "status": status}
    return replace(part, extras=extras_of(words, {**own, "message": rest} if rest else own))


def decode_reasoning(f: Fields) -> list[Part]:
    """Raw reasoning text where it is given, else the summary."""
    words = _words(f, "id", "status")
    summary, content, data = _texts(f, "summary"), _texts(f, "content"), f.text("encrypted_content")
    tokens = () if data is None else (Opaque(REALM, "encrypted", data, words.get("id")),)
    texts = content or summary or []
    if content is not None and not content:
        words["content"] = True
    if content and summary:
        words["summary"] = summary
    if len(texts) > 1:
        words["lengths"] = [len(text) for text in texts]
    text = BETWEEN_SUMMARIES.join(texts)
    return [Reasoning(text, not content, tokens, extras=extras_of({"id": None, **words}, f.rest()), at=f.path)]


def _texts(f: Fields, name: str) -> list[str] | None:
    """The texts of `summary` or `content`; anything but a list of texts is refused."""
    value = f.array(name)
    if value is None:
        return None
    out: list[str] = []
    for i, part in enumerate(value):
        if type(part) is not dict or type(part.get("text")) is not str:
            raise invalid(f"{f.at(name)}[{i}].text", "required")
        out.append(part["text"])
    return out


def decode_call(f: Fields) -> list[Part]:
    """A call the client runs. Arguments stay text."""
    custom = f.take("type") == "custom_tool_call"
    item_id, status, namespace = f.text("id"), f.text("status"), f.text("namespace")
    words: dict[str, Any] = {}
    if item_id is not None:
        words["id"] = item_id
    if status is not None:
        words["status"] = status
    call_id = f.text("call_id") or item_id
    if call_id is None:
        raise f.error("call_id", "required")
    name = f.text_required("name")
    arguments = f.text("input") or "" if custom else f.text("arguments") or "{}"
    return [ToolCall(call_id, name, arguments, "client", custom, namespace, extras=extras_of(words, f.rest()), at=f.path)]


ITEMS_IN = {
    "message": decode_message,
    "reasoning": decode_reasoning,
    "function_call": decode_call,
    "custom_tool_call": decode_call,
}


# ---------------------------------------------------------------------------------------------------------------- encode


def message_id(part: Part) -> str | None:
    """The id of the message item a Text or Refusal stood in."""
    if not isinstance(part, (Text, Refusal)):
        return None
    item_id: str | None = worded(part.extras).get("id")
    return item_id


def encode_message(parts: list[Text | Refusal], ledger: Ledger, *, complete: bool) -> dict[str, Any]:
    """An assistant's message item of these parts. `complete`: with every field that answers must have."""
    item: dict[str, Any] = {"type": "message", "role": "assistant"}
    words = worded(parts[-1].extras)
    for name in ("id", "status", "phase"):
        if name in words:
            item[name] = words[name]
    if words.get("empty") and len(parts) == 1 and not parts[0].text:
        item["content"] = []
    elif not complete and len(parts) == 1 and "id" not in item and "status" not in item and _is_plain(parts[0]):
        item["content"] = parts[0].text
    else:
        content = [encode_output_part(part, ledger, complete=complete) for part in parts]
        # What has lost its citations is a text like any other: a list of parts wants an item with an id.
        bare = not complete and len(content) == 1 and item.keys() <= _BARE and content[0].keys() == _TEXT and not content[0]["annotations"]
        item["content"] = content[0]["text"] if bare else content
    own = parts[-1].extras.get(PROTOCOL) if parts[-1].extras else None
    if own and "message" in own:
        item.update(own["message"])
    return item


_BARE = {"type", "role", "phase"}
_TEXT = {"type", "annotations", "text"}


def _is_plain(part: Text | Refusal) -> bool:
    if not isinstance(part, Text) or part.citations or part.tokens:
        return False
    return not part.extras or not any(owner[0] != "~" for owner in part.extras)


def encode_output_part(part: Text | Refusal, ledger: Ledger, *, complete: bool) -> dict[str, Any]:
    """`output_text` or `refusal`."""
    own = unknown_extras(part.extras, PROTOCOL, part.at, ledger)
    if "message" in own:
        own = {name: value for name, value in own.items() if name != "message"}
    if isinstance(part, Refusal):
        return {"type": "refusal", "refusal": part.text, **own}
    if part.tokens:
        drop_tokens(part, ledger)
    annotations = encode_annotations(part.citations, part.text, ledger, part.at) if part.citations else []
    item = {"type": "output_text", "annotations": annotations, "text": part.text, **own}
    if complete:
        item.setdefault("logprobs", [])
    return item


def encode_reasoning(part: Reasoning, ledger: Ledger, accepted: list[Opaque]) -> dict[str, Any]:
    """A reasoning item with the first of `accepted` as its opaque state. Reasoning of other origins is shown as a summary."""
    words = worded(part.extras)
    own = unknown_extras(part.extras, PROTOCOL, part.at, ledger)
    item: dict[str, Any] = {"type": "reasoning", "summary": []}
    texts = _split(part.text, words.get("lengths")) if part.text else []
    if words and not part.summary:
        item["content"] = [{"type": "reasoning_text", "text": text} for text in texts]
        texts = words.get("summary", [])
    elif words.get("content"):
        item["content"] = []
    item["summary"] = [{"type": "summary_text", "text": text} for text in texts]
    item_id = words.get("id")
    for token in accepted:
        if token.kind != "reference":
            item["encrypted_content"] = token.data
        item_id = item_id or token.item_id
        break
    if item_id is not None:
        item["id"] = item_id
    if "status" in words:
        item["status"] = words["status"]
    put_own(item, own)
    return item


def _split(text: str, lengths: list[int] | None) -> list[str]:
    """The summary parts that were joined; one part where the lengths no longer fit."""
    if not lengths or sum(lengths) + len(BETWEEN_SUMMARIES) * (len(lengths) - 1) != len(text):
        return [text]
    out, start = [], 0
    for length in lengths:
        out.append(text[start : start + length])
        start += length + len(BETWEEN_SUMMARIES)
    return out


def encode_call(call: ToolCall, ledger: Ledger) -> dict[str, Any]:
    """`function_call` or `custom_tool_call`."""
    words = worded(call.extras)
    item: dict[str, Any] = {"type": "custom_tool_call" if call.custom else "function_call"}
    item.update(words)
    item["call_id"] = call.id
    item["name"] = call.name
    item["input" if call.custom else "arguments"] = call.arguments
    if call.namespace is not None:
        item["namespace"] = call.namespace
    if call.extras:
        item.update(unknown_extras(call.extras, PROTOCOL, call.at, ledger))
    if call.tokens:
        ledger.drop(call.at, "thought_signature", "state")
    return item


def accepted_tokens(tokens: tuple[Opaque, ...], facts: Facts) -> list[Opaque]:
    """Those the target takes."""
    return [x for x in tokens if x.realm == REALM or x.realm in facts.accepts_realms]
