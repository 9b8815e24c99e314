"""Whole answers: a `GenerateContentResponse` <-> `Response`.

Only the first candidate is read: the gateway asks for one. Fields of the candidate that have no neutral form ride in the answer's
extras under their dotted names (`candidates[0].groundingMetadata`); those no other protocol could miss are kept as wording.
Source: https://ai.google.dev/api/generate-content#generatecontentresponse, google-genai `types` (read November 2026).
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from ...hub.errors import ApiError
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Extras, Found, Opaque, Page, Part, Text, ToolCall, ToolResult, wording
from ...hub.response import Finish, Response
from ...hub.runs import queries_of, settled
from ..base import UNREADABLE, Answer, Json
from .errors import decode_status, find_error
from .grounding import BESIDE, GroundingWriter, decode_runs, unsaid, with_citations
from .outcome import decode_blocked, decode_finish, decode_service_tier, decode_usage, encode_finish, encode_usage
from .parts import MINTED, CallIds, decode_part, parts_list
from .spelling import PROTOCOL, REALM, GeminiFields
from .written import PartWriter

CANDIDATE = "candidates[0]."
# Fields that say nothing another protocol's client could miss: times, positions, ratings nobody asked for.
WORDING = frozenset({
    "createTime", "modelStatus", "promptFeedback", "avgLogprobs", "safetyRatings", "tokenCount", "usageMetadata",
    # Told as citations, searches and pages that were opened.
    "groundingMetadata", "urlContextMetadata",
})
END_OF_TIME = 253_402_300_800
"""Seconds since 1970 at the end of the year 9999: no date is written beyond (some servers count milliseconds)."""
GROUNDING = CANDIDATE + "groundingMetadata"
EMPTY: tuple[Json, ...] = ({"text": ""}, {"text": "", "thought": True})


def decode_response(body: bytes) -> Response:
    """A whole answer -> Response. Raises ApiError for an error inside a 200 and for what is no answer."""
    try:
        value: Any = msgspec.json.decode(body)
    except UNREADABLE as error:
        raise ApiError("upstream_failed", f"the upstream's answer is no JSON: {error}") from error
    status = find_error(value)
    if status is not None:
        raise decode_status(200, {}, status, body)
    if type(value) is not dict:
        raise ApiError("upstream_failed", "the upstream's answer is no JSON object")
    try:
        return _decode(GeminiFields(value, ""))
    except ApiError as error:
        if error.kind != "invalid":
            raise
        raise ApiError("upstream_failed", f"the upstream's answer is malformed: {error.message}") from error


def encode_response(response: Response, answer: Answer, ledger: Ledger) -> bytes:
    """Response -> body."""
    grounding = GroundingWriter(ledger)
    writer = AnswerWriter(ledger, grounding)
    parts: list[Json] = []
    for part in response.parts:
        if isinstance(part, Text):
            grounding.add(part.text, part.citations)
            parts.extend(writer.text(part))
        else:
            parts.extend(writer.write(part))
    parts = [part for part in parts if part not in EMPTY]
    out = encode_end(response, parts, grounding, answer, ledger)
    return msgspec.json.encode(out)


def encode_end(response: Response, parts: list[Json], grounding: GroundingWriter, answer: Answer, ledger: Ledger) -> Json:
    """The last object of an answer: `parts`, the finish, the usage. `response`'s own parts are not looked at, but for whether there
    are any.
    """
    own = dict(unknown_extras(response.extras, PROTOCOL, "", ledger))
    own.update((response.extras or {}).get(wording(PROTOCOL), {}))
    out: Json = {}
    if not (_blocked(own.get("promptFeedback")) and not response.parts):
        word = encode_finish(response.finish, ledger)
        candidate: Json = {"content": {"parts": parts or [{"text": ""}], "role": "model"}, "finishReason": word, "index": 0}
        if response.finish.detail is not None:
            candidate["finishMessage"] = response.finish.detail
        cited = grounding.metadata()
        if cited is not None and CANDIDATE + "groundingMetadata" not in own and CANDIDATE + "citationMetadata" not in own:
            candidate["groundingMetadata"] = cited
        pages = grounding.pages()
        if pages is not None and CANDIDATE + "urlContextMetadata" not in own:
            candidate["urlContextMetadata"] = pages
        candidate.update(
            (name.removeprefix(CANDIDATE), value) for name, value in own.items() if name.startswith(CANDIDATE) and not _is_leaf(name)
        )
        candidate.update(unknown_extras(response.finish.extras, PROTOCOL, "finish", ledger))
        out["candidates"] = [candidate]
    if response.usage is not None:
        out["usageMetadata"] = encode_usage(response.usage)
        if response.usage.cache_write:
            ledger.drop("usage.cache_write", "cache_write", "tuning", "counted as input")
    elif answer.input_estimate:
        # The upstream counted nothing; clients that watch their context get the estimate.
        out["usageMetadata"] = {"promptTokenCount": answer.input_estimate, "totalTokenCount": answer.input_estimate}
    if response.service_tier not in (None, "default", "auto") and (response.usage is None or response.usage.protocol != PROTOCOL):
        # Google's own answers have it inside the usage, where its SDK's types refuse it: only passed on, never added.
        ledger.drop("service_tier", "service_tier", "tuning")
    out["modelVersion"] = answer.model
    out["responseId"] = response.id or answer.new_id("")
    if response.created_s is not None and 0 <= response.created_s < END_OF_TIME:
        out["createTime"] = datetime.fromtimestamp(response.created_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    out.update((name, value) for name, value in own.items() if not name.startswith(CANDIDATE))
    return out


class AnswerWriter(PartWriter):
    """Writes parts of answers: our seals and Google's own signatures go out, reasoning is shown, searches stand beside the content."""

    __slots__ = ("grounding",)

    def __init__(self, ledger: Ledger, grounding: GroundingWriter) -> None:
        super().__init__(ledger, echoed, {})
        self.grounding = grounding

    def write(self, part: Part) -> list[Json]:
        """One neutral part as parts of the content; none of what stands beside it."""
        if isinstance(part, (ToolCall, ToolResult)) and part.runs == "provider":
            words = (part.extras or {}).get(wording(PROTOCOL))
            if words is not None and BESIDE in words:
                return []
            if words is None and self._beside(part):
                unknown_extras(part.extras, PROTOCOL, "", self.ledger)
                return self.signed(None, part.tokens, "") if isinstance(part, ToolCall) else []
        return super().write(part)

    def _beside(self, part: ToolCall | ToolResult) -> bool:
        """A search or a page of another provider. Google says no more of what it found than address and title."""
        if isinstance(part, ToolCall):
            if part.name not in ("web_search", "web_fetch"):
                return False
            # A page is told by its result, which knows whether it could be had.
            self.grounding.searched(queries_of(part))
            return True
        match settled(part):
            case Found(hits):
                self.grounding.found(hits)
                if any(hit.snippet or hit.age for hit in hits):
                    self.ledger.approximate("content", "web_search_result", "tools", "sources are named by address and title")
                return True
            case Page(url, _, text):
                self.grounding.opened(url, part.is_error is not True)
                if text:
                    self.ledger.approximate("content", "web_fetch_result", "tools", "the page is named without what it holds")
                return True
        return False

    def text(self, part: Text) -> list[Json]:
        """Text without its citations, which stand beside the content."""
        return self.signed({"text": part.text, **unknown_extras(part.extras, PROTOCOL, "", self.ledger)}, part.tokens, "")


