"""Authentication headers of upstream calls, by the scheme's name. Signers that need the whole request (sigv4) or a token service
(google, azure_ad) are not headers of this kind; a target with such a scheme is refused here by name.
"""

from collections.abc import Callable

from .target import Target

_SCHEMES: dict[str, Callable[[str], dict[str, str]]] = {
    "none": lambda secret: {},
    "bearer": lambda secret: {"authorization": f"Bearer {secret}"},
    "x-api-key": lambda secret: {"x-api-key": secret},
    "api-key": lambda secret: {"api-key": secret},
    "x-goog-api-key": lambda secret: {"x-goog-api-key": secret},
}

SCHEMES = frozenset(_SCHEMES)
"""The schemes built yet."""


def auth_headers(target: Target) -> dict[str, str]:
    """The headers that authenticate a call of this target; {} where it has no key. Raises KeyError for a scheme that is not built."""
    if not target.auth.secret:
        return {}
    return _SCHEMES[target.auth.scheme](target.auth.secret)
