"""`generateContent` and `streamGenerateContent` requests, and `countTokens`.

In comes the JSON body (model and stream stand in the path), out goes a `Request`; and the other way round. Contents are turns of
role `user` or `model`; system text has a field of its own; results of calls are parts of a user turn and match calls by id, else by
name and order. Sources: https://ai.google.dev/api/generate-content, google-genai `models.py` (read November 2026).
"""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.fold import merge_extras
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import CacheMark, Message, Opaque, Part, Reasoning, Text, ToolCall, ToolResult, wording
from ...hub.request import Request
from ..base import Json, Wire
from ..fields import type_name
from .config import PATHS, Config, decode_config, encode_config
from .outcome import TIER_IN, TIER_OUT
from .parts import MINTED, NO_SIGNATURE, CallIds, decode_part, part_path, parts_list
from .spelling import PROTOCOL, REALM, GeminiFields
from .tools import decode_choice, decode_tools, encode_choice, encode_tools
from .written import PartWriter

# `function` and `tool` are older words for the turn that carries results.
ROLE_IN: dict[str, Literal["user", "assistant"]] = {"user": "user", "model": "assistant", "function": "user", "tool": "user"}


def decode_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] = {}
) -> Request:
    """A request body -> Request. Raises ApiError(invalid) naming the path."""
    fields = GeminiFields(body, "")
    named = fields.text("model")
    model = model or (named or "").removeprefix("models/")
    if not model:
        raise invalid("model", "required")
    paths: dict[str, str] = {}
    config_fields = fields.sub("generationConfig")
    config = Config() if config_fields is None else decode_config(config_fields)
    paths.update(config.paths)
    left = config.left
    tool_config = fields.sub("toolConfig")
    choice = None
    if tool_config is not None:
        choice, tool_left = decode_choice(tool_config, paths)
        left = left | tool_left
    messages = _decode_system(fields) + _decode_contents(fields)
    if not any(message.role != "system" for message in messages):
        raise fields.error("contents", "at least one content is required")
    if fields.renamed:
        paths.update(metadata=fields.at("labels"), service_tier=fields.at("serviceTier"))
    labels = fields.object("labels")
    word = fields.text("serviceTier")
    service_tier = None if word is None else TIER_IN.get(word.lower())
    if word is not None and service_tier is None:
        fields.put_back("serviceTier", word)
    tools = decode_tools(fields.take("tools"), fields.at("tools"))
    rest = fields.rest() | left
    return Request(
        model=model, messages=tuple(messages), tools=tools, tool_choice=choice, max_tokens=config.max_tokens, sampling=config.sampling,
        reasoning=config.reasoning, output=config.output, modalities=config.modalities, audio=config.audio, stream=bool(stream),
        service_tier=service_tier, metadata=labels, extras={PROTOCOL: rest} if rest else None,
        paths=PATHS | paths if paths else PATHS,
    )


def decode_count_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] = {}
) -> Request:
    """A `countTokens` body: a request flat, or inside `generateContentRequest`."""
    fields = GeminiFields(body, "")
    inner = fields.take("generateContentRequest")
    return decode_request(body if inner is None else inner, model=model, headers=headers)


def encode_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """Request -> path and body."""
    verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    return Wire(model_path(request.model, verb), _encode_body(request, facts, ledger))


def encode_count_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """Request -> `countTokens`. The Gemini API takes more than contents only inside `generateContentRequest`."""
    body = _encode_body(request, facts, ledger)
    if facts.count_request_wrapped and body.keys() != {"contents"}:
        body = {"generateContentRequest": {"model": resource(request.model), **body}}
    return Wire(model_path(request.model, "countTokens"), body)


def model_path(model: str, verb: str) -> str:
    """`/v1beta/models/MODEL:verb`, as google-genai builds it: `models/...` and `tunedModels/...` are taken as they are."""
    return f"/v1beta/{quote(resource(model), safe='/:@')}:{verb}"


def resource(model: str) -> str:
    """A model's resource name, as bodies and paths have it."""
    return model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"


def _decode_system(fields: GeminiFields) -> list[Message]:
    """`systemInstruction`: a string, a content, or a part."""
    value = fields.take("systemInstruction")
    if value is None:
        return []
    at = fields.at("systemInstruction")
    if type(value) is str:
        return [Message("system", (Text(value, at=at),), at=at)]
    content = GeminiFields(value, at)
    given, at_parts = (value, at) if content.has("text") else (content.take("parts"), content.at("parts"))
    raw = parts_list(given, at_parts)
    role = content.text("role")
    ids = CallIds(MINTED)
    parts = tuple(decode_part(part, part_path(given, at_parts, i), ids, f"s{i}") for i, part in enumerate(raw))
    extras = merge_extras(
        None if content.has("text") else content.extras(PROTOCOL), None if role is None else {wording(PROTOCOL): {"role": role}}
    )
    return [Message("system", parts, at=at, extras=extras)] if parts else []


