"""The admin API itself: one function an operation, and the table of them. Bad input is a 400 that names its field."""

import json
from collections.abc import AsyncIterator
from time import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import asdict
from pydantic import BeforeValidator, Field, WithJsonSchema
from starlette.responses import Response, StreamingResponse

from ... import __version__
from ...access.manage import shown
from ...access.spec import KeyChange, KeySpec, Seconds
from ...config.model import StoredModelConfig
from ...config.section import Section
from ...store.records import AuditFilter, StoredModel, UsageFilter
from ...usage.report import (
    GROUPS,
    ROW_COLUMNS,
    csv_line,
    every_row,
    groups,
    moment_before,
    row_cells,
    row_fields,
    total_cells,
    total_columns,
    total_fields,
)
from .table import Call, NotFound, Operation

PAGE = 100
LARGEST_PAGE = 1000


class Paged(Section):
    """Which part of a list."""

    cursor: str | None = None
    limit: int = Field(default=PAGE, ge=1, le=LARGEST_PAGE)


class KeysWanted(Paged):
    """Which keys."""

    team: str | None = None


class Rotation(Section):
    """How long the old key goes on: `grace` in seconds, or as `24h`."""

    grace: Seconds = 0.0


def _before(value: Any) -> Any:
    return moment_before(value, time()) if isinstance(value, str) and not value.replace(".", "", 1).isdecimal() else value


Before = Annotated[float, BeforeValidator(_before)]
"""A date or time, or so long before now: `7d`, `24h`."""


class UsageWanted(Section):
    """Which calls: `by` are groups such as `key,day`."""

    since: Before | None = None
    until: Before | None = None
    key: str | None = None
    team: str | None = None
    model: str | None = None
    provider: str | None = None

    def filter(self) -> UsageFilter:
        """As the store asks."""
        return UsageFilter(
            since_s=self.since, until_s=self.until, key_id=self.key, team=self.team, model=self.model, provider=self.provider
        )


def _groups(value: Any) -> Any:
    return groups(value) if isinstance(value, str) else value


class TotalsWanted(UsageWanted):
    """Added up; `format` is json or csv."""

    by: Annotated[tuple[str, ...], BeforeValidator(_groups), WithJsonSchema({"type": "string"})] = ()
    format: Literal["json", "csv"] = "json"


class RowsWanted(UsageWanted):
    """Each for itself: a page as JSON, or all of them as CSV."""

    cursor: str | None = None
    limit: int = Field(default=PAGE, ge=1, le=LARGEST_PAGE)
    format: Literal["json", "csv"] = "json"


class AuditWanted(Paged):
    """Which entries; `action` may end in `*`."""

    since: Before | None = None
    until: Before | None = None
    actor: str | None = None
    action: str | None = None
    subject: str | None = None


async def list_keys(call: Call) -> Response:
    """Newest first, without the keys themselves."""
    wanted: KeysWanted = call.query
    page = await call.admin.store.keys.list(team=wanted.team, cursor=wanted.cursor, limit=wanted.limit)
    return _json({"data": [shown(record) for record in page.items], "cursor": page.cursor})


async def create_key(call: Call) -> Response:
    """The one answer that has the key in it."""
    record, key = await call.admin.keys.create(call.body)
    return _json({**shown(record), "key": key}, 201)


async def show_key(call: Call) -> Response:
    """One key."""
    return _json(shown(await call.admin.keys.show(call.path["key_id"])))


async def update_key(call: Call) -> Response:
    """Change what is said; null takes a setting away."""
    return _json(shown(await call.admin.keys.update(call.path["key_id"], call.body)))


async def rotate_key(call: Call) -> Response:
    """A new key in the old one's place."""
    record, key = await call.admin.keys.rotate(call.path["key_id"], call.body.grace)
    return _json({**shown(record), "key": key})


async def revoke_key(call: Call) -> Response:
    """The key stops within two seconds everywhere; its record stays."""
    return _json(shown(await call.admin.keys.revoke(call.path["key_id"])))


async def show_usage(call: Call) -> Response:
    """What was used and what it cost, added up by groups. An unknown price is null, and how many calls have none stands beside it."""
    wanted: TotalsWanted = call.query
    totals = await call.admin.store.usage.totals(wanted.filter(), tuple(GROUPS[name] for name in wanted.by))
    if wanted.format == "csv":
        lines = [csv_line(total_columns(wanted.by)), *(csv_line(total_cells(total, wanted.by)) for total in totals)]
        return Response("".join(lines), media_type="text/csv; charset=utf-8")
    return _json({"data": [total_fields(total, wanted.by) for total in totals]})


