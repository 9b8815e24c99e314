"""Joins the sources of settings into one `Config`, or raises `ConfigError` with everything that is wrong.

Order of precedence, for each setting on its own: command-line flags, the file, the process's environment, `.env`, the default. A
provider type that the file does not configure is added when its variables are set; a provider of the file that leaves out a setting
its type takes from a variable (`api_key`, `base_url`) gets it from there. Without any provider there is the built-in `demo`.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from ..providers.catalog import Catalog, did_you_mean
from . import checks
from .environ import PARSE, VARIABLES
from .model import Config
from .section import ConfigError, Section
from .source import References, join, parse_yaml, read_dotenv
from .storage import from_environment

FILE = "gateway.yaml"


class _Draft:
    """The settings while they are put together: values, where each came from, and what is wrong."""

    def __init__(self, environ: Mapping[str, str], cwd: Path) -> None:
        self.errors: list[str] = []
        self.notes: list[str] = []
        self.sources: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.failed: set[str] = set()
        dotenv = read_dotenv(cwd, self.errors)
        self.env = {name: value for name, value in {**dotenv, **environ}.items() if value.strip()}
        self.env_source = {name: "environment" if environ.get(name, "").strip() else ".env" for name in self.env}
        self.dotenv_names = tuple(dotenv)

    def read_file(self, path: Path | None, cwd: Path) -> None:
        """Values of the settings file, references resolved."""
        file = cwd / (path or FILE)
        if path is None and not file.is_file():
            return
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self.errors.append(f"{path or FILE}: cannot be read ({getattr(error, 'strerror', None) or 'it is not UTF-8 text'})")
            return
        values, lines = parse_yaml(text, self.errors)
        self.sources = {at: f"{file.name}:{line}" for at, line in lines.items() if at}
        auth = values.get("auth")
        if isinstance(auth, dict) and auth.get("master_api_key") == "env:MASTER_API_KEY" and "MASTER_API_KEY" not in self.env:
            del auth["master_api_key"]  # the default in words: without the variable the gateway makes a key
        admin = values.get("admin")
        if isinstance(admin, dict) and admin.get("api_key") == "env:ADMIN_API_KEY" and "ADMIN_API_KEY" not in self.env:
            del admin["api_key"]  # the same
        references = References(self.env, file.parent, self.errors)
        self.values = {name: value for name, value in references.resolve(values).items() if value is not None}
        self.failed = references.failed
        for at, what in references.used.items():
            self.sources[at] = f"{self.sources.get(at, file.name)} ({what})"

    def set(self, at: str, value: Any, source: str) -> None:
        """Set a dotted setting of the tree's fixed part."""
        *sections, last = at.split(".")
        place = self.values
        for name in sections:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                return  # the file holds something else there: that is an error of its own
        place[last] = value
        self.sources[at] = source

    def has(self, at: str) -> bool:
        """Whether the dotted setting has been said."""
        place: Any = self.values
        for name in at.split("."):
            if not isinstance(place, dict) or name not in place:
                return False
            place = place[name]
        return True


def load(path: Path | None, environ: Mapping[str, str], cwd: Path, flags: Mapping[str, Any]) -> Config:
    """See `Config.load`."""
    draft = _Draft(environ, cwd)
    draft.read_file(path, cwd)
    catalog = Catalog.load()
    _fill_from_environment(draft)
    _fill_store(draft)
    _fill_providers(draft, catalog)
    for at, value in flags.items():
        if value is not None:
            draft.set(at, value, "flag --" + at.rpartition(".")[2])
    explicit_none = _take_none(draft.values)
    config = _validate(draft)
    draft.errors += checks.unbuilt(draft.values, draft.sources)
    draft.errors += checks.providers(draft.values, catalog, explicit_none, draft.failed)
    draft.errors += checks.models(draft.values, draft.sources)
    draft.errors += checks.own_address(draft.values, draft.sources)
    draft.errors += checks.seal_keys(draft.values)
    draft.errors += checks.team(draft.values, draft.sources)
    if draft.errors or config is None:
        raise ConfigError(tuple(dict.fromkeys(draft.errors)))
    draft.notes += checks.notes(config, draft.dotenv_names)
    config._sources = MappingProxyType(draft.sources)
    config._notes = tuple(draft.notes)
    return config


def _fill_from_environment(draft: _Draft) -> None:
    for variable in VARIABLES:
        prefix, star, suffix = variable.name.partition("*")
        names = [n for n in draft.env if n.startswith(prefix) and n.endswith(suffix)] if star else [variable.name]
        for name in names:
            value = draft.env.get(name)
            if value is None or variable.provider or variable.together:
                continue
            if variable.unused:
                draft.notes.append(f"{name} is set but not used: {variable.unused}")
            elif variable.accepts is not None:
                if value.strip().lower() not in variable.accepts:
                    draft.errors.append(f"{name}: {variable.refusal}")
            elif not draft.has(variable.path):
                draft.set(variable.path, PARSE.get(name, str.strip)(value), f"{draft.env_source[name]} {name}")


