"""Content parts of messages and tool outputs <-> Text, Media, Refusal; annotations <-> Citation.

    input_text, output_text, input_image, input_file, input_audio, refusal        anything else is Native
    url_citation <-> Citation(url, title, start, end); annotations about files keep their fields in `extras`

Sources: openai 3.54.0 `types/responses/response_input_*.py`, `response_output_text.py` (November 2026).
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import (
    CacheMark,
    Citation,
    Extras,
    FileRef,
    Inline,
    Media,
    Native,
    Part,
    PartList,
    PlainText,
    Refusal,
    Text,
    ToolReference,
    Url,
    given_by,
)
from ..citing import lose_citations, lose_quote
from ..fields import Fields, type_name
from .wire import FILE_REALMS, PROTOCOL, WORDING, extras_of, put_own, worded

BREAKPOINT = {"mode": "explicit"}
"""`prompt_cache_breakpoint`: a cache mark after the part (gpt-5.6 and later), with `ttl` where the mark has a lifetime of its own."""
LIFETIMES = {"30m": 1800, "12h": 43200}
LIFETIMES_OUT = {seconds: word for word, seconds in LIFETIMES.items()}

AUDIO_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}
AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}

NAME_TYPES = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Ending of a file name -> media type, for bare base64 without a type of its own."""
TYPE_NAMES = {media_type: ending for ending, media_type in NAME_TYPES.items()}


# ---------------------------------------------------------------------------------------------------------------- decode


def decode_content(value: Any, path: str, words: dict[str, Any] | None = None) -> tuple[Part, ...]:
    """A message's or an output's content: a string or a list of parts. `words` is the bookkeeping of the item it stands in."""
    if type(value) is str:
        return (Text(value, extras={WORDING: words} if words else None, at=path),)
    if type(value) is not list:
        raise invalid(path, f"expected a string or an array, got {type_name(value)}")
    return tuple([_decode_part(item, f"{path}[{i}]" if path else "", words) for i, item in enumerate(value)])


def _decode_part(item: Any, at: str, words: dict[str, Any] | None) -> Part:
    f = Fields(item, at)
    kind = f.text_required("type")
    decode = CONTENT_IN.get(kind)
    if decode is None:
        return Native(PROTOCOL, kind, item, at=at)
    return decode(f, words or {})


def _decode_text(f: Fields, words: dict[str, Any]) -> Text:
    text = f.text_required("text")
    annotations = f.array("annotations")
    citations = tuple([decode_annotation(x) for x in annotations if isinstance(x, dict)]) if annotations else ()
    cache, words = _decode_breakpoint(f, words)
    logprobs = f.array("logprobs")
    if logprobs:
        f.keep("logprobs", logprobs)
    return Text(text, citations, cache, extras=extras_of(words, f.rest()), at=f.path)


def _decode_refusal(f: Fields, words: dict[str, Any]) -> Refusal:
    return Refusal(f.text_required("refusal"), extras_of(words, f.rest()), f.path)


def _decode_image(f: Fields, words: dict[str, Any]) -> Part:
    url = f.take("image_url")
    if isinstance(url, dict):
        # Chat's spelling, which compatible servers take too.
        url = url.get("url")
    file_id = f.text("file_id")
    detail = f.text("detail")
    cache, words = _decode_breakpoint(f, words)
    if file_id is not None:
        if url is not None:
            words = {**words, "image_url": url}
        return Media("image", FileRef(PROTOCOL, file_id), detail=detail, cache=cache, extras=extras_of(words, f.rest()), at=f.path)
    if type(url) is not str:
        raise f.error("image_url", "required")
    source, media_type = decode_data_url(url)
    return Media("image", source, media_type, detail=detail, cache=cache, extras=extras_of(words, f.rest()), at=f.path)


def _decode_file(f: Fields, words: dict[str, Any]) -> Part:
    data, url, file_id, name = f.text("file_data"), f.text("file_url"), f.text("file_id"), f.text("filename")
    detail = f.text("detail")
    cache, words = _decode_breakpoint(f, words)
    media_type = None
    source: Inline | Url | FileRef
    if data is not None:
        if data.startswith("data:"):
            source, media_type = decode_data_url(data)
        else:
            source, words = Inline(data), {**words, "bare": True}
            media_type = NAME_TYPES.get((name or "").rpartition(".")[2].lower())
    elif url is not None:
        source = Url(url)
    elif file_id is not None:
        source = FileRef(PROTOCOL, file_id)
    else:
        raise f.error("file_data", "one of file_data, file_url and file_id is required")
    return Media("document", source, media_type, name, detail=detail, cache=cache, extras=extras_of(words, f.rest()), at=f.path)


def _decode_audio(f: Fields, words: dict[str, Any]) -> Part:
    audio = f.sub("input_audio")
    if audio is None:
        raise f.error("input_audio", "required")
    data, kind = audio.text_required("data"), audio.text("format") or "wav"
    media_type = AUDIO_TYPES.get(kind, f"audio/{kind}")
    for name, value in audio.rest().items():
        f.keep(f"input_audio.{name}", value)
    return Media("audio", Inline(data), media_type, extras=extras_of(words, f.rest()), at=f.path)


