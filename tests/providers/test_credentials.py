"""Credentials that are fetched: off the event loop, once for all who wait, renewed before they end, and silent about themselves."""

import asyncio
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.providers import aws
from llm_api_converter.providers.auth import Signers
from llm_api_converter.providers.azure import EntraToken, credential_of
from llm_api_converter.providers.google import GoogleToken, token_of
from llm_api_converter.providers.renewal import RETRY_S, Dated, Renewed
from llm_api_converter.providers.target import Auth, Target
from tests.fakes import KEY, Reply, Seen, config, gateway, json_reply, upstream

pytestmark = pytest.mark.anyio
CALL = ("POST", "https://h/model/m/converse", b"{}", {"content-type": "application/json"})


# ------------------------------------------------------------------------------------------------------------- renewal


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Maker:
    """Counts what it made, and where."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self.made = 0
        self.threads: set[int] = set()
        self.fails = False
        self._takes_s = takes_s

    def __call__(self) -> Dated[int]:
        time.sleep(self._takes_s)
        self.threads.add(threading.get_ident())
        if self.fails:
            raise ApiError("upstream_failed", "no credentials")
        self.made += 1
        return Dated(self.made, 60, 300)


async def test_it_is_made_once_for_all_who_wait_and_off_the_loop() -> None:
    make = Maker(takes_s=0.1)
    renewed = Renewed(make)
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.005)
            beats += 1

    heart = asyncio.ensure_future(beat())
    assert await asyncio.gather(*(renewed.get() for _ in range(20))) == [1] * 20
    heart.cancel()
    assert beats > 5
    assert threading.get_ident() not in make.threads


async def test_a_due_value_serves_while_it_is_renewed() -> None:
    make, clock = Maker(takes_s=0.02), Clock()
    renewed = Renewed(make, clock)
    assert await renewed.get() == 1
    clock.now_s += 59
    assert await renewed.get() == 1
    clock.now_s += 2
    assert await renewed.get() == 1  # at once; the new one is on its way
    await asyncio.sleep(0.1)
    assert await renewed.get() == 2
    assert make.made == 2


async def test_a_value_that_is_over_is_waited_for() -> None:
    make, clock = Maker(), Clock()
    renewed = Renewed(make, clock)
    await renewed.get()
    clock.now_s += 301
    assert await renewed.get() == 2


async def test_a_failure_in_the_background_is_tried_again_later_and_told_in_the_end() -> None:
    make, clock = Maker(), Clock()
    renewed = Renewed(make, clock)
    await renewed.get()
    make.fails = True
    clock.now_s += 61
    assert await renewed.get() == 1
    await asyncio.sleep(0.05)
    tried = len(make.threads)
    assert await renewed.get() == 1  # no second try within the pause
    clock.now_s += RETRY_S + 1
    assert await renewed.get() == 1
    await asyncio.sleep(0.05)
    assert len(make.threads) >= tried
    clock.now_s += 300
    with pytest.raises(ApiError, match="no credentials"):
        await renewed.get()
    make.fails = False
    assert await renewed.get() == 2


async def test_whoever_leaves_does_not_take_it_from_the_others() -> None:
    renewed = Renewed(Maker(takes_s=0.05))
    leaving, staying = asyncio.ensure_future(renewed.get()), asyncio.ensure_future(renewed.get())
    await asyncio.sleep(0.01)
    leaving.cancel()
    assert await staying == 1


# ----------------------------------------------------------------------------------------------------------------- aws

NOWHERE = {
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent/config", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
}


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """No AWS credentials but those a test sets."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)
    aws._sessions.clear()
    yield monkeypatch
    aws._sessions.clear()


def provider(scheme: str, options: dict[str, str], name: str = "up") -> Target:
    auth = Auth(scheme, "", options)
    return Target(provider=name, type="t", protocol="bedrock_converse", model="m", base_url="https://h", auth=auth, facts=Facts())


async def test_the_default_chain(alone: pytest.MonkeyPatch) -> None:
    alone.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    alone.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    headers = await Signers().authorize(provider("sigv4", {"region": "us-east-1"}), *CALL)
    assert "Credential=AKIDENV/" in headers["authorization"]


