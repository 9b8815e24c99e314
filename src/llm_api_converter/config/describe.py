"""The settings as lines for a person: path, value, source. Secrets are masked."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from ..providers.catalog import Catalog
from .model import Config, ProviderConfig
from .section import Section
from .source import join


def describe(config: Config) -> list[tuple[str, str, str]]:
    """Every setting as (path, value, source); what a provider does not say is shown as the catalogue says it."""
    catalog = Catalog.load()
    return [(at, text, source or _source(config.sources, at)) for at, text, source in _leaves(config, "", catalog)]


def _leaves(value: Any, at: str, catalog: Catalog) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, Section):
        for name in type(value).model_fields:
            item, here = getattr(value, name), join(at, name)
            if isinstance(value, ProviderConfig) and item is None:
                if name == "base_url" and catalog.providers[value.type].base_url:
                    yield here, catalog.providers[value.type].base_url, "catalogue"
                continue
            yield from _leaves(item, here, catalog)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, join(at, name), catalog)
    elif isinstance(value, tuple) and any(isinstance(item, Section) for item in value):
        for i, item in enumerate(value):
            yield from _leaves(item, join(at, i), catalog)
    else:
        yield at, show(value), ""


def show(value: Any) -> str:
    """A value as YAML would say it, without what is secret."""
    if isinstance(value, SecretStr):
        return mask_url(value.get_secret_value()) if "://" in value.get_secret_value() else "***"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(show(item) for item in value) + "]"
    return "null" if value is None else mask_url(str(value))


def mask_url(text: str) -> str:
    """`postgresql://user:word@host/db` -> `postgresql://***@host/db`; other text is left alone."""
    if "://" not in text or "@" not in text:
        return text
    parts = urlsplit(text)
    return parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]).geturl()


def _source(sources: Mapping[str, str], at: str) -> str:
    here = at
    while here:
        if here in sources and (here == at or at.startswith(f"{here}[") or _is_leaf_of(here, at)):
            return sources[here]
        here = here[: max(here.rfind("."), here.rfind("["), 0)]
    return "default"


def _is_leaf_of(above: str, at: str) -> bool:
    """Whether `above` as a whole was given in one place (a fact's list, a header table), rather than being a section of many."""
    return ".facts." in at and above.startswith(at.rpartition(".facts.")[0] + ".facts.")
