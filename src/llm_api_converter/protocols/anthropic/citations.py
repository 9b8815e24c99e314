"""Citations on text blocks <-> `Citation`.

The five locations (char, page, content block, web search result, search result) point into the *source*: their exact form rides in the
bookkeeping as `location`, and what the neutral fields do not say of it is an extra like any other.
Source: anthropic SDK 2.12.0, types/text_citation.py (November 2026).
"""

from typing import Any

from ...hub.ledger import Ledger
from ...hub.messages import Citation, Extras
from ...hub.runs import MARK, is_marked
from ..citing import lose_citations, lose_span
from .marks import with_wording, worded
from .wire import PROTOCOL

_SAID = frozenset({"type", "url", "source", "document_title", "title", "cited_text", "document_index"})


def decode_citation(value: Any) -> Citation:
    """A `*_location` object -> Citation. Fields of a wrong type are left to `location`, which holds the object as it came."""
    get = value.get if isinstance(value, dict) else {}.get
    ours = is_marked(get("encrypted_index"))
    return Citation(
        url=_text(get("url")) or _text(get("source")),
        title=_text(get("document_title")) or _text(get("title")),
        quote=_text(get("cited_text")),
        document=_whole(get("document_index")),
        extras=None if ours else with_wording(_unsaid(value), {"location": value}),
    )


def encode_citation(citation: Citation, at: str, ledger: Ledger, *, answer: bool) -> dict[str, Any] | None:
    """Citation -> the exact location it came as.

    One of another protocol becomes, in answers, the location kind that can hold what is known of it, without offsets into the source.
    In history it is dropped: the API checks locations against the documents and its own search results.
    """
    location = worded(citation.extras, "location")
    if isinstance(location, dict):
        return location
    path = at or "content"
    if not answer or (citation.url is None and citation.document is None):
        lose_citations(path, ledger, "a citation of another protocol")
        return None
    lose_span(path, ledger, "a whole block of text is cited, and where in the source is unknown")
    quote = citation.quote or ""
    if citation.url is not None:
        place = {"type": "web_search_result_location", "url": citation.url, "title": citation.title}
        return {**place, "cited_text": quote, "encrypted_index": MARK}
    return {
        "type": "char_location", "document_index": citation.document, "document_title": citation.title, "cited_text": quote,
        "start_char_index": 0, "end_char_index": len(quote),
    }


def _unsaid(value: Any) -> Extras | None:
    """Where in the source: pages, characters and blocks have no neutral place. A hit of a web search says it all."""
    if not isinstance(value, dict):
        return {PROTOCOL: {"citations": value}}
    if value.get("type") == "web_search_result_location":
        return None
    left = {name: field for name, field in value.items() if name not in _SAID and field is not None}
    return {PROTOCOL: left} if left else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
