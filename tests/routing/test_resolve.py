"""Model names -> targets, by the rules of docs/settings.md."""

import timeit
from pathlib import Path
from textwrap import dedent

import pytest

from llm_api_converter.config import Config
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.providers.catalog import Catalog
from llm_api_converter.providers.target import Target
from llm_api_converter.routing.resolve import Resolver

SETTINGS = """
    providers:
      openai:  {type: openai, api_key: o}
      claude:  {type: anthropic, api_key: a}
      deep:    {type: deepseek, api_key: d, headers: {X-Team: blue}, timeout_s: 5}
      local:   {type: openai_compatible, base_url: "http://127.0.0.1:9/v1", claims: ["llama-*"]}
      forced:  {type: openai, api_key: o, protocol: openai_chat, claims: [], base_url: "http://127.0.0.1:9/v1"}
    models:
      - {name: fast, provider: openai, model: gpt-5-mini, facts: {accepts_images: false}, on_loss: {tuning: reject}}
      - {name: "team/*", provider: local, model: "*"}
      - {name: "claude-old-*", targets: [{provider: claude, model: claude-opus-4-6, weight: 3}, {provider: openai, model: gpt-5}]}
      - {name: claude-old-exact, provider: deep, model: deepseek-v4-pro}
"""


def resolver(cwd: Path, text: str = SETTINGS, **env: str) -> Resolver:
    (cwd / "gateway.yaml").write_text(dedent(text))
    return Resolver(Config.load(None, env, cwd), Catalog.load())


def only(found: Resolver, model: str, protocol: str = "openai_chat") -> Target:
    (target,) = found.resolve(model, protocol).targets
    return target


def refusal(found: Resolver, model: str) -> str:
    with pytest.raises(ApiError) as caught:
        found.resolve(model, "anthropic")
    assert caught.value.kind == "not_found"
    assert caught.value.path == "model"
    return caught.value.message


@pytest.mark.parametrize(
    ("asked", "provider", "model", "name"),
    [
        ("fast", "openai", "gpt-5-mini", "fast"),
        ("team/some/model", "local", "team/some/model", "team/*"),
        ("claude-old-exact", "deep", "deepseek-v4-pro", "claude-old-exact"),
        ("local/anything/at:all", "local", "anything/at:all", "local/anything/at:all"),
        ("openai/no-such-model", "openai", "no-such-model", "openai/no-such-model"),
        ("gpt-4o", "openai", "gpt-4o", "openai/gpt-4o"),
        ("claude-sonnet-4-5", "claude", "claude-sonnet-4-5", "claude/claude-sonnet-4-5"),
        ("deepseek-v4-flash", "deep", "deepseek-v4-flash", "deep/deepseek-v4-flash"),
        ("llama-3.3-70b", "local", "llama-3.3-70b", "local/llama-3.3-70b"),
    ],
)
def test_names(tmp_path: Path, asked: str, provider: str, model: str, name: str) -> None:
    found = resolver(tmp_path)
    target = only(found, asked)
    assert (target.provider, target.model) == (provider, model)
    assert found.resolve(asked, "openai_chat").name == name


def test_failover_is_an_ordered_list(tmp_path: Path) -> None:
    route = resolver(tmp_path).resolve("claude-old-3", "anthropic")
    assert [(t.provider, t.model, t.weight, t.protocol) for t in route.targets] == [
        ("claude", "claude-opus-4-6", 3, "anthropic"), ("openai", "gpt-5", 1, "openai_chat"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "client", "spoken", "base_url", "scheme", "counts"),
    [
        ("gpt-4o", "openai_chat", "openai_chat", "https://api.openai.com/v1", "bearer", False),
        ("gpt-4o", "openai_responses", "openai_responses", "https://api.openai.com/v1", "bearer", True),
        ("gpt-4o", "gemini", "openai_chat", "https://api.openai.com/v1", "bearer", False),
        ("gpt-5.4", "gemini", "openai_responses", "https://api.openai.com/v1", "bearer", True),
        ("gpt-5.4", "openai_chat", "openai_chat", "https://api.openai.com/v1", "bearer", False),
        ("claude-opus-5", "openai_chat", "anthropic", "https://api.anthropic.com", "x-api-key", True),
        ("deepseek-v4-pro", "anthropic", "anthropic", "https://api.deepseek.com/anthropic", "x-api-key", False),
        ("deepseek-v4-pro", "openai_responses", "openai_responses", "https://api.deepseek.com", "bearer", False),
        ("deepseek-v4-pro", "gemini", "openai_chat", "https://api.deepseek.com", "bearer", False),
        ("local/x", "anthropic", "openai_chat", "http://127.0.0.1:9/v1", "none", False),
        ("forced/x", "openai_responses", "openai_chat", "http://127.0.0.1:9/v1", "bearer", False),
    ],
)
def test_protocol_address_and_authentication(
    tmp_path: Path, asked: str, client: str, spoken: str, base_url: str, scheme: str, counts: bool
) -> None:
    target = only(resolver(tmp_path), asked, client)
    assert (target.protocol, target.base_url, target.auth.scheme, target.counts_tokens) == (spoken, base_url, scheme, counts)


