"""What OpenTelemetry's semantic conventions for generative AI call the types of the catalogue (`gen_ai.provider.name`).

https://github.com/open-telemetry/semantic-conventions-genai, v0.1.0, docs/registry/attributes/gen-ai.md, read 2026-11-24.
"""

GENAI_NAMES = {
    "openai": "openai",
    "azure_openai": "azure.ai.openai",
    "anthropic": "anthropic",
    "deepseek": "deepseek",
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
}
"""A type that is not here (a server of one's own) goes by its configured name."""
