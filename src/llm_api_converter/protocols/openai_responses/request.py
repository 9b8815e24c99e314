"""A request of the Responses API <-> Request.

    decode_request(body) -> Request          encode_request(Request, Facts, Ledger) -> Wire("/responses", body)

Fields that only this protocol has (`previous_response_id`, `conversation`, `background`, `truncation`, `top_logprobs`, ...) ride in
`extras`. Source: openai 3.54.0 `types/responses/response_create_params.py`, `input_token_count_params.py` (November 2026).
"""

from collections.abc import Mapping
from typing import Any

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.request import OutputFormat, ProviderTool, ReasoningAsk, Request, Sampling
from ..base import Wire
from ..fields import Fields
from .history import ToolItem, decode_input, encode_input
from .tools import decode_tool_choice, decode_tools, encode_tool_choice, encode_tools, without_choice
from .wire import PROTOCOL, WORDING, encode_tier, extras_of, put_own, worded

ENCRYPTED = "reasoning.encrypted_content"
SOURCES = "web_search_call.action.sources"
PATHS: Mapping[str, str] = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "parallel_tools": "parallel_tool_calls",
    "output": "text.format",
    "output.schema": "text.format.schema",
    "verbosity": "text.verbosity",
    "cache_key": "prompt_cache_key",
    "reasoning.mode": "reasoning.effort",
    "reasoning.show": "reasoning.summary",
}
PATHS_SAFETY: Mapping[str, str] = {**PATHS, "user": "safety_identifier"}

NOT_SAMPLED = ("top_k", "seed", "frequency_penalty", "presence_penalty")
"""Fields of Sampling this API does not have."""

COUNTED = frozenset(
    {
        "conversation", "input", "instructions", "model", "parallel_tool_calls", "previous_response_id", "reasoning", "text", "tool_choice",
        "tools", "truncation", "personality",
    }
)
"""What `/responses/input_tokens` takes."""

SHOWN: dict[str, str] = {"summary": "auto", "full": "detailed"}


# ---------------------------------------------------------------------------------------------------------------- decode


def decode_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] | None = None
) -> Request:
    """A body of `POST /responses`."""
    return _decode(body, model, stream, headers, counting=False)


def decode_count_request(
    body: Any, *, model: str | None = None, stream: bool | None = None, headers: Mapping[str, str] | None = None
) -> Request:
    """A body of `POST /responses/input_tokens`; the model may be left out."""
    return _decode(body, model, stream, headers, counting=True)


def _decode(body: Any, model: str | None, stream: bool | None, _: Mapping[str, str] | None, *, counting: bool) -> Request:
    f = Fields(body, "")
    words: dict[str, Any] = {}
    named = f.text("model") or model or ""
    if not named and not counting:
        raise invalid("model", "required")
    said, declared = f.take("input"), f.array("tools")
    messages, items = decode_input(said, f.text("instructions"))
    tools = decode_tools(declared, items)
    words.update({name: [] for name, value in (("input", said), ("tools", declared)) if value == []})
    if items:
        words["items"] = [_kept(item) for item in items if item.item.get("type") == "additional_tools"]
    reasoning = _decode_reasoning(f)
    output, verbosity = _decode_text(f)
    user, paths = _decode_user(f, words)
    _decode_include(f, words)
    streaming = f.flag("stream")
    options = f.object("stream_options")
    if options is not None:
        words["stream_options"] = options
    return Request(
        named,
        messages,
        tools,
        decode_tool_choice(f.take("tool_choice")),
        f.flag("parallel_tool_calls"),
        f.whole("max_output_tokens"),
        Sampling(f.number("temperature"), f.number("top_p")),
        reasoning,
        output,
        stream=stream if stream is not None else streaming or False,
        service_tier=f.text("service_tier"),
        user=user,
        metadata=_decode_metadata(f),
        store=f.flag("store"),
        verbosity=verbosity,
        cache_key=f.text("prompt_cache_key"),
        extras={WORDING: words, PROTOCOL: rest} if (rest := f.rest()) else {WORDING: words},
        paths=paths,
    )


def _kept(item: ToolItem) -> dict[str, Any]:
    """An `additional_tools` item without its tools, and its place."""
    return {"index": item.index, "fields": {name: value for name, value in item.item.items() if name != "tools"}}


