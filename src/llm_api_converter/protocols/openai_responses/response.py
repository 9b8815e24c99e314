"""A Response object <-> Response: output items <-> parts, status <-> finish, usage, and the echo of the request it carries.

    decode_response(bytes) -> Response          encode_response(Response, Answer, Ledger) -> bytes

A `failed` answer is raised as the error it is. Fields that repeat the request or keep the provider's books are bookkeeping; whatever
else nobody knows rides in `extras`. Source: openai 3.54.0 `types/responses/response.py`, `response_usage.py` (November 2026).
"""

from typing import Any

import msgspec

from ...hub.errors import ApiError
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Extras, Part, Refusal, ToolCall
from ...hub.request import Request
from ...hub.response import Finish, FinishReason, Response, Usage
from ..base import UNREADABLE, Answer
from ..decoration import nothing_filtered, says_nothing
from ..ending import Words, report_ending
from .errors import answer_error, error_code
from .items import decode_item
from .output import Writer
from .request import SHOWN, encode_text
from .tools import encode_tool_choice, encode_tools
from .wire import PROTOCOL, WORDING, decode_json, encode_json, encode_tier, worded

TAKEN = frozenset({"id", "object", "created_at", "status", "error", "incomplete_details", "model", "output", "usage", "service_tier"})

ECHO = frozenset(
    {
        "background", "billing", "completed_at", "context_management", "conversation", "frequency_penalty", "include", "input",
        "instructions", "max_output_tokens", "max_tool_calls", "metadata", "output_text", "parallel_tool_calls", "presence_penalty",
        "previous_response_id", "prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning",
        "safety_identifier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation", "user",
    }
)
"""Fields of an answer that repeat the request, or say how the provider filed it."""

REASONS_IN: dict[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "filtered"}
STATUS_IN: dict[str, FinishReason] = {"completed": "stop", "complete": "stop"}

FINISH_OUT: dict[FinishReason, tuple[str, str | None]] = {
    "stop": ("completed", None),
    "stop_sequence": ("completed", None),
    "tool_call": ("completed", None),
    "length": ("incomplete", "max_output_tokens"),
    "context_full": ("incomplete", "max_output_tokens"),
    "refused": ("incomplete", "content_filter"),
    "filtered": ("incomplete", "content_filter"),
    "paused": ("completed", None),
    "malformed_call": ("failed", None),
    "other": ("completed", None),
}
"""Why it ended -> `status`, `incomplete_details.reason`. A refusal in the model's own words is a completed answer."""

"""Words of other protocols for a tier -> this protocol's."""

MALFORMED = "the model wrote a tool call that cannot be read"


# ---------------------------------------------------------------------------------------------------------------- decode


def decode_response(body: bytes) -> Response:
    """A whole answer. Raises the answer's own error, or `upstream_failed` for what is no answer."""
    try:
        answer = decode_json(body)
    except UNREADABLE as e:
        raise ApiError("upstream_failed", f"the upstream's answer is not JSON: {e}") from e
    if type(answer) is not dict or type(answer.get("output")) is not list:
        if isinstance(answer, dict) and answer.get("error"):
            raise answer_error(answer["error"])
        raise ApiError("upstream_failed", "the upstream's answer is no Responses object: it has no `output`")
    return decode_answer(answer)


def decode_answer(answer: dict[str, Any]) -> Response:
    """A parsed Response object."""
    if answer.get("status") == "failed" or (answer.get("error") and not answer["output"]):
        raise answer_error(answer.get("error"))
    parts: list[Part] = []
    try:
        for item in answer["output"]:
            parts.extend(decode_item(item, ""))
    except ApiError as e:
        raise ApiError("upstream_failed", f"the upstream's answer cannot be read: {e.message}") from e
    return Response(
        _text(answer.get("id")),
        _text(answer.get("model")),
        tuple(parts),
        decode_finish(answer, calls=any(map(is_client_call, parts)), refusal=any(isinstance(x, Refusal) for x in parts)),
        decode_usage(answer.get("usage")),
        _text(answer.get("service_tier")) or None,
        decode_time(answer.get("created_at")),
        decode_echo(answer),
    )


def is_client_call(part: Part) -> bool:
    """Does the client have to run it?"""
    return isinstance(part, ToolCall) and part.runs == "client"


