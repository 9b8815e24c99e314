"""The source keeps the layers apart: who may import whom, what the pure layers may not touch, and where vendors may be named."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

PACKAGE = "llm_api_converter"
SOURCE = Path(__file__).resolve().parent.parent / "src" / PACKAGE
FILES = sorted(SOURCE.rglob("*.py"))

CHAIN = ("hub", "framing", "protocols", "providers", "routing", "server")
"""Each may import itself and what stands before it."""
EDGE = ("limits", "store", "cache", "upstream", "observe")
"""Imported by `server` only; they may import `hub`, each other's nothing, and what the chain has up to `providers`."""
JOINTS = {"access": ("hub", "protocols", "config", "store", "observe"), "usage": ("hub", "protocols", "providers", "store", "observe")}
"""Between the edges and the server: what each may import of the package. `server` and `tools` import them."""
TOP = {"convert": (*CHAIN[:4],), "tools": (*CHAIN, *EDGE, *JOINTS, "config", "convert")}
"""Beside `server`, used by the command line and by users of the package: what each may import. Nothing below imports them."""
PURE = ("hub", "framing", "protocols")

IMPURE = {
    "aiohttp", "anyio", "asyncio", "botocore", "concurrent", "fcntl", "getpass", "glob", "http", "httptools", "httpx",
    "importlib.resources", "io", "logging", "mmap", "multiprocessing", "os", "pathlib", "platform", "prometheus_client", "random",
    "requests", "secrets", "select", "selectors", "shelve", "shutil", "signal", "socket", "socketserver", "sqlite3", "ssl", "structlog",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib.request", "uuid", "uvicorn", "uvloop", "websockets", "yaml",
}  # fmt: skip
"""I/O, clocks, the environment, randomness, logging."""
HARMLESS = {"sys.byteorder", "sys.intern"}
"""Constants and functions of impure modules that touch nothing."""
ALLOWED_OUTSIDE = {"hub": {"msgspec"}, "framing": {"msgspec"}, "protocols": {"msgspec"}}

# Words that are nobody's name elsewhere: the providers of the catalogue, their brands and models.
BRANDS = {
    "anthropic", "openai", "azure", "bedrock", "gemini", "google", "vertex", "deepseek", "mistral", "groq", "xai", "openrouter", "cohere",
    "claude", "gpt", "grok", "llama", "qwen", "kimi", "moonshot",
}  # fmt: skip
MAY_NAME_VENDORS = ("providers", "protocols")
NO_VENDORS = {"demo"}
"""Entries of the catalogue that are nobody's name."""
EXCUSED = {("routing/resolve.py", "claude-")}
"""Names clients ask for by settings of theirs (`ANTHROPIC_DEFAULT_...`), whoever serves them."""


