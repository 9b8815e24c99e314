"""What an administrator says of a key, checked: the same for the command line and the admin API."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from ..config.section import Int, Number, Section
from ..config.team import BudgetConfig
from ..hub.ledger import LossClass, Policy
from ..protocols import PROTOCOLS
from ..store.records import Budget, Limits

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(value: Any) -> Any:
    """`90`, `"90s"`, `"30m"`, `"24h"`, `"30d"`, `"2w"` -> seconds."""
    if isinstance(value, str) and value and value[-1] in _UNITS and value[:-1].isdecimal():
        return int(value[:-1]) * _UNITS[value[-1]]
    return value


def moment(value: Any, now: datetime | None = None) -> Any:
    """An ISO date or time (UTC where it names no zone), or a time from now such as `30d` -> Unix seconds."""
    if not isinstance(value, str):
        return value
    span = seconds(value)
    if isinstance(span, int):
        return ((now or datetime.now(UTC)) + timedelta(seconds=span)).timestamp()
    try:
        at = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError("expected a date such as 2027-01-31, or a time from now such as 30d") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _name(value: str) -> str:
    if not value.isprintable():  # no store and no terminal is spared a NUL otherwise, and every record repeats it
        raise ValueError("expected characters that can be printed")
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError as error:
        raise ValueError("expected an address or a network such as 10.0.0.0/8") from error


def _protocol(value: str) -> str:
    if value not in PROTOCOLS:
        raise ValueError(f"expected one of {', '.join(PROTOCOLS)}")
    return value


def _model(value: str) -> str:
    fnmatchcase("", value)  # a pattern that cannot be read is refused here, not at a request
    return value


Moment = Annotated[float, BeforeValidator(moment)]
Seconds = Annotated[float, BeforeValidator(seconds), Field(gt=0)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_name)]


class LimitsSpec(Section):
    """Limits of a key of its own; what is left out is as in the settings, 0 is without bound."""

    requests: Int | None = Field(default=None, ge=0)
    tokens: Int | None = Field(default=None, ge=0)
    concurrent: Int | None = Field(default=None, ge=0)
    window_s: Number | None = Field(default=None, gt=0)
    burst: Int | None = Field(default=None, ge=1)

    def record(self) -> Limits:
        """As the store keeps it."""
        return Limits(**self.model_dump())


class KeySpec(Section):
    """A key as it is wanted. Lists that are left out allow everything; `expires` is a date, or a time from now."""

    name: Name
    owner: Name | None = None
    team: Name | None = None
    tags: Mapping[str, str] = Field(default_factory=dict)
    models: tuple[Annotated[str, Field(min_length=1), AfterValidator(_model)], ...] | None = None
    protocols: tuple[Annotated[str, AfterValidator(_protocol)], ...] | None = None
    addresses: tuple[Annotated[str, AfterValidator(_network)], ...] | None = None
    limits: LimitsSpec | None = None
    budget: BudgetConfig | None = None
    on_loss: Mapping[LossClass, Policy] = Field(default_factory=dict)
    expires: Moment | None = None

    def fields(self) -> dict[str, Any]:
        """What was said, as fields of `KeyRecord`."""
        said: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        if "expires" in said:
            said["expires_s"] = said.pop("expires")
        if self.limits is not None:
            said["limits"] = self.limits.record()
        if self.budget is not None:
            said["budget"] = Budget(**self.budget.model_dump())
        for name in ("tags", "on_loss"):
            if name in said:
                said[name] = dict(said[name])
        return said


class KeyChange(KeySpec):
    """What is to be different about a key; what is left out stays, null takes it away."""

    name: Name = ""
