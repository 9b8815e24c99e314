"""The life of one model call, top to bottom: body, route, upstream call with its tries, answer.

Tries: an upstream that refuses with 429 or 5xx, breaks or cannot be reached is asked again (`retry.attempts` more times, jittered,
its `retry-after` honoured up to `retry.max_wait_s`) as long as the client has seen nothing but pings. A field an upstream calls
unsupported, or state it calls invalid, costs one more try without it; a protocol that a provider turns out not to serve, one in its
next. Whatever is tried starts from the client's own request.
"""

import asyncio
import random
from time import monotonic

import msgspec
import structlog

from ..hub.errors import RETRYABLE, ApiError
from ..hub.ledger import compact
from ..protocols.envelope import holds_messages
from ..protocols.headers import DOWN, passing
from ..protocols.openai_responses.compaction import as_answer, as_events
from ..protocols.relay import Head, first_model, head_of, parse, read_head
from ..providers.target import Target
from ..upstream.client import UpstreamAnswer
from . import summary
from .admission import admit, allowance_headers, allowance_lines, budget_headers, identify, resolve
from .answers import ping_of
from .continuations import calls_without_reasoning, put_back
from .exchange import Exchange, Refusal
from .http import Departure, KeepAlive, Receive, read_body
from .native import relay_native
from .prepare import Call, decoded, lesson_key, prepare
from .report import report_header

log = structlog.get_logger("gateway")

BASE_WAIT_S = 0.5
DRAIN_S = 1.0
_JSON = (b"content-type", b"application/json")
_EVENTS = (b"data:", b"event:", b"id:", b"retry:", b":")
"""What a stream of events begins with, and JSON never."""
_FIRST_OF_EVENTS = frozenset(start[:1] for start in _EVENTS)


async def generate(x: Exchange, receive: Receive) -> None:
    """Answer one model call. Raises `ApiError` for what must still be told, `ClientGone` when nobody listens."""
    await identify(x)
    x.body = await read_body(receive, x.headers, x.runtime.max_body_bytes)
    async with Departure(x.leaving):
        if x.codec.kept_upstream:
            x.body = summary.write_out(x.runtime.sealer, await x.runtime.kept.write_out(x.who.scope, x.body))
        head = read_call(x)
        resolve(x)
        await admit(x)
        await _recall(x)
        if x.match.envelope and not holds_messages(x.body):
            await relay_native(x)
        elif x.codec.kept_upstream and summary.is_wanted(x):
            await _compacted(x)
        elif x.stream:
            await _stream(x, head)
        else:
            await _plain(x, head)


def read_call(x: Exchange) -> Head:
    """What routing needs: the model and whether a stream is wanted. A body that will be translated anyway is parsed only once."""
    if not x.codec.model_in_body:
        x.model, x.stream = x.match.argument, bool(x.match.stream)
        return read_head(x.body)
    guess = first_model(x.body)
    if guess is not None and x.runtime.translates(guess, x.codec.name):
        x.parsed = parse(x.body)
        head = head_of(x.parsed)
    else:
        head = read_head(x.body)
    if head.model is None and x.match.argument:
        head = Head(x.match.argument, head.stream, head.stream_options)
    if head.model is None:
        raise ApiError("invalid", "model: required", path="model")
    if type(head.model) is not str or not head.model:
        raise ApiError("invalid", "model: expected a string that is not empty", path="model")
    if head.stream is not None and type(head.stream) is not bool:
        raise ApiError("invalid", "stream: expected a boolean", path="stream")
    x.model, x.stream = head.model, bool(head.stream)
    return head


async def _recall(x: Exchange) -> None:
    """Put back the reasoning of calls whose client has dropped it, where that is kept."""
    continuations = x.runtime.continuations
    if continuations is None or x.codec.seals != "fields" or b'"tool_calls"' not in x.body:
        return
    try:
        request = decoded(x)
    except ApiError:  # it may pass all the same where nothing is translated; where something is, it is told then
        return
    lacking = calls_without_reasoning(request)
    found = await continuations.get(x.who.scope, lacking) if lacking else {}
    if found:
        x.decoded, x.recalled = put_back(request, found, x.runtime.sealer, x.base_ledger), True


