"""Why an answer ended and what it used: `finishReason`, `promptFeedback` and `usageMetadata`, by table.

Reasons that say the model's call was unusable are `malformed_call`: failures, never an empty success. Google's counts: the prompt
includes cached tokens, candidates exclude thoughts, prompts of Google's own tools stand apart and count as input.
Source: google-genai `types.FinishReason`, `types.GenerateContentResponseUsageMetadata` (read November 2026).
"""

from typing import Any

from ...hub.ledger import Ledger
from ...hub.response import Finish, FinishReason, Usage
from ..base import Json
from ..ending import Words, report_ending
from .spelling import PROTOCOL, camel

FINISH_IN: dict[str, FinishReason] = {
    "STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length",
    "SAFETY": "filtered", "RECITATION": "filtered", "BLOCKLIST": "filtered", "PROHIBITED_CONTENT": "filtered", "SPII": "filtered",
    "MODEL_ARMOR": "filtered", "ESCALATION": "filtered", "LANGUAGE": "filtered", "IMAGE_SAFETY": "filtered",
    "IMAGE_PROHIBITED_CONTENT": "filtered", "IMAGE_RECITATION": "filtered", "PUP_LIMITED_DISABLED": "refused",
    "MALFORMED_FUNCTION_CALL": "malformed_call", "UNEXPECTED_TOOL_CALL": "malformed_call", "TOO_MANY_TOOL_CALLS": "malformed_call",
    "MISSING_THOUGHT_SIGNATURE": "malformed_call", "MALFORMED_RESPONSE": "malformed_call",
    "OTHER": "other", "IMAGE_OTHER": "other", "NO_IMAGE": "other", "FINISH_REASON_UNSPECIFIED": "other",
}
FINISH_OUT: dict[FinishReason, str] = {
    "stop": "STOP", "stop_sequence": "STOP", "tool_call": "STOP", "length": "MAX_TOKENS", "context_full": "MAX_TOKENS",
    "filtered": "SAFETY", "refused": "PROHIBITED_CONTENT", "malformed_call": "MALFORMED_FUNCTION_CALL", "paused": "OTHER", "other": "OTHER",
}
# Answers with numbers for enum words (`$alt=json;enum-encoding=int`); from 6 on Google's two APIs disagree.
_FINISH_NUMBERS = {0: "FINISH_REASON_UNSPECIFIED", 1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER"}


def decode_finish(word: Any, message: str | None, called: bool) -> Finish:
    """A candidate's `finishReason` and `finishMessage`. `called`: the answer holds a call the client is to run."""
    raw = None if word is None else _FINISH_NUMBERS.get(word, str(word)) if type(word) is int else str(word)
    reason: FinishReason = FINISH_IN.get(raw or "", "other")
    if called and reason in ("stop", "other") and raw in ("STOP", None):
        reason = "tool_call"
    return Finish(reason, raw, message)


def decode_blocked(feedback: Json) -> Finish:
    """`promptFeedback` of a prompt that got no candidates."""
    word = feedback.get("blockReason") or feedback.get("block_reason")
    message = feedback.get("blockReasonMessage") or feedback.get("block_reason_message")
    return Finish("filtered", str(word), message if isinstance(message, str) else f"the prompt was blocked: {word}")


ENDINGS = Words(frozenset(FINISH_OUT) - {"paused", "refused"}, detail=True)


def encode_finish(finish: Finish, ledger: Ledger) -> str:
    """The word for a finish: Google's own where it was one, else the nearest."""
    raw = finish.raw
    if raw in FINISH_IN and (FINISH_IN[raw] == finish.reason or (raw == "STOP" and finish.reason == "tool_call")):
        return raw
    word = FINISH_OUT[finish.reason]
    report_ending(finish, word, ENDINGS, ledger)
    return word


def decode_usage(value: Any) -> Usage | None:
    """`usageMetadata` -> Usage; None where it counts nothing."""
    if type(value) is not dict:
        return None
    counts = {camel(name): count for name, count in value.items() if type(count) is int}
    if not counts:
        return None
    thoughts = counts.get("thoughtsTokenCount")
    given = counts.get("promptTokenCount", 0) + counts.get("toolUsePromptTokenCount", 0)
    return Usage(
        given,
        # Vertex may leave the thoughts out and still have them in the total.
        max(counts.get("candidatesTokenCount", 0) + (thoughts or 0), counts.get("totalTokenCount", 0) - given),
        cache_read=counts.get("cachedContentTokenCount"), reasoning=thoughts, protocol=PROTOCOL,
        raw={name: count for name, count in value.items() if count is not None},
    )


TIER_IN = {"standard": "default", "flex": "flex", "priority": "priority", "unspecified": "auto"}
TIER_OUT = {"default": "standard", "flex": "flex", "priority": "priority", "auto": None}
"""Neutral tier -> Google's word (read without regard to case); None: what happens anyway."""


def decode_service_tier(value: Any) -> str | None:
    """The tier an answer was served on stands in its usage."""
    tier = value.get("serviceTier") if type(value) is dict else None
    return TIER_IN.get(tier.lower()) if type(tier) is str else None


def encode_usage(usage: Usage) -> Json:
    """Usage -> `usageMetadata`; Google's own object as it came."""
    if usage.protocol == PROTOCOL and usage.raw is not None:
        return usage.raw
    out: Json = {"promptTokenCount": usage.input_total, "candidatesTokenCount": max(0, usage.output_total - (usage.reasoning or 0))}
    if usage.reasoning is not None:
        out["thoughtsTokenCount"] = usage.reasoning
    if usage.cache_read is not None:
        out["cachedContentTokenCount"] = usage.cache_read
    out["totalTokenCount"] = usage.input_total + usage.output_total
    return out
