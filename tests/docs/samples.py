"""What the pages of the protocols try out: fields of a request, parts, usage objects, in each protocol's own words."""

from typing import Any

Json = dict[str, Any]
PNG, PDF = "iVBORw0KGgo=", "JVBERi0xLjQK"
SCHEMA: Json = {"type": "object"}

# The smallest request of each protocol.
SMALLEST: dict[str, Json] = {
    "anthropic": {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Hi"}]},
    "openai_chat": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "openai_responses": {"model": "m", "input": "Hi"},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "bedrock_converse": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
}

_CHAT_FUNCTION: Json = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}
# Dotted field -> a value, added to the smallest request. An object of several fields that belong together stands under its own name.
FIELDS: dict[str, dict[str, Any]] = {
    "anthropic": {
        "system": "Be brief.", "max_tokens": 99, "temperature": 0.5, "top_p": 0.5, "top_k": 5, "stop_sequences": ["END"], "stream": True,
        "metadata.user_id": "u1", "service_tier": "standard_only", "thinking": {"type": "enabled", "budget_tokens": 2048},
        "output_config.effort": "low", "output_config.format": {"type": "json_schema", "schema": SCHEMA},
        "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA, "strict": True, "defer_loading": True}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True}, "cache_control": {"type": "ephemeral", "ttl": "1h"},
        "container": "c1", "context_management": {"edits": []}, "mcp_servers": [{"type": "url", "url": "https://example.com", "name": "x"}],
    },
    "openai_chat": {
        "max_completion_tokens": 99, "max_tokens": 99, "temperature": 0.5, "top_p": 0.5, "top_k": 5, "seed": 7, "stop": ["END"],
        "frequency_penalty": 0.5, "presence_penalty": 0.5, "n": 2, "stream": True, "stream_options.include_usage": True,
        "reasoning_effort": "low", "reasoning": {"effort": "low"}, "thinking": {"type": "enabled"}, "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}},
        "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}, "tools": [_CHAT_FUNCTION],
        "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": False, "user": "u1",
        "safety_identifier": "u1", "metadata": {"a": "b"}, "store": False, "service_tier": "flex", "prompt_cache_key": "k",
        "logprobs": True, "logit_bias": {"1": 1}, "web_search_options": {"search_context_size": "low"},
    },
    "openai_responses": {
        "instructions": "Be brief.", "max_output_tokens": 99, "temperature": 0.5, "top_p": 0.5, "stream": True,
        "reasoning": {"effort": "low", "summary": "auto"}, "text.format": {"type": "json_schema", "name": "s", "schema": SCHEMA, "strict": True},
        "text.verbosity": "low", "tools": [{"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}],
        "tool_choice": {"type": "function", "name": "f"}, "parallel_tool_calls": False, "user": "u1", "safety_identifier": "u1",
        "metadata": {"a": "b"}, "store": False, "service_tier": "flex", "prompt_cache_key": "k", "include": ["reasoning.encrypted_content"],
        "previous_response_id": "resp_1", "truncation": "auto", "background": True,
    },
    "gemini": {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        **{f"generationConfig.{name}": value for name, value in {
            "maxOutputTokens": 99, "temperature": 0.5, "topP": 0.5, "topK": 5, "seed": 7, "stopSequences": ["END"], "frequencyPenalty": 0.5,
            "presencePenalty": 0.5, "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": True}, "responseModalities": ["IMAGE"],
        }.items()},
        "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        "generationConfig.speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d", "parameters": {"type": "OBJECT"}}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}, "labels": {"a": "b"},
        "serviceTier": "flex", "safetySettings": [], "cachedContent": "cachedContents/1",
    },
    "bedrock_converse": {
        "system": [{"text": "Be brief."}], "inferenceConfig.maxTokens": 99, "inferenceConfig.temperature": 0.5, "inferenceConfig.topP": 0.5,
        "inferenceConfig.stopSequences": ["END"],
        "toolConfig": {"tools": [{"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": SCHEMA}}}], "toolChoice": {"tool": {"name": "f"}}},
        "outputConfig.textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{\"type\":\"object\"}", "name": "s"}}},
        "additionalModelRequestFields.top_k": 5, "additionalModelRequestFields.thinking": {"type": "enabled", "budget_tokens": 2048},
        "additionalModelRequestFields.reasoning_effort": "low", "additionalModelRequestFields.anthropic_beta": ["flag"],
        "requestMetadata": {"a": "b"}, "serviceTier.type": "priority", "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "performanceConfig": {"latency": "optimized"}, "additionalModelResponseFieldPaths": ["/stop_sequence"],
    },
}  # fmt: skip

