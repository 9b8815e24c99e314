"""Bytes that are no JSON of any kind: an upstream's failure in every codec, plain and streamed, and an error that is still told."""

import pytest

from llm_api_converter.framing.aws_event_stream import aws_frame, event_headers
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Failed
from llm_api_converter.protocols import PROTOCOLS, codec

BROKEN = {"nested without end": b"[" * 50_000 + b"]" * 50_000, "no UTF-8": b'"\xff"', "cut off": b'{"a":', "no JSON": b"<html>"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("value", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read(protocol: str, value: bytes) -> None:
    body = b'{"id":' + value + b"}"
    with pytest.raises(ApiError) as caught:
        codec(protocol).decode_response(body)
    assert caught.value.kind == "upstream_failed"

    decoder = codec(protocol).stream_decoder()
    framed = aws_frame(event_headers("messageStart"), body) if protocol == "bedrock_converse" else b"data: " + body + b"\n\n"
    events = decoder.feed(framed) + decoder.finish()
    assert isinstance(events[-1], Failed)
    assert events[-1].error.kind in ("upstream_failed", "upstream_incomplete")

    error = codec(protocol).decode_error(503, {}, b'{"error":' + value + b"}")
    assert (error.kind, bool(error.message)) == ("overloaded", True)
