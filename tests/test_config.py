"""The settings: where they come from, what is refused, and that the documentation lists exactly what exists."""

import re
from decimal import Decimal
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args, get_origin

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from llm_api_converter.config import Config, ConfigError
from llm_api_converter.config.describe import mask_url, show
from llm_api_converter.config.environ import VARIABLES
from llm_api_converter.config.model import Section
from llm_api_converter.providers.catalog import Catalog

ROOT = Path(__file__).resolve().parent.parent
SEED = [
    "HOST", "PORT", "LOG_LEVEL", "ENVIRONMENT", "AWS_REGION", "BEDROCK_ENDPOINT_URL", "DYNAMODB_ENDPOINT_URL", "DYNAMODB_*_TABLE",
    "STORAGE_BACKEND", "DATABASE_URL", "REQUIRE_API_KEY", "MASTER_API_KEY", "RATE_LIMIT_ENABLED", "RATE_LIMIT_REQUESTS_PER_WINDOW",
    "RATE_LIMIT_WINDOW_SECONDS", "ENABLE_TOOL_USE", "ENABLE_EXTENDED_THINKING", "ENABLE_DOCUMENT_SUPPORT", "PROMPT_CACHING_ENABLED",
    "STREAMING_TIMEOUT_SECONDS", "OPENAI_API_KEY", "OPENAI_BASE_URL", "DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL", "GEMINI_API_KEY",
    "GEMINI_API_KEYS", "GEMINI_BASE_URL", "ANTHROPIC_API_KEY", "BEDROCK_PROFILES", "BACKEND_LOAD_BALANCE_STRATEGY",
    "BACKEND_MAX_FAILURES", "BACKEND_RETRY_AFTER_SECS", "ANTHROPIC_DEFAULT_MODEL", "ANTHROPIC_DEFAULT_SONNET_MODEL",
    "ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_DEFAULT_OPUS_MODEL", "PRINT_PROMPTS",
]

LOCAL = "providers: {local: {type: openai_compatible, base_url: 'http://127.0.0.1:9/v1'}}\n"


def load(cwd: Path, text: str | None = None, env: dict[str, str] | None = None, **flags: Any) -> Config:
    if text is not None:
        (cwd / "gateway.yaml").write_text(dedent(text), encoding="utf-8")
    return Config.load(None, env or {}, cwd, flags)


