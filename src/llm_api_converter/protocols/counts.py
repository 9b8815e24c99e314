"""The upstream's own usage object, as records keep it (`Usage.raw`), read again: whatever its protocol. Pure."""

from typing import Any

from ..hub.response import Usage


def decode_counts(protocol: str, raw: dict[str, Any]) -> Usage | None:
    """The counts of a usage object; None for an object without any, or a protocol that has none."""
    match protocol:
        case "anthropic":
            from .anthropic.usage import decode_usage as anthropic

            return anthropic(raw)
        case "openai_chat":
            from .openai_chat.usage import decode_usage as chat

            return chat(raw)
        case "openai_responses":
            from .openai_responses.response import decode_usage as responses

            return responses(raw)
        case "gemini":
            from .gemini.outcome import decode_usage as gemini

            return gemini(raw)
        case "bedrock_converse":
            from .bedrock_converse.response import decode_usage as converse

            return converse(raw, None)
    return None
