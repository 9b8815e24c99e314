"""Whole answers: Converse `ConverseResponse` <-> `Response`; stop reasons and usage, which streams share.

Converse names neither the answer nor the model. `inputTokens` excludes cached tokens, `totalTokens` includes them. `metrics` rides in
`Usage.raw` beside the usage object, because they come together in a stream, too. Empty text blocks say nothing and are left out.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ConverseResponse`, `TokenUsage`, `StopReason` (November 2026); recordings, which
have more usage fields than the model (kept in `Usage.raw`).
"""

from typing import Any

from ...hub.errors import ApiError
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Part, Text, ToolCall
from ...hub.response import Finish, FinishReason, Response, Usage
from ..base import UNREADABLE, Answer, Json
from ..ending import Words, report_ending
from ..fields import Fields
from .content import decode_content
from .options import TIER_OUT
from .wire import PROTOCOL, decode_json, encode_json
from .written import ContentEncoder

FINISH_IN: dict[str, FinishReason] = {
    "end_turn": "stop",
    "tool_use": "tool_call",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "guardrail_intervened": "filtered",
    "content_filtered": "filtered",
    "malformed_model_output": "other",
    "malformed_tool_use": "malformed_call",
    "model_context_window_exceeded": "context_full",
}
FINISH_OUT: dict[FinishReason, str] = {
    "stop": "end_turn",
    "tool_call": "tool_use",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "refused": "content_filtered",
    "filtered": "content_filtered",
    "paused": "end_turn",
    "context_full": "model_context_window_exceeded",
    "malformed_call": "malformed_tool_use",
    "other": "end_turn",
}
ENDINGS = Words(frozenset({"stop", "tool_call", "length", "stop_sequence", "filtered", "context_full", "malformed_call"}))
OWN_ENDINGS = Words(frozenset(FINISH_OUT))


# ---------------------------------------------------------------------- decode


def decode_response(body: bytes) -> Response:
    """A Converse answer -> Response. Raises ApiError(upstream_failed) for what is none."""
    try:
        f = Fields(decode_json(body), "")
        output = f.sub("output")
        message = None if output is None else output.sub("message")
        if output is None or message is None:
            raise f.error("output.message", "required")
        message.take("role")
        parts = without_empty_text(decode_content(message.array("content") or [], ""))
        usage = decode_usage(f.object("usage"), f.object("metrics"))
        tier = f.sub("serviceTier")
        service_tier = None if tier is None else tier.text("type")
        finish = decode_finish(f.text("stopReason") or "", any(is_client_call(part) for part in parts))
    except UNREADABLE as broken:
        raise ApiError("upstream_failed", f"the upstream's answer is not JSON: {broken}") from broken
    except ApiError as broken:
        raise ApiError("upstream_failed", f"the upstream's answer cannot be read: {broken.message}") from broken
    left = {
        **f.rest(),
        **{f"output.{key}": value for key, value in output.rest().items()},
        **{f"output.message.{key}": value for key, value in message.rest().items()},
        **({f"serviceTier.{key}": value for key, value in tier.rest().items()} if tier is not None else {}),
    }
    return Response("", "", parts, finish, usage, service_tier, extras={PROTOCOL: left} if left else None)


