"""What stays of a finished exchange: its metrics and its log line."""

from collections.abc import Iterator
from time import time

from ..hub.events import Aside
from ..observe.metrics import Metrics
from ..observe.traces import Ended
from ..usage.account import CLIENT_GONE, Finished
from .answers import Seen
from .exchange import Exchange, rising_id
from .transcript import print_prompts

ACCOUNTED = frozenset({"generate", "count", "embed", "compact"})
"""Operations that have a usage record."""
CLIENT_GONE_STATUS = 499
"""For log and metrics only: the client left before its answer was complete."""


def record(x: Exchange, now_s: float) -> None:
    """Count it, and queue its line. `now_s` is the monotonic time of its end."""
    status = CLIENT_GONE_STATUS if x.error is not None and x.error.status == CLIENT_GONE_STATUS else x.responder.status
    _count(x, x.runtime.metrics, status, now_s)
    fields = x.log_fields()
    fields["status"] = status
    fields["ms"] = _ms(now_s - x.started_s)
    if x.responder.first_s:
        fields["first_ms"] = _ms(x.responder.first_s - x.started_s)
    if x.sent_s:
        fields["overhead_ms"] = _ms(x.sent_s - x.started_s)
    x.runtime.access_log(fields)
    services = x.runtime.services
    if services is not None and services.spool is not None and x.match.operation in ACCOUNTED:
        services.spool.add(_finished(x, status, now_s))
    if services is not None and services.audit is not None:
        services.audit.note(x, status, now_s - x.started_s)
    if x.runtime.prints_prompts and x.body:
        print_prompts(x)
    if x.trace is not None:
        x.trace.end(_ended(x, status))


def _ended(x: Exchange, status: int) -> Ended:
    seen = x.seen or Seen()
    return Ended(
        status=status, client_gone=status == CLIENT_GONE_STATUS, error=x.error, caller=x.who.name, model=x.runtime.redactor(x.model),
        mode=x.mode, tries=x.tries, losses=len(x.ledger.losses) if x.ledger is not None else 0, request=x.decoded, usage=seen.usage,
        finish=seen.finish, answer_id=seen.answer_id, answer_model=seen.model, first_s=x.responder.first_s,
    )


def _finished(x: Exchange, status: int, now_s: float) -> Finished:
    record, target = x.who.record, x.target
    error = None if x.error is None else CLIENT_GONE if status == CLIENT_GONE_STATUS else x.error.kind
    return Finished(
        id=rising_id("use_"), at_s=time() - (now_s - x.started_s), request_id=x.request_id, operation=x.match.operation,
        protocol=x.codec.name, model=x.runtime.redactor(x.model), status=status,  # some send their key where the model should be
        key_id=None if record is None else record.id, key_name=x.who.name,
        owner=None if record is None else record.owner, team=x.who.team, route=None if x.route is None else x.route.name,
        called=x.called, tier=None if x.seen is None else x.seen.tier, earlier=x.earlier,
        upstream_protocol=None if target is None else target.protocol, stream=x.stream, error=error, tries=x.tries,
        usage=None if x.seen is None else x.seen.usage,
        latency_s=now_s - x.started_s, first_s=x.responder.first_s - x.started_s if x.responder.first_s else None,
        losses=() if x.ledger is None else tuple(f"{loss.action} {loss.path}" for loss in x.ledger.losses),
    )  # fmt: skip


def _ms(seconds: float) -> float:
    return int(seconds * 1e6) / 1000


def _count(x: Exchange, metrics: Metrics, status: int, now_s: float) -> None:
    target = x.target
    provider, upstream = (target.provider, target.protocol) if target else ("", "")
    model = metrics.model_label(x.route.name) if x.route else ""
    client = x.codec.name
    metrics.requests[client, upstream, provider, model, str(status)].inc()
    if x.match.operation != "generate":
        return
    metrics.duration[client, provider, model].observe(now_s - x.started_s)
    if x.responder.first_s and x.stream:
        metrics.first_token[client, provider, model].observe(x.responder.first_s - x.started_s)
    if x.sent_s:
        metrics.overhead[client, upstream].observe(x.sent_s - x.started_s)
    usage = x.usage
    if usage is not None:
        metrics.used(client, provider, model, usage)
    if x.ledger is not None:
        for loss in x.ledger.losses:
            metrics.losses[client, upstream, metrics.feature_label(loss.feature), loss.action].inc()
    for protocol, where, name in _unknown(x, upstream):
        metrics.unknown_items[protocol, where, metrics.item_label(name)].inc()


def _unknown(x: Exchange, upstream: str) -> Iterator[tuple[str, str, str]]:
    """Wire items no decoder knows, so that a protocol's drift shows before it hurts: (protocol, where, name)."""
    if x.decoded is not None and x.decoded.extras:
        for field in x.decoded.extras.get(x.codec.name, ()):
            yield x.codec.name, "request", field
    for aside in x.seen.asides if x.seen is not None else ():
        yield upstream, "stream", _name(aside)


def _name(aside: Aside) -> str:
    """The frame's own word for what it is."""
    frame = aside.frame
    if isinstance(frame, dict) and frame:
        kind = frame.get("type")
        return kind if isinstance(kind, str) else str(next(iter(frame)))
    return "frame"