async def test_a_profile(alone: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = geheim\naws_session_token = tok\n")
    alone.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    headers = await Signers().authorize(provider("sigv4", {"region": "us-east-1", "profile": "work"}), *CALL)
    assert "Credential=AKIDWORK/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "tok"


@pytest.mark.parametrize(("options", "said"), [({}, "Unable to locate credentials"), ({"profile": "nope"}, "nope")])
async def test_no_credentials_are_told_by_provider(alone: pytest.MonkeyPatch, options: dict[str, str], said: str) -> None:
    with pytest.raises(ApiError) as caught:
        await Signers().authorize(provider("sigv4", {"region": "us-east-1", **options}, "my-aws"), *CALL)
    assert caught.value.kind == "upstream_failed"
    assert "my-aws" in caught.value.message
    assert said in caught.value.message


async def test_without_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    with pytest.raises(ApiError, match="botocore"):
        await Signers().authorize(provider("sigv4", {"region": "us-east-1"}), *CALL)


async def test_explicit_keys_need_neither_botocore_nor_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    options = {"region": "us-east-1", "aws_access_key_id": "AKID", "aws_secret_access_key": "geheim"}
    headers = await Signers().authorize(provider("sigv4", options), *CALL)
    assert "Credential=AKID/" in headers["authorization"]
    assert "geheim" not in str(headers)


def assumed(left: timedelta) -> str:
    until = (datetime.now(UTC) + left).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>'
        f"<SecretAccessKey>geheim</SecretAccessKey><SessionToken>role-token</SessionToken><Expiration>{until}</Expiration></Credentials>"
        "</AssumeRoleResult></AssumeRoleResponse>"
    )


async def test_a_role(alone: pytest.MonkeyPatch) -> None:
    async with upstream([Reply([assumed(timedelta(hours=1)).encode()], content_type="text/xml")]) as sts:
        alone.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        options = {
            "region": "us-east-1", "aws_access_key_id": "AKID", "aws_secret_access_key": "geheim", "role_arn": "arn:aws:iam::123456789012:role/r",
            "external_id": "x-1",
        }
        signers, target = Signers(), provider("sigv4", options)
        for _ in range(3):
            headers = await signers.authorize(target, *CALL)
        assert "Credential=ASIAROLE/" in headers["authorization"]
        assert headers["x-amz-security-token"] == "role-token"
        (seen,) = sts.seen  # one call for all three
        asked = {name: value[0] for name, value in parse_qs(seen.body.decode()).items()}
        assert (asked["RoleArn"], asked["ExternalId"]) == (options["role_arn"], "x-1")


async def test_a_role_that_is_refused(alone: pytest.MonkeyPatch) -> None:
    refused = b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not allowed to assume</Message></Error></ErrorResponse>"
    async with upstream([Reply([refused], status=403, content_type="text/xml")]) as sts:
        alone.setenv("AWS_ENDPOINT_URL_STS", sts.url)
        options = {"region": "us-east-1", "aws_access_key_id": "AKID", "aws_secret_access_key": "geheim", "role_arn": "arn:aws:iam::123456789012:role/r"}
        with pytest.raises(ApiError, match="not allowed to assume") as caught:
            await Signers().authorize(provider("sigv4", options), *CALL)
        assert "geheim" not in str(caught.value)


def test_a_roles_keys_are_renewed_before_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    until = datetime.now(UTC) + timedelta(minutes=15)
    client = SimpleNamespace(assume_role=lambda **asked: {
        "Credentials": {"AccessKeyId": "A", "SecretAccessKey": "S", "SessionToken": "T", "Expiration": until}})  # fmt: skip
    monkeypatch.setattr(aws, "_session", lambda options: SimpleNamespace(create_client=lambda *a, **k: client))
    dated = aws.fetch_keys("up", {"region": "r", "role_arn": "x"})
    assert 590 < dated.fresh_s <= 600
    assert 860 < dated.valid_s <= 870


# -------------------------------------------------------------------------------------------------------------- google