_URL = "https://example.com/a"
# (role, part as it stands in a message of a request)
PARTS: dict[str, list[tuple[str, Json]]] = {
    "anthropic": [
        ("user", {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}),
        ("user", {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}),
        ("user", {"type": "image", "source": {"type": "url", "url": _URL}}),
        ("user", {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}, "title": "t", "context": "c"}),
        ("user", {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "text"}, "citations": {"enabled": True}}),
        ("user", {"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
        ("user", {"type": "tool_result", "tool_use_id": "t1", "content": "rain", "is_error": True}),
        ("assistant", {"type": "thinking", "thinking": "Hmm.", "signature": "RXE="}),
        ("assistant", {"type": "redacted_thinking", "data": "RXE="}),
        ("assistant", {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}),
        ("assistant", {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}}),
        ("user", {"type": "container_upload", "file_id": "file_1"}),
    ],
    "openai_chat": [
        ("user", {"type": "text", "text": "Hi"}),
        ("user", {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "high"}}),
        ("user", {"type": "image_url", "image_url": {"url": _URL}}),
        ("user", {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
        ("user", {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}}),
        ("user", {"type": "file", "file": {"file_id": "file_1"}}),
        ("assistant", {"type": "refusal", "refusal": "I will not."}),
    ],
    "openai_responses": [
        ("user", {"type": "input_text", "text": "Hi"}),
        ("user", {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "high"}),
        ("user", {"type": "input_image", "file_id": "file_1"}),
        ("user", {"type": "input_file", "file_data": f"data:application/pdf;base64,{PDF}", "filename": "a.pdf"}),
        ("user", {"type": "input_file", "file_url": _URL}),
        ("assistant", {"type": "output_text", "text": "Hello", "annotations": []}),
        ("assistant", {"type": "refusal", "refusal": "I will not."}),
    ],
    "gemini": [
        ("user", {"text": "Hi"}),
        ("user", {"inlineData": {"mimeType": "image/png", "data": PNG}}),
        ("user", {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/a.pdf"}}),
        ("user", {"functionResponse": {"id": "t1", "name": "f", "response": {"output": "rain"}}}),
        ("model", {"text": "Hmm.", "thought": True, "thoughtSignature": "RXE="}),
        ("model", {"functionCall": {"id": "t1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "RXE="}),
        ("model", {"executableCode": {"language": "PYTHON", "code": "print(1)"}}),
        ("model", {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}),
    ],
    "bedrock_converse": [
        ("user", {"text": "Hi"}),
        ("user", {"image": {"format": "png", "source": {"bytes": PNG}}}),
        ("user", {"document": {"format": "pdf", "name": "a", "source": {"bytes": PDF}, "context": "c"}}),
        ("user", {"document": {"format": "pdf", "name": "a", "source": {"s3Location": {"uri": "s3://b/a.pdf"}}}}),
        ("user", {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}}),
        ("user", {"toolResult": {"toolUseId": "t1", "content": [{"json": {"sky": "rain"}}], "status": "error"}}),
        ("assistant", {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}),
        ("assistant", {"reasoningContent": {"reasoningText": {"text": "Hmm.", "signature": "RXE="}}}),
        ("assistant", {"reasoningContent": {"redactedContent": "RXE="}}),
        ("user", {"guardContent": {"text": {"text": "Hi"}}}),
    ],
}

# Whole messages and items beside the parts.
MESSAGES: dict[str, list[Json]] = {
    "openai_chat": [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be brief."},
        {"role": "assistant", "reasoning_content": "Hmm.", "content": "Hello"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "t1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]},
        {"role": "tool", "tool_call_id": "t1", "content": "rain"},
    ],
    "openai_responses": [
        {"role": "developer", "content": "Be brief."},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hmm."}], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "t1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "t1", "name": "sql", "input": "SELECT 1"},
        {"type": "function_call_output", "call_id": "t1", "output": "rain"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "compaction", "encrypted_content": "gAAA"},
    ],
}

# A usage object of an answer.
USAGE: dict[str, Json] = {
    "anthropic": {
        "input_tokens": 40, "cache_read_input_tokens": 50, "cache_creation_input_tokens": 10,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 6}, "output_tokens": 20,
    },
    "openai_chat": {
        "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": {"cached_tokens": 50},
        "completion_tokens_details": {"reasoning_tokens": 15},
    },
    "openai_responses": {
        "input_tokens": 100, "output_tokens": 20, "total_tokens": 120, "input_tokens_details": {"cached_tokens": 50},
        "output_tokens_details": {"reasoning_tokens": 15},
    },
    "gemini": {
        "promptTokenCount": 100, "cachedContentTokenCount": 50, "candidatesTokenCount": 5, "thoughtsTokenCount": 15, "totalTokenCount": 120,
    },
    "bedrock_converse": {
        "inputTokens": 40, "cacheReadInputTokens": 50, "cacheWriteInputTokens": 10, "outputTokens": 20, "totalTokens": 120,
    },
}  # fmt: skip

# Words for the end of an answer, as upstreams say them.
ENDS: dict[str, list[str]] = {
    "anthropic": ["end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded", "anything_else"],
    "openai_chat": ["stop", "length", "tool_calls", "content_filter", "error", "anything_else"],
    "openai_responses": ["completed", "incomplete: max_output_tokens", "incomplete: content_filter"],
    "gemini": ["STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "PROHIBITED_CONTENT", "MALFORMED_FUNCTION_CALL", "OTHER", "ANYTHING_ELSE"],
    "bedrock_converse": [
        "end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened", "content_filtered", "malformed_tool_use",
        "model_context_window_exceeded",
    ],
}  # fmt: skip
