"""One read that is one event is read by a shortcut: it must say what the long way says."""

import pytest

from llm_api_converter.framing.sse import SseReader

ONE = [b"data: {}\n\n", b"data: {}\r\n\r\n", b"data: \n\n", b"data: a\rb\n\n", b"data: a\r\n\n", b"data: a\n\r\n", b"data: a\n\n\n", b"data: a\nx\n\n"]


@pytest.mark.parametrize("event", ONE)
@pytest.mark.parametrize("before", [b"", b"\r", b"event: e\n", b"data: first\n", b"da"])
def test_whole_reads_and_single_bytes_agree(event: bytes, before: bytes) -> None:
    whole, bytewise = SseReader(), SseReader()
    found = whole.feed(before) + whole.feed(event) + whole.feed(event) + whole.finish()
    slow = [item for byte in before + event + event for item in bytewise.feed(bytes([byte]))] + bytewise.finish()
    assert found == slow
    assert whole.stray == bytewise.stray