def _decode_contents(fields: GeminiFields) -> list[Message]:
    """`contents`: a list of contents, one content, or a string."""
    path = fields.at("contents")
    value = fields.take("contents")
    if value is None:
        return []
    if type(value) is str:
        return [Message("user", (Text(value, at=path),), at=path)]
    ids = CallIds(MINTED)
    if type(value) is dict:
        return [_decode_content(value, path, ids, "0")]
    if type(value) is not list:
        raise invalid(path, f"expected an array, got {type_name(value)}")
    return [_decode_content(content, f"{path}[{i}]", ids, str(i)) for i, content in enumerate(value)]


def _decode_content(value: Any, path: str, ids: CallIds, where: str) -> Message:
    if type(value) is str:
        return Message("user", (Text(value, at=path),), at=path)
    extras = None
    at = f"{path}.parts"
    if type(value) is dict and len(value) == 2 and "parts" in value and "role" in value:
        word, raw = value["role"], value["parts"]
    else:
        fields = GeminiFields(value, path)
        word, raw = fields.take("role"), fields.take("parts")
        at, extras = fields.at("parts"), fields.extras(PROTOCOL)
    role = ROLE_IN.get(word or "user") if type(word or "") is str else None
    if role is None:
        raise invalid(f"{path}.role", f"expected user or model, got {word!r}")
    ids.next_turn()
    parts = tuple([decode_part(part, part_path(raw, at, i), ids, f"{where}_{i}") for i, part in enumerate(parts_list(raw, at))])
    if len(parts) > 1:
        parts = _results_first(parts) if role == "user" else tuple([part for part in parts if not _says_nothing(part)]) or parts[:1]
    if role == "assistant" and parts and all(_is_result(part) for part in parts):
        role = "user"
    return Message(role, parts, at=path, spelled=word if word in ("function", "tool") else None, extras=extras)


def _says_nothing(part: Part) -> bool:
    """The empty text that stands in the last frame of every stream, and so in what clients echo."""
    return isinstance(part, Text) and not (part.text or part.tokens or part.extras)


