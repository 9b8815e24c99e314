"""Calls to DynamoDB: botocore in a few threads of its own, and one place where its errors become ours.

What passes by itself (throttling, a server's own error, a connection that was closed under us) is tried again for `RETRY_S`; a service that
cannot be reached at all is a StoreError at once, for whoever asks has a cache or a spool. A transaction carries a token, so that one whose
answer was lost is not done twice.
"""

import asyncio
import threading
from collections.abc import AsyncIterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import stamina

from ..base import StoreError
from .address import Address
from .values import Item, Value, packed, unpacked

THREADS = 8
CONNECT_S, READ_S = 2.0, 5.0
RETRY_S = 2.0
BATCH = 25
"""Items of one BatchGetItem or BatchWriteItem: with chunks of 350 KB they stay below the 16 MB of a call."""

PASSING = frozenset({
    "ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "ThrottledException", "InternalServerError",
    "InternalFailure", "ServiceUnavailable", "TransactionInProgressException", "TransactionConflictException", "LimitExceededException",
})  # fmt: skip
"""Error codes of what is worth another try."""
GIVES_WAY = frozenset({"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons of a transaction that was given up for others or for lack of capacity, not for what is in it."""
UNMET = "ConditionalCheckFailed"


class Passing(StoreError):
    """May be over in a moment: the same call again."""


class Lost(StoreError):
    """Gave way to others, wholly or in part: what is left of it is worth another try, as a call of its own."""


class Unmet(StoreError):
    """What had to be true of the items is not. `positions`: which of a transaction's items say so."""

    def __init__(self, positions: Sequence[int]) -> None:
        super().__init__("DynamoDB: a condition is not met")
        self.positions = frozenset(positions)


class Failed(StoreError):
    """DynamoDB answered with an error that another try does not mend. `code` is its name for it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def again(on: type[StoreError]) -> AsyncIterable[Any]:
    """Attempts, with growing pauses, for `RETRY_S` in all; the last error is raised."""
    return stamina.retry_context(on=on, attempts=None, timeout=RETRY_S, wait_initial=0.03, wait_max=0.5, wait_jitter=0.1)


class Client:
    """DynamoDB at one address. The tables are meant by their names of `address.TABLES`."""

    def __init__(self, where: Address) -> None:
        self.address = where
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="dynamodb")
        self._lock = threading.Lock()
        self._made: Any = None
        self._closed = False

    async def call(self, operation: str, table: str | None = None, **arguments: Any) -> dict[str, Any]:
        """One operation, tried again where that may help. Raises Unmet, Failed, Passing, StoreError."""
        if table is not None:
            arguments["TableName"] = self.address.tables[table]
        async for attempt in again(Passing):
            with attempt:
                return await self._in_thread(operation, arguments)
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def get(self, table: str, key: dict[str, Value]) -> Item | None:
        """One item, as it is now."""
        answer = await self.call("get_item", table, Key=packed(key), ConsistentRead=True)
        return unpacked(answer["Item"]) if "Item" in answer else None

    async def get_all(self, table: str, keys: Sequence[dict[str, Value]]) -> list[Item]:
        """Those of the items that are there, as they are now, in no order. No key may be there twice."""
        name, found = self.address.tables[table], list[Item]()
        for start in range(0, len(keys), BATCH):
            asked = {name: {"Keys": [packed(key) for key in keys[start : start + BATCH]], "ConsistentRead": True}}
            async for attempt in again(Lost):
                with attempt:
                    answer = await self.call("batch_get_item", RequestItems=asked)
                    found += [unpacked(item) for item in answer["Responses"].get(name, ())]
                    asked = answer.get("UnprocessedKeys") or {}
                    if asked:
                        raise Lost("DynamoDB throttles: it left keys unread")
        return found

    async def put_all(self, table: str, items: Sequence[Mapping[str, Value | None]]) -> None:
        """Write them over whatever is there. No key may be there twice."""
        await self._write_all(table, [{"PutRequest": {"Item": packed(item)}} for item in items])

    async def delete_all(self, table: str, keys: Sequence[dict[str, Value]]) -> None:
        """Delete them; what is not there is no error. No key may be there twice."""
        await self._write_all(table, [{"DeleteRequest": {"Key": packed(key)}} for key in keys])

    async def _write_all(self, table: str, requests: Sequence[dict[str, Any]]) -> None:
        for start in range(0, len(requests), BATCH):
            asked = {self.address.tables[table]: requests[start : start + BATCH]}
            async for attempt in again(Lost):
                with attempt:
                    asked = (await self.call("batch_write_item", RequestItems=asked)).get("UnprocessedItems") or {}
                    if asked:
                        raise Lost("DynamoDB throttles: it left items unwritten")

    async def transact(self, *writes: dict[str, Any]) -> None:
        """All of the writes (made by `put`, `delete`, `update`) or none, at most a hundred. Raises Unmet."""
        async for attempt in again(Lost):
            with attempt:
                # Given up for another transaction: this is a new one. A lost answer is asked for again inside `call`, by the same token.
                await self.call("transact_write_items", TransactItems=list(writes), ClientRequestToken=uuid4().hex)

    def put(self, table: str, item: Mapping[str, Value | None], condition: str | None = None, **values: Value) -> dict[str, Any]:
        """A write of a transaction: this item. `values` are those of the condition, there with a colon."""
        return {"Put": {"TableName": self.address.tables[table], "Item": packed(item), **_condition(condition, values)}}

    def delete(self, table: str, key: dict[str, Value]) -> dict[str, Any]:
        """A write of a transaction: no item of this key."""
        return {"Delete": {"TableName": self.address.tables[table], "Key": packed(key)}}

    def update(self, table: str, key: dict[str, Value], change: str, condition: str | None = None, **values: Value) -> dict[str, Any]:
        """A write of a transaction: a change of one item."""
        said = {"TableName": self.address.tables[table], "Key": packed(key), "UpdateExpression": change, **_condition(condition, values)}
        return {"Update": said}

    def close(self) -> None:
        """Give threads and connections back; what is on its way ends by itself."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._made is not None:
            self._made.close()

    async def _in_thread(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if self._closed:
            raise StoreError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(self._send, operation, arguments))

    def _send(self, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            answer: dict[str, Any] = getattr(self._client(), operation)(**arguments)
        except ClientError as error:
            raise _answered(error.response, operation, arguments.get("TableName")) from error
        except BotoCoreError as error:
            raise self._unanswered(error) from error
        return answer

    def _client(self) -> Any:
        with self._lock:  # making clients is not for several threads at once, using one is
            if self._made is None:
                from botocore.config import Config  # type: ignore[import-untyped]
                from botocore.session import Session  # type: ignore[import-untyped]

                config = Config(
                    connect_timeout=CONNECT_S, read_timeout=READ_S, max_pool_connections=THREADS, retries={"total_max_attempts": 1}
                )
                self._made = Session().create_client(
                    "dynamodb", region_name=self.address.region, endpoint_url=self.address.endpoint, config=config
                )
            return self._made

    def _unanswered(self, error: Exception) -> StoreError:
        from botocore import exceptions as known  # type: ignore[import-untyped]

        where = self.address.endpoint or self.address.region
        match error:
            case known.ConnectionClosedError():
                return Passing(f"DynamoDB at {where} closed the connection")
            case known.EndpointConnectionError() | known.ConnectTimeoutError():
                return StoreError(f"DynamoDB at {where} cannot be reached")
            case known.ReadTimeoutError():
                return StoreError(f"DynamoDB at {where} does not answer within {READ_S:g} s")
            case known.NoCredentialsError() | known.CredentialRetrievalError() | known.ProfileNotFound():
                return StoreError(
                    "DynamoDB: no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give a role"
                )
            case _:
                return StoreError(f"DynamoDB at {where}: {type(error).__name__}")


def _condition(condition: str | None, values: dict[str, Value]) -> dict[str, Any]:
    said: dict[str, Any] = {} if condition is None else {"ConditionExpression": condition}
    return said | ({"ExpressionAttributeValues": packed({f":{name}": value for name, value in values.items()})} if values else {})


def _answered(response: dict[str, Any], operation: str, table: str | None) -> StoreError:
    """DynamoDB's own error as ours. Its words name attributes and ARNs, no values."""
    code, words = response["Error"]["Code"], response["Error"].get("Message", "")
    if code == "ConditionalCheckFailedException":
        return Unmet([0])
    if code == "TransactionCanceledException":
        reasons = [reason["Code"] for reason in response["CancellationReasons"]]
        if UNMET in reasons:
            return Unmet([position for position, reason in enumerate(reasons) if reason == UNMET])
        if set(reasons) <= GIVES_WAY:
            return Lost("DynamoDB: others write the same items, or there are too many writes")
        said = next(x for x in response["CancellationReasons"] if x["Code"] not in GIVES_WAY)
        return Failed(f"DynamoDB refuses {operation}: {said['Code']}: {said.get('Message', '')}"[:400], said["Code"])
    if code == "ResourceNotFoundException":
        which = f"the table {table} is" if table else "tables are"
        return Failed(f"DynamoDB: {which} missing: run `llm-api-converter migrate`", code)
    if code in PASSING or response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        return Passing(f"DynamoDB: {code}")
    return Failed(f"DynamoDB refuses {operation}: {code}: {words}"[:400], code)
