"""Who may come in: the caller of a request, what its key allows, its budget and its limits. Every answer a person may get here says what
to do about it.
"""

from collections.abc import Awaitable
from datetime import UTC, datetime
from time import time

import structlog

from ..access.credentials import client_address
from ..access.principal import Principal, check_address, check_model, check_protocol
from ..hub.errors import ApiError
from ..limits.base import Away, Denied, Grant
from ..limits.headers import limit_lines, retry_after
from ..limits.host import LockBusy, StillBusy
from ..providers.target import Route
from ..usage.budgets import Standing
from .exchange import Exchange
from .http import headers_of

log = structlog.get_logger("gateway")

AWAY_S = 2.0
CHARACTERS_A_TOKEN = 4


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


async def admit(x: Exchange) -> None:
    """Let a call in that will use tokens. Raises `ApiError`: quota_exhausted for a spent budget (unless the model costs nothing, by the
    settings), rate_limited, or overloaded where limits cannot be asked for and the settings let nobody in then.
    """
    services = x.runtime.services
    if services is None or x.route is None:
        return
    allowance = services.allowances.of(x.who, x.route.name)
    if allowance.bounds and allowance.calm != (mark := services.budgets.mark()):
        standing = await services.budgets.check(allowance.bounds)
        if standing is None:
            allowance.calm = mark
        elif not all(services.prices.free(target.provider, target.model) for target in x.route.targets):
            if standing.state == "spent":
                services.metrics.budget_refused(standing.bound.scope, standing.period)
                raise _spent(standing)
            x.budget_warning = f"{standing.bound.scope} {standing.period} {standing.share:.0%}"
    rules = allowance.rules
    if not rules:
        return
    try:  # the tokens of a request are guessed by its length until the upstream says
        answer = services.limiter.reserve(rules, float(len(x.body) // CHARACTERS_A_TOKEN + 1))
        if type(answer) is Grant:
            x.allowed = answer
            return
        decided = answer if isinstance(answer, Grant | Denied) else await answer
    except Away as error:
        services.metrics.limiter_failed(let_in=False)
        raise ApiError("overloaded", f"{error}; try again in a moment", status=503, retry_after_s=AWAY_S) from error
    except LockBusy as error:
        services.metrics.limiter_failed(let_in=True)
        if not isinstance(error, StillBusy):  # once, not with every request
            log.warning("limits not asked for", request_id=x.request_id, error=str(error))
        return
    x.allowed = decided
    if isinstance(decided, Denied):
        services.metrics.rate_limited(decided.rule.scope, decided.rule.dimension)
        raise _limited(decided)
    if not decided.rules:
        services.metrics.limiter_failed(let_in=True)


_UNITS = {"requests": "requests", "tokens": "tokens", "concurrent": "requests at the same time"}


def _limited(denied: Denied) -> ApiError:
    rule, wait_s = denied.rule, retry_after(denied.retry_after_s)
    if rule.is_slots:
        how = f"may run {rule.burst:g} {_UNITS[rule.dimension]}, and does"
    else:
        how = f"may use {rule.rate_per_s * 60:.4g} {_UNITS[rule.dimension]} a minute, {rule.burst:g} at once, and has"
    return ApiError(
        "rate_limited", f"{rule.what} {how}; try again in {wait_s:g} s", status=429, code="rate_limit_exceeded", retry_after_s=wait_s
    )


def _spent(standing: Standing) -> ApiError:
    when = "It does not begin anew: ask for a larger one"
    if standing.resets_s is not None:
        when = f"It begins anew at {datetime.fromtimestamp(standing.resets_s, UTC):%Y-%m-%d %H:%M} UTC"
    period = {"day": "today's budget", "month": "this month's budget", "total": "its budget"}[standing.period]
    return ApiError(
        "quota_exhausted",
        f"{standing.bound.what} has spent {period}: {_usd(standing.spent)} of {_usd(standing.limit)} US dollars. {when}. Trying again "
        "before that will not help",
        code="insufficient_quota", retry_after_s=None if standing.resets_s is None else max(1.0, standing.resets_s - standing.at_s),
    )


def _usd(amount: object) -> str:
    return f"{amount:.2f}"


def allowance_lines(x: Exchange) -> bytes:
    """What the caller has left, in its protocol's own headers, as lines of a head."""
    allowed = x.allowed
    return limit_lines(x.codec.name, allowed.rules, allowed.levels, time()) if allowed is not None and allowed.rules else b""


def allowance_headers(x: Exchange) -> list[tuple[bytes, bytes]]:
    """The same as names and values."""
    return headers_of(allowance_lines(x))


def budget_headers(x: Exchange) -> list[tuple[bytes, bytes]]:
    """A warning for a budget that is nearly spent."""
    return [(b"x-budget-warning", x.budget_warning.encode("latin-1", "replace"))] if x.budget_warning else []


def settles_later(x: Exchange) -> bool:
    """Whether nothing waits for what it has reserved to be settled, so that this may be done with its records."""
    granted = x.allowed
    if not isinstance(granted, Grant) or granted.lease:
        return False
    assert x.runtime.services is not None
    return x.runtime.services.limiter.settles_at_once


def release(x: Exchange) -> Awaitable[None] | None:
    """Settle what was reserved with what was used, and free what was held. Always called, whatever came of the request."""
    granted = x.allowed
    if not isinstance(granted, Grant) or not granted.rules:
        return None
    assert x.runtime.services is not None
    usage = x.usage
    if usage is not None:
        used: float | None = float(usage.input_total + usage.output_total)
    else:  # what failed has used nothing; where the upstream counts nothing, the guess stands
        used = 0.0 if x.error is not None else None
    return x.runtime.services.limiter.settle(granted, used)
