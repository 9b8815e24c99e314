"""JSON schemas in the dialect a target reads, with as much of their meaning as it can hold.

`openapi` (Gemini's `Schema`): references are written out, `const` becomes a one-value enum, exclusive integer bounds become plain
ones, `oneOf` becomes `anyOf`, `allOf` is merged. `strict_objects` (structured output of strict targets): every object is closed.
A rule that has no place in the dialect is told in the schema's description, so that the model still reads it, and is reported at
its own path. Names of properties are never taken for keywords. Schemas that fit are given back as they are.

Sources: google-genai 3.4.0 `types.Schema`, anthropic 2.12.0 `lib/_parse/_transform.py` (read November 2026).
"""

import json
from typing import Any

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..request import ProviderTool, Request, Tool
from .walk import Notes

Json = dict[str, Any]

_NOTHING = frozenset({"$schema", "$id", "$comment", "$anchor", "$defs", "definitions", "examples"})
"""Keywords that rule nothing once references are written out."""
_OPENAPI = frozenset({
    "type", "format", "title", "description", "nullable", "enum", "items", "maxItems", "minItems", "properties", "required",
    "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "example", "anyOf", "propertyOrdering", "default",
    "minimum", "maximum", "additionalProperties",
})  # fmt: skip
_OPENAPI_STRING_FORMATS = frozenset({"date-time", "enum"})
_STRICT = frozenset({
    "type", "title", "description", "enum", "const", "anyOf", "allOf", "$ref", "$defs", "definitions", "properties", "required",
    "additionalProperties", "items", "default", "nullable", "propertyOrdering",
})  # fmt: skip
_STRICT_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_RULES = frozenset({
    "patternProperties", "propertyNames", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies", "contains",
    "minContains", "maxContains", "uniqueItems", "multipleOf", "unevaluatedProperties", "unevaluatedItems", "additionalItems",
    "contentEncoding", "contentMediaType", "format", "enum", "const", "minLength", "maxLength", "pattern", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "prefixItems", "minProperties", "maxProperties", "oneOf", "anyOf",
    "allOf",
})  # fmt: skip
"""Keywords worth telling in words. Others (`deprecated`, a vendor's own, a field that strayed in) rule nothing and only go."""
_OF_TYPE = {
    "minLength": "string", "maxLength": "string", "pattern": "string", "format": "string", "minimum": "number", "maximum": "number",
    "items": "array", "minItems": "array", "maxItems": "array", "properties": "object", "required": "object",
    "additionalProperties": "object", "minProperties": "object", "maxProperties": "object", "propertyOrdering": "object",
}  # fmt: skip
"""Keywords that rule one type of value only."""
_SHAPES = {"properties": (dict,), "items": (dict, list), "anyOf": (list,), "additionalProperties": (bool, dict), "type": (str, list)}
"""What the keywords that hold schemas may be."""


def fit_schemas(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Schemas of tools (`openapi`) and of structured output (both dialects)."""
    if facts.schema_dialect == "full":
        return request
    openapi = facts.schema_dialect == "openapi"
    if openapi and request.tools:
        tools = tuple(_fitted_tool(tool, request, ledger) for tool in request.tools)
        if any(after is not before for after, before in zip(tools, request.tools, strict=True)):
            request = replace(request, tools=tools)
    output = request.output
    if output is None or output.schema is None:
        return request
    dialect = _OpenApi(output.schema, ledger) if openapi else _Strict(output.schema, ledger)
    schema = dialect.fitted(request.path("output.schema") if "output.schema" in request.paths else request.path("output"))
    return request if schema is output.schema else replace(request, output=replace(output, schema=schema))


def _fitted_tool(tool: Tool | ProviderTool, request: Request, ledger: Ledger) -> Tool | ProviderTool:
    if not isinstance(tool, Tool) or tool.schema is None:
        return tool
    schema = _OpenApi(tool.schema, ledger).fitted(request.tool_path(tool, "schema"))
    return tool if schema is tool.schema else replace(tool, schema=schema)


def _told(schema: Json, rules: Json) -> None:
    """Add rules that have no keyword to a schema's description (of a copy)."""
    if rules:
        words = "{" + ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in rules.items()) + "}"
        before = schema.get("description")
        schema["description"] = f"{before}\n\n{words}" if isinstance(before, str) and before else words


