"""What of a request's or an answer's body may be written down: all of its text, where that was asked for, or its outline without content.

Pure; both are bounded, whatever the size of the body.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

LIMIT = 65_536
"""Characters of one body that are shown."""
WINDOW = 4 * 1_048_576
"""Bytes of one body that are looked at."""
_SLACK = 4096
"""More than any secret is long: at the end of a window, half of one might stand."""
_LONG_RUN = re.compile(r"[A-Za-z0-9+/_-]{2000,}={0,2}")
_KEYS = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{30,}|(?:AKIA|ASIA)[A-Z0-9]{16}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)"
)
"""What users paste into prompts by mistake: API keys in common forms, and JSON web tokens."""
_SAID = frozenset({
    "type", "role", "model", "object", "id", "call_id", "tool_call_id", "tool_use_id", "tooluseid", "stop_reason", "finish_reason",
    "finishreason", "stopreason", "status", "media_type", "mimetype", "format", "effort",
})  # fmt: skip
"""Fields (in lower case) whose values say what a thing is, not what anybody wrote."""
_WORD = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_FREE = frozenset({
    "input", "args", "json", "response", "metadata", "parameters", "input_schema", "inputschema", "schema", "parametersjsonschema",
})  # fmt: skip
"""Objects below these (in lower case) have fields of the users' own making."""


def shown(body: bytes, redact: Callable[[str], str]) -> str:
    """The body as text: secrets that `redact` knows and what looks like a key replaced, base64 and what is beyond the limit left out."""
    text = body[:WINDOW].decode("utf-8", "replace")
    text = _KEYS.sub("***", redact(text))
    if len(body) > WINDOW:
        text = text[:-_SLACK]
    text = _LONG_RUN.sub(lambda run: f"<{len(run[0])} characters>", text)
    return text if len(text) <= LIMIT and len(body) <= WINDOW else f"{text[:LIMIT]}... <{len(body)} bytes in all>"


def outline(body: bytes) -> str:
    """JSON text of the same shape, each string that anybody wrote replaced by its length; `<N bytes>` for what is no JSON."""
    try:
        tree = msgspec.json.decode(body) if len(body) <= WINDOW else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        tree = None
    if tree is None:
        return msgspec.json.encode(f"<{len(body)} bytes>").decode()
    text = msgspec.json.encode(_outlined(tree, "", False)).decode()
    return text if len(text) <= LIMIT else msgspec.json.encode(f"<{len(body)} bytes>").decode()


def _outlined(value: Any, field: str, free: bool) -> Any:
    if isinstance(value, str):
        said = not free and field.lower() in _SAID and _WORD.fullmatch(value) and not _KEYS.search(value)
        return value if said else f"<{len(value)} characters>"
    if isinstance(value, list):
        return [_outlined(item, field, free) for item in value]
    if isinstance(value, dict):
        free = free or field.lower() in _FREE
        return {name: _outlined(item, name, free) for name, item in value.items()}
    return value
