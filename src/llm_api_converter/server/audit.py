"""Requests in the audit log, where `audit.requests` asks for them: who asked which model for what, from where, and how it ended.

Entries wait in memory for up to a second and are written in batches; while the store is away they go on waiting, up to a bound, and beyond
it they are given up and the log says so. `kill -9` loses what waits. Bodies: `none`; `redacted`, their outline without what anybody wrote;
`full`, their text, bounded, secrets replaced.
"""

import asyncio
from collections import deque
from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import structlog

from ..access.credentials import client_address
from ..observe.bodies import outline, shown
from ..store.base import Audit, StoreError
from ..store.records import AuditEntry
from .transcript import Transcript

if TYPE_CHECKING:
    from .exchange import Exchange

log = structlog.get_logger("gateway")

Bodies = Literal["none", "redacted", "full"]

EVERY_S = 1.0
AGAIN_S = 5.0
BATCH = 100
WAITING_BYTES = 64 * 1_048_576
"""Of details. An entry without bodies has about 300."""


class RequestAudit:
    """The requests of one worker on their way to the store."""

    def __init__(self, store: Audit, bodies: Bodies) -> None:
        self._store = store
        self._bodies = bodies
        self._entries: deque[AuditEntry] = deque()
        self._bytes = 0
        self._given_up = 0
        self._waits = False

    def note(self, x: "Exchange", status: int, duration_s: float) -> None:
        """A request has ended."""
        entry = self._entry(x, status, duration_s)
        if self._bytes >= WAITING_BYTES:
            if not self._given_up:
                log.error("audited requests are given up", why="the store does not take them, and too many wait")
            self._given_up += 1
            return
        self._entries.append(entry)
        self._bytes += len(entry.detail)

    def _entry(self, x: "Exchange", status: int, duration_s: float) -> AuditEntry:
        redact = x.runtime.redactor
        detail: dict[str, Any] = {"protocol": x.codec.name, "status": status, "ms": round(duration_s * 1000), "stream": x.stream}
        if x.target is not None:
            detail |= {"provider": x.target.provider, "upstream_model": x.target.model}
        if x.usage is not None:
            detail |= {"input_tokens": x.usage.input_total, "output_tokens": x.usage.output_total}
        if x.error is not None:
            detail["message"] = redact(x.error.message)
        if self._bodies != "none" and x.body:
            answer = x.responder.answer if isinstance(x.responder, Transcript) else b""
            if self._bodies == "full":
                detail |= {"request": shown(x.body, redact), "answer": shown(answer, redact)}
            else:
                detail |= {"request": msgspec.Raw(outline(x.body).encode()), "answer": msgspec.Raw(outline(answer).encode())}
        return AuditEntry(
            id=token_hex(12), at_s=time() - duration_s, actor=x.who.name or "nobody", action=f"request.{x.match.operation}",
            subject=redact(x.model), outcome=x.error.kind if x.error is not None else "done",
            address=client_address(x.peer, x.headers, x.runtime.trusted_proxies), request_id=x.request_id,
            detail=msgspec.json.encode(detail).decode(),
        )  # fmt: skip

    async def run(self) -> None:
        """Write what waits, again and again."""
        while True:
            await asyncio.sleep(AGAIN_S if self._waits else EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits now, as far as the store takes it."""
        while self._entries:
            batch = [self._entries[number] for number in range(min(BATCH, len(self._entries)))]
            try:
                await self._store.append(batch)
            except StoreError as error:
                if not self._waits:
                    log.warning("audited requests wait", entries=len(self._entries), error=str(error))
                self._waits = True
                return
            for entry in batch:
                self._entries.popleft()
                self._bytes -= len(entry.detail)
        if self._waits:
            log.info("audited requests are written again", given_up=self._given_up)
        self._waits, self._given_up = False, 0
