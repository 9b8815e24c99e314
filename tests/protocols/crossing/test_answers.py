"""Every recorded answer of every protocol, plain and streamed, as a client of every other one gets it.

The client's official SDK reads it; text, calls, reasoning, finish and usage are those of the recording; the frames follow the
protocol's grammar; and a stream says the same as the plain answer would, however the upstream's bytes were cut.
"""

import json
from typing import Any

import pytest

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.events import Event
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Reasoning, Refusal, Text, ToolCall
from llm_api_converter.hub.response import Response
from llm_api_converter.protocols import codec
from tests.protocols.crossing.corpus import KIT, PAIRS, answer, answered, answers, excused, kit, needs_kit, some, streamed
from tests.protocols.crossing.understood import complaints

# Answers whose counts differ from what the judge reads, by a piece of their id.
EXCUSED = {
    "rig.mistral-multimodal_content-": "Mistral's prompt_tokens leave out audio tokens, which its total_tokens hold",
    "azure_grok-4-1": "Azure's Grok counts more cached tokens than prompt tokens: no sum can hold both",
    "azure_grok": "the same",
    "-fast-non-reasoning": "the same",
}
# Streams whose plain form differs, and why.
OTHERWISE = {
    "llm-anthropic.test_anthropic-test_opus_46_adaptive_thinking": "text before reasoning: a plain Chat message has one place for each",
}
MAX_SPLIT = 20_000
"""Longer streams are cut into fewer pieces only."""


@needs_kit
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_every_answer_says_the_same(client: str, upstream: str) -> None:
    facts_resp, wire = kit("facts_resp"), kit("wire")
    found: dict[str, Any] = {}
    total = 0
    for case in answers(upstream):
        total += 1
        try:
            data = answered(case, upstream, client)
        except ApiError as error:
            found[case.id] = f"refused: {error.message}"
            continue
        got = facts_resp.from_raw(KIT[client], case.stream, data)
        compared = facts_resp.compare(case.rec.E, got, KIT[upstream], KIT[client])
        problems = [f"{name}: {difference}" for name, difference in compared.items() if difference]
        problems += wire.check(KIT[client], case.stream, data)
        if problems:
            found[case.id] = problems[:3]
    wrong = {name: why for name, why in found.items() if not excused(name, EXCUSED)}
    assert total > 250
    assert not wrong, (len(wrong), list(wrong.items())[:5])
    assert len(found) <= total * 0.015, (len(found), "the exceptions are no longer few")


@needs_kit
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_the_clients_sdk_reads_every_answer(client: str, upstream: str) -> None:
    wrong = []
    for case in some(answers(upstream), 40):
        found = complaints(client, case.stream, answered(case, upstream, client))
        if found:
            wrong.append((case.id, found))
    assert not wrong, (len(wrong), wrong[:5])


@needs_kit
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_a_stream_says_what_the_plain_answer_says_however_it_is_cut(client: str, upstream: str) -> None:
    wrong = []
    for case in some((case for case in answers(upstream) if case.stream), 12):
        events = _events(upstream, case.raw)
        plain = codec(client).decode_response(codec(client).encode_response(fold(events), answer(), Ledger()))
        whole = fold(_events(client, streamed(case.raw, upstream, client)))
        if not excused(case.id, OTHERWISE) and not _same(whole, plain):
            wrong.append((case.id, "plain", _essence(whole), _essence(plain)))
        sizes = (1, 7, 64) if len(case.raw) < MAX_SPLIT else (64,)
        pieces = {size: _essence(fold(_events(client, streamed(case.raw, upstream, client, size)))) for size in sizes}
        wrong += [(case.id, f"in pieces of {size}") for size, found in pieces.items() if found != _essence(whole)]
    assert not wrong, (len(wrong), str(wrong[:3])[:2000])


@pytest.mark.parametrize(
    ("protocol", "stream", "data"),
    [
        ("anthropic", False, b'{"type": "message"}'),
        ("anthropic", True, b'event: message_start\ndata: {"type": "message_start"}\n\n'),
        ("openai_chat", False, b'{"choices": []}'),
        ("openai_chat", True, b'data: {"id": "c", "choices": [{"delta": {"content": 1}}]}\n\n'),
        ("openai_responses", False, b'{"object": "response"}'),
        ("openai_responses", True, b'data: {"type": "response.completed", "response": {}}\n\n'),
        ("gemini", False, b'{"candidates": [{"content": {"parts": "text"}}]}'),
        ("gemini", True, b'data: {"candidates": [{"content": {"parts": "text"}}]}\n\n'),
        ("bedrock_converse", False, b'{"output": {"message": {"role": "assistant"}}}'),
    ],
)
def test_the_sdks_find_fault_with_what_is_wrong(protocol: str, stream: bool, data: bytes) -> None:
    assert complaints(protocol, stream, data)


def _events(protocol: str, data: bytes) -> list[Event]:
    decoder = codec(protocol).stream_decoder()
    return decoder.feed(data) + decoder.finish()


def _same(streamed: Response, plain: Response) -> bool:
    """Calls that were cut short are text in a stream and wrapped in a plain answer."""
    one, other = _essence(streamed), _essence(plain)
    if any(part[0] == "call" and part[2] == "broken" for part in one["parts"]):
        one.pop("parts"), other.pop("parts")
    return one == other


def _essence(response: Response) -> dict[str, Any]:
    """What an answer says: neighbouring text is one, arguments are JSON, ids are made up."""
    parts: list[Any] = []
    for part in response.parts:
        if isinstance(part, (Text, Reasoning, Refusal)):
            kind = type(part).__name__
            if parts and parts[-1][0] == kind:
                parts[-1] = (kind, parts[-1][1] + part.text)
            elif part.text or (isinstance(part, Reasoning) and part.tokens):
                parts.append((kind, part.text))
        elif isinstance(part, ToolCall):
            parts.append(("call", part.name, _parsed(part.arguments), part.runs))
        else:
            parts.append((type(part).__name__,))
    usage = response.usage
    # A count of new input tokens is 1 at least in Anthropic streams, or Claude Code would keep its estimate.
    counts = usage and (max(usage.input_total, 1 + (usage.cache_read or 0) + (usage.cache_write or 0)), usage.output_total, usage.cache_read or 0)
    return {"parts": parts, "finish": (response.finish.reason, response.finish.stop_sequence), "usage": counts}


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return "broken"
