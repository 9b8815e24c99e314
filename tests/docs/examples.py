"""The conversations the pages show: name -> protocol -> body."""

from typing import Any

Json = dict[str, Any]
_CITY: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

REQUESTS: dict[str, dict[str, Json]] = {
    # A question with a tool, asked by a client of each protocol.
    "weather": {
        "anthropic": {
            "model": "m", "max_tokens": 500, "system": "Be brief.", "messages": [{"role": "user", "content": "Weather in Oslo?"}],
            "tools": [{"name": "weather", "description": "Tells the weather.", "input_schema": _CITY}],
        },
        "openai_chat": {
            "model": "m", "max_completion_tokens": 500,
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Oslo?"}],
            "tools": [{"type": "function", "function": {"name": "weather", "description": "Tells the weather.", "parameters": _CITY}}],
        },
        "openai_responses": {
            "model": "m", "max_output_tokens": 500, "instructions": "Be brief.", "input": "Weather in Oslo?",
            "tools": [{"type": "function", "name": "weather", "description": "Tells the weather.", "parameters": _CITY}],
        },
        "gemini": {
            "systemInstruction": {"parts": [{"text": "Be brief."}]},
            "contents": [{"role": "user", "parts": [{"text": "Weather in Oslo?"}]}], "generationConfig": {"maxOutputTokens": 500},
            "tools": [{"functionDeclarations": [{"name": "weather", "description": "Tells the weather.", "parametersJsonSchema": _CITY}]}],
        },
        "bedrock_converse": {
            "system": [{"text": "Be brief."}], "messages": [{"role": "user", "content": [{"text": "Weather in Oslo?"}]}],
            "inferenceConfig": {"maxTokens": 500},
            "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "description": "Tells the weather.", "inputSchema": {"json": _CITY}}}]},
        },
    },
    # Something special of each protocol, for its own page.
    "page": {
        "anthropic": {
            "model": "claude-sonnet-4-5", "max_tokens": 4000, "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            "thinking": {"type": "enabled", "budget_tokens": 2048}, "top_k": 5,
            "messages": [
                {"role": "user", "content": "Weather in Oslo?"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo"}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "no such city", "is_error": True}]},
            ],
            "tools": [{"name": "weather", "input_schema": _CITY}],
        },
        "openai_chat": {
            "model": "gpt-5", "max_completion_tokens": 4000, "reasoning_effort": "low", "seed": 7,
            "messages": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Weather in Oslo?"}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": {**_CITY, "additionalProperties": False}}},
        },
        "openai_responses": {
            "model": "gpt-5", "instructions": "Be brief.", "store": False, "reasoning": {"effort": "low", "summary": "auto"},
            "input": [
                {"role": "user", "content": "Run it."},
                {"type": "custom_tool_call", "call_id": "call_1", "name": "sql", "input": "SELECT 1"},
                {"type": "custom_tool_call_output", "call_id": "call_1", "output": "1"},
            ],
            "tools": [{"type": "custom", "name": "sql", "description": "Runs SQL."}], "previous_response_id": None,
        },
        "gemini": {
            "contents": [
                {"role": "user", "parts": [{"text": "Weather in Oslo?"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Oslo"}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"sky": "rain"}}}]},
            ],
            "tools": [{"functionDeclarations": [{"name": "weather", "parameters": {
                "type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}}]}],
            "generationConfig": {"maxOutputTokens": 500, "topK": 5, "thinkingConfig": {"thinkingBudget": 0}}, "safetySettings": [],
        },
        "bedrock_converse": {
            "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
            "messages": [{"role": "user", "content": [
                {"text": "What is this?"}, {"document": {"format": "pdf", "name": "report", "source": {"bytes": "JVBERi0xLjQK"}}}]}],
            "inferenceConfig": {"maxTokens": 500, "stopSequences": ["END"]}, "additionalModelRequestFields": {"top_k": 5},
            "guardrailConfig": {"guardrailIdentifier": "g1", "guardrailVersion": "1"},
        },
    },
}  # fmt: skip

ANSWERS: dict[str, dict[str, Json]] = {
    "weather": {
        "openai_chat": {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "gpt-4o",
            "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}}]}}],
            "usage": {"prompt_tokens": 60, "completion_tokens": 12, "total_tokens": 72, "prompt_tokens_details": {"cached_tokens": 40}},
        },
    },
}  # fmt: skip
