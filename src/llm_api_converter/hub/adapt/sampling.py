"""Sampling, limits and the plain options of a request: what the target does not take is removed and reported."""

from typing import Any

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..request import Request, Sampling
from .walk import Notes, reasoning_on

_SILENT = Sampling()
_NEUTRAL_TIERS = ("auto", "default")
"""Service tiers that ask for nothing special."""


def fit_limits(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """`max_tokens`: the default where one is demanded and none was given (no loss), the target's limits otherwise."""
    limit = request.max_tokens
    if limit is None:
        if facts.max_tokens_default is None:
            return request
        return replace(request, max_tokens=facts.max_tokens_default)
    fitted = limit
    if facts.min_output_tokens is not None and fitted < facts.min_output_tokens:
        fitted = facts.min_output_tokens
    if facts.max_output_tokens is not None and fitted > facts.max_output_tokens:
        fitted = facts.max_output_tokens
    if fitted == limit:
        return request
    ledger.approximate(request.path("max_tokens"), "max_tokens", "tuning", f"{limit} is sent as {fitted}, the model's limit")
    return replace(request, max_tokens=fitted)


def fit_sampling(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Fields the target (while it reasons) does not take go; temperature and stop sequences are brought within its limits."""
    asked = request.sampling
    if asked is _SILENT or asked == _SILENT:
        return request
    changes: dict[str, Any] = {}
    thinking = facts.sampling_with_reasoning is not None and reasoning_on(request, facts)
    for field in Sampling.__struct_fields__:
        value = getattr(asked, field)
        if value is None or value == ():
            continue
        if field not in facts.sampling:
            ledger.drop(request.path(field), field, "tuning", "the target does not take it")
        elif thinking and field not in (facts.sampling_with_reasoning or ()):
            ledger.drop(request.path(field), field, "tuning", "the target does not take it while it reasons")
        else:
            continue
        changes[field] = () if field == "stop" else None
    fitted = replace(asked, **changes) if changes else asked
    fitted = _fit_stop(request, _fit_temperature(request, fitted, facts, ledger), facts, ledger)
    return request if fitted is asked else replace(request, sampling=fitted)


def _fit_temperature(request: Request, sampling: Sampling, facts: Facts, ledger: Ledger) -> Sampling:
    warmth = sampling.temperature
    if warmth is None:
        return sampling
    if warmth > facts.temperature_max:
        ledger.approximate(request.path("temperature"), "temperature", "tuning", f"{warmth:g} is sent as {facts.temperature_max:g}")
        sampling = replace(sampling, temperature=facts.temperature_max)
    if facts.temperature_xor_top_p and sampling.top_p is not None:
        ledger.drop(request.path("top_p"), "top_p", "tuning", "the target refuses it beside temperature")
        sampling = replace(sampling, top_p=None)
    return sampling


def _fit_stop(request: Request, sampling: Sampling, facts: Facts, ledger: Ledger) -> Sampling:
    stop = sampling.stop
    if not stop:
        return sampling
    if not facts.stop_blank and not all(word.strip() for word in stop):
        ledger.drop(request.path("stop"), "stop_blank", "tuning", "the target refuses blank stop sequences")
        stop = tuple(word for word in stop if word.strip())
    if facts.stop_limit is not None and len(stop) > facts.stop_limit:
        ledger.drop(request.path("stop"), "stop", "tuning", f"the target takes {facts.stop_limit} stop sequences")
        stop = stop[: facts.stop_limit]
    return sampling if len(stop) == len(sampling.stop) else replace(sampling, stop=stop)


def fit_options(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Service tier, end user, labels, keeping, wordiness, cache key: fields the target has no place for."""
    changes: dict[str, Any] = {}
    tier = request.service_tier
    if tier is not None and facts.service_tiers is not None and tier not in facts.service_tiers:
        if tier not in _NEUTRAL_TIERS:
            ledger.drop(request.path("service_tier"), "service_tier", "tuning", f"the target has no tier {tier!r}")
        changes["service_tier"] = None
    if request.user is not None and not facts.accepts_user:
        ledger.drop(request.path("user"), "user", "privacy", "the target takes no end-user id")
        changes["user"] = None
    if request.metadata is not None and not facts.accepts_metadata:
        if request.metadata:
            ledger.drop(request.path("metadata"), "metadata", "tuning", "the target takes no labels")
        changes["metadata"] = None
    if request.store is not None and not facts.accepts_store:
        _report_store(request, facts, ledger)
        changes["store"] = None
    if request.verbosity is not None and not facts.verbosity:
        ledger.drop(request.path("verbosity"), "verbosity", "tuning", "the target takes no wordiness")
        changes["verbosity"] = None
    if request.cache_key is not None and not facts.cache_key:
        if not facts.cache_key_header:
            ledger.drop(request.path("cache_key"), "cache_key", "cache", "the target takes no cache key")
        changes["cache_key"] = None
    return replace(request, **changes) if changes else request


def _report_store(request: Request, facts: Facts, ledger: Ledger) -> None:
    """Not keeping an answer is a promise; it is only lost where the target keeps answers."""
    if request.store:
        ledger.drop(request.path("store"), "store", "tuning", "the target does not keep answers on demand")
    elif facts.stores:
        ledger.drop(request.path("store"), "store", "privacy", "the target keeps answers and cannot be told not to")