async def list_usage(call: Call) -> Response:
    """Records, newest first; as CSV all of them, one after another."""
    wanted: RowsWanted = call.query
    log = call.admin.store.usage
    if wanted.format == "json":
        page = await log.rows(wanted.filter(), cursor=wanted.cursor, limit=wanted.limit)
        return _json({"data": [row_fields(row) for row in page.items], "cursor": page.cursor})

    async def lines() -> AsyncIterator[str]:
        yield csv_line(ROW_COLUMNS)
        async for row in every_row(log, wanted.filter()):
            yield csv_line(row_cells(row))

    return StreamingResponse(lines(), media_type="text/csv; charset=utf-8")


async def list_audit(call: Call) -> Response:
    """Newest first."""
    wanted: AuditWanted = call.query
    which = AuditFilter(
        since_s=wanted.since, until_s=wanted.until, actor=wanted.actor, action=wanted.action, subject=wanted.subject
    )
    page = await call.admin.store.audit.query(which, cursor=wanted.cursor, limit=wanted.limit)
    return _json({"data": [{**asdict(entry), "detail": json.loads(entry.detail)} for entry in page.items], "cursor": page.cursor})


async def list_models(call: Call) -> Response:
    """Model names added at run time."""
    return _json({"data": [_model(model) for model in await call.admin.store.models.list()]})


async def put_model(call: Call) -> Response:
    """Add a model name, or change one that was added. Names of the settings file cannot be changed here."""
    name = call.path["name"]
    entry = {**call.body.model_dump(exclude_unset=True), "name": name}
    call.admin.check_model(entry)
    known = {model.name: model for model in await call.admin.store.models.list()}
    version = known[name].version + 1 if name in known else 1
    model = StoredModel(name=name, entry=json.dumps(entry), updated_s=call.admin.now(), version=version)
    await call.admin.store.models.put(model)
    return _json(_model(model))


async def delete_model(call: Call) -> Response:
    """Take a name away that was added."""
    if not await call.admin.store.models.delete(call.path["name"]):
        raise NotFound(f"no model {call.path['name']!r} was added at run time")
    return _json({"deleted": True})


async def show_status(call: Call) -> Response:
    """What this gateway is, and whether its parts answer."""
    admin = call.admin
    return _json({"version": __version__, "ready": admin.services.away is None, "why": admin.services.away, **admin.services.status()})


def _model(model: StoredModel) -> dict[str, Any]:
    return {**json.loads(model.entry), "updated_s": model.updated_s, "version": model.version}


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value, enc_hook=str), status, media_type="application/json")


OPERATIONS = (
    Operation(method="GET", path="/status", summary="Version, and what answers", handler=show_status),
    Operation(method="GET", path="/keys", summary="List keys", handler=list_keys, query=KeysWanted),
    Operation(method="POST", path="/keys", summary="Make a key", handler=create_key, body=KeySpec, action="key.create", status=201),
    Operation(method="GET", path="/keys/{key_id}", summary="Show a key", handler=show_key),
    Operation(method="PATCH", path="/keys/{key_id}", summary="Change a key", handler=update_key, body=KeyChange, action="key.update"),
    Operation(
        method="POST", path="/keys/{key_id}/rotate", summary="Replace a key", handler=rotate_key, body=Rotation, action="key.rotate"
    ),
    Operation(method="DELETE", path="/keys/{key_id}", summary="Revoke a key", handler=revoke_key, action="key.revoke"),
    Operation(method="GET", path="/usage", summary="What was used and what it cost", handler=show_usage, query=TotalsWanted),
    Operation(method="GET", path="/usage/rows", summary="Records of calls", handler=list_usage, query=RowsWanted),
    Operation(method="GET", path="/audit", summary="What was done", handler=list_audit, query=AuditWanted),
    Operation(method="GET", path="/models", summary="Model names added at run time", handler=list_models),
    Operation(
        method="PUT", path="/models/{name:path}", summary="Add or change a model name", handler=put_model, body=StoredModelConfig,
        action="model.put",
    ),
    Operation(method="DELETE", path="/models/{name:path}", summary="Take a model name away", handler=delete_model, action="model.delete"),
)
