from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.protocols.fields import Fields, type_name


def fields(**values: Any) -> Fields:
    return Fields(values, "messages[3]")


TAKEN: list[tuple[str, Any, Any]] = [
    ("text", "a", "a"), ("text", "", ""), ("text_required", "", ""),
    ("flag", False, False), ("flag", True, True),
    ("whole", 3, 3), ("whole", 3.0, 3), ("whole", -1, -1),
    ("number", 3, 3), ("number", 0.5, 0.5),
    ("array", [1], [1]), ("array", [], []), ("array_required", [], []),
    ("object", {"a": 1}, {"a": 1}),
    ("strings", "a", ("a",)), ("strings", ["a", "b"], ("a", "b")), ("strings", [], ()),
    ("take", {"a": 1}, {"a": 1}), ("take", 0, 0), ("required", False, False),
]  # fmt: skip
REFUSED: list[tuple[str, Any, str]] = [
    ("text", 3, "messages[3].x: expected a string, got a whole number"),
    ("text_required", None, "messages[3].x: required"),
    ("flag", 1, "messages[3].x: expected a boolean, got a whole number"),
    ("flag", "true", "messages[3].x: expected a boolean, got a string"),
    ("whole", True, "messages[3].x: expected a whole number, got a boolean"),
    ("whole", 3.5, "messages[3].x: expected a whole number, got a number"),
    ("whole", "3", "messages[3].x: expected a whole number, got a string"),
    ("number", True, "messages[3].x: expected a number, got a boolean"),
    ("number", "1", "messages[3].x: expected a number, got a string"),
    ("array", {}, "messages[3].x: expected an array, got an object"),
    ("array_required", None, "messages[3].x: required"),
    ("object", [], "messages[3].x: expected an object, got an array"),
    ("sub", "a", "messages[3].x: expected an object, got a string"),
    ("strings", 3, "messages[3].x: expected an array of strings, got a whole number"),
    ("strings", ["a", None], "messages[3].x[1]: expected a string, got null"),
    ("required", None, "messages[3].x: required"),
]
OPTIONAL = ["text", "flag", "whole", "number", "array", "object", "sub", "take"]


@pytest.mark.parametrize(("kind", "value", "taken"), TAKEN)
def test_takes_a_value_and_leaves_nothing(kind: str, value: Any, taken: Any) -> None:
    f = fields(x=value)
    got = getattr(f, kind)("x")
    assert got == taken
    assert type(got) is type(taken)
    assert f.rest() == {}


@pytest.mark.parametrize(("kind", "value", "message"), REFUSED)
def test_a_wrong_value_is_a_400_that_names_its_path(kind: str, value: Any, message: str) -> None:
    with pytest.raises(ApiError) as raised:
        getattr(fields(x=value), kind)("x")
    assert (raised.value.kind, raised.value.message) == ("invalid", message)
    assert message.startswith(f"{raised.value.path}:")


@pytest.mark.parametrize("kind", OPTIONAL)
@pytest.mark.parametrize("values", [{}, {"x": None}])
def test_null_counts_as_absent(kind: str, values: dict[str, Any]) -> None:
    assert getattr(fields(**values), kind)("x") is None
    assert fields(**values).strings("x") == ()


def test_a_sub_object_knows_its_path() -> None:
    sub = fields(source={"kind": 3}).sub("source")
    assert sub is not None
    with pytest.raises(ApiError, match=r"messages\[3\]\.source\.kind: expected a string"):
        sub.text("kind")


@pytest.mark.parametrize(("path", "expected"), [("", "a"), ("messages[0]", "messages[0].a")])
def test_paths(path: str, expected: str) -> None:
    assert Fields({}, path).at("a") == expected
    assert Fields({}, path).error("a", "no").message == f"{expected}: no"


@pytest.mark.parametrize(("path", "value", "message"), [
    ("", [], "body: expected an object, got an array"),
    ("messages[0]", "x", "messages[0]: expected an object, got a string"),
    ("messages[0]", None, "messages[0]: expected an object, got null"),
])  # fmt: skip
def test_only_objects_have_fields(path: str, value: Any, message: str) -> None:
    with pytest.raises(ApiError) as raised:
        Fields(value, path)
    assert raised.value.message == message


def test_the_rest_is_what_nobody_took_and_is_not_null() -> None:
    body = {"a": 1, "b": 2, "c": None, "d": {"e": None}}
    f = Fields(body, "")
    f.take("a")
    assert f.has("b")
    assert f.has("c")
    assert not f.has("a")
    assert f.rest() == {"b": 2, "d": {"e": None}}
    assert f.extras("alpha") == {"alpha": {"b": 2, "d": {"e": None}}}
    assert body == {"a": 1, "b": 2, "c": None, "d": {"e": None}}


def test_no_rest_is_no_extras() -> None:
    assert Fields({"c": None}, "").extras("alpha") is None


@pytest.mark.parametrize(
    ("value", "name"), [({}, "an object"), ([], "an array"), ("", "a string"), (True, "a boolean"), (1, "a whole number"), (None, "null")]
)
def test_types_have_json_names(value: Any, name: str) -> None:
    assert type_name(value) == name


def test_leftovers_of_nested_objects_can_be_kept() -> None:
    f = Fields({"nested": {"odd": 1}}, "")
    nested = f.sub("nested")
    assert nested is not None
    f.keep("nested.odd", nested.take("odd"))
    assert f.extras("alpha") == {"alpha": {"nested.odd": 1}}
