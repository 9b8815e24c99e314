"""Paths that carry a model, as clients spell them."""

import pytest

from llm_api_converter.server.routes import match


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models/p/m:8b:generateContent",
        "/v1/models/p/m:8b:generateContent",
        "/models/p%2Fm:8b:generateContent",  # LiteLLM with an api_base: no version
        "/v1beta/p/m:8b:generateContent",  # Vercel's AI SDK, for names with a slash
        "/v1beta1/projects/x/locations/eu/publishers/google/models/p/m:8b:generateContent",
        "/v1beta1/publishers/google/models/p/m:8b:generateContent",  # Vertex with an API key
        "/v1beta1/publishers/p/models/m:8b:generateContent",  # what its SDK makes of `p/m:8b`
    ],
)
def test_gemini(path: str) -> None:
    found = match(path.encode())
    assert (found.protocol, found.operation, found.argument, found.stream) == ("gemini", "generate", "p/m:8b", False)
    stream = match(path.replace("generateContent", "streamGenerateContent").encode(), b"alt=sse")
    assert (stream.argument, stream.stream, stream.array) == ("p/m:8b", True, False)
    assert match(path.replace("generateContent", "streamGenerateContent").encode()).array


@pytest.mark.parametrize("path", ["/model/anthropic.claude-v1:0/converse", "/model/anthropic.claude-v1%3A0/converse"])
def test_converse(path: str) -> None:
    found = match(path.encode())
    assert (found.protocol, found.argument, found.stream) == ("bedrock_converse", "anthropic.claude-v1:0", False)


@pytest.mark.parametrize("path", ["/v1/models", "/models", "/openai/v1/models"])
def test_the_list_of_models_for_a_coding_agent(path: str) -> None:
    assert match(path.encode(), b"client_version=0.169.0").protocol == "openai_responses"
    assert {match(path.encode(), query).protocol for query in (b"", b"limit=20")} == {"openai_chat"}
    assert match(b"/v1beta/models", b"client_version=1").protocol == "gemini"
