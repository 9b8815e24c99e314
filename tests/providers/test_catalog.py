"""The catalogue: it is well-formed and has evidence, its layers win in order, and its facts agree with what was recorded."""

import re
from typing import Any

import msgspec
import pytest

from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.request import EFFORTS, PROVIDER_TOOLS, Sampling
from llm_api_converter.protocols import PROTOCOLS
from llm_api_converter.protocols.envelope import ENVELOPES
from llm_api_converter.providers.auth import SCHEMES
from llm_api_converter.providers.catalog import Catalog, Rule, bare_names, check_facts, did_you_mean
from tests.recordings import load, needs_recordings

CATALOG = Catalog.load()
RULES: list[tuple[str, Rule]] = [
    *((f"protocol {name}", rule) for name, rules in CATALOG.protocols.items() for rule in rules),
    *((f"provider {name}", rule) for name, entry in CATALOG.providers.items() for rule in entry.rules),
    *((f"model {family.family}", rule) for family in CATALOG.models for rule in family.rules),
]
MINIMAL = """
sources: {s: {text: t, date: 2026-11}}
protocols: {}
providers: {demo: {label: d, source: s, date: x, protocols: [openai_chat]}}
models: []
"""


def facts(protocol: str, kind: str, model: str) -> Facts:
    return CATALOG.resolve(protocol, kind, model).facts


# ---------------------------------------------------------------------------------------------------------- well-formed


def test_every_protocol_has_facts() -> None:
    assert set(CATALOG.protocols) == set(PROTOCOLS)


@pytest.mark.parametrize(("at", "rule"), RULES, ids=[f"{at}-{i}" for i, (at, _) in enumerate(RULES)])
def test_every_rule_has_evidence_and_sensible_values(at: str, rule: Rule) -> None:
    assert rule.facts, "a rule without facts says nothing"
    assert len(rule.source) > 8
    assert re.fullmatch(r"20\d\d-\d\d", rule.date)
    assert not re.search(r"/(work|tmp|root|home)/", rule.source)
    for word in rule.facts.get("reasoning_levels", ()):
        assert word in EFFORTS
    levels = [EFFORTS.index(word) for word in rule.facts.get("reasoning_levels", ())]
    assert levels == sorted(levels)
    for name in ("sampling", "sampling_with_reasoning"):
        assert set(rule.facts.get(name) or ()) <= set(Sampling.__struct_fields__)
    for name in ("tool_name_pattern", "tool_id_pattern"):
        re.compile(rule.facts.get(name, ""))
    assert set(rule.facts.get("provider_tools", {})) <= set(PROVIDER_TOOLS)
    for realm in rule.facts.get("accepts_realms", ()):
        assert not realm.startswith("wire.") or realm.removeprefix("wire.") in PROTOCOLS


def test_what_is_listed_as_unknown_is_not_stated_by_the_same_family() -> None:
    for family in CATALOG.models:
        stated = {name for rule in family.rules if not rule.protocols and not rule.providers for name in rule.facts}
        assert not stated & set(family.unknown), family.family


