"""Which conversation a request belongs to, as a key for the caches of upstreams.

Upstreams that cache prompts by key, or on the server that saw them, want to be told what belongs together. A client's own key is used as it
is. Else one is made of what agents say anyway: a session header, or the id of the user. It is a digest in which the caller's own key is
mixed: it says nothing of the user, and two callers never share one.
"""

from collections.abc import Mapping
from hashlib import sha256

from ..hub.request import Request
from ..protocols.headers import SESSION

_SESSION = tuple(name.encode() for name in SESSION)
KEY_CHARACTERS = 32


def cache_key(headers: Mapping[bytes, bytes], request: Request | None, scope: str) -> str | None:
    """The key of a conversation; None where nothing tells it. `scope` is the caller's; `request`: where it has been decoded."""
    if request is not None and request.cache_key is not None:
        return request.cache_key
    session = next((headers[name] for name in _SESSION if headers.get(name)), None)
    if session is None and request is not None and request.user:
        session = request.user.encode()
    if session is None:
        return None
    return sha256(scope.encode() + b"\0" + session).hexdigest()[:KEY_CHARACTERS]
