"""Seals: opaque state wrapped so that any client can carry it and this gateway alone can have made it.

A client echoes what its own protocol calls opaque (a thinking signature, encrypted reasoning, a thought signature). A seal is text
for such a field. It holds the state another vendor issued, who issued it, and an authentication code under a key that all
replicas share, so that state survives restarts and model switches without a server memory (ARCHITECTURE 3.3).

    prefix (18 bytes) | version | flags | key id (length, text) | msgpack payload, text in it deflated | HMAC-SHA256, first 16 bytes

as standard base64. Eighteen bytes are 24 characters exactly, so the text begins with `SEAL_PREFIX` whoever encodes the bytes again,
and in either base64 alphabet. Reading takes both alphabets, with and without padding. A seal hides nothing: what it
holds is opaque already, or reasoning the client was shown. The same state gives the same seal (prompt caches compare bytes).
"""

import hmac
import zlib
from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from .messages import Opaque

SEAL_PREFIX = b"SEALEDSTATEOFTHISGATEWAY"
"""What every seal begins with. `SEAL_PREFIX in body` decides whether a request may hold one: 17 us for 100 KB, as capitals are rare
in JSON and the search skips as far as the prefix is long.
"""

_PREFIX_TEXT = SEAL_PREFIX.decode()
_PREFIX_RAW = a2b_base64(SEAL_PREFIX)
_VERSION = 1
_DEFLATED = 1
_MAC_BYTES = 16
_DEFLATE_FROM = 200
_HEAD = len(_PREFIX_RAW) + 3
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


class SealKey(Struct, frozen=True):
    """A secret shared by all replicas. `id` (at most 255 bytes) names it inside the seals it made, so that keys can be rotated."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SealKey(id={self.id!r}, secret=***)"


class Thought(Struct, frozen=True):
    """Reasoning that travels inside a seal, because the client will not echo it. `after_text`: since the last call, something
    visible stood in front of it.
    """

    text: str = ""
    summary: bool = False
    redacted: bool = False
    tokens: tuple[Opaque, ...] = ()
    after_text: bool = False


class Sealed(Struct, frozen=True):
    """What one seal says. `realm` and `scope` hold for all its tokens, whose own realm and scope they replace.

    `tokens` belong to the reasoning item the seal sits on, `call_tokens` to the next tool call (or the one it sits on),
    `text_tokens` to the visible part before it (or the one it sits on), `earlier_call_tokens` to the tool call before it.
    `carrier`: the part it sits on was made to carry it and is no part of the answer. `thoughts`: reasoning to be put back.
    """

    realm: str
    scope: str = ""
    tokens: tuple[Opaque, ...] = ()
    call_tokens: tuple[Opaque, ...] = ()
    text_tokens: tuple[Opaque, ...] = ()
    earlier_call_tokens: tuple[Opaque, ...] = ()
    carrier: bool = False
    thoughts: tuple[Thought, ...] = ()


class BadSeal(ValueError):
    """It begins like a seal, but this gateway did not make it, or it has been changed since. The message says which."""


class _Token(Struct, frozen=True, array_like=True):
    """An `Opaque` in the payload. `written` says how its text is written: 0 as UTF-8, 1 as standard base64, 2 as URL-safe base64 of
    `data` (a quarter shorter so).
    """

    kind: str
    data: bytes
    written: int
    item_id: str | None = None
    format: str = ""


class _Thought(Struct, frozen=True, array_like=True):
    text: str
    summary: bool
    redacted: bool
    tokens: tuple[_Token, ...]
    after_text: bool


class _Payload(Struct, frozen=True, array_like=True):
    """`Sealed` as it travels. Fields are only ever added at the end, with defaults: replicas of two versions read each other."""

    realm: str
    scope: str
    tokens: tuple[_Token, ...] = ()
    call_tokens: tuple[_Token, ...] = ()
    text_tokens: tuple[_Token, ...] = ()
    earlier_call_tokens: tuple[_Token, ...] = ()
    carrier: bool = False
    thoughts: tuple[_Thought, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Payload).decode


def is_seal(text: str) -> bool:
    """Does it claim to be a seal? `Sealer.open` says whether it is one."""
    return text.startswith(_PREFIX_TEXT)


class Sealer:
    """Makes seals with the first key and opens those of any. Raises `ValueError` for no key, a repeated or an overlong id."""

    __slots__ = ("_head", "_keys", "_secret")

    def __init__(self, keys: Sequence[SealKey]) -> None:
        if not keys:
            raise ValueError("a sealer needs at least one key")
        self._keys = {key.id.encode(): key.secret for key in keys}
        if len(self._keys) != len(keys) or any(len(id_) > 255 for id_ in self._keys) or not all(self._keys.values()):
            raise ValueError("seal keys need secrets, and distinct ids of at most 255 bytes")
        id_ = keys[0].id.encode()
        self._secret = keys[0].secret
        self._head = bytes((len(id_),)) + id_

    def seal(self, sealed: Sealed) -> str:
        """ASCII text for a client's opaque field."""
        payload, flags = _encode(_packed(sealed)), 0
        if sealed.thoughts and len(payload) >= _DEFLATE_FROM:
            deflated = zlib.compress(payload, 1)
            if len(deflated) < len(payload):
                payload, flags = deflated, _DEFLATED
        raw = b"".join((_PREFIX_RAW, bytes((_VERSION, flags)), self._head, payload))
        return b2a_base64(raw + _mac(self._secret, raw), newline=False).decode()

    def open(self, text: str) -> Sealed:
        """What the seal holds, its tokens with the sealed realm and scope. Raises `BadSeal`."""
        raw = _raw_bytes(text)
        signed, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(signed) < _HEAD or not signed.startswith(_PREFIX_RAW):
            raise BadSeal("cut short")
        version, flags, id_length = signed[len(_PREFIX_RAW) : _HEAD]
        secret = self._keys.get(signed[_HEAD : _HEAD + id_length])
        if secret is None:
            raise BadSeal("made with a key this gateway does not have")
        if not hmac.compare_digest(_mac(secret, signed), mac):
            raise BadSeal("changed, or not made by this gateway")
        if version != _VERSION:
            raise BadSeal(f"of version {version}, which this gateway does not read")
        payload = signed[_HEAD + id_length :]
        try:
            return _unpacked(_decode(zlib.decompress(payload) if flags & _DEFLATED else payload))
        except (msgspec.DecodeError, zlib.error, UnicodeDecodeError) as e:
            raise BadSeal("authentic, but not readable") from e


