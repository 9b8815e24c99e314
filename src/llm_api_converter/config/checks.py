"""What types cannot see: settings that contradict each other, names that lead nowhere, features that are not built yet.

Every function looks at the values as they were put together (plain dicts, possibly ill-typed: types are reported elsewhere, so a
check skips what it cannot read) and returns errors that name the setting.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from ..providers.auth import missing_library
from ..providers.catalog import Catalog, ProviderType, check_facts, did_you_mean
from ..store.dynamodb.address import read as dynamodb_address
from .environ import VARIABLES
from .model import CacheConfig, Config
from .section import Section

SWITCHED: tuple[tuple[str, str, type[Section], str], ...] = (
    ("cache", "enabled", CacheConfig, "the cache of answers is"),
)
SPECIAL = (
    "api_version", "region", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile", "role_arn", "external_id",
    "project", "location", "credentials_file", "tenant_id", "client_id", "client_secret",
)
"""Provider settings that only some types take."""

TOGETHER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("aws_access_key_id", ("aws_secret_access_key",)),
    ("aws_secret_access_key", ("aws_access_key_id",)),
    ("aws_session_token", ("aws_access_key_id",)),
    ("external_id", ("role_arn",)),
    ("tenant_id", ("client_id", "client_secret")),
    ("client_secret", ("tenant_id", "client_id")),
)
"""Provider settings that mean something only with others."""
CREDENTIALS = ("api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "profile", "credentials_file", "client_secret")
APART = (
    ("api_key", "aws_access_key_id"), ("api_key", "profile"), ("api_key", "role_arn"), ("profile", "aws_access_key_id"),
    ("api_key", "credentials_file"), ("api_key", "client_id"),
)
"""Provider settings that contradict each other: two credentials for one call."""
_DATED = re.compile(r"\d{4}-\d\d-\d\d(-preview)?")

_LOOPBACK = ("localhost", "127.0.0.1", "::1", "0.0.0.0", "::", "")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def _dict(values: Any) -> dict[str, Any]:
    return values if isinstance(values, dict) else {}


def _entries(values: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for i, entry in enumerate(values if isinstance(values, list) else ()):
        if isinstance(entry, dict):
            yield i, entry


def unbuilt(values: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Settings that ask for what this release does not do. Defaults, and anything beside a switch that is off, ask for nothing."""
    errors = []
    for name, switch, kind, what in SWITCHED:
        try:
            section = kind.model_validate(_dict(values.get(name)))
        except ValidationError:
            continue
        at = f"{name}.{switch}"
        from_where = f" (from {sources[at]})" if at in sources else ""
        if getattr(section, switch):
            errors.append(f"{at}: true is not built yet: {what} not in this release; write false or leave it out{from_where}")
        elif switch not in section.model_fields_set:
            default = kind()
            errors += [
                f"{name}.{field}: {what} not built yet; leave it out, or write {switch}: false beside it"
                for field in section.model_fields_set if getattr(section, field) != getattr(default, field)
            ]
    return errors + strategies(values)


def strategies(values: Mapping[str, Any]) -> list[str]:
    """Ways of choosing a target that are not built yet."""
    return [
        f"models[{i}].strategy: {entry['strategy']} is not built yet; only failover is"
        for i, entry in _entries(values.get("models")) if entry.get("strategy") in ("weighted", "round_robin", "least_latency", "cheapest")
    ]


def providers(values: Mapping[str, Any], catalog: Catalog, explicit_none: set[str], failed: set[str]) -> list[str]:
    """Types that do not exist, settings that are missing or belong to another type, facts that are none."""
    errors: list[str] = []
    for name, entry in _dict(values.get("providers")).items():
        at = f"providers.{name}"
        if not isinstance(entry, dict):
            continue
        if not _NAME.fullmatch(name):
            errors.append(f"{at}: a provider's name holds letters, digits, `_`, `.`, `-` only")
        kind = entry.get("type")
        if not isinstance(kind, str):
            continue
        if kind not in catalog.providers:
            errors.append(f"{at}.type: no provider type {kind!r}" + (did_you_mean(kind, catalog.providers) or _one_of(catalog.providers)))
            continue
        errors += _provider(at, entry, kind, catalog.providers[kind], name in explicit_none, failed)
    return errors


def _one_of(names: Iterable[str]) -> str:
    return "; one of " + ", ".join(sorted(names))


