"""JSON arrays as streams."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.framing.json_array import JsonArrayReader, JsonArrayWriter

GOOGLES = b'[{\n  "a": "x]}\\"{[",\n  "b": [1, {"c": []}]\n}\n,\r\n{\n  "d": "\\\\"\n}\n]\n'
VALUES = st.recursive(
    st.none() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.sampled_from(["a", "b", '"', "[{"]), VALUES, max_size=3), max_size=4)


def read(data: bytes, size: int) -> list[object]:
    reader = JsonArrayReader()
    found = [item for start in range(0, len(data), size) for item in reader.feed(data[start : start + size])]
    assert reader.complete
    return [msgspec.json.decode(item) for item in found]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_elements_come_as_they_are_complete(size: int) -> None:
    assert read(GOOGLES, size) == [{"a": 'x]}"{[', "b": [1, {"c": []}]}, {"d": "\\"}]


def test_an_element_comes_before_the_next_begins() -> None:
    reader = JsonArrayReader()
    assert reader.feed(b'[{"a":1}') == [b'{"a":1}']
    assert reader.feed(b'\n,{"b"') == []
    assert reader.feed(b":2}") == [b'{"b":2}']
    assert not reader.complete
    assert reader.feed(b"]") == []
    assert reader.complete


def test_an_object_alone_is_read_too() -> None:
    assert JsonArrayReader().feed(b'  {"error": {"code": 400}}\n') == [b'{"error": {"code": 400}}']


@pytest.mark.parametrize(
    ("batches", "written"),
    [([], b"[]\r\n"), ([[b"{}"]], b"[{}\r\n]\r\n"), ([[b"1", b"2"], [], [b"3"]], b"[1\r\n,\r\n2\r\n,\r\n3\r\n]\r\n")],
)
def test_what_is_written(batches: list[list[bytes]], written: bytes) -> None:
    writer = JsonArrayWriter()
    assert b"".join(writer.write(batch) for batch in batches) + writer.close() == written
    assert writer.close() == b""


@settings(max_examples=60, deadline=None)
@given(OBJECTS, st.integers(1, 9))
def test_written_and_read(values: list[dict[str, object]], size: int) -> None:
    writer = JsonArrayWriter()
    data = writer.write(msgspec.json.encode(value) for value in values) + writer.close()
    assert read(data, size) == values
