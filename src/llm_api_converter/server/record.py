"""What stays of a finished exchange: its metrics and its log line."""

from collections.abc import Iterator

from ..hub.events import Aside
from ..observe.metrics import Metrics
from ..observe.traces import Ended
from .answers import Seen
from .exchange import Exchange

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
    if x.trace is not None:
        x.trace.end(_ended(x, status))


def _ended(x: Exchange, status: int) -> Ended:
    seen = x.seen or Seen()
    return Ended(
        status=status, client_gone=status == CLIENT_GONE_STATUS, error=x.error, caller=x.who.name, model=x.model, mode=x.mode,
        tries=x.tries, losses=len(x.ledger.losses) if x.ledger is not None else 0, request=x.decoded, usage=seen.usage, finish=seen.finish,
        answer_id=seen.answer_id, answer_model=seen.model, first_s=x.responder.first_s,
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)


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