def errors(cwd: Path, text: str | None = None, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(cwd, text, env)
    return list(caught.value.errors)


# ------------------------------------------------------------------------------------------------------------- sources


def test_without_anything_there_is_the_demo(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert {name: p.type for name, p in config.providers.items()} == {"demo": "demo"}
    assert (config.server.host, config.server.port, config.server.workers) == ("127.0.0.1", 8000, 1)
    assert config.auth.require_api_key
    assert config.auth.master_api_key is None
    assert config.conversion.on_loss.table()["content"] == "reject"
    assert (config.retry.attempts, config.retry.max_wait_s) == (2, 10)
    assert config.notes == ()


def test_each_source_gives_way_to_the_one_before(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=1001\nHOST=10.0.0.1\nLOG_LEVEL=debug\nENVIRONMENT=prod\n")
    config = Config.load(None, {"PORT": "1002", "HOST": "10.0.0.2"}, tmp_path)
    assert (config.server.port, config.server.host, config.logging.level, config.environment) == (1002, "10.0.0.2", "debug", "production")
    assert config.json_logs
    (tmp_path / "gateway.yaml").write_text("server: {port: 1003}\n")
    config = Config.load(None, {"PORT": "1002", "HOST": "10.0.0.2"}, tmp_path)
    assert (config.server.port, config.server.host) == (1003, "10.0.0.2")
    config = Config.load(None, {"PORT": "1002"}, tmp_path, {"server.port": 1004, "server.host": None})
    assert (config.server.port, config.server.host) == (1004, "10.0.0.1")
    sources = {path: source for path, _, source in config.describe()}
    assert sources["server.port"] == "flag --port"
    assert sources["server.host"] == ".env HOST"
    assert sources["server.workers"] == "default"


def test_dotenv_does_not_touch_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MASTER_API_KEY", raising=False)
    (tmp_path / ".env").write_text('MASTER_API_KEY="from $HOME file"\n')
    config = load(tmp_path)
    assert config.auth.master_api_key is not None
    assert config.auth.master_api_key.get_secret_value() == "from $HOME file"
    import os

    assert "MASTER_API_KEY" not in os.environ


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    config = load(tmp_path, env={"OPENAI_API_KEY": "", "PORT": "", "GEMINI_API_KEYS": " "})
    assert list(config.providers) == ["demo"]
    assert config.server.port == 8000


@pytest.mark.parametrize(
    ("env", "kind", "base_url"),
    [
        ({"OPENAI_API_KEY": "k"}, "openai", None),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "https://proxy.example/v1"}, "openai", "https://proxy.example/v1"),
        ({"ANTHROPIC_API_KEY": "k"}, "anthropic", None),
        ({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "https://a.example"}, "anthropic", "https://a.example"),
        ({"DEEPSEEK_API_KEY": "k", "DEEPSEEK_BASE_URL": "https://d.example"}, "deepseek", "https://d.example"),
    ],
)
def test_a_provider_from_the_environment(tmp_path: Path, env: dict[str, str], kind: str, base_url: str | None) -> None:
    config = load(tmp_path, env=env)
    assert list(config.providers) == [kind]
    provider = config.providers[kind]
    assert provider.type == kind
    assert provider.base_url == base_url
    assert provider.api_key is not None
    assert provider.api_key.get_secret_value() == "k"


def test_the_environment_adds_types_the_file_has_not_and_fills_those_it_has(tmp_path: Path) -> None:
    text = "providers: {mine: {type: openai}, local: {type: openai_compatible, base_url: 'http://h/v1', api_key: none}}"
    config = load(tmp_path, text, {"OPENAI_API_KEY": "k", "ANTHROPIC_API_KEY": "a"})
    assert sorted(config.providers) == ["anthropic", "local", "mine"]
    key = config.providers["mine"].api_key
    assert key is not None
    assert key.get_secret_value() == "k"
    assert config.sources["providers.mine.api_key"] == "environment OPENAI_API_KEY"


def test_references(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("from-file\n")
    text = """
        server: {port: "env:GATEWAY_PORT"}
        providers:
          a: {type: openai, api_key: "env:MY_KEY"}
          b: {type: deepseek, api_key: "file:key.txt"}
          c: {type: openai_compatible, base_url: "http://h/v1", api_key: none}
    """
    config = load(tmp_path, text, {"MY_KEY": "from-env", "GATEWAY_PORT": "1234"})
    keys = {name: p.api_key.get_secret_value() if p.api_key else None for name, p in config.providers.items()}
    assert keys == {"a": "from-env", "b": "from-file", "c": None}
    assert config.server.port == 1234


def test_a_missing_reference_is_one_error_that_names_it(tmp_path: Path) -> None:
    text = "providers: {a: {type: openai, api_key: 'env:NOPE'}, b: {type: openai, api_key: 'file:nope.txt'}}"
    assert errors(tmp_path, text) == [
        "providers.a.api_key: the environment variable NOPE is not set",
        "providers.b.api_key: the file nope.txt cannot be read (No such file or directory)",
    ]


def test_the_default_reference_of_the_master_key_may_be_unset(tmp_path: Path) -> None:
    text = "auth: {master_api_key: 'env:MASTER_API_KEY'}"
    assert load(tmp_path, text).auth.master_api_key is None
    key = load(tmp_path, text, {"MASTER_API_KEY": "secret"}).auth.master_api_key
    assert key is not None
    assert key.get_secret_value() == "secret"


def test_the_file_may_be_named_and_must_then_exist(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text('{"server": {"port": 77}}')
    assert Config.load(tmp_path / "other.json", {}, tmp_path).server.port == 77
    assert Config.load(Path("other.json"), {}, tmp_path).server.port == 77
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        Config.load(Path("absent.yaml"), {}, tmp_path)


def test_yaml_dates_stay_text_and_aliases_work(tmp_path: Path) -> None:
    text = """
        models:
          - {name: "2024-10-21", provider: local, model: m, facts: &f {accepts_images: false}}
          - {name: b, provider: local, model: m, facts: {<<: *f, accepts_audio: true}}
    """
    config = load(tmp_path, LOCAL + dedent(text))
    assert config.models[0].name == "2024-10-21"
    assert dict(config.models[1].facts) == {"accepts_images": False, "accepts_audio": True}


# ------------------------------------------------------------------------------------------------------------- refusals


def test_every_error_comes_at_once_with_its_place(tmp_path: Path) -> None:
    text = """\
server: {port: true, hots: x}
providers:
  local: {type: openai_compatible, base_ulr: "http://x"}
  b: {type: vertex}
  c: {type: openaii}
models:
  - {name: a, provider: locl, model: x}
retry: {attempts: lots}
"""
    found = errors(tmp_path, text, {"LOG_LEVEL": "loud"})
    for expected in (
        "server.port: a number is wanted, not true or false (gateway.yaml:1)",
        "server.hots: unknown setting, did you mean host? (gateway.yaml:1)",
        "providers.local.base_ulr: unknown setting, did you mean base_url? (gateway.yaml:3)",
        "providers.local.base_url: required for type openai_compatible",
        "providers.c.type: no provider type 'openaii', did you mean openai?",
        "models[0].provider: no provider 'locl' is configured, did you mean local?",
        "logging.level: Input should be 'debug', 'info', 'warning' or 'error' (environment LOG_LEVEL)",
    ):
        assert expected in found
    assert "providers.b.project: required for type vertex; set GOOGLE_CLOUD_PROJECT" in found
    assert any(e.startswith("retry.attempts: ") and e.endswith("(gateway.yaml:8)") for e in found)
    assert len(found) == 9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "the settings file is not YAML"),
        ("- a\n- b\n", "the settings file must hold settings"),
        ("server: {port: 1}\nserver: {port: 2}\n", "server: said twice, on line 1 and on line 2; keep one"),
        ("server: &x {host: *x}\n", "server.host: an alias that holds itself (line 1)"),
        ("servers: {}\n", "servers: unknown setting, did you mean server? (gateway.yaml:1)"),
        ("server: 5\n", "server: settings are wanted"),
        ("auth: {master_api_key: ''}\n", "auth.master_api_key: is empty"),
        ("auth: {master_api_key: 12345}\n", "auth.master_api_key: text is wanted; put quotes around it (gateway.yaml:1)"),
        ("providers: {o: {type: openai}}\n", "providers.o.api_key: required for type openai; set OPENAI_API_KEY or write api_key: none"),
        ("providers: {o: {type: openai, api_key: ''}}\n", "providers.o.api_key: is empty; write none for no key"),
        ("providers: {o: {type: [openai]}}\n", "providers.o.type: text is wanted"),
        ("providers: {'a/b': {type: demo}}\n", "providers.a/b: a provider's name holds"),
        ("providers: {d: {type: demo, region: x}}\n", "providers.d.region: is not a setting of type demo"),
        ("providers: {d: {type: anthropic, api_key: k, protocol: gemini}}\n", "providers.d.protocol: type anthropic does not speak gemini"),
        ("providers: {d: {type: demo, claims: x}}\n", "providers.d.claims: a list is wanted"),
        ("providers: {d: {type: demo, facts: {acepts_images: false}}}\n", "unknown fact, did you mean accepts_images?"),
        ("providers: {d: {type: demo, facts: {accepts_images: 3}}}\n", "providers.d.facts.accepts_images: Expected `bool`, got `int`"),
        ("models: [{name: a, provider: demo}]\n", "models[0].model: required"),
        ("models: [{provider: demo, model: m}]\n", "models[0].name: required"),
        ("models: [{name: a, provider: demo, model: '*'}]\n", "models[0].model: '*' needs a pattern as the name"),
        (
            "models:\n- {name: a, provider: demo, model: m}\n- {name: a, provider: demo, model: n}\n",
            "models[1].name: 'a' is said twice, in models[0] (gateway.yaml:2) and in models[1] (gateway.yaml:3); keep one",
        ),
        (
            "models:\n- name: a\n  provider: demo\n  targets: [{provider: demo, model: m}]\n",
            "models[0].provider (gateway.yaml:3) and models[0].targets (gateway.yaml:4) contradict each other; keep one of the two",
        ),
        ("models: [{name: a, provider: demo, model: m, on_loss: {contnt: allow}}]\n", "models[0].on_loss.contnt: "),
        ("conversion: {on_loss: {contnt: allow}}\n", "conversion.on_loss.contnt: unknown setting, did you mean content?"),
        ("seal: {keys: [{id: a, secret: 0123456789abcdef}, {id: a, secret: 0123456789abcdef}]}\n", "seal.keys: the id 'a' is used twice"),
        ("seal: {keys: [{id: a, secret: short}]}\n", "seal.keys[0].secret: "),
        ("rate_limit: {backend: redis}\n", "rate_limit.backend (gateway.yaml:1): redis needs redis.url"),
        ("rate_limit: {requests: -5}\n", "rate_limit.requests: "),
        ("rate_limit: {request: 5}\n", "rate_limit.request: unknown setting, did you mean requests?"),
        ("cache: {enabled: true}\n", "cache.enabled: true is not built yet"),
        ("redis: {url: 'http://:geheim@h'}\n", "redis.url (gateway.yaml:1): expected redis://HOST"),
        ("store: {url: 'mysql://u:geheim@h/d'}\n", "store.url (gateway.yaml:1): expected sqlite:///FILE"),
        ("store: {url: 'sqlite:///'}\n", "store.url (gateway.yaml:1): names no file"),
        ("store: {url: 'sqlite://data/gateway.db'}\n", "store.url (gateway.yaml:1): names no file"),
        ("store: {url: 'dynamodb://eu-west-1', tables: {usages: our-usage}}\n", "store.tables.usages (gateway.yaml:1): no such table, did you mean usage?"),
        ("store: {url: 'dynamodb://eu-west-1?perfix=x'}\n", "store.url (gateway.yaml:1): no option 'perfix' of dynamodb://, did you mean prefix?"),
        ("store: {tables: {usage: u}, url: 'postgresql://u:geheim@h/d'}\n", "store.tables (gateway.yaml:1): only dynamodb"),
        ("server: {trusted_proxies: [10.0.0.0/8, proxy]}\n", "server.trusted_proxies[1]: expected an address or a network"),
        ("audit: {bodies: full}\n", "audit.bodies (gateway.yaml:1): says nothing without audit.requests"),
        ("auth: {master_api_key: geheim}\nadmin: {api_key: geheim}\n", "admin.api_key: is the master key"),
        ("teams: {a: {budget: {day: -1}}}\n", "teams.a.budget.day: "),
        ("teams: {a: {budget: {day: yes}}}\n", "teams.a.budget.day: an amount is wanted"),
        ("models: [{name: a, strategy: cheapest, targets: [{provider: demo, model: m}]}]\n", "models[0].strategy: cheapest is not built yet"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    prefix = "" if "providers:" in text or not text.startswith(("models", "seal")) else "providers: {demo: {type: demo}}\n"
    found = errors(tmp_path, text + prefix)
    assert any(expected in e for e in found), found
    assert not any("geheim" in e for e in found)


AWS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "geheim", "AWS_SESSION_TOKEN": "geheim"}


@pytest.mark.parametrize(
    ("entry", "env", "expected"),
    [
        ("{type: bedrock}", AWS, {"region", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}),
        ("{type: bedrock}", {**AWS, "AWS_BEARER_TOKEN_BEDROCK": "k"}, {"region", "api_key"}),
        ("{type: bedrock, aws_access_key_id: a, aws_secret_access_key: b}", {**AWS, "AWS_BEARER_TOKEN_BEDROCK": "k"},
         {"region", "aws_access_key_id", "aws_secret_access_key"}),
        ("{type: bedrock, profile: p, region: us-east-1}", {**AWS, "AWS_BEARER_TOKEN_BEDROCK": "k"}, {"region", "profile"}),
        ("{type: bedrock, role_arn: 'arn:aws:iam::1:role/r'}", {**AWS, "AWS_BEARER_TOKEN_BEDROCK": "k"},
         {"region", "role_arn", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}),
        ("{type: vertex}", {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_APPLICATION_CREDENTIALS": "f.json"}, {"project", "credentials_file"}),
        ("{type: azure_openai, base_url: 'https://h'}", {"AZURE_OPENAI_API_KEY": "k"}, {"api_key"}),
    ],
)  # fmt: skip
def test_credentials_come_from_one_place(tmp_path: Path, entry: str, env: dict[str, str], expected: set[str]) -> None:
    provider = load(tmp_path, f"providers: {{p: {entry}}}", env).providers["p"]
    given = {name for name in type(provider).model_fields if getattr(provider, name) not in (None, {}, ())}
    assert given - {"type", "base_url"} == expected


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("type: bedrock, region: r, aws_access_key_id: a", "providers.p.aws_access_key_id: says nothing without aws_secret_access_key"),
        ("type: bedrock, region: r, api_key: k, profile: x", "providers.p.profile: contradicts api_key"),
        ("type: bedrock, region: r, api_key: k, external_id: x", "providers.p.external_id: says nothing without role_arn"),
        ("type: azure_openai, base_url: 'https://h', api_key: k, api_version: preview", "providers.p.api_version: expected a date"),
        ("type: azure_openai, base_url: 'https://h', client_secret: k", "providers.p.client_secret: says nothing without tenant_id"),
        ("type: gemini, api_key: k, project: x", "providers.p.project: is not a setting of type gemini"),
    ],
)
def test_credentials_that_do_not_go_together(tmp_path: Path, entry: str, expected: str) -> None:
    assert any(expected in e for e in errors(tmp_path, f"providers: {{p: {{{entry}}}}}"))


@pytest.mark.parametrize(
    ("entry", "package"),
    [
        ("type: bedrock, region: r", "botocore"), ("type: vertex, project: p", "google-auth"),
        ("type: azure_openai, base_url: 'https://h'", "azure-identity"),
        ("type: bedrock, region: r, aws_access_key_id: a, aws_secret_access_key: b, role_arn: x", "botocore"),
    ],
)
def test_a_missing_library_is_named_before_the_start(tmp_path: Path, entry: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_api_converter.providers.auth.find_spec", lambda name: None)
    assert any(f"providers.p: needs the package {package}: pip install {package}" in e for e in errors(tmp_path, f"providers: {{p: {{{entry}}}}}"))


def test_keys_need_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_api_converter.providers.auth.find_spec", lambda name: None)
    for entry in ("type: bedrock, region: r, aws_access_key_id: a, aws_secret_access_key: b", "type: bedrock, region: r, api_key: k",
                  "type: vertex, project: p, api_key: token", "type: azure_openai, base_url: 'https://h', api_key: k"):  # fmt: skip
        load(tmp_path, f"providers: {{p: {{{entry}}}}}")


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"RATE_LIMIT_ENABLED": "maybe"}, "rate_limit.enabled: "),
        ({"GEMINI_API_KEYS": "a,b"}, "GEMINI_API_KEYS: pools of credentials"),
        ({"BEDROCK_PROFILES": "a,b"}, "BEDROCK_PROFILES: pools of credentials"),
        ({"BACKEND_LOAD_BALANCE_STRATEGY": "round_robin"}, "BACKEND_LOAD_BALANCE_STRATEGY: only failover"),
        ({"STORAGE_BACKEND": "oracle"}, "STORAGE_BACKEND: expected sqlite, postgres or dynamodb"),
        ({"STORAGE_BACKEND": "postgres"}, "DATABASE_URL: required"),
        ({"STORAGE_BACKEND": "postgres", "DATABASE_URL": "mysql://h/d"}, "DATABASE_URL: expected postgresql://"),
        ({"PORT": "abc"}, "environment PORT"),
        ({"SEAL_KEYS": "nocolon"}, "seal.keys[0].secret: required (environment SEAL_KEYS)"),
        ({"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": "http://localhost:8000"}, "is this gateway's own address"),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "localhost"}, "providers.openai.base_url"),
    ],
)
def test_what_the_environment_may_not_ask_for(tmp_path: Path, env: dict[str, str], expected: str) -> None:
    assert any(expected in e for e in errors(tmp_path, env=env))


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, "sqlite:///data/gateway.db"),
        ({"STORAGE_BACKEND": "sqlite", "DATABASE_URL": "sqlite:////var/g.db"}, "sqlite:////var/g.db"),
        ({"STORAGE_BACKEND": "postgres", "DATABASE_URL": "postgres://u:p@h/d?x=y"}, "postgresql://u:p@h/d?x=y"),
        ({"STORAGE_BACKEND": "dynamodb"}, "dynamodb://us-east-1"),
        (
            {"STORAGE_BACKEND": "dynamodb", "AWS_REGION": "eu-west-1", "DYNAMODB_ENDPOINT_URL": "http://localhost:8001"},
            "dynamodb://eu-west-1?endpoint=http%3A%2F%2Flocalhost%3A8001",
        ),
    ],
)
def test_the_store_of_the_environment(tmp_path: Path, env: dict[str, str], url: str) -> None:
    assert load(tmp_path, env=env).store.url.get_secret_value() == url


