"""Where settings come from: a YAML file with line numbers, `.env`, and references (`env:NAME`, `file:PATH`).

In: text and paths. Out: plain dicts, and `lines`, which maps each dotted path to the line it stands on, so that errors can name it.
YAML is read with PyYAML's safe loader, without its dates (`2024-10-21` is an API version here) and with double keys as errors.
"""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values


class _Loader(yaml.SafeLoader):
    """The safe loader without timestamps."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def join(path: str, key: object) -> str:
    """`providers` + `local` -> `providers.local`; `models` + 0 -> `models[0]`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def parse_yaml(text: str, errors: list[str]) -> tuple[dict[str, Any], dict[str, int]]:
    """Settings text -> (values, line of each path). What is no mapping, no YAML or said twice is added to `errors`."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        lines: dict[str, int] = {}
        values = None if node is None else _construct(loader, node, "", lines, errors, ())
    except yaml.YAMLError as error:
        errors.append("the settings file is not YAML: " + " ".join(str(error).split()))
        return {}, {}
    finally:
        loader.dispose()
    if values is None:
        return {}, {}
    if not isinstance(values, dict):
        errors.append("the settings file must hold settings (`name: value`), not a list or a single value")
        return {}, {}
    return values, lines


def _construct(
    loader: _Loader, node: yaml.Node, path: str, lines: dict[str, int], errors: list[str], above: tuple[yaml.Node, ...]
) -> Any:
    lines[path] = node.start_mark.line + 1
    if node in above:
        errors.append(f"{path}: an alias that holds itself (line {lines[path]})")
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, lines, errors, (*above, node))
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, item, join(path, i), lines, errors, (*above, node)) for i, item in enumerate(node.value)]
    return loader.construct_object(node, deep=True)


def _mapping(
    loader: _Loader, node: yaml.MappingNode, path: str, lines: dict[str, int], errors: list[str], above: tuple[yaml.Node, ...]
) -> dict[str, Any]:
    own = {id(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"}
    loader.flatten_mapping(node)
    out: dict[str, Any] = {}
    seen: dict[str, int] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        line = key_node.start_mark.line + 1
        here = join(path, key)
        if id(key_node) in own:
            if key in seen:
                errors.append(f"{here}: said twice, on line {seen[key]} and on line {line}; keep one")
            seen[key] = line
        out[key] = _construct(loader, value_node, here, lines, errors, above)
        lines[here] = line
    return out


def read_dotenv(cwd: Path, errors: list[str]) -> dict[str, str]:
    """The variables of `.env` in `cwd`; {} without one. The process's own environment is neither read nor changed."""
    file = cwd / ".env"
    if not file.is_file():
        return {}
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        errors.append(f".env: cannot be read ({error})")
        return {}
    return {name: value for name, value in dotenv_values(stream=StringIO(text), interpolate=False).items() if value is not None}


class References:
    """Replaces `env:NAME` and `file:PATH` in a tree of values. `used` says what each path referred to, `failed` which could not be read."""

    def __init__(self, environ: Mapping[str, str], base: Path, errors: list[str]) -> None:
        self._environ = environ
        self._base = base
        self._errors = errors
        self.used: dict[str, str] = {}
        self.failed: set[str] = set()

    def resolve(self, value: Any, path: str = "") -> Any:
        """The value with every reference in it replaced; what cannot be found is an error, and None."""
        if isinstance(value, dict):
            return {key: self.resolve(item, join(path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, join(path, i)) for i, item in enumerate(value)]
        if isinstance(value, str) and value.startswith("env:"):
            return self._variable(value[4:].strip(), path)
        if isinstance(value, str) and value.startswith("file:"):
            return self._file(value[5:].strip(), path)
        return value

    def _variable(self, name: str, path: str) -> str | None:
        self.used[path] = f"env:{name}"
        if self._environ.get(name):
            return self._environ[name]
        self._fail(path, f"the environment variable {name} is not set")
        return None

    def _file(self, name: str, path: str) -> str | None:
        self.used[path] = f"file:{name}"
        try:
            text = (self._base / Path(name).expanduser()).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "is not UTF-8 text"
            self._fail(path, f"the file {name} cannot be read ({reason})")
            return None
        if not text:
            self._fail(path, f"the file {name} is empty")
        return text or None

    def _fail(self, path: str, why: str) -> None:
        self._errors.append(f"{path}: {why}")
        self.failed.add(path)