def _provider(at: str, entry: dict[str, Any], kind: str, known: ProviderType, no_key: bool, failed: set[str]) -> list[str]:
    errors = [f"{at}.{f}: is not a setting of type {kind}" for f in SPECIAL if f in entry and f not in known.takes]
    for field in known.needs:
        if entry.get(field) is None and f"{at}.{field}" not in failed and not (field == "api_key" and no_key):
            variable = known.env.get(field)
            how = f"; set {variable}" if variable else ""
            errors.append(f"{at}.{field}: required for type {kind}{how}" + (" or write api_key: none" if field == "api_key" else ""))
    errors += _credentials(at, entry, known)
    version = entry.get("api_version")
    if isinstance(version, str) and not _DATED.fullmatch(version):
        errors.append(f"{at}.api_version: expected a date such as 2024-10-21; leave it out for the v1 paths")
    protocol = entry.get("protocol")
    if isinstance(protocol, str) and protocol not in known.every_protocol():
        errors.append(f"{at}.protocol: type {kind} does not speak {protocol}" + _one_of(known.every_protocol()))
    if isinstance(entry.get("facts"), dict):
        errors += check_facts(entry["facts"], f"{at}.facts")[1]
    return errors


def _credentials(at: str, entry: dict[str, Any], known: ProviderType) -> list[str]:
    said = {field for field, value in entry.items() if value is not None}
    errors = [
        f"{at}.{field}: says nothing without {other}" for field, others in TOGETHER for other in others
        if field in said and other not in said
    ]
    errors += [f"{at}.{b}: contradicts {a}; keep one of the two" for a, b in APART if a in said and b in said]
    if not errors and "api_key" not in said and (missing := missing_library(known.keyless, entry)):
        errors.append(f"{at}: {missing}")
    return errors