def test_tables_of_the_environment(tmp_path: Path) -> None:
    env = {"STORAGE_BACKEND": "dynamodb", "DYNAMODB_API_KEYS_TABLE": "our-keys", "DYNAMODB_USAGE_TABLE": "our-usage", "DYNAMODB_AUDIT_TABLE": " "}
    assert load(tmp_path, env=env).store.tables == {"api_keys": "our-keys", "usage": "our-usage"}


def test_an_amount_of_money_is_exact(tmp_path: Path) -> None:
    config = load(tmp_path, "teams: {a: {budget: {day: 0.1, month: '25.50'}}}")
    assert (config.teams["a"].budget.day, config.teams["a"].budget.month) == (Decimal("0.1"), Decimal("25.50"))


def test_values_that_ask_for_nothing_are_accepted(tmp_path: Path) -> None:
    env = {
        "RATE_LIMIT_ENABLED": "false", "AWS_REGION": "eu-west-1", "STORAGE_BACKEND": "sqlite", "BACKEND_LOAD_BALANCE_STRATEGY": "failover",
        "REQUIRE_API_KEY": "true", "DYNAMODB_API_KEYS_TABLE": "t", "DATABASE_URL": "postgres://x",
        "BACKEND_MAX_FAILURES": "3", "UNRELATED": "x",
    }
    config = load(tmp_path, env=env)
    assert list(config.providers) == ["demo"]
    for name in ("DYNAMODB_API_KEYS_TABLE", "DATABASE_URL", "BACKEND_MAX_FAILURES"):
        assert any(note.startswith(f"{name} is set but not used") for note in config.notes)
    assert not any("AWS_REGION" in note for note in config.notes)


