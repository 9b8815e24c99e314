"""What calls cost: equal to the package the published prices come from, lawful for any counts, unknown where it is not known."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from genai_prices import Usage as Counts
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from llm_api_converter.hub.response import Usage
from llm_api_converter.providers.published import FILE, Rates, listed, published, utc
from llm_api_converter.usage.prices import UNKNOWN, Called, Price, Prices, cost_of, own_rates
from tests.usage.published import published as made

NOVEMBER = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
TIMES = [datetime(2024, 1, 1, 3, tzinfo=UTC), datetime(2025, 8, 15, 0, 31, tzinfo=UTC), datetime(2026, 11, 24, 9, 59, tzinfo=UTC)]
USAGES = [
    Usage(1_000, 500), Usage(10, 0), Usage(150_000, 3, cache_read=100_000), Usage(250_001, 7_000, cache_read=50_000, cache_write=100_000),
    Usage(5_000, 11, cache_write=4_000, cache_write_1h=1_500, cache_read=900), Usage(300_000, 9, cache_write=1, reasoning=4),
]  # fmt: skip


def called(type_: str, model: str, base_url: str = "", **more: str) -> Called:
    return Called("p", type_, base_url, model, **more)


def usd(type_: str, model: str, usage: Usage, **more: Any) -> Decimal | None:
    return Prices().cost(called(type_, model), usage, NOVEMBER, **more).usd


# ---------------------------------------------------------------------- the list


def test_the_file_is_what_the_package_says() -> None:
    assert msgspec.json.decode(FILE.read_bytes()) == msgspec.json.decode(msgspec.json.encode(made()))


def test_every_price_is_the_packages_own() -> None:
    package = {provider.id: provider for provider in get_snapshot().providers}
    compared = 0
    for provider in published().providers:
        theirs = package[provider.id]
        for model in provider.models:
            their_model = next(x for x in theirs.models if x.id == model.id)
            for at in TIMES if len(model.prices) > 1 else TIMES[-1:]:
                for usage in USAGES:
                    counts = Counts(
                        input_tokens=usage.input_total, output_tokens=usage.output_total, cache_read_tokens=usage.cache_read,
                        cache_write_tokens=usage.cache_write, cache_write_1h_tokens=usage.cache_write_1h,
                    )  # fmt: skip
                    rates = model.rates(at, {})
                    ours = cost_of(rates, usage)
                    if ours is None:  # it has no price for tokens at all: the package says 0
                        assert rates.input is None or rates.output is None
                        continue
                    price = their_model.get_prices(at)
                    # Prices of sounds, pictures and searches count only what a call did not have; a call itself is one.
                    expected = price.calc_price(counts)["total_price"]
                    assert ours == round(expected, 12), (provider.id, model.id, at, usage)
                    compared += 1
    assert compared > 10_000


def test_models_are_found_as_the_package_finds_them() -> None:
    snapshot = get_snapshot()
    for type_, name in (("anthropic", "anthropic"), ("openai", "openai"), ("azure_openai", "azure"), ("bedrock", "aws"), ("vertex", "google")):
        for provider in (x for x in snapshot.providers if x.id in (name, "openai", "anthropic")):
            for model in provider.models:
                try:
                    theirs = snapshot.find_provider_model(model.id, None, name, None)[1]
                except LookupError:
                    theirs = None
                ours = listed(type_, "", model.id)
                if ours is not None:
                    assert theirs is not None
                    assert ours.model.id == theirs.id
                elif theirs is not None:  # left out: it has no price of tokens or calls
                    assert not {"input_mtok", "output_mtok", "requests_kcount"} & {
                        key for price in ([theirs.prices] if not isinstance(theirs.prices, list) else [x.prices for x in theirs.prices])
                        for key, value in vars(price).items() if value is not None
                    }  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "model", "found", "million_in", "million_out"),
    [
        ("anthropic", "claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5", "6", "22.5"),
        ("anthropic", "claude-opus-4-5", "anthropic/claude-opus-4-5", "5", "25"),
        ("bedrock", "anthropic.claude-opus-4-5-20251101-v1:0", "aws/regional.anthropic.claude-opus-4-5-v1:0", "5.5", "27.5"),
        ("bedrock", "us.anthropic.claude-opus-4-5-20251101-v1:0", "aws/regional.anthropic.claude-opus-4-5-v1:0", "5.5", "27.5"),
        ("bedrock", "global.anthropic.claude-opus-4-5-20251101-v1:0", "aws/global.anthropic.claude-opus-4-5-v1:0", "5", "25"),
        (
            "bedrock", "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0",
            "0.8", "3.2",
        ),
        ("bedrock", "eu.amazon.nova-pro-v1:0", "aws/amazon.nova-pro-v1:0", "0.8", "3.2"),
        ("vertex", "claude-opus-4-5@20251101", "google/claude-opus-4-5", "5", "25"),
        ("gemini", "models/gemini-2.5-flash", "google/gemini-2.5-flash", "0.3", "2.5"),
        ("azure_openai", "gpt-5", "azure/gpt-5", "1.25", "10"),
        ("openai", "gpt-5-2025-08-07", "openai/gpt-5", "1.25", "10"),
        ("openai", "text-embedding-3-small", "openai/text-embedding-3-small", "0.02", None),
    ],
)  # fmt: skip
def test_names_providers_give_their_models(type_: str, model: str, found: str, million_in: str, million_out: str | None) -> None:
    entry = listed(type_, "", model)
    assert entry is not None
    assert entry.name == found
    assert usd(type_, model, Usage(1_000_000, 0)) == Decimal(million_in)
    if million_out is None:
        assert usd(type_, model, Usage(0, 1)) is None
    else:
        assert usd(type_, model, Usage(1_000_000, 1_000_000)) == Decimal(million_in) + Decimal(million_out)


def test_others_are_known_by_their_address() -> None:
    where = "https://api.groq.com/openai/v1"
    cost = Prices().cost(called("openai_compatible", "llama-3.3-70b-versatile", where), Usage(1_000_000, 0), NOVEMBER)
    assert cost.usd == Decimal("0.59")
    assert Prices().cost(called("openai_compatible", "llama-3.3-70b-versatile", "http://127.0.0.1:8080/v1"), Usage(1, 1), NOVEMBER) == UNKNOWN


def test_a_deployment_is_known_by_the_name_it_answers_to() -> None:
    assert Prices().cost(called("azure_openai", "our-chat"), Usage(10, 1), NOVEMBER) == UNKNOWN
    cost = Prices().cost(called("azure_openai", "our-chat", answered="gpt-5-2025-08-07"), Usage(1_000_000, 0), NOVEMBER)
    assert cost.usd == Decimal("1.25")
    assert cost.price == f"azure/gpt-5 of genai-prices {published().version}: input 1.25, output 10, cache_read 0.125"


@pytest.mark.parametrize("model", ["our-chat", "", "\x00", "\ud800", "x" * 100_000, "(?:"])
def test_an_unknown_model_has_no_price(model: str) -> None:
    assert Prices().cost(called("openai", model), Usage(10, 1), NOVEMBER) == UNKNOWN


def test_prices_of_the_time_of_the_call_count() -> None:
    night, day = (datetime(2025, 7, 1, hour, tzinfo=UTC).timestamp() for hour in (20, 10))
    found = [Prices().cost(called("deepseek", "deepseek-reasoner"), Usage(1_000_000, 0), at).usd for at in (night, day)]
    assert found == [Decimal("0.135"), Decimal("0.55")]


def test_the_tier_an_answer_was_served_on_counts() -> None:
    plain, fast, flex = (usd("openai", "gpt-5.1", Usage(1_000_000, 0), tier=tier) for tier in (None, "priority", "flex"))
    assert (plain, fast, flex) == (Decimal("1.25"), Decimal("2.5"), Decimal("0.625"))
    said = Usage(1_000_000, 0, raw={"input_tokens": 1_000_000, "speed": "fast"}, protocol="anthropic")
    assert usd("anthropic", "claude-opus-4-8", Usage(1_000_000, 0)) == Decimal(5)
    assert usd("anthropic", "claude-opus-4-8", said) == Decimal(10)


# ---------------------------------------------------------------------- the settings' own


OWN = Price(provider="local*", model="qwen*", input=Decimal("0.1"), output=Decimal("0.4"))


def test_own_prices_come_first_and_by_pattern() -> None:
    prices = Prices([OWN, Price(provider="*", model="gpt-5", input=Decimal(1), output=Decimal(2), cache_read=Decimal("0.5"))])
    here = Called("local-1", "openai_compatible", "http://127.0.0.1:8080/v1", "qwen3-coder")
    cost = prices.cost(here, Usage(1_000_000, 1_000_000, cache_read=1_000_000), NOVEMBER)
    assert cost.usd == Decimal("0.5")
    assert cost.price == "settings local*/qwen*: input 0.1, output 0.4"
    assert prices.cost(called("openai", "gpt-5"), Usage(2_000_000, 0, cache_read=1_000_000), NOVEMBER).usd == Decimal("1.5")
    assert prices.cost(called("openai", "gpt-5-mini"), Usage(1_000_000, 0), NOVEMBER).usd == Decimal("0.25")


def test_each_part_is_paid_once_at_its_price() -> None:
    price = Price(
        provider="*", model="*", input=Decimal(1), output=Decimal(10), cache_read=Decimal("0.1"), cache_write=Decimal("1.25"),
        cache_write_1h=Decimal(2),
    )  # fmt: skip
    usage = Usage(1_000_000, 100_000, cache_read=400_000, cache_write=300_000, cache_write_1h=100_000, reasoning=90_000)
    expected = Decimal("0.3") + Decimal("0.04") + Decimal("0.25") + Decimal("0.2") + Decimal("1")
    assert Prices([price]).cost(called("x", "y"), usage, NOVEMBER).usd == expected


def test_a_free_model_costs_nothing_and_that_is_known() -> None:
    free = Price(provider="*", model="*", input=Decimal(0), output=Decimal(0))
    assert Prices([free]).cost(called("x", "y"), Usage(10, 10), NOVEMBER).usd == 0


# ---------------------------------------------------------------------- laws

_COUNT = st.integers(0, 2**53)
_RATE = st.decimals(0, 1_000, places=6, allow_nan=False, allow_infinity=False)
_ANY = st.builds(Usage, st.integers(-5, 2**60), st.integers(-5, 2**60), *[st.none() | st.integers(-5, 2**60)] * 3)
_RATES = st.builds(
    lambda **given: own_rates(Price(provider="*", model="*", **given)),
    input=_RATE, output=_RATE, cache_read=st.none() | _RATE, cache_write=st.none() | _RATE, cache_write_1h=st.none() | _RATE,
)  # fmt: skip


@st.composite
def _usages(draw: st.DrawFn) -> Usage:
    fresh, read, five, hour, out = (draw(st.integers(0, 10**9)) for _ in range(5))
    return Usage(fresh + read + five + hour, out, cache_read=read, cache_write=five + hour, cache_write_1h=hour)


@given(_RATES, _ANY)
def test_a_cost_is_never_negative_whatever_an_upstream_counts(rates: Rates, usage: Usage) -> None:
    cost = cost_of(rates, usage)
    assert cost is not None
    assert cost >= 0


@given(_RATES, _usages(), _COUNT, _COUNT)
def test_more_tokens_never_cost_less(rates: Rates, usage: Usage, more_in: int, more_out: int) -> None:
    more = msgspec.structs.replace(usage, input_total=usage.input_total + more_in, output_total=usage.output_total + more_out)
    less, dearer = cost_of(rates, usage), cost_of(rates, more)
    assert less is not None
    assert dearer is not None
    assert less <= dearer


@given(_RATES, _usages())
def test_the_parts_add_up(rates: Rates, usage: Usage) -> None:
    read, write, hour = usage.cache_read or 0, usage.cache_write or 0, usage.cache_write_1h or 0
    parts = [
        Usage(usage.input_total - read - write, 0), Usage(read, 0, cache_read=read), Usage(write - hour, 0, cache_write=write - hour),
        Usage(hour, 0, cache_write=hour, cache_write_1h=hour), Usage(0, usage.output_total),
    ]  # fmt: skip
    costs = [cost_of(rates, part) for part in parts]
    assert cost_of(rates, usage) == sum((cost for cost in costs if cost is not None), Decimal(0))


@given(_RATES, _usages())
def test_cached_tokens_that_are_cheaper_make_a_call_cheaper(rates: Rates, usage: Usage) -> None:
    plain = Usage(usage.input_total, usage.output_total)
    assert rates.input is not None
    dearest = max(x.base for x in (rates.cache_read, rates.cache_write, rates.cache_write_1h, rates.input) if x is not None)
    cached, fresh = cost_of(rates, usage), cost_of(rates, plain)
    assert cached is not None
    assert fresh is not None
    if dearest == rates.input.base:
        assert cached <= fresh


def test_long_inputs_cost_more_for_all_of_their_tokens() -> None:
    at, over = (usd("anthropic", "claude-sonnet-4-5", Usage(count, 0)) for count in (200_000, 200_001))
    assert (at, over) == (Decimal("0.6"), Decimal("1.200006"))
    assert utc(0).tzinfo is UTC


@pytest.mark.parametrize(
    ("prices", "free"),
    [
        ([], False),
        ([Price(provider="*", model="a", input=Decimal(0), output=Decimal(0))], True),
        ([Price(provider="*", model="a", input=Decimal(0), output=Decimal(0), cache_write=Decimal(1))], False),
        ([Price(provider="up", model="*", input=Decimal(1), output=Decimal(1)), Price(provider="*", model="a", input=Decimal(0), output=Decimal(0))], False),
        ([Price(provider="*", model="b", input=Decimal(0), output=Decimal(0))], False),
    ],
)  # fmt: skip
def test_only_the_settings_say_that_a_model_is_free(prices: list[Price], free: bool) -> None:
    assert Prices(prices).free("up", "a") is free
