"""Which field of a request an upstream says it does not take, read out of its words.

Few upstreams say it in a field of its own; the rest say it in one of the ways below. What is found is tried once without
(`hub.adapt.without`), which knows what can be left out: a wrong guess costs nothing.
Sources: messages of OpenAI, Azure, Anthropic, Bedrock, Gemini, Groq, Cerebras, Mistral, vLLM, Fireworks, xAI, DeepSeek, Databricks,
llama.cpp, LiteLLM in recordings and in issue threads (n8n-io/n8n#14581, FlowiseAI/Flowise#2866, 1Panel-dev/MaxKB#2912,
google-gemini/cookbook#1302 and others, November 2026).
"""

import re

_FIELD = r"([A-Za-z_][\w.\[\]-]*)"
_QUOTED = rf"[`'\"\u2018\u201c]{_FIELD}[`'\"\u2019\u201d]"
_HAS_NOT = r"does(?:n['\u2019]t| not) support (?:the )?"
_NOT = r"(?:is|are)\s+(?:not\s+(?:supported|allowed|permitted|available|enabled)|unsupported|deprecated|no\s+longer\s+supported)(?!\s+to\b)"

PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"^{_FIELD}:\s+Extra inputs are not permitted",  # Anthropic
        rf"Extra inputs are not permitted,\s+field:\s+{_QUOTED}",  # Fireworks
        rf"unrecognized request arguments?(?: supplied)?:\s+{_FIELD}",  # OpenAI, Azure
        rf"(?:unsupported|unknown|unrecognized|unexpected)\s+(?:parameter|argument|field|key|value|property|option)s?"
        rf"\s*:?\s+{_QUOTED}",  # OpenAI, serde (DeepSeek, xAI), Go's encoding/json
        rf"(?:unsupported|unknown|unrecognized)\s+(?:parameter|argument|field|key|option)s?:\s+{_FIELD}",  # Databricks, llama.cpp
        rf"argument not supported(?: on this model)?:\s+{_FIELD}",  # xAI
        rf"property {_QUOTED} is unsupported",  # Groq, Cerebras
        rf"{_HAS_NOT}parameters?:?\s+\[?{_QUOTED}",  # LiteLLM
        rf"{_HAS_NOT}(?:parameters?\s+)?[`'\"]?{_FIELD}[`'\"]? (?:parameter|field|option)",  # Anthropic, Bedrock
        rf"parameters?\s+\[?{_QUOTED}\]?\s+(?:{_NOT}|can(?:not|'t) be)",
        rf"{_QUOTED}\s+{_NOT}",  # Anthropic, OpenAI, Bedrock
        rf"{_QUOTED} and {_QUOTED} cannot both be",  # Anthropic: the first goes
        rf"extraneous key \[{_FIELD}\] is not permitted",  # Bedrock
        rf"Unknown name {_QUOTED}",  # Gemini
        rf"Extra parameters? \[?{_QUOTED}",  # Azure AI Foundry
        rf"^{_FIELD}\s+{_NOT}",  # bare names, at the beginning only: elsewhere they are prose
    )
)
_FORBIDDEN = re.compile(r"extra_forbidden[`'\"]*,\s*[`'\"]loc[`'\"]:\s*[\[(]([^\])]*)[\])]", re.IGNORECASE)
"""pydantic's list of complaints (Mistral, vLLM): `{"type": "extra_forbidden", "loc": ["body", "store"], ...}`."""
_NAMED: tuple[tuple[str, str], ...] = (
    ("adaptive thinking is not supported", "thinking"),
    ("thinking is not supported by this model", "thinking"),
    ("thinking level is not supported", "thinkingLevel"),
    ("thinking budget is not supported", "thinkingBudget"),
    ("penalty is not enabled for this model", "frequencyPenalty"),
    ("logprobs is not enabled", "responseLogprobs"),
    ("web search options not supported", "web_search_options"),
)
"""Messages that name the thing and not the field."""
REFUSED = re.compile(
    r"not supported|unsupported|unrecognized|unknown (?:parameter|field|argument|name)|not permitted|not allowed|deprecated", re.IGNORECASE
)
"""Words beside which a field named apart from the message is one that is not taken."""

_READ = 4_000
"""Characters of a message that are looked at."""


def refused_field(message: str) -> str | None:
    """The field, as the upstream calls it (`inferenceConfig.topP`); None where the message names none."""
    text = message[:_READ].strip()
    found = _FORBIDDEN.search(text)
    if found:
        steps = [step.strip(" `'\"") for step in found.group(1).split(",")]
        return ".".join(step for step in steps if step and step != "body") or None
    lower = text.lower()
    for words, field in _NAMED:
        if words in lower:
            return field
    for pattern in PATTERNS:
        found = pattern.search(text)
        if found:
            return found.group(1).rstrip(".")
    return None
