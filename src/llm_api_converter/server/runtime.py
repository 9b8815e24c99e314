"""What a worker runs on, built once from the settings and immutable from then on (metrics and lessons apart)."""

import hmac
from collections.abc import Mapping
from ipaddress import ip_network

import structlog

from ..access.credentials import digest_of, digests_of, given_keys
from ..access.keyring import WRONG
from ..access.principal import ANYONE, MASTER, Principal
from ..config import Config, ModelConfig
from ..hub.errors import ApiError
from ..hub.seal import Sealer, SealKey
from ..observe.logs import AccessLog, Redactor
from ..observe.metrics import Metrics
from ..observe.traces import Tracing
from ..protocols import codec
from ..providers.auth import SIGNERS, Signers
from ..providers.catalog import Catalog
from ..providers.demo import BASE_URL as DEMO
from ..providers.demo import DemoClient
from ..providers.target import Target
from ..routing.resolve import Resolver
from ..store.records import StoredModel
from ..upstream.client import Client, UpstreamAnswer
from .continuations import Continuations
from .http import Responder
from .kept import KeptResponses, KeptStore
from .routes import served
from .services import Services
from .vault import Vault

log = structlog.get_logger("gateway")

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
    """Everything one request needs from the process. `client` is set while the worker is up. Without `services` there are no keys
    but the master key, no limits and no records.
    """

    def __init__(
        self, config: Config, *, master_key: str, seal_keys: tuple[SealKey, ...], metrics: Metrics, services: Services | None = None
    ) -> None:
        self.config = config
        self.services = services
        for name in served():
            codec(name)  # import them now, not in the first request
        self.catalog = Catalog.load()
        self.resolver = Resolver(config, self.catalog)
        if services is not None:
            services.on_models = self._take_models
        self.sealer = Sealer(seal_keys)
        keeping = services is not None and config.responses.keep
        self.kept = KeptResponses(
            KeptStore(services.store.responses, Vault(seal_keys), float(config.responses.ttl_s)) if services and keeping else None
        )
        self.continuations: Continuations | None = None
        if services is not None and config.continuations.enabled:
            self.continuations = Continuations(services.store.continuations, Vault(seal_keys), float(config.continuations.ttl_s))
        self.metrics = metrics
        self.access_log = AccessLog(json=False)
        self.tracing: Tracing | None = None
        self.responder: type[Responder] = Responder
        self.prints_prompts = config.logging.print_prompts
        self.lessons = Lessons()
        self.trusted_proxies = tuple(ip_network(network, strict=False) for network in config.server.trusted_proxies)
        self.max_body_bytes = config.server.max_body_bytes
        self.attempts = config.retry.attempts
        self.max_wait_s = float(config.retry.max_wait_s)
        self.ping_after_s = PING_AFTER_S
        self.ready = False
        self.client: Client
        self.demo = DemoClient()
        self._open = not config.auth.require_api_key
        self._master = master_key.encode()
        self._master_digest = digest_of(self._master)
        scraper = config.auth.metrics_key
        self._metrics_key = None if scraper is None else scraper.get_secret_value().encode()
        self.redactor = Redactor([master_key, *_secrets(config)])
        self.signers = Signers(self.redactor.learn)

    def _take_models(self, models: list[StoredModel]) -> None:
        """Names added at run time stand behind those of the settings. What cannot be read is left out, and said."""
        added = []
        for model in models:
            try:
                added.append(ModelConfig.model_validate_json(model.entry))
            except ValueError as error:
                log.error("stored model unreadable", model=model.name, error=str(error).splitlines()[0])
        known = {model.name for model in self.config.models}
        names = (*self.config.models, *(model for model in added if model.name not in known))
        self.resolver = Resolver(self.config.model_copy(update={"models": names}), self.catalog)
        log.info("models taken from the store", added=len(added))

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

    def admit_scraper(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises `ApiError(unauthenticated)` where `/metrics` has a key and this is not it (nor the master key)."""
        if self._metrics_key is not None:
            wanted = (self._metrics_key, self._master)
            if not any(hmac.compare_digest(key, known) for key in given_keys(headers, b"") for known in wanted):
                raise ApiError("unauthenticated", "/metrics: send the key of the setting auth.metrics_key as `Authorization: Bearer KEY`")

    def identify(self, headers: Mapping[bytes, bytes], query: bytes) -> Principal | bytes:
        """The caller, where that is known at once; else the digest of a key that `services.keys` may find.

        Raises `ApiError(unauthenticated)` with what to do about it.
        """
        if self._open:
            return ANYONE
        digests = digests_of(headers, query)
        if not digests:
            raise ApiError(
                "unauthenticated",
                "no API key: send this gateway's key as `Authorization: Bearer KEY`, `x-api-key`, `api-key` or `x-goog-api-key`",
            )
        for digest in digests:
            if hmac.compare_digest(digest, self._master_digest):
                return MASTER
        services = self.services
        if services is None:
            raise ApiError("unauthenticated", WRONG)
        for digest in digests:
            found = services.keys.known(digest)
            if found is not None:
                return found
        return digests[0]


def _secrets(config: Config) -> list[str]:
    """Every secret of the settings, for the redactor."""
    found = [x.secret for x in config.seal.keys]
    found += [x for x in (config.admin.api_key, config.auth.metrics_key) if x is not None]
    for provider in config.providers.values():
        found += provider.headers.values()
        keys = (provider.api_key, provider.aws_secret_access_key, provider.aws_session_token, provider.client_secret)
        found += [x for x in keys if x is not None]
    return [x.get_secret_value() for x in found]