def test_contract_defaults_and_off_values_load(tmp_path: Path) -> None:
    text = """
        server:     {host: 127.0.0.1, port: 8000, workers: 4, max_body_bytes: 33554432}
        rate_limit: {enabled: false, requests: 5, window_s: 1, burst: 20, tokens: null, concurrent: null, backend: redis}
        store:      {url: "sqlite:///data/gateway.db"}
        conversion: {on_loss: {content: reject, state: report, tools: report, privacy: report, tuning: report, cache: report, unknown: report}}
        retry:      {attempts: 0, max_wait_s: 10}
        responses:  {keep: false, ttl_s: 86400}
        cache:      {enabled: false, ttl_s: 300}
        redis:
        models:
          - {name: fast, provider: local, model: gpt-5-mini}
          - name: "claude-*"
            strategy: failover
            targets: [{provider: local, model: "*", weight: 3}, {provider: local, model: gpt-5}]
    """
    config = load(tmp_path, LOCAL + dedent(text))
    assert config.server.workers == 4
    assert [t.model for t in config.models[1].all_targets()] == ["*", "gpt-5"]
    assert [t.model for t in config.models[0].all_targets()] == ["gpt-5-mini"]


def test_an_open_gateway_is_noted(tmp_path: Path) -> None:
    assert load(tmp_path, env={"REQUIRE_API_KEY": "false"}).notes == ()
    (note,) = load(tmp_path, env={"REQUIRE_API_KEY": "false", "HOST": "0.0.0.0"}).notes
    assert "anyone who reaches it can use it" in note


