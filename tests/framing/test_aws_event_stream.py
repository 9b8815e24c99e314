"""The event stream framing against botocore's own, byte for byte and frame for frame."""

import struct
from base64 import b64decode
from binascii import crc32
from uuid import UUID

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_api_converter.framing.aws_event_stream import (
    AwsEventReader,
    FrameError,
    aws_event,
    aws_exception,
    aws_frame,
    decode_headers,
    event_headers,
)
from tests.recordings import load, needs_recordings

HEADERS = {":event-type": "messageStart", ":content-type": "application/json", ":message-type": "event"}
ONE = aws_event(HEADERS, b'{"role":"assistant"}')


def botocore_frames(data: bytes) -> list[tuple[dict[str, object], bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [(event.headers, event.payload) for event in buffer]


def read_in(data: bytes, size: int) -> list[tuple[dict[str, object], bytes]]:
    reader, out = AwsEventReader(), []
    for at in range(0, len(data), size):
        out += reader.feed(data[at : at + size])
    reader.finish()
    return out


def read_rest(reader: AwsEventReader, data: bytes) -> None:
    reader.feed(data)
    reader.finish()


names = st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=20)
frames = st.lists(st.tuples(st.dictionaries(names, st.text(max_size=30), max_size=4), st.binary(max_size=60)), max_size=4)


@settings(max_examples=60, deadline=None)
@given(frames, st.integers(1, 40))
def test_botocore_reads_what_is_written_and_so_does_the_reader(given_frames: list, size: int) -> None:
    data = b"".join(aws_event(headers, payload) for headers, payload in given_frames)
    assert botocore_frames(data) == given_frames
    assert read_in(data, size) == given_frames


@needs_recordings
def test_recorded_streams_read_as_botocore_reads_them_and_are_written_back_byte_for_byte() -> None:
    count = 0
    for record in load("bedrock_converse_stream"):
        if "body_b64" not in record["response"]:
            continue
        data = b64decode(record["response"]["body_b64"])
        found = read_in(data, len(data))
        assert found == botocore_frames(data)
        assert read_in(data, 7) == found
        assert b"".join(aws_event(headers, payload) for headers, payload in found) == data
        count += len(found)
    assert count > 1500


def test_event_headers_stand_in_the_order_the_service_writes_them() -> None:
    assert aws_frame(event_headers("messageStart"), b'{"role":"assistant"}') == ONE


@pytest.mark.parametrize("size", [1, 7, len(ONE) * 2])
def test_a_wrong_checksum_is_an_error_after_the_frames_before_it(size: int) -> None:
    data = ONE + ONE[:-1] + bytes([ONE[-1] ^ 1])
    reader, out = AwsEventReader(), []
    for at in range(0, len(ONE), size):
        out += reader.feed(data[at : at + size])
    with pytest.raises(FrameError, match="checksum of an event stream frame"):
        read_rest(reader, data[at + size :])
    assert out == [(HEADERS, b'{"role":"assistant"}')]
    with pytest.raises(FrameError):
        reader.feed(b"")


@pytest.mark.parametrize("at", range(0, len(ONE), 5))
def test_any_changed_byte_is_noticed(at: int) -> None:
    damaged = ONE[:at] + bytes([ONE[at] ^ 0x40]) + ONE[at + 1 :]
    with pytest.raises(FrameError):
        read_in(damaged, len(damaged))


@pytest.mark.parametrize(("total", "headers"), [(15, 0), (20, 10), (30 * 1024 * 1024, 0), (200 * 1024, 150 * 1024)])
def test_impossible_lengths_are_refused_though_their_checksum_is_right(total: int, headers: int) -> None:
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(FrameError, match="impossible lengths"):
        AwsEventReader().feed(lengths + struct.pack(">I", crc32(lengths)))


def test_input_that_ends_inside_a_frame_is_an_error() -> None:
    reader = AwsEventReader()
    assert reader.feed(ONE[:-3]) == []
    with pytest.raises(FrameError, match="ended inside a frame"):
        reader.finish()


def test_headers_of_every_type() -> None:
    def header(name: bytes, kind: int, value: bytes) -> bytes:
        return bytes([len(name)]) + name + bytes([kind]) + value

    uuid = UUID("01234567-89ab-cdef-0123-456789abcdef")
    raw = (
        header(b"yes", 0, b"")
        + header(b"no", 1, b"")
        + header(b"byte", 2, b"\xff")
        + header(b"short", 3, b"\x01\x00")
        + header(b"int", 4, b"\x00\x00\x00\x05")
        + header(b"long", 5, b"\xff" * 8)
        + header(b"bytes", 6, b"\x00\x02ab")
        + header(b"text", 7, b"\x00\x02ab")
        + header(b"time", 8, b"\x00" * 7 + b"\x09")
        + header(b"uuid", 9, uuid.bytes)
    )
    expected = {
        "yes": True, "no": False, "byte": -1, "short": 256, "int": 5, "long": -1, "bytes": b"ab", "text": "ab", "time": 9, "uuid": uuid.bytes,
    }  # fmt: skip
    assert decode_headers(raw) == expected
    frame = aws_frame(raw, b"payload")
    assert botocore_frames(frame) == [({**expected}, b"payload")]
    with pytest.raises(FrameError, match="unknown type 10"):
        decode_headers(header(b"odd", 10, b""))
    with pytest.raises(FrameError, match="cannot be read"):
        decode_headers(b"\x03ab")
    with pytest.raises(FrameError, match="end too early"):
        decode_headers(header(b"text", 7, b"\x00\x09ab"))


def test_an_exception_frame_is_one_for_botocore() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(aws_exception("throttlingException", b'{"message":"slow down"}'))
    event = next(iter(buffer))
    assert event.to_response_dict()["status_code"] == 400
    assert event.headers[":exception-type"] == "throttlingException"
