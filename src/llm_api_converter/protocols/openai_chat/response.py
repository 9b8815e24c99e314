"""`chat.completion` <-> Response.

Source: openai 3.54.0 `types/chat/chat_completion.py`, `chat_completion_message.py`; dialects from recordings (November 2026):
reasoning fields (`reasoning`), `images` (OpenRouter), content arrays (Mistral), `annotations` of type `file` (OpenRouter).
Fields nobody knows: of the object in `Response.extras`, of the message there as `message.field`, of the choice in `Finish.extras`.
One choice only; further ones are served on the pass-through path.
"""

from typing import Any

from msgspec.structs import replace

from ...hub.errors import ApiError
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Citation, Extras, Inline, Media, Opaque, Part, Reasoning, Refusal, Text, ToolCall, Url
from ...hub.response import Finish, Response, Usage
from ..base import UNREADABLE, Answer
from ..citing import lose_citations
from ..ending import report_ending
from ..fields import Fields
from .calls import encode_call, encode_extra_content
from .errors import decode_error_value
from .messages import History, decode_answer
from .parts import data_url, decode_data_url, put_extras
from .reasoning import encode_details
from .usage import ENDINGS, decode_finish, decode_usage, encode_finish, encode_usage
from .wire import PROTOCOL, REALM, WORDING, decode_json, decode_plain_answer, decode_tier, encode_json, encode_tier, leftovers, own_fields

PADDING = ("obfuscation", "p", "object")


def decode_response(body: bytes) -> Response:
    """A whole answer. Raises ApiError for an error inside a 200, and for what is no answer."""
    quick = _decode_quickly(body)
    if quick is not None:
        return quick
    try:
        value = decode_json(body)
    except UNREADABLE as e:
        raise ApiError("upstream_failed", f"the upstream's answer is not JSON: {e}") from e
    return decode_answer_object(value)


def _decode_quickly(body: bytes) -> Response | None:
    """The common answer through typed structs, a third of the work; None where it holds anything else. Same outcome as the slow way."""
    try:
        answer = decode_plain_answer(body)
    except UNREADABLE:
        return None
    if len(answer.choices) != 1 or answer.choices[0].message.annotations:
        return None
    choice = answer.choices[0]
    parts: list[Part] = [Text(choice.message.content)] if choice.message.content else []
    for call in choice.message.tool_calls or ():
        if not call.id:
            return None
        parts.append(ToolCall(call.id, call.function.name, call.function.arguments or "{}"))
    reason = decode_finish(choice.finish_reason, has_calls=bool(choice.message.tool_calls), has_refusal=False)
    words = {} if answer.system_fingerprint is None else {"system_fingerprint": answer.system_fingerprint}
    tier = decode_tier(answer.service_tier, words)
    return Response(
        answer.id, answer.model, tuple(parts), Finish(reason, choice.finish_reason), decode_usage(answer.usage) if answer.usage else None,
        tier, answer.created, {WORDING: words} if words else None,
    )  # fmt: skip


def decode_answer_object(value: Any) -> Response:
    """The parsed object."""
    if not isinstance(value, dict):
        raise ApiError("upstream_failed", "the upstream's answer is not a JSON object")
    if value.get("error"):
        raise decode_error_value(value)
    try:
        return _decode_answer(Fields(value, ""))
    except ApiError as e:
        raise ApiError("upstream_failed", f"the upstream's answer cannot be read: {e.message}") from e


def _decode_answer(f: Fields) -> Response:
    answer_id = f.text("id") or ""
    choices = f.array("choices")
    if not choices:
        raise ApiError("upstream_failed", "the upstream's answer has no choices")
    choice = Fields(choices[0], "choices[0]")
    message = Fields(choice.take("message") or choice.take("delta") or {}, "choices[0].message")
    parts, left = decode_message(message, answer_id)
    usage = f.object("usage")
    for name in PADDING:
        f.take(name)
    model, created, tier = f.text("model") or "", f.whole("created"), f.text("service_tier")
    extras = {**f.rest(), **left}
    tier = decode_tier(tier, extras)
    return Response(
        answer_id, model, parts, decode_finish_fields(choice, parts), decode_usage(usage) if usage else None, tier, created,
        leftovers(extras),
    )  # fmt: skip


def decode_message(f: Fields, owner: str) -> tuple[tuple[Part, ...], dict[str, Any]]:
    """All parts of the answer, and what is left of the message as `message.field`."""
    f.take("role")
    annotations, images = f.array("annotations"), f.array("images")
    parts = [_placeless(part) for part in decode_answer(f, owner, History())]
    if annotations:
        _cite(parts, annotations, f)
    media = [decode_image(Fields(x, f"{f.at('images')}[{i}]")) for i, x in enumerate(images or ())]
    if media:
        first_call = next((i for i, x in enumerate(parts) if isinstance(x, ToolCall)), len(parts))
        parts[first_call:first_call] = media
    return tuple(parts), {f"message.{k}": v for k, v in f.rest().items()}


