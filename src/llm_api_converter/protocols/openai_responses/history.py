"""`input` and `instructions` <-> Messages.

The items of one assistant turn (reasoning, a message, calls) become one assistant Message; a second message item begins another.
Neighbouring outputs become one user Message of ToolResults. Every other message is one Message. Order never changes.

`additional_tools` items (Codex) hold tools, not content: `tools` keeps them and writes them back at their place.
Sources: openai 3.54.0 `types/responses/response_input_item.py`; Codex CLI 0.169 requests (November 2026).
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Message, Native, Opaque, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolResult
from ..fields import Fields, type_name
from .content import decode_content, encode_input_parts
from .hosted import NATIVE_FROM_USER, decode_hosted, drop_hosted, inside_call, own_item
from .items import accepted_tokens, decode_item, encode_call, encode_message, encode_reasoning, message_id
from .wire import PROTOCOL, REALM, extras_of, put_own, worded

ROLES: dict[str, Role] = {"user": "user", "system": "system", "developer": "system", "assistant": "assistant"}

RESULTS = frozenset({"function_call_output", "custom_tool_call_output"})


class ToolItem(Struct, frozen=True):
    """An item that declares tools: `additional_tools`, or `tool_search_output` (found by the client's or the provider's search)."""

    index: int
    at: str
    item: dict[str, Any]


# ---------------------------------------------------------------------------------------------------------------- decode


def decode_input(value: Any, instructions: str | None) -> tuple[tuple[Message, ...], list[ToolItem]]:
    """The messages, and the items that declare tools."""
    reader = _Reader()
    if instructions is not None:
        text = Text(instructions, at="instructions")
        reader.messages.append(Message("system", (text,), at="instructions", spelled="instructions"))
    if type(value) is str:
        reader.messages.append(Message("user", (Text(value, at="input"),), at="input"))
    elif type(value) is list:
        for index, item in enumerate(value):
            reader.read(item, index, f"input[{index}]")
    elif value is not None:
        raise invalid("input", f"expected a string or an array, got {type_name(value)}")
    reader.flush()
    return tuple(reader.messages), reader.tools


class _Reader:
    """Gathers items into messages. `role` and `at` belong to the message being gathered."""

    __slots__ = ("at", "has_message", "messages", "parts", "role", "tools")

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.tools: list[ToolItem] = []
        self.parts: list[Part] = []
        self.role: Role = "user"
        self.at = ""
        self.has_message = False

    def read(self, item: Any, index: int, at: str) -> None:
        """The next item."""
        if type(item) is not dict:
            raise invalid(at, f"expected an object, got {type_name(item)}")
        kind = item.get("type")
        if kind is None:
            kind = "message" if "role" in item else "item_reference"
        elif type(kind) is not str:
            raise invalid(f"{at}.type", f"expected a string, got {type_name(kind)}")
        if kind == "message":
            self._message(item, at)
        elif kind in RESULTS:
            self._gather("user", at, [_decode_output(Fields(item, at), custom=kind == "custom_tool_call_output")])
        elif kind == "additional_tools":
            self.tools.append(ToolItem(index, at, item))
        elif kind in NATIVE_FROM_USER:
            self._gather("user", at, decode_hosted(item, at))
        else:
            if kind == "tool_search_output":
                self.tools.append(ToolItem(index, at, item))
            self._gather("assistant", at, [_with_reference(part) for part in decode_item(item, at)])

    def _message(self, item: dict[str, Any], at: str) -> None:
        spoken = item.get("role")
        role = ROLES.get(spoken) if type(spoken) is str else None
        if role is None:
            raise invalid(f"{at}.role", f"expected one of {', '.join(ROLES)}")
        if role == "assistant":
            if self.has_message:
                self.flush()
            self._gather("assistant", at, decode_item(item, at))
            self.has_message = True
            return
        self.flush()
        self.messages.append(_decode_message(Fields(item, at), role, "developer" if spoken == "developer" else None))

    def _gather(self, role: Role, at: str, parts: list[Part]) -> None:
        if self.parts and self.role != role:
            self.flush()
        if not self.parts:
            self.role, self.at = role, at
        self.parts.extend(parts)

    def flush(self) -> None:
        """The message being gathered is complete."""
        if self.parts:
            self.messages.append(Message(self.role, tuple(self.parts), at=self.at))
            self.parts = []
        self.has_message = False


def _decode_message(f: Fields, role: Role, spelled: str | None) -> Message:
    """A message of the user, system or developer."""
    f.take("type")
    f.take("role")
    content = f.take("content")
    if content is None:
        raise f.error("content", "required")
    parts = decode_content(content, f.at("content"))
    words = {name: value for name in ("id", "status") if (value := f.text(name)) is not None}
    name = f.text("name")
    return Message(role, parts, name, f.path, spelled, extras_of(words, f.rest()))


def _decode_output(f: Fields, *, custom: bool) -> ToolResult:
    """The outcome of a call the client ran."""
    f.take("type")
    words = {name: value for name in ("id", "status", "name", "namespace") if (value := f.text(name)) is not None}
    call_id = f.text("call_id")
    if call_id is None:
        raise f.error("call_id", "required")
    output = f.take("output")
    parts = decode_content("" if output is None else output, f.at("output"))
    return ToolResult(call_id, parts, words.get("name"), custom=custom, extras=extras_of(words, f.rest()), at=f.path)


def _with_reference(part: Part) -> Part:
    """Reasoning sent back by its id alone is state that lies with the provider."""
    if isinstance(part, Reasoning) and not part.tokens:
        item_id = worded(part.extras).get("id")
        if item_id is not None:
            return replace(part, tokens=(Opaque(REALM, "reference", item_id, item_id),))
    return part


# ---------------------------------------------------------------------------------------------------------------- encode


def encode_input(messages: tuple[Message, ...], facts: Facts, ledger: Ledger) -> tuple[str | None, str | list[dict[str, Any]]]:
    """(`instructions`, `input`). A lone text that came as a string goes as one."""
    instructions: str | None = None
    if messages and messages[0].spelled == "instructions" and len(messages[0].parts) == 1 and isinstance(messages[0].parts[0], Text):
        instructions = messages[0].parts[0].text
        messages = messages[1:]
    items: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "assistant":
            _encode_assistant(message, items, facts, ledger)
        else:
            _encode_message(message, items, facts, ledger)
    if len(messages) == 1 and messages[0].at == "input" and len(items) == 1 and type(items[0].get("content")) is str:
        return instructions, items[0]["content"]
    return instructions, items


def _encode_message(message: Message, items: list[dict[str, Any]], facts: Facts, ledger: Ledger) -> None:
    """A user or system message: its outputs and native items stand as items of their own, in order."""
    if message.name is not None:
        ledger.drop(f"{message.at}.name", "name", "tuning")
    run: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            _flush(message, run, items, facts, ledger)
            _encode_result(part, items, facts, ledger)
        elif isinstance(part, Native) and part.protocol == PROTOCOL and _is_item(part):
            _flush(message, run, items, facts, ledger)
            items.append(part.body)
        elif isinstance(part, (ToolCall, Reasoning)):
            _flush(message, run, items, facts, ledger)
            _encode_own(part, items, facts, ledger)
        else:
            run.append(part)
    if run or not message.parts:
        _flush(message, run, items, facts, ledger, even_empty=not message.parts)


def _is_item(part: Native) -> bool:
    """Does it stand among the items (and not among a message's content parts)?"""
    return not part.kind.startswith("input_") and ".content[" not in part.at and ".output[" not in part.at


def _flush(
    message: Message, run: list[Part], items: list[dict[str, Any]], facts: Facts, ledger: Ledger, *, even_empty: bool = False
) -> None:
    """The parts gathered so far, as one message item."""
    if not run and not even_empty:
        return
    content = encode_input_parts(run, facts, ledger)
    run.clear()
    if not content and content != "" and not even_empty:
        return
    item: dict[str, Any] = {"type": "message", "role": _role(message, facts), "content": content, **worded(message.extras)}
    put_own(item, unknown_extras(message.extras, PROTOCOL, message.at, ledger))
    items.append(item)


def _role(message: Message, facts: Facts) -> str:
    if message.role != "system":
        return message.role
    if facts.system_role != "keep":
        return facts.system_role
    return "developer" if message.spelled == "developer" else "system"


def _encode_assistant(message: Message, items: list[dict[str, Any]], facts: Facts, ledger: Ledger) -> None:
    """An assistant's turn as items, in order. Text and refusals of one item stay together."""
    unknown_extras(message.extras, PROTOCOL, message.at, ledger)
    if message.name is not None:
        ledger.drop(f"{message.at}.name", "name", "tuning")
    run: list[Text | Refusal] = []
    for part in message.parts:
        if isinstance(part, (Text, Refusal)):
            if run and message_id(run[-1]) != message_id(part):
                items.append(encode_message(run, ledger, complete=False))
                run = []
            if isinstance(part, Text) and part.cache is not None:
                ledger.drop(part.cache.path(part.at), "cache_control", "cache")
            run.append(part)
            continue
        if run:
            items.append(encode_message(run, ledger, complete=False))
            run = []
        _encode_own(part, items, facts, ledger)
    if run:
        items.append(encode_message(run, ledger, complete=False))


def _encode_own(part: Part, items: list[dict[str, Any]], facts: Facts, ledger: Ledger) -> None:
    """Anything but text, as an item."""
    cache = getattr(part, "cache", None)
    if cache is not None and not isinstance(part, ToolResult):
        ledger.drop(cache.path(part.at), "cache_control", "cache")
    match part:
        case Reasoning():
            _encode_reasoning(part, items, facts, ledger)
        case ToolCall(runs="client"):
            items.append(encode_call(part, ledger))
        case ToolResult():
            _encode_result(part, items, facts, ledger)
        case ToolCall() | Native():
            item = own_item(part)
            if item is not None:
                items.append(item)
            elif isinstance(part, ToolCall):
                drop_hosted(part, ledger)
            else:
                ledger.drop(part.at, part.kind, "content")
        case _:
            # Pictures of the model's own and the like: an assistant's message holds text only.
            ledger.drop(part.at, getattr(part, "kind", type(part).__name__.lower()), "content")
            unknown_extras(getattr(part, "extras", None), PROTOCOL, part.at, ledger)


def _encode_reasoning(part: Reasoning, items: list[dict[str, Any]], facts: Facts, ledger: Ledger) -> None:
    """Reasoning with state the target takes, or any where it takes reasoning without state."""
    accepted = accepted_tokens(part.tokens, facts)
    if len(accepted) < len(part.tokens):
        ledger.drop(part.at, "thinking_signature", "state")
    if accepted:
        items.append(encode_reasoning(part, ledger, accepted))
    elif worded(part.extras):
        items.append(encode_reasoning(part, ledger, []))
    elif facts.reasoning_unsigned and part.text and not part.redacted:
        unknown_extras(part.extras, PROTOCOL, part.at, ledger)
        items.append({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": part.text}]})
    else:
        ledger.drop(part.at, "redacted_thinking" if part.redacted else "thinking", "state")
        unknown_extras(part.extras, PROTOCOL, part.at, ledger)


def _encode_result(result: ToolResult, items: list[dict[str, Any]], facts: Facts, ledger: Ledger) -> None:
    """`function_call_output`, `custom_tool_call_output`, or a hosted tool's own item."""
    if result.cache is not None:
        ledger.drop(result.cache.path(result.at), "cache_control", "cache")
    if result.runs == "provider":
        item = own_item(result)
        if item is not None:
            items.append(item)
        elif not inside_call(result):
            drop_hosted(result, ledger)
        return
    kind = "custom_tool_call_output" if result.custom else "function_call_output"
    output = encode_input_parts(list(result.parts), facts, ledger) if result.parts else ""
    if result.is_error:
        output = _say_error(output, result.at, ledger)
    item = {"type": kind, "call_id": result.call_id, "output": output}
    if result.extras:
        item.update(worded(result.extras))
        put_own(item, unknown_extras(result.extras, PROTOCOL, result.at, ledger))
    items.append(item)


def _say_error(output: str | list[dict[str, Any]], at: str, ledger: Ledger) -> str | list[dict[str, Any]]:
    """Outputs have no error flag: the text has to say it."""
    text = output if isinstance(output, str) else next((x["text"] for x in output if x.get("type") == "input_text"), "")
    if "error" in text[:200].lower():
        return output
    ledger.approximate(at, "is_error", "tools", "said in the text of the output")
    if isinstance(output, str):
        return f"Error: {output}" if output else "Error"
    return [{"type": "input_text", "text": "Error:"}, *output]
