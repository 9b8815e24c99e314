"""The catalogue: `catalog.yaml` (data with source and date) -> what a provider type is, and the facts of a model at it.

Facts come in layers, later wins: the defaults of `Facts`, the protocol, the provider type, every model family whose pattern matches
(in the file's order), then the settings' overrides. `resolve_facts` says for each value which layer gave it. Loading is strict: an
unknown name or a wrong type is an error with a suggestion, here as in the settings.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib import resources
from typing import Any, get_type_hints

import msgspec
import yaml
from msgspec import Struct

from ..hub.facts import Facts
from ..protocols import PROTOCOLS

HOMES = {
    "anthropic": "anthropic", "openai_chat": "openai", "openai_responses": "openai", "gemini": "gemini", "bedrock_converse": "bedrock",
}  # fmt: skip
"""Whose protocol it is: where a provider is not known, a model is taken to be as it is there."""

REGION_PREFIXES = ("us-gov.", "us.", "eu.", "apac.", "global.", "jp.", "au.", "ca.", "sa.", "me.", "af.", "il.", "mx.")
VENDOR_PREFIXES = (
    "anthropic.", "openai.", "amazon.", "meta.", "qwen.", "deepseek.", "mistral.", "moonshot.", "moonshotai.", "zai.", "minimax.",
    "cohere.", "ai21.", "writer.", "google.", "nvidia.",
)

_FACT_TYPES: dict[str, Any] = get_type_hints(Facts)


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """Evidence that several rules rest on: what it is (a page, an SDK, a recording), and when it was read."""

    text: str
    date: str


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """Facts with their evidence. `protocols` and `providers` limit where they hold; empty: everywhere.

    In the file, `source` is a name of the `sources` table, or a text with a `date` beside it.
    """

    facts: dict[str, Any]
    source: str
    date: str = ""
    protocols: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()

    def holds(self, protocol: str, provider: str) -> bool:
        """Whether this rule speaks about such a target."""
        return (not self.protocols or protocol in self.protocols) and (not self.providers or provider in self.providers)


class Speaks(Struct, frozen=True, forbid_unknown_fields=True):
    """Models of a provider type that speak other protocols than the rest: patterns of bare ids, protocols in order of preference."""

    match: tuple[str, ...]
    protocols: tuple[str, ...]


class ProviderType(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a provider type.

    `protocols` in order of preference, `speaks` the models for which others hold; `forced` are those the settings' `protocol:` may
    ask for besides. `base_url` is what the vendor's
    SDK takes (`{region}` and the like are filled from the settings); `places` are addresses of single values of a setting; `trim` is
    what users may write at its end; `suffix` is what a protocol adds to it. `paths` are those of operations, by protocol, where they are
    not the protocol's own; `paths_with` are those that hold while a setting is given; `native_paths` take bodies of the model's own
    format. `envelope` is the form in which a protocol travels. `auth` is a scheme, or one
    for each protocol; `keyless` the one of a provider without `api_key`. `env` maps a setting to the variable it is filled from;
    `env_from` are the variables of which any makes a provider of this type without a settings file. `needs` are settings that must be
    there, `takes` those special to this type, `defaults` what these are where nobody says. `claims` are patterns of bare model ids;
    `listed` are ids `/v1/models` shows.
    """

    label: str
    source: str
    date: str
    protocols: tuple[str, ...]
    forced: tuple[str, ...] = ()
    base_url: str = ""
    suffix: dict[str, str] = {}
    auth: str | dict[str, str] = "none"
    keyless: str = "none"
    env: dict[str, str] = {}
    env_from: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    headers: dict[str, str] = {}
    paths: dict[str, dict[str, str]] = {}
    paths_with: dict[str, dict[str, dict[str, str]]] = {}
    native_paths: dict[str, str] = {}
    envelope: dict[str, str] = {}
    speaks: tuple[Speaks, ...] = ()
    places: dict[str, dict[str, str]] = {}
    trim: tuple[str, ...] = ()
    defaults: dict[str, str] = {}
    counts_tokens: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    def scheme(self, protocol: str) -> str:
        """The authentication scheme of a protocol."""
        return self.auth if isinstance(self.auth, str) else self.auth[protocol]

    def spoken(self, model: str) -> tuple[str, ...]:
        """The protocols a model of this type speaks, the preferred first."""
        for some in self.speaks:
            if any(fnmatchcase(name, pattern) for pattern in some.match for name in bare_names(model)):
                return some.protocols
        return self.protocols

    def routes(self, protocol: str, options: Mapping[str, str]) -> dict[str, str]:
        """The paths of a protocol's operations that are not its own, settings filled in; `{model}` is left."""
        paths = dict(self.paths.get(protocol, {}))
        for setting, tables in self.paths_with.items():
            if setting in options:
                paths.update(tables.get(protocol, {}))
        return {operation: filled(path, options) for operation, path in paths.items()}

    def every_protocol(self) -> tuple[str, ...]:
        """What the settings' `protocol:` may say."""
        return tuple(dict.fromkeys((*self.protocols, *(p for some in self.speaks for p in some.protocols), *self.forced)))

    def address(self, protocol: str, base_url: str | None, options: Mapping[str, str] = {}) -> str:
        """The base URL of a protocol, from the settings' `base_url` or the vendor's own. `options` are settings of this type.

        Anthropic's SDKs take an address without `/v1`; one written with it is understood. So is one that already ends in the suffix.
        """
        own = next((urls[options[name]] for name, urls in self.places.items() if options.get(name) in urls), self.base_url)
        url = (base_url or filled(own, options)).rstrip("/")
        for suffix in (*self.suffix.values(), *self.trim):
            url = url.removesuffix(suffix)
        suffix = self.suffix.get(protocol, "")
        return (url.removesuffix("/v1") if suffix or protocol == "anthropic" else url) + suffix


