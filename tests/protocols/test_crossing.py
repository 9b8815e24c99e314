"""Every recorded request of one protocol, written in another: nothing is lost without a line in the report.

The facts of both sides are extracted and compared by code that shares nothing with the codecs (the conformance kit beside the
project; skipped by name where it is missing). On top of that: each loss names a path that is really there in the client's request, and
a conversation of text and tools that both sides can express crosses with an empty report.
"""

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from llm_api_converter.hub.adapt import adapt
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.ledger import Ledger, compact
from llm_api_converter.protocols import codec
from llm_api_converter.providers.catalog import Catalog
from tests.recordings import load, needs_recordings

SHARED = Path(__file__).resolve().parents[3] / "shared"
needs_kit = pytest.mark.skipif(not (SHARED / "conformance").is_dir(), reason="shared/conformance is not beside the project")

FILES = {"anthropic": ("anthropic_messages",), "openai_chat": ("openai_chat",)}
KIT = {"anthropic": "anthropic", "openai_chat": "chat"}
TARGETS = {
    "anthropic": ("anthropic", "claude-sonnet-4-5"),
    "openai_chat": ("openai_compatible", "gpt-4o"),
}
# Targets whose output limit is not known, or larger than anything recorded: a limit of the model is no matter of the protocol.
UNLIMITED = {"anthropic": ("anthropic", "claude-sonnet-4-5"), "openai_chat": ("openai_compatible", "a-local-model")}
PAIRS = [(c, u) for c in FILES for u in TARGETS if c != u]
# What a text-and-tools conversation may hold for its crossing to need no report at all.
PLAIN = {
    "anthropic": {"model", "max_tokens", "messages", "system", "tools", "stream", "tool_choice", "temperature"},
    "openai_chat": {"model", "max_tokens", "messages", "tools", "stream", "tool_choice", "temperature", "stream_options"},
}


def kit(name: str) -> Any:
    if str(SHARED) not in sys.path:
        sys.path.insert(0, str(SHARED))
    return importlib.import_module(f"conformance.{name}")


def recorded(protocol: str) -> Iterator[dict[str, Any]]:
    for name in FILES[protocol]:
        for record in load(name):
            request = record["request"]
            if request and isinstance(request.get("body"), dict) and record["response"]["status"] < 300:
                yield record


def cross(record: dict[str, Any], client: str, upstream: str, target: tuple[str, str] | None = None) -> tuple[Any, Ledger]:
    """The upstream body and the report of one recorded request."""
    kind, model = target or TARGETS[upstream]
    facts = Catalog.load().resolve(upstream, kind, model).facts
    ledger = Ledger()
    headers = {k.lower(): v for k, v in (record["request"].get("headers") or {}).items()}
    request = codec(client).decode_request(record["request"]["body"], headers=headers, model=record.get("model"))
    adapted = adapt(replace(request, model=model), facts, ledger)
    return codec(upstream).encode_request(adapted.request, facts, ledger).body, ledger


_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def there(body: Any, path: str) -> bool:
    """Is there something at this path of the body? A field an object may lack counts where its parent is there and the field is a leaf."""
    at = body
    rest = path
    while rest:
        if isinstance(at, dict):
            hit = next((k for k in sorted(at, key=len, reverse=True) if rest == k or rest.startswith((k + ".", k + "["))), None)
            if hit is None:
                return False
            at, rest = at[hit], rest[len(hit):].removeprefix(".")
        elif isinstance(at, list):
            found = re.match(r"\[(\d+)\]\.?", rest)
            if found is None or int(found.group(1)) >= len(at):
                return False
            at, rest = at[int(found.group(1))], rest[found.end():]
        elif isinstance(at, str):
            return rest.startswith("[")
        else:
            return False
    return True


@needs_recordings
@needs_kit
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_every_fact_crosses_or_is_reported(client: str, upstream: str) -> None:
    facts_req = kit("facts_req")
    silent, refused, total, unread = [], [], 0, 0
    for record in recorded(client):
        total += 1
        body = record["request"]["body"]
        try:
            wanted = facts_req.extract(KIT[client], body, bool(record["stream"]))
        except AttributeError:
            unread += 1  # Mistral's `input_audio` given as a string: the kit expects OpenAI's object
            continue
        try:
            sent, ledger = cross(record, client, upstream)
        except ApiError as error:
            causes = facts_req.refusal_causes(wanted, KIT[upstream])
            if not facts_req.named(causes, error.message):
                refused.append((record["id"], error.message))
            continue
        report = compact(ledger.losses)
        got = facts_req.extract(KIT[upstream], sent, bool(record["stream"]))
        silent += [(record["id"], *loss) for loss in facts_req.compare(wanted, got, KIT[client], KIT[upstream])
                   if not facts_req.is_reported(loss, report)]
    assert total > 400
    assert unread <= 3
    assert not refused, refused[:5]
    assert len({x[0] for x in silent}) < total / 100, silent[:8]


@needs_recordings
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_every_loss_names_a_path_of_the_clients_request(client: str, upstream: str) -> None:
    lost = set()
    for record in recorded(client):
        try:
            _, ledger = cross(record, client, upstream)
        except ApiError:
            continue
        body = {**record["request"]["body"], "betas": (record["request"].get("headers") or {}).get("anthropic-beta")}
        lost |= {(record["id"], loss.path, loss.feature) for loss in ledger.losses if not there(body, loss.path)}
    assert not lost, sorted(lost)[:12]


@needs_recordings
@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_text_and_tools_cross_with_an_empty_report(client: str, upstream: str) -> None:
    crossed = 0
    noisy = []
    for record in recorded(client):
        if not set(record["request"]["body"]) <= PLAIN[client] or not only_text_and_tools(record["request"]["body"]):
            continue
        crossed += 1
        _, ledger = cross(record, client, upstream, UNLIMITED[upstream])
        if ledger.losses:
            noisy.append((record["id"], compact(ledger.losses)))
    assert crossed > 50
    assert not noisy, (len(noisy), noisy[:6])


MESSAGE_FIELDS = {"role", "content", "tool_calls", "tool_call_id"}
ODD = (
    "cache_control", "'thinking'", "image", "document", "is_error': True", "citations", "reasoning", "'strict'", "server_tool", "refusal",
    "redacted", "caller", "audio", "video", "file", "annotations", "search", "container", "tool_reference", "input_examples", "custom",
    "index", "defer_loading", "eager_input", "provider", "phase", "'$",
)


def only_text_and_tools(body: dict[str, Any]) -> bool:
    """Messages of text, calls and results and plain function tools; turns as every protocol takes them: system text first, then the
    user, nothing empty, every call with its result.
    """
    if any(word in str(body) for word in ODD):
        return False
    messages = body["messages"]
    turns = [m["role"] for m in messages if m["role"] not in ("system", "developer")]
    lead = next((i for i, m in enumerate(messages) if m["role"] not in ("system", "developer")), len(messages))
    if turns[:1] != ["user"] or len(turns) != len(messages) - lead or turns[-1] == "assistant":
        return False
    if any(not set(m) <= MESSAGE_FIELDS or not (m.get("content") or m.get("tool_calls")) for m in messages):
        return False
    tools = body.get("tools") or []
    plain = all(t.get("type") in (None, "function") and set(t) <= {"type", "function", "name", "description", "input_schema"} for t in tools)
    named = all(("function" in t) != ("input_schema" in t) and ("name" in t) != ("function" in t) for t in tools)
    return plain and named and isinstance(body.get("tool_choice", "auto"), str | dict)
