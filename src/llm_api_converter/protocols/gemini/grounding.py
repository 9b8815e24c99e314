"""Citations: `groundingMetadata` and `citationMetadata` <-> `Citation`.

Google counts in bytes of UTF-8 over the visible text of the answer; the hub counts characters within one text part. The exact form
stays in the answer's extras for clients of this protocol, so nothing of it is lost there.
Sources: https://ai.google.dev/gemini-api/docs/google-search, google-genai `types.GroundingSupport` (read November 2026).
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ...hub.ledger import Ledger
from ...hub.messages import Citation, Part, Text
from ..base import Json

Cited = tuple[int, Citation]


def decode_citations(texts: Sequence[str], grounding: Any, citation_metadata: Any) -> list[Cited]:
    """(index into `texts`, citation) for everything that names its place in the answer's texts."""
    found: list[Cited] = []
    if type(grounding) is dict:
        found.extend(_supports(texts, grounding))
    if type(citation_metadata) is dict:
        found.extend(_recited(texts, citation_metadata))
    return found


def with_citations(parts: list[Part], grounding: Any, citation_metadata: Any) -> list[Part]:
    """The parts of a whole answer with their citations."""
    if not grounding and not citation_metadata:
        return parts
    places = [index for index, part in enumerate(parts) if isinstance(part, Text)]
    texts = [part.text for part in parts if isinstance(part, Text)]
    for place, citation in decode_citations(texts, grounding, citation_metadata):
        part = parts[places[place]]
        if isinstance(part, Text):
            parts[places[place]] = replace(part, citations=(*part.citations, citation))
    return parts


class GroundingWriter:
    """Collects the citations of an answer in order and writes them as `groundingMetadata`."""

    __slots__ = ("_bytes_before", "_chunks", "_ledger", "_numbers", "_supports", "_text")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._bytes_before = 0
        self._text = ""
        self._chunks: list[Json] = []
        self._numbers: dict[tuple[str | None, str | None, str | None], int] = {}
        self._supports: list[Json] = []

    def add(self, text: str, citations: Sequence[Citation]) -> None:
        """The next visible text and what it cites."""
        for citation in citations:
            self._cite(text, citation)
        self._bytes_before += len(text.encode())

    def metadata(self) -> Json | None:
        """`groundingMetadata`; None where nothing was cited."""
        if not self._chunks:
            return None
        return {"groundingChunks": self._chunks, "groundingSupports": self._supports}

    def _cite(self, text: str, citation: Citation) -> None:
        start = citation.start or 0
        end = len(text) if citation.end is None else citation.end
        first = self._bytes_before + len(text[:start].encode())
        segment: Json = {"startIndex": first, "endIndex": first + len(text[start:end].encode()), "text": text[start:end]}
        self._supports.append({"segment": segment, "groundingChunkIndices": [self._chunk(citation)]})

    def _chunk(self, citation: Citation) -> int:
        key = (citation.url, citation.title, None if citation.url else citation.quote)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._chunks)
            self._chunks.append(_chunk_of(citation))
        if citation.url is not None and citation.quote is not None:
            self._ledger.drop("citations.quote", "quote", "tuning", "a web source is named without its text")
        return number


def _chunk_of(citation: Citation) -> Json:
    """A web source by its address; a document by its title and cited text."""
    titled: Json = {} if citation.title is None else {"title": citation.title}
    if citation.url is not None:
        return {"web": {"uri": citation.url, **titled}}
    return {"retrievedContext": {**titled, **({} if citation.quote is None else {"text": citation.quote})}}


def _supports(texts: Sequence[str], grounding: Json) -> list[Cited]:
    chunks = _objects(grounding.get("groundingChunks"))
    found: list[Cited] = []
    for support in _objects(grounding.get("groundingSupports")):
        segment = support.get("segment")
        place = _place(texts, segment, segment.get("text")) if type(segment) is dict else None
        if place is None:
            continue
        index, start, end = place
        numbers = support.get("groundingChunkIndices")
        found.extend(
            (index, _source(chunks[number], start, end))
            for number in (numbers if type(numbers) is list else ())
            if type(number) is int and 0 <= number < len(chunks)
        )
    return found


def _objects(value: Any) -> list[Json]:
    """The objects of an array, empty ones for what is none, so that numbers into it stay right."""
    return [item if type(item) is dict else {} for item in value] if type(value) is list else []


def _words(*values: Any) -> str | None:
    """The first that is a text with anything in it."""
    return next((value for value in values if type(value) is str and value), None)


def _source(chunk: Json, start: int, end: int) -> Citation:
    for kind in ("web", "retrievedContext", "maps", "image"):
        source = chunk.get(kind)
        if type(source) is dict:
            url = _words(source.get("uri"), source.get("sourceUri"))
            return Citation(url=url, title=_words(source.get("title")), quote=_words(source.get("text")), start=start, end=end)
    return Citation(start=start, end=end)


def _recited(texts: Sequence[str], metadata: Json) -> list[Cited]:
    """`citationMetadata`: text the model repeats from a source."""
    found: list[Cited] = []
    for entry in _objects(metadata.get("citations") or metadata.get("citationSources")):
        place = _place(texts, entry, None)
        if place is not None:
            index, start, end = place
            found.append((index, Citation(url=_words(entry.get("uri")), title=_words(entry.get("title")), start=start, end=end)))
    return found


def _place(texts: Sequence[str], segment: Json, words: Any) -> tuple[int, int, int] | None:
    """(text, first and last character) of a segment: by its bytes where they agree with its words, else by its words."""
    given_start, given_end = segment.get("startIndex"), segment.get("endIndex")
    start = given_start if type(given_start) is int and given_start > 0 else 0
    end = given_end if type(given_end) is int else None
    words = words if type(words) is str else None
    before = 0
    for index, text in enumerate(texts):
        raw = text.encode()
        if start < before + len(raw):
            first = start - before
            last = len(raw) if end is None else min(end - before, len(raw))
            piece = raw[first:last].decode(errors="ignore")
            if words is None or piece == words:
                chars = len(raw[:first].decode(errors="ignore"))
                return index, chars, chars + len(piece)
            break
        before += len(raw)
    if words:
        for index, text in enumerate(texts):
            at = text.find(words)
            if at >= 0:
                return index, at, at + len(words)
    return None