def _routes(entry: ProviderType) -> dict[str, dict[str, str]]:
    """Every table of paths, for checks."""
    return {p: paths for tables in (entry.paths, *entry.paths_with.values()) for p, paths in tables.items()}


def filled(template: str, options: Mapping[str, str]) -> str:
    """`https://{region}.host` with the settings put in."""
    for name, value in options.items():
        template = template.replace(f"{{{name}}}", value)
    return template


class Family(Struct, frozen=True, forbid_unknown_fields=True):
    """A model family: patterns of bare ids, facts, and the names of facts for which there is no evidence."""

    family: str
    match: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    unknown: tuple[str, ...] = ()


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    sources: dict[str, Source]
    protocols: dict[str, tuple[Rule, ...]]
    providers: dict[str, ProviderType]
    models: tuple[Family, ...]


class Resolved(Struct, frozen=True):
    """Facts of one target, and for each fact that is no default the rule it comes from: (layer, source, date)."""

    facts: Facts
    origin: dict[str, tuple[str, str, str]]

    @property
    def layers(self) -> dict[str, str]:
        """Fact -> layer."""
        return {name: origin[0] for name, origin in self.origin.items()}


def check_facts(values: Mapping[str, Any], at: str) -> tuple[dict[str, Any], list[str]]:
    """Facts as written in a file -> (typed values, errors). Each error begins with `at` + name."""
    out: dict[str, Any] = {}
    errors: list[str] = []
    for name, value in values.items():
        if name not in _FACT_TYPES:
            errors.append(f"{at}.{name}: unknown fact" + did_you_mean(name, _FACT_TYPES))
            continue
        try:
            out[name] = msgspec.convert(value, _FACT_TYPES[name])
        except msgspec.ValidationError as error:
            errors.append(f"{at}.{name}: {error}")
    return out, errors


