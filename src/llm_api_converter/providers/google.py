"""Access tokens of Google Cloud, through google-auth.

The credentials are those of the settings' `credentials_file` (service account, external account, authorised user) or the default ones
(`GOOGLE_APPLICATION_CREDENTIALS`, gcloud's, the metadata server). Looking for them and renewing a token block, and happen in a thread.
Source: google-auth 2.62 (`google.auth.default`, `load_credentials_from_file`), November 2026.
"""

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from ..hub.errors import ApiError
from .renewal import Dated, Renewed

LIBRARY = "google.auth"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EARLY_S = 300.0
"""A token is renewed this long before it expires."""
LAST_S = 10.0
"""A token is not sent when it expires within this time."""


class GoogleToken:
    """Authenticates the calls of one provider. `options` may hold `credentials_file`."""

    def __init__(self, provider: str, options: Mapping[str, str]) -> None:
        self._provider = provider
        self._file = options.get("credentials_file")
        self._credentials: Any = None
        self._renewed = Renewed(self._make)

    async def headers(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """The token, and the project that pays where the credentials name one."""
        del method, url, body, headers
        return await self._renewed.get()

    def forget(self) -> bool:
        """The token was refused."""
        self._renewed.forget()
        return True

    def _make(self) -> Dated[dict[str, str]]:
        """Blocks. Raises `ApiError` saying whose credentials fail."""
        try:
            auth: Any = import_module(LIBRARY)
            errors: Any = import_module("google.auth.exceptions")
            transport: Any = import_module("google.auth.transport.requests")
        except ImportError as error:
            raise ApiError("internal", f"the provider `{self._provider}` needs google-auth and requests (the extra `google`)") from error
        try:
            if self._credentials is None:
                self._credentials = _load(auth, self._file)
            self._credentials.refresh(transport.Request())
        except (errors.GoogleAuthError, OSError, ValueError) as error:
            raise ApiError("upstream_failed", f"the Google credentials of the provider `{self._provider}` fail: {error}") from error
        return token_of(self._credentials, datetime.now(UTC).replace(tzinfo=None))


def _load(auth: Any, file: str | None) -> Any:
    """The credentials, not fresh yet. google-auth warns that such a file may hold commands; this one is the operator's own."""
    if file is None:
        return auth.default(scopes=[SCOPE])[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return auth.load_credentials_from_file(file, scopes=[SCOPE])[0]


def token_of(credentials: Any, now: datetime) -> Dated[dict[str, str]]:
    """Fresh credentials -> headers. `expiry` is in UTC without saying so, or None for a token that lasts."""
    left_s = (credentials.expiry - now).total_seconds() if credentials.expiry else float("inf")
    headers = {"authorization": f"Bearer {credentials.token}"}
    payer = getattr(credentials, "quota_project_id", None)
    if payer:
        headers["x-goog-user-project"] = payer
    return Dated(headers, max(left_s - EARLY_S, LAST_S), left_s - LAST_S)
