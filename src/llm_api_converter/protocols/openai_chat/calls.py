"""`tool_calls[]` <-> ToolCall parts, and the opaque state that rides beside calls and messages in `extra_content`.

Arguments stay text: they may be invalid JSON. `""` is a call without arguments. Google's compatible endpoint carries thought
signatures as `extra_content.google.thought_signature`; the gateway's own seals are `extra_content.gateway.seal` (several on one
message: `seals`). A call that came without an id gets one made of what it belongs to, so that a stream and the plain
answer to the same call agree.
"""

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Opaque, ToolCall
from ..fields import Fields
from .parts import put_extras
from .wire import PROTOCOL, REALM, encode_json


def minted_id(owner: str, number: int) -> str:
    """An id for call `number` of `owner` (a response id, or a place in the request)."""
    return "call_" + blake2b(f"{owner}/{number}".encode(), digest_size=12).hexdigest()


def decode_calls(values: list[Any] | None, at: str, owner: str) -> list[ToolCall]:
    """All calls of one message."""
    return [decode_call(value, f"{at}[{i}]", owner, i) for i, value in enumerate(values or ())]


def decode_call(value: Any, at: str, owner: str, number: int) -> ToolCall:
    """`{"id", "type": "function", "function": {"name", "arguments"}}`, or `custom` with `name` and `input`."""
    plain = _plain_call(value, at)
    if plain is not None:
        return plain
    f = Fields(value, at)
    call_id = f.text("id") or minted_id(owner or at, number)
    kind = f.text("type")
    f.take("index")
    tokens, extras = decode_extra_content(f)
    inner = f.sub("custom")
    if inner is not None and (kind == "custom" or not f.has("function")):
        f.take("function")
        name, arguments, custom = inner.text_required("name"), inner.text("input") or "", True
        prefix = "custom"
    else:
        inner = Fields(f.required("function"), f.at("function"))
        name, arguments, custom = inner.text_required("name"), decode_arguments(inner), False
        prefix = "function"
    rest = inner.rest()
    if rest:
        extras.update({f"{prefix}.{k}": v for k, v in rest.items()})
    extras.update(f.rest())
    return ToolCall(call_id, name, arguments, custom=custom, tokens=tokens, extras={PROTOCOL: extras} if extras else None, at=at)


def _plain_call(value: Any, at: str) -> ToolCall | None:
    """A function call with nothing on it but what it must have; None for all others."""
    if type(value) is not dict or len(value) != 3 or value.get("type") != "function":
        return None
    call_id, inner = value.get("id"), value.get("function")
    if type(call_id) is not str or not call_id or type(inner) is not dict or len(inner) != 2:
        return None
    name, arguments = inner.get("name"), inner.get("arguments")
    return ToolCall(call_id, name, arguments or "{}", at=at) if type(name) is str and type(arguments) is str else None


def decode_arguments(inner: Fields) -> str:
    """Text as a rule; some servers send the object itself."""
    value = inner.take("arguments")
    if value is None or value == "":
        return "{}"
    return value if type(value) is str else encode_json(value).decode()


def decode_extra_content(f: Fields) -> tuple[tuple[Opaque, ...], dict[str, Any]]:
    """The tokens in `extra_content`, and what else it holds as extras."""
    return tokens_of(f.object("extra_content")) if f.has("extra_content") else ((), {})


def tokens_of(content: Any) -> tuple[tuple[Opaque, ...], dict[str, Any]]:
    """`extra_content` itself, taken apart. What is no token is left as `extra_content.owner.field`."""
    left: dict[str, Any] = {}
    tokens: list[Opaque] = []
    for owner, value in (content.items() if type(content) is dict else ()):
        if owner not in _STATE or type(value) is not dict:
            left[f"extra_content.{owner}"] = value
            continue
        for field, found in value.items():
            if field not in _STATE[owner]:
                left[f"extra_content.{owner}.{field}"] = found
                continue
            texts = found if type(found) is list else [found]
            tokens.extend(Opaque(REALM, "signature", x) for x in texts if type(x) is str)
    return tuple(tokens), left


_STATE = {"google": ("thought_signature",), "gateway": ("seal", "seals")}


def encode_call(call: ToolCall, accepts: Callable[[Opaque], bool], ledger: Ledger) -> dict[str, Any]:
    """One element of `tool_calls`."""
    if call.custom:
        out: dict[str, Any] = {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        out = {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments or "{}"}}
    if call.namespace is not None:
        ledger.drop(f"{call.at}.namespace" if call.at else "namespace", "namespace", "tools")
    if call.tokens:
        content = encode_extra_content(call.tokens, accepts, call.at, ledger)
        if content:
            out["extra_content"] = content
    if call.extras:
        put_extras(out, unknown_extras(call.extras, PROTOCOL, call.at, ledger))
    return out


def encode_extra_content(tokens: Iterable[Opaque], accepts: Callable[[Opaque], bool], at: str, ledger: Ledger) -> dict[str, Any]:
    """The `extra_content` that carries these tokens; {} for none."""
    out: dict[str, Any] = {}
    seals: list[str] = []
    for token in tokens:
        if not accepts(token):
            ledger.drop(at, "thought_signature", "state")
        elif token.kind == "seal":
            seals.append(token.data)
        elif "google" in out:
            ledger.drop(at, "thought_signature", "state", "one signature a call")
        else:
            out["google"] = {"thought_signature": token.data}
    if seals:
        out["gateway"] = {"seal": seals[0]} if len(seals) == 1 else {"seals": seals}
    return out