def _decode_reasoning(f: Fields) -> ReasoningAsk | None:
    ask = f.sub("reasoning")
    if ask is None:
        return None
    effort, summary, older = ask.text("effort"), ask.text("summary"), ask.text("generate_summary")
    words: dict[str, Any] = {}
    if summary is not None:
        words["summary"] = summary
    if older is not None:
        words["generate_summary"] = older
    mode = None if effort is None else "off" if effort == "none" else "on"
    show = "summary" if summary or older else None
    return ReasoningAsk(mode, effort, show=show, extras=extras_of(words, ask.rest()))  # type: ignore[arg-type]


def _decode_text(f: Fields) -> tuple[OutputFormat | None, str | None]:
    """`text`: the form of the answer, and how wordy it is."""
    text = f.sub("text")
    if text is None:
        return None, None
    verbosity, form = text.text("verbosity"), text.sub("format")
    for name, value in text.rest().items():
        f.keep(f"text.{name}", value)
    if form is None:
        return None, verbosity
    kind = form.text_required("type")
    if kind == "json_schema":
        schema = form.object("schema")
        output = OutputFormat("schema", schema, form.text("name"), form.text("description"), form.flag("strict"))
    elif kind == "json_object":
        output = OutputFormat("json")
    elif kind == "text":
        output = OutputFormat("text")
    else:
        raise form.error("type", "expected text, json_object or json_schema")
    for name, value in form.rest().items():
        f.keep(f"text.format.{name}", value)
    return output, verbosity


def _decode_user(f: Fields, words: dict[str, Any]) -> tuple[str | None, Mapping[str, str]]:
    """`user`, or its successor `safety_identifier`. Where both are given the second stays in the leftovers."""
    user = f.text("user")
    if user is None and f.has("safety_identifier"):
        user = f.text("safety_identifier")
        if user is not None:
            words["user"] = "safety_identifier"
            return user, PATHS_SAFETY
    return user, PATHS


def _decode_include(f: Fields, words: dict[str, Any]) -> None:
    """Encrypted reasoning is always given to clients of a gateway that seals it, and the sources of a search wherever they are known, so
    that asking for them is no loss.
    """
    include = f.array("include")
    if include is None:
        return
    if all(wanted in (ENCRYPTED, SOURCES) for wanted in include):
        words["include"] = include
    else:
        f.keep("include", include)


def _decode_metadata(f: Fields) -> dict[str, str] | None:
    metadata = f.object("metadata")
    for name, value in (metadata or {}).items():
        if type(value) is not str:
            raise f.error(f"metadata.{name}", "expected a string")
    return metadata


# ---------------------------------------------------------------------------------------------------------------- encode


def encode_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """A body of `POST /responses`."""
    return Wire("/responses", _encode(request, facts, ledger))


def encode_count_request(request: Request, facts: Facts, ledger: Ledger) -> Wire:
    """A body of `POST /responses/input_tokens`: what does not change the count is left out."""
    body = _encode(request, facts, ledger)
    return Wire("/responses/input_tokens", {name: value for name, value in body.items() if name in COUNTED})


def _encode(request: Request, facts: Facts, ledger: Ledger) -> dict[str, Any]:
    words = worded(request.extras)
    own = unknown_extras(request.extras, PROTOCOL, "", ledger)
    instructions, items = encode_input(request.messages, facts, ledger)
    tools, by_item = encode_tools(request.tools, facts, ledger)
    body: dict[str, Any] = {"model": request.model}
    if instructions is not None:
        body["instructions"] = instructions
    kept = words.get("items", [])
    for index in by_item.keys() - {item["index"] for item in kept}:
        tools.extend(by_item[index])
    whole = _with_tool_items(items, kept, by_item)
    if whole or "input" in words:
        body["input"] = whole
    if tools or "tools" in words:
        body["tools"] = tools
    if request.tools and not (tools or by_item):
        request = without_choice(request, ledger)
    if request.tool_choice is not None:
        body["tool_choice"] = encode_tool_choice(request.tool_choice, request.tools, request.path("tool_choice"), ledger)
    reasoning = _encode_reasoning(request, ledger)
    if reasoning:
        body["reasoning"] = reasoning
    text = encode_text(request)
    if text:
        body["text"] = text
    _encode_scalars(request, body, ledger)
    if request.user is not None:
        body[words.get("user", "user")] = request.user
    if request.stream:
        body["stream"] = True
    if "stream_options" in words:
        body["stream_options"] = words["stream_options"]
    _encode_include(request, facts, body)
    put_own(body, own)
    return body


