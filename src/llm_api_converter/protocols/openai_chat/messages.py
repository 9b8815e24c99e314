"""`messages[]` <-> Message.

`tool` and `function` messages are user messages with one ToolResult; consecutive ones stay apart. An assistant message decodes
to reasoning, content, refusal, audio, calls, in this order. Encoding splits results off a user message and puts them first.
Sources: openai 3.54.0 `types/chat/chat_completion_*_message_param.py`; recordings (November 2026).
"""

from typing import Any

from msgspec.structs import replace

from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import (
    CacheMark,
    FileRef,
    Inline,
    Media,
    Message,
    Native,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from ..fields import Fields
from .calls import decode_arguments, decode_calls, decode_extra_content, encode_call, encode_extra_content, minted_id
from .parts import decode_cache, decode_content, encode_cache, encode_part, put_extras
from .reasoning import decode_reasoning, encode_details, encode_text
from .wire import FILE_REALMS, PROTOCOL, REALM


class History:
    """What a message must know of those before it: which calls were custom, and the ids given to legacy function calls."""

    __slots__ = ("custom", "legacy")

    def __init__(self) -> None:
        self.custom: set[str] = set()
        self.legacy: dict[str, list[str]] = {}

    def called(self, name: str, at: str) -> str:
        """A legacy call happened: its id."""
        call_id = minted_id(at, 0)
        self.legacy.setdefault(name, []).append(call_id)
        return call_id

    def answered(self, name: str, at: str) -> str:
        """The id of the oldest legacy call of that name without an answer."""
        waiting = self.legacy.get(name)
        return waiting.pop(0) if waiting else minted_id(at, 0)


def decode_messages(values: list[Any]) -> tuple[Message, ...]:
    """All messages of a request."""
    history = History()
    return tuple(_decode_message(value, f"messages[{i}]", history) for i, value in enumerate(values))


def _decode_message(value: Any, at: str, history: History) -> Message:
    if type(value) is dict and len(value) == 2:
        # The commonest message: a role and a string.
        role, content = value.get("role"), value.get("content")
        plain = _PLAIN_ROLES.get(role) if type(role) is str and type(content) is str else None
        if plain is not None and type(content) is str:
            return Message(plain[0], (Text(content, at=f"{at}.content"),), at=at, spelled=plain[1])
    elif type(value) is dict and len(value) == 3 and value.get("role") == "tool":
        call_id, content = value.get("tool_call_id"), value.get("content")
        if type(call_id) is str and type(content) is str and content and call_id not in history.custom:
            return Message("user", (ToolResult(call_id, (Text(content, at=f"{at}.content"),), at=at),), at=at)
    f = Fields(value, at)
    role = f.text_required("role")
    decoder = _ROLES.get(role)
    if decoder is None:
        raise f.error("role", f"expected one of {', '.join(_ROLES)}, got {role!r}")
    return decoder(f, role, history)


def _decode_plain(f: Fields, role: str, history: History) -> Message:
    """system, developer, user."""
    name, mark = f.text("name"), decode_cache(f)
    if role != "user" and not f.has("content"):
        raise f.error("content", "required")
    parts = _marked(decode_content(f.take("content"), f.at("content")), mark, f)
    if role == "user":
        return Message("user", tuple(parts), name, f.path, extras=f.extras(PROTOCOL))
    return Message("system", tuple(parts), name, f.path, "developer" if role == "developer" else None, f.extras(PROTOCOL))


def _decode_assistant(f: Fields, role: str, history: History) -> Message:
    name, mark = f.text("name"), decode_cache(f)
    annotations = f.array("annotations")
    if annotations:
        f.put("annotations", annotations)
    parts = decode_answer(f, f.path, history)
    return Message("assistant", tuple(_marked(parts, mark, f)), name, f.path, extras=f.extras(PROTOCOL))


def decode_answer(f: Fields, owner: str, history: History) -> list[Part]:
    """Everything said in an assistant message: of a request, or `choices[0].message` of an answer. `owner` makes missing ids."""
    parts: list[Part] = [*decode_reasoning(f)]
    content = f.take("content")
    if content is not None and content != "":
        parts.extend(decode_content(content, f.at("content")))
    tokens, left = decode_extra_content(f)
    if tokens:
        _give_tokens(parts, tokens, f.at("content"))
    for name, value in left.items():
        f.put(name, value)
    refusal = f.text("refusal")
    if refusal:
        parts.append(Refusal(refusal, at=f.at("refusal")))
    audio = f.object("audio")
    if audio and (audio.get("id") or audio.get("data")):
        parts.append(_decode_audio(Fields(audio, f.at("audio"))))
    calls = decode_calls(f.array("tool_calls"), f.at("tool_calls"), owner)
    history.custom.update(call.id for call in calls if call.custom)
    parts.extend(calls)
    legacy = f.object("function_call")
    if legacy and (legacy.get("name") or legacy.get("arguments")):
        parts.append(_decode_legacy_call(Fields(legacy, f.at("function_call")), owner, history))
    return parts


def _decode_legacy_call(f: Fields, owner: str, history: History) -> ToolCall:
    """`function_call`: `{"name", "arguments"}` without an id."""
    name = f.text_required("name")
    return ToolCall(history.called(name, owner), name, decode_arguments(f), extras=f.extras(PROTOCOL), at=f.path)


def _give_tokens(parts: list[Part], tokens: tuple[Opaque, ...], at: str) -> None:
    """State beside the message belongs to its last text; a message without text gets an empty one to hold it."""
    for i in range(len(parts) - 1, -1, -1):
        part = parts[i]
        if isinstance(part, Text):
            parts[i] = replace(part, tokens=part.tokens + tokens)
            return
    parts.append(Text("", tokens=tokens, at=at))


def _decode_audio(f: Fields) -> Media:
    """A spoken answer, `{"id", "data", "transcript", "expires_at"}`; in a request only its `id`."""
    audio_id, data = f.text("id"), f.text("data")
    if data is None:
        if not audio_id:
            raise f.error("id", "required")
        return Media("audio", FileRef(PROTOCOL, audio_id), extras=f.extras(PROTOCOL), at=f.path)
    extras = f.rest()
    if audio_id is not None:
        extras = {"id": audio_id, **extras}
    return Media("audio", Inline(data), extras={PROTOCOL: extras} if extras else None, at=f.path)


def _decode_tool(f: Fields, role: str, history: History) -> Message:
    """`tool` by id, legacy `function` by name."""
    name, mark = f.text("name"), decode_cache(f)
    if role == "tool":
        call_id = f.text_required("tool_call_id")
    else:
        if name is None:
            raise f.error("name", "required")
        call_id = history.answered(name, f.path)
    content = f.take("content")
    parts = tuple(decode_content(content, f.at("content"))) if content != "" else ()
    result = ToolResult(
        call_id, parts, name, custom=call_id in history.custom, cache=mark, extras=f.extras(PROTOCOL), at=f.path
    )
    return Message("user", (result,), at=f.path, spelled="function" if role == "function" else None)


_PLAIN_ROLES: dict[str, tuple[Role, str | None]] = {
    "user": ("user", None),
    "system": ("system", None),
    "developer": ("system", "developer"),
}

_ROLES = {
    "system": _decode_plain,
    "developer": _decode_plain,
    "user": _decode_plain,
    "assistant": _decode_assistant,
    "tool": _decode_tool,
    "function": _decode_tool,
}


def _marked(parts: list[Part], mark: CacheMark | None, f: Fields) -> list[Part]:
    """A mark on the message (litellm) is one on its last part."""
    if mark is None:
        return parts
    for i in range(len(parts) - 1, -1, -1):
        part = parts[i]
        if not isinstance(part, Refusal) and hasattr(part, "cache"):
            parts[i] = replace(part, cache=CacheMark(mark.ttl_s, mark.at or f.at("cache_control")))
            break
    return parts


def encode_messages(messages: tuple[Message, ...], facts: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    """All messages, as the target wants them."""
    out: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "assistant":
            written = _encode_assistant(message, facts, ledger)
            if written is not None:
                out.append(written)
        elif message.role == "system":
            out.append(_encode_plain(message, message.parts, _system_role(message, facts), facts, ledger))
        else:
            _encode_user(message, facts, ledger, out)
    return out


def accepts_token(facts: Facts, token: Opaque) -> bool:
    """State of this wire, or of a realm the target takes. A seal that is still closed means nothing to an upstream."""
    return token.realm == REALM or token.realm in facts.accepts_realms


def _system_role(message: Message, facts: Facts) -> str:
    if facts.system_role != "keep":
        return facts.system_role
    return "developer" if message.spelled == "developer" else "system"


def _encode_plain(message: Message, parts: tuple[Part, ...], role: str, facts: Facts, ledger: Ledger) -> dict[str, Any]:
    out: dict[str, Any] = {"role": role, "content": _encode_content(parts, facts, ledger)}
    if message.name is not None:
        out["name"] = message.name
    if message.extras:
        put_extras(out, unknown_extras(message.extras, PROTOCOL, message.at, ledger))
    return out


def _encode_content(parts: tuple[Part, ...], facts: Facts, ledger: Ledger) -> str | list[dict[str, Any]]:
    """One plain text as a string, anything else as parts."""
    if len(parts) == 1:
        part = parts[0]
        if type(part) is Text and part.cache is None and not (part.extras or part.tokens or part.citations):
            return part.text
    out: list[dict[str, Any]] = []
    for part in parts:
        out.extend(encode_part(part, facts, ledger))
    return out[0]["text"] if len(out) == 1 and out[0].keys() == _PLAIN_TEXT else out or ""


_PLAIN_TEXT = {"type": None, "text": None}.keys()
_EMPTY = {"role": None, "content": None}.keys()


def _encode_user(message: Message, facts: Facts, ledger: Ledger, out: list[dict[str, Any]]) -> None:
    """Results first, one `tool` message each; then the rest, if there is any."""
    rest = tuple([part for part in message.parts if type(part) is not ToolResult])
    if len(rest) < len(message.parts):
        for part in message.parts:
            if type(part) is ToolResult:
                _encode_result(part, facts, ledger, out)
        if not rest:
            unknown_extras(message.extras, PROTOCOL, message.at, ledger)
            return
    written = _encode_plain(message, rest, "user", facts, ledger)
    if written["content"] or not rest or any(isinstance(part, Text) for part in rest):
        out.append(written)


def _encode_result(result: ToolResult, facts: Facts, ledger: Ledger, out: list[dict[str, Any]]) -> None:
    if result.runs == "provider":
        ledger.drop(result.at, result.name or "provider_tool", "tools")
        return
    parts = result.parts
    if facts.tool_result_media != "native" and any(isinstance(x, Media) for x in parts):
        for part in parts:
            if isinstance(part, Media):
                ledger.drop(part.at, part.kind, "content", "this target takes text only in tool results")
        parts = tuple(x for x in parts if not isinstance(x, Media))
    content = _encode_content(parts, facts, ledger)
    if result.is_error:
        content = _say_error(content, result.at, ledger)
    message: dict[str, Any] = {"role": "tool", "tool_call_id": result.call_id, "content": content}
    if result.name is not None:
        message["name"] = result.name
    encode_cache(message, result.cache, result.at, facts, ledger)
    if result.extras:
        put_extras(message, unknown_extras(result.extras, PROTOCOL, result.at, ledger))
    out.append(message)


def _say_error(content: str | list[dict[str, Any]], at: str, ledger: Ledger) -> str | list[dict[str, Any]]:
    """Chat results have no error flag: the text has to say it."""
    text = content if isinstance(content, str) else next((x["text"] for x in content if x.get("type") == "text"), "")
    if "error" in text[:200].lower():
        return content
    ledger.approximate(at, "is_error", "tools", "said in the text of the result")
    if isinstance(content, str):
        return f"Error: {content}" if content else "Error"
    return [{"type": "text", "text": "Error:"}, *content]


def _encode_assistant(message: Message, facts: Facts, ledger: Ledger) -> dict[str, Any] | None:
    """One assistant message; None where nothing that was in it can be said (all of it is reported)."""
    out: dict[str, Any] = {"role": "assistant", "content": None}
    content: list[Part] = []
    calls: list[dict[str, Any]] = []
    reasoning: list[Reasoning] = []
    tokens: list[Opaque] = []
    for part in message.parts:
        match part:
            case Text():
                tokens.extend(part.tokens)
                content.append(replace(part, tokens=()) if part.tokens else part)
            case Reasoning():
                reasoning.append(part)
            case ToolCall():
                _encode_history_call(part, facts, calls, ledger)
            case Refusal():
                out["refusal"] = out.get("refusal", "") + part.text
                unknown_extras(part.extras, PROTOCOL, part.at, ledger)
            case Media(kind="audio", source=FileRef(realm, audio_id)) if realm in FILE_REALMS and "audio" not in out:
                out["audio"] = {"id": audio_id}
            case ToolResult():
                ledger.drop(part.at, part.name or "tool_result", "tools" if part.runs == "provider" else "content")
            case Native(protocol=owner) if owner == PROTOCOL:
                content.append(part)
            case _:
                ledger.drop(part.at, part.kind if isinstance(part, (Media, Native)) else "tool_reference", "content")
    if content:
        out["content"] = _encode_content(tuple(content), facts, ledger)
    if reasoning:
        _encode_reasoning(reasoning, facts, out, ledger)
    if not (out["content"] or calls or "audio" in out or "refusal" in out):
        if message.parts and out.keys() == _EMPTY and not tokens:
            unknown_extras(message.extras, PROTOCOL, message.at, ledger)
            return None
        out["content"] = ""
    if tokens:
        extra = encode_extra_content(tokens, lambda x: accepts_token(facts, x), message.at, ledger)
        if extra:
            out["extra_content"] = extra
    if calls:
        out["tool_calls"] = calls
    if message.name is not None:
        out["name"] = message.name
    if message.extras:
        put_extras(out, unknown_extras(message.extras, PROTOCOL, message.at, ledger))
    return out


def _encode_history_call(call: ToolCall, facts: Facts, calls: list[dict[str, Any]], ledger: Ledger) -> None:
    if call.cache is not None:
        ledger.drop(call.cache.path(call.at), "cache_control", "cache")
    if call.runs == "provider":
        ledger.drop(call.at, call.name, "tools")
        return
    calls.append(encode_call(call, lambda x: accepts_token(facts, x), ledger))


def _encode_reasoning(parts: list[Reasoning], facts: Facts, out: dict[str, Any], ledger: Ledger) -> None:
    """Back in the field the target reads. Opaque state needs `reasoning_details`, which only some targets know."""
    for part in parts:
        if part.cache is not None:
            ledger.drop(part.cache.path(part.at), "cache_control", "cache")
    details: list[dict[str, Any]] = []
    if facts.reasoning_field == "reasoning_details":
        for part in parts:
            details.extend(encode_details(part, len(details), lambda x: accepts_token(facts, x), ledger, plain=True))
        if details:
            out["reasoning_details"] = details
        return
    for part in parts:
        for field in (part.extras or {}).get(PROTOCOL, ()):
            ledger.drop(f"{part.at}.{field}", field, "unknown")
        part = replace(part, extras={k: v for k, v in (part.extras or {}).items() if k != PROTOCOL})
        details.extend(encode_details(part, len(details), lambda x: x.realm in facts.accepts_realms, ledger, plain=False))
    if details:
        out["reasoning_details"] = details
    text = encode_text(parts)
    if text:
        out[facts.reasoning_field] = text