def models(values: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Targets that lead nowhere, names given twice, two ways of saying one thing."""
    names = tuple(_dict(values.get("providers")))
    seen: dict[str, str] = {}
    errors = []
    for i, entry in _entries(values.get("models")):
        at = f"models[{i}]"
        name = entry.get("name")
        if isinstance(name, str):
            if name in seen:
                errors.append(f"{at}.name: {name!r} is said twice, in {seen[name]} and in {_place(at, sources)}; keep one")
            seen.setdefault(name, _place(at, sources))
        errors += _model(at, entry, names, sources)
        if isinstance(entry.get("facts"), dict):
            errors += check_facts(entry["facts"], f"{at}.facts")[1]
    return errors


def _place(at: str, sources: Mapping[str, str]) -> str:
    return f"{at} ({sources[at]})" if at in sources else at


def _model(at: str, entry: dict[str, Any], providers: tuple[str, ...], sources: Mapping[str, str]) -> list[str]:
    short = [field for field in ("provider", "model") if entry.get(field) is not None]
    if short and entry.get("targets"):
        return [f"{_place(f'{at}.{short[0]}', sources)} and {_place(f'{at}.targets', sources)} contradict each other; keep one of the two"]
    if not entry.get("targets"):
        missing = [field for field in ("provider", "model") if field not in short]
        if missing:
            return [f"{at}.{missing[0]}: required (or `targets`, a list of provider and model)"]
        return _target(at, entry, providers, entry.get("name"))
    return [
        error for j, target in _entries(entry["targets"]) for error in _target(f"{at}.targets[{j}]", target, providers, entry.get("name"))
    ]


def _target(at: str, target: dict[str, Any], providers: tuple[str, ...], name: Any) -> list[str]:
    errors = []
    provider, model = target.get("provider"), target.get("model")
    if isinstance(provider, str) and provider not in providers:
        errors.append(f"{at}.provider: no provider {provider!r} is configured" + (did_you_mean(provider, providers) or _one_of(providers)))
    if isinstance(model, str) and "*" in model and isinstance(name, str) and not any(c in name for c in "*?["):
        errors.append(f"{at}.model: {model!r} needs a pattern as the name, and {name!r} is none")
    return errors


def own_address(values: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """A provider that is this gateway itself would call itself for ever (`ANTHROPIC_BASE_URL` is often set for clients)."""
    server = _dict(values.get("server"))
    host, port = server.get("host", "127.0.0.1"), str(server.get("port", 8000))
    errors = []
    for name, entry in _dict(values.get("providers")).items():
        url = _dict(entry).get("base_url")
        if not isinstance(url, str):
            continue
        try:
            parts = urlsplit(url)
            theirs = str(parts.port or (443 if parts.scheme == "https" else 80))
        except ValueError:
            errors.append(f"providers.{name}.base_url: is no URL")
            continue
        if theirs == port and (parts.hostname == host or (parts.hostname in _LOOPBACK and host in _LOOPBACK)):
            at = f"providers.{name}.base_url"
            errors.append(f"{_place(at, sources)}: is this gateway's own address, {host}:{port}; it would call itself")
    return errors


STORES = ("sqlite", "postgresql", "dynamodb")


def team(values: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """Settings of shared gateways that say nothing, or contradict others."""
    errors = []
    url = _dict(values.get("store")).get("url")
    if isinstance(url, str):
        kind = url.partition("://")[0]
        if kind not in STORES or "://" not in url:
            errors.append(f"{_place('store.url', sources)}: expected sqlite:///FILE, postgresql://USER:PASSWORD@HOST/NAME or dynamodb://REGION")
        elif kind == "sqlite" and (not url.startswith("sqlite:///") or url == "sqlite:///"):
            errors.append(f"{_place('store.url', sources)}: names no file; write sqlite:///data/gateway.db")
        tables = _dict(_dict(values.get("store")).get("tables"))
        if kind == "dynamodb":
            errors += _dynamodb(url, tables, sources)
        elif tables:
            errors.append(f"{_place('store.tables', sources)}: only dynamodb has tables to name")
    redis = _dict(values.get("redis")).get("url")
    limits = _dict(values.get("rate_limit"))
    if limits.get("backend") == "redis" and limits.get("enabled") not in (False, "false"):
        place = _place("rate_limit.backend", sources)
        if redis is None:
            errors.append(f"{place}: redis needs redis.url (or REDIS_URL)")
        if find_spec("redis") is None:
            errors.append(f"{place}: redis needs the package redis: pip install redis, or install llm-api-converter[redis]")
    if isinstance(redis, str) and redis.partition("://")[0] not in ("redis", "rediss", "unix"):
        errors.append(f"{_place('redis.url', sources)}: expected redis://HOST:PORT/0, rediss:// or unix://PATH")
    proxies = _dict(values.get("server")).get("trusted_proxies")
    for i, network in enumerate(proxies if isinstance(proxies, list) else ()):
        if isinstance(network, str) and not _is_network(network):
            errors.append(f"server.trusted_proxies[{i}]: expected an address or a network such as 10.0.0.0/8")
    audit = _dict(values.get("audit"))
    if audit.get("bodies") in ("redacted", "full") and audit.get("requests") in (None, False):
        errors.append(f"{_place('audit.bodies', sources)}: says nothing without audit.requests: true")
    errors += _same_key(values)
    return errors


def _dynamodb(url: str, tables: Mapping[str, Any], sources: Mapping[str, str]) -> list[str]:
    """A URL, or names of tables, that cannot be meant."""
    errors = []
    for problem in dynamodb_address(url, {name: value for name, value in tables.items() if isinstance(value, str)})[1]:
        at, _, why = problem.partition(": ")
        source = sources.get(at) or sources.get("store.tables" if at.startswith("store.tables") else "store.url")
        errors.append(f"{at} ({source}): {why}" if source else problem)
    return errors


def _same_key(values: Mapping[str, Any]) -> list[str]:
    admin, master = _dict(values.get("admin")).get("api_key"), _dict(values.get("auth")).get("master_api_key")
    return ["admin.api_key: is the master key; the admin API needs a key of its own"] if admin is not None and admin == master else []


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def seal_keys(values: Mapping[str, Any]) -> list[str]:
    """Two keys of one id could not be told apart."""
    ids = [entry.get("id") for _, entry in _entries(_dict(values.get("seal")).get("keys"))]
    return [f"seal.keys: the id {i!r} is used twice" for i in sorted({i for i in ids if isinstance(i, str) and ids.count(i) > 1})]


def notes(config: Config, dotenv_names: Iterable[str]) -> list[str]:
    """What is legal, but worth a line at start."""
    out = []
    if not config.auth.require_api_key and config.server.host not in ("localhost", "127.0.0.1", "::1"):
        out.append(f"auth.require_api_key is false and the gateway listens on {config.server.host}: anyone who reaches it can use it")
    known = [v.name for v in VARIABLES if "*" not in v.name]
    for name in dotenv_names:
        near = did_you_mean(name, known) if name not in known else ""
        if near and not name.startswith(("DYNAMODB_", "AWS_")) and len(name) > 4:
            out.append(f".env: {name} is no variable of the gateway{near}")
    return out