async def _plain(x: Exchange, head: Head) -> None:
    call, answer, body = await _obtain(x, head)
    await _hold(x, call, body)
    headers = _answer_headers(x, call, answer)
    headers.append((b"content-type", answer.headers.get("content-type", "application/json").encode("latin-1"))
                   if x.mode != "translated" else _JSON)
    await x.responder.whole(200, headers, body, allowance_lines(x))


async def _hold(x: Exchange, call: Call, sent: bytes) -> None:
    """Keep of a finished answer what the client may refer to, or will not send back; before the client can know of it."""
    if x.codec.kept_upstream and x.mode == "translated":
        await x.runtime.kept.keep(x.who.scope, parse(x.body) if x.parsed is None else x.parsed, sent)
    collector = call.path.collector
    if collector is not None and collector.found and x.runtime.continuations is not None:
        await x.runtime.continuations.put(x.who.scope, collector.found)


async def plain_answer(x: Exchange, head: Head) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """A whole answer in JSON, for whoever makes something else of it: (headers, body)."""
    call, answer, body = await _obtain(x, head)
    return [*_answer_headers(x, call, answer), *allowance_headers(x), _JSON], body


async def _compacted(x: Exchange) -> None:
    """A triggered compaction: the model's summary as the one item of the answer."""
    stream, responder = x.stream, x.responder
    alive = _alive(x) if stream else None
    try:
        call, answer, body = await _obtain(x, summary.ask(x))
    finally:
        if alive is not None:
            alive.stop()
    told = parse(body)
    told = as_answer(told, summary.item_of(x, told))
    if not stream:
        await responder.whole(200, [*_answer_headers(x, call, answer), _JSON], msgspec.json.encode(told), allowance_lines(x))
        return
    if not responder.started:
        await responder.start(200, _stream_headers(x, call, answer))
    await responder.write(b"".join(as_events(told)), more=False)


def _alive(x: Exchange) -> KeepAlive:
    """Pings for a stream whose upstream is silent; the first one commits its status."""
    responder, ping = x.responder, ping_of(x.form)

    async def keep_alive() -> None:
        if not responder.started:
            await responder.start(200, _stream_headers(x, None, None))
        await responder.write(ping)

    return KeepAlive(responder, x.runtime.ping_after_s, keep_alive)


async def _stream(x: Exchange, head: Head) -> None:
    responder = x.responder
    alive = _alive(x)
    answer: UpstreamAnswer | None = None
    try:
        call, answer, first = await _obtain(x, head)
        if not responder.started:
            await responder.start(200, _stream_headers(x, call, answer))
        await _pump(x, call, answer, first)
    finally:
        alive.stop()
        if answer is not None:
            answer.close()


async def _pump(x: Exchange, call: Call, answer: UpstreamAnswer, first: bytes) -> None:
    """The answer from its first bytes to its end."""
    path, write, read = call.path, x.responder.write, answer.read_some
    seen = path.seen
    if first:
        if seen.over:
            await _hold(x, call, first)
        await write(first)
    while not seen.over:
        try:
            data = await read()
        except ApiError as error:
            await write(path.fail(error))
            break
        out = path.feed(data) if data else path.finish()
        if out:
            if seen.failed is not None:
                out = x.runtime.redactor.in_bytes(out)
            if seen.over:
                await _hold(x, call, out)
            await write(out)
        if not data:
            break
    if seen.failed is not None:
        x.error = seen.failed
        _upstream_failed(x, call, seen.failed)
    else:
        await _drain(x, call, answer)
    await write(b"", more=False)


