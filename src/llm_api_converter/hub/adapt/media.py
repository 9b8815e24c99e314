"""Images, documents, sounds and videos: what the target cannot take, and media in tool results that have no place there.

What stands in the last user turn and cannot be sent is a `content` loss that routes reject by default. In earlier turns, in the
assistant's own and in tool results it becomes a short visible text and is reported as approximated: a user who switches to a
text-only model, or an agent whose tool made a screenshot, goes on. Documents given as text are sent as text.
"""

from base64 import b64decode

from msgspec.structs import replace

from ..facts import Facts
from ..ledger import Ledger
from ..messages import FileRef, Inline, Media, Message, Part, PartList, PlainText, Text, ToolResult, Url, given_by
from ..request import Request
from .walk import MEDIA, RESULT_MEDIA, Notes, edited, is_client_result

TEXTUAL = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript"})
"""Types of text besides `text/...`."""


def fit_media(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Every media part is one the target takes, or words in its place."""
    if not notes.seen & MEDIA:
        return request
    last = _last_turn(request.messages)

    def edit(part: Part, message: Message) -> tuple[Part, ...] | None:
        if isinstance(part, Media):
            return _fitted(part, facts, ledger, notes.protocol, id(message) in last)
        if isinstance(part, ToolResult) and any(isinstance(inner, Media) for inner in part.parts):
            return _fitted_result(part, facts, ledger, notes.protocol)
        return None

    messages = edited(request.messages, edit)
    return request if messages is request.messages else replace(request, messages=messages)


def _last_turn(messages: tuple[Message, ...]) -> frozenset[int]:
    """The user messages (by identity) of the last user turn: what the user asks now."""
    found: set[int] = set()
    for message in reversed(messages):
        if message.role == "user":
            found.add(id(message))
        elif found and message.role == "assistant":
            break
    return frozenset(found)


def _fitted_result(result: ToolResult, facts: Facts, ledger: Ledger, protocol: str) -> tuple[Part, ...] | None:
    """A tool result with only the media the target takes."""
    parts: list[Part] = []
    changed = False
    for inner in result.parts:
        instead = _fitted(inner, facts, ledger, protocol, False) if isinstance(inner, Media) else None
        changed = changed or instead is not None
        parts.extend((inner,) if instead is None else instead)
    return (replace(result, parts=tuple(parts)),) if changed else None


def _fitted(media: Media, facts: Facts, ledger: Ledger, protocol: str, wanted_now: bool) -> tuple[Part, ...] | None:
    """What stands for a media part; None: itself."""
    why = refusal(media, facts, protocol)
    if why is None:
        return None
    plain = _as_plain_text(media)
    if plain is not None:
        if refusal(plain, facts, protocol) is None:
            ledger.approximate(media.at, media.kind, "tuning", f"{media.media_type} sent as plain text")
            return (plain,)
        media = plain
    if isinstance(media.source, (PlainText, PartList)):
        ledger.approximate(media.at, media.kind, "content", "sent as text")
        return _document_text(media, media.source, facts, ledger, protocol, wanted_now)
    if wanted_now:
        ledger.drop(media.at, media.kind, "content", why)
    else:
        ledger.approximate(media.at, media.kind, "content", f"{why}: a short text stands in its place")
    name = f" {media.name}" if media.name else ""
    return (Text(f"[{media.kind}{name} left out: {why}]", cache=media.cache, at=media.at),)


def _as_plain_text(media: Media) -> Media | None:
    """A document that is text, whatever its type calls it, as one given as text; None for all others."""
    kind = media.media_type or ""
    textual = kind.startswith("text/") or kind in TEXTUAL or kind.endswith(("+json", "+xml"))
    if media.kind != "document" or not textual or not isinstance(media.source, Inline):
        return None
    try:
        text = b64decode(media.source.data, validate=True).decode()
    except ValueError:
        return None
    return replace(media, source=PlainText(text), media_type="text/plain")


def refusal(media: Media, facts: Facts, protocol: str = "") -> str | None:
    """Why the target cannot take this part; None where it can. File ids are left to the encoder where its protocol is not known."""
    if isinstance(media.source, FileRef) and protocol and media.source.realm not in (protocol, *facts.file_realms):
        return f"its file id is one of {media.source.realm}, which the provider does not know"
    accepted = {
        "image": facts.accepts_images,
        "document": facts.accepts_documents,
        "audio": facts.accepts_audio,
        "video": facts.accepts_video,
    }
    if not accepted[media.kind]:
        what = "audio" if media.kind == "audio" else f"{media.kind}s"
        return f"the model takes no {what}" if isinstance(media.source, (Inline, PlainText, PartList)) else (
            f"the model takes no {what}, here given by {given_by(media)}"
        )
    types = {"image": facts.image_types, "document": facts.document_types}.get(media.kind, ())
    kind = "text/plain" if isinstance(media.source, PlainText) else media.media_type
    if types and kind is not None and kind not in types and not isinstance(media.source, PartList):
        return f"the model takes no {kind}"
    if isinstance(media.source, Url) and not _readable(media, media.source.url, facts):
        scheme = media.source.url.partition(":")[0]
        return "the provider does not fetch it from its URL" + ("" if scheme in ("http", "https") else f", a {scheme}:// one")
    return None


def _readable(media: Media, url: str, facts: Facts) -> bool:
    """Can the provider fetch this address itself?"""
    if facts.native_url_prefixes and url.startswith(facts.native_url_prefixes):
        return True
    if not url.startswith(("http://", "https://")):
        return False
    return facts.image_urls if media.kind == "image" else facts.document_urls


def _document_text(
    media: Media, source: PlainText | PartList, facts: Facts, ledger: Ledger, protocol: str, wanted_now: bool
) -> tuple[Part, ...]:
    """A document given as text, as text: its title and context first."""
    head = "\n".join(line for line in (media.name and f"Document: {media.name}", media.context) if line)
    if isinstance(source, PlainText):
        text = f"{head}\n\n{source.text}" if head else source.text
        return (Text(text, cache=media.cache, at=media.at),)
    parts: list[Part] = [Text(head, at=media.at)] if head else []
    for inner in source.parts:
        instead = _fitted(inner, facts, ledger, protocol, wanted_now) if isinstance(inner, Media) else None
        parts.extend((inner,) if instead is None else instead)
    if media.cache is not None and parts and isinstance(parts[-1], (Text, Media)):
        parts[-1] = replace(parts[-1], cache=media.cache)
    return tuple(parts)


def move_result_media(request: Request, facts: Facts, ledger: Ledger, notes: Notes) -> Request:
    """Media in tool results, where those hold text only: behind the results of the turn, each under a line that says whose it is."""
    if facts.tool_result_media == "native" or not notes.seen & RESULT_MEDIA:
        return request
    out: list[Message] = []
    moved: list[Part] = []
    for message in request.messages:
        answers = any(map(is_client_result, message.parts))
        if moved and not answers:
            out[-1] = _behind_results(out[-1], moved)
            moved = []
        if answers:
            message = replace(message, parts=tuple(_emptied(part, moved, ledger) for part in message.parts))
        out.append(message)
    if moved:
        out[-1] = _behind_results(out[-1], moved)
    return replace(request, messages=tuple(out))


def _emptied(part: Part, moved: list[Part], ledger: Ledger) -> Part:
    """A result without its media, which are added to `moved` under a line of their own."""
    if not isinstance(part, ToolResult) or part.runs != "client" or not any(isinstance(inner, Media) for inner in part.parts):
        return part
    kept: list[Part] = []
    for inner in part.parts:
        if not isinstance(inner, Media):
            kept.append(inner)
        elif isinstance(inner.source, PlainText):
            ledger.approximate(inner.at, "tool_result_media", "content", "sent as text")
            kept.append(Text(inner.source.text, cache=inner.cache, at=inner.at))
        else:
            ledger.approximate(inner.at, "tool_result_media", "content", "moved behind the tool results")
            moved += (Text(f"[{inner.kind} from tool result {part.call_id}]", at=inner.at), inner)
    if not kept:
        kept.append(Text("[The result follows below.]", at=part.at))
    return replace(part, parts=tuple(kept))


def _behind_results(message: Message, moved: list[Part]) -> Message:
    """A message with the moved parts right behind its results."""
    last = max(index for index, part in enumerate(message.parts) if is_client_result(part))
    return replace(message, parts=(*message.parts[: last + 1], *moved, *message.parts[last + 1 :]))
