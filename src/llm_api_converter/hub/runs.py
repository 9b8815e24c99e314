"""Tools a provider runs itself (search, fetch, code): how their calls read, whose they are, and how they look in words.

A provider-run `ToolCall` keeps its arguments as its provider wrote them, so that they stream untouched; providers call the same thing
`query` or `queries`, `code`, `snippet` or `command`. What such a call gave is `ToolResult.outcome`.

Only the protocol of the provider that ran it takes such an item back as its own (`ran_by`). Where a client must be shown one that
another provider ran, in a form its SDK reads, the item carries `MARK` in a field that stands for the provider's own state, so that it
is known again: a history with it is always translated, and reaches no upstream as if that had run it (`hub.seal.SEAL_PREFIX`).
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from .messages import Found, Hit, Outcome, Page, Ran, Text, ToolCall, ToolResult
from .seal import SEAL_PREFIX

MARK = SEAL_PREFIX.decode()

QUERIES = ("query", "queries")
URLS = ("url", "urls")
CODE = ("code", "snippet", "command")
"""What providers call these arguments, the plainest first."""

SHOWN_HITS = 10
SHOWN_TEXT = 1_500
"""How much of an outcome is told in words: hits, and characters of a page, of code, of an output."""

_decode = msgspec.json.Decoder().decode


def ran_by(part: ToolCall | ToolResult) -> str:
    """The protocol whose provider ran it; "" where nobody says so, as in items of ours that a client gives back."""
    return next(iter(part.extras), "").removeprefix("~") if part.extras else ""


def marked_id(prefix: str, call_id: str) -> str:
    """An id of at most 64 characters of `[a-zA-Z0-9_]` for a call another provider ran; the same one for its result."""
    if call_id.startswith(prefix + MARK):
        return call_id
    return f"{prefix}{MARK}_{blake2b(call_id.encode('utf-8', 'replace'), digest_size=10).hexdigest()}"


def is_marked(value: Any) -> bool:
    """Does this id, or state, say that another provider ran it?"""
    return isinstance(value, str) and MARK in value


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """The arguments as an object; {} for what is none."""
    try:
        value = _decode(call.arguments)
    except (msgspec.DecodeError, UnicodeError):
        return {}
    return value if isinstance(value, dict) else {}


def queries_of(call: ToolCall) -> tuple[str, ...]:
    """What was searched for."""
    return _texts(arguments_of(call), QUERIES)


def urls_of(call: ToolCall) -> tuple[str, ...]:
    """What was fetched."""
    return _texts(arguments_of(call), URLS)


def code_of(call: ToolCall) -> str | None:
    """What was run. A `command` about a file (`path`) is one of an editor, and no code."""
    arguments = arguments_of(call)
    return None if "path" in arguments else next(iter(_texts(arguments, CODE)), None)


def _texts(arguments: dict[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    """The first of these that holds a text, or a list of texts. Empty ones say nothing."""
    for name in names:
        value = arguments.get(name)
        values = value if isinstance(value, list) else [value]
        texts = tuple(text for text in values if isinstance(text, str) and text.strip())
        if texts:
            return texts
    return ()


def hit(value: dict[str, Any], *, url: str = "url", title: str = "title", snippet: str = "", age: str = "") -> Hit | None:
    """A hit from a provider's object, by the names it has there; None without an address."""
    address = value.get(url)
    if not isinstance(address, str) or not address:
        return None
    return Hit(address, _text(value.get(title)), _text(value.get(snippet)), _text(value.get(age)))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def settled(result: ToolResult) -> Outcome | None:
    """The outcome, with one of its kind that holds nothing where the provider showed none; None for kinds without a neutral form."""
    if result.outcome is not None:
        return result.outcome
    match result.name:
        case "web_search":
            return Found()
        case "web_fetch":
            return Page("")
        case "code_execution" | "bash":
            return Ran("\n".join(part.text for part in result.parts if isinstance(part, Text)))
        case _:
            return None


def in_words(call: ToolCall | None, result: ToolResult | None) -> str | None:
    """What was run and what it gave, as a short text for a model that cannot take the items themselves; None: there is nothing to say."""
    said = "" if call is None else _call_in_words(call)
    got = "" if result is None else _result_in_words(result)
    return "\n".join(filter(None, (said, got))) or None


def _call_in_words(call: ToolCall) -> str:
    queries, urls, code = queries_of(call), urls_of(call), code_of(call)
    if queries and call.name != "code_execution":
        return "[Searched: " + "; ".join(queries) + "]"
    if urls:
        return "[Opened: " + ", ".join(urls) + "]"
    if code is not None:
        return f"[Ran this code:]\n```\n{_cut(code)}\n```"
    return "" if call.arguments in ("", "{}") else f"[Used {call.name.replace('_', ' ')}: {_cut(call.arguments)}]"


def _result_in_words(result: ToolResult) -> str:
    match result.outcome:
        case Found(hits) if hits:
            return "[Found:]\n" + "\n".join(f"- {x.title or x.url}: {x.url}" if x.title else f"- {x.url}" for x in hits[:SHOWN_HITS])
        case Page(url, title, text):
            head = f"[Page: {title or url}]"
            return f"{head}\n{_cut(text)}" if text else head
        case Ran(output, errors):
            written = "\n".join(filter(None, (output, errors)))
            return f"[It printed:]\n{_cut(written)}" if written else ""
        case _:
            text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
            return f"[It gave:]\n{_cut(text)}" if text.strip() else ""


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_TEXT else f"{text[:SHOWN_TEXT]} [...]"


def is_foreign(part: ToolCall | ToolResult, protocol: str) -> bool:
    """Was it run by the provider of another protocol?"""
    return part.runs == "provider" and ran_by(part) != protocol
