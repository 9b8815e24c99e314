"""Reasoning of an assistant message <-> Reasoning parts.

Chat itself has no field for it; the dialects have five:

- `reasoning_content` (DeepSeek, vLLM, llama.cpp, most clients) and `reasoning` (Ollama, Groq, OpenRouter): plain text.
- `reasoning_details` (OpenRouter): entries `reasoning.text` with a `signature`, `reasoning.summary`, `reasoning.encrypted` with
  `data`. They repeat the text of `reasoning`, so where they hold text, that field is not read twice.
- `thinking_blocks` (litellm): Anthropic's blocks as they are.
- content parts of type `thinking` (Mistral): see `parts`.

Neighbouring entries of one type and index are one part; encrypted state belongs to the text or summary right before it. The
gateway's own seals travel as the `signature` of an entry with text, else as `data`. Sources: recordings, November 2026.
"""

from collections.abc import Callable, Iterable
from typing import Any

from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Opaque, Reasoning
from ..fields import Fields
from .wire import PROTOCOL, REALM

TEXT, SUMMARY, ENCRYPTED = "reasoning.text", "reasoning.summary", "reasoning.encrypted"
UNKNOWN_FORMAT = "unknown"


class Run:
    """The part that entries are being added to: its type, its index, and whether state has ended it."""

    __slots__ = ("index", "kind", "sealed")

    def __init__(self) -> None:
        self.kind = ""
        self.index: int | None = None
        self.sealed = True

    def begin(self, kind: str = "", index: int | None = None) -> None:
        """A new part; `kind` "" takes entries of any type."""
        self.kind, self.index, self.sealed = kind, index, False

    def takes(self, kind: str, index: int | None) -> bool:
        """Does an entry of this type and index go on with the part?"""
        if self.sealed:
            return False
        if kind == ENCRYPTED:
            return True
        if not self.kind:
            self.kind, self.index = kind, index
        return self.kind == kind and (self.index == index or index is None)


def decode_reasoning(f: Fields) -> list[Reasoning]:
    """Whatever reasoning the message holds, in order."""
    text = f.text("reasoning_content") or ""
    text = f.text("reasoning") or text
    details = f.array("reasoning_details")
    blocks = f.array("thinking_blocks")
    if details:
        return _decode_details(details, text, f.at("reasoning_details"), f.path)
    if blocks:
        return [_decode_block(block, f"{f.at('thinking_blocks')}[{i}]") for i, block in enumerate(blocks)]
    return [Reasoning(text, at=f.path)] if text else []


def decode_token(kind: str, data: str, item_id: str | None, form: str | None) -> Opaque:
    """The opaque state of one entry. Claude's encrypted entries are its redacted thinking."""
    form = "" if form is None or form == UNKNOWN_FORMAT else form
    if kind == "encrypted" and form.startswith("anthropic"):
        kind = "redacted"
    return Opaque(REALM, kind, data, item_id, format=form)


def encode_text(parts: Iterable[Reasoning]) -> str:
    """The text of all, as the plain-text fields have it."""
    return "".join(part.text for part in parts)


def encode_details(
    part: Reasoning, index: int, accepts: Callable[[Opaque], bool], ledger: Ledger, *, plain: bool
) -> list[dict[str, Any]]:
    """The entries of one part, numbered from `index`. Without `plain`, text alone (no state, no unknown fields) gets no entry."""
    written = [token for token in part.tokens if _accepted(token, accepts, part, ledger)]
    extras = unknown_extras(part.extras, PROTOCOL, part.at, ledger)
    whole = extras.get("entry")
    if whole is not None:
        return [whole]
    entries: list[dict[str, Any]] = []
    if extras or (part.text and (plain or written)):
        field = "summary" if part.summary else "text"
        entry = {"type": SUMMARY if part.summary else TEXT, field: part.text, "format": UNKNOWN_FORMAT, "index": index, **extras}
        if written:
            entry["format"] = written[0].format or UNKNOWN_FORMAT
            if not part.summary and written[0].kind in ("signature", "seal"):
                entry["signature"] = written[0].data
                if written[0].item_id is not None:
                    entry["id"] = written[0].item_id
                del written[0]
        entries.append(entry)
    for token in written:
        entry = {"type": ENCRYPTED, "data": token.data, "format": token.format or UNKNOWN_FORMAT, "index": index + len(entries)}
        if token.item_id is not None:
            entry["id"] = token.item_id
        entries.append(entry)
    return entries


def _decode_details(details: list[Any], text: str, path: str, at: str) -> list[Reasoning]:
    run = Run()
    parts: list[tuple[list[str], list[Opaque], bool, str, dict[str, Any]]] = []
    has_text = any(isinstance(x, dict) and (x.get("text") or x.get("summary")) for x in details)
    if text and not has_text:
        parts.append(([text], [], False, at, {}))
        run.begin()
    for i, value in enumerate(details):
        f = Fields(value, f"{path}[{i}]")
        kind, index = f.text("type") or TEXT, f.whole("index")
        if kind not in (TEXT, SUMMARY, ENCRYPTED):
            parts.append(([], [], False, f.path, {"entry": value}))
            run.sealed = True
            continue
        if not run.takes(kind, index):
            parts.append(([], [], kind == SUMMARY, f.path, {}))
            run.begin(kind, index)
        texts, tokens, _, _, extras = parts[-1]
        texts.append(f.text("text") or f.text("summary") or "")
        item_id, form = f.text("id"), f.text("format")
        for field, word in (("signature", "signature"), ("data", "encrypted")):
            data = f.text(field)
            if data:
                tokens.append(decode_token(word, data, item_id, form))
                run.sealed = True
        extras.update(f.rest())
    read = [
        Reasoning(
            "".join(texts), summary, tuple(tokens), bool(tokens) and tokens[0].kind == "redacted" and not any(texts),
            extras={PROTOCOL: extras} if extras else None, at=where,
        )
        for texts, tokens, summary, where, extras in parts
        if tokens or extras or any(texts)
    ]  # fmt: skip
    return _with_gaps(read, text, at) if text and has_text else read


def _with_gaps(parts: list[Reasoning], text: str, at: str) -> list[Reasoning]:
    """What only the plain text holds, between the entries' texts. Entries that are worded otherwise stand alone."""
    out: list[Reasoning] = []
    end = 0
    for part in parts:
        start = text.find(part.text, end)
        if start < 0:
            return parts
        if start > end and part.text:
            out.append(Reasoning(text[end:start], at=at))
            end = start
        out.append(part)
        end += len(part.text)
    if end < len(text):
        out.append(Reasoning(text[end:], at=at))
    return out


def _decode_block(value: Any, at: str) -> Reasoning:
    """`{"type": "thinking", "thinking", "signature"}` or `{"type": "redacted_thinking", "data"}`."""
    f = Fields(value, at)
    f.take("type")
    text = f.text("thinking") or ""
    signature, data = f.text("signature"), f.text("data")
    tokens: tuple[Opaque, ...] = ()
    if signature:
        tokens = (Opaque(REALM, "signature", signature),)
    elif data:
        tokens = (Opaque(REALM, "redacted", data),)
    return Reasoning(text, tokens=tokens, redacted=bool(data), extras=f.extras(PROTOCOL), at=at)


def _accepted(token: Opaque, accepts: Callable[[Opaque], bool], part: Reasoning, ledger: Ledger) -> bool:
    if accepts(token):
        return True
    _lose(token, part, ledger)
    return False


def _lose(token: Opaque, part: Reasoning, ledger: Ledger) -> None:
    ledger.drop(part.at, "redacted_thinking" if token.kind == "redacted" else token.kind, "state")
