"""Messages and their parts: what is said, in no vendor's words.

Everything is a frozen `msgspec.Struct`; sequences are tuples; `None` means "not said", which differs from any default.

Rules (ARCHITECTURE 3.1):

- System text is a message of role `system`, wherever it stood. Encoders hoist it where their protocol wants that.
- Tool results are parts of a `user` message, and stand before its other parts.
- Decoders never merge or split messages; encoders merge where the target demands alternation.
- Call arguments stay text. They may be invalid JSON. A call without arguments is `"{}"`; decoders read `""` as `"{}"`.
- `at` is the path of the part in the client's own request (`messages[3].content[0]`), for errors and losses; "" in answers. It moves
  with the part when an adapt step merges, splits or drops its neighbours.
- `extras` holds `{protocol: {field: JSON value}}`: fields that protocol's decoder did not understand. Only the encoder of the
  same protocol may read them; for any other each field is a loss of class *unknown* (see `ledger.unknown_extras`).
  An owner `~protocol` (see `wording`) holds that protocol's bookkeeping: losing it is no loss.
"""

from typing import Any, Literal

from msgspec import Struct

Role = Literal["system", "user", "assistant"]
Runs = Literal["client", "provider"]
Extras = dict[str, dict[str, Any]]


def wording(protocol: str) -> str:
    """The owner, in `extras`, of a protocol's bookkeeping: item ids and states, how a thing was spelled, echoes of the request.

    No other protocol gives it a meaning, so only `protocol`'s own encoder looks at it and nobody reports it.
    """
    return f"~{protocol}"


class CacheMark(Struct, frozen=True):
    """A prompt-cache breakpoint after the part it sits on. `ttl_s` None: the target's default lifetime.

    `at` is the client's path of the mark, where that is not `cache_control` on the part itself.
    """

    ttl_s: int | None = None
    at: str = ""

    def path(self, owner: str) -> str:
        """The client's path of the mark on the thing at `owner`, for losses."""
        return self.at or (f"{owner}.cache_control" if owner else "cache_control")


class Opaque(Struct, frozen=True):
    """State only its issuer can read: a thinking signature, redacted thinking, encrypted reasoning, a thought signature.

    `realm` names who accepts it: `wire.<protocol>` as decoders leave it (origin unknown beyond the protocol it came in), or the
    realm of the target that issued it (`facts.realm`) once a seal has proved it. `kind` is `signature`, `redacted`, `encrypted`,
    or `seal` (made by this gateway for the client to echo). `item_id` is the vendor's item id the state belongs to.
    `scope` names the credential it was issued under ("" = any). `format` is the vendor's word for how `data` is to be read, where
    it gives one beside it (Chat `reasoning_details[].format`).
    """

    realm: str
    kind: str
    data: str
    item_id: str | None = None
    scope: str = ""
    format: str = ""


class Citation(Struct, frozen=True):
    """Where a piece of an answer's text comes from.

    `start`/`end` are character offsets in the *answer's* text part, where the protocol gives them. `quote` is the cited text of
    the source. `document` is the index of the source among the request's documents. A protocol's exact form rides in `extras`.
    """

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    document: int | None = None
    extras: Extras | None = None


class Text(Struct, frozen=True):
    """Visible text."""

    text: str
    citations: tuple[Citation, ...] = ()
    cache: CacheMark | None = None
    tokens: tuple[Opaque, ...] = ()
    extras: Extras | None = None
    at: str = ""


class Inline(Struct, frozen=True):
    """Media carried in the request: standard base64 with padding, no line breaks."""

    data: str


class Url(Struct, frozen=True):
    """Media the provider fetches itself: http(s), gs:// or s3://."""

    url: str


class FileRef(Struct, frozen=True):
    """A file uploaded to a provider earlier. `realm` is the protocol whose file API issued the id."""

    realm: str
    id: str


class PlainText(Struct, frozen=True):
    """A document given as text."""

    text: str


class PartList(Struct, frozen=True):
    """A document given as content parts (Text and image Media)."""

    parts: tuple["Part", ...]


Source = Inline | Url | FileRef | PlainText | PartList


class Media(Struct, frozen=True):
    """An image, a sound, a video or a document.

    `media_type` is a MIME type where known. `name` is a file name or title. `context` and `cite` belong to documents (text about
    the document; whether the answer should cite it). `detail` is OpenAI's image detail word (low, high, auto, original).
    """

    kind: Literal["image", "audio", "video", "document"]
    source: Source
    media_type: str | None = None
    name: str | None = None
    context: str | None = None
    cite: bool | None = None
    detail: str | None = None
    cache: CacheMark | None = None
    tokens: tuple[Opaque, ...] = ()
    extras: Extras | None = None
    at: str = ""