def layer(path: Path) -> str:
    """The folder directly under the package, or the module's own name (`config`, `cli`)."""
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of every import, relative ones resolved, `from a import b` as `a.b`."""
    package = [PACKAGE, *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, x.name) for x in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = [*base, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*start, x.name])) for x in node.names)


def inside(path: Path) -> Iterator[tuple[int, str]]:
    """(line, layer) of every import from the package itself."""
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] == PACKAGE and len(parts) > 1 and ((SOURCE / parts[1]).is_dir() or parts[1] in TOP):
            yield line, parts[1]


def shown(path: Path, line: int, what: str) -> str:
    return f"{path.relative_to(SOURCE)}:{line} {what}"


def test_there_is_a_source() -> None:
    assert {layer(x) for x in FILES} >= {"hub", "framing", "protocols", "providers"}


def test_each_layer_imports_only_those_below_it() -> None:
    wrong = []
    for path in FILES:
        own = layer(path)
        if own not in CHAIN:
            continue
        allowed = {*CHAIN[: CHAIN.index(own) + 1], *(EDGE if own == "server" else ())}
        wrong += [shown(path, line, f"imports {name}") for line, name in inside(path) if name in (*CHAIN, *EDGE) and name not in allowed]
    assert not wrong


def test_the_edges_are_imported_by_the_server_only() -> None:
    wrong = []
    for path in FILES:
        own = layer(path)
        if own in (*CHAIN, *EDGE):
            wrong += [
                shown(path, line, f"imports {name}") for line, name in inside(path) if name in EDGE and own not in ("server", name) and name != "observe"
            ]
    assert not wrong


def test_the_joints_import_what_they_may() -> None:
    wrong = []
    for path in FILES:
        own = layer(path)
        for line, name in inside(path):
            if own in JOINTS and name not in (own, *JOINTS[own]):
                wrong.append(shown(path, line, f"imports {name}"))
            if name in JOINTS and own not in (name, "server", "tools", "cli"):
                wrong.append(shown(path, line, f"imports {name}"))
    assert not wrong


def test_the_edges_know_nothing_of_server_and_routing() -> None:
    wrong = []
    for path in FILES:
        if layer(path) in EDGE:
            wrong += [shown(path, line, f"imports {name}") for line, name in inside(path) if name in ("server", "routing")]
    assert not wrong


def test_what_stands_beside_the_server_imports_what_it_may() -> None:
    wrong = []
    for path in FILES:
        own = layer(path)
        for line, name in inside(path):
            below = own in (*CHAIN, *EDGE) and name in TOP
            beside = own in TOP and name != own and name not in TOP[own]
            if below or beside:
                wrong.append(shown(path, line, f"imports {name}"))
    assert not wrong


@pytest.mark.parametrize("pure", PURE)
def test_pure_layers_import_nothing_impure(pure: str) -> None:
    wrong = []
    for path in (x for x in FILES if layer(x) == pure):
        for line, name in imports(path):
            parts = name.split(".")
            impure = name not in HARMLESS and any(".".join(parts[:n]) in IMPURE for n in range(1, len(parts) + 1))
            foreign = parts[0] not in sys.stdlib_module_names and parts[0] not in (PACKAGE, *ALLOWED_OUTSIDE[pure])
            if impure or foreign:
                wrong.append(shown(path, line, f"imports {name}"))
    assert not wrong


@pytest.mark.parametrize("pure", PURE)
def test_pure_layers_do_not_reach_out_without_an_import(pure: str) -> None:
    """`open`, `print` and `input` need no import; `datetime` writes timestamps but may not look at the clock; `async` has no place
    where nothing waits.
    """
    wrong = []
    for path in (x for x in FILES if layer(x) == pure):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("open", "print", "input"):
                wrong.append(shown(path, node.lineno, f"calls {node.func.id}"))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("now", "utcnow", "today"):
                wrong.append(shown(path, node.lineno, "looks at the clock"))
            elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
                wrong.append(shown(path, node.lineno, "is async"))
    assert not wrong


# ---------------------------------------------------------------- vendors


def vendors() -> set[str]:
    """Brands, and the names of the providers in the catalogue."""
    catalog = SOURCE / "providers" / "catalog.yaml"
    listed = yaml.safe_load(catalog.read_text()).get("providers", {}) if catalog.is_file() else {}
    return (BRANDS | set(listed)) - NO_VENDORS


def protocol_names() -> set[str]:
    """Names of wire languages are no vendors' names, though they may hold one."""
    from llm_api_converter.protocols import PROTOCOLS

    return set(PROTOCOLS)


def named_vendor(value: object) -> str | None:
    """The vendor a constant names, wholly or as a word of it (`gpt-5`, `us.anthropic.claude`)."""
    if not isinstance(value, str) or value in protocol_names() or len(value) > 60:
        return None
    words = value.lower()
    for separator in "./_-:":
        words = words.replace(separator, " ")
    return next((x for x in words.split() if x in VENDORS), None)


VENDORS = vendors()


def compared(tree: ast.AST) -> Iterator[tuple[int, object]]:
    """Constants that decide something: sides of comparisons, `case` patterns, arguments of `startswith` and the like."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Compare):
            found = [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            found = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("startswith", "endswith", "find"):
            found = list(node.args)
        for expression in found:
            items = expression.elts if isinstance(expression, ast.Tuple | ast.List | ast.Set) else [expression]
            yield from ((x.lineno, x.value) for x in items if isinstance(x, ast.Constant))


def test_vendors_are_compared_in_providers_and_protocols_only() -> None:
    wrong = []
    for path in FILES:
        if layer(path) in MAY_NAME_VENDORS:
            continue
        for line, value in compared(ast.parse(path.read_text())):
            vendor = named_vendor(value)
            if vendor and (path.relative_to(SOURCE).as_posix(), value) not in EXCUSED:
                wrong.append(shown(path, line, f"compares with {value!r} ({vendor})"))
    assert not wrong


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ('if provider == "deepseek": pass', True),
        ('if "gpt-5" in model: pass', True),
        ('if model.startswith(("claude-", "x")): pass', True),
        ('if kind in ("a", "azure"): pass', True),
        ('match x:\n    case "us.anthropic.claude": pass', True),
        ('if model.startswith("claude-"): pass', True),
        ('if protocol == "anthropic": pass', False),
        ('x = "deepseek"', False),
        ('if x == "text": pass', False),
    ],
)
def test_the_check_itself(code: str, caught: bool) -> None:
    assert any(named_vendor(value) for _, value in compared(ast.parse(code))) is caught