def echoed(token: Opaque) -> bool:
    """Is this a token a Gemini client can echo?"""
    return token.kind == "seal" or (token.realm == REALM and token.kind == "signature")


def sorted_extras(pairs: dict[str, Any]) -> Extras | None:
    """Fields of an answer nobody took, by whether losing them is worth reporting."""
    if not pairs:
        return None
    own = {name: value for name, value in pairs.items() if name.removeprefix(CANDIDATE) not in WORDING or _blocked(value)}
    words = {name: value for name, value in pairs.items() if name not in own}
    grounding = pairs.get(GROUNDING)
    if type(grounding) is dict:
        # Told as citations and searches, but for these.
        own.update((f"{GROUNDING}.{name}", value) for name, value in unsaid(grounding).items())
    return ({PROTOCOL: own} if own else {}) | ({wording(PROTOCOL): words} if words else {})


def answer_ids(response_id: str) -> CallIds:
    """Ids of calls Google gave none: the answer's own id makes them unique in a conversation."""
    return CallIds(f"{MINTED}{response_id}_" if response_id else MINTED, salted=not response_id)


def _is_leaf(name: str) -> bool:
    """A field of the grounding by itself, named for the report; the whole of it is written already."""
    return name.startswith(f"{GROUNDING}.")


def _decode(fields: GeminiFields) -> Response:
    response_id = fields.text("responseId") or ""
    model = fields.text("modelVersion") or ""
    usage = fields.take("usageMetadata")
    candidates = fields.array("candidates") or []
    left: Json = {}
    parts: list[Part] = []
    if candidates:
        candidate = GeminiFields(candidates[0], "candidates[0]")
        parts = _decode_content(candidate, response_id)
        candidate.take("index")
        word, message = candidate.take("finishReason"), candidate.text("finishMessage")
        rest = candidate.rest()
        grounding = rest.get("groundingMetadata")
        parts = with_citations(parts, grounding, rest.get("citationMetadata"))
        parts += decode_runs(grounding, rest.get("urlContextMetadata"), parts, answer_ids(response_id).prefix)
        left = {CANDIDATE + name: value for name, value in rest.items() if value != {}}
        if word is None and not parts:
            raise ApiError("upstream_incomplete", "the upstream's answer has neither content nor a finish reason")
        called = any(isinstance(part, ToolCall) and part.runs == "client" for part in parts)
        finish: Finish = decode_finish(word, message, called)
    else:
        feedback = fields.take("promptFeedback")
        if not _blocked(feedback):
            raise ApiError("upstream_failed", "the upstream's answer has no candidates")
        finish = decode_blocked(feedback)
        left["promptFeedback"] = feedback
    left.update(fields.rest())
    counted = decode_usage(usage)
    if counted is None and usage:
        left["usageMetadata"] = usage
    return Response(response_id, model, tuple(parts), finish, counted, decode_service_tier(usage), extras=sorted_extras(left))


def _decode_content(candidate: GeminiFields, response_id: str) -> list[Part]:
    content = candidate.sub("content")
    if content is None:
        return []
    ids = answer_ids(response_id)
    parts: list[Part] = []
    for value in parts_list(content.take("parts"), content.at("parts")):
        part = decode_part(value, "", ids, str(len(parts)))
        if value != {} and not (isinstance(part, Text) and not part.text and not part.tokens and not part.extras):
            parts.append(part)
    return parts


def _blocked(feedback: Any) -> bool:
    return type(feedback) is dict and bool(feedback.get("blockReason") or feedback.get("block_reason"))