def _decode_breakpoint(f: Fields, words: dict[str, Any]) -> tuple[CacheMark | None, dict[str, Any]]:
    """`prompt_cache_breakpoint`. A form with more than the known mode and lifetimes is kept as it was spelled."""
    mark = f.take("prompt_cache_breakpoint")
    if mark is None:
        return None, words
    ttl_s = LIFETIMES.get(str(mark.get("ttl"))) if isinstance(mark, dict) else None
    if mark != _breakpoint(ttl_s):
        words = {**words, "prompt_cache_breakpoint": mark}
    return CacheMark(ttl_s, f.at("prompt_cache_breakpoint")), words


def _breakpoint(ttl_s: int | None) -> dict[str, Any]:
    word = LIFETIMES_OUT.get(ttl_s) if ttl_s is not None else None
    return BREAKPOINT if word is None else {**BREAKPOINT, "ttl": word}


CONTENT_IN: dict[str, Callable[[Fields, dict[str, Any]], Part]] = {
    "input_text": _decode_text,
    "output_text": _decode_text,
    "text": _decode_text,
    "refusal": _decode_refusal,
    "input_image": _decode_image,
    "input_file": _decode_file,
    "input_audio": _decode_audio,
}


def decode_data_url(url: str) -> tuple[Inline | Url, str | None]:
    """`data:image/png;base64,....` -> its data and type. Any other URL stays one."""
    if not url.startswith("data:"):
        return Url(url), None
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64") or head.count(";") != 1:
        return Url(url), None
    return Inline(data), head[5:-7] or None


def decode_annotation(raw: dict[str, Any]) -> Citation:
    """An annotation of an answer's text. `index` of file annotations is a position of its own kind and stays in `extras`."""
    rest = {k: v for k, v in raw.items() if v is not None}
    kind = rest.pop("type", None)
    words = {"type": kind}
    if kind == "url_citation":
        start, end = _typed(rest, "start_index", int), _typed(rest, "end_index", int)
        return Citation(_typed(rest, "url", str), _typed(rest, "title", str), start=start, end=end, extras=extras_of(words, rest))
    return Citation(title=_typed(rest, "filename", str), extras=extras_of(words, rest))


def _typed(rest: dict[str, Any], name: str, kind: type) -> Any:
    """Takes a field of that type; one of another type stays where it is."""
    return rest.pop(name) if type(rest.get(name)) is kind else None


# ---------------------------------------------------------------------------------------------------------------- encode


def encode_input_parts(parts: list[Part], facts: Facts, ledger: Ledger) -> str | list[dict[str, Any]]:
    """Content of a user, system or developer message or of a tool's output; a lone plain text is a string."""
    if len(parts) == 1 and type(parts[0]) is Text and parts[0].cache is None:
        text = parts[0]
        if not text.citations and not text.tokens and not text.extras:
            return text.text
    out: list[dict[str, Any]] = []
    for part in parts:
        out.extend(_encode_input_part(part, facts, ledger))
    if len(out) == 1 and len(out[0]) == 2 and out[0]["type"] == "input_text":
        lone: str = out[0]["text"]
        return lone
    return out


