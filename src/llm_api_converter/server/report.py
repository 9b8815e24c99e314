"""The `x-conversion-report` header: a compact ASCII JSON array, cut at 4 KB with a final `{"more": n}`."""

import json
from collections.abc import Sequence

import msgspec

REPORT_LIMIT = 4096
_ROOM = 16  # for `,{"more":NNNN}]`


def report_header(losses: Sequence[dict[str, str]]) -> bytes:
    """b"" where nothing was lost."""
    if not losses:
        return b""
    whole = msgspec.json.encode(losses)
    if len(whole) <= REPORT_LIMIT and whole.isascii():
        return whole
    out, size = [], 2
    for n, loss in enumerate(losses):
        item = json.dumps(loss, separators=(",", ":"))
        size += len(item) + 1
        if size > REPORT_LIMIT - _ROOM:
            out.append(f'{{"more":{len(losses) - n}}}')
            break
        out.append(item)
    return ("[" + ",".join(out) + "]").encode("ascii")
