"""Token counts and stop reasons of answers, plain and streamed.

Anthropic's `input_tokens` leaves out cached tokens; the hub's `input_total` holds them. Source: anthropic SDK 2.12.0, types/usage.py,
types/message_delta_usage.py, types/stop_reason.py; https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons
(November 2026).
"""

from typing import Any

from ...hub.errors import ApiError
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Extras
from ...hub.response import Finish, FinishReason, Usage
from ..ending import Words, report_ending
from .wire import PROTOCOL, WORDING

FINISH_IN: dict[str, FinishReason] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_call",
    "pause_turn": "paused",
    "refusal": "refused",
    "model_context_window_exceeded": "context_full",
}
FINISH_OUT: dict[FinishReason, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "stop_sequence": "stop_sequence",
    "tool_call": "tool_use",
    "paused": "pause_turn",
    "refused": "refusal",
    "filtered": "refusal",
    "context_full": "model_context_window_exceeded",
    "other": "end_turn",
}

ENDED: frozenset[FinishReason] = frozenset(FINISH_OUT) - {"other"}
"""Reasons that are not told by the plain word for an end."""

# Neutral service tiers are OpenAI's words.
TIER_IN = {"standard": "default"}
TIER_OUT = {"default": "standard", "priority": "priority", "batch": "batch"}

START_ONLY = frozenset({"cache_creation", "service_tier", "inference_geo", "speed"})
"""Fields of usage that stand in `message_start` only; the others are repeated, exact, in `message_delta`."""


def decode_usage(usage: Any) -> Usage | None:
    """`usage` -> Usage; None where there is none."""
    if not isinstance(usage, dict):
        return None
    read, write = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
    split, details = usage.get("cache_creation"), usage.get("output_tokens_details")
    return Usage(
        input_total=(_count(usage, "input_tokens") or 0) + (read or 0) + (write or 0),
        output_total=_count(usage, "output_tokens") or 0,
        cache_read=read,
        cache_write=write,
        cache_write_1h=_count(split, "ephemeral_1h_input_tokens") if isinstance(split, dict) else None,
        reasoning=_count(details, "thinking_tokens") if isinstance(details, dict) else None,
        raw=usage,
        protocol=PROTOCOL,
    )


def encode_usage(usage: Usage, service_tier: str | None, ledger: Ledger) -> dict[str, Any]:
    """Usage -> `usage`, with whatever else this protocol's own upstream said in it. Cache counts are always there, as in real answers."""
    read, write = usage.cache_read or 0, usage.cache_write or 0
    out: dict[str, Any] = dict(usage.raw) if usage.protocol == PROTOCOL and usage.raw else {}
    out["input_tokens"] = max(usage.input_total - read - write, 0)
    out["cache_creation_input_tokens"] = write
    out["cache_read_input_tokens"] = read
    out["output_tokens"] = usage.output_total
    if usage.cache_write_1h is not None and "cache_creation" not in out:
        hour = min(usage.cache_write_1h, write)
        out["cache_creation"] = {"ephemeral_5m_input_tokens": write - hour, "ephemeral_1h_input_tokens": hour}
    if usage.reasoning is not None:
        out["output_tokens_details"] = {**_object(out.get("output_tokens_details")), "thinking_tokens": usage.reasoning}
    if service_tier is not None:
        tier = TIER_OUT.get(service_tier)
        if tier is not None:
            out["service_tier"] = tier
        elif service_tier != "auto":
            ledger.drop("service_tier", "service_tier", "tuning", f"there is no tier {service_tier!r}")
    return out


def estimated(input_tokens: int) -> Usage:
    """What is shown while, or because, nothing exact is known."""
    return Usage(input_total=input_tokens)


def decode_tier(usage: Any) -> str | None:
    """`usage.service_tier` -> the neutral word of the tier that served the answer."""
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    return TIER_IN.get(tier, tier) if isinstance(tier, str) else None


def decode_finish(word: Any, stop_sequence: Any, details: Any, called: bool) -> Finish:
    """`stop_reason`, `stop_sequence`, `stop_details` -> Finish. `called`: the client has a call to run, so the turn is not over."""
    raw = word if isinstance(word, str) else None
    reason = FINISH_IN.get(raw or "", "other")
    own: dict[str, Any] = {}
    wording: dict[str, Any] = {}
    if raw is not None and raw not in FINISH_IN:
        wording["stop_reason"] = raw
    explanation = details.get("explanation") if isinstance(details, dict) else None
    if details is not None:
        said_all = isinstance(details, dict) and details.get("category") is None
        (wording if said_all else own)["stop_details"] = details
    if reason == "stop" and called:
        reason = "tool_call"
    return Finish(
        reason,
        raw,
        explanation if isinstance(explanation, str) else None,
        stop_sequence if isinstance(stop_sequence, str) else None,
        {owner: fields for owner, fields in ((PROTOCOL, own), (WORDING, wording)) if fields} or None,
    )


def encode_finish(finish: Finish, ledger: Ledger, *, called: bool, refused: bool) -> dict[str, Any]:
    """Finish -> `stop_reason`, `stop_sequence`, `stop_details`.

    A call that the upstream could not write is no answer: `ApiError(upstream_failed)`. `refused`: the answer holds words of refusal.
    """
    if finish.reason == "malformed_call":
        raise malformed(finish)
    own = _own(finish.extras, ledger)
    word = FINISH_OUT[finish.reason]
    if finish.reason in ("stop", "other") and called:
        word = "tool_use"
    elif finish.reason == "stop" and refused:
        word = "refusal"
    elif finish.reason == "other":
        word = own.get("stop_reason", word)
    explained = word == "refusal" or "stop_details" in own
    report_ending(finish, word, Words(ENDED if word == "end_turn" else frozenset(FINISH_OUT), True, explained), ledger)
    out: dict[str, Any] = {"stop_reason": word, "stop_sequence": finish.stop_sequence}
    if "stop_details" in own:
        out["stop_details"] = own["stop_details"]
    elif word == "refusal" and (finish.detail is not None or finish.reason == "filtered"):
        out["stop_details"] = {"type": "refusal", "category": None, "explanation": finish.detail or finish.raw}
    return out


def malformed(finish: Finish) -> ApiError:
    """The error for an answer that ended in a call nobody can read."""
    detail = f": {finish.detail}" if finish.detail else ""
    return ApiError("upstream_failed", f"the model wrote a tool call that cannot be read ({finish.raw or 'malformed call'}){detail}")


def _own(extras: Extras | None, ledger: Ledger) -> dict[str, Any]:
    own = unknown_extras(extras, PROTOCOL, "finish", ledger)
    return {**own, **extras.get(WORDING, {})} if extras else own


def _count(holder: dict[str, Any], field: str) -> int | None:
    value = holder.get(field)
    return value if type(value) is int else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