def decode_finish(answer: dict[str, Any], *, calls: bool, refusal: bool) -> Finish:
    """`status` and `incomplete_details`. `raw` is the reason where one is given, else the status."""
    status = _text(answer.get("status"))
    details = answer.get("incomplete_details")
    reason = _text(details.get("reason")) if isinstance(details, dict) else ""
    if status == "incomplete":
        return Finish(REASONS_IN.get(reason, "other"), reason or status, extras=_details(details))
    found = STATUS_IN.get(status, "other")
    if found == "stop":
        found = "tool_call" if calls else "refused" if refusal else "stop"
    return Finish(found, status)


def _details(details: Any) -> Extras | None:
    """What `incomplete_details` says besides the reason."""
    rest = {k: v for k, v in details.items() if k != "reason" and v is not None} if isinstance(details, dict) else {}
    return {PROTOCOL: rest} if rest else None


def decode_usage(raw: Any) -> Usage | None:
    """Totals include cached and reasoning tokens here, as in the hub."""
    if type(raw) is not dict:
        return None
    given, made = raw.get("input_tokens_details"), raw.get("output_tokens_details")
    given = given if isinstance(given, dict) else {}
    made = made if isinstance(made, dict) else {}
    return Usage(
        _count(raw, "input_tokens") or 0,
        _count(raw, "output_tokens") or 0,
        _count(given, "cached_tokens"),
        _count(given, "cache_write_tokens"),
        reasoning=_count(made, "reasoning_tokens"),
        raw=raw,
        protocol=PROTOCOL,
    )


