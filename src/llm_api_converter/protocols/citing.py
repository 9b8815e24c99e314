"""What is lost of citations, in the same words and the same class whichever protocol loses it.

A citation belongs to the text of an answer as a signature belongs to its reasoning: without it the text stands, but nobody can prove
it. So its losses are of class *state*: they are reported and never make a request fail.

    citations         the citation itself          citation_quote   the words of the source it quotes
    citation_span     which words of the answer it covers, or where in the source it points
"""

from ..hub.ledger import Ledger


def lose_citations(path: str, ledger: Ledger, why: str = "") -> None:
    """There is no place for it. `path` is that of the text, or of the citation."""
    ledger.drop(path or "content", "citations", "state", why)


def lose_quote(path: str, ledger: Ledger) -> None:
    """The source is named without the words that are quoted."""
    ledger.drop(path or "content", "citation_quote", "state", "a source is named without its words")


def lose_span(path: str, ledger: Ledger, why: str) -> None:
    """The source is named, but not the exact words, of the answer or of the source."""
    ledger.approximate(path or "content", "citation_span", "state", why)
