"""`usage` <-> Usage, and the words for why an answer ended.

`prompt_tokens` includes cached tokens and `completion_tokens` reasoning tokens (openai 3.54.0 `types/completion_usage.py`). Dialects
that leave one of them out show it by a `total_tokens` that is larger than the sum by just that count: xAI leaves out reasoning,
Mistral audio (recordings, November 2026).
"""

from typing import Any

from ...hub.response import FinishReason, Usage
from ..ending import Words
from .wire import PROTOCOL

FINISH_IN: dict[str, FinishReason] = {
    "stop": "stop",
    "": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "tool_use": "tool_call",
    "content_filter": "filtered",
    "sensitive": "filtered",
    "refusal": "refused",
    "error": "malformed_call",
    "network_error": "other",
    "insufficient_system_resource": "other",
}
"""`finish_reason` -> why. Words nobody knows are `other`."""

FINISH_OUT: dict[FinishReason, str] = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_call": "tool_calls",
    "refused": "content_filter",
    "filtered": "content_filter",
    "paused": "stop",
    "context_full": "length",
    "malformed_call": "error",
    "other": "stop",
}
ENDINGS = Words(frozenset(FINISH_OUT) - {"paused", "other"})
"""A stop sequence that matched is a `stop` here, an overflowing context a `length`, as they are for OpenAI's own."""


def decode_finish(word: str, *, has_calls: bool, has_refusal: bool) -> FinishReason:
    """An answer with calls never reports plain `stop`, whatever the word; one with a refusal says `refused`."""
    reason = FINISH_IN.get(word, "other")
    if reason == "stop" or reason == "other":
        if has_calls:
            return "tool_call"
        if has_refusal:
            return "refused"
    return reason


def encode_finish(reason: FinishReason, *, has_refusal: bool, legacy: bool = False) -> str:
    """A refusal in words is `stop` beside `message.refusal`, as OpenAI does; one without words can only be `content_filter`."""
    if reason == "refused" and has_refusal:
        return "stop"
    if reason == "tool_call" and legacy:
        return "function_call"
    return FINISH_OUT[reason]


def decode_usage(raw: dict[str, Any]) -> Usage:
    """Any dialect's `usage`. Counts that are null or missing are 0 in the totals and None in the parts."""
    prompt = _count(raw, "prompt_tokens") or 0
    completion = _count(raw, "completion_tokens") or 0
    asked = raw.get("prompt_tokens_details")
    given = raw.get("completion_tokens_details")
    asked = asked if isinstance(asked, dict) else {}
    given = given if isinstance(given, dict) else {}
    read = _first(asked, "cached_tokens", raw, "prompt_cache_hit_tokens", "cache_read_input_tokens", "num_cached_tokens")
    write = _first(asked, "cache_write_tokens", raw, "cache_creation_input_tokens")
    reasoning = _first(given, "reasoning_tokens", raw, "reasoning_tokens")
    beyond = (_count(raw, "total_tokens") or 0) - prompt - completion
    if beyond > 0:
        if beyond == reasoning:
            completion += beyond
        elif beyond in (_count(asked, "audio_tokens"), (read or 0) + (write or 0)):
            prompt += beyond
    # Some servers count more reasoning than output, and their total agrees with the output.
    reasoning = reasoning if reasoning is None else min(reasoning, completion)
    return Usage(prompt, completion, read, write, None, reasoning, raw, PROTOCOL)


def encode_usage(usage: Usage) -> dict[str, Any]:
    """OpenAI's counts; from an upstream of this protocol also whatever else it said."""
    own = usage.protocol == PROTOCOL and usage.raw is not None
    out = dict(usage.raw) if own and usage.raw else {}
    out["prompt_tokens"] = usage.input_total
    out["completion_tokens"] = usage.output_total
    out["total_tokens"] = usage.input_total + usage.output_total
    asked = {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write}
    _merge_counts(out, "prompt_tokens_details", asked, own)
    _merge_counts(out, "completion_tokens_details", {"reasoning_tokens": usage.reasoning}, own)
    return out


def _merge_counts(out: dict[str, Any], name: str, counts: dict[str, int | None], own: bool) -> None:
    """The parts of a total. `own`: what the server said of them stands as it is."""
    said = {k: v for k, v in counts.items() if v is not None}
    there = out.get(name)
    if said:
        said = {**said, **there} if own and isinstance(there, dict) else {**there, **said} if isinstance(there, dict) else said
        out[name] = said
    elif there is None:
        out.pop(name, None)


def _count(raw: dict[str, Any], name: str) -> int | None:
    value = raw.get(name)
    return value if type(value) is int else None


def _first(details: dict[str, Any], field: str, raw: dict[str, Any], *others: str) -> int | None:
    """The count in the details, else under one of its names in the dialects."""
    value = _count(details, field)
    if value is not None:
        return value
    for other in others:
        value = _count(raw, other)
        if value is not None:
            return value
    return None
