"""Gemini's `Schema` (an OpenAPI 3.0 subset) <-> JSON schema.

    {"type": "STRING", "nullable": true}  <->  {"type": ["string", "null"]}

Types change case, `nullable` becomes a null type and back, snake_case keywords become camelCase, whole numbers sent as text
(`"minItems": "1"`) become numbers. `propertyOrdering`, `format: enum` and `example` stay: they are harmless in a JSON schema and
come back unchanged. Names of properties are never touched. Encoding writes what it is given: rewriting the meaning of keywords
Gemini lacks is the adapt step's work. Source: google-genai `types.Schema` (read November 2026).
"""

from collections.abc import Callable
from typing import Any

from .spelling import camel

_ONE = frozenset({"items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions", "defs"})
_WHOLE = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})
_LITERAL = frozenset({"enum", "default", "example", "examples", "const", "required", "propertyOrdering"})
# Vertex's `Schema` spells these without the dollar sign.
_DOLLAR_IN = {"defs": "$defs", "ref": "$ref"}
_TYPE_NUMBERS = {1: "string", 2: "number", 3: "integer", 4: "boolean", 5: "array", 6: "object", 7: "null"}


def decode_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """`Schema` -> JSON schema."""
    out: dict[str, Any] = {}
    nullable = False
    for name, value in schema.items():
        key = camel(name) if "_" in name else name
        if value is None:
            continue
        if key == "type":
            out[key] = _decode_type(value)
        elif key == "nullable":
            nullable = value is True
            if not nullable:
                out[key] = value
        elif key in _WHOLE and isinstance(value, str) and value.isdecimal():
            out[key] = int(value)
        else:
            out[_DOLLAR_IN.get(key, key)] = _walk(key, value, decode_schema)
    return _with_null(out) if nullable else out


def encode_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """JSON schema -> `Schema`."""
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            _encode_type(value, out)
        elif key == "anyOf" and isinstance(value, list):
            _encode_any_of(value, out)
        elif key == "enum" and isinstance(value, list) and None in value:
            out[key] = [item for item in value if item is not None]
            out["nullable"] = True
        else:
            out[key] = _walk(key, value, encode_schema)
    return out


def _walk(key: str, value: Any, step: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """`value` with `step` taken on every schema inside; data and plain keywords stay."""
    if key in _LITERAL:
        return value
    if isinstance(value, dict):
        if key in _ONE:
            return step(value)
        if key in _MAPS:
            return {name: step(inner) if isinstance(inner, dict) else inner for name, inner in value.items()}
    elif isinstance(value, list) and (key in _LISTS or key == "items"):
        return [step(inner) if isinstance(inner, dict) else inner for inner in value]
    return value


def _decode_type(value: Any) -> Any:
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, list):
        return [_decode_type(item) for item in value]
    return _TYPE_NUMBERS.get(value, value) if isinstance(value, int) else value


def _with_null(out: dict[str, Any]) -> dict[str, Any]:
    """A schema that also takes null."""
    if isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
    elif "anyOf" in out and isinstance(out["anyOf"], list):
        out["anyOf"] = [*out["anyOf"], {"type": "null"}]
    else:
        out["nullable"] = True
    if isinstance(out.get("enum"), list) and None not in out["enum"]:
        out["enum"] = [*out["enum"], None]
    return out


def _encode_type(value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, str):
        out["type"] = value.upper()
    elif isinstance(value, list):
        kinds = [kind for kind in value if kind != "null"]
        if len(kinds) < len(value):
            out["nullable"] = True
        if len(kinds) == 1:
            out["type"] = kinds[0].upper() if isinstance(kinds[0], str) else kinds[0]
        elif kinds:
            out["anyOf"] = [{"type": kind.upper()} for kind in kinds if isinstance(kind, str)]
        else:
            out["type"] = "NULL"
    else:
        out["type"] = value


def _encode_any_of(options: list[Any], out: dict[str, Any]) -> None:
    kept = [option for option in options if option != {"type": "null"}]
    if len(kept) < len(options):
        out["nullable"] = True
    if kept:
        out["anyOf"] = [encode_schema(option) if isinstance(option, dict) else option for option in kept]
