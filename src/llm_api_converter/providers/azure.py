"""Entra ID tokens for Azure OpenAI, through azure-identity.

The settings' `tenant_id`, `client_id` and `client_secret` name an application; without them the default credentials are asked
(environment, workload and managed identity, the Azure CLI), with `client_id` choosing a managed identity. Asking blocks, and happens in
a thread. Source: https://learn.microsoft.com/python/api/azure-identity and openai 3.54.0 lib/azure.py (November 2026).
"""

from collections.abc import Mapping
from importlib import import_module
from time import time
from typing import Any

from ..hub.errors import ApiError
from .renewal import Dated, Renewed

LIBRARY = "azure.identity"
SCOPE = "https://cognitiveservices.azure.com/.default"
EARLY_S = 300.0
LAST_S = 10.0


class EntraToken:
    """Authenticates the calls of one provider."""

    def __init__(self, provider: str, options: Mapping[str, str]) -> None:
        self._provider = provider
        self._options = options
        self._credential: Any = None
        self._renewed = Renewed(self._make)

    async def headers(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """The token."""
        del method, url, body, headers
        return await self._renewed.get()

    def forget(self) -> bool:
        """The token was refused."""
        self._renewed.forget()
        return True

    def _make(self) -> Dated[dict[str, str]]:
        """Blocks. Raises `ApiError` saying whose credentials fail."""
        try:
            identity: Any = import_module(LIBRARY)
            errors: Any = import_module("azure.core.exceptions")
        except ImportError as error:
            raise ApiError("internal", f"the provider `{self._provider}` needs azure-identity (the extra `azure`)") from error
        try:
            if self._credential is None:
                self._credential = credential_of(identity, self._options)
            token = self._credential.get_token(SCOPE)
        except (errors.AzureError, OSError, ValueError) as error:
            raise ApiError("upstream_failed", f"the Entra ID credentials of the provider `{self._provider}` fail: {error}") from error
        left_s = token.expires_on - time()
        return Dated({"authorization": f"Bearer {token.token}"}, max(left_s - EARLY_S, LAST_S), left_s - LAST_S)


def credential_of(identity: Any, options: Mapping[str, str]) -> Any:
    """The credential the settings name, of the module `azure.identity`."""
    if "client_secret" in options:
        return identity.ClientSecretCredential(options["tenant_id"], options["client_id"], options["client_secret"])
    if "client_id" in options:
        return identity.DefaultAzureCredential(managed_identity_client_id=options["client_id"])
    return identity.DefaultAzureCredential()
