"""What a call costs, in exact decimals: the settings' own prices first, then those vendors publish (`providers.published`).

A price that is not known is None, never zero. Counts are those of `hub.response.Usage`: totals with their parts, so that cached tokens are
paid once, at their own price. Off the hot path: records are made in batches after their calls.
"""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from fnmatch import fnmatchcase
from functools import lru_cache

from msgspec import Struct

from ..hub.response import Usage
from ..providers.published import PRICED, Listed, Rates, Steps, listed, published, utc

PICO = Decimal("0.000000000001")
MILLION = Decimal(1_000_000)
ZERO = Decimal(0)
EXACT = Context(prec=64)
"""Enough digits for any count at any price."""
KEPT = 4096


class Price(Struct, frozen=True, kw_only=True):
    """One entry of the settings: US dollars for a million tokens. What is not said of caches costs as other input does."""

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
    """Who was called: the configured name, the type and address of the provider, and its model.

    `answered` is what the upstream called its model: deployments and profiles have names of their own.
    """

    provider: str
    type: str
    base_url: str
    model: str
    answered: str = ""


class Prices:
    """Prices of the settings over published ones."""

    def __init__(self, own: Sequence[Price] = ()) -> None:
        self._own = tuple(own)

    def cost(self, called: Called, usage: Usage, at_s: float, tier: str | None = None) -> Cost:
        """What a call cost. `at_s` (Unix time) is when it was made: published prices change. `tier`: the service tier it was given."""
        for price in self._own:
            if fnmatchcase(called.provider, price.provider) and fnmatchcase(called.model, price.model):
                return _cost(own_rates(price), usage, f"settings {price.provider}/{price.model}")
        found = _found(called)
        if found is None:
            return UNKNOWN
        rates = found.model.rates(utc(at_s), said_by(usage, tier))
        return _cost(rates, usage, f"{found.name} of genai-prices {published().version}")

    def free(self, provider: str, model: str) -> bool:
        """Do the settings say that calls of it cost nothing?"""
        price = next((p for p in self._own if fnmatchcase(provider, p.provider) and fnmatchcase(model, p.model)), None)
        return price is not None and not any((price.input, price.output, price.cache_read, price.cache_write, price.cache_write_1h))


def said_by(usage: Usage, tier: str | None) -> Mapping[str, str]:
    """What an answer says of itself that prices may depend on: its service tier, and the words among its counts (`speed`)."""
    said = {name: value for name, value in (usage.raw or {}).items() if isinstance(value, str)}
    return said if tier is None else said | {"service_tier": tier}


def cost_of(rates: Rates, usage: Usage) -> Decimal | None:
    """What a call costs, to the picodollar; None where tokens have no price. Parts are never counted twice, nor is more than the total."""
    total = max(0, usage.input_total)
    read = min(max(0, usage.cache_read or 0), total)
    written = min(max(0, usage.cache_write or 0), total - read)
    written_1h = min(max(0, usage.cache_write_1h or 0), written)
    write = rates.cache_write or rates.input
    counted = (
        (total - read - written, rates.input), (read, rates.cache_read or rates.input), (written - written_1h, write),
        (written_1h, rates.cache_write_1h or write), (max(0, usage.output_total), rates.output),
    )  # fmt: skip
    with localcontext(EXACT):
        amount = ZERO if rates.request is None else rates.request.at(total) * MILLION
        for count, price in counted:
            if count and price is None:
                return None
            if count and price is not None:
                amount += count * price.at(total)
        return (amount / MILLION).quantize(PICO, ROUND_HALF_EVEN)


@lru_cache(KEPT)
def own_rates(price: Price) -> Rates:
    """A price of the settings, in the form of published ones."""
    return Rates(
        input=Steps(price.input), output=Steps(price.output), cache_read=_flat(price.cache_read), cache_write=_flat(price.cache_write),
        cache_write_1h=_flat(price.cache_write_1h),
    )  # fmt: skip


def _flat(amount: Decimal | None) -> Steps | None:
    return None if amount is None else Steps(amount)


def _cost(rates: Rates, usage: Usage, source: str) -> Cost:
    usd = cost_of(rates, usage)
    return UNKNOWN if usd is None else Cost(usd, f"{source}: {_written(rates, usage.input_total)}")


def _written(rates: Rates, input_total: int) -> str:
    """The amounts that counted, for a person who checks a bill."""
    counted = ((name, getattr(rates, name)) for name in PRICED)
    return ", ".join(f"{name} {steps.at(input_total):f}" for name, steps in counted if steps is not None)


def _found(called: Called) -> Listed | None:
    """By the name it is asked for, else by the name it answers to."""
    found = listed(called.type, called.base_url, called.model)
    if found is None and called.answered and called.answered != called.model:
        found = listed(called.type, called.base_url, called.answered)
    return found