def service_account(folder: Path, token_uri: str) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    info = {
        "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": pem, "client_email": "me@p.iam.gserviceaccount.com",
        "client_id": "1", "token_uri": token_uri,
    }  # fmt: skip
    file = folder / "key.json"
    file.write_text(json.dumps(info))
    return str(file)


async def test_a_service_account(tmp_path: Path) -> None:
    async with upstream([json_reply({"access_token": "ya29.fresh", "expires_in": 3600, "token_type": "Bearer"})]) as tokens:
        signers = Signers()
        target = provider("google", {"project": "p", "credentials_file": service_account(tmp_path, tokens.url + "/token")})
        for _ in range(3):
            headers = await signers.authorize(target, *CALL)
        assert headers["authorization"] == "Bearer ya29.fresh"
        assert headers["content-type"] == "application/json"
        assert len(tokens.seen) == 1
        assert b"grant_type=urn" in tokens.seen[0].body


async def test_a_service_account_that_is_refused(tmp_path: Path) -> None:
    async with upstream([json_reply({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)]) as tokens:
        target = provider("google", {"credentials_file": service_account(tmp_path, tokens.url)}, "my-vertex")
        with pytest.raises(ApiError) as caught:
            await Signers().authorize(target, *CALL)
        assert "my-vertex" in caught.value.message
        assert "Invalid JWT Signature" in caught.value.message
        assert "PRIVATE KEY" not in caught.value.message


async def test_a_credentials_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text("{}")
    for name in ("f.json", "missing.json"):
        with pytest.raises(ApiError, match="my-vertex"):
            await Signers().authorize(provider("google", {"credentials_file": str(tmp_path / name)}, "my-vertex"), *CALL)


async def test_the_default_credentials_of_google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with upstream([json_reply({"access_token": "ya29.default", "expires_in": 3600})]) as tokens:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", service_account(tmp_path, tokens.url))
        assert (await GoogleToken("up", {}).headers(*CALL))["authorization"] == "Bearer ya29.default"


def test_when_a_google_token_is_renewed() -> None:
    now = datetime(2026, 11, 24, 6)
    dated = token_of(SimpleNamespace(token="t", expiry=now + timedelta(hours=1), quota_project_id="payer"), now)
    assert dated == Dated({"authorization": "Bearer t", "x-goog-user-project": "payer"}, 3300, 3590)
    assert token_of(SimpleNamespace(token="t", expiry=None), now).valid_s == float("inf")
    assert token_of(SimpleNamespace(token="t", expiry=now + timedelta(minutes=4)), now).fresh_s == 10


# --------------------------------------------------------------------------------------------------------------- azure


class FakeIdentity(ModuleType):
    """The part of azure.identity that is used, as its documentation describes it; the package itself is not among the tests' own."""

    def __init__(self, get_token: Callable[[str], Any]) -> None:
        super().__init__("azure.identity")
        self.made: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        for name in ("DefaultAzureCredential", "ClientSecretCredential"):
            setattr(self, name, self._maker(name, get_token))

    def _maker(self, name: str, get_token: Callable[[str], Any]) -> Callable[..., Any]:
        def make(*args: Any, **options: Any) -> Any:
            self.made.append((name, args, options))
            return SimpleNamespace(get_token=get_token)

        return make


class AzureError(Exception):
    pass


def install(monkeypatch: pytest.MonkeyPatch, get_token: Callable[[str], Any]) -> FakeIdentity:
    identity, errors = FakeIdentity(get_token), ModuleType("azure.core.exceptions")
    errors.AzureError = AzureError  # type: ignore[attr-defined]
    for name in ("azure", "azure.core"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "azure.identity", identity)
    monkeypatch.setitem(sys.modules, "azure.core.exceptions", errors)
    return identity


async def test_entra_id(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def get_token(scope: str) -> Any:
        asked.append((scope, threading.get_ident()))
        return SimpleNamespace(token="eyJ", expires_on=int(time.time()) + 3600)

    identity = install(monkeypatch, get_token)
    signers = Signers()
    for _ in range(3):
        headers = await signers.authorize(provider("azure_ad", {"api_version": "2024-10-21"}), *CALL)
    assert headers["authorization"] == "Bearer eyJ"
    assert [scope for scope, _ in asked] == ["https://cognitiveservices.azure.com/.default"]
    assert asked[0][1] != threading.get_ident()
    assert identity.made == [("DefaultAzureCredential", (), {})]


def test_which_credential_the_settings_name() -> None:
    identity = FakeIdentity(lambda scope: None)
    credential_of(identity, {"tenant_id": "t", "client_id": "c", "client_secret": "s"})
    credential_of(identity, {"client_id": "c"})
    credential_of(identity, {})
    assert identity.made == [
        ("ClientSecretCredential", ("t", "c", "s"), {}), ("DefaultAzureCredential", (), {"managed_identity_client_id": "c"}),
        ("DefaultAzureCredential", (), {}),
    ]  # fmt: skip


async def test_entra_id_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_token(scope: str) -> Any:
        raise AzureError("no managed identity endpoint")

    install(monkeypatch, get_token)
    with pytest.raises(ApiError, match="no managed identity endpoint") as caught:
        await EntraToken("my-azure", {}).headers(*CALL)
    assert "my-azure" in caught.value.message


@pytest.mark.parametrize(("scheme", "library"), [("azure_ad", "azure.identity"), ("google", "google.auth.transport.requests")])
async def test_a_library_that_is_missing(monkeypatch: pytest.MonkeyPatch, scheme: str, library: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ApiError, match="needs"):
        await Signers().authorize(provider(scheme, {}), *CALL)


# ------------------------------------------------------------------------------------------------------------- secrets


def test_options_are_not_shown() -> None:
    assert "geheim" not in repr(provider("sigv4", {"aws_secret_access_key": "geheim"}))


async def test_plain_keys_cost_no_signer() -> None:
    headers = {"authorization": "Bearer k"}
    assert await Signers().authorize(provider("bearer", {}), "POST", "https://h", b"", headers) is headers




async def test_a_token_that_is_refused_is_fetched_once_more_and_never_shown(tmp_path: Path) -> None:
    given = [json_reply({"access_token": f"ya29.token-{i}", "expires_in": 3600}) for i in (1, 2)]

    def echo(seen: Seen) -> Reply:
        said = f"bad credential {seen.headers['authorization']}"
        return json_reply({"error": {"code": 401, "message": said, "status": "UNAUTHENTICATED"}}, 401)

    async with upstream(given) as tokens, upstream(echo) as vertex:
        file = service_account(tmp_path, tokens.url)
        settings = config(
            {"up": {"type": "vertex", "project": "p", "credentials_file": file, "base_url": vertex.url}},
            [{"name": "m", "provider": "up", "model": "gemini-2.5-flash"}],
        )
        async with gateway(settings) as running, aiohttp.ClientSession() as http:
            ask = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
            async with http.post(running.url + "/v1/messages", json=ask, headers={"x-api-key": KEY}) as answer:
                body = await answer.text()
        assert [x.headers["authorization"] for x in vertex.seen] == ["Bearer ya29.token-1", "Bearer ya29.token-2"]
        assert answer.status == 401
        assert "bad credential" in body
        assert "ya29" not in body


async def test_the_token_of_temporary_keys_is_learned(alone: pytest.MonkeyPatch) -> None:
    for name, value in (("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "geheim"), ("AWS_SESSION_TOKEN", "session-geheim")):
        alone.setenv(name, value)
    learned: list[str] = []
    signers, target = Signers(learned.append), provider("sigv4", {"region": "us-east-1"})
    for _ in range(3):
        await signers.authorize(target, *CALL)
    assert learned == ["session-geheim"]
    alone.setenv("AWS_SESSION_TOKEN", "another")
    assert signers.forget(target)
    await signers.authorize(target, *CALL)
    assert learned == ["session-geheim", "another"]


async def test_keys_of_the_settings_are_not_fetched_again() -> None:
    signers = Signers()
    options = {"region": "us-east-1", "aws_access_key_id": "AKID", "aws_secret_access_key": "geheim"}
    await signers.authorize(provider("sigv4", options), *CALL)
    assert not signers.forget(provider("sigv4", options))
    assert not signers.forget(provider("bearer", {}, "other"))
