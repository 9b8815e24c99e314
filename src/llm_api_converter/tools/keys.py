"""`keys`: make, list, show, change, rotate and revoke API keys, in the store of the settings. A key is printed once, when it is made."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from ..access.manage import KeyManager, NoSuchKey, shown
from ..access.spec import KeyChange, KeySpec, seconds
from ..config import Config
from ..store.base import Conflict, Store, StoreError
from ..store.open import open_store
from ..store.records import KeyRecord

Made = tuple[KeyRecord, str | None]
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")


class KeysError(Exception):
    """Why nothing was done, for the user."""


def create(config: Config, said: Mapping[str, Any]) -> Made:
    """Raises KeysError."""
    spec = _checked(KeySpec, said)
    return _with_keys(config, lambda keys: keys.create(spec))


def update(config: Config, key_id: str, said: Mapping[str, Any]) -> Made:
    """Raises KeysError."""
    change = _checked(KeyChange, said)

    async def do(keys: KeyManager) -> Made:
        return await keys.update(key_id, change), None

    return _with_keys(config, do)


def rotate(config: Config, key_id: str, grace: str) -> Made:
    """Raises KeysError."""
    grace_s = seconds(grace)
    if isinstance(grace_s, str):
        if not grace_s.isdecimal():
            raise KeysError("--grace: expected a time such as 24h, 30m or 0s")
        grace_s = int(grace_s)
    return _with_keys(config, lambda keys: keys.rotate(key_id, float(grace_s)))


def revoke(config: Config, key_id: str) -> Made:
    """Raises KeysError."""

    async def do(keys: KeyManager) -> Made:
        return await keys.revoke(key_id), None

    return _with_keys(config, do)


def show(config: Config, key_id: str) -> Made:
    """Raises KeysError."""

    async def do(keys: KeyManager) -> Made:
        return await keys.show(key_id), None

    return _with_keys(config, do)


def list_all(config: Config, team: str | None) -> list[KeyRecord]:
    """Every key, newest first. Raises KeysError."""

    async def do(store: Store) -> list[KeyRecord]:
        found: list[KeyRecord] = []
        cursor = None
        while True:
            page = await store.keys.list(team=team, cursor=cursor)
            found += page.items
            cursor = page.cursor
            if cursor is None:
                return found

    return _with_store(config, do)


def as_json(record: KeyRecord, key: str | None = None) -> str:
    """One key as a line of JSON; with the key itself only where it was just made."""
    fields = shown(record)
    if key is not None:
        fields["key"] = key
    return msgspec.json.encode(fields, enc_hook=str).decode()


def as_text(record: KeyRecord, key: str | None = None) -> str:
    """One key for a person."""
    lines = [f"{name:<12} {_text(value)}" for name, value in shown(record).items() if value not in (None, {}, ())]
    if key is not None:
        lines += ["", key, "", "This is the key. It is shown only now: what is kept of it is a digest."]
    return "\n".join(lines)


def as_row(record: KeyRecord, now_s: float) -> str:
    """One line of the list."""
    state = "revoked" if record.revoked_s is not None else "expired" if (record.expires_s or now_s + 1) <= now_s else "good"
    return f"{record.id}  {'...' + record.hint:<8} {state:<8} {_day(record.created_s)}  {record.team or '-':<16} {record.name}"


def _text(value: Any) -> str:
    if isinstance(value, float) and value > 1e9:
        return _day(value)
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode()


def _day(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M")


def fields_of(options: Mapping[str, Any], limits: Mapping[str, Any], budget: Mapping[str, Any], more: str | None) -> dict[str, Any]:
    """Options of the command line -> fields of `KeySpec`; `more` is JSON with further ones. Raises KeysError."""
    said = {name: value for name, value in options.items() if value not in (None, [], ())}
    for name, section in (("limits", limits), ("budget", budget)):
        given = {field: value for field, value in section.items() if value is not None}
        if given:
            said[name] = given
    tags = said.pop("tag", None)
    if tags:
        pairs = [tag.partition("=") for tag in tags]
        if not all(equals and name for name, equals, _ in pairs):
            raise KeysError("--tag: expected NAME=VALUE")
        said["tags"] = {name: value for name, _, value in pairs}
    if more is not None:
        try:
            extra = json.loads(more)
        except ValueError as error:
            raise KeysError(f"--set: is not JSON: {error}") from error
        if not isinstance(extra, dict):
            raise KeysError("--set: expected a JSON object such as '{\"models\": null}'")
        said |= extra
    return said


def _checked(model: type[M], said: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problems = []
        for item in error.errors(include_url=False, include_input=False):
            path = ".".join(str(part) for part in item["loc"])
            why = "unknown field" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
            problems.append(f"{path}: {why}")
        raise KeysError("\n".join(problems)) from error


def _with_keys(config: Config, do: Callable[[KeyManager], Awaitable[Made]]) -> Made:
    return _with_store(config, lambda store: do(KeyManager(store.keys)))


def _with_store(config: Config, do: Callable[[Store], Awaitable[T]]) -> T:
    async def run() -> T:
        store = open_store(config.store_url, config.store.tables)
        try:
            await store.open()
            return await do(store)
        finally:
            await store.close()

    try:
        return asyncio.run(run())
    except (NoSuchKey, Conflict, StoreError) as error:
        raise KeysError(str(error)) from error
