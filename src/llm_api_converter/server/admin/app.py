"""The admin API as an ASGI application: its credential, checks of what is sent, errors, the audit log. What it does is in `api`."""

import hmac
import json
from collections.abc import Callable, Mapping
from secrets import token_hex
from time import time
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from ... import __version__
from ...access.credentials import client_address, given_keys
from ...access.manage import KeyManager, NoSuchKey
from ...config import checks
from ...config.model import Config, ModelConfig
from ...store.base import BadCursor, Conflict, Store, StoreError
from ...store.records import AuditEntry
from ..services import Services
from .api import OPERATIONS
from .table import Call, NotFound, Operation, openapi

log = structlog.get_logger("gateway")

MAX_BODY_BYTES = 1024 * 1024
ACTOR = "admin"


class BadField(Exception):
    """A field is wrong: its path, and why."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}" if path else why)
        self.path = path


class Admin:
    """What operations work with."""

    def __init__(self, config: Config, services: Services, key: str, clock: Callable[[], float] = time) -> None:
        self.config = config
        self.services = services
        self.store: Store = services.store
        self.keys = KeyManager(services.store.keys, clock)
        self.now = clock
        self._key = key.encode()

    def admits(self, request: Request) -> bool:
        """Whether it has the admin key."""
        headers = {name.lower(): value for name, value in request.headers.raw}
        return any(hmac.compare_digest(key, self._key) for key in given_keys(headers, b""))

    def check_model(self, entry: Mapping[str, Any]) -> None:
        """Raises BadField for a model name that cannot be added."""
        if any(model.name == entry["name"] for model in self.config.models):
            raise BadField("name", f"{entry['name']!r} stands in the settings file; change it there")
        tree = {"providers": {name: {} for name in self.config.providers}, "models": [dict(entry)]}
        for error in checks.models(tree, {}) + checks.strategies(tree):
            path, _, why = error.removeprefix("models[0].").partition(": ")
            raise BadField(path, why)
        ModelConfig.model_validate(entry)

    async def note(self, operation: Operation, call: Call, outcome: str) -> None:
        """Write the audit log."""
        body = call.body.model_dump(mode="json", exclude_unset=True) if call.body is not None else {}
        entry = AuditEntry(
            id=token_hex(12), at_s=self.now(), actor=ACTOR, action=operation.action, outcome=outcome, detail=json.dumps(body),
            subject=next(iter(call.path.values()), body.get("name", "")), address=_address(call.request),
        )
        try:
            await self.store.audit.append([entry])
        except StoreError as error:
            log.error("audit entry lost", action=operation.action, subject=entry.subject, error=str(error))


def build(config: Config, services: Services, key: str) -> Starlette:
    """The application; it answers everything under `/admin`."""
    admin = Admin(config, services, key)
    described = openapi(OPERATIONS, __version__)

    async def describe(request: Request) -> Response:
        return JSONResponse(described)

    routes = [Route(operation.path, _endpoint(admin, operation), methods=[operation.method]) for operation in OPERATIONS]
    routes.append(Route("/openapi.json", describe, methods=["GET"]))
    return Starlette(routes=[Mount("/admin/api", routes=routes)], exception_handlers={404: _unknown, 405: _unknown})


def _endpoint(admin: Admin, operation: Operation) -> Callable[[Request], Any]:
    async def endpoint(request: Request) -> Response:
        if not admin.admits(request):
            why = "not the admin key: send it as `Authorization: Bearer KEY` (ADMIN_API_KEY, or the file the gateway named at its start)"
            return _error(401, why)
        call = Call(request, admin, request.path_params)
        try:
            if operation.query is not None:
                call.query = _checked(operation.query, dict(request.query_params))
            if operation.body is not None:
                call.body = _checked(operation.body, await _json_of(request))
            answer = await operation.handler(call)
        except (BadField, NoSuchKey, NotFound, Conflict, StoreError) as error:
            if operation.action:
                await admin.note(operation, call, f"refused: {error}")
            return _refusal(error)
        if operation.action:
            await admin.note(operation, call, "done")
        return answer

    return endpoint


def _checked(model: type[BaseModel], values: Any) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        why = "unknown field" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
        raise BadField(path, why) from error


async def _json_of(request: Request) -> Any:
    raw = b""
    async for piece in request.stream():
        raw += piece
        if len(raw) > MAX_BODY_BYTES:
            raise BadField("", f"the body is larger than {MAX_BODY_BYTES} bytes")
    try:
        return json.loads(raw or b"{}")
    except ValueError as error:
        raise BadField("", f"the body is not valid JSON: {error}") from error


def _refusal(error: Exception) -> Response:
    match error:
        case BadField():
            return _error(400, str(error), error.path or None)
        case BadCursor():
            return _error(400, str(error), "cursor")
        case Conflict():
            return _error(409, str(error))
        case StoreError():
            return _error(503, f"the store is away: {error}")
        case _:
            return _error(404, str(error))


def _error(status: int, message: str, param: str | None = None) -> Response:
    return JSONResponse({"error": {"message": message, "param": param}}, status)


async def _unknown(request: Request, error: Exception) -> Response:
    return _error(getattr(error, "status_code", 404), f"no such path: {request.method} {request.url.path}; see /admin/api/openapi.json")


def _address(request: Request) -> str | None:
    return client_address(request.client.host if request.client else None, dict(request.headers.raw), ())
