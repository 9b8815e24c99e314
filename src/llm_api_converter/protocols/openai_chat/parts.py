"""Content parts <-> Text, Media, Reasoning, Refusal.

`text`, `image_url`, `input_audio`, `file` and `refusal` are OpenAI's (openai 3.54.0 `types/chat/chat_completion_content_part_*.py`).
Dialects add `video_url` (OpenRouter, vLLM), `document_url` and `thinking` (Mistral), bare strings for text and for image URLs,
and `cache_control` on any part (OpenRouter, litellm). OpenAI's own cache marks are `prompt_cache_breakpoint`. Parts nobody
knows stay whole as `Native`.
"""

from typing import Any

from ...hub.errors import invalid
from ...hub.facts import Facts
from ...hub.ledger import Ledger, unknown_extras
from ...hub.messages import (
    CacheMark,
    FileRef,
    Inline,
    Media,
    Native,
    Part,
    PartList,
    PlainText,
    Reasoning,
    Refusal,
    Source,
    Text,
    ToolReference,
    Url,
    given_by,
)
from ..citing import lose_citations
from ..fields import Fields, type_name
from .wire import FILE_REALMS, IMAGE_PREFIX, PROTOCOL

AUDIO_IN = {"mp3": "audio/mpeg"}
AUDIO_OUT = {"audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/wave": "wav", "audio/vnd.wave": "wav"}
EXTENSIONS = {
    "application/pdf": "pdf", "text/plain": "txt", "text/markdown": "md", "text/html": "html", "text/csv": "csv",
    "application/msword": "doc", "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
TYPES = {extension: media_type for media_type, extension in EXTENSIONS.items()}
TTLS = {"5m": 300, "30m": 1800, "1h": 3600, "12h": 43200, "24h": 86400}
TTL_WORDS = {seconds: word for word, seconds in TTLS.items()}


def decode_content(value: Any, at: str) -> list[Part]:
    """`content` of any message: a string, an array of parts, or nothing."""
    if value is None:
        return []
    if type(value) is str:
        return [Text(value, at=at)]
    if type(value) is not list:
        raise invalid(at, f"expected a string or an array, got {type_name(value)}")
    return [decode_part(part, f"{at}[{i}]") for i, part in enumerate(value)]


def decode_part(value: Any, at: str) -> Part:
    """One element of a content array."""
    if type(value) is str:
        return Text(value, at=at)
    if type(value) is dict and len(value) == 2 and value.get("type") == "text" and type(value.get("text")) is str:
        return Text(value["text"], at=at)
    f = Fields(value, at)
    kind = f.text_required("type")
    decoder = _PARTS.get(kind)
    if decoder is None:
        return Native(PROTOCOL, kind, value, at=at)
    return decoder(f)


def decode_cache(f: Fields) -> CacheMark | None:
    """`cache_control` or `prompt_cache_breakpoint` beside a part, a message or a tool."""
    if not (f.has("cache_control") or f.has("prompt_cache_breakpoint")):
        return None
    mark, at = f.object("cache_control"), ""
    if mark is None:
        mark, at = f.object("prompt_cache_breakpoint"), f.at("prompt_cache_breakpoint")
    return None if mark is None else CacheMark(TTLS.get(str(mark.get("ttl"))), at)


def decode_data_url(url: str) -> tuple[Source, str | None]:
    """`data:image/png;base64,...` is inline; anything else stays a URL."""
    if not url.startswith(IMAGE_PREFIX):
        return Url(url), None
    head, _, data = url[len(IMAGE_PREFIX) :].partition(",")
    media_type = head.partition(";")[0] or None
    return (Inline(data), media_type) if head.endswith(";base64") else (Url(url), media_type)


def _text(f: Fields) -> Part:
    text = f.text_required("text")
    return Text(text, cache=decode_cache(f), extras=f.extras(PROTOCOL), at=f.path)


def _image(f: Fields) -> Part:
    return _by_url(f, "image_url", "image")


def _video(f: Fields) -> Part:
    return _by_url(f, "video_url", "video")


def _document_url(f: Fields) -> Part:
    name = f.text("document_name")
    return _by_url(f, "document_url", "document", name)


def _by_url(f: Fields, field: str, kind: Any, name: str | None = None) -> Part:
    """`{"url": ..., "detail": ...}` or the bare URL."""
    value = f.required(field)
    detail: str | None = None
    extras: dict[str, Any] = {}
    if type(value) is str:
        url = value
    else:
        inner = Fields(value, f.at(field))
        url, detail = inner.text_required("url"), inner.text("detail")
        extras = {f"{field}.{k}": v for k, v in inner.rest().items()}
    source, media_type = decode_data_url(url)
    cache = decode_cache(f)
    extras.update(f.rest())
    return Media(kind, source, media_type, name, detail=detail, cache=cache, extras={PROTOCOL: extras} if extras else None, at=f.path)


def _audio(f: Fields) -> Part:
    """`{"data", "format"}`, or bare base64 (Mistral)."""
    value = f.required("input_audio")
    inner = Fields({"data": value} if type(value) is str else value, f.at("input_audio"))
    data, form = inner.text_required("data"), inner.text("format")
    source: Source = Inline(data)
    media_type = None if form is None else AUDIO_IN.get(form, f"audio/{form}")
    if data.startswith(IMAGE_PREFIX):
        source, media_type = decode_data_url(data)
    cache = decode_cache(f)
    extras = {**{f"input_audio.{k}": v for k, v in inner.rest().items()}, **f.rest()}
    return Media("audio", source, media_type, cache=cache, extras={PROTOCOL: extras} if extras else None, at=f.path)


def _file(f: Fields) -> Part:
    """`file_data` is a data URL; OpenRouter takes a web URL there too, and bare base64 happens."""
    inner = Fields(f.required("file"), f.at("file"))
    name, file_id, data = inner.text("filename"), inner.text("file_id"), inner.text("file_data")
    media_type: str | None = None
    source: Source
    if file_id is not None:
        source = FileRef(PROTOCOL, file_id)
    elif data is None:
        raise inner.error("file_data", "required (or file_id)")
    elif data.startswith((IMAGE_PREFIX, "http://", "https://", "gs://", "s3://")):
        source, media_type = decode_data_url(data)
    else:
        source, media_type = Inline(data), TYPES.get((name or "").rpartition(".")[2].lower())
    cache = decode_cache(f)
    extras = {**{f"file.{k}": v for k, v in inner.rest().items()}, **f.rest()}
    return Media("document", source, media_type, name, cache=cache, extras={PROTOCOL: extras} if extras else None, at=f.path)


def _thinking(f: Fields) -> Part:
    """Mistral: `thinking` is an array of text parts, or a string. `closed` says that it is whole."""
    value = f.take("thinking")
    if type(value) is list:
        texts = [Fields(x, f"{f.at('thinking')}[{i}]").text("text") or "" for i, x in enumerate(value)]
    else:
        texts = [value] if type(value) is str else []
    if f.has("closed"):
        f.take("closed")
    return Reasoning("".join(texts), cache=decode_cache(f), extras=f.extras(PROTOCOL), at=f.path)


def _refusal(f: Fields) -> Part:
    return Refusal(f.text_required("refusal"), extras=f.extras(PROTOCOL), at=f.path)


_PARTS = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
    "refusal": _refusal,
    "video_url": _video,
    "document_url": _document_url,
    "thinking": _thinking,
}


