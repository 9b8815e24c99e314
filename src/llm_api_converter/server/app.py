"""The ASGI application and the process around it.

One request, from the outside in: an `Exchange` is made (request id, clock), its path is matched, the operation runs, what goes wrong is
shaped into the client's protocol, and in the end, whatever happened, metrics and one log line are written. These are the four steps a
middleware list would have; they stand in one function because each would otherwise wrap every send of every chunk (see
docs/decisions/002-one-frame-instead-of-middleware.md).
"""

import asyncio
from time import monotonic

import msgspec
import structlog
from msgspec import structs
from starlette.types import ASGIApp

from ..config import Config
from ..hub.errors import ApiError
from ..hub.seal import SealKey
from ..observe.metrics import Metrics
from ..observe.tasks import background, stopped
from ..protocols import codec
from ..protocols.base import WireError
from ..upstream.client import Client
from .admin.app import build as build_admin
from .admission import allowance_lines, budget_headers, identify, release, settles_later
from .compact import compact
from .count import count
from .embed import embed
from .exchange import Exchange
from .explain import explain
from .http import LEAVING, SEND_WHOLE, ClientGone, Receive, Responder, Scope, Send, Waiting, read_body
from .models import capabilities, list_models, show_model
from .pipeline import generate
from .record import CLIENT_GONE_STATUS, Recorder
from .routes import ASKER, match
from .runtime import Runtime
from .services import Services
from .stored import stored
from .transcript import Transcript
from .websocket import Socket, refuse

log = structlog.get_logger("gateway")