def decode_finish_fields(choice: Fields, parts: tuple[Part, ...]) -> Finish:
    """Why it ended, and the choice's other fields (`logprobs`, `content_filter_results`, ...)."""
    word = choice.text("finish_reason")
    choice.take("index")
    choice.take("delta")
    has_calls, has_refusal = (any(isinstance(x, kind) for x in parts) for kind in (ToolCall, Refusal))
    reason = decode_finish("unsaid" if word is None else word, has_calls=has_calls, has_refusal=has_refusal)
    return Finish(reason, word, extras=leftovers(choice.rest()))


def decode_citation(value: dict[str, Any]) -> Citation | None:
    """`{"type": "url_citation", "url_citation": {...}}`; None for other types."""
    inner = value.get("url_citation")
    if type(inner) is not dict:
        return None
    f = Fields(inner, "")
    return Citation(
        f.text("url"), f.text("title"), f.text("content"), f.whole("start_index"), f.whole("end_index"), extras=f.extras(PROTOCOL)
    )


def decode_image(f: Fields) -> Media:
    """`{"type": "image_url", "image_url": {"url"}}` of an answer."""
    f.take("type")
    f.take("index")
    inner = Fields(f.required("image_url"), f.at("image_url"))
    source, media_type = decode_data_url(inner.text_required("url"))
    return Media("image", source, media_type, extras=f.extras(PROTOCOL))


def _placeless(part: Part) -> Part:
    """Parts of answers have no place in a client's request."""
    return replace(part, at="") if part.at else part


def _cite(parts: list[Part], annotations: list[Any], f: Fields) -> None:
    """Citations belong to the text; annotations of other types are kept as they are."""
    citations: list[Citation] = []
    others: list[Any] = []
    for value in annotations:
        citation = decode_citation(value) if type(value) is dict else None
        if citation is None:
            others.append(value)
        else:
            citations.append(citation)
    for i in range(len(parts) - 1, -1, -1):
        part = parts[i]
        if isinstance(part, Text) and citations:
            parts[i] = replace(part, citations=tuple(citations))
            citations = []
    left = others if not citations else annotations
    if left:
        f.put("annotations", left)


def encode_response(response: Response, answer: Answer, ledger: Ledger) -> bytes:
    """The object for a client."""
    written = Written(answer, ledger)
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for part in response.parts:
        for field, value in written.part(part):
            _add(message, field, value)
    choice: dict[str, Any] = {
        "index": 0, "message": message, "logprobs": None, "finish_reason": written.finish(response.finish),
    }  # fmt: skip
    put_extras(choice, choice_extras(response.finish, ledger))
    for field, value in written.late():
        _add(message, field, value)
    out: dict[str, Any] = {
        "id": response.id or answer.new_id("chatcmpl-"), "object": "chat.completion",
        "created": answer.created_s if response.created_s is None else response.created_s, "model": answer.model,
        "choices": [choice],
    }  # fmt: skip
    out["usage"] = encode_usage(response.usage or estimated(answer))
    tier = encode_tier(response.service_tier, "service_tier", ledger)
    if tier is not None:
        out["service_tier"] = tier
    outer, inner = answer_extras(response.extras, ledger)
    put_extras(message, inner)
    out.update(outer)
    return encode_json(out)


def _add(message: dict[str, Any], field: str, value: Any) -> None:
    """Text adds up, lists grow, everything else stands."""
    there = message.get(field)
    if there is None:
        message[field] = value
    elif type(value) is str or type(value) is list:
        message[field] = there + value
    else:
        message[field] = {**there, **value}


def estimated(answer: Answer) -> Usage:
    """Counts for an answer whose upstream gave none: clients look at them without asking whether they are there."""
    return Usage(answer.input_estimate)


def choice_extras(finish: Finish, ledger: Ledger) -> dict[str, Any]:
    """The choice's own further fields."""
    return own_fields(finish.extras, ledger)


def accepts_token(token: Opaque) -> bool:
    """What a client may hold for us: seals, and what came in on this wire."""
    return token.kind == "seal" or token.realm == REALM


