"""Citations on text blocks <-> `Citation`.

The five locations (char, page, content block, web search result, search result) point into the *source*, so their exact form rides in
extras as `location` (wording, where the neutral fields say all that another protocol could show).
Source: anthropic SDK 2.12.0, types/text_citation.py (November 2026).
"""

from typing import Any

from ...hub.ledger import Ledger
from ...hub.messages import Citation
from .marks import with_wording, worded
from .wire import PROTOCOL


def decode_citation(value: Any) -> Citation:
    """A `*_location` object -> Citation. Fields of a wrong type are left to `location`, which holds the object as it came."""
    get = value.get if isinstance(value, dict) else {}.get
    return Citation(
        url=_text(get("url")) or _text(get("source")),
        title=_text(get("document_title")) or _text(get("title")),
        quote=_text(get("cited_text")),
        document=_whole(get("document_index")),
        extras=with_wording(None, {"location": value}) if _is_web(value) else {PROTOCOL: {"location": value}},
    )


def encode_citation(citation: Citation, at: str, ledger: Ledger, *, answer: bool) -> dict[str, Any] | None:
    """Citation -> the exact location it came as.

    One of another protocol becomes, in answers, the location kind that can hold what is known of it, without offsets into the source.
    In history it is dropped: the API checks locations against the documents and its own search results.
    """
    location = worded(citation.extras, "location") or (citation.extras or {}).get(PROTOCOL, {}).get("location")
    if isinstance(location, dict):
        return location
    path = at or "content"
    if not answer or (citation.url is None and citation.document is None):
        ledger.drop(path, "citation", "state", "a citation of another protocol")
        return None
    ledger.approximate(path, "citation", "state", "offsets into the source are unknown")
    quote = citation.quote or ""
    if citation.url is not None:
        return {
            "type": "web_search_result_location", "url": citation.url, "title": citation.title, "cited_text": quote, "encrypted_index": "",
        }
    return {
        "type": "char_location", "document_index": citation.document, "document_title": citation.title, "cited_text": quote,
        "start_char_index": 0, "end_char_index": len(quote),
    }


def _is_web(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "web_search_result_location"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