def _count(counts: dict[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if type(value) is int else None


def decode_time(value: Any) -> int | None:
    """Seconds since 1970; some servers write them as a float."""
    return int(value) if type(value) is int or type(value) is float else None


def decode_echo(answer: dict[str, Any], *, early: bool = False) -> Extras | None:
    """Everything but what the hub has a place for. Nulls are kept: an echo says them. `early`: of an answer that has only begun, where
    what says nothing yet will be said again.
    """
    words: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for name, value in answer.items():
        if name in TAKEN:
            continue
        if name in ECHO:
            words[name] = value
        elif says_nothing(value) or (name == "content_filters" and nothing_filtered(value)):
            if not early:
                words[name] = value
        else:
            rest[name] = value
    return {WORDING: words, PROTOCOL: rest} if rest else {WORDING: words}


def _text(value: Any) -> str:
    return value if type(value) is str else ""


# ---------------------------------------------------------------------------------------------------------------- encode


def encode_response(response: Response, answer: Answer, ledger: Ledger) -> bytes:
    """A whole Response object."""
    response_id = encode_id(response.id, response.extras, answer)
    writer = Writer(answer, ledger)
    for part in response.parts:
        writer.add(part)
    output = writer.finish(response.finish)
    return encode_json(encode_answer(response, response_id, output, answer, encode_echo(answer, response.extras), ledger))


def encode_id(given: str, extras: Extras | None, answer: Answer) -> str:
    """The upstream's own id where it is one of this protocol, else a new one."""
    return given if given and (given.startswith("resp_") or worded(extras)) else answer.new_id("resp_")


def encode_answer(
    response: Response, response_id: str, output: list[dict[str, Any]], answer: Answer, echo: dict[str, Any], ledger: Ledger
) -> dict[str, Any]:
    """The Response object of a finished answer."""
    status, reason = encode_status(response.finish, refusal=any(isinstance(x, Refusal) for x in response.parts), ledger=ledger)
    details = {"reason": reason, **unknown_extras(response.finish.extras, PROTOCOL, "", ledger)} if reason else None
    error = {"code": "server_error", "message": MALFORMED} if status == "failed" else None
    body = skeleton(response_id, status, answer, echo, created_s=response.created_s)
    body["error"], body["incomplete_details"], body["output"] = error, details, output
    if response.usage is not None or not worded(response.extras):
        # Clients demand counts in a finished answer: unknown ones are the estimate, and none.
        body["usage"] = encode_usage(response.usage or Usage(answer.input_estimate))
    tier = encode_tier(response.service_tier, response.extras, ledger)
    if tier is not None:
        body["service_tier"] = tier
    body.update(unknown_extras(response.extras, PROTOCOL, "", ledger))
    return body


ENDINGS = Words(frozenset(FINISH_OUT) - {"paused", "other"})
OWN_ENDINGS = Words(frozenset({"other"}))


def encode_status(finish: Finish, *, refusal: bool, ledger: Ledger) -> tuple[str, str | None]:
    """(`status`, `incomplete_details.reason`). Words of this protocol come back as they were."""
    status, reason = _status(finish, refusal=refusal)
    own = finish.reason == "other" and (finish.raw == status or (reason is not None and finish.raw == reason))
    report_ending(finish, status, OWN_ENDINGS if own else ENDINGS, ledger)
    return status, reason


def _status(finish: Finish, *, refusal: bool) -> tuple[str, str | None]:
    if finish.reason == "refused" and refusal:
        return "completed", None
    if finish.reason == "other" and finish.raw in ("queued", "in_progress", "cancelled"):
        return finish.raw, None
    if finish.reason == "other" and finish.raw in ("max_messages", "steered", "incomplete"):
        return "incomplete", finish.raw if finish.raw != "incomplete" else None
    return FINISH_OUT[finish.reason]


def skeleton(response_id: str, status: str, answer: Answer, echo: dict[str, Any], *, created_s: int | None) -> dict[str, Any]:
    """A Response object with nothing in it yet."""
    return {
        "id": response_id,
        "object": "response",
        "created_at": answer.created_s if created_s is None else created_s,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": answer.model,
        "output": [],
        "usage": None,
        **echo,
    }


def failed_answer(response_id: str, error: ApiError, output: list[dict[str, Any]], answer: Answer, echo: dict[str, Any]) -> dict[str, Any]:
    """The Response object of an answer that broke."""
    body = skeleton(response_id, "failed", answer, echo, created_s=None)
    body["output"] = output
    body["error"] = error_code(error)
    return body


def encode_usage(usage: Usage) -> dict[str, Any]:
    """Counts not said are 0: the protocol demands them. From an upstream of this protocol, what it said."""
    if usage.protocol == PROTOCOL and usage.raw is not None:
        return usage.raw
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": {"cached_tokens": usage.cache_read or 0, "cache_write_tokens": usage.cache_write or 0},
        "output_tokens": usage.output_total,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": usage.input_total + usage.output_total,
    }


def encode_echo(answer: Answer, extras: Extras | None) -> dict[str, Any]:
    """The request as the answer repeats it: an upstream of this protocol said so itself, else the client's own request is read."""
    words = worded(extras)
    if words:
        return {**{name: value for name, value in REQUIRED.items() if name not in words}, **words}
    return {**REQUIRED, **_request_echo(answer.request)} if answer.request is not None else REQUIRED


REQUIRED: dict[str, Any] = {
    "instructions": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
}
"""What an answer must have, with the value that says "not said"."""


def _request_echo(request: Request) -> dict[str, Any]:
    """Encoded as it would be sent on, for an upstream that takes everything; what cannot be said is not the answer's loss."""
    unheard = Ledger()
    first = request.messages[0] if request.messages else None
    instructions = None
    if first is not None and first.spelled == "instructions" and first.parts:
        instructions = getattr(first.parts[0], "text", None)
    tools = encode_tools(request.tools, Facts(cache_marks=4), unheard)[0]
    ask = request.reasoning
    echo: dict[str, Any] = {
        "instructions": instructions,
        "max_output_tokens": request.max_tokens,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tools is not False,
        "previous_response_id": None,
        "reasoning": {"effort": ask.effort if ask else None, "summary": _shown(request)},
        "store": request.store is not False,
        "temperature": request.sampling.temperature,
        "tool_choice": encode_tool_choice(request.tool_choice, request.tools, "tool_choice", unheard) if request.tool_choice else "auto",
        "tools": msgspec.Raw(encode_json(tools)),
        "top_p": request.sampling.top_p,
        "truncation": "disabled",
        "user": request.user,
    }
    own = (request.extras or {}).get(PROTOCOL) or {}
    echo.update({name: value for name, value in own.items() if name in ECHO})
    echo["text"] = _text_echo(request)
    return echo


def _shown(request: Request) -> str | None:
    ask = request.reasoning
    if ask is None or ask.show is None:
        return None
    return worded(ask.extras).get("summary") or SHOWN.get(ask.show)


def _text_echo(request: Request) -> dict[str, Any]:
    return {"format": {"type": "text"}, **encode_text(request)}
