"""AWS Bedrock Converse, ConverseStream and CountTokens.

Reading order: wire (names, frame types), content (blocks), media, citations, tools, reasoning, request, response, stream_in,
stream_out, errors.
"""

from ..base import Codec
from .errors import decode_error, encode_error, stream_error
from .request import decode_count, decode_count_request, decode_request, encode_count, encode_count_request, encode_request
from .response import decode_response, encode_response
from .stream_in import StreamDecoder
from .stream_out import StreamEncoder
from .wire import PROTOCOL

CODEC = Codec(
    name=PROTOCOL,
    stream_type="application/vnd.amazon.eventstream",
    seals="reasoning",
    model_in_body=False,
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
)
