"""What a caller may use: the buckets and budgets its requests count against, from its key's own settings, its team's, the model's, and the
gateway's. Pure; worked out once for a key and a model and kept.
"""

from ..access.principal import Principal
from ..config import BudgetConfig, Config, RatesConfig
from ..limits.base import Rule, Rules
from ..store.records import Budget, KeyRecord, Limits
from ..usage.budgets import Bound

KEPT = 20_000


class Allowance:
    """What a caller may use of a model. `calm`: the `Budgets.mark` at which all was well with its budgets."""

    __slots__ = ("bounds", "calm", "rules")

    def __init__(self, rules: tuple[Rule, ...], bounds: tuple[Bound, ...]) -> None:
        self.rules = rules
        self.bounds = bounds
        self.calm: tuple[int, float] | None = None


NONE = Allowance((), ())


class Allowances:
    """By the settings."""

    def __init__(self, config: Config) -> None:
        self._on = config.rate_limit.enabled
        self._per_key = config.rate_limit.per_key()
        self._overall = config.rate_limit.overall
        self._teams = config.teams
        self._models = {model.name: model.rate_limit for model in config.models if _says(model.rate_limit)}
        self._found: dict[Principal | tuple[Principal, str], Allowance] = {}

    def of(self, who: Principal, route: str) -> Allowance:
        """The buckets and budgets a request counts against. The master key has none; without keys there is nobody to count by."""
        if who.is_master:
            return NONE
        mark = (who, route) if route in self._models else who
        found = self._found.get(mark)
        if found is None:
            if len(self._found) >= KEPT:
                self._found.clear()
            record = who.record
            rules = Rules(self._made(record, route) if self._on else ())
            found = self._found[mark] = Allowance(rules, () if record is None else tuple(self._bounded(record)))
        return found

    def _made(self, record: KeyRecord | None, route: str) -> list[Rule]:
        rules = []
        if record is not None:
            rules += _rules(f"key:{record.id}", f"the API key `{record.name}`", merged(self._per_key, record.limits))
            team = self._teams.get(record.team or "")
            if team is not None:
                rules += _rules(f"team:{record.team}", f"the team `{record.team}`", team.rate_limit)
        if route in self._models:
            rules += _rules(f"model:{route}", f"the model `{route}`", self._models[route])
        return rules + _rules("overall", "this gateway", self._overall)

    def _bounded(self, record: KeyRecord) -> list[Bound]:
        found = []
        if record.budget is not None:
            found.append(Bound(f"key:{record.id}", f"the API key `{record.name}`", record.budget))
        team = self._teams.get(record.team or "")
        if team is not None and team.budget != BudgetConfig():
            found.append(Bound(f"team:{record.team}", f"the team `{record.team}`", Budget(**team.budget.model_dump())))
        return found


def merged(default: RatesConfig, own: Limits | None) -> RatesConfig:
    """A key's own limits over the settings'; 0 is without bound."""
    if own is None:
        return default
    values = default.model_dump()
    for name in ("requests", "tokens", "concurrent", "window_s", "burst"):
        value = getattr(own, name)
        if value is not None:
            values[name] = None if value == 0 else value
    if own.requests is not None and own.burst is None and values["requests"] is not None:
        values["burst"] = min(values["burst"] or values["requests"], values["requests"])
    return RatesConfig.model_construct(**values)


def _rules(scope: str, what: str, rates: RatesConfig) -> list[Rule]:
    found = []
    if rates.requests is not None:
        found.append(Rule(scope, "requests", rates.requests / rates.window_s, float(rates.burst or rates.requests), what))
    if rates.tokens is not None:
        found.append(Rule(scope, "tokens", rates.tokens / rates.window_s, float(rates.tokens), what))
    if rates.concurrent is not None:
        found.append(Rule(scope, "concurrent", 0.0, float(rates.concurrent), what))
    return found


def _says(rates: RatesConfig) -> bool:
    return rates.requests is not None or rates.tokens is not None or rates.concurrent is not None