def test_a_misspelt_name_in_dotenv_is_noted(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KY=x\nMY_OWN=y\n")
    (note,) = load(tmp_path).notes
    assert note == ".env: OPENAI_API_KY is no variable of the gateway, did you mean OPENAI_API_KEY?"


def test_seal_keys_from_the_environment(tmp_path: Path) -> None:
    config = load(tmp_path, env={"SEAL_KEYS": "b:fedcba9876543210,a:0123456789:abcdef"})
    assert [(k.id, k.secret.get_secret_value()) for k in config.seal.keys] == [("b", "fedcba9876543210"), ("a", "0123456789:abcdef")]


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    text = """
        auth: {master_api_key: geheim1}
        providers: {o: {type: openai, api_key: geheim2, base_url: "https://u:geheim4@h/v1", headers: {authorization: geheim3}}}
    """
    config = load(tmp_path, text, {"SEAL_KEYS": "a:geheim-geheim-geheim"})
    shown = "\n".join(" ".join(row) for row in config.describe()) + repr(config)
    assert "geheim1" not in shown
    assert "geheim2" not in shown
    assert "geheim3" not in shown
    assert "geheim-geheim" not in shown
    assert "geheim4" not in "\n".join(" ".join(row) for row in config.describe())
    assert mask_url("postgresql://user:word@host:1/db?x=1") == "postgresql://***@host:1/db?x=1"


def test_the_tree_is_frozen(tmp_path: Path) -> None:
    config = load(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        config.server.port = 1  # type: ignore[misc]


def test_described_sources(tmp_path: Path) -> None:
    text = "providers:\n  o:\n    type: openai\n    facts:\n      sampling: [seed]\n"
    rows = {path: (value, source) for path, value, source in load(tmp_path, text, {"OPENAI_API_KEY": "k"}).describe()}
    assert rows["providers.o.type"] == ("openai", "gateway.yaml:3")
    assert rows["providers.o.facts.sampling"] == ("[seed]", "gateway.yaml:5")
    assert rows["providers.o.api_key"] == ("***", "environment OPENAI_API_KEY")
    assert rows["providers.o.base_url"] == ("https://api.openai.com/v1", "catalogue")
    assert rows["auth.master_api_key"] == ("null", "default")


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 99999) | st.sampled_from(["", "x", "*", "env:X", "none", "openai", "http://h"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["server", "port", "providers", "models", "type", "name", "model", "provider", "targets", "api_key", "facts", "seal", "keys", "id"]
    ), inner, max_size=4),
    max_leaves=12,
)


