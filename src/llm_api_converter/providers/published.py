"""What vendors publish as their prices: by provider, model and time. Data, read at its first use from `published.json`.

The data are those of the package genai-prices (MIT licence, https://github.com/pydantic/genai-prices), made smaller by
`python -m tests.usage.published`; docs/decisions/011 says why the package itself is no dependency. A test compares every price found
here with what that package finds.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from .price_names import PRICED_AS

FILE = Path(__file__).with_name("published.json")
KEPT = 4096

_COMPACT_DATE = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")


class Steps(Struct, frozen=True):
    """A price that depends on the length of the whole input: that of the last of `tiers` (start, price) whose start is exceeded counts for
    all tokens.
    """

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, input_total: int) -> Decimal:
        """The price for an input of this length."""
        return next((price for start, price in reversed(self.tiers) if input_total > start), self.base)


class Rates(Struct, frozen=True, kw_only=True, eq=False):
    """US dollars: for a million tokens, and for a call (`request`). None: there is no such price; cached tokens then cost as others do.
    Compared by identity: each is made once, and what follows from it is kept.

    They hold from the day `since` and at the times `daily` (begin, end), both UTC. `when` is what an answer says of itself (its service
    tier, its speed) for these prices to count.
    """

    input: Steps | None = None
    output: Steps | None = None
    cache_read: Steps | None = None
    cache_write: Steps | None = None
    cache_write_1h: Steps | None = None
    request: Steps | None = None
    since: date | None = None
    daily: tuple[time, time] | None = None
    when: Mapping[str, str] = {}

    def hold(self, at: datetime) -> bool:
        """Whether they hold at this time (UTC)."""
        if self.since is not None and at.date() < self.since:
            return False
        if self.daily is None:
            return True
        begin, end, now = *self.daily, at.time()
        return begin <= now < end if begin <= end else now >= begin or now < end


PRICED = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "request")


class Clause(Struct, frozen=True, rename={"or_": "or", "and_": "and"}):
    """Which names are meant; one of its fields is given. Names are in lower case."""

    equals: str | None = None
    starts_with: str | None = None
    ends_with: str | None = None
    contains: str | None = None
    regex: str | None = None
    or_: tuple["Clause", ...] | None = None
    and_: tuple["Clause", ...] | None = None

    def means(self, name: str) -> bool:
        """Is this one of them?"""
        if self.equals is not None:
            return name == self.equals
        if self.or_ is not None:
            return any(clause.means(name) for clause in self.or_)
        if self.and_ is not None:
            return all(clause.means(name) for clause in self.and_)
        if self.starts_with is not None:
            return name.startswith(self.starts_with)
        if self.ends_with is not None:
            return name.endswith(self.ends_with)
        if self.contains is not None:
            return self.contains in name
        return self.regex is not None and re.search(self.regex, name) is not None


class Model(Struct, frozen=True):
    """A model's prices: of `prices` the last that holds counts, over it the first of the `variants` that say otherwise."""

    id: str
    match: Clause
    prices: tuple[Rates, ...]
    variants: tuple[Rates, ...] = ()

    def rates(self, at: datetime, said: Mapping[str, str]) -> Rates:
        """What counts at a time (UTC) for an answer that says this of itself."""
        rates = next((rates for rates in reversed(self.prices) if rates.hold(at)), self.prices[0])
        if not said or not self.variants:
            return rates
        meant = tuple(x for x in self.variants if x.hold(at) and all(said.get(key) == value for key, value in x.when.items()))
        return _changed(rates, meant) if meant else rates


@lru_cache(KEPT)
def _changed(rates: Rates, variants: tuple[Rates, ...]) -> Rates:
    changes = {name: price for x in reversed(variants) for name in PRICED if (price := getattr(x, name)) is not None}
    return msgspec.structs.replace(rates, **changes)


class Provider(Struct, frozen=True):
    """Whose models these are; `address` is a pattern, `others` are providers whose prices count for models it has none for."""

    id: str
    address: str
    models: tuple[Model, ...] = ()
    others: tuple[str, ...] = ()

    def model(self, name: str) -> Model | None:
        """The first that is meant."""
        return next((model for model in self.models if model.match.means(name)), None)


class Published(Struct, frozen=True):
    """The file. `version` is that of the package it was made from."""

    version: str
    providers: tuple[Provider, ...]


class Listed(Struct, frozen=True):
    """A model in the list. `name` says which, for a person."""

    name: str
    model: Model


@cache
def published() -> Published:
    """The list, read once."""
    return msgspec.json.decode(FILE.read_bytes(), type=Published)


@lru_cache(KEPT)
def listed(provider_type: str, base_url: str, model: str) -> Listed | None:
    """A model's prices; None where none are published. The provider is known by its type, else by the address it is called at."""
    name = model.lower().removeprefix("models/")
    priced_as = PRICED_AS.get(provider_type)
    for provider in published().providers:
        if provider.id == priced_as if priced_as is not None else re.match(provider.address, base_url):
            found = _in(provider, name) or _in(provider, _COMPACT_DATE.sub(r"-\1-\2-\3", name))
            return None if found is None else Listed(f"{provider.id}/{found.id}", found)
    return None


def _in(provider: Provider, name: str) -> Model | None:
    found = provider.model(name)
    if found is None:
        others = {other.id: other for other in published().providers if other.id in provider.others}
        found = next((model for other in provider.others if other in others and (model := others[other].model(name)) is not None), None)
    return found


def utc(at_s: float) -> datetime:
    """Unix time as the time prices go by."""
    return datetime.fromtimestamp(at_s, UTC)
