"""`Fields`: a JSON object read once, with type checks, error paths and leftovers.

    f = Fields(body, "messages[3]")
    role = f.text("role", required=True)     # raises `messages[3].role: required`
    rest = f.rest()                          # what nobody took: {} fields no decoder knows

Decoders take every field they understand; `rest` goes into `extras`, so that nothing is lost on the same protocol and every
loss on another has a name.
"""

from typing import Any

from ..hub.errors import ApiError, invalid

_NAMES = {
    dict: "an object", list: "an array", str: "a string", bool: "a boolean", int: "a whole number", float: "a number", type(None): "null",
}
_MISSING: Any = object()


def type_name(value: Any) -> str:
    """The JSON name of a value's type, for messages."""
    return _NAMES.get(type(value), type(value).__name__)


class Fields:
    """One JSON object being read. Every `take` removes the field; null counts as absent."""

    __slots__ = ("_left", "path")

    def __init__(self, value: Any, path: str) -> None:
        if type(value) is not dict:
            raise invalid(path or "body", f"expected an object, got {type_name(value)}")
        self._left: dict[str, Any] = dict(value)
        self.path = path

    def at(self, name: str) -> str:
        """The path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def error(self, name: str, why: str) -> ApiError:
        """`path.name: why`."""
        return invalid(self.at(name), why)

    def take(self, name: str) -> Any:
        """Any JSON value, None where absent or null."""
        return self._left.pop(name, None)

    def has(self, name: str) -> bool:
        """Is the field there (null included) and not taken yet?"""
        return name in self._left

    def put(self, name: str, value: Any) -> None:
        """Give a field back, or what is left of it, so that it counts as not taken."""
        self._left[name] = value

    def required(self, name: str) -> Any:
        """Any JSON value but null."""
        value = self._left.pop(name, None)
        if value is None:
            raise self.error(name, "required")
        return value

    def _typed(self, name: str, kind: type, required: bool) -> Any:
        value = self._left.pop(name, None)
        if value is None:
            if required:
                raise self.error(name, "required")
            return None
        if type(value) is not kind:
            raise self.error(name, f"expected {_NAMES[kind]}, got {type_name(value)}")
        return value

    def text(self, name: str) -> str | None:
        """A string."""
        value: str | None = self._typed(name, str, False)
        return value

    def text_required(self, name: str) -> str:
        """A string that must be there (it may be empty)."""
        value: str = self._typed(name, str, True)
        return value

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        value: bool | None = self._typed(name, bool, False)
        return value

    def whole(self, name: str) -> int | None:
        """A whole number; 3.0 counts."""
        value = self._left.pop(name, None)
        if value is None or type(value) is int:
            return value
        if type(value) is float and value.is_integer():
            return int(value)
        raise self.error(name, f"expected a whole number, got {type_name(value)}")

    def number(self, name: str) -> float | None:
        """A number."""
        value = self._left.pop(name, None)
        if value is None or type(value) is float or type(value) is int:
            return value
        raise self.error(name, f"expected a number, got {type_name(value)}")

    def array(self, name: str) -> list[Any] | None:
        """An array."""
        value: list[Any] | None = self._typed(name, list, False)
        return value

    def array_required(self, name: str) -> list[Any]:
        """An array that must be there."""
        value: list[Any] = self._typed(name, list, True)
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """An object, unread."""
        value: dict[str, Any] | None = self._typed(name, dict, False)
        return value

    def sub(self, name: str) -> "Fields | None":
        """An object, to be read in turn."""
        value = self._typed(name, dict, False)
        return None if value is None else Fields(value, self.at(name))

    def strings(self, name: str) -> tuple[str, ...]:
        """An array of strings; a lone string counts as one."""
        value = self._left.pop(name, None)
        if value is None:
            return ()
        if type(value) is str:
            return (value,)
        if type(value) is not list:
            raise self.error(name, f"expected an array of strings, got {type_name(value)}")
        for i, item in enumerate(value):
            if type(item) is not str:
                raise invalid(f"{self.at(name)}[{i}]", f"expected a string, got {type_name(item)}")
        return tuple(value)

    def keep(self, name: str, value: Any) -> None:
        """Adds a leftover: an unknown field of a nested object goes into `extras` as `nested.field`."""
        self._left[name] = value

    def rest(self) -> dict[str, Any]:
        """The fields nobody took. Those that are null are left out: "not said"."""
        left = self._left
        return {k: v for k, v in left.items() if v is not None} if left else left

    def extras(self, protocol: str) -> dict[str, dict[str, Any]] | None:
        """`rest` as `extras` of `protocol`; None where nothing is left."""
        rest = self.rest()
        return {protocol: rest} if rest else None