def test_what_a_target_carries(tmp_path: Path) -> None:
    found = resolver(tmp_path)
    deep, fast = only(found, "deepseek-v4-pro"), only(found, "fast")
    assert (deep.type, deep.headers, deep.timeout_s, deep.auth.secret) == ("deepseek", {"x-team": "blue"}, 5, "d")
    assert fast.timeout_s == 600
    assert fast.facts.accepts_images is False
    assert fast.layers["accepts_images"] == "settings models.fast.facts"
    assert found.resolve("fast", "gemini").on_loss["tuning"] == "reject"
    assert found.resolve("gpt-4o", "gemini").on_loss == {
        "content": "reject", "state": "report", "tools": "report", "privacy": "report", "tuning": "report", "cache": "report",
        "unknown": "report",
    }  # fmt: skip


def test_the_scope_names_the_credential_and_not_the_secret(tmp_path: Path) -> None:
    found = resolver(tmp_path)
    same, other = only(found, "openai/x").scope, only(found, "deep/x").scope
    assert len(same) == 8
    assert same == only(found, "forced/x").scope
    assert same != other
    assert only(resolver(tmp_path, SETTINGS.replace("api_key: d", "api_key: e")), "deep/x").scope != other


@pytest.mark.parametrize(
    ("variable", "fact", "value"),
    [
        ("ENABLE_TOOL_USE", "accepts_tools", False),
        ("ENABLE_EXTENDED_THINKING", "reasoning_input", "none"),
        ("ENABLE_DOCUMENT_SUPPORT", "accepts_documents", False),
        ("PROMPT_CACHING_ENABLED", "cache_marks", 0),
    ],
)
def test_switches_over_all_targets(tmp_path: Path, variable: str, fact: str, value: object) -> None:
    target = only(resolver(tmp_path, **{variable: "false"}), "claude-sonnet-4-5", "anthropic")
    assert getattr(target.facts, fact) == value
    assert target.layers[fact] == "settings features"
    assert getattr(only(resolver(tmp_path), "claude-sonnet-4-5", "anthropic").facts, fact) != value


# --------------------------------------------------------------------------------------------------------------- Claude

DEEP = "providers: {deep: {type: deepseek, api_key: d}}\nmodels: [{name: small, provider: deep, model: deepseek-v4-flash}]\n"


def test_claude_names_go_to_the_model_of_their_family(tmp_path: Path) -> None:
    found = resolver(
        tmp_path, DEEP, ANTHROPIC_DEFAULT_MODEL="deepseek-v4-pro", ANTHROPIC_DEFAULT_HAIKU_MODEL="small",
        ANTHROPIC_DEFAULT_OPUS_MODEL="deep/special",
    )  # fmt: skip
    assert only(found, "claude-haiku-4-5-20251001", "anthropic").model == "deepseek-v4-flash"
    assert only(found, "claude-opus-4-8", "anthropic").model == "special"
    assert only(found, "claude-sonnet-4-5", "anthropic").model == "deepseek-v4-pro"
    assert only(found, "claude-fable-5", "anthropic").model == "deepseek-v4-pro"
    assert found.problems() == []


def test_a_provider_that_claims_claude_comes_first(tmp_path: Path) -> None:
    found = resolver(tmp_path, ANTHROPIC_DEFAULT_MODEL="gpt-4o")
    assert only(found, "claude-sonnet-4-5").provider == "claude"


