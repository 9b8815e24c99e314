"""What stays of a finished exchange: its metrics and its log line."""

import asyncio
from collections.abc import Iterator
from time import monotonic, time

import structlog

from ..hub.events import Aside
from ..observe.traces import Ended
from ..store.records import UsageRow
from ..usage.account import CLIENT_GONE, MAX_LOSSES, Spent, bill, clean
from ..usage.prices import Prices
from .admission import release, settles_later
from .answers import Seen
from .exchange import Exchange, rising_id
from .runtime import Runtime
from .transcript import print_prompts

log = structlog.get_logger("gateway")

ACCOUNTED = frozenset({"generate", "count", "embed", "compact"})
"""Operations that have a usage record."""
TOGETHER = 32
WAIT_S = 0.005
CLIENT_GONE_STATUS = 499
"""For log and metrics only: the client left before its answer was complete."""


class Recorder:
    """Settles and records exchanges that have ended, some at a time: in a row they cost half of what each costs between the steps
    of other requests, for code and data are in the processor's caches. None waits longer than `WAIT_S`.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._ended: list[tuple[Exchange, int, float]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, x: Exchange, now_s: float) -> None:
        """It has ended. `now_s` is the monotonic time of that."""
        status = CLIENT_GONE_STATUS if x.error is not None and x.error.status == CLIENT_GONE_STATUS else x.responder.status
        services = self._runtime.services
        if services is not None and services.audit is not None:
            services.audit.note(x, status, now_s - x.started_s)
        if self._runtime.prints_prompts and x.body:
            print_prompts(x)
        if x.trace is not None:
            x.trace.end(_ended(x, status))
        # What is of no more use goes while it is in the processor's caches, before others push it out.
        x.body, x.parsed, x.headers = b"", None, {}
        x.responder.let_go()
        if x.decoded is not None and not x.decoded.extras:
            x.decoded = None
        self._ended.append((x, status, now_s))
        if len(self._ended) >= TOGETHER:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WAIT_S, self._due)

    def _due(self) -> None:
        self._timer = None
        self.flush()

    def flush(self) -> None:
        """Record what waits, one step for all of them after the other."""
        ended, self._ended = self._ended, []
        since_s = time() - monotonic()
        for step in STEPS:
            for one in ended:
                try:
                    step(*one, since_s)
                except Exception as error:  # the outermost frame of its own: one's damage must not cost the others their records
                    log.error("exchange not recorded", request_id=one[0].request_id, error=repr(error), exc_info=error)


def _settle(x: Exchange, status: int, now_s: float, since_s: float) -> None:
    if settles_later(x):
        release(x)


def _tell(x: Exchange, status: int, now_s: float, since_s: float) -> None:
    """Queue its line."""
    fields = x.log_fields()
    fields["status"] = status
    fields["ms"] = _ms(now_s - x.started_s)
    if x.responder.first_s:
        fields["first_ms"] = _ms(x.responder.first_s - x.started_s)
    if x.sent_s:
        fields["overhead_ms"] = _ms(x.sent_s - x.started_s)
    x.runtime.access_log(fields, since_s + now_s)


def _keep(x: Exchange, status: int, now_s: float, since_s: float) -> None:
    """Queue its usage record."""
    services = x.runtime.services
    if services is None or services.spool is None or x.match.operation not in ACCOUNTED:
        return
    try:
        row = _row(x, services.prices, status, now_s, since_s)
    except Exception:
        services.dropped(1)
        raise
    services.spool.add(row)
    if row.provider is not None and (row.input_total or row.output_total):
        metrics = services.metrics
        metrics.spent(row.provider, metrics.model_label(x.route.name) if x.route else "", row.team, row.cost_usd)


def _ended(x: Exchange, status: int) -> Ended:
    seen = x.seen or Seen()
    return Ended(
        status=status, client_gone=status == CLIENT_GONE_STATUS, error=x.error, caller=x.who.name, model=x.runtime.redactor(x.model),
        mode=x.mode, tries=x.tries, losses=len(x.ledger.losses) if x.ledger is not None else 0, request=x.decoded, usage=seen.usage,
        finish=seen.finish, answer_id=seen.answer_id, answer_model=seen.model, first_s=x.responder.first_s,
    )


def _row(x: Exchange, prices: Prices, status: int, now_s: float, since_s: float) -> UsageRow:
    record, target, called, seen, ledger = x.who.record, x.target, x.called, x.seen, x.ledger
    started_s, first_s = x.started_s, x.responder.first_s
    at_s = since_s + started_s
    spent = x.earlier
    if called is not None and seen is not None and seen.usage is not None:
        spent = (*spent, Spent(called, seen.usage, seen.tier))
    billed = bill(spent, prices, at_s)
    owner = team = key_id = None
    if record is not None:
        owner, team, key_id = record.owner, record.team, record.id
    return UsageRow(  # by place: with names it takes four times as long
        rising_id("use_"), at_s, x.request_id, x.match.operation, x.codec.name,
        clean(x.runtime.redactor(x.model)),  # some send their key where the model should be
        status, key_id, x.who.name, owner, team, None if x.route is None else clean(x.route.name),
        None if called is None else called.provider, None if called is None else clean(called.model),
        None if target is None else target.protocol, x.stream,
        None if x.error is None else CLIENT_GONE if status == CLIENT_GONE_STATUS else x.error.kind, x.tries,
        billed.input_total, billed.output_total, billed.cache_read, billed.cache_write, billed.reasoning, billed.raw, billed.cost_usd,
        billed.price, now_s - started_s, first_s - started_s if first_s else None,
        tuple([clean(f"{loss.action} {loss.path}") for loss in ledger.losses[:MAX_LOSSES]]) if ledger and ledger.losses else (),
    )  # fmt: skip


def _ms(seconds: float) -> float:
    return int(seconds * 1e6) / 1000


def _count(x: Exchange, status: int, now_s: float, since_s: float) -> None:
    target, metrics = x.target, x.runtime.metrics
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


STEPS = (_settle, _count, _tell, _keep)


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
