"""A model name -> the targets to call, by the settings. See `docs/settings.md`, "Model names".

In this order: a configured name; a configured pattern, in the file's order; `provider/model`; a bare id that exactly one provider's
patterns claim; a `claude-*` name by `claude_models`. Anything else is an ApiError(not_found) that says what to write instead.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any, NoReturn

from msgspec import Struct
from msgspec.structs import replace
from pydantic import SecretStr

from ..config import Config, ModelConfig, ProviderConfig
from ..hub.errors import ApiError
from ..hub.facts import Facts
from ..hub.request import EFFORTS
from ..protocols.base import ModelInfo
from ..providers.catalog import Catalog, ProviderType, Resolved
from ..providers.target import Auth, Route, Target

FAMILIES = ("opus", "sonnet", "haiku")
_WILD = frozenset("*?[")
_SHOWN = 12
"""So many configured names are listed in a 404; beyond it only the near ones."""


class _Provider(Struct, frozen=True):
    """A configured provider with its catalogue entry."""

    name: str
    config: ProviderConfig
    entry: ProviderType
    secret: str
    options: Mapping[str, str]
    scope: str
    claims: tuple[str, ...]


class Resolver:
    """Resolves names for one `Config`. Answers are kept (bounded): a known name costs one look-up."""

    CACHE_SIZE = 4096

    def __init__(self, config: Config, catalog: Catalog) -> None:
        self._config = config
        self._catalog = catalog
        self._providers = {name: _provider(name, p, catalog.providers[p.type]) for name, p in config.providers.items()}
        self._exact = {m.name: m for m in config.models if not _WILD & set(m.name)}
        self._patterns = tuple(m for m in config.models if _WILD & set(m.name))
        self._off = {"settings features": off} if (off := _switched_off(config)) else {}
        self._cache: dict[tuple[str, str], Route] = {}

    def resolve(self, model: str, client_protocol: str) -> Route:
        """The route of a name for a client of this protocol. Raises ApiError(not_found)."""
        key = (model, client_protocol)
        route = self._cache.get(key)
        if route is None:
            if len(self._cache) >= self.CACHE_SIZE:
                self._cache.clear()
            route = self._cache[key] = self._resolve(model, client_protocol)
        return route

    def models(self) -> list[ModelInfo]:
        """What `/v1/models` lists: configured names that are no patterns, then ids the catalogue lists for configured providers."""
        out = {name: self._info(name, self.resolve(name, "")) for name in self._exact}
        for provider in self._providers.values():
            for model in provider.entry.listed:
                name = model if self._claimants(model) == [provider] and model not in out else f"{provider.name}/{model}"
                out.setdefault(name, self._info(name, self.resolve(name, "")))
        return list(out.values())

    def problems(self) -> list[str]:
        """Names in `claude_models` that lead nowhere, for check-config and the start."""
        out = []
        for field in ("default", *FAMILIES):
            name = getattr(self._config.claude_models, field)
            if name is not None:
                try:
                    self._resolve(name, "", claude=False)
                except ApiError as error:
                    out.append(f"claude_models.{field}: {error.message}")
        return out

    def capabilities(self, model: str, client_protocol: str) -> list[dict[str, Any]]:
        """For `/v1/capabilities`: each target of the name with every fact's value, layer, source and date."""
        configured = self._configured_as(model)
        return [
            {
                "provider": target.provider, "protocol": target.protocol, "model": target.model,
                "facts": self._catalog.capabilities(
                    target.protocol, target.type, target.model, self._overrides(self._providers[target.provider], configured)
                ),
            }
            for target in self.resolve(model, client_protocol).targets
        ]

    def _resolve(self, model: str, client_protocol: str, claude: bool = True) -> Route:
        if (configured := self._configured_as(model)) is not None:
            return self._configured(configured, model, client_protocol)
        name, slash, rest = model.partition("/")
        if slash and rest and name in self._providers:
            return self._single(self._providers[name], rest, client_protocol)
        claimants = self._claimants(model)
        if len(claimants) == 1:
            return self._single(claimants[0], model, client_protocol)
        if claimants:
            spelled = " or ".join(f"{p.name}/{model}" for p in claimants)
            raise ApiError("not_found", f"The model {model!r} is offered by more than one provider. Ask for {spelled}.", path="model")
        if claude and model.startswith("claude-") and (instead := self._claude(model)):
            return self._resolve(instead, client_protocol, claude=False)
        self._unknown(model)

    def _configured_as(self, model: str) -> ModelConfig | None:
        """The entry of the settings that a name means: exact, else the first pattern that matches."""
        return self._exact.get(model) or next((m for m in self._patterns if fnmatchcase(model, m.name)), None)

    def _claimants(self, model: str) -> list[_Provider]:
        return [p for p in self._providers.values() if any(fnmatchcase(model, pattern) for pattern in p.claims)]

    def _claude(self, model: str) -> str | None:
        """The stand-in for a Claude model: that of its family, else the default."""
        table = self._config.claude_models
        family = next((word for word in FAMILIES if word in model), None)
        chosen: str | None = getattr(table, family) if family else None
        return chosen or table.default

    def _configured(self, configured: ModelConfig, asked: str, client_protocol: str) -> Route:
        targets = tuple(
            self._target(self._providers[t.provider], t.model.replace("*", asked), client_protocol, configured, t.weight)
            for t in configured.all_targets()
        )
        return Route(name=configured.name, targets=targets, on_loss={**self._config.conversion.on_loss.table(), **configured.on_loss})

    def _single(self, provider: _Provider, model: str, client_protocol: str) -> Route:
        target = self._target(provider, model, client_protocol, None, 1)
        return Route(name=f"{provider.name}/{model}", targets=(target,), on_loss=self._config.conversion.on_loss.table())

    def _target(
        self, provider: _Provider, model: str, client_protocol: str, configured: ModelConfig | None, weight: int
    ) -> Target:
        config, spoken = provider.config, provider.entry.spoken(model)
        if config.protocol is not None:
            return self._spoken_to(provider, model, config.protocol, configured, weight)
        protocol = client_protocol if client_protocol in spoken else spoken[0]
        target = self._spoken_to(provider, model, protocol, configured, weight)
        others = tuple(self._spoken_to(provider, model, other, configured, weight) for other in spoken if other != protocol)
        return replace(target, others=others) if others else target

    def _spoken_to(self, provider: _Provider, model: str, protocol: str, configured: ModelConfig | None, weight: int) -> Target:
        config, entry = provider.config, provider.entry
        resolved = self._facts(provider, protocol, model, configured)
        return Target(
            provider=provider.name,
            type=config.type,
            protocol=protocol,
            model=model,
            base_url=entry.address(protocol, config.base_url, provider.options),
            auth=Auth(entry.scheme(protocol), provider.secret) if provider.secret else Auth(entry.keyless, "", provider.options),
            facts=resolved.facts,
            layers=resolved.layers,
            paths=entry.routes(protocol, provider.options),
            headers={**entry.headers, **{name.lower(): value.get_secret_value() for name, value in config.headers.items()}},
            scope=provider.scope,
            weight=weight,
            timeout_s=config.timeout_s or self._config.upstream.timeout_s,
            counts_tokens=protocol in entry.counts_tokens,
            envelope=entry.envelope.get(protocol, ""),
            native_paths=entry.native_paths,
        )

    def _facts(self, provider: _Provider, protocol: str, model: str, configured: ModelConfig | None) -> Resolved:
        known = self._catalog.resolve(protocol, provider.config.type, model)
        return self._catalog.with_overrides(known, self._overrides(provider, configured))

    def _overrides(self, provider: _Provider, configured: ModelConfig | None) -> dict[str, Mapping[str, Any]]:
        layers: dict[str, Mapping[str, Any]] = {}
        if provider.config.facts:
            layers[f"settings providers.{provider.name}.facts"] = provider.config.facts
        if configured is not None and configured.facts:
            layers[f"settings models.{configured.name}.facts"] = configured.facts
        return {**layers, **self._off}

    def _info(self, name: str, route: Route) -> ModelInfo:
        facts: Facts = route.targets[0].facts
        return ModelInfo(
            id=name, context_window=facts.context_window, max_output_tokens=facts.max_output_tokens, owned_by=route.targets[0].provider,
            accepts_images=facts.accepts_images, verbosity=facts.verbosity,
            efforts=() if facts.reasoning_input == "none" else facts.reasoning_levels or EFFORTS,
        )  # fmt: skip

    def _unknown(self, model: str) -> NoReturn:
        known = [*self._exact, *(m.name for m in self._patterns), *(x for p in self._providers.values() for x in p.entry.listed)]
        message = f"The model {model!r} is not configured."
        if near := get_close_matches(model, known, n=3, cutoff=0.6):
            message += f" Did you mean {' or '.join(near)}?"
        if known and len(known) <= _SHOWN:
            message += f" Configured: {', '.join(known)}."
        if model.startswith("claude-"):
            family = next((f"ANTHROPIC_DEFAULT_{word.upper()}_MODEL" for word in FAMILIES if word in model), None)
            either = f"{family}=... or " if family else ""
            message += f" To send such names elsewhere, set {either}ANTHROPIC_DEFAULT_MODEL=provider/model."
        message += f" Any model can be asked for as provider/model; providers: {', '.join(self._providers)}."
        raise ApiError("not_found", message, path="model")


def _provider(name: str, config: ProviderConfig, entry: ProviderType) -> _Provider:
    secret = config.api_key.get_secret_value() if config.api_key else ""
    given = {field: _text(value) for field in entry.takes if (value := getattr(config, field)) is not None}
    options = {**entry.defaults, **given}
    credential = "\0".join((config.type, secret, *(f"{field}={options[field]}" for field in sorted(options))))
    scope = sha256(credential.encode()).hexdigest()[:8]
    return _Provider(name, config, entry, secret, options, scope, entry.claims if config.claims is None else config.claims)


def _text(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _switched_off(config: Config) -> dict[str, Any]:
    """The facts that `features` takes from every target."""
    features = config.features
    off: dict[str, Any] = {}
    if not features.tools:
        off["accepts_tools"] = False
    if not features.reasoning:
        off["reasoning_input"] = "none"
    if not features.documents:
        off["accepts_documents"] = False
    if not features.prompt_cache:
        off["cache_marks"] = 0
    return off