def _mac(secret: bytes, signed: bytes) -> bytes:
    return hmac.digest(secret, signed, "sha256")[:_MAC_BYTES]


def _raw_bytes(text: str) -> bytes:
    """Either base64 alphabet, padded or not."""
    try:
        data = text.encode("ascii").translate(_TO_STANDARD).rstrip(b"=")
        return a2b_base64(data + b"=" * (-len(data) % 4), strict_mode=True)
    except ValueError as e:
        raise BadSeal("not base64") from e


def _packed(sealed: Sealed) -> _Payload:
    return _Payload(
        sealed.realm,
        sealed.scope,
        _tokens_packed(sealed.tokens),
        _tokens_packed(sealed.call_tokens),
        _tokens_packed(sealed.text_tokens),
        _tokens_packed(sealed.earlier_call_tokens),
        sealed.carrier,
        tuple(_Thought(x.text, x.summary, x.redacted, _tokens_packed(x.tokens), x.after_text) for x in sealed.thoughts),
    )


def _unpacked(payload: _Payload) -> Sealed:
    def tokens(packed: tuple[_Token, ...]) -> tuple[Opaque, ...]:
        return tuple(Opaque(payload.realm, x.kind, _data_text(x), x.item_id, payload.scope, x.format) for x in packed)

    return Sealed(
        payload.realm,
        payload.scope,
        tokens(payload.tokens),
        tokens(payload.call_tokens),
        tokens(payload.text_tokens),
        tokens(payload.earlier_call_tokens),
        payload.carrier,
        tuple(Thought(x.text, x.summary, x.redacted, tokens(x.tokens), x.after_text) for x in payload.thoughts),
    )


def _tokens_packed(tokens: tuple[Opaque, ...]) -> tuple[_Token, ...]:
    return tuple(_Token(x.kind, *_data_packed(x.data), x.item_id, x.format) for x in tokens)


def _data_packed(data: str) -> tuple[bytes, int]:
    """Only base64 that comes out of its bytes the very same is packed as bytes."""
    text = data.encode()
    for written, standard in ((1, text), (2, text.translate(_TO_STANDARD))):
        try:
            raw = a2b_base64(standard, strict_mode=True)
        except ValueError:
            continue
        if _data_written(raw, written) == text:
            return raw, written
    return text, 0


def _data_written(data: bytes, written: int) -> bytes:
    if written == 0:
        return data
    standard = b2a_base64(data, newline=False)
    return standard if written == 1 else standard.translate(_TO_URLSAFE)


def _data_text(token: _Token) -> str:
    return _data_written(token.data, token.written).decode()
