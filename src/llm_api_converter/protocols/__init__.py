"""The registry: protocol name -> codec. Nobody else knows the list."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from .base import Codec

PROTOCOLS: tuple[str, ...] = ("anthropic", "openai_chat", "openai_responses", "gemini", "bedrock_converse")


@cache
def codec(name: str, envelope: str = "") -> Codec:
    """The codec of a protocol, or of its form in an envelope. Raises KeyError for a name that is none."""
    if name not in PROTOCOLS:
        raise KeyError(name)
    if envelope:
        enveloped: Mapping[str, Codec] = import_module(f"{__name__}.envelope").ENVELOPES
        return enveloped[envelope]
    found: Codec = import_module(f"{__name__}.{name}").CODEC
    return found
