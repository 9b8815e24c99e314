"""LLM API Converter: any LLM client on any LLM, translated without silent loss.

As a library: `convert_request`, `convert_response` and `StreamConverter` (see `convert`). Importing the package loads nothing; a name is
loaded when it is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .convert import StreamConverter, convert_request, convert_response
    from .hub.errors import ApiError
    from .protocols import PROTOCOLS
    from .protocols.base import Wire

__version__ = "0.1.0"

__all__ = ["PROTOCOLS", "ApiError", "StreamConverter", "Wire", "convert_request", "convert_response"]

_HOME = {
    "ApiError": "hub.errors", "PROTOCOLS": "protocols", "StreamConverter": "convert", "Wire": "protocols.base",
    "convert_request": "convert", "convert_response": "convert",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