def given_by(media: Media) -> str:
    """How the media is given, for the words of a loss: a file id, a URL, ..."""
    match media.source:
        case FileRef(realm):
            return f"a file id of {realm}"
        case Url():
            return "a URL"
        case Inline():
            return media.media_type or "data of an unknown type"
        case PlainText():
            return "plain text"
        case _:
            return "content parts"


class Reasoning(Struct, frozen=True):
    """What the model thought. `summary`: a summary made for showing, not the raw chain. `redacted`: no readable text at all.

    `origin` is the realm that wrote it, once a seal has proved it; "" is unknown.
    """

    text: str
    summary: bool = False
    tokens: tuple[Opaque, ...] = ()
    redacted: bool = False
    cache: CacheMark | None = None
    origin: str = ""
    extras: Extras | None = None
    at: str = ""


class ToolCall(Struct, frozen=True):
    """A call the model wants run, by the client or (server tools) by the provider itself.

    `arguments` is the text of a JSON object, or raw text when `custom` (OpenAI custom / freeform tools). For provider-run calls
    `name` is the neutral kind (`request.PROVIDER_TOOLS`), `arguments` are as the provider wrote them (`hub.runs` reads them), and
    the bookkeeping of its protocol holds what that protocol's own item says besides.
    """

    id: str
    name: str
    arguments: str = "{}"
    runs: Runs = "client"
    custom: bool = False
    namespace: str | None = None
    tokens: tuple[Opaque, ...] = ()
    cache: CacheMark | None = None
    extras: Extras | None = None
    at: str = ""


class Hit(Struct, frozen=True):
    """One thing a search found. `age` is the provider's word for how old the page is ("3 days ago", "May 21, 2014")."""

    url: str
    title: str | None = None
    snippet: str | None = None
    age: str | None = None


class Found(Struct, frozen=True):
    """What a search found, in the provider's order. No hits: nothing, or the provider does not say what."""

    hits: tuple[Hit, ...] = ()


class Page(Struct, frozen=True):
    """A page that was fetched. `text` None: the provider does not show what it holds."""

    url: str
    title: str | None = None
    text: str | None = None


class Ran(Struct, frozen=True):
    """What code wrote to its two outputs. `exit_code` None: the provider does not say."""

    output: str = ""
    errors: str = ""
    exit_code: int | None = None


Outcome = Found | Page | Ran


class ToolResult(Struct, frozen=True):
    """The outcome of a call. `parts` are Text, Media, or Native. `is_error` None: the protocol does not say.

    `json` is True when the single Text part is the JSON text of a structured result (Converse `json`, Gemini `response`). `outcome`
    is what a provider-run search, fetch or piece of code gave, as far as it has a neutral form.
    """

    call_id: str
    parts: tuple["Part", ...] = ()
    name: str | None = None
    is_error: bool | None = None
    json: bool = False
    custom: bool = False
    runs: Runs = "client"
    cache: CacheMark | None = None
    extras: Extras | None = None
    at: str = ""
    outcome: Outcome | None = None


class ToolReference(Struct, frozen=True):
    """Inside a ToolResult: "this deferred tool is loaded now" (Anthropic `tool_reference`)."""

    name: str
    extras: Extras | None = None
    at: str = ""


class Refusal(Struct, frozen=True):
    """The model's own words of refusal, where the protocol keeps them apart from text."""

    text: str
    extras: Extras | None = None
    at: str = ""


class Native(Struct, frozen=True):
    """An item that has no neutral meaning, whole. Only `protocol`'s encoder can write it; elsewhere it is a loss naming `kind`."""

    protocol: str
    kind: str
    body: Any
    cache: CacheMark | None = None
    at: str = ""


Part = Text | Media | Reasoning | ToolCall | ToolResult | ToolReference | Refusal | Native


class Message(Struct, frozen=True):
    """One turn or piece of a turn.

    `at` is the path of the message in the client's request (`messages[3]`; `system` for a system field of its own). `spelled` is a
    wording of the client's protocol that no other protocol gives a meaning to (`developer` for `system`, `function` for `tool`);
    losing it is no loss.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    at: str = ""
    spelled: str | None = None
    extras: Extras | None = None
