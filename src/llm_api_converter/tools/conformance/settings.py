"""The settings a gateway needs so that the cases' models lead to the scripted upstream, in the forms of gateways we know."""

import json
from collections.abc import Callable
from typing import Any

from .trial import UPSTREAM_MODELS

SECRET = "sk-pitfall-upstream"


def ours(url: str) -> str:
    """For this project: `gateway.yaml`."""
    compatible = {"type": "openai_compatible", "api_key": SECRET}
    providers: dict[str, Any] = {
        "anthropic": {"type": "anthropic", "base_url": url, "api_key": SECRET},
        "chat": {**compatible, "protocol": "openai_chat", "base_url": f"{url}/v1"},
        "openai": {"type": "openai", "protocol": "openai_chat", "base_url": f"{url}/v1", "api_key": SECRET},
        "deepseek": {"type": "deepseek", "protocol": "openai_chat", "base_url": url, "api_key": SECRET},
        "responses": {"type": "openai", "protocol": "openai_responses", "base_url": f"{url}/v1", "api_key": SECRET},
        "gemini": {"type": "gemini", "base_url": url, "api_key": SECRET},
        "bedrock": {"type": "bedrock", "base_url": url, "api_key": SECRET, "region": "us-east-1"},
    }
    serving = {"bedrock-claude": "bedrock"}
    models = [{"name": f"pitfall-{name}", "provider": serving.get(name, name), "model": model} for name, model in UPSTREAM_MODELS.items()]
    return json.dumps({"providers": providers, "models": models, "rate_limit": {"enabled": False}}, indent=2)


def litellm(url: str) -> str:
    """For LiteLLM's proxy: `config.yaml`."""
    aws = {"aws_bedrock_runtime_endpoint": url, "aws_region_name": "us-east-1"}
    ways: dict[str, tuple[str, str, dict[str, str]]] = {
        "anthropic": ("anthropic", url, {}), "chat": ("hosted_vllm", f"{url}/v1", {}), "openai": ("openai", f"{url}/v1", {}),
        "deepseek": ("deepseek", url, {}), "responses": ("openai/responses", f"{url}/v1", {}), "gemini": ("gemini", f"{url}/v1beta", {}),
        "bedrock": ("bedrock/converse", url, aws), "bedrock-claude": ("bedrock", url, aws),
    }  # fmt: skip
    models = []
    for name, model in UPSTREAM_MODELS.items():
        prefix, base, more = ways[name]
        wanted = {"model": f"{prefix}/{model}", "api_key": SECRET, "api_base": base, **more}
        models.append({"model_name": f"pitfall-{name}", "litellm_params": wanted})
    # A deployment that has failed would otherwise be left alone for some seconds, whatever the next case is. The other two let it mend and
    # drop what an upstream refuses.
    how = {"modify_params": True, "drop_params": True}
    routes = {"disable_cooldowns": True, "num_retries": 0}
    return json.dumps({"model_list": models, "litellm_settings": how, "router_settings": routes}, indent=2)


SETTINGS: dict[str, Callable[[str], str]] = {"ours": ours, "litellm": litellm}
"""Each form by its name; JSON, which is YAML too."""