class Gateway:
    """The ASGI application."""

    def __init__(self, runtime: Runtime, admin: ASGIApp | None = None) -> None:
        self.runtime = runtime
        self.admin = admin
        self.recorder = Recorder(runtime)
        self._sharing: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection: a request, a WebSocket, or the lifespan of the worker."""
        if scope["type"] == "http":
            if self.admin is not None and scope["path"].startswith(ADMIN):
                await self.admin(scope, receive, send)
            else:
                await self._request(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime = self.runtime
        started_s = monotonic()
        headers = _headers(scope["headers"])
        found = match(scope["raw_path"], scope["query_string"])
        if found.operation in ("models", "model"):
            found = next((structs.replace(found, protocol=name) for key, name in ASKER if key in headers), found)
        answers = codec(found.protocol, found.envelope)
        x = Exchange(
            runtime, found, answers, headers, scope["query_string"], runtime.responder(send, scope.pop(SEND_WHOLE, None)), started_s,
            scope.get(LEAVING) or Waiting(receive), _peer(scope),
        )  # fmt: skip
        recorded = found.operation in _RECORDED
        if runtime.tracing is not None and recorded:
            x.trace = runtime.tracing.begin(
                x.request_id, scope["method"], runtime.redactor(scope["path"]), headers,
                protocol=answers.name, operation=found.operation, argument=found.argument,
            )
        if recorded:
            runtime.metrics.enter()
        try:
            await self._serve(x, scope, receive)
        except ClientGone:
            x.error = ApiError("internal", "the client left before its answer was complete", status=CLIENT_GONE_STATUS)
        except ApiError as error:
            x.error = error
            await _tell(x, error)
        except Exception as error:  # the outermost frame: whatever it is, the client gets an answer and the log the cause
            log.error("internal error", request_id=x.request_id, error=repr(error), exc_info=error)
            x.error = ApiError("internal", f"the gateway failed; its log has the cause under {x.request_id}")
            await _tell(x, x.error)
        finally:
            if recorded:
                runtime.metrics.enter(-1)
                self.recorder.add(x, monotonic())
            if x.allowed is not None and not (recorded and settles_later(x)):
                settling = release(x)
                if settling is not None:
                    await settling

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Turns over a WebSocket where the path has such a form; who may not come in is told so before it opens."""
        await receive()
        found = match(scope["raw_path"], scope["query_string"])
        if not (found.protocol in WITH_SOCKETS and found.operation == "generate"):
            await refuse(426, b'{"error":{"message":"use HTTP: this path has no WebSocket"}}', scope, send)
            return
        client = codec(found.protocol)
        x = Exchange(
            self.runtime, found, client, _headers(scope["headers"]), scope["query_string"], Responder(send), monotonic(),
            Waiting(receive), _peer(scope),
        )
        try:
            await identify(x)
        except ApiError as error:
            told = client.encode_error(error, x.request_id)
            await refuse(told.status, told.body, scope, send)
            x.error, x.responder.status = error, told.status
            self.recorder.add(x, monotonic())
            return
        await send({"type": "websocket.accept"})
        await Socket(self._request, scope, send).run(receive)

    async def _serve(self, x: Exchange, scope: Scope, receive: Receive) -> None:
        operation, method = x.match.operation, scope["method"]
        if operation == "stored":
            await stored(x, method)
            return
        if operation == "unknown":
            raise ApiError("not_found", f"no such path: {method} {scope['path']}")
        if method != x.match.method and not (method == "HEAD" and x.match.method == "GET"):
            x.error = ApiError("invalid", f"{scope['path']} takes {x.match.method}, not {method}")
            await _tell(x, x.error, status=405)
            return
        if operation == "generate":
            await generate(x, receive)
        elif operation == "count":
            await count(x, receive)
        elif operation == "compact":
            await compact(x, receive)
        elif operation == "embed":
            await embed(x, receive)
        elif operation == "models":
            await list_models(x)
        elif operation == "model":
            await show_model(x)
        elif operation == "capabilities":
            await capabilities(x)
        elif operation == "explain":
            await explain(x, receive)
        elif operation == "metrics":
            self.runtime.admit_scraper(x.headers)
            self.recorder.flush()
            self.runtime.metrics.flush()
            text = await asyncio.to_thread(self.runtime.metrics.expose)  # many models on many workers take a while
            await x.responder.whole(200, [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")], text)
        elif operation == "ready":
            why = await self._unready()
            await _json(x, 503 if why else 200, msgspec.json.encode({"status": "unready", "why": why} if why else {"status": "ok"}))
        elif operation == "sink":
            await read_body(receive, x.headers, self.runtime.max_body_bytes)
            await _json(x, 200, b"{}")
        else:
            await _json(x, 200, b'{"status":"ok"}')

    async def _unready(self) -> str | None:
        """Why this worker should get no requests now; None: it may."""
        if not self.runtime.ready:
            return "starting"
        return None if self.runtime.services is None else await self.runtime.services.ready()

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.runtime.client = Client(idle_timeout_s=float(self.runtime.config.upstream.timeout_s))
                if self.runtime.services is not None:
                    await self.runtime.services.start()
                self._sharing = background(self.runtime.metrics.share())
                self.runtime.ready = True
                await send({"type": "lifespan.startup.complete"})
            else:
                self.runtime.ready = False
                await self.runtime.client.close()
                self.recorder.flush()
                if self.runtime.services is not None:
                    await self.runtime.services.stop()
                await stopped((self._sharing,))
                self.runtime.metrics.flush()
                if self.runtime.tracing is not None:
                    await asyncio.to_thread(self.runtime.tracing.close)
                await asyncio.to_thread(self.runtime.access_log.flush)  # uvicorn ends the process by the signal it got: nothing runs later
                await send({"type": "lifespan.shutdown.complete"})
                return


ADMIN = "/admin"
WITH_SOCKETS = frozenset({"openai_responses"})
"""Protocols that also run over a WebSocket."""
_RECORDED = frozenset({"generate", "count", "compact", "stored", "embed", "models", "model", "capabilities", "explain", "unknown"})


def _peer(scope: Scope) -> str | None:
    """The address at the other end of the connection; None on a Unix socket."""
    return scope["client"][0] if scope["client"] else None


def build(
    config: Config, *, master_key: str, seal_keys: tuple[SealKey, ...], metrics: Metrics | None = None, services: Services | None = None,
    admin_key: str = "",
) -> Gateway:  # fmt: skip
    """The application for these settings; without `services` it knows no keys but the master key, and neither limits, records nor the
    admin API.
    """
    runtime = Runtime(config, master_key=master_key, seal_keys=seal_keys, metrics=metrics or Metrics(), services=services)
    if runtime.prints_prompts or config.audit.bodies != "none":
        runtime.responder = Transcript
    if services is None or not config.admin.enabled or not admin_key:
        return Gateway(runtime)
    runtime.redactor.keep(admin_key)
    return Gateway(runtime, build_admin(config, services, admin_key))


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Lower-case names; the values of a repeated header are joined by a comma."""
    headers = dict(raw)
    if len(headers) != len(raw):
        headers = {}
        for name, value in raw:
            headers[name] = headers[name] + b"," + value if name in headers else value
    return headers


async def _json(x: Exchange, status: int, body: bytes) -> None:
    await x.responder.whole(status, [(b"content-type", b"application/json")], body)


async def _tell(x: Exchange, error: ApiError, *, status: int | None = None) -> None:
    """The error in the client's protocol: as an answer, or inside the stream that has begun. `status` where the kind's is not meant.

    The refusal of an upstream that speaks the client's protocol goes out as it came.
    """
    error.message = x.runtime.redactor(error.message)
    if x.responder.started:
        if not x.responder.ended:
            await x.responder.write(x.form.stream_error(error, x.request_id), more=False)
        return
    refusal = x.refusal
    if refusal is not None and refusal.error is error:
        wire = WireError(refusal.status, refusal.headers, x.runtime.redactor.in_bytes(refusal.body))
    else:
        wire = x.codec.encode_error(error, x.request_id)
    headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in wire.headers.items()]
    headers.append((b"x-request-id", x.request_id.encode()))
    headers += budget_headers(x)
    if x.target is not None:
        headers.append((b"x-upstream-provider", x.target.provider.encode("latin-1", "replace")))
    await x.responder.whole(status or wire.status, headers, wire.body, allowance_lines(x))
