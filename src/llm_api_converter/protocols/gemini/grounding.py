"""Citations and searches: `groundingMetadata`, `citationMetadata`, `urlContextMetadata` <-> `Citation`, provider-run calls and results.

Google counts in bytes of UTF-8 over the visible text of the answer; the hub counts characters within one text part. What was searched
for, found and opened is told beside the answer, at its end: there the neutral form has the calls and results, last of all parts. The exact
form stays in the answer's bookkeeping for clients of this protocol, so nothing of it is lost there.
Sources: https://ai.google.dev/gemini-api/docs/google-search, google-genai `types.GroundingSupport` (read November 2026).
"""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from ...hub.ledger import Ledger
from ...hub.messages import Citation, Found, Hit, Page, Part, Text, ToolCall, ToolResult
from ..base import Json
from ..citing import lose_quote
from .parts import object_text, provider_extras

Cited = tuple[int, Citation]

BESIDE = "beside"
"""In the bookkeeping of a call or result: it is told beside the answer and is no part of its content."""
SOURCES = ("web", "retrievedContext", "maps", "image")
OPENED, NOT_OPENED = "URL_RETRIEVAL_STATUS_SUCCESS", "URL_RETRIEVAL_STATUS_ERROR"


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


def decode_runs(grounding: Any, opened: Any, parts: Sequence[Part], prefix: str) -> list[Part]:
    """What Google searched for and opened, as calls and results. Kinds of calls the answer's content holds already are left out.

    `prefix` begins the ids that are made up.
    """
    told = {part.name for part in parts if isinstance(part, ToolCall) and part.runs == "provider"}
    out: list[Part] = []
    queries = _texts(grounding.get("webSearchQueries")) if type(grounding) is dict else []
    if queries and "web_search" not in told:
        asked: Json = {"query": queries[0]} if len(queries) == 1 else {"queries": queries}
        out += _run(f"{prefix}search", "web_search", asked, Found(tuple(_hits(grounding))), None)
    if "web_fetch" not in told:
        for number, (url, fetched) in enumerate(_opened(opened)):
            out += _run(f"{prefix}fetch_{number}", "web_fetch", {"url": url}, Page(url), None if fetched else True)
    return out


def unsaid(grounding: Json) -> Json:
    """Fields of `groundingMetadata` that neither a citation nor a search says."""
    chunks = _objects(grounding.get("groundingChunks"))
    said = {"webSearchQueries", "groundingSupports"} | ({"groundingChunks"} if all(_address(chunk)[0] for chunk in chunks) else set())
    return {name: value for name, value in grounding.items() if name not in said and value}


def _run(call_id: str, name: str, arguments: Json, outcome: Found | Page, failed: bool | None) -> list[Part]:
    extras = provider_extras({}, {BESIDE: True})
    call = ToolCall(call_id, name, object_text(arguments), runs="provider", extras=extras)
    return [call, ToolResult(call_id, (), name, failed, runs="provider", extras=extras, outcome=outcome)]


def _hits(grounding: Json) -> list[Hit]:
    found: dict[str, Hit] = {}
    for chunk in _objects(grounding.get("groundingChunks")):
        url, source = _address(chunk)
        if url is not None:
            found.setdefault(url, Hit(url, _words(source.get("title")), _words(source.get("text"))))
    return list(found.values())


def _address(chunk: Json) -> tuple[str | None, Json]:
    """Where a source can be found, and the source itself."""
    for kind in SOURCES:
        source = chunk.get(kind)
        if type(source) is dict:
            return _words(source.get("uri"), source.get("sourceUri")), source
    return None, {}


def _opened(metadata: Any) -> list[tuple[str, bool]]:
    """Pages of `urlContextMetadata`, and whether each could be had."""
    pages = _objects(metadata.get("urlMetadata")) if type(metadata) is dict else []
    named = [(_words(page.get("retrievedUrl")), page.get("urlRetrievalStatus")) for page in pages]
    return [(url, status in (OPENED, None)) for url, status in named if url is not None]


def _texts(value: Any) -> list[str]:
    return [item for item in value if type(item) is str and item.strip()] if type(value) is list else []


class GroundingWriter:
    """Collects what an answer cites, searched for and opened, in order, and writes it beside the content."""

    __slots__ = ("_bytes_before", "_chunks", "_ledger", "_numbers", "_pages", "_queries", "_supports")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._bytes_before = 0
        self._chunks: list[Json] = []
        self._numbers: dict[tuple[str | None, str | None, str | None], int] = {}
        self._pages: dict[str, Json] = {}
        self._queries: list[str] = []
        self._supports: list[Json] = []

    def add(self, text: str, citations: Sequence[Citation]) -> None:
        """The next visible text and what it cites."""
        for citation in citations:
            self._cite(text, citation)
        self._bytes_before += len(text.encode())

    def searched(self, queries: Sequence[str]) -> None:
        """A search was made."""
        self._queries.extend(queries)

    def found(self, hits: Sequence[Hit]) -> None:
        """What a search found: sources, whether or not they are cited."""
        for hit in hits:
            self._chunk(Citation(hit.url, hit.title, hit.snippet))

    def opened(self, url: str, fetched: bool) -> None:
        """A page was opened, or could not be."""
        self._pages[url] = {"retrievedUrl": url, "urlRetrievalStatus": OPENED if fetched else NOT_OPENED}

    def metadata(self) -> Json | None:
        """`groundingMetadata`; None where nothing was cited or searched for."""
        out: Json = {}
        if self._queries:
            out["webSearchQueries"] = self._queries
        if self._chunks:
            out["groundingChunks"] = self._chunks
            out["groundingSupports"] = self._supports
        return out or None

    def pages(self) -> Json | None:
        """`urlContextMetadata`; None where no page was opened."""
        return {"urlMetadata": list(self._pages.values())} if self._pages else None

    def _cite(self, text: str, citation: Citation) -> None:
        start = citation.start or 0
        end = len(text) if citation.end is None else citation.end
        first = self._bytes_before + len(text[:start].encode())
        segment: Json = {"startIndex": first, "endIndex": first + len(text[start:end].encode()), "text": text[start:end]}
        self._supports.append({"segment": segment, "groundingChunkIndices": [self._chunk(citation)]})

    def _chunk(self, citation: Citation) -> int:
        key = (citation.url, None, None) if citation.url else (None, citation.title, citation.quote)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._chunks)
            self._chunks.append(_chunk_of(citation))
        if citation.url is not None and citation.quote is not None:
            lose_quote("", self._ledger)
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
    url, source = _address(chunk)
    return Citation(url=url, title=_words(source.get("title")), quote=_words(source.get("text")), start=start, end=end)


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
