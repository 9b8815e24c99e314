"""One HTTP/1.1 connection: an asyncio protocol around httptools' response parser (llhttp).

States: idle (`over`, nothing asked); head (`send` was called, `status` is 0); body (`status` is set); over again, or `failed`. Bytes
that come while idle close it. The body lands in `pieces`, whose `append` is the parser's callback, so that a network read of many HTTP
chunks costs no Python frame a chunk; `take` joins them. Reading pauses while `UNREAD_BYTES` of the answer wait to be taken.

Time limits cost no timer a wait: each wait moves a deadline, and one timer a connection looks at it when it fires.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from .failures import CUT_SHORT, NO_ANSWER, NOT_HTTP, SILENT, Failure

HEAD_BYTES = 64 * 1024
"""Most an answer's status line and headers may take, earlier 1xx answers included."""
UNREAD_BYTES = 256 * 1024

_names: dict[bytes, str] = {}


def _lower(name: bytes) -> str:
    text = name.decode("latin-1").lower()
    if len(_names) < 1000:
        _names[name] = text
    return text


class Connection(asyncio.Protocol):
    """`gone` is called once, when the connection is of no more use to anybody."""

    __slots__ = (
        "_deadline", "_gone", "_head", "_idle_s", "_loop", "_parser", "_paused", "_timer", "_transport", "_unread", "_waiter",
        "dead", "failed", "headers", "idle_since", "keep_s", "over", "pieces", "reusable", "silent", "status", "used",
    )  # fmt: skip

    def __init__(self, idle_s: float, gone: Callable[["Connection"], None]) -> None:
        self._idle_s = idle_s
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._paused = False
        self._unread = 0
        self._head = 0
        self.pieces: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.status = 0
        self.over = True
        self.silent = True
        self.reusable = True
        self.used = False
        self.dead = False
        self.failed: Failure | None = None
        self.idle_since = 0.0
        self.keep_s = 0.0
        parser = HttpResponseParser(self)
        # What other clients forgive too: folded headers, bare LF, blanks behind a chunk's size.
        parser.set_dangerous_leniencies(lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True)
        self._parser: HttpResponseParser | None = parser

    # ------------------------------------------------------------ for the client

    def send(self, data: Sequence[bytes]) -> None:
        """Write a request. The connection must be idle."""
        self.used = self.used or self.status != 0
        self.headers = {}
        self.status = self._head = self._unread = 0
        self.over = False
        self.silent = True
        if len(data) == 1:
            self._transport.write(data[0])
        else:
            self._transport.writelines(data)

    def news(self) -> asyncio.Future[None]:
        """Done when something new has come: headers, a piece of the body, its end, a failure. Whoever is cancelled while waiting for it
        must `abort`. A plain future, since a coroutine here would cost more than all else in this method.
        """
        loop = self._loop
        self._waiter = waiter = loop.create_future()
        self._deadline = loop.time() + self._idle_s
        if self._timer is None:
            self._timer = loop.call_later(self._idle_s, self._tick)
        return waiter

    def take(self) -> bytes:
        """What has come of the body since the last call."""
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def rest(self, now: float) -> bool:
        """After an answer: False where the connection cannot serve another one."""
        if self.dead or not self.over or not self.reusable or self._transport.is_closing() or self._transport.get_write_buffer_size():
            return False
        self.pieces.clear()
        self.idle_since = now
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return True

    def abort(self) -> None:
        """Close at once; the other side sees it at once."""
        if not self.over and self.failed is None:
            self._fail(Failure("upstream_incomplete", CUT_SHORT, "the connection was closed on this side"))
        self._end()

    def forget(self) -> None:
        """Nobody holds the answer any more. May be called by the garbage collector, in any thread."""
        if not self.dead and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.abort)

    # ------------------------------------------------------------ asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if self.over or self.failed is not None or parser is None:
            self._end()  # a goodbye (408) or garbage: nothing was asked
            return
        self.silent = False
        self._unread += len(data)
        if not self.status:
            self._head += len(data)
        try:
            parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._unreadable(error)
            return
        if self._head > HEAD_BYTES and not self.status:
            self._break(Failure("upstream_failed", NOT_HTTP, "the headers of its answer are too large"))
        elif self.pieces or self.over:
            self._wake()
        elif self._waiter is not None and self.status:
            self._deadline = self._loop.time() + self._idle_s
        if self._unread > UNREAD_BYTES and not self._paused and not self.over and not self.dead:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._closed(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed(exc)
        self._parser = None  # it refers back to this object

    # ------------------------------------------------------------ the parser's callbacks

    @property
    def on_body(self) -> Callable[[bytes], None]:
        """The parser fetches it once."""
        return self.pieces.append

    def on_message_begin(self) -> None:
        if self.over:
            raise Failure("upstream_failed", NOT_HTTP, "an answer nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.status:
            return  # a trailer
        key = _names.get(name) or _lower(name)
        headers = self.headers
        if key in headers:
            headers[key] += ", " + value.decode("latin-1")
        else:
            headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 200:
            if status < 100 or status == 101:
                raise Failure("upstream_failed", NOT_HTTP, f"status {status}")
            return
        if self._head > HEAD_BYTES and sum(len(k) + len(v) for k, v in self.headers.items()) > HEAD_BYTES:
            raise Failure("upstream_failed", NOT_HTTP, "the headers of its answer are too large")
        self.status = status
        self._wake()

    def on_message_complete(self) -> None:
        if not self.status:  # 1xx: the answer itself is still to come
            self.headers = {}
            self._deadline = self._loop.time() + self._idle_s
            return
        assert self._parser is not None
        self.over = True
        self.reusable = self._parser.should_keep_alive()

    # ------------------------------------------------------------ ends

    def _unreadable(self, error: Exception) -> None:
        if self.over:
            self.reusable = False  # bytes behind the answer; the answer itself is whole
            self._wake()
            return
        if isinstance(error.__context__, Failure):
            self._break(error.__context__)
        elif self.status:
            self._break(Failure("upstream_incomplete", CUT_SHORT, str(error)))
        else:
            self._break(Failure("upstream_failed", NOT_HTTP, str(error)))

    def _closed(self, error: Exception | None) -> None:
        """The other side is gone."""
        if self.over or self.failed is not None:
            self.reusable = False
        elif self.status and error is None and not self._framed():
            self.over, self.reusable = True, False
            self._wake()
        elif self.status:
            self._fail(Failure("upstream_incomplete", CUT_SHORT, str(error or "")))
        else:
            self._fail(Failure("upstream_failed", NO_ANSWER, str(error or ""), stale=self.used and self.silent))
        self._end()

    def _framed(self) -> bool:
        """Does the answer itself say where its body ends?"""
        coding = self.headers.get("transfer-encoding")
        if coding is not None:
            return coding.rpartition(",")[2].strip().lower() == "chunked"
        return "content-length" in self.headers

    def _break(self, why: Failure) -> None:
        self._fail(why)
        self._end()

    def _fail(self, why: Failure) -> None:
        self.failed = why
        self._wake()

    def _end(self) -> None:
        if self.dead:
            return
        self.dead = True
        self.reusable = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._transport.abort()
        self._gone(self)

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _tick(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        left = self._deadline - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._tick)
        else:
            self._break(Failure("timeout", SILENT))