class Written:
    """What of an answer has been written already: the numbers of calls and entries, the length of the text, what comes late.

    Plain answers and streams share it, so that both say the same. `part` gives `(message field, value)` pairs in order.
    """

    __slots__ = ("_answer", "_ledger", "annotations", "audio", "calls", "details", "images", "legacy", "length", "refused", "tokens")

    def __init__(self, answer: Answer, ledger: Ledger) -> None:
        self._answer = answer
        self._ledger = ledger
        self.calls = 0
        self.details = 0
        self.images = 0
        self.length = 0
        self.audio = False
        self.refused = False
        self.annotations: list[dict[str, Any]] = []
        self.tokens: list[Opaque] = []
        self.legacy = answer.request is not None and answer.request.paths.get("tools") == "functions"

    def part(self, part: Part) -> list[tuple[str, Any]]:
        """One whole part."""
        match part:
            case Text(text):
                self.cite(part, self.length, self.length + len(text))
                return [("content", text)] if text else []
            case Reasoning(text):
                return [*([("reasoning_content", text)] if text else []), *self.state(part)]
            case ToolCall():
                return self.call(part)
            case Refusal(text):
                self.refused = True
                unknown_extras(part.extras, PROTOCOL, part.at, self._ledger)
                return [("refusal", text)] if text else []
            case Media():
                return self.media(part)
            case _:
                self.lose(part)
                return []

    def finish(self, finish: Finish) -> str:
        """The word."""
        word = encode_finish(finish.reason, has_refusal=self.refused, legacy=self.legacy and self.calls > 0)
        report_ending(finish, word, ENDINGS, self._ledger)
        return word

    def cite(self, part: Text, start: int, end: int) -> None:
        """The text from `start` to `end` of all the content is written: its citations come late."""
        self.length = end
        self.tokens.extend(part.tokens)
        for citation in part.citations:
            self._annotate(citation, start, end)
        unknown_extras(part.extras, PROTOCOL, part.at, self._ledger)

    def state(self, part: Reasoning) -> list[tuple[str, Any]]:
        """Opaque state of a reasoning part whose text is written."""
        details = encode_details(part, self.details, accepts_token, self._ledger, plain=False)
        self.details += len(details)
        return [("reasoning_details", details)] if details else []

    def call(self, call: ToolCall) -> list[tuple[str, Any]]:
        """A call, whole."""
        if call.runs == "provider":
            self.lose(call)
            return []
        self.calls += 1
        value = encode_call(call, accepts_token, self._ledger)
        if self.legacy and self.calls == 1 and not call.custom:
            return [("function_call", value["function"])]
        return [("tool_calls", [value])]

    def media(self, part: Media) -> list[tuple[str, Any]]:
        """Sound goes to `audio` (one of them), images to `images`; Chat answers hold no other media."""
        url = data_url(part)
        if part.kind == "audio" and isinstance(part.source, Inline) and not self.audio:
            self.audio = True
            extras = unknown_extras(part.extras, PROTOCOL, part.at, self._ledger)
            head = {"id": self._answer.new_id("audio_"), "expires_at": self._answer.created_s, "transcript": ""}
            return [("audio", {**head, "data": part.source.data, **extras})]
        if part.kind == "image" and url is not None:
            self.images += 1
            image: dict[str, Any] = {"type": "image_url", "image_url": {"url": url}, "index": self.images - 1}
            put_extras(image, unknown_extras(part.extras, PROTOCOL, part.at, self._ledger))
            return [("images", [image])]
        self._ledger.drop(part.at, part.kind, "content")
        return []

    def late(self) -> list[tuple[str, Any]]:
        """What stands at the end of the message: annotations, and the state of visible text."""
        out: list[tuple[str, Any]] = []
        if self.annotations:
            out.append(("annotations", self.annotations))
        content = encode_extra_content(self.tokens, accepts_token, "", self._ledger)
        if content:
            out.append(("extra_content", content))
        return out

    def lose(self, part: Part) -> None:
        """A part Chat answers have no place for, by its own name."""
        name = getattr(part, "kind", None) or getattr(part, "name", None) or type(part).__name__.lower()
        provider_run = getattr(part, "runs", "client") == "provider"
        self._ledger.drop(getattr(part, "at", ""), name, "tools" if provider_run else "content")

    def _annotate(self, citation: Citation, start: int, end: int) -> None:
        """Offsets count from the beginning of all the content; a citation without offsets covers its whole part."""
        if citation.url is None:
            lose_citations("", self._ledger, "Chat cites addresses only")
            return
        inner: dict[str, Any] = {
            "start_index": start if citation.start is None else start + citation.start,
            "end_index": end if citation.end is None else start + citation.end,
            "title": citation.title or "", "url": citation.url,
        }  # fmt: skip
        if citation.quote is not None:
            inner["content"] = citation.quote
        inner.update(unknown_extras(citation.extras, PROTOCOL, "", self._ledger))
        self.annotations.append({"type": "url_citation", "url_citation": inner})


def answer_extras(extras: Extras | None, ledger: Ledger) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields of the object, and fields of the message, that the decoder did not know."""
    own = own_fields(extras, ledger)
    outer = {k: v for k, v in own.items() if not k.startswith("message.")}
    return outer, {k[8:]: v for k, v in own.items() if k.startswith("message.")}


def media_start(url: str) -> Media:
    """An image of a stream, before its data."""
    source, media_type = decode_data_url(url)
    return Media("image", Inline("") if isinstance(source, Inline) else Url(url), media_type)
