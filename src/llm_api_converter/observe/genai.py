"""The attributes of spans: every name in one place, for they still move.

`gen_ai.*` as in OpenTelemetry's semantic conventions for generative AI v0.1.0, which have a repository of their own since 2026
(https://github.com/open-telemetry/semantic-conventions-genai, docs/gen-ai/client-inference.md, read 2026-11-24; status: development).
The others are of the stable conventions for HTTP and errors; what neither has a word for begins with `llm_converter.`. Nothing here holds
what a user or a model wrote.
"""

from functools import lru_cache
from urllib.parse import urlsplit

from ..hub.request import Request
from ..hub.response import Finish, Usage
from ..providers.genai_names import GENAI_NAMES
from ..providers.target import Target

Value = str | int | float | bool | list[str]
Attributes = dict[str, Value]

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
REQUEST_STREAM = "gen_ai.request.stream"
MAX_TOKENS = "gen_ai.request.max_tokens"
TEMPERATURE = "gen_ai.request.temperature"
TOP_P = "gen_ai.request.top_p"
RESPONSE_ID = "gen_ai.response.id"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
FIRST_CHUNK_S = "gen_ai.response.time_to_first_chunk"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_write.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"

ERROR_TYPE = "error.type"
METHOD = "http.request.method"
RESEND_COUNT = "http.request.resend_count"
STATUS = "http.response.status_code"
ROUTE = "http.route"
PATH = "url.path"
ADDRESS = "server.address"
PORT = "server.port"

REQUEST_ID = "llm_converter.request_id"
CLIENT_PROTOCOL = "llm_converter.client_protocol"
UPSTREAM_PROTOCOL = "llm_converter.upstream_protocol"
UPSTREAM = "llm_converter.provider"
MODEL = "llm_converter.model"
CALLER = "llm_converter.caller"
MODE = "llm_converter.mode"
TRIES = "llm_converter.tries"
LOSSES = "llm_converter.losses"

_OPERATIONS = {"embed": "embeddings", "count": "count_tokens", "compact": "compact"}
"""Those of the gateway that have a name everywhere; the conventions know the first."""
_GENERATING = {"gemini": "generate_content"}
_ELSEWHERE = "chat"
_PORTS = {"http": 80, "https": 443}


def operation_of(operation: str, protocol: str) -> str:
    """What an operation of the gateway is called in an upstream's protocol."""
    return _OPERATIONS.get(operation) or _GENERATING.get(protocol, _ELSEWHERE)


def call_attributes(target: Target, operation: str, *, stream: bool, resend: int) -> Attributes:
    """What is known of an upstream call before it is made. `resend`: how many calls this request has made before."""
    address, port = _server(target.base_url)
    attributes: Attributes = {
        OPERATION: operation_of(operation, target.protocol), PROVIDER: GENAI_NAMES.get(target.type, target.provider),
        REQUEST_MODEL: target.model, UPSTREAM: target.provider, UPSTREAM_PROTOCOL: target.protocol,
    }  # fmt: skip
    if address:
        attributes |= {ADDRESS: address, PORT: port}
    if stream:
        attributes[REQUEST_STREAM] = True
    if resend:
        attributes[RESEND_COUNT] = resend
    return attributes


def asked_attributes(request: Request) -> Attributes:
    """What the client asked for, in numbers."""
    sampling = request.sampling
    given = {MAX_TOKENS: request.max_tokens, TEMPERATURE: sampling.temperature, TOP_P: sampling.top_p}
    return {name: value for name, value in given.items() if value is not None}


def answer_attributes(usage: Usage | None, finish: Finish | None, answer_id: str, model: str) -> Attributes:
    """What the upstream said in the end, as far as it got."""
    attributes: Attributes = {}
    if usage is not None:
        counts = {
            INPUT_TOKENS: usage.input_total, OUTPUT_TOKENS: usage.output_total, CACHE_READ_TOKENS: usage.cache_read,
            CACHE_WRITE_TOKENS: usage.cache_write, REASONING_TOKENS: usage.reasoning,
        }  # fmt: skip
        attributes |= {name: count for name, count in counts.items() if count is not None}
    if finish is not None:
        attributes[FINISH_REASONS] = [finish.raw or finish.reason]
    if answer_id:
        attributes[RESPONSE_ID] = answer_id
    if model:
        attributes[RESPONSE_MODEL] = model
    return attributes


@lru_cache(maxsize=256)
def _server(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
