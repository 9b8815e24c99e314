"""How upstream calls are authenticated.

A scheme is either a header made of a plain key (`HEADERS`: free, made when the call is prepared) or a signer (`SIGNERS`: it sees the
whole request, or renews a token, when the call is sent). Which one a provider has is said by the catalogue; secrets come from the
settings and reach neither logs nor errors.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Protocol

from . import aws, azure, google
from .target import Target

HEADERS: dict[str, Callable[[str], dict[str, str]]] = {
    "none": lambda secret: {},
    "bearer": lambda secret: {"authorization": f"Bearer {secret}"},
    "x-api-key": lambda secret: {"x-api-key": secret},
    "api-key": lambda secret: {"api-key": secret},
    "x-goog-api-key": lambda secret: {"x-goog-api-key": secret},
}


class Signer(Protocol):
    """Authenticates the calls of one provider."""

    async def headers(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers to add to a call. Raises `ApiError` where there is no credential."""

    def forget(self) -> bool:
        """The credential was refused: fetch another for the next call. False where it is written in the settings."""


SIGNERS: dict[str, Callable[[str, Mapping[str, str]], Signer]] = {
    "sigv4": aws.SigV4, "google": google.GoogleToken, "azure_ad": azure.EntraToken,
}
"""Scheme -> what makes the signer of a provider, from its name and its settings."""

LIBRARIES: dict[str, tuple[tuple[str, str, str], ...]] = {
    "sigv4": ((aws.LIBRARY, "botocore", "aws"),),
    "google": ((google.LIBRARY, "google-auth", "google"), ("requests", "requests", "google")),
    "azure_ad": ((azure.LIBRARY, "azure-identity", "azure"),),
}
"""Scheme -> (module, package, extra) it needs, explicit AWS keys apart."""

SCHEMES = frozenset((*HEADERS, *SIGNERS))


def auth_headers(target: Target) -> dict[str, str]:
    """The headers of a plain key; {} where there is none, or where a signer will add them."""
    auth = target.auth
    return HEADERS[auth.scheme](auth.secret) if auth.secret and auth.scheme not in SIGNERS else {}


def missing_library(scheme: str, options: Mapping[str, object]) -> str | None:
    """What keeps a provider with these settings from signing: the package to install, None for nothing."""
    if scheme == "sigv4" and options.get("aws_access_key_id") is not None and options.get("role_arn") is None:
        return None
    for module, package, extra in LIBRARIES.get(scheme, ()):
        if not _installed(module):
            return f"needs the package {package}: pip install {package}, or install llm-api-converter[{extra}]"
    return None


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package above it is not there
        return False


class Signers:
    """The signers of all providers, made when first used. `learn` is told every token that goes out, so that none is ever shown."""

    __slots__ = ("_learn", "_made", "_tokens")

    def __init__(self, learn: Callable[[str], None] = lambda token: None) -> None:
        self._made: dict[str, Signer] = {}
        self._learn = learn
        self._tokens: dict[str, str] = {}

    async def authorize(self, target: Target, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Mapping[str, str]:
        """The headers of a call, authenticated. `headers` hold `auth_headers` already."""
        make = SIGNERS.get(target.auth.scheme)
        if make is None:
            return headers
        signer = self._made.get(target.provider)
        if signer is None:
            signer = self._made[target.provider] = make(target.provider, target.auth.options)
        added = await signer.headers(method, url, body, headers)
        token = added.get("x-amz-security-token") or added["authorization"].removeprefix("Bearer ")
        if token != self._tokens.get(target.provider) and " " not in token:
            self._tokens[target.provider] = token
            self._learn(token)
        return {**headers, **added}

    def forget(self, target: Target) -> bool:
        """The credential of this target was refused; whether another try may have a better one."""
        signer = self._made.get(target.provider)
        return signer is not None and signer.forget()