@given(tree=st.dictionaries(st.sampled_from(sorted([*Config.model_fields, "x"])), _json, max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_file_loads_or_is_refused_with_reasons(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
    cwd = tmp_path_factory.getbasetemp()
    file = cwd / "any.yaml"
    file.write_text(yaml.safe_dump(tree))
    found: tuple[str, ...] | None = None
    try:
        Config.load(file, {}, cwd).describe()
    except ConfigError as error:
        found = error.errors
    assert found is None or (found and all(": " in e or "settings file" in e or "contradict" in e for e in found))


# -------------------------------------------------------------------------------------------------------- documentation


def leaves(section: type[Section], at: str = "") -> dict[str, str]:
    """Every setting of the tree as docs/settings.md spells it -> its default."""
    found: dict[str, str] = {}
    for name, field in section.model_fields.items():
        here = f"{at}.{name}" if at else name
        inner = _inner(field.annotation)
        if inner is None:
            default = field.get_default(call_default_factory=True, validated_data={})
            found[here] = "required" if default is PydanticUndefined else _spelled(default)
        elif isinstance(field.annotation, type):
            found |= leaves(inner, here)
        else:
            found |= leaves(inner, f"{here}.NAME" if _is_mapping(field.annotation) else f"{here}[]")
    return found


def _inner(annotation: Any) -> type[Section] | None:
    candidates = [annotation, *get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, Section)), None)


def _is_mapping(annotation: Any) -> bool:
    return get_origin(annotation) is not tuple


def _spelled(default: Any) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    return "{}" if default == {} else show(default)


def rows(heading: str) -> dict[str, list[str]]:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    found = {row[0].strip("` "): row[1:] for row in cells}
    assert len(found) == len(lines), "a row stands twice"
    return found


def test_every_setting_is_documented_with_its_default_and_nothing_else() -> None:
    documented = rows("The file")
    existing = leaves(Config)
    assert sorted(documented) == sorted(existing)
    assert {name: row[0].strip("`") for name, row in documented.items()} == existing


def test_every_variable_is_documented_and_nothing_else() -> None:
    documented = rows("Environment variables")
    assert sorted(documented) == sorted(v.name for v in VARIABLES)
    for variable in VARIABLES:
        if variable.path:
            assert documented[variable.name][0] == f"`{variable.path}`"


def test_every_variable_of_the_catalogue_and_of_the_seed_exists() -> None:
    named = {v.name for v in VARIABLES}
    used = {name for entry in Catalog.load().providers.values() for name in (*entry.env.values(), *entry.env_from)}
    assert {v.name for v in VARIABLES if v.provider} == used
    assert set(SEED) <= named


def test_the_example_lists_every_variable() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    listed = re.findall(r"^#?([A-Z][A-Z0-9_*]*)=", text, re.MULTILINE)
    assert sorted(listed) == sorted(v.name for v in VARIABLES)


def test_the_example_uncommented_loads(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(re.sub(r"^#([A-Z])", r"\1", text, flags=re.MULTILINE).replace("DYNAMODB_*_TABLE", "DYNAMODB_X_TABLE"))
    assert list(load(tmp_path).providers) == ["demo"]


def test_every_path_of_a_variable_exists() -> None:
    existing = leaves(Config)
    for variable in VARIABLES:
        assert not variable.path or variable.path in existing or variable.path == "seal.keys", variable
