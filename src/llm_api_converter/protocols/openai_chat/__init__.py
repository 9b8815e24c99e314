"""OpenAI Chat Completions and its compatible dialects (DeepSeek, OpenRouter, vLLM, Groq, Mistral, Azure, ...)."""

from ..base import Codec
from .embeddings import decode_embed_request, decode_embed_response, encode_embed_request, encode_embed_response
from .errors import decode_error, encode_error, stream_error
from .models import encode_model, encode_models
from .request import decode_request, encode_request
from .response import decode_response, encode_response
from .stream_in import ChatStreamDecoder
from .stream_out import ChatStreamEncoder
from .wire import PROTOCOL

CODEC = Codec(
    name=PROTOCOL,
    stream_type="text/event-stream",
    seals="fields",
    model_in_body=True,
    decode_request=decode_request,
    encode_request=encode_request,
    decode_response=decode_response,
    encode_response=encode_response,
    stream_decoder=ChatStreamDecoder,
    stream_encoder=ChatStreamEncoder,
    decode_error=decode_error,
    encode_error=encode_error,
    stream_error=stream_error,
    encode_models=encode_models,
    encode_model=encode_model,
    decode_embed_request=decode_embed_request,
    encode_embed_request=encode_embed_request,
    decode_embed_response=decode_embed_response,
    encode_embed_response=encode_embed_response,
)
