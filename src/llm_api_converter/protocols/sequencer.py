"""Puts overlapping parts of an upstream's stream in order: one part open at a time, indexes rising from 0.

Decoders whose wire may interleave parts (Chat tool calls by index, Responses items) name each part by a key of theirs. The live
part streams through; what comes for others is held and released, part by part in the order they began, when it ends.
"""

from collections.abc import Hashable

from ..hub.events import Attach, Close, Delta, Event, Open
from ..hub.messages import Citation, Extras, Opaque, Part

Piece = str | Opaque | Citation | Extras


class Sequencer:
    """Events go to the list given to each call. `key` is any hashable name of a part; a key is used for one part only."""

    __slots__ = ("_closed", "_held", "_index", "_live", "_seen")

    def __init__(self) -> None:
        self._index = -1
        self._live: Hashable | None = None
        self._held: dict[Hashable, tuple[Part, list[Piece]]] = {}
        self._closed: set[Hashable] = set()
        self._seen: set[Hashable] = set()

    @property
    def live(self) -> Hashable | None:
        """The key of the open part."""
        return self._live

    def knows(self, key: Hashable) -> bool:
        """Has this key been opened (live, held or over)?"""
        return key in self._seen

    def open(self, key: Hashable, part: Part, out: list[Event]) -> None:
        """A part begins. Held while another is live."""
        self._seen.add(key)
        if self._live is None:
            self._start(key, part, out)
        else:
            self._held[key] = (part, [])

    def add(self, key: Hashable, piece: Piece, out: list[Event]) -> None:
        """More of a part: text, or something attached. Unknown and finished keys are ignored."""
        if key == self._live:
            out.append(Delta(self._index, piece) if isinstance(piece, str) else Attach(self._index, piece))
        elif key in self._held and key not in self._closed:
            self._held[key][1].append(piece)

    def close(self, key: Hashable, out: list[Event]) -> None:
        """A part is complete. Closing the live one releases the next held ones."""
        if key == self._live:
            out.append(Close(self._index))
            self._live = None
            self._release(out)
        elif key in self._held:
            self._closed.add(key)

    def close_all(self, out: list[Event]) -> None:
        """Everything is complete, in order."""
        self._closed.update(self._held)
        if self._live is not None:
            self.close(self._live, out)

    def _start(self, key: Hashable, part: Part, out: list[Event]) -> None:
        self._index += 1
        self._live = key
        out.append(Open(self._index, part))

    def _release(self, out: list[Event]) -> None:
        while self._held and self._live is None:
            key = next(iter(self._held))
            part, pieces = self._held.pop(key)
            self._start(key, part, out)
            for piece in pieces:
                self.add(key, piece, out)
            if key in self._closed:
                self._closed.discard(key)
                out.append(Close(self._index))
                self._live = None
