"""Google Gemini: generateContent, streamGenerateContent, countTokens, embeddings. Only `CODEC` is for the registry."""

from ..base import Codec, StreamForm
from .decoder import GeminiStreamDecoder
from .embed import decode_embed_request, decode_embed_response, encode_embed_request, encode_embed_response
from .encoder import GeminiArrayEncoder, GeminiStreamEncoder
from .errors import array_stream_error, decode_error, encode_error, stream_error
from .models import decode_count, encode_count, encode_model, encode_models
from .request import decode_count_request, decode_request, encode_count_request, encode_request
from .response import decode_response, encode_response

__all__ = ["CODEC"]

CODEC = Codec(
    name="gemini",
    stream_type="text/event-stream",
    seals="late",
    model_in_body=False,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    stream_decoder=GeminiStreamDecoder,
    stream_encoder=GeminiStreamEncoder,
    decode_error=decode_error,
    encode_error=encode_error,
    stream_error=stream_error,
    decode_count_request=decode_count_request,
    encode_count_request=encode_count_request,
    decode_count=decode_count,
    encode_count=encode_count,
    encode_models=encode_models,
    encode_model=encode_model,
    decode_embed_request=decode_embed_request,
    encode_embed_request=encode_embed_request,
    decode_embed_response=decode_embed_response,
    encode_embed_response=encode_embed_response,
    array_stream=StreamForm("application/json; charset=UTF-8", GeminiArrayEncoder, array_stream_error),
)