def _tell(ledger: Ledger, key: str, value: Any, at: str, rules: Json) -> None:
    """A keyword the dialect has not: its rule is kept for the description, or it goes."""
    if key in _RULES:
        rules[key] = value
        ledger.approximate(at, key, "tuning", "told in the description: the target's schemas have no such rule")
    else:
        ledger.drop(at, key, "tuning", "the target's schemas have no such keyword")


def _one_of(value: Any, names: Any) -> bool:
    """Is this one of the names? Schemas come from anywhere: anything may stand in any place."""
    return type(value) is str and type(names) in (dict, frozenset) and value in names


def _format_fits(value: Any, kind: Any) -> bool:
    """Text has two formats in Gemini's subset; those of numbers are taken as they are."""
    return kind in ("integer", "number") or _one_of(value, _OPENAPI_STRING_FORMATS)


class _OpenApi:
    """One schema document in Gemini's subset."""

    def __init__(self, root: Json, ledger: Ledger) -> None:
        self.root = root
        self.ledger = ledger

    def fitted(self, path: str) -> Json:
        """The document; the same object where nothing had to change."""
        return self.root if self._fits(self.root) else self._schema(self.root, path, ())

    def _fits(self, schema: Any) -> bool:
        """Does this schema hold nothing but what the subset knows?"""
        if type(schema) is not dict:
            return False
        for key, value in schema.items():
            if key not in _OPENAPI:
                return False
            if key == "properties":
                if type(value) is not dict or not all(map(self._fits, value.values())):
                    return False
            elif key == "items":
                if not self._fits(value):
                    return False
            elif key == "anyOf":
                if type(value) is not list or not all(map(self._fits, value)):
                    return False
            elif key == "additionalProperties":
                if type(value) is not bool and not self._fits(value):
                    return False
            elif key == "type":
                if type(value) is list and (len(value) != 1 + value.count("null") or not all(type(kind) is str for kind in value)):
                    return False
                if type(value) not in _SHAPES["type"]:
                    return False
            elif key == "enum":
                if type(value) is not list or not value or not all(type(item) is str or item is None for item in value):
                    return False
            elif key == "format":
                if not _format_fits(value, schema.get("type")):
                    return False
            elif key == "required" and (type(value) is not list or not all(_one_of(name, schema.get("properties")) for name in value)):
                return False
        return True

    def _schema(self, schema: Any, path: str, refs: tuple[str, ...]) -> Json:
        """One schema, rewritten. `refs` are the references being written out around it."""
        if schema is True:
            return {}
        if type(schema) is not dict:
            self.ledger.approximate(path, "schema", "tuning", "not a schema the target knows: anything is allowed")
            return {}
        schema, refs = self._resolved(schema, path, refs)
        schema = self._merged(schema, path, refs)
        out: Json = {}
        rules: Json = {}
        for key, value in schema.items():
            at = f"{path}.{key}"
            if key in _NOTHING:
                continue
            if key == "properties" and type(value) is dict:
                out[key] = {name: self._schema(inner, f"{at}.{name}", refs) for name, inner in value.items()}
            elif key == "items" and type(value) is dict:
                out[key] = self._schema(value, at, refs)
            elif key in ("items", "prefixItems") and type(value) is list:
                self._tuple(value, at, refs, out)
            elif key == "anyOf" and type(value) is list:
                out[key] = [self._schema(inner, f"{at}[{index}]", refs) for index, inner in enumerate(value)]
            elif key == "additionalProperties" and type(value) is dict:
                out[key] = self._schema(value, at, refs)
            elif key in ("enum", "const"):
                self._enum(value if key == "enum" else [value], schema, at, out, rules)
            elif key in ("exclusiveMinimum", "exclusiveMaximum"):
                self._bound(key, value, schema, at, out)
            elif key == "format" and not _format_fits(value, schema.get("type")):
                _tell(self.ledger, key, value, at, rules)
            elif key in _SHAPES and type(value) not in _SHAPES[key]:
                self.ledger.drop(at, key, "tuning", "not what a schema may hold there")
            elif key in _OPENAPI:
                out[key] = value
            elif key != "$ref":
                _tell(self.ledger, key, value, at, rules)
        self._required(out, path)
        _told(out, rules)
        return self._one_type(out)

    def _resolved(self, schema: Json, path: str, refs: tuple[str, ...]) -> tuple[Json, tuple[str, ...]]:
        """A reference written out; fields beside it win. A schema inside itself becomes any object."""
        while type(ref := schema.get("$ref")) is str:
            beside = {key: value for key, value in schema.items() if key != "$ref"}
            if ref in refs:
                self.ledger.approximate(f"{path}.$ref", "$ref", "tuning", "a schema inside itself: any object is allowed there")
                return {"type": "object", "description": f"Again as {ref.rsplit('/', 1)[-1]}.", **beside}, refs
            found = self._looked_up(ref)
            if found is None:
                self.ledger.approximate(f"{path}.$ref", "$ref", "tuning", f"{ref} is not in the schema: anything is allowed there")
                return beside, refs
            refs = (*refs, ref)
            schema = {**found, **beside}
        return schema, refs

    def _looked_up(self, ref: str) -> Json | None:
        """What `#/$defs/Name` names in this document."""
        if not ref.startswith("#"):
            return None
        found: Any = self.root
        for step in ref[1:].split("/"):
            if not step:
                continue
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if type(found) is dict else None
        return found if type(found) is dict else None

    def _merged(self, schema: Json, path: str, refs: tuple[str, ...]) -> Json:
        """`oneOf` as `anyOf`; the members of `allOf` in one schema."""
        if "oneOf" in schema and "anyOf" not in schema:
            schema = {("anyOf" if key == "oneOf" else key): value for key, value in schema.items()}
        members = schema.get("allOf")
        if type(members) is not list:
            return schema
        out = {key: value for key, value in schema.items() if key != "allOf"}
        for index, member in enumerate(members):
            if type(member) is not dict:
                continue
            inner, _ = self._resolved(member, f"{path}.allOf[{index}]", refs)
            inner = self._merged(inner, f"{path}.allOf[{index}]", refs)
            for key, value in inner.items():
                if key == "properties" and type(value) is dict and type(out.get(key)) is dict:
                    out[key] = {**value, **out[key]}
                elif key == "required" and type(value) is list and type(out.get(key)) is list:
                    out[key] = [*out[key], *(name for name in value if name not in out[key])]
                elif key not in out:
                    out[key] = value
                elif out[key] != value and key not in ("title", "description", *_NOTHING):
                    self.ledger.approximate(f"{path}.allOf[{index}].{key}", "allOf", "tuning", "two rules for one thing: the first is sent")
        return out

    def _tuple(self, members: list[Any], at: str, refs: tuple[str, ...], out: Json) -> None:
        """An array with a schema for each place: any of them in any place."""
        self.ledger.approximate(at, "prefixItems", "tuning", "the order of the items is not said")
        choices = [self._schema(inner, f"{at}[{index}]", refs) for index, inner in enumerate(members)]
        if choices:
            out["items"] = choices[0] if len(choices) == 1 else {"anyOf": choices}

    def _enum(self, values: Any, schema: Json, at: str, out: Json, rules: Json) -> None:
        """Values as text; `{"type": "integer", "enum": ["1"]}` is how the subset writes numbers. Others are told in words."""
        if type(values) is not list or not values:
            self.ledger.drop(at, "enum", "tuning", "not what a schema may hold there")
            return
        if any(type(value) in (bool, dict, list) for value in values):
            _tell(self.ledger, "enum", values, at, rules)
            return
        if any(type(value) in (int, float) for value in values):
            self.ledger.approximate(at, "enum", "tuning", "numbers are sent as text")
            out.setdefault("type", "integer" if all(type(value) is int for value in values) else "number")
        elif "type" not in schema and all(type(value) is str for value in values):
            out["type"] = "string"
        out["enum"] = [value if type(value) is str or value is None else json.dumps(value) for value in values]

    def _bound(self, key: str, value: Any, schema: Json, at: str, out: Json) -> None:
        """An exclusive bound. Whole numbers have a plain one that says the same; others keep the nearest."""
        plain = "minimum" if key == "exclusiveMinimum" else "maximum"
        if type(value) is bool:  # the form of older drafts: the plain bound beside it is meant exclusively
            value = schema.get(plain) if value else None
        if type(value) not in (int, float):
            return
        if schema.get("type") == "integer":
            value = (int(value // 1) + 1) if plain == "minimum" else -(int(-value // 1) + 1)
        else:
            self.ledger.approximate(at, key, "tuning", f"sent as {plain} {value}")
        other = schema.get(plain)
        if type(other) in (int, float) and type(schema[key]) is not bool:
            value = max(value, other) if plain == "minimum" else min(value, other)
        out[plain] = value

    def _required(self, out: Json, path: str) -> None:
        """Only properties that are there can be required."""
        names = out.get("required")
        if names is None:
            return
        kept = [name for name in names if _one_of(name, out.get("properties"))] if type(names) is list else []
        if kept != names:
            self.ledger.approximate(f"{path}.required", "required", "tuning", "it names properties that are not described")
        if kept:
            out["required"] = kept
        else:
            del out["required"]

    def _one_type(self, out: Json) -> Json:
        """Several types become alternatives; one type and null stay together (the encoder writes it as nullable)."""
        kinds = out.get("type")
        if type(kinds) is not list:
            return out
        real = [kind for kind in kinds if type(kind) is str and kind != "null"]
        if len(real) == 1:
            return out if len(kinds) == 1 + kinds.count("null") else {**out, "type": real[0]}
        if not real:
            return {**out, "type": "null"}
        shared = {key: value for key, value in out.items() if key in ("title", "description", "default", "nullable", "example")}
        rest = {key: value for key, value in out.items() if key not in shared and key not in ("type", "anyOf")}
        choices = [
            {"type": kind, **{key: value for key, value in rest.items() if _OF_TYPE.get(key, kind) in (kind, _WIDER.get(kind))}}
            for kind in real
        ]
        if "null" in kinds:
            choices.append({"type": "null"})
        return {**shared, "anyOf": choices}


_WIDER = {"integer": "number"}


class _Strict:
    """One schema document for strict structured output: closed objects, and no rules on values."""

    def __init__(self, root: Json, ledger: Ledger) -> None:
        self.root = root
        self.ledger = ledger

    def fitted(self, path: str) -> Json:
        """The document; the same object where nothing had to change."""
        after = self._schema(self.root, path)
        return self.root if after == self.root else after

    def _schema(self, schema: Any, path: str) -> Json:
        if type(schema) is not dict:
            return {}
        out: Json = {}
        rules: Json = {}
        for key, value in schema.items():
            at = f"{path}.{key}"
            if key in ("properties", "$defs", "definitions") and type(value) is dict:
                out[key] = {name: self._schema(inner, f"{at}.{name}") for name, inner in value.items()}
            elif key in ("anyOf", "oneOf", "allOf") and type(value) is list:
                # Alternatives that exclude each other are sent as alternatives: the target has only those.
                name = "anyOf" if key == "oneOf" and "anyOf" not in schema else key
                if name in _STRICT:
                    out[name] = [self._schema(inner, f"{at}[{index}]") for index, inner in enumerate(value)]
                else:
                    _tell(self.ledger, key, value, at, rules)
            elif key == "items" and type(value) is dict:
                out[key] = self._schema(value, at)
            elif key == "additionalProperties":
                if value is not False:
                    self.ledger.approximate(at, key, "tuning", "strict output takes closed objects only")
                out[key] = False
            elif key in ("$schema", "$id", "$comment", "examples"):
                continue
            elif key in _STRICT or (key == "format" and _one_of(value, _STRICT_FORMATS)) or (key == "minItems" and value in (0, 1)):
                out[key] = value
            else:
                _tell(self.ledger, key, value, at, rules)
        if _is_object(out):
            out.setdefault("additionalProperties", False)
        _told(out, rules)
        return out


def _is_object(schema: Json) -> bool:
    kind = schema.get("type")
    return kind == "object" or (type(kind) is list and "object" in kind) or "properties" in schema