def _with_tool_items(
    items: str | list[dict[str, Any]], kept: list[dict[str, Any]], by_item: dict[int, list[dict[str, Any]]]
) -> str | list[dict[str, Any]]:
    """The input with its `additional_tools` items back at their places."""
    if not kept:
        return items
    whole: list[dict[str, Any]] = list(items) if isinstance(items, list) else [{"type": "message", "role": "user", "content": items}]
    for item in kept:
        whole.insert(item["index"], {**item["fields"], "tools": by_item.get(item["index"], [])})
    return whole


def _encode_scalars(request: Request, body: dict[str, Any], ledger: Ledger) -> None:
    said = {
        "parallel_tool_calls": request.parallel_tools,
        "max_output_tokens": request.max_tokens,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "service_tier": encode_tier(request.service_tier, request.extras, ledger, request.path("service_tier")),
        "metadata": request.metadata,
        "store": request.store,
        "prompt_cache_key": request.cache_key,
    }
    body.update({name: value for name, value in said.items() if value is not None})
    sampling = request.sampling
    for name in NOT_SAMPLED:
        if getattr(sampling, name) is not None:
            ledger.drop(request.path(name), name, "tuning")
    if sampling.stop:
        ledger.drop(request.path("stop"), "stop", "tuning")
    if request.modalities and request.modalities != ("text",):
        ledger.drop(request.path("modalities"), "modalities", "tuning")
    if request.audio is not None:
        ledger.drop(request.path("audio"), "audio", "tuning")
    if request.choices is not None and request.choices != 1:
        raise invalid(request.path("choices"), "the Responses API gives one answer")
    if request.cache is not None and request.cache.ttl_s is not None:
        # Caching up to the end is what this API does by itself; a lifetime cannot be asked for in the same words.
        ledger.approximate(request.path("cache"), "cache_control", "cache", "cached for the provider's own time")


def _encode_reasoning(request: Request, ledger: Ledger) -> dict[str, Any]:
    ask = request.reasoning
    if ask is None:
        return {}
    words = worded(ask.extras)
    out: dict[str, Any] = {}
    effort = "none" if ask.mode == "off" else ask.effort
    if effort is not None:
        out["effort"] = effort
    elif ask.budget_tokens is not None:
        ledger.drop(request.path("reasoning.budget_tokens"), "reasoning_budget", "tuning")
    if ask.show in SHOWN and ask.mode != "off":
        if words.keys() & {"summary", "generate_summary"}:
            out.update({name: words[name] for name in ("summary", "generate_summary") if name in words})
        else:
            out["summary"] = SHOWN[ask.show]
    out.update(unknown_extras(ask.extras, PROTOCOL, request.path("reasoning"), ledger))
    return out


def encode_text(request: Request) -> dict[str, Any]:
    """`text`, as far as it was asked for."""
    out: dict[str, Any] = {}
    form = request.output
    if form is not None:
        out["format"] = _encode_format(form)
    if request.verbosity is not None:
        out["verbosity"] = request.verbosity
    return out


def _encode_format(form: OutputFormat) -> dict[str, Any]:
    if form.kind == "schema":
        said = {"description": form.description, "strict": form.strict}
        out: dict[str, Any] = {"type": "json_schema", "name": form.name or "answer", "schema": form.schema or {}}
        return {**out, **{name: value for name, value in said.items() if value is not None}}
    return {"type": "json_object" if form.kind == "json" else "text"}


def _encode_include(request: Request, facts: Facts, body: dict[str, Any]) -> None:
    """A client of another protocol gets encrypted reasoning without asking, or it could not be sent back; so it does the sources of a
    search, which its own protocol shows.
    """
    words = request.extras.get(WORDING) if request.extras else None
    if words is not None:
        if "include" in words:
            body["include"] = words["include"]
        return
    wanted: list[str] = []
    if facts.realm and facts.reasoning_input != "none" and (request.reasoning is None or request.reasoning.mode != "off"):
        wanted.append(ENCRYPTED)
    if any(isinstance(tool, ProviderTool) and tool.kind == "web_search" and tool.protocol == PROTOCOL for tool in request.tools):
        wanted.append(SOURCES)
    if wanted:
        body["include"] = wanted
