"""Where the tables are and what they are called."""

import re
from pathlib import Path

import pytest

from llm_api_converter.store.base import StoreError
from llm_api_converter.store.dynamodb.address import TABLES, address, read
from llm_api_converter.store.dynamodb.schema import SCHEMA, Table, creation, difference


def test_every_table_has_a_name_for_the_settings() -> None:
    assert tuple(table.name for table in SCHEMA) == TABLES


@pytest.mark.parametrize(
    ("url", "tables", "region", "endpoint", "keys", "usage"),
    [
        ("dynamodb://us-east-1", {}, "us-east-1", None, "gateway-api_keys", "gateway-usage"),
        ("dynamodb://eu-west-1?prefix=prod.", {}, "eu-west-1", None, "prod.api_keys", "prod.usage"),
        ("dynamodb://eu-west-1?prefix=", {"usage": "calls"}, "eu-west-1", None, "api_keys", "calls"),
        ("dynamodb://local?endpoint=http%3A%2F%2Flocalhost%3A8001", {}, "local", "http://localhost:8001", "gateway-api_keys", "gateway-usage"),
        ("dynamodb://local?endpoint=http://ddb:8000&prefix=a-", {"api_keys": "our"}, "local", "http://ddb:8000", "our", "a-usage"),
    ],
)
def test_what_is_meant(url: str, tables: dict[str, str], region: str, endpoint: str | None, keys: str, usage: str) -> None:
    found = address(url, tables)
    assert (found.region, found.endpoint, found.tables["api_keys"], found.tables["usage"]) == (region, endpoint, keys, usage)


@pytest.mark.parametrize(
    ("url", "tables", "why"),
    [
        ("dynamodb://", {}, "store.url: expected a region"),
        ("dynamodb://us-east-1/keys", {}, "store.url: expected a region"),
        ("dynamodb://AKIA:geheim@us-east-1", {}, "store.url: credentials do not belong"),
        ("dynamodb://us-east-1?perfix=a", {}, "store.url: no option 'perfix' of dynamodb://, did you mean prefix?"),
        ("dynamodb://us-east-1?prefix=a-&prefix=b-", {}, "store.url: prefix is said twice"),
        ("dynamodb://us-east-1?endpoint=localhost:8000", {}, "store.url: endpoint: expected http"),
        ("dynamodb://us-east-1?prefix=a/b", {}, "store.url: prefix: 'a/bapi_keys' is no name"),
        ("dynamodb://us-east-1", {"usages": "abc"}, "store.tables.usages: no such table, did you mean usage?"),
        ("dynamodb://us-east-1", {"zzz": "abc"}, "store.tables.zzz: no such table; one of api_keys, usage"),
        ("dynamodb://us-east-1", {"usage": "u"}, "store.tables.usage: 'u' is no name"),
        ("dynamodb://us-east-1", {"usage": "gateway-audit"}, "store.tables.usage: 'gateway-audit' is the name of two"),
    ],
)
def test_what_cannot_be_meant_is_said(url: str, tables: dict[str, str], why: str) -> None:
    assert why in "; ".join(read(url, tables)[1])
    with pytest.raises(StoreError) as error:
        address(url, tables)
    assert "geheim" not in str(error.value)


@pytest.mark.parametrize("table", SCHEMA, ids=lambda table: table.name)
def test_a_table_as_it_was_made_is_ours(table: Table) -> None:
    assert difference(table, creation(table, "x")) is None


def test_a_table_of_somebody_else_is_told_from_ours() -> None:
    keys, usage = SCHEMA[0], SCHEMA[1]
    theirs = {"KeySchema": [{"AttributeName": "api_key", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "api_key", "AttributeType": "S"}]}
    assert difference(keys, theirs) == "has other keys"
    assert difference(usage, creation(usage, "x") | {"GlobalSecondaryIndexes": []}) == "has no index newest such as this gateway needs"
    numbers = creation(usage, "x") | {"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "N"}]}
    assert difference(usage, numbers) == "has other keys"


PAGE = (Path(__file__).resolve().parents[3] / "docs" / "stores.md").read_text()


@pytest.mark.parametrize("table", SCHEMA, ids=lambda table: table.name)
def test_the_page_shows_each_table_with_its_keys_and_indexes(table: Table) -> None:
    (row,) = re.findall(rf"^\| `{table.name}` \|(.*)$", PAGE, re.MULTILINE)
    _, keys, indexes, recovery, _ = row.split("|")
    assert re.findall(r"`(\w+)`", keys) == [name for name, _ in table.keys]
    assert re.findall(r"`(\w+)`", indexes) == [index.name for index in table.indexes]
    assert recovery.strip() == ("yes" if table.recovers else "no, expires")
    assert table.expires != table.recovers
