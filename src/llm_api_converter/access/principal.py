"""Who is calling, once it is known."""

from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from msgspec import Struct

from ..hub.errors import ApiError
from ..store.records import KeyRecord

Network = IPv4Network | IPv6Network


class Principal(Struct, frozen=True, kw_only=True, eq=False):
    """A caller, made once for a key and kept; compared by identity. `name` is for logs; `scope` is whose kept state it may see (its team's,
    else its own).

    `record` is None for the master key and where no key is asked for. `models` are what its key and its team both allow.
    """

    name: str
    scope: str
    record: KeyRecord | None = None
    models: tuple[tuple[str, ...], ...] = ()
    networks: tuple[Network, ...] = ()
    is_master: bool = False

    @property
    def key_id(self) -> str | None:
        """The id of its key."""
        return None if self.record is None else self.record.id

    @property
    def team(self) -> str | None:
        """The team of its key."""
        return None if self.record is None else self.record.team


ANYONE = Principal(name="anyone", scope="anyone")
MASTER = Principal(name="master", scope="master", is_master=True)


def principal_of(record: KeyRecord, team_models: tuple[str, ...] | None) -> Principal:
    """The caller that has this key."""
    return Principal(
        name=record.name,
        scope=f"team:{record.team}" if record.team else f"key:{record.id}",
        record=record,
        models=tuple(patterns for patterns in (record.models, team_models) if patterns is not None),
        networks=tuple(ip_network(network, strict=False) for network in record.addresses or ()),
    )


def check_protocol(who: Principal, protocol: str) -> None:
    """Raises `ApiError(forbidden)` where the key is not for this protocol."""
    allowed = who.record.protocols if who.record else None
    if allowed is not None and protocol not in allowed:
        raise ApiError("forbidden", f"the API key `{who.name}` is not for the protocol {protocol}; it is for {_listed(allowed)}")


def check_model(who: Principal, model: str, route: str) -> None:
    """Raises `ApiError(forbidden)` where the key (or its team) may not ask for this model. Patterns are compared with the name that
    was asked for and with the configured name it led to.
    """
    for patterns in who.models:
        if not any(fnmatchcase(model, pattern) or fnmatchcase(route, pattern) for pattern in patterns):
            allowed = _listed(patterns)
            why = f"model: the API key `{who.name}` may not use the model `{model}`; it may use {allowed}"
            raise ApiError("forbidden", why, path="model")


def may_use(who: Principal, model: str) -> bool:
    """Whether a listed model is one the caller may ask for."""
    return all(any(fnmatchcase(model, pattern) for pattern in patterns) for patterns in who.models)


def check_address(who: Principal, address: str | None) -> None:
    """Raises `ApiError(forbidden)` where the key is bound to networks and the client is in none of them."""
    if not who.networks:
        return
    try:
        here = ip_address(address or "")
    except ValueError:
        here = None
    if here is None or not any(here in network for network in who.networks):
        raise ApiError("forbidden", f"the API key `{who.name}` may not be used from this address ({address or 'unknown'})")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names[:10]) + (" ..." if len(names) > 10 else "") if names else "none"