def did_you_mean(word: str, known: Any, wrap: str = "") -> str:
    """`, did you mean X?`, or "" when nothing is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.7)
    return f", did you mean {wrap}{near[0]}{wrap}?" if near else ""


@lru_cache(maxsize=2048)
def bare_names(model: str) -> tuple[str, ...]:
    """The spellings under which patterns are matched: the id itself, and the id without region, vendor and path prefixes.

    `us.anthropic.claude-opus-4-7-v1:0`, `anthropic/claude-opus-4.7` and an ARN's last piece all end in `claude-opus-4...`. Dots in
    Claude versions are written as dashes too, as OpenRouter spells them (`claude-opus-4.7`).
    """
    bare = model.lower().rpartition("/")[2]
    bare = next((bare.removeprefix(prefix) for prefix in REGION_PREFIXES if bare.startswith(prefix)), bare)
    bare = next((bare.removeprefix(prefix) for prefix in VENDOR_PREFIXES if bare.startswith(prefix)), bare)
    if bare.startswith("claude-"):
        bare = bare.replace(".", "-")
    return (model.lower(),) if bare == model.lower() else (model.lower(), bare)


class Catalog:
    """The loaded catalogue. Immutable but for its cache of resolved facts (bounded)."""

    _CACHE_SIZE = 2048

    def __init__(self, protocols: dict[str, tuple[Rule, ...]], providers: dict[str, ProviderType], models: tuple[Family, ...]) -> None:
        self.protocols = protocols
        self.providers = providers
        self.models = models
        self._cache: dict[tuple[str, str, str], Resolved] = {}

    @staticmethod
    @cache
    def load() -> "Catalog":
        """The catalogue that comes with the package. Raises ValueError naming every mistake in it."""
        return Catalog.parse(resources.files(__package__).joinpath("catalog.yaml").read_text(encoding="utf-8"))

    @staticmethod
    def parse(text: str) -> "Catalog":
        """YAML text -> Catalog. Raises ValueError with every error, one a line."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            document = msgspec.convert(yaml.load(text, loader), _Document)  # a safe loader, in C where there is one
        except msgspec.ValidationError as error:
            raise ValueError(f"catalogue: {error}") from error
        errors: list[str] = []
        sources = document.sources
        catalog = Catalog(
            {name: _typed(rules, f"protocols.{name}", sources, errors) for name, rules in document.protocols.items()},
            {
                name: msgspec.structs.replace(entry, rules=_typed(entry.rules, f"providers.{name}", sources, errors))
                for name, entry in document.providers.items()
            },
            tuple(msgspec.structs.replace(f, rules=_typed(f.rules, f"models.{f.family}", sources, errors)) for f in document.models),
        )
        errors += catalog._wrong_names()
        if errors:
            raise ValueError("catalogue:\n" + "\n".join(errors))
        return catalog

    def resolve(self, protocol: str, provider_type: str, model: str) -> Resolved:
        """Facts of a model at a provider type ("": not known, see HOMES) in a protocol, without the settings' overrides. Cached."""
        key = (protocol, provider_type, model)
        found = self._cache.get(key)
        if found is None:
            if len(self._cache) >= self._CACHE_SIZE:
                self._cache.clear()
            found = self._cache[key] = self._resolve(protocol, provider_type, model)
        return found

    def resolve_facts(
        self, protocol: str, provider_type: str, model: str, overrides: Mapping[str, Mapping[str, Any]] | None = None
    ) -> tuple[Facts, dict[str, str]]:
        """(facts, fact -> layer name). `overrides` maps layer names to facts of the settings, in order; they are checked already."""
        resolved = self.with_overrides(self.resolve(protocol, provider_type, model), overrides or {})
        return resolved.facts, resolved.layers

    def with_overrides(self, resolved: Resolved, overrides: Mapping[str, Mapping[str, Any]]) -> Resolved:
        """The same facts with the settings' layers on top. Raises ValueError for a fact that is none."""
        origin = dict(resolved.origin)
        changes: dict[str, Any] = {}
        for layer, values in overrides.items():
            typed, errors = check_facts(values, layer)
            if errors:
                raise ValueError("\n".join(errors))
            changes.update(typed)
            origin.update(dict.fromkeys(typed, (layer, "settings", "")))
        return Resolved(msgspec.structs.replace(resolved.facts, **changes), origin) if changes else resolved

    def capabilities(
        self, protocol: str, provider_type: str, model: str, overrides: Mapping[str, Mapping[str, Any]] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Every fact as `{value, layer, source, date}`, for `/v1/capabilities`; `known: false` where the catalogue has no evidence."""
        resolved = self.with_overrides(self.resolve(protocol, provider_type, model), overrides or {})
        unknown = {name for family in self.families(model) for name in family.unknown}
        out: dict[str, dict[str, Any]] = {}
        for name in _FACT_TYPES:
            layer, source, date = resolved.origin.get(name, ("default", "", ""))
            out[name] = {"value": getattr(resolved.facts, name), "layer": layer, "source": source, "date": date}
            if name in unknown and layer == "default":
                out[name]["known"] = False
        return out

    def families(self, model: str) -> list[Family]:
        """The families a model id belongs to, in the file's order."""
        names = bare_names(model)
        return [f for f in self.models if any(fnmatchcase(name, pattern) for pattern in f.match for name in names)]

    def _resolve(self, protocol: str, provider_type: str, model: str) -> Resolved:
        layers = [
            (f"protocol {protocol}", self.protocols.get(protocol, ())),
            *(((f"provider {provider_type}", self.providers[provider_type].rules),) if provider_type else ()),
            *((f"model {family.family}", family.rules) for family in self.families(model)),
        ]
        values: dict[str, Any] = {}
        origin: dict[str, tuple[str, str, str]] = {}
        for layer, rules in layers:
            for rule in rules:
                if rule.holds(protocol, provider_type or HOMES.get(protocol, "")):
                    values.update(rule.facts)
                    origin.update(dict.fromkeys(rule.facts, (layer, rule.source, rule.date)))
        return Resolved(Facts(**values), origin)

    def _wrong_names(self) -> list[str]:
        """Names in the file that mean nothing: protocols, provider types, facts listed as unknown."""
        errors = [f"protocols.{name}: no such protocol" for name in self.protocols if name not in PROTOCOLS]
        for name, entry in self.providers.items():
            special = [p for some in entry.speaks for p in some.protocols]
            said = (
                *entry.protocols, *entry.forced, *entry.suffix, *_routes(entry), *entry.counts_tokens, *entry.envelope, *special,
            )
            schemes = entry.auth if isinstance(entry.auth, dict) else {}
            errors += [f"providers.{name}: no such protocol: {p}" for p in (*said, *schemes) if p not in PROTOCOLS]
            spoken = (*entry.protocols, *entry.forced, *special)
            errors += [f"providers.{name}.auth: no scheme for {p}" for p in spoken if schemes and p not in schemes]
        rules = [(f"models.{f.family}", rule) for f in self.models for rule in f.rules]
        for at, rule in rules:
            errors += [f"{at}: no such protocol: {p}" for p in rule.protocols if p not in PROTOCOLS]
            errors += [f"{at}: no such provider type: {p}" for p in rule.providers if p not in self.providers]
        errors += [
            f"models.{f.family}.unknown: unknown fact {name}" + did_you_mean(name, _FACT_TYPES)
            for f in self.models for name in f.unknown if name not in _FACT_TYPES
        ]
        return errors


def _typed(rules: tuple[Rule, ...], at: str, sources: Mapping[str, Source], errors: list[str]) -> tuple[Rule, ...]:
    """Rules with their facts as typed values and their source spelled out."""
    out = []
    for rule in rules:
        values, wrong = check_facts(rule.facts, at)
        errors += wrong
        source = sources.get(rule.source) or Source(rule.source, rule.date)
        if not source.date:
            errors.append(f"{at}: {rule.source!r} is no source of the table" + (did_you_mean(rule.source, sources) or " and has no date"))
        out.append(msgspec.structs.replace(rule, facts=values, source=source.text, date=rule.date or source.date))
    return tuple(out)
