"""What upstreams say when they do not take a field, and the field that is then tried without, in every codec."""

import json
from typing import Any

import pytest

from llm_api_converter.hub.adapt import without
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Message, Text
from llm_api_converter.hub.request import Request, Sampling
from llm_api_converter.protocols import PROTOCOLS, codec
from llm_api_converter.protocols.unsupported import refused_field

SAID: list[tuple[str, str | None]] = [
    ("Unrecognized request argument supplied: presence_penalty", "presence_penalty"),
    ("Unrecognized request arguments supplied: store, user", "store"),
    ("Unsupported parameter: 'stop' is not supported with this model.", "stop"),
    ("Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.", "temperature"),
    ("Unknown parameter: 'verbosity'.", "verbosity"),
    ("Unknown parameter: 'tools[0].function.strict'.", "tools[0].function.strict"),
    ('json: unknown field "parallel_tool_calls"', "parallel_tool_calls"),
    ("Failed to deserialize the JSON body into the target type: unknown field `seed`, expected one of `model` at line 1", "seed"),
    ("Argument not supported on this model: presencePenalty", "presencePenalty"),
    ("property 'service_tier' is unsupported", "service_tier"),
    ("'messages.3' : for 'role:assistant' the following must be satisfied[('messages.3' : property 'reasoning' is unsupported)]", "reasoning"),
    ("Extra inputs are not permitted, field: 'stream_options'", "stream_options"),
    ('[{"type":"extra_forbidden","loc":["body","store"],"msg":"Extra inputs are not permitted","input":true}]', "store"),
    ("[{'type': 'extra_forbidden', 'loc': ('body', 'tools', 0, 'strict'), 'msg': 'Extra inputs are not permitted'}]", "tools.0.strict"),
    ("context_management: Extra inputs are not permitted", "context_management"),
    ("litellm.UnsupportedParamsError: groq does not support parameters: ['top_k'], for model=x", "top_k"),
    ("Extra parameters ['logprobs'] are not allowed when extra-parameters is not set", "logprobs"),
    ("`temperature` is deprecated for this model.", "temperature"),
    ("`temperature` and `top_p` cannot both be specified for this model.", "temperature"),
    ("top_k is not supported", "top_k"),
    ("extraneous key [top_k] is not permitted", "top_k"),
    ("This model doesn't support the stopSequences field that you provided. Remove stopSequences and try again.", "stopSequences"),
    ('Invalid JSON payload received. Unknown name "strict" at \'tools[0].function_declarations[0]\': Cannot find field.', "strict"),
    ("Penalty is not enabled for this model", "frequencyPenalty"),
    ("Thinking level is not supported for this model.", "thinkingLevel"),
    ("Unable to submit request because thinking is not supported by this model.", "thinking"),
    ("adaptive thinking is not supported on this model", "thinking"),
    ("Web search options not supported with this model.", "web_search_options"),
    ("Unknown field: top_k", "top_k"),
    # No field is refused here.
    ("temperature must be between 0 and 1", None),
    ("This model is not supported in your region", None),
    ("Invalid value: 'foo'. Supported values are: 'auto' and 'none'.", None),
    ("\"max_tokens\" is not allowed to be less than 1", None),
    ("The model `x` does not exist or you do not have access to it.", None),
    ("Invalid schema for function 'f': In context=(), 'additionalProperties' is required to be supplied and to be false.", None),
    ("prompt is too long: 250000 tokens > 200000 maximum", None),
    ("tools.0.custom.input_schema.type: Field required", None),
    ("", None),
]


@pytest.mark.parametrize(("message", "field"), SAID)
def test_the_field_is_read_out_of_the_words(message: str, field: str | None) -> None:
    assert refused_field(message) == field


def test_long_messages_are_read_quickly() -> None:
    assert refused_field("a" * 1_000_000) is None
    assert refused_field("'x' " * 200_000) is None


BODIES: dict[str, Any] = {
    "anthropic": lambda words: {"type": "error", "error": {"type": "invalid_request_error", "message": words}},
    "openai_chat": lambda words: {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": None}},
    "openai_responses": lambda words: {"error": {"message": words, "type": "invalid_request_error", "param": None, "code": None}},
    "gemini": lambda words: {"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": words}},
    "bedrock_converse": lambda words: {"message": f"The model returned the following errors: {words}"},
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("words", "field"), [x for x in SAID if x[1] is not None][::4])
def test_every_codec_names_it(protocol: str, words: str, field: str) -> None:
    assert codec(protocol).decode_error(400, {}, json.dumps(BODIES[protocol](words)).encode()).unsupported == field


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_mistake_of_the_clients_teaches_nothing(protocol: str) -> None:
    error = codec(protocol).decode_error(400, {}, json.dumps(BODIES[protocol]("temperature must be between 0 and 1")).encode())
    assert (error.kind, error.unsupported) == ("invalid", None)


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("Argument not supported on this model: presencePenalty", "presence_penalty"),
        ("property 'seed' is unsupported", "seed"),
        ('[{"type":"extra_forbidden","loc":["body","top_k"],"msg":"x"}]', "top_k"),
    ],
)
def test_the_next_try_goes_without(words: str, gone: str) -> None:
    request = Request("m", (Message("user", (Text("a"),)),), sampling=Sampling(top_k=5, seed=1, presence_penalty=0.5))
    field = codec("openai_chat").decode_error(400, {}, json.dumps(BODIES["openai_chat"](words)).encode()).unsupported
    assert field is not None
    ledger = Ledger()
    after = without(request, field, ledger)
    assert after is not None
    assert getattr(after.sampling, gone) is None
    assert [loss.feature for loss in ledger.losses] == [gone]