def _fill_store(draft: _Draft) -> None:
    said = from_environment(draft.env)
    draft.errors += said.errors
    draft.notes += said.notes
    source = draft.env_source.get("STORAGE_BACKEND", "")
    if said.url is not None and not draft.has("store.url"):
        draft.set("store.url", said.url, f"{source} STORAGE_BACKEND")
    if said.tables and not draft.has("store.tables"):
        draft.set("store.tables", said.tables, f"{source} DYNAMODB_*_TABLE")


def _fill_providers(draft: _Draft, catalog: Catalog) -> None:
    """Providers of the environment, settings of the file's providers that come from it, and `demo` when there is none."""
    providers = draft.values.setdefault("providers", {})
    if not isinstance(providers, dict):
        return
    taken = {str(entry.get("type")) for entry in providers.values() if isinstance(entry, dict)}
    for kind, entry in catalog.providers.items():
        found = [name for name in entry.env_from if name in draft.env]
        if not found or kind in taken:
            continue
        if kind not in providers:
            providers[kind] = {"type": kind}
            draft.sources[f"providers.{kind}"] = draft.sources[f"providers.{kind}.type"] = f"{draft.env_source[found[0]]} {found[0]}"
    for name, values in providers.items():
        known = catalog.providers.get(str(values.get("type"))) if isinstance(values, dict) else None
        for field, variable in _wanted(values, known.env, draft.env) if known else ():
            values[field] = draft.env[variable].strip()
            draft.sources[f"providers.{name}.{field}"] = f"{draft.env_source[variable]} {variable}"
    if not providers:
        providers["demo"] = {"type": "demo"}
        draft.sources["providers.demo"] = draft.sources["providers.demo.type"] = "built in"


def _wanted(values: Mapping[str, Any], variables: Mapping[str, str], env: Mapping[str, str]) -> list[tuple[str, str]]:
    """What a provider takes from the environment, as (setting, variable). Credentials come from one place: none where the file has
    some, and no others beside a key.
    """
    wanted = [(field, variable) for field, variable in variables.items() if field not in values and variable in env]
    if any(field in values for field in checks.CREDENTIALS):
        return [pair for pair in wanted if pair[0] not in checks.CREDENTIALS]
    if "role_arn" in values:
        return [pair for pair in wanted if pair[0] != "api_key"]
    if any(field == "api_key" for field, _ in wanted):
        return [pair for pair in wanted if pair[0] == "api_key" or pair[0] not in checks.CREDENTIALS]
    return wanted


def _take_none(values: dict[str, Any]) -> set[str]:
    """`api_key: none` means no key, and is remembered as said. Returns the providers' names."""
    said = set()
    providers = values.get("providers")
    for name, entry in providers.items() if isinstance(providers, dict) else ():
        if isinstance(entry, dict) and "api_key" in entry and entry["api_key"] in ("none", None):
            entry["api_key"] = None
            said.add(name)
    return said


def _validate(draft: _Draft) -> Config | None:
    try:
        return Config.model_validate(draft.values)
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            at = ""
            for key in item["loc"]:
                at = join(at, key) if key != "[key]" else at
            if at not in draft.failed:
                draft.errors.append(_message(at, item["loc"], item["type"], item["msg"]) + where(draft.sources, at))
    return None


def where(sources: Mapping[str, str], at: str) -> str:
    """` (gateway.yaml:4)`, ` (environment PORT)`, or "" for what stands nowhere."""
    while at and at not in sources:
        at = at[: max(at.rfind("."), at.rfind("["), 0)]
    return f" ({sources[at]})" if at else ""


def _message(at: str, loc: tuple[int | str, ...], kind: str, text: str) -> str:
    if kind == "extra_forbidden":
        return f"{at}: unknown setting" + did_you_mean(str(loc[-1]), _known(loc[:-1]))
    if kind == "missing":
        return f"{at}: required"
    if kind == "string_type":
        return f"{at}: text is wanted; put quotes around it"
    if kind in ("tuple_type", "list_type"):
        return f"{at}: a list is wanted, in [brackets] or one `- item` a line"
    if kind in ("string_too_short", "too_short"):
        least = next((word for word in text.split() if word.isdigit()), "1")
        hint = "; write none for no key" if at.startswith("providers.") else ""
        return f"{at}: is empty{hint}" if least == "1" else f"{at}: needs at least {least} characters"
    if kind in ("model_type", "mapping_type", "dict_type"):
        return f"{at}: settings are wanted (`name: value`)"
    return f"{at}: {text.removeprefix('Value error, ')}"


def _known(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The setting names that exist at a place of the tree."""
    here: Any = Config
    for key in loc:
        if isinstance(here, type) and issubclass(here, Section):
            here = here.model_fields[str(key)].annotation
        elif get_origin(here) is not None:
            here = next((a for a in reversed(get_args(here)) if isinstance(a, type)), None)
    return tuple(here.model_fields) if isinstance(here, type) and issubclass(here, Section) else ()
