"""What the crossing tests run on: recorded traffic of all five protocols, the targets it is sent to, and an outside judge.

The judge is the conformance kit beside the project, which shares no code with the codecs: `Rec` says which records are sound by
their own protocol's rules, `facts_req` and `facts_resp` reduce both sides to facts and compare them, `schema` and `wire` hold the
documented rules. With `FULL=1` in the environment nothing is left out where the default takes a sample.
"""

import hashlib
import importlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.request import Request
from llm_api_converter.protocols import codec
from llm_api_converter.protocols.base import Answer
from llm_api_converter.providers.catalog import Catalog
from tests.recordings import ROOT, load

FULL = os.environ.get("FULL") == "1"
KIT_ROOT = ROOT.parent
needs_kit = pytest.mark.skipif(
    not ((KIT_ROOT / "conformance").is_dir() and ROOT.is_dir()), reason="shared/conformance and shared/recordings are not beside the project"
)

FILES = {
    "anthropic": ("anthropic_messages",),
    "openai_chat": ("openai_chat",),
    "openai_responses": ("openai_responses",),
    "gemini": ("gemini_generate", "gemini_stream"),
    "bedrock_converse": ("bedrock_converse", "bedrock_converse_stream"),
}
KIT = {"anthropic": "anthropic", "openai_chat": "chat", "openai_responses": "responses", "gemini": "gemini", "bedrock_converse": "bedrock"}
PAIRS = [(client, upstream) for client in FILES for upstream in FILES if client != upstream]
# A target of each protocol, with its model's own limits: (provider type, model, model for requests that ask for reasoning).
TARGETS = {
    "anthropic": ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5"),
    "openai_chat": ("openai", "gpt-4o", "gpt-5"),
    "openai_responses": ("openai", "gpt-4o", "gpt-5"),
    "gemini": ("gemini", "gemini-2.5-flash", "gemini-2.5-flash"),
    "bedrock_converse": (
        "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
}  # fmt: skip
# State that lies with the provider: the server refuses it towards other protocols before anything is translated.
SERVER_STATE = frozenset({"previous_response_id", "conversation"})


class Case(Struct, frozen=True):
    """One record. `rec` is the kit's view of it: `why_a`, `why_b` say why it is no sound request, no sound answer."""

    id: str
    stream: bool
    body: dict[str, Any] | None
    headers: dict[str, str]
    model: str
    ok: bool
    raw: bytes
    rec: Any


def kit(name: str) -> Any:
    """A module of the conformance kit."""
    if str(KIT_ROOT) not in sys.path:
        sys.path.insert(0, str(KIT_ROOT))
    return importlib.import_module(f"conformance.{name}")


@cache
def cases(protocol: str) -> list[Case]:
    """Every record of a protocol."""
    make = kit("data").Rec
    return [_case(record, make(record)) for name in FILES[protocol] for record in load(name)]


def _case(record: dict[str, Any], rec: Any) -> Case:
    headers = (record["request"] or {}).get("headers") or {}
    return Case(
        rec.id, rec.stream, rec.body, {name.lower(): value for name, value in headers.items()}, record.get("model") or "m",
        (record["response"]["status"] or 200) < 300, rec.raw, rec,
    )  # fmt: skip


def requests(protocol: str) -> Iterator[Case]:
    """The requests that their provider accepted and that are sound by their own protocol's rules."""
    return (case for case in cases(protocol) if case.body is not None and case.ok and not case.rec.why_a)


def answers(protocol: str) -> Iterator[Case]:
    """The answers that are whole and sound."""
    return (case for case in cases(protocol) if not case.rec.why_b)


def some(found: Iterator[Case], wanted: int) -> list[Case]:
    """About `wanted` of them, always the same ones; all of them with FULL=1."""
    listed = list(found)
    if FULL or len(listed) <= wanted:
        return listed
    return sorted(listed, key=lambda case: hashlib.sha256(case.id.encode()).digest())[:wanted]


def decode(case: Case, client: str) -> Request:
    """The request in neutral form. Model and stream come from the path where the protocol has them there."""
    in_path = client in ("gemini", "bedrock_converse")
    return codec(client).decode_request(case.body, headers=case.headers, model=case.model, stream=case.stream if in_path else None)


def thinks(case: Case) -> bool:
    """Does the request ask for reasoning?"""
    facts = case.rec.F
    return bool(facts.reasoning and facts.reasoning[0] == "on") or bool(facts.vendor_reasoning)


def target(upstream: str, think: bool) -> tuple[Facts, str]:
    """Facts and model of the target of these tests."""
    kind, plain, thinking = TARGETS[upstream]
    model = thinking if think else plain
    return _facts(upstream, kind, model), model


@cache
def _facts(upstream: str, kind: str, model: str) -> Facts:
    return Catalog.load().resolve(upstream, kind, model).facts


def limitless(upstream: str) -> tuple[Facts, str]:
    """What only the protocol says of a target, no model and no provider."""
    return _facts(upstream, "", "some-model"), "some-model"


def cross(case: Case, client: str, upstream: str, facts: Facts, model: str) -> tuple[dict[str, Any], Ledger]:
    """The body the upstream gets, and the report."""
    ledger = Ledger()
    adapted = adapt(replace(decode(case, client), model=model), facts, ledger, upstream)
    return codec(upstream).encode_request(adapted.request, facts, ledger).body, ledger


def answer() -> Answer:
    """What an answer's encoder knows besides the answer. Ids count up, so that two encodings mint the same ones."""
    numbers = count(1)
    return Answer(model="m", new_id=lambda prefix: f"{prefix}{next(numbers)}", created_s=5, input_estimate=7, include_usage=True)


def answered(case: Case, upstream: str, client: str) -> bytes:
    """The recorded answer as a client of another protocol gets it."""
    if case.stream:
        return streamed(case.raw, upstream, client)
    return codec(client).encode_response(codec(upstream).decode_response(case.raw), answer(), Ledger())


def streamed(raw: bytes, upstream: str, client: str, size: int | None = None) -> bytes:
    """The same for a stream that comes in pieces of `size` bytes."""
    decoder, encoder = codec(upstream).stream_decoder(), codec(client).stream_encoder(answer(), Ledger())
    step = size or max(len(raw), 1)
    out = b"".join(encoder.encode(decoder.feed(raw[at : at + step])) for at in range(0, len(raw), step))
    return out + encoder.encode(decoder.finish())


def excused(name: str, reasons: dict[str, str]) -> bool:
    """Does this id hold the key of one of the listed exceptions?"""
    return any(key in name for key in reasons)
