"""InvokeModel with a body in the model's own format: to a provider that takes such bodies, byte for byte, and back.

Nothing of it can be translated, so there is one try with the first such target. What is metered comes from the answer's headers, or from
the metrics in a stream's last frame.
"""

from time import monotonic

from ..hub.errors import ApiError
from ..hub.response import Usage
from ..protocols.envelope import metered
from ..protocols.headers import DOWN, UP, passing
from ..protocols.relay import whole_aws
from ..providers.target import Target
from ..upstream.client import UpstreamAnswer
from .answers import Seen
from .exchange import Exchange, Refusal
from .prepare import call_headers

COUNTS = ("x-amzn-bedrock-input-token-count", "x-amzn-bedrock-output-token-count")


async def relay_native(x: Exchange) -> None:
    """Answer one call. Raises `ApiError`."""
    assert x.route is not None
    target = next((t for t in x.route.targets if t.native_paths), None)
    if target is None:
        raise ApiError(
            "unsupported",
            f"the model `{x.model}` is not at a provider that takes bodies in the model's own format, and only bodies with "
            "anthropic_version are translated; use Converse",
        )
    x.target, x.mode, x.tries, x.seen = target, "verbatim", 1, Seen()
    operation = "stream" if x.stream else "generate"
    headers = call_headers(target, x.codec, x.stream)
    headers.update(passing(UP[x.codec.around], {k.decode("latin-1"): v.decode("latin-1") for k, v in x.headers.items()}))
    if (kind := x.header(b"content-type")) is not None:
        headers["content-type"] = kind
    x.sent_s = monotonic()
    url = target.base_url + target.fill(target.native_paths[operation])
    answer = await x.post(target, url, x.body, headers)
    try:
        if answer.status >= 300:
            raise await _refused(x, target, answer)
        if x.stream:
            await _stream(x, target, answer)
        else:
            body = await answer.read()
            x.seen.usage = _counted(answer)
            await x.responder.whole(200, _headers(x, target, answer, "application/json"), body)
    finally:
        answer.close()


async def _refused(x: Exchange, target: Target, answer: UpstreamAnswer) -> ApiError:
    body = await answer.read()
    error = x.codec.decode_error(answer.status, answer.headers, body)
    x.runtime.metrics.upstream_errors[target.provider, error.kind].inc()
    headers = {"content-type": answer.headers.get("content-type", "application/json"), **passing(DOWN[x.codec.around], answer.headers)}
    x.refusal = Refusal(error, answer.status, headers, body)
    return error


async def _stream(x: Exchange, target: Target, answer: UpstreamAnswer) -> None:
    """Whole frames as they come; where the stream breaks, the exception that says so."""
    assert x.seen is not None
    write, held, last = x.responder.write, b"", b""
    await x.responder.start(200, _headers(x, target, answer, x.form.stream_type))
    try:
        while data := await answer.read_some():
            data = held + data
            cut = whole_aws(data)
            if cut:
                last = data[:cut]
                await write(last)
            held = data[cut:]
        if held:
            raise ApiError("upstream_incomplete", "the upstream ended its stream inside a frame")
    except ApiError as error:
        x.error = error
        await write(x.form.stream_error(error, x.request_id))
    x.seen.usage = metered(last)
    await write(b"", more=False)


def _counted(answer: UpstreamAnswer) -> Usage | None:
    given = [answer.headers.get(name, "") for name in COUNTS]
    if not all(count.isdecimal() for count in given):
        return None
    return Usage(input_total=int(given[0]), output_total=int(given[1]))


def _headers(x: Exchange, target: Target, answer: UpstreamAnswer, kind: str) -> list[tuple[bytes, bytes]]:
    passed = passing(DOWN[x.codec.around], answer.headers)
    return [
        (b"content-type", answer.headers.get("content-type", kind).encode("latin-1")),
        (b"x-request-id", x.request_id.encode()),
        (b"x-upstream-provider", target.provider.encode("latin-1", "replace")),
        (b"x-upstream-model", target.model.encode("latin-1", "replace")),
        *((name.encode(), value.encode("latin-1")) for name, value in passed.items()),
    ]
