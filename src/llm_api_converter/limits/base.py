"""What is asked of a back end of limits. `tests/limits/test_contract.py` is its meaning, run against each.

A reservation names every bucket a request counts against; all are taken from, or none. It is settled exactly once, with the truth.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol

from msgspec import Struct

Dimension = Literal["requests", "tokens", "concurrent"]


class Rule(Struct, frozen=True):
    """One bucket a request counts against. `scope` names whose it is (`key:ID`, `team:NAME`, `model:NAME`, `overall`).

    Of `concurrent`, `burst` is the number of slots, and there is no rate. `what` is how the scope is called in a message.
    """

    scope: str
    dimension: Dimension
    rate_per_s: float
    burst: float
    what: str = ""

    @property
    def name(self) -> str:
        """The bucket's own name."""
        return f"{self.scope}/{self.dimension}"

    @property
    def is_slots(self) -> bool:
        """Whether it counts what runs at a time."""
        return self.dimension == "concurrent"


class Rules(tuple[Rule, ...]):
    """The buckets of many requests, as whoever makes them once and keeps them hands them out: each is equal to nothing but itself, so that
    what is known of it is found without looking into every rule.
    """

    __slots__ = ()
    __hash__ = object.__hash__
    __eq__ = object.__eq__
    __ne__ = object.__ne__


class Grant(Struct, frozen=True):
    """What was taken, to be settled. `levels` are the buckets' after it, in the order of `rules`; `lease` holds slots. An empty grant
    holds nothing.
    """

    rules: tuple[Rule, ...] = ()
    tokens: float = 0.0
    levels: tuple[float, ...] = ()
    lease: str = ""


class Denied(Struct, frozen=True):
    """Nothing was taken: `rule` is the bucket that lacks most, `retry_after_s` when it would have enough (of slots: a guess)."""

    rule: Rule
    retry_after_s: float
    rules: tuple[Rule, ...] = ()
    levels: tuple[float, ...] = ()


class Away(Exception):
    """The back end cannot be asked, and the settings say that then nobody comes in."""


class Take(Struct, frozen=True):
    """One bucket's part in a decision: what it held, and what was asked of it (negative where something is given back). `freed`: the slots
    of dead workers that came back since the last decision about this bucket.
    """

    bucket: str
    rate_per_s: float
    burst: float
    cost: float
    level: float
    freed: float = 0.0


class Decision(Struct, frozen=True):
    """A decision as it was made: enough to make it again. `order` counts them over all processes, without gaps but for those which a
    process that was killed could not tell any more; `at_s` is the clock of the back end.
    """

    order: int
    at_s: float
    kind: Literal["reserve", "settle"]
    granted: bool
    takes: tuple[Take, ...]


Log = Callable[[Decision], None]


class Limiter(Protocol):
    """A back end. `settles_at_once`: settling never waits, and many calls in a row are cheaper than each by itself."""

    settles_at_once: bool

    @property
    def away(self) -> int:
        """How often it could not be asked."""

    def reserve(self, rules: tuple[Rule, ...], tokens: float) -> "Grant | Denied | Awaitable[Grant | Denied]":
        """Take 1 of `requests`, `tokens` of `tokens`, a slot of `concurrent`. An empty grant: it could not be asked for, and the settings
        let everyone in then. Raises Away where they let nobody in.
        """

    def settle(self, grant: Grant, tokens: float | None) -> "Awaitable[None] | None":
        """Give back what was reserved too much or take what was too little, and free the slots; None: the estimate stands."""

    def status(self) -> dict[str, Any]:
        """For administrators: whether it can be asked, and what it counts of itself."""

    async def open(self) -> None:
        """Be ready. A back end that is away does not keep from starting."""

    async def close(self) -> None:
        """Free everything."""


def cost_of(rule: Rule, tokens: float) -> float:
    """What a request costs a bucket."""
    return tokens if rule.dimension == "tokens" else 1.0
