"""Every recorded stream: it decodes legally, the same for every split, to what the whole says, and writes out again."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from llm_api_converter.hub.events import Begin, Failed, check
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Media, Part, Reasoning, Refusal, Text, ToolCall
from llm_api_converter.hub.response import Response
from llm_api_converter.protocols.openai_chat import CODEC
from tests.protocols.openai_chat.wire_examples import answer, decoded, frames, joined, reference_snapshot, sdk_snapshot
from tests.recordings import load, needs_recordings

BROKEN = {
    "pydantic-ai.models-test_groq-test_tool_use_failed_error_streaming.0.2a8e23": "an error frame ends it",
    "pydantic-ai.models-test_openrouter-test_openrouter_stream_error.0.2082a3": "an error frame ends it",
}
OUT_OF_ORDER = {
    "fantasy.TestOpenAICompatibleThinking-avian-kimi-thinking-streaming.0.9": "text goes on after a call: two text parts, one in the snapshot",
}
REPEATS = "llm.test_tools_streaming-"
"""Id and name on every fragment of a call: the SDK adds them up to a name no tool has."""

ORDER = {Reasoning: 0, Text: 1, Refusal: 2, Media: 3, ToolCall: 4}


def streams() -> list[dict[str, Any]]:
    records = [r for r in load("openai_chat") if (r["response"]["status"] or 200) < 400 and isinstance(r["response"]["body"], str)]
    assert len(records) > 350
    return records


def by_kind(response: Response) -> Response:
    """A whole message has no order among kinds of parts; a stream does (state of a text may come after it). Adds no meaning."""
    parts: list[Part] = sorted(response.parts, key=lambda part: ORDER[type(part)])
    return replace(response, parts=tuple(parts))


@needs_recordings
def test_streams_are_legal_and_the_same_for_every_split() -> None:
    broken = []
    for record in streams():
        data = record["response"]["body"].encode()
        events = decoded(data)
        check(events)
        if isinstance(events[-1], Failed):
            broken.append(record["id"])
        for size in (1, 7, 64):
            assert repr(joined(decoded(data, size))) == repr(joined(events)), (record["id"], size)
    assert sorted(broken) == sorted(BROKEN)


@needs_recordings
def test_a_stream_says_what_its_snapshot_says() -> None:
    compared = by_sdk = 0
    for record in streams():
        data = record["response"]["body"].encode()
        if record["id"] in BROKEN or any(record["id"].startswith(x) for x in OUT_OF_ORDER):
            continue
        chunks = frames(data)
        snapshot = reference_snapshot(chunks)
        whole = CODEC.decode_response(json.dumps(snapshot).encode())
        assert by_kind(fold(decoded(data))) == by_kind(whole), record["id"]
        compared += 1
        if record["provider"] in ("openai", "azure") and not record["id"].startswith(REPEATS):
            by_sdk += _agrees_with_sdk(snapshot, chunks, record["id"])
    assert compared > 350
    assert by_sdk > 90


def _agrees_with_sdk(snapshot: dict[str, Any], chunks: list[dict[str, Any]], name: str) -> int:
    """Our reading of OpenAI's own dialect is the SDK's. It takes no chunk without an answer (Azure's first)."""
    if any(choice["index"] for value in chunks for choice in value["choices"]):
        return 0
    sdk = sdk_snapshot([x for x in chunks if x["id"]])["choices"][0]
    ours = snapshot["choices"][0]
    assert (sdk["message"].get("content") or None) == (ours["message"]["content"] or None), name
    assert sdk["finish_reason"] == ours["finish_reason"], name
    calls = [(x["id"], x["function"]["name"], x["function"]["arguments"]) for x in sdk["message"].get("tool_calls") or []]
    assert calls == [(x["id"], x["function"]["name"], x["function"]["arguments"]) for x in ours["message"].get("tool_calls") or []], name
    return 1


@needs_recordings
def test_streams_write_out_again() -> None:
    """What may differ: usage in OpenAI's counts, the raw finish word (one nobody knows is reported), an id for an answer without one, and
    the note that plain reasoning was a summary.
    """

    def normal(response: Response) -> Response:
        parts = tuple(replace(x, summary=False) if isinstance(x, Reasoning) else x for x in response.parts)
        usage = response.usage and replace(response.usage, raw=None)
        reason = "stop" if response.finish.reason == "other" else response.finish.reason
        finish = replace(response.finish, raw=None, reason=reason)
        return replace(response, parts=parts, usage=usage, finish=finish, id=response.id or "chatcmpl-made")

    rewritten = 0
    for record in streams():
        events = decoded(record["response"]["body"].encode())
        if isinstance(events[-1], Failed):
            continue
        begin = events[0]
        assert isinstance(begin, Begin)
        ledger = Ledger()
        out = CODEC.stream_encoder(answer(begin.model), ledger).encode(events)
        assert out.endswith(b"data: [DONE]\n\n")
        assert [x.feature for x in ledger.losses] in ([], ["other"]), record["id"]
        assert normal(fold(decoded(out))) == normal(fold(events)), record["id"]
        rewritten += 1
    assert rewritten > 350


@needs_recordings
def test_a_broken_stream_ends_with_an_error_and_no_done() -> None:
    for record in streams():
        if record["id"] in BROKEN:
            events = decoded(record["response"]["body"].encode())
            out = CODEC.stream_encoder(answer(), Ledger()).encode(events)
            assert b"[DONE]" not in out
            assert "message" in frames(out)[-1]["error"]


@pytest.mark.parametrize("cut", [1, 3])
@needs_recordings
def test_a_stream_cut_short_is_a_failure(cut: int) -> None:
    seen = 0
    for record in streams()[::10]:
        whole = [x for x in record["response"]["body"].split("\n\n") if x.strip()]
        kept = [x for x in whole if "[DONE]" not in x and '"finish_reason":"' not in x.replace(" ", "")][:cut]
        events = decoded(("\n\n".join(kept) + "\n\n").encode())
        assert isinstance(events[-1], Failed)
        seen += events[-1].error.kind == "upstream_incomplete"
    assert seen > 20
