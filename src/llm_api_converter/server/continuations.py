"""Reasoning of tool calls for clients that cannot carry it: most clients of Chat drop every field that may hold it.

What an answer thought before its calls goes into the store under the ids of the calls, which any client echoes; when a request comes back
with a call and without its reasoning, that is put back before anything else looks at the request. What is stored is the seal that a client
which keeps nothing but calls would carry (style `late` of `hub.sealing`), encrypted for its owner; it expires. A store that is away costs
the reasoning, never the turn.
"""

from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import TypeGuard

import structlog
from msgspec.structs import replace

from ..hub.events import Attach, Event, Open
from ..hub.fold import unfold
from ..hub.ledger import Ledger
from ..hub.messages import Message, Opaque, Part, Reasoning, ToolCall
from ..hub.request import Request
from ..hub.response import Response
from ..hub.seal import Sealer
from ..hub.sealing import SealWriter, open_seals
from ..store.base import Continuations as ContinuationStore
from ..store.base import StoreError
from .vault import Unreadable, Vault

log = structlog.get_logger("gateway")

MOST_CALLS = 1000
"""Calls of one request that are looked for, the latest."""


class Collector:
    """Reads an answer along; `found` is what to keep of it: call id -> seal. `writer` has the style `late`."""

    __slots__ = ("_ids", "_writer", "found")

    def __init__(self, writer: SealWriter) -> None:
        self._writer = writer
        self._ids: dict[int, str] = {}
        self.found: dict[str, str] = {}

    def take(self, events: list[Event]) -> None:
        """The next events of a stream."""
        for event in self._writer.events(events):
            if type(event) is Open and isinstance(event.part, ToolCall):
                self._ids[event.index] = event.part.id
            elif type(event) is Attach and event.index in self._ids and isinstance(event.value, Opaque):
                self.found[self._ids[event.index]] = event.value.data

    def take_response(self, response: Response) -> None:
        """A whole answer."""
        self.take(unfold(response))


def calls_without_reasoning(request: Request) -> tuple[str, ...]:
    """The client-run calls that came without any state or reasoning of their turn."""
    found: list[str] = []
    for message in request.messages:
        if message.role == "assistant" and not any(isinstance(part, Reasoning) for part in message.parts):
            found.extend(part.id for part in message.parts if _bare(part) and part.id)
    return tuple(found[-MOST_CALLS:])


def put_back(request: Request, seals: Mapping[str, str], sealer: Sealer, ledger: Ledger) -> Request:
    """The request with the reasoning of these calls in its place."""
    return open_seals(replace(request, messages=tuple(_sealed(message, seals) for message in request.messages)), sealer, ledger)


def _sealed(message: Message, seals: Mapping[str, str]) -> Message:
    if message.role != "assistant" or not any(_bare(part) and part.id in seals for part in message.parts):
        return message
    parts: list[Part] = []
    for part in message.parts:
        if _bare(part) and part.id in seals:
            part = replace(part, tokens=(Opaque("seal", "seal", seals[part.id]),))
        parts.append(part)
    return replace(message, parts=tuple(parts))


def _bare(part: Part) -> TypeGuard[ToolCall]:
    return isinstance(part, ToolCall) and part.runs == "client" and not part.tokens


class Continuations:
    """Where seals are kept between two requests. `clock` gives Unix seconds."""

    def __init__(self, store: ContinuationStore, vault: Vault, ttl_s: float, clock: Callable[[], float] = time) -> None:
        self._store = store
        self._vault = vault
        self._ttl_s = ttl_s
        self._clock = clock

    async def put(self, scope: str, seals: Mapping[str, str]) -> None:
        """Keep them for the callers of this scope."""
        expires_s = self._clock() + self._ttl_s
        try:
            for call_id, seal in seals.items():
                await self._store.put(scope, [call_id], self._vault.close(seal.encode(), f"{scope}/{call_id}"), expires_s)
        except StoreError as error:
            log.error("reasoning not kept", calls=len(seals), error=str(error))

    async def get(self, scope: str, call_ids: Sequence[str]) -> dict[str, str]:
        """Those that are there."""
        try:
            kept = await self._store.get(scope, call_ids, self._clock())
        except StoreError as error:
            log.warning("store away", error=str(error))
            return {}
        found: dict[str, str] = {}
        for call_id, closed in kept.items():
            try:
                found[call_id] = self._vault.open(closed, f"{scope}/{call_id}").decode()
            except Unreadable as error:
                log.warning("kept reasoning unreadable", error=str(error))
        return found
