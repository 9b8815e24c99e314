"""Who may come in: the caller of a request, what its key allows. Every answer a person may get here says what to do about it."""

from ..access.credentials import client_address
from ..access.principal import Principal, check_address, check_model, check_protocol
from ..providers.target import Route
from .exchange import Exchange


async def identify(x: Exchange) -> None:
    """Find out who calls. Raises `ApiError`: unauthenticated, forbidden, or overloaded where keys cannot be looked up."""
    who = x.runtime.identify(x.headers, x.query)
    if not isinstance(who, Principal):
        assert x.runtime.services is not None
        who = await x.runtime.services.keys.find(who)
    x.who = who
    if who.record is not None:
        check_address(who, client_address(x.peer, x.headers, x.runtime.trusted_proxies))
        check_protocol(who, x.codec.name)


def resolve(x: Exchange) -> Route:
    """Find the route of `x.model`, and note it. Raises `ApiError`: not_found, or forbidden where the caller may not use that model."""
    route = x.route = x.runtime.resolver.resolve(x.model, x.codec.name)
    if x.who.models:
        check_model(x.who, x.model, route.name)
    return route
