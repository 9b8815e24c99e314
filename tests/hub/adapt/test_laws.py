"""Laws of `adapt`: what comes out breaks no rule of the facts, adapting it again changes nothing, and nothing is ever mutated."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_api_converter.hub.adapt import adapt, strip_state
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import (
    CacheMark,
    Inline,
    Media,
    Message,
    Opaque,
    Part,
    PlainText,
    Reasoning,
    Text,
    ToolCall,
    ToolReference,
    ToolResult,
    Url,
)
from llm_api_converter.hub.request import (
    EFFORTS,
    AudioOut,
    OutputFormat,
    ProviderTool,
    ReasoningAsk,
    Request,
    Sampling,
    Tool,
    ToolChoice,
)

from .laws import broken

NAMES = st.sampled_from(["look", "look.up", "näme", "x" * 70, "x" * 71, "ToolSearch", "t", "1st", "a__t", ""])
SPACES = st.sampled_from([None, None, None, "a", "b.c"])
IDS = st.sampled_from(["a", "b", "c", "toolu_1|x", "y" * 90])
TEXTS = st.sampled_from(["hello", "", " \n", "more"])
MARKS = st.sampled_from([None, None, None, CacheMark(), CacheMark(3600), CacheMark(300)])
TOKENS = st.sampled_from([
    (), (), (Opaque("mine", "signature", "s"),), (Opaque("wire.other", "encrypted", "e"),),
    (Opaque("mine", "signature", "s"), Opaque("wire.other", "redacted", "r")),
])
SOURCES = st.sampled_from([Inline("aGk="), Url("https://x.test/a.png"), Url("gs://b/c")])


def texts() -> st.SearchStrategy[Part]:
    return st.builds(Text, TEXTS, cache=MARKS, tokens=TOKENS)


def media() -> st.SearchStrategy[Part]:
    some = st.builds(Media, st.sampled_from(["image", "audio", "video", "document"]), SOURCES, st.sampled_from([None, "image/png"]), cache=MARKS)
    return some | st.builds(Media, st.just("document"), st.builds(PlainText, TEXTS), name=st.sampled_from([None, "n"]), cache=MARKS)


def tool_results() -> st.SearchStrategy[Part]:
    inner = st.lists(st.builds(Text, TEXTS, cache=MARKS) | media() | st.builds(ToolReference, NAMES), max_size=2).map(tuple)
    return st.builds(ToolResult, IDS, inner, name=st.none() | NAMES, is_error=st.sampled_from([None, True]), custom=st.booleans(), cache=MARKS)


def tool_calls() -> st.SearchStrategy[Part]:
    return st.builds(
        ToolCall, IDS, NAMES, st.sampled_from(["{}", '{"a": 1}', "raw"]), custom=st.booleans(), namespace=SPACES, tokens=TOKENS, cache=MARKS
    )


def reasonings() -> st.SearchStrategy[Part]:
    return st.builds(Reasoning, TEXTS, tokens=TOKENS, redacted=st.booleans(), cache=MARKS)


def some(*kinds: st.SearchStrategy[Part]) -> st.SearchStrategy[tuple[Part, ...]]:
    return st.lists(st.one_of(*kinds), max_size=3).map(tuple)


MESSAGES = st.lists(
    st.builds(Message, st.just("system"), some(texts()))
    | st.builds(Message, st.just("user"), some(texts(), media(), tool_results()), name=st.sampled_from([None, None, "ann"]))
    | st.builds(Message, st.just("assistant"), some(texts(), reasonings(), tool_calls(), tool_calls())),
    max_size=6,
)
TOOLS = st.builds(
    Tool, NAMES, st.sampled_from([None, "does it"]), st.sampled_from([None, {"type": "object"}]), strict=st.sampled_from([None, True, False]),
    cache=MARKS, custom=st.booleans(), deferred=st.booleans(), namespace=SPACES, namespace_description=st.sampled_from([None, "a space"]),
) | st.just(ProviderTool("web_search", "elsewhere", {"type": "web"}))
CHOICES = st.none() | st.builds(
    ToolChoice, st.sampled_from(["auto", "none", "any", "one"]), NAMES, st.lists(NAMES, max_size=2).map(tuple)
)
ASKS = st.none() | st.builds(
    ReasoningAsk, st.sampled_from([None, "on", "off", "adaptive"]), st.sampled_from([None, *EFFORTS]),
    st.sampled_from([None, 0, 500, 1024, 31999, 200000]), st.sampled_from([None, "none", "full"]),
)
SAMPLINGS = st.builds(
    Sampling, st.sampled_from([None, 0.0, 0.5, 1.7]), st.sampled_from([None, 0.5]), st.sampled_from([None, 5]), st.sampled_from([None, 1]),
    st.lists(st.sampled_from(["stop", " ", "\n"]), max_size=3).map(tuple),
)
OUTPUTS = st.none() | st.builds(
    OutputFormat, st.sampled_from(["text", "json", "schema"]), st.just({"type": "object", "properties": {"a": {"type": "string"}}})
)


def numbered(messages: list[Message]) -> tuple[Message, ...]:
    """The messages with the paths a decoder gives them."""
    out = []
    for index, message in enumerate(messages):
        parts = []
        for place, part in enumerate(message.parts):
            at = f"messages[{index}].content[{place}]"
            if isinstance(part, ToolResult):
                inner = tuple(msgspec.structs.replace(x, at=f"{at}.content[{n}]") for n, x in enumerate(part.parts))
                part = msgspec.structs.replace(part, parts=inner)
            parts.append(msgspec.structs.replace(part, at=at))
        out.append(msgspec.structs.replace(message, parts=tuple(parts), at=f"messages[{index}]"))
    return tuple(out)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    tools = tuple(msgspec.structs.replace(tool, at=f"tools[{i}]") for i, tool in enumerate(draw(st.lists(TOOLS, max_size=4))))
    return Request(
        "m", numbered(draw(MESSAGES)), tools=tools, tool_choice=draw(CHOICES), parallel_tools=draw(st.none() | st.booleans()),
        max_tokens=draw(st.sampled_from([None, 5, 900, 2000, 100000])), sampling=draw(SAMPLINGS), reasoning=draw(ASKS), output=draw(OUTPUTS),
        modalities=draw(st.sampled_from([(), ("text",), ("text", "audio"), ("image",)])), audio=draw(st.sampled_from([None, AudioOut("v")])),
        service_tier=draw(st.sampled_from([None, "auto", "flex"])), user=draw(st.sampled_from([None, "u"])),
        metadata=draw(st.sampled_from([None, {"a": "b"}])), store=draw(st.none() | st.booleans()),
        verbosity=draw(st.sampled_from([None, "low"])), cache=draw(MARKS), cache_key=draw(st.sampled_from([None, "k"])),
    )


FACTS = st.builds(
    Facts,
    **{
        name: st.booleans()
        for name in (
            "system_inline", "roles_alternate", "first_role_user", "prefill", "blank_text", "accepts_images", "accepts_documents",
            "accepts_audio", "accepts_video", "image_urls", "document_urls", "custom_tools", "namespaces", "deferred_tools", "strict_tools",
            "tool_choice_none", "tool_choice_any", "tool_choice_one", "tool_choice_allowed", "forced_choice_with_reasoning",
            "parallel_control", "tools_required_by_history", "results_in_call_order", "reasoning_default_on", "reasoning_can_disable",
            "reasoning_unsigned", "reasoning_required_on_tool_turns", "temperature_xor_top_p", "stop_blank", "audio_out", "image_out",
            "verbosity", "accepts_user", "accepts_metadata", "accepts_store", "stores", "cache_key",
        )
    },
    accepts_tools=st.sampled_from([True, True, True, False]),
    tool_result_media=st.sampled_from(["native", "none"]),
    tool_name_pattern=st.sampled_from(["", "[a-zA-Z0-9_-]{1,64}", "[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}"]),
    tool_id_pattern=st.sampled_from(["", "[a-zA-Z0-9_-]{1,64}", "[a-zA-Z0-9]{9}"]),
    reasoning_input=st.sampled_from(["none", "effort", "budget", "adaptive", "level", "toggle"]),
    reasoning_levels=st.sampled_from([(), ("low", "high"), ("none", "low", "medium", "high"), ("low", "high", "max")]),
    reasoning_budget_min=st.sampled_from([None, 1024]),
    reasoning_budget_max=st.sampled_from([None, 24576]),
    sends_reasoning_back=st.sampled_from(["never", "tool_turns", "always"]),
    accepts_realms=st.sampled_from([(), ("mine",)]),
    max_tokens_default=st.sampled_from([None, 4096]),
    max_output_tokens=st.sampled_from([None, 8192]),
    min_output_tokens=st.sampled_from([None, 16]),
    sampling=st.sampled_from([("temperature", "top_p", "stop"), ("top_k", "seed"), ()]),
    sampling_with_reasoning=st.sampled_from([None, (), ("stop",)]),
    temperature_max=st.sampled_from([1.0, 2.0]),
    stop_limit=st.sampled_from([None, 1]),
    output_formats=st.sampled_from([("json", "schema"), ("json",), ()]),
    output_emulation=st.sampled_from(["tool", "prompt"]),
    service_tiers=st.sampled_from([None, ("flex",), ()]),
    cache_marks=st.sampled_from([0, 1, 4]),
    cache_needs_marks=st.booleans(),
    cache_ttls_s=st.sampled_from([(300,), (300, 3600)]),
    schema_dialect=st.sampled_from(["full", "openapi", "strict_objects"]),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(requests(), FACTS)
def test_what_comes_out_fits_and_stays(request: Request, facts: Facts) -> None:
    before = msgspec.msgpack.encode(request)
    ledger, same = Ledger(), Ledger()
    adapted = adapt(request, facts, ledger)
    assert broken(adapted.request, facts) == []
    assert msgspec.msgpack.encode(request) == before, "the request was changed in place"
    assert adapt(request, facts, same) == adapted, "not deterministic"
    assert same.losses == ledger.losses
    assert all(loss.path and loss.feature for loss in ledger.losses)
    again = Ledger()
    assert adapt(adapted.request, facts, again).request == adapted.request
    assert again.losses == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(requests())
def test_stripped_requests_hold_no_tokens(request: Request) -> None:
    ledger = Ledger()
    stripped = strip_state(request, ledger)
    parts = [part for message in stripped.messages for part in message.parts]
    assert not any(getattr(part, "tokens", ()) for part in parts)
    held = sum(bool(getattr(part, "tokens", ())) for message in request.messages for part in message.parts)
    assert (stripped is request) == (held == 0) == (ledger.losses == [])