def test_a_claude_name_without_a_home_names_the_line_to_add(tmp_path: Path) -> None:
    message = refusal(resolver(tmp_path, DEEP), "claude-haiku-4-5")
    assert "ANTHROPIC_DEFAULT_HAIKU_MODEL=..." in message
    assert "ANTHROPIC_DEFAULT_MODEL=" in message
    assert "ANTHROPIC_DEFAULT" not in refusal(resolver(tmp_path, DEEP), "gpt-4o")


def test_a_default_that_is_a_claude_name_itself_does_not_go_in_circles(tmp_path: Path) -> None:
    found = resolver(tmp_path, DEEP, ANTHROPIC_DEFAULT_MODEL="claude-other")
    assert "'claude-other' is not configured" in refusal(found, "claude-sonnet-4-5")
    (problem,) = found.problems()
    assert problem.startswith("claude_models.default: The model 'claude-other' is not configured")


# ------------------------------------------------------------------------------------------------------------- refusals


def test_an_unknown_name_gets_near_ones_and_the_list(tmp_path: Path) -> None:
    message = refusal(resolver(tmp_path), "fats")
    assert "Did you mean fast?" in message
    assert "Any model can be asked for as provider/model; providers: openai, claude, deep, local, forced." in message
    assert "Configured: small" in refusal(resolver(tmp_path, DEEP), "qqq")


def test_an_ambiguous_id_names_both_spellings(tmp_path: Path) -> None:
    text = "providers: {a: {type: openai, api_key: x}, b: {type: openai, api_key: y}}"
    assert "Ask for a/gpt-4o or b/gpt-4o." in refusal(resolver(tmp_path, text), "gpt-4o")


@pytest.mark.parametrize("asked", ["", "/", "openai/", "/x", "openai", "*"])
def test_odd_names_are_not_found(tmp_path: Path, asked: str) -> None:
    assert "is not configured" in refusal(resolver(tmp_path), asked)


# ----------------------------------------------------------------------------------------------------------- everything


def test_models_lists_configured_names_and_the_catalogues(tmp_path: Path) -> None:
    infos = {info.id: info for info in resolver(tmp_path).models()}
    assert {"fast", "claude-old-exact", "gpt-4o", "claude-opus-5", "deepseek-v4-pro"} <= set(infos)
    assert not any("*" in name for name in infos)
    assert infos["fast"].context_window == 400000
    assert infos["fast"].max_output_tokens == 128000
    assert infos["fast"].owned_by == "openai"


def test_every_listed_name_resolves_to_what_it_says(tmp_path: Path) -> None:
    text = "providers: {a: {type: openai, api_key: x}, b: {type: openai, api_key: y}}"
    for found in (resolver(tmp_path), resolver(tmp_path, text)):
        for info in found.models():
            assert found.resolve(info.id, "gemini").targets[0].provider == info.owned_by
    assert {info.id.partition("/")[0] for info in resolver(tmp_path, text).models()} == {"a", "b"}


def test_the_demo_stands_alone(tmp_path: Path) -> None:
    found = resolver(tmp_path, "")
    assert [info.id for info in found.models()] == ["demo"]
    for protocol in ("anthropic", "openai_chat", "openai_responses", "gemini", "bedrock_converse"):
        target = only(found, "demo", protocol)
        assert (target.protocol, target.base_url, target.auth.scheme) == (protocol, "demo:", "none")


def test_capabilities_of_each_target(tmp_path: Path) -> None:
    found = resolver(tmp_path)
    first, second = found.capabilities("claude-old-3", "anthropic")
    assert (first["provider"], second["provider"]) == ("claude", "openai")
    assert first["facts"]["cache_marks"]["value"] == 4
    (fast,) = found.capabilities("fast", "openai_chat")
    assert fast["facts"]["accepts_images"] == {"value": False, "layer": "settings models.fast.facts", "source": "settings", "date": ""}


def test_known_names_cost_a_look_up(tmp_path: Path) -> None:
    found = resolver(tmp_path)
    assert found.resolve("fast", "anthropic") is found.resolve("fast", "anthropic")
    best_s = min(timeit.repeat(lambda: found.resolve("fast", "anthropic"), number=2000, repeat=5)) / 2000
    assert best_s < 3e-6


def test_the_memory_of_names_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Resolver, "CACHE_SIZE", 8)
    found = resolver(tmp_path)
    for i in range(50):
        found.resolve(f"local/{i}", "anthropic")
    assert len(found._cache) <= 8
