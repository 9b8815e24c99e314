"""Images, documents, videos, sounds and search results: Converse blocks <-> `Media`.

Converse names a format by a word of its own (`jpeg`, `docx`, `three_gp`) and carries bytes as base64, an S3 address, or, for
documents, text. It fetches no URLs. A search result is a document of text parts whose `source` rides in `extras`.
Source: botocore 1.44.5 bedrock-runtime/2023-09-30 `ImageBlock`, `DocumentBlock`, `VideoBlock`, `AudioBlock`, `SearchResultBlock`
(November 2026); document names: the `name` documentation there, and recordings that show `_` to be accepted.
"""

import re
from typing import Any, Literal

from ...hub.errors import invalid
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import Inline, Media, PartList, PlainText, Source, Text, Url, given_by
from ..base import Json
from ..fields import Fields
from .wire import PROTOCOL

MediaKind = Literal["image", "document", "video", "audio"]
MEDIA_KINDS: tuple[MediaKind, ...] = ("image", "document", "video", "audio")

# Converse's word -> MIME type. Where several words share a type, the first one is written.
FORMATS: dict[MediaKind, dict[str, str]] = {
    "image": {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"},
    "document": {
        "pdf": "application/pdf",
        "csv": "text/csv",
        "doc": "application/msword",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "html": "text/html",
        "txt": "text/plain",
        "md": "text/markdown",
    },
    "video": {
        "mp4": "video/mp4",
        "mov": "video/quicktime",
        "mkv": "video/x-matroska",
        "webm": "video/webm",
        "flv": "video/x-flv",
        "mpeg": "video/mpeg",
        "mpg": "video/mpeg",
        "wmv": "video/x-ms-wmv",
        "three_gp": "video/3gpp",
    },
    "audio": {
        "mp3": "audio/mpeg",
        "wav": "audio/wav",
        "opus": "audio/opus",
        "aac": "audio/aac",
        "flac": "audio/flac",
        "mp4": "audio/mp4",
        "m4a": "audio/mp4",
        "ogg": "audio/ogg",
        "mka": "audio/x-matroska",
        "mkv": "audio/x-matroska",
        "x-aac": "audio/x-aac",
        "mpeg": "audio/mpeg",
        "mpga": "audio/mpeg",
        "pcm": "audio/pcm",
        "webm": "audio/webm",
    },
}
# Other MIME names of the same formats.
ALIASES = {
    "image/jpg": "jpeg", "audio/mp3": "mp3", "audio/x-wav": "wav", "audio/wave": "wav", "audio/vnd.wave": "wav", "audio/x-flac": "flac",
    "audio/l16": "pcm", "audio/x-m4a": "m4a", "text/x-markdown": "md", "application/csv": "csv",
    "video/mov": "mov", "video/mpg": "mpeg", "application/xhtml+xml": "html",
}  # fmt: skip
_FORMAT_OF = {kind: {mime: word for word, mime in reversed(table.items())} for kind, table in FORMATS.items()}
# Text in other formats is sent as plain text.
_TEXTUAL = re.compile(r"text/.*|application/(?:.*\+)?(?:json|xml|yaml|x-yaml|javascript|x-sh|sql|toml)")
# How base64 of each format begins.
_MAGIC = (("iVBORw0KGgo", "png"), ("/9j/", "jpeg"), ("R0lGOD", "gif"), ("UklGR", "webp"), ("JVBERi", "pdf"))

_ILLEGAL_IN_NAME = re.compile(r"[^A-Za-z0-9_\s\-()\[\]]+")
_SPACES = re.compile(r"\s+")
_NAME_MAX = 200


def decode_media(kind: MediaKind, value: Any, at: str) -> Media:
    """`{format, source, ...}` under `image`, `document`, `video` or `audio` -> Media. `at` is the block's path."""
    f = Fields(value, f"{at}.{kind}" if at else kind)
    word = f.text("format")
    table = FORMATS[kind]
    left: Json = {}
    if word is not None and word not in table:
        left[f"{kind}.format"] = word
    source = f.sub("source")
    if source is None:
        raise f.error("source", "required")
    decoded = _decode_source(source, kind, left)
    name = context = cite = None
    if kind == "document":
        name, context = f.text("name"), f.text("context")
        citations = f.sub("citations")
        if citations is not None:
            cite = citations.flag("enabled")
            left.update({f"document.citations.{k}": v for k, v in citations.rest().items()})
    left.update({f"{kind}.{k}": v for k, v in f.rest().items()})
    media_type = None if word is None else table.get(word, word if "/" in word else f"{kind}/{word}")
    return Media(kind, decoded, media_type, name, context, cite, extras={PROTOCOL: left} if left else None, at=at)


def _decode_source(f: Fields, kind: MediaKind, left: Json) -> Source:
    data = f.text("bytes")
    if data is not None:
        return Inline(data)
    s3 = f.sub("s3Location")
    if s3 is not None:
        uri = s3.text_required("uri")
        left.update({f"{kind}.source.s3Location.{k}": v for k, v in s3.rest().items()})
        return Url(uri)
    text = f.text("text")
    if text is not None:
        return PlainText(text)
    content = f.array("content")
    if content is not None:
        return PartList(tuple(_decode_texts(content, f.at("content"))))
    raise invalid(f.path, "expected one of bytes, s3Location, text, content")


def _decode_texts(blocks: list[Any], path: str) -> list[Text]:
    return [Text(Fields(block, f"{path}[{i}]").text_required("text"), at=f"{path}[{i}]") for i, block in enumerate(blocks)]


def decode_search_result(value: Any, at: str) -> Media:
    """`searchResult` -> a document of text parts, named by its title."""
    f = Fields(value, f"{at}.searchResult" if at else "searchResult")
    parts = tuple(_decode_texts(f.array_required("content"), f.at("content")))
    title, citations = f.text("title"), f.sub("citations")
    cite = None if citations is None else citations.flag("enabled")
    left = {f"searchResult.{k}": v for k, v in f.rest().items()} or {"searchResult": {}}
    return Media("document", PartList(parts), None, title, cite=cite, extras={PROTOCOL: left}, at=at)


class DocumentNames:
    """Legal names, each used once in a request: letters, digits, single spaces, `_-()[]`, 1 to 200 characters."""

    __slots__ = ("_used",)

    def __init__(self) -> None:
        self._used: set[str] = set()

    def fit(self, media: Media, ledger: Ledger) -> str:
        """The name to send. A name the client gave that has to change is reported; a file's own ending is no change."""
        wanted = name = media.name or ""
        word = format_of(media)
        if word and name.lower().endswith(f".{word}"):
            wanted = name = name[: -len(word) - 1]
        name = _SPACES.sub(" ", _ILLEGAL_IN_NAME.sub("-", name)).strip()[:_NAME_MAX].strip()
        if not any(c.isalnum() for c in name):
            name = "document"
        if name in self._used:
            stem, number = name[: _NAME_MAX - 8], 2
            while f"{stem}-{number}" in self._used:
                number += 1
            name = f"{stem}-{number}"
        self._used.add(name)
        if wanted and name != wanted:
            ledger.repair(media.at, "document_name", "content", f"sent as {name!r}")
        return name


def format_of(media: Media) -> str | None:
    """Converse's word for the format: from the MIME type, else the name's ending, else the first bytes. None: it has none."""
    table = _FORMAT_OF[media.kind]
    mime = media.media_type.partition(";")[0].strip().lower() if media.media_type else None
    if mime:
        return table.get(mime) or _alias(mime, media.kind)
    if isinstance(media.source, (PlainText, PartList)):
        return None
    ending = (media.name or "").rpartition(".")[2].lower()
    if ending in FORMATS[media.kind]:
        return ending
    if isinstance(media.source, Url):
        ending = media.source.url.rpartition(".")[2].lower()
        return {"jpg": "jpeg"}.get(ending, ending) if {"jpg": "jpeg"}.get(ending, ending) in FORMATS[media.kind] else None
    if isinstance(media.source, Inline):
        for magic, word in _MAGIC:
            if media.source.data.startswith(magic) and word in FORMATS[media.kind]:
                return word
    return None


def _alias(mime: str, kind: MediaKind) -> str | None:
    word = ALIASES.get(mime)
    return word if word in FORMATS[kind] else None


def encode_media(media: Media, names: DocumentNames, ledger: Ledger) -> Json | None:
    """Media -> a block, or None where Converse cannot carry it (reported)."""
    kind, at = media.kind, media.at
    left = unknown_extras(media.extras, PROTOCOL, at, ledger)
    for token in media.tokens:
        ledger.drop(at, token.kind, "state")
    if media.detail not in (None, "auto"):
        ledger.drop(at, "detail", "tuning")
    if kind == "document" and any(key.startswith("searchResult") for key in left):
        return _encode_search_result(media, left, ledger)
    source = _encode_source(media, left, ledger)
    if source is None:
        return None
    word = left.get(f"{kind}.format") or format_of(media)
    if word is None and media.media_type and kind == "document" and _TEXTUAL.fullmatch(media.media_type.partition(";")[0].lower()):
        word = "txt"
        ledger.approximate(f"{at}.media_type", "media_type", "content", f"{media.media_type} sent as plain text")
    if word is None and (kind != "document" or media.media_type is not None):
        ledger.drop(at, kind, "content", f"no Converse format for {media.media_type or 'an unknown type'}")
        return None
    body: Json = {} if word is None else {"format": word}
    if kind == "document":
        body["name"] = names.fit(media, ledger)
    body["source"] = source
    if kind == "document":
        _encode_document_fields(media, body, left)
    else:
        for field, value in (("context", media.context), ("cite", media.cite)):
            if value is not None:
                ledger.drop(f"{at}.{field}", field, "unknown")
    for key, value in left.items():
        owner, _, field = key.partition(".")
        if owner == kind and "." not in field and field != "format":
            body[field] = value
    return {kind: body}


def _encode_document_fields(media: Media, body: Json, left: Json) -> None:
    if media.context is not None:
        body["context"] = media.context
    citations = {key.removeprefix("document.citations."): v for key, v in left.items() if key.startswith("document.citations.")}
    if media.cite is not None:
        citations["enabled"] = media.cite
    if citations:
        body["citations"] = citations


def _encode_source(media: Media, left: Json, ledger: Ledger) -> Json | None:
    kind, at = media.kind, media.at
    match media.source:
        case Inline(data):
            return {"bytes": data}
        case Url(url) if url.startswith("s3://"):
            prefix = f"{kind}.source.s3Location."
            return {"s3Location": {"uri": url, **{k.removeprefix(prefix): v for k, v in left.items() if k.startswith(prefix)}}}
        case PlainText(text) if kind == "document":
            return {"text": text}
        case PartList() if kind == "document":
            texts = _encode_texts(media, ledger)
            return {"content": texts} if texts else None
        case Url():
            ledger.drop(at, kind, "content", f"Converse takes no {kind} given by a URL")
        case _:
            ledger.drop(at, kind, "content", f"Converse takes no {kind} given by {given_by(media)}")
    return None


def _encode_texts(media: Media, ledger: Ledger) -> list[Json]:
    texts: list[Json] = []
    if isinstance(media.source, PartList):
        for i, part in enumerate(media.source.parts):
            if isinstance(part, Text):
                texts.append({"text": part.text})
            else:
                ledger.drop(getattr(part, "at", "") or f"{media.at}.content[{i}]", type(part).__name__.lower(), "content")
    if not texts:
        ledger.drop(media.at, media.kind, "content", "nothing of it can be sent")
    return texts


def _encode_search_result(media: Media, left: Json, ledger: Ledger) -> Json:
    body: Json = {key.partition(".")[2]: value for key, value in left.items() if key.startswith("searchResult.")}
    body.setdefault("source", "")
    body["title"] = media.name or ""
    body["content"] = _encode_texts(media, ledger)
    if media.cite is not None:
        body["citations"] = {"enabled": media.cite}
    return {"searchResult": body}