@pytest.mark.parametrize("kind", sorted(CATALOG.providers))
def test_types_have_an_address_and_a_scheme_that_exists(kind: str) -> None:
    entry = CATALOG.providers[kind]
    assert entry.base_url or "base_url" in entry.needs
    for protocol in entry.every_protocol():
        assert entry.scheme(protocol) in SCHEMES
    assert entry.keyless in SCHEMES
    assert set(entry.envelope.values()) <= set(ENVELOPES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL.replace("protocols: {}", "protocols: {openai_chat: [{source: s, facts: {acepts_images: true}}]}"),
         "protocols.openai_chat.acepts_images: unknown fact, did you mean accepts_images?"),
        (MINIMAL.replace("protocols: {}", "protocols: {openai_chat: [{source: s, facts: {stop_limit: many}}]}"),
         "protocols.openai_chat.stop_limit: Expected `int | null`, got `str`"),
        (MINIMAL.replace("protocols: {}", "protocols: {openai_cat: []}"), "protocols.openai_cat: no such protocol"),
        (MINIMAL.replace("protocols: {}", "protocols: {openai_chat: [{source: nowhere, facts: {stop_limit: 1}}]}"),
         "'nowhere' is no source of the table and has no date"),
        (MINIMAL.replace("models: []", "models: [{family: f, match: [x], unknown: [stop_limt]}]"),
         "models.f.unknown: unknown fact stop_limt, did you mean stop_limit?"),
        (MINIMAL.replace("models: []", "models: [{family: f, match: [x], rules: [{source: s, facts: {stop_limit: 1}, providers: [dmo]}]}]"),
         "models.f: no such provider type: dmo"),
        (MINIMAL.replace("label: d", "label: d, colour: red"), "unknown field `colour`"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_catalogue_is_an_error(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        Catalog.parse(text)


def test_facts_of_a_file_become_typed_values() -> None:
    values, errors = check_facts({"sampling": ["seed"], "stop_limit": 3, "nonsense": 1}, "here")
    assert values == {"sampling": ("seed",), "stop_limit": 3}
    assert errors == ["here.nonsense: unknown fact"]
    assert did_you_mean("xyz", ("alpha",)) == ""


# --------------------------------------------------------------------------------------------------------------- layers


def test_later_layers_win_and_say_so() -> None:
    resolved = CATALOG.resolve("openai_chat", "deepseek", "deepseek-v4-flash")
    assert resolved.layers["stop_limit"] == "protocol openai_chat"
    assert resolved.layers["max_tokens_field"] == "provider deepseek"
    assert resolved.layers["reasoning_levels"] == "model DeepSeek V4"
    assert "prefill" not in resolved.layers
    overridden, layers = CATALOG.resolve_facts(
        "openai_chat", "deepseek", "deepseek-v4-flash", {"settings a": {"stop_limit": 9, "sampling": ["seed"]}, "settings b": {"stop_limit": 1}}
    )
    assert (overridden.stop_limit, overridden.sampling) == (1, ("seed",))
    assert layers["stop_limit"] == "settings b"
    assert layers["sampling"] == "settings a"
    with pytest.raises(ValueError, match=r"settings c\.nope: unknown fact"):
        CATALOG.resolve_facts("openai_chat", "deepseek", "x", {"settings c": {"nope": 1}})


def test_capabilities_show_every_fact_with_its_evidence() -> None:
    shown = CATALOG.capabilities("openai_responses", "openai", "gpt-5.6-sol", {"settings": {"streams": False}})
    assert list(shown) == list(Facts.__struct_fields__)
    assert shown["stores"]["value"] is True
    assert shown["stores"]["layer"] == "provider openai"
    assert shown["stores"]["source"].startswith("openai 3.54.0")
    assert shown["stores"]["date"] == "2026-11"
    assert shown["reasoning_default_on"] == {"value": False, "layer": "default", "source": "", "date": "", "known": False}
    assert shown["streams"]["layer"] == "settings"
    msgspec.json.encode(shown)


def test_resolution_is_kept_and_bounded() -> None:
    catalog = Catalog(CATALOG.protocols, CATALOG.providers, CATALOG.models)
    assert catalog.resolve("openai_chat", "openai", "gpt-5") is catalog.resolve("openai_chat", "openai", "gpt-5")
    for i in range(catalog._CACHE_SIZE + 10):
        catalog.resolve("openai_chat", "openai", f"gpt-{i}")
    assert len(catalog._cache) <= catalog._CACHE_SIZE


@pytest.mark.parametrize(
    ("model", "bare"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929-v1:0"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307-v1:0"),
        ("anthropic/claude-opus-4.7", "claude-opus-4-7"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-opus-4-6-v1", "claude-opus-4-6-v1"),
        ("accounts/fireworks/models/kimi-k3", "kimi-k3"),
        ("Qwen/Qwen3.5-9B", "qwen3.5-9b"),
        ("us.amazon.nova-2-lite-v1:0", "nova-2-lite-v1:0"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b-1:0"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gpt-4o", "gpt-4o"),
    ],
)
def test_bare_names(model: str, bare: str) -> None:
    assert bare_names(model)[-1] == bare


# ---------------------------------------------------------------------------------------------------------------- facts

Expect = dict[str, Any]
TABLE: list[tuple[tuple[str, str, str], Expect]] = [
    (("openai_chat", "openai", "gpt-5-mini-2025-08-07"), {
        "sampling": ("seed",), "reasoning_levels": ("minimal", "low", "medium", "high"), "reasoning_can_disable": False,
        "max_tokens_field": "max_completion_tokens", "max_tools": 128, "context_window": 400000, "custom_tools": True, "verbosity": True,
    }),
    (("openai_chat", "openai", "gpt-4o"), {
        "reasoning_input": "none", "context_window": 128000, "max_output_tokens": 16384, "stop_limit": 4, "tool_result_media": "none",
        "schema_dialect": "strict_objects", "custom_tools": False,
    }),
    (("openai_responses", "openai", "o3-mini"), {
        "reasoning_levels": ("low", "medium", "high"), "reasoning_default_on": True, "realm": "openai.responses", "stores": True,
        "accepts_realms": ("openai.responses", "wire.openai_responses"), "min_output_tokens": 16,
    }),
    (("openai_responses", "openai", "gpt-5.1"), {
        "reasoning_levels": ("none", "low", "medium", "high"), "sampling": ("temperature", "top_p"), "sampling_with_reasoning": (),
        "reasoning_default_on": False,
    }),
    (("openai_responses", "openai", "gpt-5.3-codex"), {"reasoning_levels": ("low", "medium", "high", "xhigh"), "reasoning_can_disable": False}),
    (("openai_responses", "openai", "gpt-5.6-sol"), {"cache_marks": 4, "cache_ttls_s": (1800, 43200), "deferred_tools": True}),
    (("openai_chat", "openai_compatible", "gpt-5"), {"sampling": ("seed",), "max_tokens_field": "max_completion_tokens"}),
    (("openai_chat", "openai_compatible", "llama-3.3-70b"), {"max_tokens_field": "max_tokens", "reasoning_input": "none"}),
    (("anthropic", "anthropic", "claude-sonnet-4-5"), {
        "reasoning_input": "budget", "reasoning_budget_min": 1024, "forced_choice_with_reasoning": False, "temperature_xor_top_p": True,
        "temperature_max": 1.0, "cache_marks": 4, "realm": "anthropic.claude", "accepts_realms": ("anthropic.claude", "wire.anthropic"),
        "reasoning_required_on_tool_turns": True, "max_output_tokens": 64000, "prefill": True, "sampling_with_reasoning": ("stop",),
        "output_formats": ("schema",),
    }),
    (("anthropic", "anthropic", "claude-haiku-4-5-20251001"), {"context_window": 200000, "reasoning_input": "budget"}),
    (("anthropic", "anthropic", "claude-opus-4-7"), {
        "sampling": ("stop",), "reasoning_input": "adaptive", "reasoning_levels": ("low", "medium", "high", "xhigh", "max"), "prefill": False,
        "reasoning_default_on": False, "context_window": 1000000,
    }),
    (("anthropic", "anthropic", "claude-opus-5"), {"reasoning_default_on": True, "sampling": ("stop",), "system_inline": True}),
    (("anthropic", "anthropic", "claude-sonnet-4-6"), {"reasoning_levels": ("low", "medium", "high", "max"), "reasoning_input": "adaptive"}),
    (("anthropic", "anthropic", "claude-3-haiku-20240307"), {"reasoning_input": "none", "output_formats": (), "output_emulation": "tool"}),
    (("openai_chat", "deepseek", "deepseek-v4-pro"), {
        "reasoning_default_on": True, "reasoning_levels": ("low", "high", "max"), "sends_reasoning_back": "tool_turns", "reasoning_unsigned": True,
        "reasoning_required_on_tool_turns": True, "accepts_images": False, "accepts_documents": False, "thinking_switch": True,
        "forced_choice_with_reasoning": False, "output_formats": ("json",), "max_tokens_field": "max_tokens", "realm": "",
    }),
    (("anthropic", "deepseek", "deepseek-v4-pro"), {"reasoning_input": "budget", "cache_marks": 0, "accepts_images": False, "realm": ""}),
    (("openai_chat", "deepseek", "deepseek-chat"), {"reasoning_default_on": False}),
    # DeepSeek answers Claude's names with its own models: nothing of Claude's state is accepted there.
    (("anthropic", "deepseek", "claude-sonnet-4-5"), {"realm": "", "accepts_realms": ()}),
    (("gemini", "gemini", "gemini-2.5-pro"), {"reasoning_budget_min": 128, "reasoning_budget_max": 32768, "reasoning_can_disable": False}),
    (("gemini", "gemini", "gemini-2.5-flash"), {"reasoning_budget_max": 24576, "reasoning_can_disable": True, "realm": "google.gemini"}),
    (("gemini", "gemini", "gemini-3-flash-preview"), {
        "reasoning_input": "level", "reasoning_levels": ("minimal", "low", "medium", "high"), "signature_required_on_calls": True,
    }),
    (("bedrock_converse", "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"), {
        "tool_choice_none": False, "roles_alternate": True, "tools_required_by_history": True, "cache_marks": 4,
        "accepts_realms": ("anthropic.claude", "wire.bedrock_converse"), "reasoning_field_converse": "thinking",
    }),
    (("bedrock_converse", "bedrock", "us.amazon.nova-2-lite-v1:0"), {"reasoning_field_converse": "reasoningConfig", "accepts_video": True}),
]  # fmt: skip


@pytest.mark.parametrize(("target", "expected"), TABLE, ids=[":".join(t) for t, _ in TABLE])
def test_facts_of_models_people_use(target: tuple[str, str, str], expected: Expect) -> None:
    found = facts(*target)
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("kind", "protocol", "given", "expected"),
    [
        ("openai", "openai_chat", None, "https://api.openai.com/v1"),
        ("openai", "openai_responses", "https://proxy.example/v1/", "https://proxy.example/v1"),
        ("anthropic", "anthropic", None, "https://api.anthropic.com"),
        ("anthropic", "anthropic", "https://a.example/v1", "https://a.example"),
        ("deepseek", "openai_chat", None, "https://api.deepseek.com"),
        ("deepseek", "anthropic", None, "https://api.deepseek.com/anthropic"),
        ("deepseek", "anthropic", "https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic"),
        ("deepseek", "openai_chat", "https://api.deepseek.com/anthropic", "https://api.deepseek.com"),
        ("deepseek", "openai_chat", "https://api.deepseek.com/v1", "https://api.deepseek.com/v1"),
        ("deepseek", "anthropic", "https://api.deepseek.com/v1", "https://api.deepseek.com/anthropic"),
        ("openai_compatible", "openai_chat", "http://h:1/v1", "http://h:1/v1"),
        ("openai_compatible", "anthropic", "http://h:1/v1", "http://h:1"),
        ("demo", "anthropic", None, "demo:"),
        ("azure_openai", "openai_chat", "https://n.openai.azure.com/", "https://n.openai.azure.com"),
        ("azure_openai", "openai_chat", "https://n.openai.azure.com/openai/v1", "https://n.openai.azure.com"),
        ("bedrock", "bedrock_converse", "http://localhost:9000", "http://localhost:9000"),
        ("bedrock", "openai_chat", "http://localhost:9000", "http://localhost:9000/openai/v1"),
        ("vertex", "gemini", "https://proxy.example/v1", "https://proxy.example"),
    ],
)
def test_addresses(kind: str, protocol: str, given: str | None, expected: str) -> None:
    assert CATALOG.providers[kind].address(protocol, given) == expected


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("bedrock", {"region": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com"),
        ("vertex", {"location": "us-east5"}, "https://us-east5-aiplatform.googleapis.com"),
        ("vertex", {"location": "global"}, "https://aiplatform.googleapis.com"),
        ("vertex", {"location": "eu"}, "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_addresses_by_setting(kind: str, options: dict[str, str], expected: str) -> None:
    entry = CATALOG.providers[kind]
    assert entry.address(entry.protocols[0], None, options) == expected


@pytest.mark.parametrize(
    ("kind", "model", "expected"),
    [
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", ("bedrock_converse", "anthropic")),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-opus-4-6-v1", ("bedrock_converse", "anthropic")),
        ("bedrock", "openai.gpt-oss-120b-1:0", ("bedrock_converse", "openai_chat")),
        ("bedrock", "amazon.nova-pro-v1:0", ("bedrock_converse",)),
        ("vertex", "claude-sonnet-4-5@20250929", ("anthropic",)),
        ("vertex", "gemini-2.5-flash", ("gemini",)),
        ("openai", "gpt-4o", ("openai_chat", "openai_responses")),
        ("openai", "gpt-5", ("openai_chat", "openai_responses")),
        ("openai", "gpt-5.6-terra", ("openai_responses", "openai_chat")),
        ("azure_openai", "gpt-5.4", ("openai_responses", "openai_chat")),
        ("openai", "gpt-5-codex", ("openai_responses",)),
        ("openai", "gpt-5.4-pro-2026-03-05", ("openai_responses",)),
        ("openai", "o3-deep-research", ("openai_responses",)),
    ],
)
def test_what_models_speak(kind: str, model: str, expected: tuple[str, ...]) -> None:
    assert CATALOG.providers[kind].spoken(model) == expected


def test_paths_with_settings() -> None:
    azure, vertex = CATALOG.providers["azure_openai"], CATALOG.providers["vertex"]
    assert azure.routes("openai_chat", {})["generate"] == "/openai/v1/chat/completions"
    assert azure.routes("openai_chat", {"api_version": "2024-10-21"})["stream"] == "/openai/deployments/{model}/chat/completions?api-version=2024-10-21"
    assert vertex.routes("anthropic", {"project": "p", "location": "global"})["stream"] == (
        "/v1/projects/p/locations/global/publishers/anthropic/models/{model}:streamRawPredict")


# ----------------------------------------------------------------------------------------------------------- recordings

SENT = {
    "temperature": ("openai_chat", "openai_responses", "anthropic_messages"), "top_p": ("openai_chat", "openai_responses"),
    "top_k": ("anthropic_messages",), "seed": ("openai_chat",), "stop": ("openai_chat",), "frequency_penalty": ("openai_chat",),
}
PROTOCOL_OF = {"openai_chat": "openai_chat", "openai_responses": "openai_responses", "anthropic_messages": "anthropic"}


@needs_recordings
def test_no_fact_refuses_what_a_provider_was_recorded_to_take() -> None:
    """Sampling, tools and reasoning words in requests that were answered with 200. `temperature: 1` says nothing, and is taken by all."""
    wrong: list[str] = []
    seen = 0
    for name, protocol in PROTOCOL_OF.items():
        for record in load(name):
            body = (record["request"] or {}).get("body")
            if not isinstance(body, dict) or (record["response"]["status"] or 200) >= 400 or record["provider"] not in CATALOG.providers:
                continue
            seen += 1
            found = facts(protocol, record["provider"], str(body.get("model")))
            wrong += [
                f"{record['id']}: {field}" for field, where in SENT.items()
                if name in where and body.get(field) not in (None, 1, 1.0) and field not in found.sampling
            ]
            if body.get("tools") and not found.accepts_tools:
                wrong.append(f"{record['id']}: tools")
            effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
            if effort and (found.reasoning_input == "none" or effort not in (found.reasoning_levels or EFFORTS)):
                wrong.append(f"{record['id']}: effort {effort}")
            thinking = (body.get("thinking") or {}).get("type")
            if thinking in ("enabled", "adaptive") and found.reasoning_input == "none":
                wrong.append(f"{record['id']}: thinking {thinking}")
            wrong += _too_large(record["id"], body, found)
    assert seen > 1000
    assert wrong == []


def _too_large(record: str, body: dict[str, Any], found: Facts) -> list[str]:
    limit = body.get("max_tokens") or body.get("max_completion_tokens") or body.get("max_output_tokens")
    return [f"{record}: {limit} tokens"] if limit and found.max_output_tokens and limit > found.max_output_tokens else []


@needs_recordings
def test_limits_agree_with_the_recorded_list_of_models() -> None:
    checked = 0
    for record in load("openai_models"):
        body = record["response"].get("body")
        if record["provider"] != "anthropic" or not isinstance(body, dict) or "data" not in body:
            continue
        for model in body["data"]:
            found = facts("anthropic", "anthropic", model["id"])
            kinds = model["capabilities"]["thinking"]["types"]
            assert found.max_output_tokens == model["max_tokens"], model["id"]
            assert found.context_window is not None
            assert found.context_window <= model["max_input_tokens"], model["id"]
            assert (found.reasoning_input == "adaptive") == kinds["adaptive"]["supported"], model["id"]
            assert ("schema" in found.output_formats) <= model["capabilities"]["structured_outputs"]["supported"], model["id"]
            checked += 1
    assert checked >= 9
