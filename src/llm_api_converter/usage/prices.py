"""What a call costs, in exact decimals: the settings' own prices first, then those published in the package genai-prices.

A price that is not known is None, never zero. Counts are those of `hub.response.Usage`: totals with their parts, so that cached tokens are
paid once, at their own price. Looked up once a model and kept; never called while a request waits.
"""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from msgspec import Struct

from ..hub.response import Usage
from ..providers.price_names import PRICED_AS

PICO = Decimal("0.000000000001")
MILLION = Decimal(1_000_000)
KEPT = 4096


class Price(Struct, frozen=True, kw_only=True):
    """One entry of the settings: US dollars for a million tokens. What is not said of caches costs as input does."""

    provider: str
    model: str
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None


class Cost(Struct, frozen=True):
    """What a call cost, and by which price; both None where none is known."""

    usd: Decimal | None = None
    price: str | None = None


UNKNOWN = Cost()


class Called(Struct, frozen=True):
    """Who was called: the configured name, the type and address of the provider, and its model."""

    provider: str
    type: str
    base_url: str
    model: str


class Prices:
    """Prices of the settings over published ones."""

    def __init__(self, own: Sequence[Price] = ()) -> None:
        self._own = tuple(own)

    def cost(self, called: Called, usage: Usage, at_s: float) -> Cost:
        """What a call cost. `at_s` (Unix time) is when it was made: published prices change."""
        for price in self._own:
            if fnmatchcase(called.provider, price.provider) and fnmatchcase(called.model, price.model):
                return Cost(own_cost(price, usage), f"settings {price.provider}/{price.model}")
        return _published(called, usage, at_s)


def own_cost(price: Price, usage: Usage) -> Decimal:
    """What a call costs at a price of the settings."""
    read, written = usage.cache_read or 0, usage.cache_write or 0
    long = min(usage.cache_write_1h or 0, written)
    fresh = max(0, usage.input_total - read - written)
    write_price = price.input if price.cache_write is None else price.cache_write
    total = (
        fresh * price.input + read * (price.input if price.cache_read is None else price.cache_read) + (written - long) * write_price
        + long * (write_price if price.cache_write_1h is None else price.cache_write_1h) + usage.output_total * price.output
    )  # fmt: skip
    return rounded(total / MILLION)


def rounded(amount: Decimal) -> Decimal:
    """To the picodollar, which is what stores keep."""
    return amount.quantize(PICO, ROUND_HALF_EVEN)


def _published(called: Called, usage: Usage, at_s: float) -> Cost:
    found = _find(called)
    if found is None:
        return UNKNOWN
    from datetime import UTC, datetime

    from genai_prices import Usage as Counts

    provider, model = found
    read, written, long = usage.cache_read or 0, usage.cache_write or 0, usage.cache_write_1h or 0
    counts = Counts(
        input_tokens=usage.input_total, output_tokens=usage.output_total, cache_read_tokens=read or None,
        cache_write_tokens=written or None, cache_write_1h_tokens=min(long, written) or None,
    )  # fmt: skip
    try:
        priced = model.calc_price(counts, provider, genai_request_timestamp=datetime.fromtimestamp(at_s, UTC))
    except (ValueError, LookupError):  # counts it has no price for
        return UNKNOWN
    return Cost(rounded(priced.total_price), f"{provider.id}/{model.id} {priced.model_price}")


@lru_cache(KEPT)
def _find(called: Called) -> tuple[Any, Any] | None:
    """The published provider and model; by the provider's type, else by its address."""
    from genai_prices.data_snapshot import get_snapshot

    snapshot, name = get_snapshot(), PRICED_AS.get(called.type)
    try:
        if name is not None:
            return snapshot.find_provider_model(called.model, None, name, None)
        return snapshot.find_provider_model(called.model, None, None, called.base_url)
    except LookupError:
        return None
