"""What is lost from one protocol to another, found out by trying: `python -m tests.docs.losses > docs/protocols/losses.md`.

Each feature of a request (`features`) is written in a client's protocol, read as that client's and converted for an upstream that is known by its
protocol and vendor only. What the report says then, beyond what it says without the feature, is the cell; where it says nothing, the
body sent must differ from the one without it, or the reason why not stands in `MEANS_NOTHING` or `LEFT_OUT`. Answers (`answers`)
likewise, with the seals the gateway puts on them.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from llm_api_converter.convert import convert_request
from llm_api_converter.hub.errors import ApiError
from llm_api_converter.hub.facts import Facts
from llm_api_converter.hub.ledger import Ledger, compact
from llm_api_converter.hub.response import Finish, Response
from llm_api_converter.hub.seal import Sealer, SealKey
from llm_api_converter.hub.sealing import SealWriter
from llm_api_converter.protocols import PROTOCOLS, codec
from llm_api_converter.protocols.base import Answer, Wire

from .answers import ANSWERS, Said
from .features import FEATURES, Feature

VENDORS = {
    "anthropic": "anthropic", "openai_chat": "openai", "openai_responses": "openai", "gemini": "gemini", "bedrock_converse": "bedrock",
}  # fmt: skip
TITLES = {
    "anthropic": "Anthropic", "openai_chat": "Chat", "openai_responses": "Responses", "gemini": "Gemini", "bedrock_converse": "Converse",
}  # fmt: skip

# A client may say whatever its protocol has words for, so it is written as for a target that takes everything.
EVERYTHING: dict[str, Any] = {
    "accepts_audio": True, "accepts_video": True, "document_urls": True, "custom_tools": True, "namespaces": True, "deferred_tools": True,
    "tool_choice_allowed": True, "sends_reasoning_back": "always", "reasoning_unsigned": True, "audio_out": True, "image_out": True,
    "verbosity": True, "accepts_metadata": True, "accepts_store": True, "stores": True, "cache_key": True, "cache_marks": 9,
    "cache_ttls_s": (300, 3600), "native_url_prefixes": ("https://", "s3://", "gs://"), "beta_field_converse": "anthropic_beta",
}  # fmt: skip
# Ways a protocol has to ask for reasoning.
ASKS: tuple[dict[str, Any], ...] = (
    {}, {"reasoning_input": "budget", "reasoning_field_converse": "thinking"},
    {"reasoning_input": "adaptive", "reasoning_field_converse": "thinking"}, {"thinking_switch": True, "reasoning_input": "toggle"},
)  # fmt: skip

# Features that make no difference to what is sent, and why nothing is lost by that.
MEANS_NOTHING: dict[str, tuple[tuple[str, ...], str]] = {
    "beta flags": (("openai_chat", "openai_responses", "gemini"), "a flag names a feature; what the feature says is reported where it stands"),
    "text": (("anthropic", "bedrock_converse"), "an answer is text unless something else is asked for"),
    "strict schema": (("gemini",), "schemas are always kept to"),
    "do not store": (("anthropic", "gemini", "bedrock_converse"), "nothing is stored"),
    "summary wanted": (("bedrock_converse",), "reasoning is shown anyway"),
}  # fmt: skip
# What has no place in answers of a protocol and is left out without a report.
LEFT_OUT: dict[str, tuple[tuple[str, ...], str]] = {
    "ended: stop_sequence": (("openai_chat", "openai_responses", "gemini"), "these end with their plain stop, as they do for their own stop sequences"),
    "written for an hour": (("openai_chat", "openai_responses", "gemini"), "part of the tokens written or read in, which are counted"),
    "tokens of reasoning": (("bedrock_converse",), "part of the tokens out, which are counted"),
    "time of creation": (("anthropic", "bedrock_converse", "openai_chat", "openai_responses"),
                         "no such field; from Gemini, Chat and Responses clients see the time of the request"),
}  # fmt: skip


class Cell(NamedTuple):
    """One feature from one protocol to another. `losses` is the report; `same`: what is sent is the same as without the feature."""

    losses: tuple[tuple[str, str], ...]
    same: bool
    refused: str = ""

    def shown(self, name: str) -> str:
        """`yes`, or the worst that happens."""
        if self.refused:
            return "**refused**"
        if not self.losses:
            return "yes" if not self.same else "–" if name in MEANS_NOTHING else "left out"
        action, loss_class = min(self.losses, key=lambda x: ("dropped", "approximated", "emulated", "repaired").index(x[0]))
        return f"{'in part' if action == 'dropped' and not self.same else action} ({loss_class})"


Table = Iterator[tuple[str, str, dict[str, Cell]]]
"""(group, name, other protocol -> cell)"""


# ---------------------------------------------------------------- requests


def requests(client: str) -> Table:
    """All a client of this protocol can say, and what becomes of it at each upstream."""
    for group, features in FEATURES.items():
        for feature in features:
            said = _spoken(client, feature)
            if said is not None:
                yield group, feature.name, {upstream: _cross(client, said, upstream) for upstream in PROTOCOLS}


def _spoken(client: str, feature: Feature) -> tuple[Wire, Wire, bool] | None:
    """(the client's request with the feature, the one without it, whether a stream is wanted); None: the protocol has no words for it."""
    for ask in ASKS:
        facts = Facts(**EVERYTHING, **ask, accepts_realms=(f"wire.{client}",))
        told, bare = Ledger(), Ledger()
        try:
            meant = feature.make(client)
            said = codec(client).encode_request(meant, facts, told)
        except (ApiError, KeyError):
            return None
        plain = codec(client).encode_request(feature.base, facts, bare)
        if said != plain and not _new(compact(told.losses), compact(bare.losses)):
            return said, plain, meant.stream
    return None


def _cross(client: str, said: tuple[Wire, Wire, bool], upstream: str) -> Cell:
    def sent(wire: Wire, stream: bool) -> tuple[Wire, list[dict[str, str]]]:
        return convert_request(
            wire.body, client=client, upstream=upstream, model="model", provider=VENDORS[upstream], headers=wire.headers,
            stream=None if codec(client).model_in_body else stream,
        )  # fmt: skip

    try:
        wire, report = sent(said[0], said[2])
    except ApiError as error:
        return Cell((), False, error.message)
    plain, base = sent(said[1], "stream" in said[1].path.lower())
    return Cell(_new(report, base), wire == plain)


def _new(report: list[dict[str, str]], base: list[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    known = {(x["feature"], x["action"]) for x in base}
    return tuple((x["action"], x["class"]) for x in report if (x["feature"], x["action"]) not in known)


# ---------------------------------------------------------------- answers


def answers(upstream: str) -> Table:
    """All an upstream of this protocol can answer, and what a client of each protocol gets of it."""
    for group, features in ANSWERS.items():
        for said in features:
            responses = _answered(upstream, said)
            if responses is not None:
                yield group, said.name, {client: _shown_to(client, responses) for client in PROTOCOLS}


def _answered(upstream: str, said: Said) -> tuple[Response, Response] | None:
    """(the upstream's answer with the feature, the one without it) as it is read; None: the protocol has no words for it."""
    up = codec(upstream)
    told, bare = Ledger(), Ledger()
    try:
        body = up.encode_response(said.make(upstream), _answer(), told)
        up.decode_response(body)
    except (ApiError, KeyError):
        return None
    plain = up.encode_response(said.base, _answer(), bare)
    if body == plain or _new(compact(told.losses), compact(bare.losses)):
        return None
    return _sealed(upstream, up.decode_response(body)), _sealed(upstream, up.decode_response(plain))


def _sealed(upstream: str, response: Response) -> Response:
    return replace(response, model=upstream)


def _shown_to(client: str, responses: tuple[Response, Response]) -> Cell:
    """What a client gets. State is sealed on its way, as the gateway does it."""
    outs = []
    reports = []
    for response in responses:
        ledger = Ledger()
        writer = SealWriter(SEALER, f"realm.{response.model}", "", codec(client).seals)
        try:
            outs.append(codec(client).encode_response(writer.response(response), _answer(), ledger))
        except ApiError as error:
            return Cell((), False, error.message)
        reports.append(compact(ledger.losses))
    return Cell(_new(*reports), outs[0] == outs[1])


SEALER = Sealer((SealKey("k", b"secret"),))


def _answer() -> Answer:
    return Answer(model="model", new_id=lambda prefix: f"{prefix}1", created_s=1, include_usage=True)


def finish_word(protocol: str, finish: Finish) -> str:
    """How a client of this protocol reads the end of an answer."""
    response = Response("id_1", "model", (), finish)
    try:
        body = msgspec.json.decode(codec(protocol).encode_response(response, _answer(), Ledger()))
    except ApiError:
        return "an error"
    match protocol:
        case "anthropic":
            return str(body["stop_reason"])
        case "openai_chat":
            return str(body["choices"][0]["finish_reason"])
        case "openai_responses":
            details = body.get("incomplete_details") or {}
            return " ".join(filter(None, (body["status"], details.get("reason"))))
        case "gemini":
            candidates = body.get("candidates") or [{}]
            return str(candidates[0].get("finishReason") or f"promptFeedback {body['promptFeedback']['blockReason']}")
    return str(body["stopReason"])


# ---------------------------------------------------------------- the page

HEAD = """# What is lost from one protocol to another

Made by trying: each row is said in the client's protocol, converted, and the conversion's own report is the cell. A test fails when this page
and the code differ; `make docs` renews it. Every loss below is also in `x-conversion-report` of the answer it happened to, in
`convert`'s report and in `/v1/explain`.

| cell | meaning |
|---|---|
| yes | it arrives, perhaps spelled otherwise |
| – | it has no effect there and needs none (why: at the end of the page) |
| emulated (class) | the same effect by other means |
| approximated (class) | something near it is sent |
| in part (class) | it changes what is sent, but not all of it arrives |
| dropped (class) | it does not arrive; the settings' `conversion.on_loss` may refuse the request instead, by class |
| left out | an answer's client has no place for it; not reported (why: at the end of the page) |
| **refused** | the request is refused with a 400 that names the field; an answer becomes an error |

The upstream is known here by its protocol and vendor only (`openai` for both of OpenAI's protocols). A model may take more or less:
`/v1/capabilities?model=` shows what is known of it, `/v1/explain` what becomes of a request. Rows a protocol has no words for are
left out, rows that arrive everywhere are named above each table. The same protocol on both sides passes through byte by byte and loses nothing.
"""


def page() -> str:
    """The whole page."""
    out = [HEAD]
    for client in PROTOCOLS:
        out += [f"## Requests of {TITLES[client]} clients\n", *_table(client, requests(client), "")]
    for upstream in PROTOCOLS:
        out += [f"## Answers of {TITLES[upstream]} upstreams\n", *_table(upstream, answers(upstream), " client")]
    for title, reasons in (("Cells marked –", MEANS_NOTHING), ("Cells marked *left out*", LEFT_OUT)):
        out += [f"## {title}\n", "| what | to | why |\n|---|---|---|"]
        out += [f"| {name} | {', '.join(TITLES[x] for x in to)} | {why} |" for name, (to, why) in reasons.items()]
        out.append("")
    return "\n".join(out)


def _table(own: str, rows: Table, what: str) -> Iterator[str]:
    others = [x for x in PROTOCOLS if x != own]
    everywhere: dict[str, list[str]] = {}
    lines: list[str] = []
    last = ""
    for group, name, cells in rows:
        shown = [cells[x].shown(name) for x in others]
        if set(shown) == {"yes"}:
            everywhere.setdefault(group, []).append(name)
            continue
        if group != last:
            lines.append(f"| **{group}** |" + " |" * len(others))
            last = group
        lines.append(f"| {name} | {' | '.join(shown)} |")
    if everywhere:
        yield "Arrives everywhere:\n"
        yield from (f"- *{group}*: {'; '.join(names)}" for group, names in everywhere.items())
        yield ""
    yield f"| | {' | '.join(TITLES[x] + what for x in others)} |\n|---|{'---|' * len(others)}"
    yield from lines
    yield ""


if __name__ == "__main__":
    print(page(), end="")