def _results_first(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Results of the client's own calls before everything else, as the hub has them."""
    ranks = [not _is_result(part) for part in parts]
    return parts if ranks == sorted(ranks) else tuple(sorted(parts, key=lambda part: not _is_result(part)))


def _encode_body(request: Request, facts: Facts, ledger: Ledger) -> Json:
    own = unknown_extras(request.extras, PROTOCOL, "", ledger)
    contents = _Contents(request, facts, ledger)
    body: Json = {"contents": contents.contents}
    if contents.system:
        body["systemInstruction"] = {"parts": contents.system, **contents.system_extras}
    tools = encode_tools(request, facts, ledger)
    if tools:
        body["tools"] = tools
    calling = encode_choice(request, tools, ledger)
    if calling is not None:
        body["toolConfig"] = {"functionCallingConfig": calling}
    config = encode_config(request, facts, ledger)
    if config:
        body["generationConfig"] = config
    _encode_tier(request, ledger, body)
    _encode_metadata(request, facts, ledger, body)
    _drop_unsaid(request, facts, ledger)
    for name, value in own.items():
        _put(body, name, value)
    return body


def _put(body: Json, dotted: str, value: Any) -> None:
    """Write an own extra at its dotted place."""
    *outer, last = dotted.split(".")
    for name in outer:
        body = body.setdefault(name, {})
    body[last] = value


def _encode_tier(request: Request, ledger: Ledger, body: Json) -> None:
    tier = request.service_tier
    if tier is not None and tier not in TIER_OUT:
        ledger.drop(request.path("service_tier"), "service_tier", "tuning", f"there is no tier {tier!r}")
    word = TIER_OUT.get(tier) if tier is not None else None
    if word is not None:
        body["serviceTier"] = word


def _encode_metadata(request: Request, facts: Facts, ledger: Ledger, body: Json) -> None:
    if request.metadata is None:
        return
    if facts.accepts_metadata:
        body["labels"] = request.metadata
    else:
        ledger.drop(request.path("metadata"), "metadata", "tuning", "the target takes no labels")


def _drop_unsaid(request: Request, facts: Facts, ledger: Ledger) -> None:
    """What a Gemini request has no words for. Beta flags name features of another protocol, which are reported where they stand."""
    if request.parallel_tools is False:
        ledger.drop(request.path("parallel_tools"), "parallel_tool_calls", "tools", "parallel calls cannot be turned off")
    if request.user is not None:
        ledger.drop(request.path("user"), "user", "privacy", "the target takes no end-user id")
    if request.store is False and facts.stores:
        ledger.drop(request.path("store"), "store", "privacy", "the target keeps answers and cannot be told not to")
    if request.store is True and not facts.stores:
        ledger.drop(request.path("store"), "store", "tuning", "the target does not keep answers on demand")
    if request.verbosity is not None:
        ledger.drop(request.path("verbosity"), "verbosity", "tuning", "the target takes no wordiness")
    if request.cache is not None:
        ledger.drop(request.path("cache"), "cache_control", "cache")
    if request.cache_key is not None:
        ledger.drop(request.path("cache_key"), "cache_key", "cache", "the target takes no cache key")


class _Contents:
    """Messages -> `contents` and the parts of `systemInstruction`. Neighbours of one role become one content."""

    def __init__(self, request: Request, facts: Facts, ledger: Ledger) -> None:
        self.contents: list[Json] = []
        self.system: list[Json] = []
        self.system_extras: Json = {}
        self._facts = facts
        self._ledger = ledger
        self._names: dict[str, str] = {}
        self._order: dict[str, int] = {}
        self._writer = PartWriter(ledger, self._accepts, self._names, facts.tool_result_media == "native")
        groups = self._groups(request)
        current = _current_turn(groups) if facts.signature_required_on_calls else len(groups)
        for index, (role, parts, own) in enumerate(groups):
            written = self._model_parts(parts, index > current) if role == "model" else self._user_parts(parts)
            if not written and not own:
                continue
            if self.contents and self.contents[-1]["role"] == role:  # what stood between them could not be said
                self.contents[-1]["parts"] += written
                self.contents[-1].update(own)
            else:
                self.contents.append({"role": role, "parts": written, **own})
        if not self.contents:
            ledger.repair(request.path("messages"), "messages", "content", "an empty user turn was added")
            self.contents.append({"role": "user", "parts": [{"text": ""}]})

    def _accepts(self, token: Opaque) -> bool:
        return token.kind == "signature" and (token.realm == REALM or token.realm in self._facts.accepts_realms)

    def _groups(self, request: Request) -> list[tuple[str, list[Part], Json]]:
        """(role, parts, own extras) of every content; system text is written on the way."""
        groups: list[tuple[str, list[Part], Json]] = []
        for message in request.messages:
            if message.name is not None:
                self._ledger.drop(f"{message.at}.name", "name", "unknown")
            own = unknown_extras(message.extras, PROTOCOL, message.at, self._ledger)
            if message.role == "system":
                self.system_extras.update(own, **(message.extras or {}).get(wording(PROTOCOL), {}))
                if groups:
                    self._ledger.approximate(message.at, "system_inline", "tuning", "moved to the beginning")
                for part in message.parts:
                    self.system.extend(self._write(part))
                continue
            for part in message.parts:
                if isinstance(part, ToolCall):
                    self._names[part.id] = part.name
                    self._order[part.id] = len(self._order)
            role = "user" if message.role == "user" else "model"
            if groups and groups[-1][0] == role:
                groups[-1][1].extend(message.parts)
                groups[-1][2].update(own)
            else:
                groups.append((role, list(message.parts), dict(own)))
        return groups

    def _write(self, part: Part) -> list[Json]:
        mark: CacheMark | None = getattr(part, "cache", None)
        if mark is not None:
            self._ledger.drop(mark.path(part.at), "cache_control", "cache")
        return self._writer.write(part)

    def _user_parts(self, parts: list[Part]) -> list[Json]:
        """Results first, in the order of their calls."""
        results = [part for part in parts if _is_result(part)]
        if len(results) > 1:
            results.sort(key=lambda result: self._order.get(getattr(result, "call_id", ""), len(self._order)))
        rest = [part for part in parts if not _is_result(part)] if results else parts
        return [written for part in (*results, *rest) for written in self._write(part)]

    def _model_parts(self, parts: list[Part], needs_signature: bool) -> list[Json]:
        """The signature of reasoning that is not sent goes to the first call after it, else to the part after it."""
        out: list[Json] = []
        carried: list[str] = []
        calls = any(_is_call(part) for part in parts)
        for part in parts:
            if isinstance(part, Reasoning) and self._facts.sends_reasoning_back == "never":
                carried.extend(self._reasoning_left_out(part))
                continue
            written = self._write(part)
            out.extend(written)
            if not written or (calls and not _is_call(part)):
                continue
            if carried and "thoughtSignature" not in written[0]:
                written[0]["thoughtSignature"] = carried.pop(0)
            if needs_signature and calls:
                needs_signature = False
                if "thoughtSignature" not in written[0]:
                    written[0]["thoughtSignature"] = NO_SIGNATURE
                    self._ledger.emulate(part.at, "thought_signature", "state", "the call is marked as having none")
        out.extend({"text": "", "thoughtSignature": signature} for signature in carried)
        return out

    def _reasoning_left_out(self, part: Reasoning) -> list[str]:
        unknown_extras(part.extras, PROTOCOL, part.at, self._ledger)
        if part.cache is not None:
            self._ledger.drop(part.cache.path(part.at), "cache_control", "cache")
        kept = self._writer.token(part.tokens, part.at)
        if not kept:
            self._ledger.drop(part.at, "redacted_thinking" if part.redacted else "thinking", "state", "the target does not take it back")
        return kept


def _is_call(part: Part) -> bool:
    return isinstance(part, ToolCall) and part.runs == "client"


def _is_result(part: Part) -> bool:
    return isinstance(part, ToolResult) and part.runs == "client"


def _current_turn(groups: list[tuple[str, list[Part], Json]]) -> int:
    """Where the current turn begins: at the last content in which the user says something. Google checks signatures after it."""
    for index in range(len(groups) - 1, -1, -1):
        role, parts, _ = groups[index]
        if role == "user" and any(not _is_result(part) for part in parts):
            return index
    return -1
