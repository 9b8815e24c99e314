"""Embeddings in neutral form."""

from msgspec import Struct

from .messages import Extras
from .response import Usage


class EmbedRequest(Struct, frozen=True):
    """Texts to embed. `task` and `title` are Gemini's hints; `encoding` is `float` or `base64` as the client wants the vectors."""

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    encoding: str | None = None
    task: str | None = None
    title: str | None = None
    user: str | None = None
    batch: bool = False
    extras: Extras | None = None


class EmbedResponse(Struct, frozen=True):
    """One vector a text, in order."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None = None
    extras: Extras | None = None
