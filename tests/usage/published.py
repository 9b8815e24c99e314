"""The published prices, made smaller: `python -m tests.usage.published > src/llm_api_converter/providers/published.json`.

From the package genai-prices (MIT licence, a tool of the tests only) what a gateway needs: prices of tokens and of calls, when they hold,
and how a model is found. Models without such prices are left out.
"""

import sys
from datetime import UTC
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import msgspec
from genai_prices import data, types

PRICES = {
    "input_mtok": "input", "output_mtok": "output", "cache_read_mtok": "cache_read", "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
}  # fmt: skip
"""Of a million tokens. `requests_kcount` becomes `request`, the price of one call."""
TOLD = {"service_tier", "speed"}
"""What answers say of themselves and prices depend on."""


def published() -> dict[str, Any]:
    """All of it."""
    return {"version": version("genai-prices"), "providers": [_provider(provider) for provider in data.providers]}


def _provider(provider: types.Provider) -> dict[str, Any]:
    found: dict[str, Any] = {"id": provider.id, "address": provider.api_pattern}
    if provider.fallback_model_providers:
        found["others"] = provider.fallback_model_providers
    found["models"] = [model for model in map(_model, provider.models) if model is not None]
    return found


def _model(model: types.ModelInfo) -> dict[str, Any] | None:
    whole = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    prices = [_when(price.constraint) | _prices(price.prices) for price in whole]
    if not any(price.keys() & {*PRICES.values(), "request"} for price in prices):
        return None
    variants = [
        {"when": variant.when} | _when(variant.constraint) | _prices(variant.prices)
        for variant in model.price_variants or () if variant.when.keys() <= TOLD
    ]  # fmt: skip
    return {"id": model.id, "match": _clause(model.match), "prices": prices} | ({"variants": variants} if variants else {})


def _clause(clause: Any) -> dict[str, Any]:
    (name, value), = vars(clause).items()
    if name in ("or_", "and_"):
        return {name[:-1]: [_clause(one) for one in value]}
    return {name: value if name == "regex" else value.lower()}


def _when(constraint: types.StartDateConstraint | types.TimeOfDateConstraint | None) -> dict[str, Any]:
    match constraint:
        case None:
            return {}
        case types.StartDateConstraint(start_date):
            return {"since": start_date.isoformat()}
        case types.TimeOfDateConstraint(start, end):
            assert {start.tzinfo, end.tzinfo} <= {None, UTC}, "times of day are expected in UTC"
            return {"daily": [f"{start:%H:%M:%S}", f"{end:%H:%M:%S}"]}


def _prices(price: types.ModelPrice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, ours in PRICES.items():
        value = getattr(price, name)
        if isinstance(value, types.TieredPrices):
            found[ours] = {"base": _plain(value.base), "tiers": [[tier.start, _plain(tier.price)] for tier in value.tiers]}
        elif value is not None:
            found[ours] = {"base": _plain(value)}
    calls = price.requests_kcount
    if isinstance(calls, Decimal):
        found["request"] = {"base": _plain(calls / 1000)}
    return found


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(published()).replace(b'{"id":', b'\n{"id":') + b"\n")
