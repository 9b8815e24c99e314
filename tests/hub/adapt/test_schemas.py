"""Schema dialects as tables: the client's schema, what is sent, what is reported."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Message, Text
from llm_api_converter.hub.request import OutputFormat, Request, Tool

Json = dict[str, Any]
HELLO = (Message("user", (Text("hi", at="messages[0].content"),), at="messages[0]"),)


def sent(schema: Json, dialect: str) -> tuple[Json | None, list[tuple[str, str]]]:
    """A schema through the dialect (as a tool's; as the output's for `strict_objects`) and the reports."""
    ledger = Ledger()
    if dialect == "strict_objects":
        request = Request("m", HELLO, output=OutputFormat("schema", schema), paths={"output": "format"})
    else:
        request = Request("m", HELLO, tools=(Tool("t", schema=schema, at="tools[0]"),))
    adapted = adapt(request, Facts(schema_dialect=dialect), ledger).request  # type: ignore[arg-type]
    reports: list[tuple[str, str]] = [(loss.path, loss.action) for loss in ledger.losses]
    if dialect == "strict_objects":
        assert adapted.output is not None
        return adapted.output.schema, reports
    tool = adapted.tools[0]
    assert isinstance(tool, Tool)
    return tool.schema, reports


def props(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


OPENAPI = [
    ("notes about the schema go", {"$schema": "x", "$id": "y", "type": "object"}, {"type": "object"}, []),
    ("const is a one-value enum", props(a={"const": "x"}), props(a={"type": "string", "enum": ["x"]}), []),
    (
        "a whole-number bound keeps its meaning",
        props(a={"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 10}),
        props(a={"type": "integer", "minimum": 1, "maximum": 9}),
        [],
    ),
    (
        "a bound between whole numbers",
        props(a={"type": "integer", "exclusiveMinimum": 0.5, "exclusiveMaximum": 2.5}),
        props(a={"type": "integer", "minimum": 1, "maximum": 2}),
        [],
    ),
    (
        "a bound of the older drafts",
        props(a={"type": "integer", "minimum": 0, "exclusiveMinimum": True}),
        props(a={"type": "integer", "minimum": 1}),
        [],
    ),
    (
        "a bound on other numbers is near",
        props(a={"type": "number", "exclusiveMinimum": 0}),
        props(a={"type": "number", "minimum": 0}),
        [("tools[0].parameters.properties.a.exclusiveMinimum", "approximated")],
    ),
    ("one type and null stay", props(a={"type": ["string", "null"]}), props(a={"type": ["string", "null"]}), []),
    (
        "several types are alternatives, each with its own rules",
        props(a={"type": ["string", "integer"], "minLength": 2, "minimum": 3, "description": "d"}),
        props(a={"description": "d", "anyOf": [{"type": "string", "minLength": 2}, {"type": "integer", "minimum": 3}]}),
        [],
    ),
    (
        "oneOf is anyOf",
        props(a={"oneOf": [{"type": "string"}, {"const": 1}]}),
        props(a={"anyOf": [{"type": "string"}, {"type": "integer", "enum": ["1"]}]}),
        [("tools[0].parameters.properties.a.anyOf[1].const", "approximated")],
    ),
    (
        "allOf is merged",
        {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}], **props(b={"type": "string"}), "required": ["b"]},
        {**props(a={"type": "string"}, b={"type": "string"}), "required": ["b", "a"]},
        [],
    ),
    (
        "references are written out",
        {"$defs": {"P": props(x={"type": "string"})}, **props(p={"$ref": "#/$defs/P", "description": "here"})},
        props(p={**props(x={"type": "string"}), "description": "here"}),
        [],
    ),
    (
        "a schema inside itself ends",
        {"$defs": {"N": props(next={"$ref": "#/$defs/N"})}, **props(n={"$ref": "#/$defs/N"})},
        props(n=props(next={"type": "object", "description": "Again as N."})),
        [("tools[0].parameters.properties.n.properties.next.$ref", "approximated")],
    ),
    (
        "a rule without a keyword is told",
        props(a={"type": "object", "propertyNames": {"pattern": "^x"}, "description": "free"}),
        props(a={"type": "object", "description": 'free\n\n{propertyNames: {"pattern": "^x"}}'}),
        [("tools[0].parameters.properties.a.propertyNames", "approximated")],
    ),
    (
        "a stray field goes",
        {"type": "object", "strict": True},
        {"type": "object"},
        [("tools[0].parameters.strict", "dropped")],
    ),
    (
        "properties named like keywords stay",
        props(const={"type": "string"}, pattern={"type": "string"}, **{"$schema": {"type": "string"}, "not": {"type": "string"}}),
        props(const={"type": "string"}, pattern={"type": "string"}, **{"$schema": {"type": "string"}, "not": {"type": "string"}}),
        [],
    ),
    (
        "only described properties are required",
        {**props(a={"type": "string"}), "required": ["a", "b"]},
        {**props(a={"type": "string"}), "required": ["a"]},
        [("tools[0].parameters.required", "approximated")],
    ),
    (
        "flags in an enum are told",
        props(a={"type": "boolean", "enum": [True]}),
        props(a={"type": "boolean", "description": "{enum: [true]}"}),
        [("tools[0].parameters.properties.a.enum", "approximated")],
    ),
]

STRICT = [
    ("objects are closed", props(a=props()), {**props(a={**props(), "additionalProperties": False}), "additionalProperties": False}, []),
    (
        "an open object is closed and reported",
        {**props(), "additionalProperties": True},
        {**props(), "additionalProperties": False},
        [("format.additionalProperties", "approximated")],
    ),
    (
        "rules on values are told",
        {"type": "array", "items": {"type": "string", "maxLength": 3, "format": "date"}, "minItems": 1},
        {"type": "array", "items": {"type": "string", "format": "date", "description": "{maxLength: 3}"}, "minItems": 1},
        [("format.items.maxLength", "approximated")],
    ),
    ("oneOf is anyOf", {"oneOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}]}, []),
    ("references stay", {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}}, {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}}, []),
]


@pytest.mark.parametrize(("schema", "want", "reports"), [x[1:] for x in OPENAPI], ids=[x[0] for x in OPENAPI])
def test_openapi(schema: Json, want: Json, reports: list[tuple[str, str]]) -> None:
    assert sent(schema, "openapi") == (want, reports)
    assert sent(want, "openapi")[1] == []


@pytest.mark.parametrize(("schema", "want", "reports"), [x[1:] for x in STRICT], ids=[x[0] for x in STRICT])
def test_strict_objects(schema: Json, want: Json, reports: list[tuple[str, str]]) -> None:
    assert sent(schema, "strict_objects") == (want, reports)
    assert sent(want, "strict_objects") == (want, [])


def test_a_schema_that_fits_is_the_same_object() -> None:
    schema = {**props(a={"type": "string", "enum": ["x", None]}, b={"type": "array", "items": {"type": "integer"}}), "required": ["a"]}
    for dialect in ("full", "openapi"):
        assert sent(schema, dialect)[0] is schema


VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["string", "object", "#/$defs/A", "#", "date-time", "null"])
KEYS = st.sampled_from([
    "type", "properties", "items", "enum", "const", "anyOf", "oneOf", "allOf", "$ref", "$defs", "required", "format", "minimum",
    "exclusiveMinimum", "exclusiveMaximum", "additionalProperties", "not", "prefixItems", "A", "description",
])  # fmt: skip
ANY_SCHEMA = st.dictionaries(
    KEYS, st.recursive(VALUES, lambda x: st.lists(x, max_size=3) | st.dictionaries(KEYS, x, max_size=3), max_leaves=12), max_size=5
)


@settings(max_examples=300, deadline=None)
@given(ANY_SCHEMA, st.sampled_from(["openapi", "strict_objects"]))
def test_any_json_passes_and_stays(schema: Json, dialect: str) -> None:
    once, _ = sent(schema, dialect)
    assert once is not None
    assert sent(once, dialect) == (once, [])
