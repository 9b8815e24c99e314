"""The registry: protocol name -> codec. Nobody else knows the list."""

from functools import cache
from importlib import import_module

from .base import Codec

PROTOCOLS: tuple[str, ...] = ("anthropic", "openai_chat", "openai_responses", "gemini", "bedrock_converse")


@cache
def codec(name: str) -> Codec:
    """The codec of a protocol. Raises KeyError for a name that is none."""
    if name not in PROTOCOLS:
        raise KeyError(name)
    found: Codec = import_module(f"{__name__}.{name}").CODEC
    return found
