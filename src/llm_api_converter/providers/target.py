"""A target: one model at one provider in one protocol, with everything needed to call it."""

from collections.abc import Mapping
from urllib.parse import quote

from msgspec import Struct

from ..hub.facts import Facts
from ..hub.ledger import LossClass, Policy


class Auth(Struct, frozen=True):
    """How calls are authenticated. `scheme` names a signer in `providers.auth` (`none`, `bearer`, `x-api-key`, `api-key`,
    `x-goog-api-key`, `sigv4`, `google`, `azure_ad`). `secret` is the resolved key ("" for none); it never reaches a log: `repr`
    hides it. `options` are the scheme's own settings (region, profile, ...).
    """

    scheme: str
    secret: str = ""
    options: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Auth(scheme={self.scheme!r}, secret={'***' if self.secret else ''!r})"


class Target(Struct, frozen=True, kw_only=True):
    """Whom to call. `provider` is the configured name, `type` its catalogue entry, `protocol` the language spoken for this call,
    `model` the upstream's own model id.

    The URL of a call is `base_url` + `Wire.path`; `base_url` has no slash at its end and already holds what the vendor's address
    of this protocol adds (`/anthropic`, `/v1`). `paths` replaces whole paths where a vendor addresses an operation differently
    (`{model}` is filled in). `headers` go with every call. `layers` says for each fact set which layer it came from.
    `scope` identifies the credential (a short digest, not the secret) for sealed state. `envelope` is the form the protocol travels in
    (`protocols.envelope`). `native_paths` are those that take bodies in the model's own format, where the provider has such.
    """

    provider: str
    type: str
    protocol: str
    model: str
    base_url: str
    auth: Auth
    facts: Facts
    layers: Mapping[str, str] = {}
    paths: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    scope: str = ""
    weight: int = 1
    timeout_s: float = 600.0
    # Does this provider count tokens in this protocol (an operation of its own)?
    counts_tokens: bool = False
    envelope: str = ""
    native_paths: Mapping[str, str] = {}

    def path(self, operation: str, usual: str) -> str:
        """The path of an operation after `base_url`; `usual` is the protocol's own."""
        template = self.paths.get(operation)
        return usual if template is None else self.fill(template)

    def fill(self, template: str) -> str:
        """A path with this model in it."""
        return template.replace("{model}", quote(self.model, safe="@"))
    # The same model at the same provider in its other protocols, in the order they are tried where this one is not served.
    others: tuple["Target", ...] = ()


class Route(Struct, frozen=True, kw_only=True):
    """What a model name leads to. `name` is the configured name (metrics use it). Targets are tried in order."""

    name: str
    targets: tuple[Target, ...]
    on_loss: Mapping[LossClass, Policy]
