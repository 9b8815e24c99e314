"""Under which name a provider type stands in the published lists of prices (genai-prices 0.2, November 2026)."""

PRICED_AS: dict[str, str] = {
    "anthropic": "anthropic", "openai": "openai", "azure_openai": "azure", "deepseek": "deepseek", "gemini": "google", "vertex": "google",
    "bedrock": "aws",
}  # fmt: skip
"""Types that are not here are looked for by the address they are called at."""