async def _drain(x: Exchange, call: Call, answer: UpstreamAnswer) -> None:
    """Read what stands behind the end of the stream, so that the connection can be used again; not for long."""
    try:
        async with asyncio.timeout(DRAIN_S):
            while data := await answer.read_some():
                if x.mode != "translated" and (out := call.path.feed(data)):
                    await x.responder.write(out)
    except (TimeoutError, ApiError):
        answer.close()


async def _obtain(x: Exchange, head: Head) -> tuple[Call, UpstreamAnswer, bytes]:
    """An answer of the first target that gives one: the whole body of a plain answer, the first bytes of a stream."""
    assert x.route is not None
    failed: ApiError | None = None
    for target in x.route.targets:
        try:
            return await _spoken(x, head, target)
        except ApiError as error:
            failed = error
            if error.kind not in RETRYABLE:
                break
    assert failed is not None
    raise failed


async def _spoken(x: Exchange, head: Head, target: Target) -> tuple[Call, UpstreamAnswer, bytes]:
    """Ask one target in the first protocol its provider serves: a path that is not there is no fault of the client's."""
    missing: ApiError | None = None
    served = x.runtime.lessons.served(target)
    for tried, spoken in enumerate(served):
        x.target = spoken
        try:
            got = await _tried(x, head, spoken)
        except ApiError as error:
            if len(served) > 1 and _no_such_path(error, spoken):
                missing = missing or error
                continue
            if error.upstream is not None:
                _learn_missing(x, served[:tried])
            raise
        _learn_missing(x, served[:tried])
        return got
    assert missing is not None
    x.target = served[0]
    raise missing


def _no_such_path(error: ApiError, target: Target) -> bool:
    """Does the upstream say that there is nothing at this path, rather than that there is no such model?"""
    if error.upstream is None or error.upstream[0] not in (404, 405):
        return False
    said = error.upstream[1].lower()
    return b"model" not in said and target.model.lower().encode() not in said


def _learn_missing(x: Exchange, missing: list[Target]) -> None:
    for target in missing:
        x.runtime.lessons.learn_missing(target)
        log.warning(
            "protocol not served", request_id=x.request_id, provider=target.provider, upstream_protocol=target.protocol,
            instead=x.target.protocol if x.target else None,
        )


async def _tried(x: Exchange, head: Head, target: Target) -> tuple[Call, UpstreamAnswer, bytes]:
    """Ask one target, as often as it is worth it. A credential that was fetched and is refused is fetched once more."""
    left = x.runtime.attempts
    stripped = renewed = False
    while True:
        call = prepare(x, head, target, stripped=stripped)
        x.ledger, x.seen = call.ledger, call.path.seen
        try:
            return await _ask(x, call)
        except ApiError as error:
            x.note_try()
            _upstream_failed(x, call, error)
            if error.bad_state and not stripped:
                stripped = True
                continue
            if error.unsupported and x.runtime.lessons.learn(lesson_key(target), error.unsupported):
                continue
            if error.kind == "unauthenticated" and not renewed and x.runtime.signers.forget(target):
                renewed = True
                continue
            wait_s = _wait(error, x.runtime.attempts - left, x.runtime.max_wait_s)
            if error.kind not in RETRYABLE or left == 0 or wait_s is None:
                raise
            left -= 1
            await asyncio.sleep(wait_s)


def _wait(error: ApiError, tries: int, max_wait_s: float) -> float | None:
    """Seconds until the next try; None where the upstream wants more patience than the settings allow."""
    if error.retry_after_s is not None:
        return error.retry_after_s + random.uniform(0, 0.1) if error.retry_after_s <= max_wait_s else None
    return min(max_wait_s, BASE_WAIT_S * (1 << tries) * random.uniform(0.5, 1))


