"""What was said in an exchange, for those who asked to see it (`logging.print_prompts`, `audit.bodies`).

Such a gateway answers through `Transcript`s, which keep what they write; any other through plain `Responder`s, which do not.
"""

from typing import TYPE_CHECKING

import structlog

from ..observe.bodies import WINDOW, shown
from .http import Responder, Send, SendWhole

if TYPE_CHECKING:
    from .exchange import Exchange

log = structlog.get_logger("gateway")


class Transcript(Responder):
    """A `Responder` that keeps the answer's first bytes, as many as are ever shown."""

    __slots__ = ("_kept", "_size")

    def __init__(self, send: Send, send_whole: SendWhole | None = None) -> None:
        super().__init__(send)  # everything passes through `write`
        self._kept: list[bytes] = []
        self._size = 0

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Keep it, and send it."""
        if data and self._size <= WINDOW:
            self._kept.append(data)
            self._size += len(data)
        await super().write(data, more=more)

    @property
    def answer(self) -> bytes:
        """What was sent so far, up to a bound."""
        return b"".join(self._kept)


def print_prompts(x: "Exchange") -> None:
    """One line with both bodies. Whatever the level of the log, unless it is above `info`."""
    responder, redact = x.responder, x.runtime.redactor
    log.info(
        "prompts", request_id=x.request_id, protocol=x.codec.name, request=shown(x.body, redact),
        answer=shown(responder.answer, redact) if isinstance(responder, Transcript) else None,
    )
