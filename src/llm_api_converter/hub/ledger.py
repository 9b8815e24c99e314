"""What a translation could not say, as data.

Decoders, adapt steps and encoders write to the request's `Ledger`; the server shows it (`x-conversion-report`, log, metric) and
may refuse the request by the route's policy. A loss names its own leaf path in the client's request; there are no catch-alls.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct

from .messages import Extras

Action = Literal["dropped", "approximated", "emulated", "repaired"]
LossClass = Literal["content", "state", "tools", "privacy", "tuning", "cache", "unknown"]
Policy = Literal["allow", "report", "reject"]
LOSS_CLASSES: tuple[LossClass, ...] = ("content", "state", "tools", "privacy", "tuning", "cache", "unknown")


class Loss(Struct, frozen=True):
    """One thing that did not cross. `path` is the leaf path, `feature` a short stable word, `loss_class` decides the policy.

    Classes: *content* (an image, a document, a call, a result), *state* (reasoning and signatures), *tools* (a provider-run tool,
    a tool property), *privacy* (a promise the target cannot keep), *tuning* (temperature, strictness), *cache*, *unknown* (a field
    the decoder does not know).
    """

    path: str
    feature: str
    action: Action
    loss_class: LossClass
    detail: str = ""


class Ledger:
    """Collects the losses of one request, in order, without duplicates."""

    __slots__ = ("_seen", "losses")

    def __init__(self) -> None:
        self.losses: list[Loss] = []
        self._seen: set[tuple[str, str, str]] = set()

    def copy(self) -> "Ledger":
        """A ledger of its own that begins with the same losses."""
        twin = Ledger()
        twin.losses = list(self.losses)
        twin._seen = set(self._seen)
        return twin

    def add(self, path: str, feature: str, action: Action, loss_class: LossClass, detail: str = "") -> None:
        """Record one loss; a repetition of the same path, feature and action is ignored."""
        key = (path, feature, action)
        if key not in self._seen:
            self._seen.add(key)
            self.losses.append(Loss(path, feature, action, loss_class, detail))

    def drop(self, path: str, feature: str, loss_class: LossClass, detail: str = "") -> None:
        """It is gone."""
        self.add(path, feature, "dropped", loss_class, detail)

    def approximate(self, path: str, feature: str, loss_class: LossClass, detail: str = "") -> None:
        """Something near it was sent instead."""
        self.add(path, feature, "approximated", loss_class, detail)

    def emulate(self, path: str, feature: str, loss_class: LossClass, detail: str = "") -> None:
        """The same effect by other means."""
        self.add(path, feature, "emulated", loss_class, detail)

    def repair(self, path: str, feature: str, loss_class: LossClass, detail: str = "") -> None:
        """The client's input was broken and has been mended."""
        self.add(path, feature, "repaired", loss_class, detail)

    def rejected(self, policy: Mapping[LossClass, Policy]) -> list[Loss]:
        """Losses whose class the policy rejects. Repairs and emulations lose nothing, so they are never rejected."""
        return [loss for loss in self.losses if loss.action in ("dropped",) and policy.get(loss.loss_class) == "reject"]

    def reported(self, policy: Mapping[LossClass, Policy]) -> list[Loss]:
        """Losses to show: all but those whose class is allowed in silence."""
        return [loss for loss in self.losses if policy.get(loss.loss_class, "report") != "allow"]


STANDS_FOR_CONTENT = frozenset({"cachedContent", "prompt"})
"""Fields of a request that name content only their own provider has: without it the model would be asked something else."""


def unknown_extras(extras: Extras | None, protocol: str, path: str, ledger: Ledger) -> dict[str, Any]:
    """The extras `protocol`'s encoder may write; every field of any other protocol becomes a loss at `path.field`.

    `path` "" is the request itself. Wording (see `messages.wording`) is never a loss.
    """
    if not extras:
        return {}
    for owner, fields in extras.items():
        if owner != protocol and owner[0] != "~":
            for field in fields:
                if not path and field in STANDS_FOR_CONTENT:
                    ledger.drop(field, field, "content", "only its own provider has what it names; send that in the request")
                else:
                    ledger.drop(f"{path}.{field}" if path else field, field, "unknown")
    return extras.get(protocol) or {}


def compact(losses: Iterable[Loss]) -> list[dict[str, str]]:
    """The report's shape: `{path, feature, action, class}` a loss."""
    return [{"path": x.path, "feature": x.feature, "action": x.action, "class": x.loss_class} for x in losses]
