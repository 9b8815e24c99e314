"""OpenAI Responses (`POST /v1/responses`), both sides. Sources: openai 3.54.0, the API reference, recordings (November 2026)."""

from ..base import Codec
from ..openai_chat.models import encode_model
from .catalogue import encode_models
from .counts import decode_count, encode_count
from .errors import decode_error, encode_error, stream_error
from .request import decode_count_request, decode_request, encode_count_request, encode_request
from .response import decode_response, encode_response
from .stream_in import ResponsesDecoder
from .stream_out import ResponsesEncoder
from .wire import PROTOCOL

CODEC = Codec(
    name=PROTOCOL,
    stream_type="text/event-stream; charset=utf-8",
    seals="reasoning",
    model_in_body=True,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    stream_decoder=ResponsesDecoder,
    stream_encoder=ResponsesEncoder,
    decode_error=decode_error,
    encode_error=encode_error,
    stream_error=stream_error,
    decode_count_request=decode_count_request,
    encode_count_request=encode_count_request,
    decode_count=decode_count,
    encode_count=encode_count,
    encode_models=encode_models,
    encode_model=encode_model,
    kept_upstream=("previous_response_id", "conversation", "item_reference"),
)