def _encode_input_part(part: Part, facts: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    match part:
        case Text():
            return [_marked(_encode_input_text(part, ledger), part.cache, part.extras, part.at, facts, ledger)]
        case Media():
            return _encode_media(part, facts, ledger)
        case Refusal(text, extras, at):
            unknown_extras(extras, PROTOCOL, at, ledger)
            return [{"type": "input_text", "text": text}]
        case ToolReference(name, extras, at):
            unknown_extras(extras, PROTOCOL, at, ledger)
            ledger.approximate(at, "tool_reference", "tools", "named in words")
            return [{"type": "input_text", "text": f"Tool loaded: {name}"}]
        case Native(protocol, kind, body, cache, at):
            if cache is not None:
                ledger.drop(cache.path(at), "cache_control", "cache")
            if protocol == PROTOCOL:
                return [body]
            ledger.drop(at, kind, "content")
            return []
        case _:
            ledger.drop(part.at, type(part).__name__.lower(), "content")
            return []


def _encode_input_text(part: Text, ledger: Ledger) -> dict[str, Any]:
    drop_tokens(part, ledger)
    if part.citations:
        lose_citations(part.at, ledger, "the text of a request has no place for citations")
    return {"type": "input_text", "text": part.text, **unknown_extras(part.extras, PROTOCOL, part.at, ledger)}


def _marked(
    item: dict[str, Any], cache: CacheMark | None, extras: Extras | None, at: str, facts: Facts, ledger: Ledger
) -> dict[str, Any]:
    """`item` with its cache mark, where the target has such marks."""
    if cache is not None:
        if facts.cache_marks:
            item["prompt_cache_breakpoint"] = worded(extras).get("prompt_cache_breakpoint", _breakpoint(cache.ttl_s))
            if cache.ttl_s is not None and cache.ttl_s not in facts.cache_ttls_s:
                ledger.approximate(cache.path(at), "cache_ttl", "cache")
        else:
            ledger.drop(cache.path(at), "cache_control", "cache")
    return item


def _encode_media(part: Media, facts: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    drop_tokens(part, ledger)
    own = unknown_extras(part.extras, PROTOCOL, part.at, ledger)
    encode = MEDIA_OUT.get(part.kind)
    items = encode(part, facts, ledger) if encode else []
    if not items:
        ledger.drop(part.at, part.kind, "content", f"a Responses request takes no {part.kind} given by {given_by(part)}")
        return []
    if part.context is not None:
        ledger.emulate(part.at, "document_context", "content", "sent as text before the document")
        items.insert(0, {"type": "input_text", "text": part.context})
    if part.cite:
        ledger.drop(part.at, "citations", "tuning")
    put_own(items[-1], own)
    _marked(items[-1], part.cache, part.extras, part.at, facts, ledger)
    return items


def _encode_image(part: Media, _: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    words = worded(part.extras)
    item: dict[str, Any] = {"type": "input_image"}
    match part.source:
        case FileRef(realm, file_id) if realm in FILE_REALMS:
            item["file_id"] = file_id
            if "image_url" in words:
                item["image_url"] = words["image_url"]
        case Inline(data):
            item["image_url"] = f"data:{part.media_type or 'image/png'};base64,{data}"
        case Url(url):
            item["image_url"] = url
        case _:
            return []
    if part.detail is not None:
        item["detail"] = part.detail
    if part.name is not None:
        ledger.drop(part.at, "media_name", "unknown")
    return [item]


def _encode_document(part: Media, facts: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    """A file; text and parts given as a document are sent as what they are made of."""
    item: dict[str, Any] = {"type": "input_file"}
    match part.source:
        case FileRef(realm, file_id) if realm in FILE_REALMS:
            item["file_id"] = file_id
        case Inline(data):
            media_type = part.media_type or "application/pdf"
            item["file_data"] = data if worded(part.extras).get("bare") else f"data:{media_type};base64,{data}"
        case Url(url):
            item["file_url"] = url
        case PlainText(text):
            item["file_data"] = f"data:{part.media_type or 'text/plain'};base64,{b64encode(text.encode()).decode()}"
        case PartList(parts):
            ledger.emulate(part.at, "document_parts", "content", "sent as the parts it is made of")
            inner = [{"type": "input_text", "text": part.name}] if part.name else []
            for piece in parts:
                inner.extend(_encode_input_part(piece, facts, ledger))
            return inner
        case _:
            return []
    if part.name is not None:
        item["filename"] = part.name
    elif isinstance(part.source, (Inline, PlainText)) and not worded(part.extras).get("bare"):
        # OpenAI refuses file data without a name.
        default = "text/plain" if isinstance(part.source, PlainText) else "application/pdf"
        item["filename"] = f"document.{TYPE_NAMES.get(part.media_type or default, 'bin')}"
    if part.detail is not None:
        item["detail"] = part.detail
    return [item]


def _encode_audio(part: Media, _: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    if not isinstance(part.source, Inline):
        return []
    media_type = part.media_type or "audio/wav"
    kind = AUDIO_FORMATS.get(media_type, media_type.partition("/")[2])
    if part.name is not None:
        ledger.drop(part.at, "media_name", "unknown")
    if part.detail is not None:
        ledger.drop(part.at, "detail", "tuning")
    return [{"type": "input_audio", "input_audio": {"data": part.source.data, "format": kind}}]


MEDIA_OUT = {"image": _encode_image, "document": _encode_document, "audio": _encode_audio}


def encode_annotations(citations: tuple[Citation, ...], text: str, ledger: Ledger, at: str) -> list[dict[str, Any]]:
    """Citations of a piece of text. Only those with a URL, or that came as annotations, can be said."""
    out: list[dict[str, Any]] = []
    for number, citation in enumerate(citations):
        here = at or f"citations[{number}]"
        kind = worded(citation.extras).get("type")
        # In a request the citation is named as a whole: its fields have other names there.
        own = unknown_extras(citation.extras, PROTOCOL, here, Ledger() if at else ledger)
        if kind is not None and kind != "url_citation":
            out.append({"type": kind, **({"filename": citation.title} if citation.title is not None else {}), **own})
        elif citation.url is not None or kind is not None:
            out.append(_url_citation(citation, text, own, foreign=kind is None))
            if citation.quote is not None:
                lose_quote(here, ledger)
        else:
            lose_citations(here, ledger, "it has no address")
    return out


def _url_citation(citation: Citation, text: str, own: dict[str, Any], *, foreign: bool) -> dict[str, Any]:
    """The protocol demands a title and offsets; a citation without them covers the whole text."""
    title, start, end = citation.title, citation.start, citation.end
    if foreign:
        title, start, end = title or "", start or 0, len(text) if end is None else end
    said = {"url": citation.url, "title": title, "start_index": start, "end_index": end}
    return {"type": "url_citation", **{k: v for k, v in said.items() if v is not None}, **own}


def drop_tokens(part: Text | Media, ledger: Ledger) -> None:
    """Only reasoning carries state in this protocol."""
    if part.tokens:
        ledger.drop(part.at, "thought_signature", "state")