async def _ask(x: Exchange, call: Call) -> tuple[Call, UpstreamAnswer, bytes]:
    x.tries += 1
    if not x.sent_s:
        x.sent_s = monotonic()
    answer = await x.post(call.target, call.url, call.body, call.headers)
    done = False
    try:
        if answer.status >= 300:
            raise await _refused(x, call, answer)
        if not x.stream:
            body = await answer.read()
            first = call.path.stream_as_plain(body) if body.startswith(_EVENTS) else call.path.plain(body)
        elif (
            answer.headers.get("content-type", "").startswith("application/json") and call.up.stream_type.startswith("text/event-stream")
            and not (x.match.array and call.up is x.codec)
        ):  # fmt: skip
            begun = await answer.read_some()  # some label their events as JSON
            if begun[:1] in _FIRST_OF_EVENTS:
                first = await _first(call, answer, begun)
            else:
                first = call.path.plain_as_stream(begun + await answer.read())
        else:
            first = await _first(call, answer)
        seen = call.path.seen
        if x.mode != "translated" and (seen.failed is not None or not seen.begun):  # no answer as it should be: it may quote what it got
            first = x.runtime.redactor.in_bytes(first)
        done = True
        return call, answer, first
    finally:
        if not done:
            answer.close()


async def _refused(x: Exchange, call: Call, answer: UpstreamAnswer) -> ApiError:
    if answer.status < 400:
        return ApiError("upstream_failed", f"the upstream `{call.target.provider}` redirects (status {answer.status}); check its base_url")
    body = await answer.read()
    error = call.up.decode_error(answer.status, answer.headers, body)
    if call.up is x.codec:
        headers = {"content-type": answer.headers.get("content-type", "application/json"), **passing(DOWN[x.codec.around], answer.headers)}
        x.refusal = Refusal(error, answer.status, headers, body)
    return error


async def _first(call: Call, answer: UpstreamAnswer, begun: bytes = b"") -> bytes:
    """The client's bytes up to and including the first event that is not a ping. Raises the failure that comes instead. `begun`: what was
    read already.
    """
    path = call.path
    seen = path.seen
    out = path.feed(begun) if begun else b""
    while not seen.begun:
        data = await answer.read_some()
        out += path.feed(data) if data else path.finish()
        if seen.failed is not None:
            raise seen.failed
        if not data:
            break
    if seen.failed is not None:
        raise seen.failed
    return out


def _upstream_failed(x: Exchange, call: Call, error: ApiError) -> None:
    x.runtime.metrics.upstream_errors[call.target.provider, error.kind].inc()
    if x.trace is not None:
        x.trace.call_failed(error)
    redact = x.runtime.redactor
    error.message = redact(error.message)
    log.warning(
        "upstream failed", request_id=x.request_id, provider=call.target.provider, upstream_model=call.target.model, kind=error.kind,
        status=error.status, message=error.message, tries=x.tries,
        body=redact(error.upstream[1][:500].decode("utf-8", "replace")) if error.upstream else None,
    )


def _answer_headers(x: Exchange, call: Call, answer: UpstreamAnswer) -> list[tuple[bytes, bytes]]:
    """All but what the caller has left."""
    target = call.target
    headers = [
        (b"x-request-id", x.request_id.encode()),
        (b"x-upstream-provider", target.provider.encode("latin-1", "replace")),
        (b"x-upstream-model", target.model.encode("latin-1", "replace")),
    ]
    if x.mode != "translated":
        headers.extend((k.encode(), v.encode("latin-1")) for k, v in passing(DOWN[x.codec.around], answer.headers).items())
    headers += budget_headers(x)
    if call.ledger.losses:
        report = report_header(compact(call.ledger.reported(x.on_loss)))
        if report:
            headers.append((b"x-conversion-report", report))
    return headers


def _stream_headers(x: Exchange, call: Call | None, answer: UpstreamAnswer | None) -> list[tuple[bytes, bytes]]:
    if call is None or answer is None:
        headers = [(b"x-request-id", x.request_id.encode())]
    else:
        headers = _answer_headers(x, call, answer) + allowance_headers(x)
    headers.append((b"content-type", x.form.stream_type.encode()))
    headers.append((b"cache-control", b"no-cache"))
    headers.append((b"x-accel-buffering", b"no"))
    return headers
