"""Encryption of what the store keeps for clients: prompts and reasoning are in no database in clear.

AES-256-GCM under a key derived (HKDF-SHA256) from the keys of sealed state, so that all replicas read it and rotation works the same way.

    version (1 byte) | length of key id (1) | key id | nonce (12) | ciphertext and tag
"""

import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from ..hub.seal import SealKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = 1
_NONCE = 12


class Unreadable(ValueError):
    """Made with a key this gateway does not have, or changed since."""


class Vault:
    """Encrypts with the first key and reads those of any. `context` (whose it is, its id) must be the same for both."""

    def __init__(self, keys: Sequence[SealKey]) -> None:
        self._keys = tuple(keys)

    def close(self, clear: bytes, context: str) -> bytes:
        """Encrypt."""
        key = self._keys[0]
        nonce, id_ = os.urandom(_NONCE), key.id.encode()
        head = bytes((_VERSION, len(id_))) + id_
        return head + nonce + _cipher(key).encrypt(nonce, clear, head + context.encode())

    def open(self, closed: bytes, context: str) -> bytes:
        """Decrypt. Raises Unreadable."""
        from cryptography.exceptions import InvalidTag

        end = 2 + closed[1] if len(closed) > 2 else 0
        head, id_ = closed[:end], closed[2:end]
        key = next((key for key in self._keys if key.id.encode() == id_), None)
        if key is None or head[:1] != bytes((_VERSION,)):
            raise Unreadable("made with a key this gateway does not have")
        nonce, rest = closed[end : end + _NONCE], closed[end + _NONCE :]
        try:
            return _cipher(key).decrypt(nonce, rest, head + context.encode())
        except (InvalidTag, ValueError) as error:
            raise Unreadable("changed since, or not made by this gateway") from error


@cache
def _cipher(key: SealKey) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"llm-api-converter kept state").derive(key.secret))
