"""`llm-api-converter convert`: one request, answer or stream translated offline.

The result goes to `out`, the report to `told`, one JSON object a line: `{path, feature, action, class}` for what did not cross, and
last `{error, message, path}` where it failed. Streams are bytes in and bytes out, piece by piece, so that a live one can be piped
through; that holds for AWS event streams too.
"""

from typing import BinaryIO, Literal, TextIO

import msgspec

from ..convert import Report, StreamConverter, convert_request, convert_response
from ..hub.errors import ApiError

Kind = Literal["request", "response", "stream"]
PIECE = 65_536


def convert(
    kind: Kind,
    source: str,
    target: str,
    given: BinaryIO,
    out: BinaryIO,
    told: TextIO,
    *,
    model: str | None = None,
    provider: str = "",
    request: bytes | None = None,
    whole: bool = False,
) -> int:
    """Translate `given` from the protocol `source` to `target`; 0, or 1 where it failed.

    For a request `source` is the client's protocol and `target` the upstream's; for answers and streams it is the other way round, and
    `request` may be the client's request they belong to. `whole`: a request with its method, path and headers, not the body alone.
    """
    try:
        if kind == "request":
            _request(given.read(), source, target, out, told, model, provider, whole)
        elif kind == "response":
            answer, report = convert_response(
                given.read(), upstream=source, client=target, request=request, model=model, provider=provider
            )
            _write(answer, out)
            _tell(report, told)
        else:
            stream = StreamConverter(upstream=source, client=target, request=request, model=model, provider=provider)
            _stream(stream, given, out)
            _tell(stream.report, told)
            if stream.error is not None:
                raise stream.error
    except ApiError as error:
        _line({"error": error.kind, "message": error.message, **({"path": error.path} if error.path else {})}, told)
        return 1
    return 0


def _request(
    body: bytes, client: str, upstream: str, out: BinaryIO, told: TextIO, model: str | None, provider: str, whole: bool
) -> None:
    wire, report = convert_request(body, client=client, upstream=upstream, model=model, provider=provider)
    _write({"method": "POST", "path": wire.path, "headers": dict(wire.headers), "body": wire.body} if whole else wire.body, out)
    _tell(report, told)


def _stream(stream: StreamConverter, given: BinaryIO, out: BinaryIO) -> None:
    """As it comes: what one read brings is written before the next."""
    read = getattr(given, "read1", given.read)
    while data := read(PIECE):
        if written := stream.feed(data):
            out.write(written)
            out.flush()
    out.write(stream.finish())
    out.flush()


def _write(value: object, out: BinaryIO) -> None:
    out.write(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    out.flush()


def _tell(report: Report, told: TextIO) -> None:
    for loss in report:
        _line(loss, told)


def _line(value: object, told: TextIO) -> None:
    told.write(msgspec.json.encode(value).decode() + "\n")