def without_empty_text(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Answers without text blocks that hold nothing."""
    return tuple(x for x in parts if not (type(x) is Text and not x.text and not x.citations and not x.extras))


def is_client_call(part: Part) -> bool:
    """A call the client has to run?"""
    return type(part) is ToolCall and part.runs == "client"


def decode_finish(raw: str, called: bool) -> Finish:
    """`stopReason` -> Finish; an answer with calls for the client never just stops."""
    reason = FINISH_IN.get(raw, "other")
    return Finish("tool_call" if called and reason == "stop" else reason, raw or None)


def decode_usage(usage: Json | None, metrics: Json | None) -> Usage | None:
    """`usage` (and `metrics`, kept beside it in `raw`) -> Usage."""
    if usage is None:
        return None
    read, write = _count(usage, "cacheReadInputTokens"), _count(usage, "cacheWriteInputTokens")
    details = usage.get("cacheDetails")
    hour = None
    if isinstance(details, list):
        hour = sum(_count(x, "inputTokens") or 0 for x in details if isinstance(x, dict) and x.get("ttl") == "1h")
    return Usage(
        (_count(usage, "inputTokens") or 0) + (read or 0) + (write or 0),
        _count(usage, "outputTokens") or 0,
        cache_read=read,
        cache_write=write,
        cache_write_1h=hour,
        raw=usage if metrics is None else {**usage, "metrics": metrics},
        protocol=PROTOCOL,
    )


def _count(usage: Json, field: str) -> int | None:
    value = usage.get(field)
    return value if type(value) is int else None


# ---------------------------------------------------------------------- encode


def encode_response(response: Response, answer: Answer, ledger: Ledger) -> bytes:
    """Response -> the body boto3 parses. All fields its model requires are there."""
    del answer
    content: list[Json] = []
    ContentEncoder(ledger, seals=True).content(response.parts, content)
    usage, metrics = encode_usage(response.usage)
    body: Json = {
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": encode_finish(response.finish, ledger),
        "usage": usage,
        "metrics": metrics,
    }
    tier = encode_tier(response.service_tier, ledger)
    if tier is not None:
        body["serviceTier"] = tier
    for key, value in unknown_extras(response.extras, PROTOCOL, "", ledger).items():
        put_answer_extra(body, key, value)
    return encode_json(body)


def put_answer_extra(body: Json, key: str, value: Any) -> None:
    """A leftover of an answer at its dotted path."""
    home = body
    *owners, field = key.split(".") if key.startswith(("output.", "serviceTier.")) else [key]
    for owner in owners:
        home = home.setdefault(owner, {})
    home[field] = value


def encode_finish(finish: Finish, ledger: Ledger) -> str:
    """The upstream's own word where it is one of Converse's with the same meaning, else the table's."""
    unknown_extras(finish.extras, PROTOCOL, "finish", ledger)
    own = finish.raw is not None and FINISH_IN.get(finish.raw) == finish.reason
    word = finish.raw if own and finish.raw is not None else FINISH_OUT[finish.reason]
    report_ending(finish, word, OWN_ENDINGS if own else ENDINGS, ledger)
    return word


def encode_usage(usage: Usage | None) -> tuple[Json, Json]:
    """`usage` and `metrics`. A usage that came in this protocol goes out as it came."""
    if usage is None:
        return {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, {"latencyMs": 0}
    if usage.protocol == PROTOCOL and usage.raw is not None:
        own = {key: value for key, value in usage.raw.items() if key != "metrics"}
        out = {"inputTokens": 0, "outputTokens": 0, "totalTokens": usage.input_total + usage.output_total, **own}
        return out, usage.raw.get("metrics") or {"latencyMs": 0}
    read, write = usage.cache_read, usage.cache_write
    out = {
        "inputTokens": max(usage.input_total - (read or 0) - (write or 0), 0),
        "outputTokens": usage.output_total,
        "totalTokens": usage.input_total + usage.output_total,
    }
    if read is not None:
        out["cacheReadInputTokens"] = read
    if write is not None:
        out["cacheWriteInputTokens"] = write
    if usage.cache_write_1h and write:
        short = write - usage.cache_write_1h
        details = [("5m", short), ("1h", usage.cache_write_1h)]
        out["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in details if count > 0]
    return out, {"latencyMs": 0}


def encode_tier(tier: str | None, ledger: Ledger) -> Json | None:
    """`serviceTier` of an answer, in Converse's words."""
    if tier is not None and tier not in TIER_OUT:
        ledger.drop("service_tier", "service_tier", "tuning", f"there is no tier {tier!r}")
    word = TIER_OUT.get(tier) if tier is not None else None
    return None if word is None else {"type": word}
