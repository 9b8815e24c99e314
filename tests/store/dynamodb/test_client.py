"""What DynamoDB answers when it is not well, from a scripted server on a real socket."""

import time
from decimal import Decimal
from typing import Any

import pytest

from llm_api_converter.store.base import Conflict, StoreError
from llm_api_converter.store.dynamodb.store import DynamoStore
from llm_api_converter.store.records import KeyRecord, StoredModel, UsageRow
from tests.engines import free_port
from tests.fakes import CUT, HANG, FakeUpstream, Reply, Seen, json_reply, upstream

pytestmark = pytest.mark.anyio

ROW = UsageRow(
    id="use_1", at_s=1e9, request_id="r", operation="generate", protocol="p", model="m", status=200, key_id="k", cost_usd=Decimal("0.5")
)  # fmt: skip
MODEL = StoredModel(name="m", entry="{}", updated_s=1e9)
KEY = KeyRecord(id="key_1", name="n", digest=b"\xab" * 32, hint="abcd", created_s=1e9)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "geheim")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what is tried again: a machine that has much to do is not what they are about."""
    monkeypatch.setattr("llm_api_converter.store.dynamodb.client.RETRY_S", 30.0)


def store_at(fake: FakeUpstream) -> DynamoStore:
    return DynamoStore(f"dynamodb://eu-west-1?endpoint={fake.url}")


def failure(code: str, message: str = "because", status: int = 400, **more: Any) -> Reply:
    return json_reply({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, "Message": message, **more}, status)


def given_up(*codes: str) -> Reply:
    return failure("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


def operations(fake: FakeUpstream) -> list[str]:
    return [seen.headers["x-amz-target"].partition(".")[2] for seen in fake.seen]


def tokens(fake: FakeUpstream) -> list[str]:
    return [seen.json["ClientRequestToken"] for seen in fake.seen]


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize(
    "passing",
    [
        failure("ProvisionedThroughputExceededException"), failure("ThrottlingException"), failure("InternalServerError", status=500),
        failure("RequestLimitExceeded"), failure("whatever", status=503), Reply([CUT]),
    ],
)  # fmt: skip
async def test_what_passes_is_tried_again(passing: Reply) -> None:
    answer = json_reply({"Item": {"scope": {"S": "key:k"}, "period": {"S": "total"}, "cost_usd": {"N": "1.25"}}})
    async with upstream([passing, passing, answer]) as fake:
        store = store_at(fake)
        assert await store.usage.spent("key:k", "total", 0) == Decimal("1.25")
        assert operations(fake) == ["GetItem"] * 3
        await store.close()


async def test_what_does_not_pass_is_given_up_after_two_seconds() -> None:
    async with upstream([failure("ThrottlingException")]) as fake:
        store = store_at(fake)
        started = time.monotonic()
        with pytest.raises(StoreError, match="ThrottlingException"):
            await store.usage.spent("key:k", "total", 0)
        assert 1 < time.monotonic() - started < 10
        await store.close()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (failure("AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized to perform: dynamodb:GetItem"), "GetItem"),
        (failure("UnrecognizedClientException"), "UnrecognizedClientException"),
        (failure("ValidationException", "The provided key element does not match the schema"), "does not match the schema"),
        (failure("ResourceNotFoundException"), "the table gateway-spent is missing: run `llm-api-converter migrate`"),
    ],
)
async def test_what_will_not_pass_is_said_at_once(reply: Reply, why: str) -> None:
    async with upstream([reply]) as fake:
        store = store_at(fake)
        with pytest.raises(StoreError, match=why) as error:
            await store.usage.spent("key:k", "total", 0)
        assert len(fake.seen) == 1
        assert "geheim" not in str(error.value)
        await store.close()


async def test_nobody_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    store = DynamoStore(f"dynamodb://eu-west-1?endpoint={url}")
    for do in (store.ping, store.open, store.models.list, store.migrate):
        with pytest.raises(StoreError, match=f"DynamoDB at {url} cannot be reached"):
            await do()
    await store.close()
    await store.close()
    with pytest.raises(StoreError, match="closed"):
        await store.ping()


async def test_without_credentials_the_variables_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with upstream([json_reply({})]) as fake:
        store = store_at(fake)
        with pytest.raises(StoreError, match="AWS_ACCESS_KEY_ID"):
            await store.ping()
        await store.close()


async def test_a_silent_service_is_told_by_the_ping_in_two_seconds() -> None:
    async with upstream([Reply([HANG])]) as fake:
        store = store_at(fake)
        with pytest.raises(StoreError, match="does not answer within 2 s"):
            await store.ping()
        await store.close()


@pytest.mark.usefixtures("patience")
async def test_a_lost_answer_is_asked_for_again_by_the_same_token() -> None:
    async with upstream([Reply([CUT]), failure("TransactionInProgressException"), json_reply({})]) as fake:
        store = store_at(fake)
        await store.models.put(MODEL)
        assert len(set(tokens(fake))) == 1
        assert len(fake.seen) == 3
        await store.close()


@pytest.mark.usefixtures("patience")
async def test_a_transaction_that_gave_way_is_done_again_as_a_new_one() -> None:
    async with upstream([given_up("TransactionConflict", "None", "None", "None"), json_reply({})]) as fake:
        store = store_at(fake)
        assert await store.usage.add([ROW]) == 1
        assert len(set(tokens(fake))) == 2
        await store.close()


@pytest.mark.usefixtures("patience")
async def test_rows_that_are_there_are_left_out_with_their_sums() -> None:
    other = UsageRow(**{**{name: getattr(ROW, name) for name in ROW.__struct_fields__}, "id": "use_2"})
    async with upstream([given_up("ConditionalCheckFailed", "None", "TransactionConflict", "None", "None"), json_reply({})]) as fake:
        store = store_at(fake)
        assert await store.usage.add([ROW, other]) == 1
        sent = fake.seen[-1].json["TransactItems"]
        assert [x["Put"]["Item"]["id"]["S"] for x in sent if "Put" in x] == ["use_2"]
        assert {x["Update"]["ExpressionAttributeValues"][":cost"]["N"] for x in sent if "Update" in x} == {"0.5"}
        await store.close()


async def test_a_transaction_that_is_refused_says_why() -> None:
    reply = failure("TransactionCanceledException", CancellationReasons=[{"Code": "None"}, {"Code": "ValidationError", "Message": "Item size has exceeded"}])
    async with upstream([reply]) as fake:
        store = store_at(fake)
        with pytest.raises(StoreError, match="ValidationError: Item size has exceeded"):
            await store.usage.add([ROW])
        await store.close()


@pytest.mark.usefixtures("patience")
async def test_changes_of_keys_at_once_are_numbered_one_after_another() -> None:
    """The counter has moved between reading it and writing: read again. A taken id is a conflict at once."""
    counts = iter((4, 5, 6))
    outcomes = iter((given_up("ConditionalCheckFailed", "None", "None"), json_reply({}), given_up("None", "ConditionalCheckFailed", "None")))

    def script(seen: Seen) -> Reply:
        if seen.headers["x-amz-target"].endswith("GetItem"):
            return json_reply({"Item": {"counted": {"N": str(next(counts))}}})
        return next(outcomes)

    async with upstream(script) as fake:
        store = store_at(fake)
        await store.keys.create(KEY)
        assert operations(fake) == ["GetItem", "TransactWriteItems"] * 2
        assert fake.seen[-1].json["TransactItems"][0]["Update"]["ExpressionAttributeValues"] == {":new": {"N": "6"}, ":old": {"N": "5"}}
        with pytest.raises(Conflict) as error:
            await store.keys.create(KEY)
        assert "ab" * 8 not in str(error.value)
        await store.close()


@pytest.mark.usefixtures("patience")
async def test_what_was_left_unread_or_unwritten_is_asked_for_again() -> None:
    """Three values are written and read; each time DynamoDB does one of those it was asked for."""
    rest: dict[str, Any] = {}

    def script(seen: Seen) -> Reply:
        ((table, asked),) = seen.json["RequestItems"].items()
        if isinstance(asked, list):
            rest.update({x["PutRequest"]["Item"]["pk"]["S"]: x["PutRequest"]["Item"] for x in asked[:1]})
            return json_reply({"UnprocessedItems": {table: asked[1:]} if asked[1:] else {}})
        found = [rest[key["pk"]["S"]] for key in asked["Keys"][:1] if key["pk"]["S"] in rest]
        left = asked["Keys"][1:]
        return json_reply({"Responses": {table: found}, "UnprocessedKeys": {table: {**asked, "Keys": left}} if left else {}})

    async with upstream(script) as fake:
        store = store_at(fake)
        await store.continuations.put("team:a", ["a", "b", "c"], b"sealed", 2e9)
        assert await store.continuations.get("team:a", ["a", "b", "c", "d"], 1e9) == dict.fromkeys("abc", b"sealed")
        assert operations(fake) == ["BatchWriteItem"] * 3 + ["BatchGetItem"] * 4
        await store.close()


async def test_what_is_never_written_is_no_success() -> None:
    def script(seen: Seen) -> Reply:
        return json_reply({"UnprocessedItems": seen.json["RequestItems"]})

    async with upstream(script) as fake:
        store = store_at(fake)
        with pytest.raises(StoreError, match="unwritten"):
            await store.continuations.put("team:a", ["a"], b"sealed", 2e9)
        await store.close()