def encode_part(part: Part, facts: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    """The content parts of one part: one as a rule, none where it cannot be said, several for a document given in parts."""
    match part:
        case Text(text, citations, _, tokens):
            if citations:
                lose_citations(part.at, ledger, "Chat requests have no place for the citations of an earlier answer")
            if tokens:
                ledger.drop(part.at, "thought_signature", "state")
            return [_with_extras({"type": "text", "text": text}, part, facts, ledger)]
        case Media():
            return _encode_media(part, facts, ledger)
        case ToolReference(name):
            unknown_extras(part.extras, PROTOCOL, part.at, ledger)
            ledger.approximate(part.at, "tool_reference", "tools", "written as text")
            return [{"type": "text", "text": f"Tool loaded: {name}"}]
        case Native(protocol, kind, body):
            if protocol == PROTOCOL:
                return [body]
            ledger.drop(part.at, kind, "content")
            return []
        case _:
            ledger.drop(part.at, type(part).__name__.lower(), "content")
            return []


def encode_cache(out: dict[str, Any], mark: CacheMark | None, at: str, facts: Facts, ledger: Ledger, *, on_part: bool = False) -> None:
    """OpenAI's breakpoints where the target's lifetimes are OpenAI's, else `cache_control`; a loss where it takes no marks.

    `on_part`: it sits on a part of a message's content, where alone OpenAI takes breakpoints (openai 3.54.0, types/chat).
    """
    if mark is None:
        return
    breakpoints = 1800 in facts.cache_ttls_s
    if facts.cache_marks == 0 or (breakpoints and not on_part):
        ledger.drop(mark.path(at), "cache_control", "cache")
        return
    word = None if mark.ttl_s is None else TTL_WORDS.get(mark.ttl_s)
    if breakpoints:
        out["prompt_cache_breakpoint"] = {"mode": "explicit"} if word is None else {"mode": "explicit", "ttl": word}
    else:
        out["cache_control"] = {"type": "ephemeral"} if word is None else {"type": "ephemeral", "ttl": word}
    if mark.ttl_s is not None and word is None:
        ledger.drop(f"{mark.path(at)}.ttl", "cache_ttl", "cache")


def put_extras(out: dict[str, Any], extras: dict[str, Any]) -> None:
    """Writes back what the decoder did not know. `a.b` is the field `b` of the object `a`, made where it is missing."""
    for name, value in extras.items():
        place = out
        while "." in name:
            outer, _, name = name.partition(".")
            inner = place.get(outer)
            if type(inner) is not dict:
                inner = place[outer] = {}
            place = inner
        place[name] = value


def data_url(media: Media) -> str | None:
    """Inline data as a data URL, a URL as it is; None for other sources."""
    match media.source:
        case Inline(data):
            return f"data:{media.media_type or _DEFAULT_TYPES[media.kind]};base64,{data}"
        case Url(url):
            return url
        case _:
            return None


_DEFAULT_TYPES = {"image": "image/png", "audio": "audio/wav", "video": "video/mp4", "document": "application/pdf"}


def _with_extras(out: dict[str, Any], part: Text | Media, facts: Facts, ledger: Ledger) -> dict[str, Any]:
    if part.cache is not None:
        encode_cache(out, part.cache, part.at, facts, ledger, on_part=True)
    if part.extras:
        put_extras(out, unknown_extras(part.extras, PROTOCOL, part.at, ledger))
    return out


def _encode_media(part: Media, facts: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    if part.tokens:
        ledger.drop(part.at, "thought_signature", "state")
    if part.context is not None:
        ledger.drop(part.at, "document_context", "tuning")
    if part.cite:
        ledger.drop(part.at, "citations", "tuning")
    match part.source:
        case PlainText(text):
            ledger.approximate(part.at, "document", "content", "a text document is sent as text")
            return [_with_extras({"type": "text", "text": f"{part.name}\n\n{text}" if part.name else text}, part, facts, ledger)]
        case PartList(parts):
            return _encode_part_list(part, parts, facts, ledger)
    if part.detail is not None and part.kind != "image":
        ledger.drop(part.at, "image_detail", "tuning")
    out = _encode_source(part)
    if out is None:
        ledger.drop(part.at, part.kind, "content", f"a Chat request takes no {part.kind} given by {given_by(part)}")
        unknown_extras(part.extras, PROTOCOL, part.at, ledger)
        return []
    if part.name is not None and "file" not in out:
        ledger.drop(part.at, "media_name", "tuning")
    return [_with_extras(out, part, facts, ledger)]


def _encode_part_list(part: Media, parts: tuple[Part, ...], facts: Facts, ledger: Ledger) -> list[dict[str, Any]]:
    """A document in parts: its name, then its parts. The mark and unknown fields of the whole sit on the last."""
    ledger.approximate(part.at, "document", "content", "a document in parts is sent as its parts")
    out = [{"type": "text", "text": part.name}] if part.name else []
    for inner in parts:
        out.extend(encode_part(inner, facts, ledger))
    if out:
        out[-1] = _with_extras(out[-1], part, facts, ledger)
    elif part.cache is not None or part.extras:
        _with_extras({}, part, facts, ledger)
    return out


def _encode_source(part: Media) -> dict[str, Any] | None:
    """The part's own object; None where Chat has no form for this source."""
    match part.source:
        case FileRef(realm, file_id):
            if realm not in FILE_REALMS:
                return None
            return {"type": "file", "file": {"file_id": file_id} if part.name is None else {"file_id": file_id, "filename": part.name}}
        case Inline(data) if part.kind == "audio":
            media_type = part.media_type or "audio/wav"
            return {"type": "input_audio", "input_audio": {"data": data, "format": AUDIO_OUT.get(media_type, media_type[6:])}}
    url = data_url(part)
    if url is None or part.kind == "audio":
        return None
    if part.kind == "image":
        image = {"url": url} if part.detail is None else {"url": url, "detail": part.detail}
        return {"type": "image_url", "image_url": image}
    if part.kind == "video":
        return {"type": "video_url", "video_url": {"url": url}}
    name = part.name or (f"document.{EXTENSIONS.get(part.media_type or '', 'pdf')}" if isinstance(part.source, Inline) else None)
    return {"type": "file", "file": {"file_data": url} if name is None else {"filename": name, "file_data": url}}
