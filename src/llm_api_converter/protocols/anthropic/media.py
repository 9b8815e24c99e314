"""Images, documents and search results <-> `Media`.

A search result is a document of text parts whose `context` is its source and which is marked `search_result`.
Source: anthropic SDK 2.12.0, image_block_param.py, document_block_param.py, search_result_block_param.py;
https://platform.claude.com/docs/en/build-with-claude/files (November 2026).
"""

import binascii
from collections.abc import Callable
from typing import Any

from ...hub.ledger import Ledger
from ...hub.messages import FileRef, Inline, Media, Part, PartList, PlainText, Source, Url, given_by
from ..fields import Fields
from .marks import keep_nested, put_cache, put_extras, take_cache, with_wording, worded
from .wire import PROTOCOL

PartsOf = Callable[[Any, str], tuple[Part, ...]]
BlocksOf = Callable[[tuple[Part, ...]], Any]

# How the base64 text of an image begins.
_SNIFF = (("iVBORw", "image/png"), ("/9j/", "image/jpeg"), ("R0lG", "image/gif"), ("UklGR", "image/webp"))
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/x-yaml")


def decode_image(f: Fields) -> Media | None:
    """`image` -> Media; None for a source kind nobody knows."""
    source, kind = _source(f)
    where = _simple_source(source, kind)
    if where is None:
        return None
    media_type = source.text("media_type")
    keep_nested(f, "source", source)
    cache = take_cache(f)
    return Media("image", where, media_type, cache=cache, extras=f.extras(PROTOCOL), at=f.path)


def decode_document(f: Fields, parts_of: PartsOf) -> Media | None:
    """`document` -> Media; None for a source kind nobody knows."""
    source, kind = _source(f)
    media_type = source.text("media_type")
    where: Source | None
    if kind == "text":
        where = PlainText(source.text_required("data"))
    elif kind == "content":
        where = PartList(parts_of(source.required("content"), source.at("content")))
    else:
        where = _simple_source(source, kind)
    if where is None:
        return None
    keep_nested(f, "source", source)
    name, context, cite, cache = f.text("title"), f.text("context"), _take_cite(f), take_cache(f)
    return Media("document", where, media_type, name, context, cite, cache=cache, extras=f.extras(PROTOCOL), at=f.path)


def decode_search_result(f: Fields, parts_of: PartsOf) -> Media:
    """`search_result` -> Media(document, PartList)."""
    parts = parts_of(f.array_required("content"), f.at("content"))
    source, title, cite, cache = f.text_required("source"), f.text("title"), _take_cite(f), take_cache(f)
    extras = with_wording(f.extras(PROTOCOL), {"search_result": True})
    return Media("document", PartList(parts), None, title, source, cite, cache=cache, extras=extras, at=f.path)


def encode_media(media: Media, ledger: Ledger, blocks_of: BlocksOf) -> dict[str, Any] | None:
    """Media -> `image`, `document` or `search_result`; None where it cannot be said (a loss)."""
    at = media.at
    if worded(media.extras, "search_result") and isinstance(media.source, PartList):
        return _encode_search_result(media, media.source, ledger, blocks_of)
    if media.kind not in ("image", "document"):
        ledger.drop(at, media.kind, "content", f"Messages take no {media.kind}")
        return None
    source = _encode_source(media, ledger, blocks_of)
    if source is None:
        return None
    block: dict[str, Any] = {"type": media.kind, "source": source}
    if media.kind == "document":
        _put_document_fields(block, media)
    else:
        for field in ("name", "context", "cite"):
            if getattr(media, field) is not None:
                ledger.drop(at, field, "tuning")
    if media.detail is not None:
        ledger.drop(at, "detail", "tuning")
    put_cache(block, media.cache, at, ledger)
    put_extras(block, media.extras, at, ledger)
    return block


def _source(f: Fields) -> tuple[Fields, str]:
    source = f.sub("source")
    if source is None:
        raise f.error("source", "required")
    return source, source.text_required("type")


def _simple_source(source: Fields, kind: str) -> Source | None:
    if kind == "base64":
        return Inline(source.text_required("data"))
    if kind == "url":
        return Url(source.text_required("url"))
    if kind == "file":
        return FileRef(PROTOCOL, source.text_required("file_id"))
    return None


def _take_cite(f: Fields) -> bool | None:
    citations = f.sub("citations")
    if citations is None:
        return None
    cite = citations.flag("enabled")
    keep_nested(f, "citations", citations)
    return cite


def _encode_source(media: Media, ledger: Ledger, blocks_of: BlocksOf) -> dict[str, Any] | None:
    at = media.at
    match media.source:
        case Inline(data):
            return _encode_inline(media, data, ledger)
        case Url(url):
            if url.startswith(("http://", "https://")):
                return {"type": "url", "url": url}
            ledger.drop(at, "media_url", "content", "only http and https URLs can be fetched")
        case FileRef(realm, id):
            if realm == PROTOCOL:
                return {"type": "file", "file_id": id}
            ledger.drop(at, "file", "content", f"a file id of {realm}")
        case PlainText(text):
            if media.kind == "document":
                return {"type": "text", "media_type": "text/plain", "data": text}
            ledger.drop(at, media.kind, "content", f"no {media.kind} is given by {given_by(media)}")
        case PartList(parts):
            if media.kind == "document":
                return {"type": "content", "content": blocks_of(parts)}
            ledger.drop(at, media.kind, "content", f"no {media.kind} is given by {given_by(media)}")
    return None


def _encode_inline(media: Media, data: str, ledger: Ledger) -> dict[str, Any] | None:
    media_type = media.media_type
    if media.kind == "image":
        kind = media_type or next((kind for start, kind in _SNIFF if data.startswith(start)), "image/png")
        return {"type": "base64", "media_type": kind, "data": data}
    if media_type in (None, "application/pdf"):
        return {"type": "base64", "media_type": "application/pdf", "data": data}
    if media_type is not None and media_type.startswith(_TEXT_TYPES):
        return _as_text(media, data, media_type, ledger)
    ledger.drop(media.at, "document", "content", f"{media_type} is neither PDF nor text")
    return None


def _as_text(media: Media, data: str, media_type: str, ledger: Ledger) -> dict[str, Any] | None:
    try:
        text = binascii.a2b_base64(data).decode()
    except ValueError:
        ledger.drop(media.at, "document", "content", f"{media_type} that is no base64 of UTF-8 text")
        return None
    if media_type != "text/plain":
        ledger.approximate(media.at, "media_type", "tuning", f"{media_type} sent as text/plain")
    return {"type": "text", "media_type": "text/plain", "data": text}


def _put_document_fields(block: dict[str, Any], media: Media) -> None:
    if media.name is not None:
        block["title"] = media.name
    if media.context is not None:
        block["context"] = media.context
    if media.cite is not None:
        block["citations"] = {"enabled": media.cite}


def _encode_search_result(media: Media, source: PartList, ledger: Ledger, blocks_of: BlocksOf) -> dict[str, Any]:
    block: dict[str, Any] = {
        "type": "search_result", "source": media.context or "", "title": media.name or "", "content": blocks_of(source.parts),
    }
    if isinstance(block["content"], str):
        block["content"] = [{"type": "text", "text": block["content"]}]
    if media.cite is not None:
        block["citations"] = {"enabled": media.cite}
    put_cache(block, media.cache, media.at, ledger)
    put_extras(block, media.extras, media.at, ledger)
    return block
