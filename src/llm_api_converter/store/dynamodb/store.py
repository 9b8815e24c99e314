"""The store on DynamoDB: its parts together, and how its tables are made."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..base import StoreError
from .address import address
from .client import Client, Failed
from .kept import DynamoContinuations, DynamoResponses
from .keys import DynamoKeys
from .records import DynamoAudit, DynamoModels
from .schema import EXPIRES, SCHEMA, Table, creation, difference
from .usage import DynamoUsage

PING_S = 2.0
POLL_S = 0.25
READY_S = 120.0
_MISSING = "ResourceNotFoundException"


class DynamoStore:
    """`Store` on DynamoDB. `url` and `tables` are as in the settings. Raises StoreError where they cannot be meant."""

    def __init__(self, url: str, tables: Mapping[str, str] | None = None) -> None:
        self._client = Client(address(url, tables or {}))
        self.keys = DynamoKeys(self._client)
        self.usage = DynamoUsage(self._client)
        self.continuations = DynamoContinuations(self._client)
        self.responses = DynamoResponses(self._client)
        self.audit = DynamoAudit(self._client)
        self.models = DynamoModels(self._client)

    async def open(self) -> None:
        found = await asyncio.gather(*(self._describe(table) for table in SCHEMA))
        missing = [self._name(table) for table, there in zip(SCHEMA, found, strict=True) if there is None]
        if missing:
            raise StoreError(f"DynamoDB has no tables {', '.join(missing)} yet: run `llm-api-converter migrate`")
        for table, there in zip(SCHEMA, found, strict=True):
            self._check(table, there or {})

    async def migrate(self) -> list[str]:
        done = await asyncio.gather(*(self._migrate(table) for table in SCHEMA))
        return [line for lines in done for line in lines]

    async def ping(self) -> None:
        try:
            async with asyncio.timeout(PING_S):
                await self._client.get("models", {"name": "-"})
        except TimeoutError as error:
            raise StoreError(f"DynamoDB does not answer within {PING_S:g} s") from error

    async def close(self) -> None:
        self._client.close()

    async def _migrate(self, table: Table) -> list[str]:
        done = []
        there = await self._describe(table)
        if there is None and await self._create(table):
            done.append("created, paid by request")
        await _until(lambda: self._is_active(table), f"the table {self._name(table)} is not ready")
        if there is not None:
            self._check(table, there)
        if table.expires and await self._expire(table):
            done.append(f"items expire by {EXPIRES}")
        if table.recovers and done:
            done.append(await self._recover(table))
        return [f"{self._name(table)}: {line}" for line in done]

    async def _create(self, table: Table) -> bool:
        """Whether it was made here; another process may make it at the same moment."""
        try:
            await self._client.call("create_table", **creation(table, self._name(table)))
        except Failed as error:
            if error.code != "ResourceInUseException":
                raise
            return False
        return True

    async def _expire(self, table: Table) -> bool:
        """Turn the time to live on; whether it was off."""
        if await self._expires(table):
            return False
        wanted = {"Enabled": True, "AttributeName": EXPIRES}
        try:
            await self._client.call("update_time_to_live", table.name, TimeToLiveSpecification=wanted)
        except Failed:
            if not await self._expires(table):  # else another process was quicker
                raise
            return False
        return True

    async def _expires(self, table: Table) -> bool:
        said = (await self._client.call("describe_time_to_live", table.name))["TimeToLiveDescription"]
        return said["TimeToLiveStatus"] in ("ENABLED", "ENABLING") and said.get("AttributeName") == EXPIRES

    async def _recover(self, table: Table) -> str:
        """Turn point-in-time recovery on, for a new table; what came of it. Who turns it off later means it."""

        async def is_done() -> bool:
            try:
                await self._client.call(
                    "update_continuous_backups", table.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
                )
            except Failed as error:
                if error.code != "ContinuousBackupsUnavailableException":  # AWS is still at work on the new table
                    raise
                return False
            return True

        try:
            await _until(is_done, f"point-in-time recovery of {self._name(table)} cannot be turned on yet")
        except Failed as error:
            if error.code != "UnknownOperationException":
                raise
            return "without point-in-time recovery, which this engine does not have"
        return "point-in-time recovery is on"

    async def _is_active(self, table: Table) -> bool:
        there = await self._describe(table)
        return there is not None and there["TableStatus"] == "ACTIVE"

    async def _describe(self, table: Table) -> dict[str, Any] | None:
        try:
            answer = await self._client.call("describe_table", table.name)
        except Failed as error:
            if error.code != _MISSING:
                raise
            return None
        found: dict[str, Any] = answer["Table"]
        return found

    def _check(self, table: Table, there: Mapping[str, Any]) -> None:
        """Raises StoreError for a table that is somebody else's, or not ready."""
        name = self._name(table)
        if wrong := difference(table, there):
            raise StoreError(f"DynamoDB: the table {name} {wrong}: give another name in store.tables.{table.name}, or another prefix")
        if there["TableStatus"] not in ("ACTIVE", "UPDATING"):
            raise StoreError(f"DynamoDB: the table {name} is {there['TableStatus'].lower()}")

    def _name(self, table: Table) -> str:
        return self._client.address.tables[table.name]


async def _until(is_done: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    """Ask now and then. Raises StoreError after `READY_S`."""
    try:
        async with asyncio.timeout(READY_S):
            while not await is_done():  # noqa: ASYNC110 - AWS tells nobody when it is done
                await asyncio.sleep(POLL_S)
    except TimeoutError as error:
        raise StoreError(f"DynamoDB: {otherwise} after {READY_S:g} s") from error
