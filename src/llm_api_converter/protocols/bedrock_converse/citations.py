"""Citations: Converse `citation` <-> `Citation`.

Converse says where the cited text stands in its *source* (a character, page or chunk range of a document, a range of a search
result, a web page); the neutral form keeps URL, title, quote and document index, the rest rides in `extras`.
Source: botocore 1.44.5 `Citation`, `CitationLocation` (November 2026); recordings.
"""

from typing import Any

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Citation, Text
from ..base import Json
from ..citing import lose_citations, lose_span
from ..fields import Fields
from .wire import PROTOCOL, WORDING


def decode_citation(value: Any, at: str) -> Citation:
    """One citation of an answer or of an earlier turn."""
    f = Fields(value, at)
    title, quote, url, document = f.text("title"), None, None, None
    left: Json = {}
    sources = f.array("sourceContent")
    if sources is not None:
        texts = [Fields(x, f"{f.at('sourceContent')}[{i}]").text("text") or "" for i, x in enumerate(sources)]
        quote = "".join(texts)
        if len(texts) != 1:
            left["sourceContent"] = sources
    location = f.object("location")
    if location is not None:
        web = location.get("web")
        if isinstance(web, dict) and isinstance(web.get("url"), str):
            url = web["url"]
        for place in location.values():
            if isinstance(place, dict) and isinstance(place.get("documentIndex"), int):
                document = place["documentIndex"]
        if location != {"web": {"url": url}}:
            left["location"] = location
    source = f.text("source")
    if source is not None:
        if url is None and source.startswith(("http://", "https://")):
            url = source
        else:
            left["source"] = source
    left.update(f.rest())
    # The bookkeeping is empty: it only says whose citation this is.
    return Citation(url, title, quote, document=document, extras={PROTOCOL: left, WORDING: {}} if left else {WORDING: {}})


def own_citations(part: Text, ledger: Ledger) -> tuple[Citation, ...]:
    """The citations of an earlier answer that go back: Converse's own. Others point into sources the model has never seen so."""
    own = tuple(citation for citation in part.citations if citation.extras is not None and WORDING in citation.extras)
    if len(own) < len(part.citations):
        lose_citations(part.at, ledger, "citations of another protocol's answer")
    return own


def encode_citation(citation: Citation, at: str, ledger: Ledger) -> Json:
    """A citation as Converse's clients and models read it."""
    left = unknown_extras(citation.extras, PROTOCOL, at, ledger)
    out: Json = {}
    if citation.title is not None:
        out["title"] = citation.title
    location = left.get("location")
    if location is None:
        if citation.url is not None:
            location = {"web": {"url": citation.url}}
        elif citation.document is not None:
            location = {"documentChar": {"documentIndex": citation.document}}
    elif citation.url is not None and "web" not in location:
        out["source"] = citation.url
    if citation.quote is not None:
        out["sourceContent"] = [{"text": citation.quote}]
    if location is not None:
        out["location"] = location
    if citation.start is not None or citation.end is not None:
        lose_span(at, ledger, "Converse cites a whole block of text")
    out.update(left)
    return out
