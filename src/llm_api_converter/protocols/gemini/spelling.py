"""Spelling: Gemini reads every field in camelCase and in snake_case, and bytes in both base64 alphabets.

`GeminiFields` is `Fields` that reads both spellings under the camelCase name and keeps the client's own spelling in error paths.
`standard_base64` brings bytes to the one alphabet of the hub. Source: https://protobuf.dev/programming-guides/json (read November
2026); google-genai for Python sends snake_case inside schemas and tools, and url-safe base64 everywhere.
"""

from functools import lru_cache
from typing import Any

from ..fields import Fields

PROTOCOL = "gemini"
REALM = "wire.gemini"


class GeminiFields(Fields):
    """A JSON object whose fields are read by their camelCase names, however they are spelled."""

    __slots__ = ("_spelled", "renamed")

    def __init__(self, value: Any, path: str) -> None:
        super().__init__(value, path)
        self._spelled: dict[str, str] | None = None
        # Does the client's spelling of this object's own path or of its fields differ from Google's JSON?
        self.renamed = "_" in path
        for name in value:
            if "_" in name:
                if self._spelled is None:
                    self._spelled, self.renamed = {}, True
                self._left[camel(name)] = self._left.pop(name)
                self._spelled[camel(name)] = name

    def has(self, name: str) -> bool:
        """Is the field there, not null, and not taken yet?"""
        return self._left.get(name) is not None

    def put_back(self, name: str, value: Any) -> None:
        """Leave a taken field to the rest after all."""
        self._left[name] = value

    def at(self, name: str) -> str:
        """The path of a field in the client's own spelling."""
        if self._spelled is not None:
            name = self._spelled.get(name, name)
        return f"{self.path}.{name}" if self.path else name

    def sub(self, name: str) -> "GeminiFields | None":
        """An object, to be read in turn."""
        value = self.object(name)
        return None if value is None else GeminiFields(value, self.at(name))


@lru_cache(maxsize=2048)
def camel(name: str) -> str:
    """`max_output_tokens` -> `maxOutputTokens`; names without an inner underscore stay."""
    first, *rest = name.split("_")
    if not first or not rest:
        return name
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def standard_base64(data: str) -> str:
    """Either alphabet, padded or not -> the standard alphabet with padding."""
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    short = len(data) % 4
    return data + "=" * (4 - short) if short else data
