"""What a worker runs on, built once from the settings and immutable from then on (metrics and lessons apart)."""

import hmac
from collections.abc import Mapping
from urllib.parse import parse_qs

from ..config import Config
from ..hub.errors import ApiError
from ..hub.seal import Sealer, SealKey
from ..observe.logs import AccessLog, Redactor
from ..observe.metrics import Metrics
from ..protocols import codec
from ..providers.auth import SIGNERS, Signers
from ..providers.catalog import Catalog
from ..providers.demo import BASE_URL as DEMO
from ..providers.demo import DemoClient
from ..providers.target import Target
from ..routing.resolve import Resolver
from ..upstream.client import Client, UpstreamAnswer
from .routes import served

PING_AFTER_S = 10.0
"""Silence after which a stream gets a keep-alive. Clients and load balancers lose patience between 15 and 60 s."""


class Lessons:
    """What upstreams have taught: fields a target refused, protocols a provider does not serve. Bounded; forgotten at restart."""

    __slots__ = ("_fields", "_missing")

    def __init__(self) -> None:
        self._fields: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._missing: set[tuple[str, str]] = set()  # (provider, protocol): no more than the settings name

    def refused(self, key: tuple[str, str, str]) -> tuple[str, ...]:
        """Fields of a (provider, protocol, model) to leave out."""
        return self._fields.get(key, ())

    def learn(self, key: tuple[str, str, str], field: str) -> bool:
        """Remember one more; False when it was known already."""
        known = self._fields.get(key, ())
        if field in known:
            return False
        if len(self._fields) < 1000 or key in self._fields:
            self._fields[key] = (*known, field)
        return True

    def served(self, target: Target) -> list[Target]:
        """The target in the protocols its provider may serve, the likeliest first."""
        if not target.others:
            return [target]
        return [x for x in (target, *target.others) if (x.provider, x.protocol) not in self._missing] or [target]

    def learn_missing(self, target: Target) -> None:
        """Its provider does not serve its protocol, and does serve another."""
        self._missing.add((target.provider, target.protocol))


class Runtime:
    """Everything one request needs from the process. `client` is set while the worker is up."""

    def __init__(self, config: Config, *, master_key: str, seal_keys: tuple[SealKey, ...], metrics: Metrics) -> None:
        self.config = config
        for name in served():
            codec(name)  # import them now, not in the first request
        self.catalog = Catalog.load()
        self.resolver = Resolver(config, self.catalog)
        self.sealer = Sealer(seal_keys)
        self.metrics = metrics
        self.access_log = AccessLog(json=False)
        self.lessons = Lessons()
        self.max_body_bytes = config.server.max_body_bytes
        self.attempts = config.retry.attempts
        self.max_wait_s = float(config.retry.max_wait_s)
        self.ping_after_s = PING_AFTER_S
        self.ready = False
        self.client: Client
        self.demo = DemoClient()
        self._open = not config.auth.require_api_key
        self._master = master_key.encode()
        self.redactor = Redactor([master_key, *_secrets(config)])
        self.signers = Signers(self.redactor.learn)

    async def post(self, target: Target, url: str, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswer:
        """Send one call, signed where its target wants that. Raises `ApiError`."""
        if target.base_url == DEMO:
            return await self.demo.post(url, body, headers, target.provider)
        if target.auth.scheme in SIGNERS:
            headers = await self.signers.authorize(target, "POST", url, body, headers)
        return await self.client.post(url, body, headers, target.provider)

    def translates(self, model: str, protocol: str) -> bool:
        """Does this name lead to a target of another protocol?"""
        try:
            return self.resolver.resolve(model, protocol).targets[0].protocol != protocol
        except ApiError:
            return False

    def authenticate(self, headers: Mapping[bytes, bytes], query: bytes) -> str:
        """The name of the caller. Raises `ApiError(unauthenticated)` with what to do about it."""
        if self._open:
            return "anyone"
        found = False
        for key in _keys(headers, query):
            found = True
            if hmac.compare_digest(key, self._master):
                return "master"
        if not found:
            raise ApiError(
                "unauthenticated",
                "no API key: send this gateway's key as `Authorization: Bearer KEY`, `x-api-key`, `api-key` or `x-goog-api-key`",
            )
        raise ApiError(
            "unauthenticated",
            "this API key is not one of this gateway's. Use the gateway's own key (MASTER_API_KEY, or the file the gateway named at its "
            "start), not a provider's. Trying again will not help",
        )


def _secrets(config: Config) -> list[str]:
    """Every secret of the settings, for the redactor."""
    found = [x.secret for x in config.seal.keys]
    for provider in config.providers.values():
        found += provider.headers.values()
        keys = (provider.api_key, provider.aws_secret_access_key, provider.aws_session_token, provider.client_secret)
        found += [x for x in keys if x is not None]
    return [x.get_secret_value() for x in found]


def _keys(headers: Mapping[bytes, bytes], query: bytes) -> list[bytes]:
    keys = []
    authorization = headers.get(b"authorization")
    if authorization:
        scheme, _, rest = authorization.partition(b" ")
        if scheme.lower() == b"bearer":
            keys.append(rest.strip())
        elif b"Credential=" in rest:
            # AWS SDKs: the access key id of `Credential=AKID/date/region/service/aws4_request`; the id itself may hold slashes.
            credential = rest.split(b"Credential=", 1)[1].split(b",", 1)[0]
            keys.append(credential.rsplit(b"/", 4)[0])
    for name in (b"x-api-key", b"api-key", b"x-goog-api-key"):
        value = headers.get(name)
        if value:
            keys.append(value.strip())
    if query and b"key=" in query:
        keys.extend(value.encode() for value in parse_qs(query.decode("latin-1")).get("key", ()))
    return keys
