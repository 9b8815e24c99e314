"""The Anthropic Messages protocol, version 2023-06-01.

Source: https://platform.claude.com/docs/en/api/messages and the anthropic SDK 2.12.0 (read November 2026).
"""

from ..base import Codec
from .errors import decode_error, encode_error, stream_error
from .models import decode_count, encode_count, encode_model, encode_models
from .request import decode_count_request, decode_request, encode_count_request, encode_request
from .response import decode_response, encode_response
from .stream_decoder import StreamDecoder
from .stream_encoder import StreamEncoder
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
    stream_decoder=StreamDecoder,
    stream_encoder=StreamEncoder,
    decode_error=decode_error,
    encode_error=encode_error,
    stream_error=stream_error,
    decode_count_request=decode_count_request,
    encode_count_request=encode_count_request,
    decode_count=decode_count,
    encode_count=encode_count,
    encode_models=encode_models,
    encode_model=encode_model,
    names_model_once=True,
)
