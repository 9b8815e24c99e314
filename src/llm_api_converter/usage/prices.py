"""What a call costs, in exact decimals: the settings' own prices first, then those vendors publish (`providers.published`).

A price that is not known is None, never zero. Counts are those of `hub.response.Usage`: totals with their parts, so that cached tokens are
paid once, at their own price. Off the hot path: records are made in batches after their calls.
"""

from collections.abc import Mapping, Sequence
from decimal import Context, Decimal
from fnmatch import fnmatchcase
from functools import lru_cache

from msgspec import Struct

from ..hub.response import Usage
from ..providers.published import PRICED, Listed, Rates, Steps, listed, published, utc

PICO = Decimal("0.000000000001")
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
        self._found = lru_cache(KEPT)(self._find)
        self.free = lru_cache(KEPT)(self._is_free)
        """(provider, model): do the settings say that calls of it cost nothing?"""

    def cost(self, called: Called, usage: Usage, at_s: float, tier: str | None = None) -> Cost:
        """What a call cost. `at_s` (Unix time) is when it was made: published prices change. `tier`: the service tier it was given."""
        own, found, source = self._found(called)
        if own is not None:
            return _cost(own, usage, source)
        if found is None:
            return UNKNOWN
        tariff = _tariff_of(found.model.rates(utc(at_s), said_by(usage, tier)), usage)
        return _cost(tariff, usage, f"{source}: {tariff.written}")

    def _find(self, called: Called) -> tuple["_Tariff | None", Listed | None, str]:
        """What the settings say, or what is published; and where it stands (of the former with what it says)."""
        price = self._price(called.provider, called.model)
        if price is not None:
            tariff = _tariff(own_rates(price), 0)
            return tariff, None, f"settings {price.provider}/{price.model}: {tariff.written}"
        found = _listed(called)
        return None, found, "" if found is None else f"{found.name} of genai-prices {published().version}"

    def _price(self, provider: str, model: str) -> Price | None:
        return next((p for p in self._own if fnmatchcase(provider, p.provider) and fnmatchcase(model, p.model)), None)

    def _is_free(self, provider: str, model: str) -> bool:
        price = self._price(provider, model)
        return price is not None and not any((price.input, price.output, price.cache_read, price.cache_write, price.cache_write_1h))


def said_by(usage: Usage, tier: str | None) -> Mapping[str, str]:
    """What an answer says of itself that prices may depend on: its service tier, and the words among its counts (`speed`)."""
    said = {} if usage.raw is None else {name: value for name, value in usage.raw.items() if type(value) is str}
    return said if tier is None else said | {"service_tier": tier}


def cost_of(rates: Rates, usage: Usage) -> Decimal | None:
    """What a call costs, to the picodollar; None where tokens have no price. Parts are never counted twice, nor is more than the total."""
    return _amount(_tariff_of(rates, usage), usage)


def _amount(tariff: "_Tariff", usage: Usage) -> Decimal | None:
    total = usage.input_total if usage.input_total > 0 else 0
    left, amount = total, tariff.request
    if usage.cache_read:
        read = min(max(0, usage.cache_read), total)
        if read and tariff.cache_read is None:
            return None
        left -= read
        amount += read * (tariff.cache_read or 0)
    if usage.cache_write:
        written = min(max(0, usage.cache_write), left)
        written_1h = min(max(0, usage.cache_write_1h or 0), written)
        left -= written
        for count, price in ((written - written_1h, tariff.cache_write), (written_1h, tariff.cache_write_1h)):
            if count and price is None:
                return None
            amount += count * (price or 0)
    if left:
        if tariff.input is None:
            return None
        amount += left * tariff.input
    if usage.output_total > 0:
        if tariff.output is None:
            return None
        amount += usage.output_total * tariff.output
    return EXACT.multiply(amount if tariff.unit == 1 else _rounded(amount, tariff.unit), PICO)


def _rounded(amount: int, unit: int) -> int:
    """amount / unit, half to even."""
    whole, rest = divmod(amount, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2 == 1))


class _Tariff(Struct, frozen=True):
    """Rates at one length of input, each part with the price of a token, and that of the call, as whole numbers: so many `unit`s to a
    picodollar. None: tokens of that kind have no price. `written` is for a person who checks a bill.
    """

    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_1h: int | None
    request: int
    unit: int
    written: str


def _tariff_of(rates: Rates, usage: Usage) -> _Tariff:
    return _tariff(rates, _bracket(rates, max(0, usage.input_total)))


@lru_cache(KEPT)
def _tariff(rates: Rates, input_total: int) -> _Tariff:
    said: dict[str, Decimal] = {
        name: steps.at(input_total) for name in PRICED if (steps := getattr(rates, name)) is not None
    }
    # A price of a million tokens in dollars is that of a token in millionths: of six decimals in picodollars, of more in parts of one.
    finer = max((-int(amount.as_tuple().exponent) - 6 for amount in said.values()), default=0)
    unit = 10 ** max(0, finer)
    whole = {name: int(EXACT.multiply(amount, Decimal(unit * 10**6))) for name, amount in said.items()}
    base, write = whole.get("input"), whole.get("cache_write", whole.get("input"))
    return _Tariff(
        base, whole.get("output"), whole.get("cache_read", base), write, whole.get("cache_write_1h", write),
        whole.get("request", 0) * 10**6, unit, ", ".join(f"{name} {amount:f}" for name, amount in said.items()),
    )  # fmt: skip


def _bracket(rates: Rates, input_total: int) -> int:
    """An input length that stands for all that cost the same."""
    starts = _starts(rates)
    return max((start + 1 for start in starts if input_total > start), default=0) if starts else 0


@lru_cache(KEPT)
def _starts(rates: Rates) -> tuple[int, ...]:
    priced = (getattr(rates, name) for name in PRICED)
    return tuple({start for steps in priced if steps is not None for start, _ in steps.tiers})


@lru_cache(KEPT)
def own_rates(price: Price) -> Rates:
    """A price of the settings, in the form of published ones. It does not depend on the length of the input."""
    return Rates(
        input=Steps(price.input), output=Steps(price.output), cache_read=_flat(price.cache_read), cache_write=_flat(price.cache_write),
        cache_write_1h=_flat(price.cache_write_1h),
    )  # fmt: skip


def _flat(amount: Decimal | None) -> Steps | None:
    return None if amount is None else Steps(amount)


def _cost(tariff: _Tariff, usage: Usage, price: str) -> Cost:
    usd = _amount(tariff, usage)
    return UNKNOWN if usd is None else Cost(usd, price)


def _listed(called: Called) -> Listed | None:
    """By the name it is asked for, else by the name it answers to."""
    found = listed(called.type, called.base_url, called.model)
    if found is None and called.answered and called.answered != called.model:
        found = listed(called.type, called.base_url, called.answered)
    return found
