"""Credentials of AWS, and calls signed with them.

Explicit keys need nothing but this package. The default chain (environment, profiles, SSO, web identity, containers, instance roles)
and roles go through botocore, loaded when the first such provider signs its first call; it looks in a thread. botocore renews what
expires ten to fifteen minutes ahead, so keys it gave at most five minutes ago are good.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from time import time
from typing import Any

from ..hub.errors import ApiError
from .renewal import Dated, Renewed
from .sigv4 import AwsKeys, sign

SERVICE = "bedrock"
LIBRARY = "botocore"
CHAIN_FRESH_S = 60.0
CHAIN_VALID_S = 300.0
ROLE_MARGIN_S = 300.0
"""Keys of a role are renewed this long before they expire."""


class SigV4:
    """Signs the calls of one provider. `options` are its settings: keys, or `profile`; `role_arn` on top of either; `region`."""

    def __init__(self, provider: str, options: Mapping[str, str]) -> None:
        self._provider = provider
        self._options = options
        self._region = options["region"]
        self._static = None if "role_arn" in options else explicit_keys(options)
        self._renewed: Renewed[AwsKeys] | None = None if self._static else Renewed(self._make)

    async def headers(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that sign this call."""
        keys = self._static
        if keys is None:
            assert self._renewed is not None
            keys = await self._renewed.get()
        return sign(keys, method, url, body, headers, region=self._region, service=SERVICE, now_s=time())

    def forget(self) -> bool:
        """The keys were refused. The session goes too: it holds keys that botocore believes in."""
        if self._renewed is None:
            return False
        _sessions.pop(_key(self._options), None)
        self._renewed.forget()
        return True

    def _make(self) -> Dated[AwsKeys]:
        """Blocks."""
        return fetch_keys(self._provider, self._options)


def explicit_keys(options: Mapping[str, str]) -> AwsKeys | None:
    """The keys of the settings, if there are any."""
    if "aws_access_key_id" not in options:
        return None
    return AwsKeys(options["aws_access_key_id"], options["aws_secret_access_key"], options.get("aws_session_token", ""))


def fetch_keys(provider: str, options: Mapping[str, str]) -> Dated[AwsKeys]:
    """Ask botocore for keys. Blocks. Raises `ApiError` saying whose credentials are missing."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
    except ImportError as error:
        raise ApiError("internal", f"the provider `{provider}` needs the package botocore (llm-api-converter[aws])") from error
    try:
        return _role_keys(options) if "role_arn" in options else _chain_keys(options)
    except (BotoCoreError, ClientError) as error:
        raise ApiError("upstream_failed", f"the AWS credentials of the provider `{provider}` cannot be had: {error}") from error


def _session(options: Mapping[str, str]) -> Any:
    from botocore.session import Session  # type: ignore[import-untyped]

    session = Session(profile=options.get("profile"))
    keys = explicit_keys(options)
    if keys is not None:
        session.set_credentials(keys.access_key_id, keys.secret_access_key, keys.token or None)
    return session


def _key(options: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(options.items()))


# The session of each set of settings: it holds the credentials that botocore keeps renewing.
_sessions: dict[tuple[tuple[str, str], ...], Any] = {}


def _chain_keys(options: Mapping[str, str]) -> Dated[AwsKeys]:
    from botocore.exceptions import NoCredentialsError

    key = _key(options)
    session = _sessions.get(key)
    if session is None:
        session = _sessions[key] = _session(options)
    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    frozen = credentials.get_frozen_credentials()
    return Dated(AwsKeys(frozen.access_key, frozen.secret_key, frozen.token or ""), CHAIN_FRESH_S, CHAIN_VALID_S)


def _role_keys(options: Mapping[str, str]) -> Dated[AwsKeys]:
    asked = {"RoleArn": options["role_arn"], "RoleSessionName": "llm-api-converter"}
    if "external_id" in options:
        asked["ExternalId"] = options["external_id"]
    client = _session(options).create_client("sts", region_name=options["region"])
    given = client.assume_role(**asked)["Credentials"]
    left_s = (given["Expiration"] - datetime.now(UTC)).total_seconds()
    keys = AwsKeys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    return Dated(keys, max(left_s - ROLE_MARGIN_S, 0.0), max(left_s - 30.0, 0.0))
