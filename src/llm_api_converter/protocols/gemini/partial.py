"""Call arguments that arrive in pieces: `partialArgs` with JSON paths, put together into one object.

    {"jsonPath": "$.items[0].name", "stringValue": "Bos", "willContinue": true}, {"jsonPath": "$.items[0].name", "stringValue": "ton"}

Vertex streams arguments this way when asked (`streamFunctionCallArguments`). Source: google-genai `types.PartialArg` (read November
2026); recordings.
"""

import re
from typing import Any

from ..base import Json

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")
_MAX_INDEX = 10_000


class PartialCall:
    """One call being put together."""

    __slots__ = ("_growing", "args")

    def __init__(self) -> None:
        self.args: Json = {}
        self._growing: str | None = None

    def add(self, pieces: Any) -> None:
        """More `partialArgs`. A string whose last piece said `willContinue` grows; anything else is set."""
        for piece in pieces if type(pieces) is list else ():
            path = piece.get("jsonPath") if type(piece) is dict else None
            if type(path) is not str:
                continue
            kind = next((name for name in _VALUES if name in piece), None)
            value = None if kind in (None, "nullValue") else _number(piece[kind]) if kind == "numberValue" else piece[kind]
            if kind is None and path != self._growing:
                continue
            if path == self._growing and type(value or "") is str:
                value = (_get(self.args, path) or "") + (value or "")
            _set(self.args, path, value)
            self._growing = path if piece.get("willContinue") else None


def _number(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for name, index, single, double in _STEP.findall(path):
        steps.append(int(index) if index else name or (single or double).replace("\\", ""))
    return steps


def _get(root: Any, path: str) -> Any:
    for step in _steps(path):
        if type(root) is dict and type(step) is str:
            root = root.get(step)
        elif type(root) is list and type(step) is int and step < len(root):
            root = root[step]
        else:
            return None
    return root


def _set(root: Any, path: str, value: Any) -> None:
    """Write `value` at `path`, making objects and arrays on the way. A path that contradicts what is there writes nothing."""
    steps = _steps(path)
    for step, after in zip(steps, [*steps[1:], None], strict=True):
        if type(step) is int and type(root) is list and step <= _MAX_INDEX:
            root.extend([None] * (step + 1 - len(root)))
        elif not (type(step) is str and type(root) is dict):
            return
        if after is None:
            root[step] = value
            return
        inner = root.get(step) if type(root) is dict else root[step]
        if inner is None:
            inner = root[step] = [] if type(after) is int else {}
        root = inner
