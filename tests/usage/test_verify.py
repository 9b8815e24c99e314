"""Whether records are what their upstreams said: over every protocol's own usage object, and over recorded answers."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from llm_api_converter.protocols import PROTOCOLS, codec
from llm_api_converter.protocols.counts import decode_counts
from llm_api_converter.store.base import Store
from llm_api_converter.store.records import UsageFilter, UsageRow, UsageTotal
from llm_api_converter.usage.account import Spent
from llm_api_converter.usage.verify import Checker, Difference, upstream_counts, verify
from tests.usage.calls import ONE, a_row

pytestmark = pytest.mark.anyio

NOTHING = UsageTotal(
    group=(), requests=0, errors=0, input_total=0, output_total=0, cache_read=0, cache_write=0, reasoning=0, cost_usd=Decimal(0), unpriced=0
)

# An upstream's own usage object, and what it counts: input with all that was cached, output with all that was thought.
SAID: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    (
        "anthropic",
        {
            "input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 1000, "output_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 3}, "service_tier": "standard",
        },
        {"input_total": 1110, "output_total": 7, "cache_read": 100, "cache_write": 1000, "reasoning": 3},
    ),
    (
        "openai_chat",
        {
            "prompt_tokens": 110, "completion_tokens": 7, "total_tokens": 117, "prompt_tokens_details": {"cached_tokens": 100},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
        {"input_total": 110, "output_total": 7, "cache_read": 100, "cache_write": 0, "reasoning": 3},
    ),
    (
        "openai_responses",
        {
            "input_tokens": 110, "output_tokens": 7, "total_tokens": 117, "input_tokens_details": {"cached_tokens": 100},
            "output_tokens_details": {"reasoning_tokens": 3},
        },
        {"input_total": 110, "output_total": 7, "cache_read": 100, "cache_write": 0, "reasoning": 3},
    ),
    (
        "gemini",
        {
            "promptTokenCount": 110, "candidatesTokenCount": 4, "thoughtsTokenCount": 3, "totalTokenCount": 117,
            "cachedContentTokenCount": 100,
        },
        {"input_total": 110, "output_total": 7, "cache_read": 100, "cache_write": 0, "reasoning": 3},
    ),
    (
        "bedrock_converse",
        {"inputTokens": 10, "outputTokens": 7, "totalTokens": 117, "cacheReadInputTokens": 100, "metrics": {"latencyMs": 5}},
        {"input_total": 110, "output_total": 7, "cache_read": 100, "cache_write": 0, "reasoning": 0},
    ),
]  # fmt: skip


def told(number: int, protocol: str, said: dict[str, Any]) -> UsageRow:
    usage = decode_counts(protocol, said)
    assert usage is not None
    return a_row(number, usage=usage)


def test_every_protocol_is_read() -> None:
    assert {protocol for protocol, _, _ in SAID} == set(PROTOCOLS)
    assert all(codec(protocol).name == protocol for protocol, _, _ in SAID)
    assert decode_counts("another", {"tokens": 1}) is None


@pytest.mark.parametrize(("protocol", "said", "counts"), SAID, ids=[protocol for protocol, _, _ in SAID])
def test_what_an_upstream_said(protocol: str, said: dict[str, Any], counts: dict[str, int]) -> None:
    row = told(1, protocol, said)
    assert upstream_counts(row.raw) == counts
    assert {name: getattr(row, name) or 0 for name in counts} == counts


async def test_records_in_a_store_are_what_upstreams_said(store: Store) -> None:
    rows = [told(number, protocol, said) for number, (protocol, said, _) in enumerate(SAID)]
    rows.append(a_row(90, usage=None, status=499, error="client_gone"))
    rows.append(a_row(91, called=None, usage=None, status=404))
    tries = [(decode_counts(protocol, said), said) for protocol, said, _ in SAID[:2]]
    first, last = (usage for usage, _ in tries if usage is not None)
    rows.append(a_row(92, usage=last, earlier=(Spent(ONE, first),), tries=2))
    await store.usage.add(rows)
    (total,) = await store.usage.totals(UsageFilter())
    verdict = verify(rows, total)
    assert (verdict.rows, verdict.checked, verdict.without, verdict.different) == (8, 6, 2, 0)
    assert verdict.sums == total
    assert total.input_total == sum(counts["input_total"] for _, _, counts in (*SAID, *SAID[:2]))


def test_differences_are_found() -> None:
    good, bad = told(1, *SAID[0][:2]), told(2, *SAID[1][:2])
    wrong = msgspec.structs.replace(bad, input_total=111, reasoning=None, cost_usd=Decimal("0.5"))
    checker = Checker()
    for row in (good, bad):
        checker.take(row)
    sums = checker.verdict(NOTHING).sums
    verdict = verify([good, wrong], sums)
    assert verdict.different == 5
    assert set(verdict.differences) == {
        Difference("use_2", "input_total", "111", "110"), Difference("use_2", "reasoning", "None", "3"),
        Difference("totals", "input_total", "1220", "1221"), Difference("totals", "reasoning", "6", "3"),
        Difference("totals", "cost_usd", str(sums.cost_usd), str((good.cost_usd or 0) + Decimal("0.5"))),
    }  # fmt: skip


@pytest.mark.parametrize("raw", [None, "null", "{}", "[]", '{"protocol":"gemini","usage":{}}', '{"protocol":1,"usage":{"a":1}}', '{"usage":[]}'])
def test_an_object_that_counts_nothing(raw: str | None) -> None:
    assert upstream_counts(raw) is None
