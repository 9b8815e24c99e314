"""What dialects do to a stream, one small example each: chunks in, parts and finish out, the same for every split."""

from typing import Any

import pytest

from llm_api_converter.hub.events import Aside, Attach, Begin, Close, Delta, End, Event, Failed, Finished, Open, UsageSeen, check
from llm_api_converter.hub.fold import fold
from llm_api_converter.hub.ledger import Ledger
from llm_api_converter.hub.messages import Citation, Inline, Media, Native, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from llm_api_converter.hub.request import Request
from llm_api_converter.hub.response import Finish, Response, Usage
from llm_api_converter.protocols.openai_chat import CODEC
from llm_api_converter.protocols.openai_chat.calls import minted_id
from tests.protocols.openai_chat.wire_examples import answer, chunk, decoded, frames, joined, sse


def call(index: int | None, arguments: str | None = None, **more: Any) -> dict[str, Any]:
    function = {k: v for k, v in (("name", more.pop("name", None)), ("arguments", arguments)) if v is not None}
    return {"tool_calls": [{**({} if index is None else {"index": index}), "function": function, **more}]}


A = '{"a":1}'
TWO = [ToolCall("x", "f", A), ToolCall("y", "g", '{"b":2}')]
R = "wire.openai_chat"

QUIRKS: dict[str, tuple[list[dict[str, Any]], list[Part], str]] = {
    "text": ([chunk({"role": "assistant", "content": ""}), chunk({"content": "He"}), chunk({"content": "y"}), chunk({}, "stop")], [Text("Hey")], "stop"),
    "no text at all": ([chunk({"role": "assistant", "content": None}), chunk({}, "stop")], [], "stop"),
    "finish on a chunk with text": ([chunk({"content": "a"}), chunk({"content": "b"}, "length")], [Text("ab")], "length"),
    "two finish reasons": ([chunk({"content": "a"}), chunk({}, "stop"), chunk({"content": ""}, "stop")], [Text("a")], "stop"),
    "first chunk without choices": (
        [{"id": "", "model": "", "choices": [], "prompt_filter_results": []}, chunk({"content": "a"}), chunk({}, "stop")], [Text("a")], "stop",
    ),
    "a call in pieces": (
        [chunk(call(0, "", id="x", name="f", type="function")), chunk(call(0, '{"a"')), chunk(call(0, ":1}")), chunk({}, "tool_calls")],
        TWO[:1], "tool_call",
    ),
    "a whole call in one delta": ([chunk(call(0, A, id="x", name="f"), "tool_calls")], TWO[:1], "tool_call"),
    "no index": ([chunk(call(None, A, id="x", name="f")), chunk(call(None, '{"b":2}', id="y", name="g"), "tool_calls")], TWO, "tool_call"),
    "no index, in pieces": ([chunk(call(None, '{"a"', id="x", name="f")), chunk(call(None, ":1}"), "tool_calls")], TWO[:1], "tool_call"),
    "every call at index 0": ([chunk(call(0, A, id="x", name="f")), chunk(call(0, '{"b":2}', id="y", name="g"), "tool_calls")], TWO, "tool_call"),
    "empty id and name later on": (
        [chunk(call(0, '{"a"', id="x", name="f")), chunk(call(0, ":1}", id="", name="")), chunk({}, "tool_calls")], TWO[:1], "tool_call",
    ),
    "id and name repeated": (
        [chunk(call(0, '{"a"', id="x", name="f")), chunk(call(0, ":1}", id="x", name="f")), chunk({}, "tool_calls")], TWO[:1], "tool_call",
    ),
    "interleaved calls": (
        [
            chunk(call(0, '{"a"', id="x", name="f")), chunk(call(1, '{"b"', id="y", name="g")), chunk(call(0, ":1}")), chunk(call(1, ":2}")),
            chunk({}, "tool_calls"),
        ],
        TWO, "tool_call",
    ),
    "name after id": ([chunk(call(0, None, id="x")), chunk(call(0, A, name="f")), chunk({}, "tool_calls")], TWO[:1], "tool_call"),
    "arguments before name": ([chunk(call(0, '{"a"', id="x")), chunk(call(0, ":1}", name="f")), chunk({}, "tool_calls")], TWO[:1], "tool_call"),
    "no id": ([chunk(call(0, A, name="f")), chunk({}, "tool_calls")], [ToolCall(minted_id("c1", 0), "f", A)], "tool_call"),
    "arguments as an object": (
        [chunk({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": {"a": 1}}}]}, "tool_calls")], TWO[:1], "tool_call",
    ),
    "a call without arguments": ([chunk(call(0, "", id="x", name="f")), chunk({}, "tool_calls")], [ToolCall("x", "f", "{}")], "tool_call"),
    "a call and finish stop": ([chunk(call(0, A, id="x", name="f")), chunk({}, "stop")], TWO[:1], "tool_call"),
    "arguments cut short": ([chunk(call(0, '{"a":', id="x", name="f")), chunk({}, "length")], [ToolCall("x", "f", '{"a":')], "length"),
    "a custom call": (
        [chunk({"tool_calls": [{"index": 0, "id": "x", "type": "custom", "custom": {"name": "f", "input": "ls"}}]}),
         chunk({"tool_calls": [{"index": 0, "custom": {"input": " -l"}}]}), chunk({}, "tool_calls")],
        [ToolCall("x", "f", "ls -l", custom=True)], "tool_call",
    ),
    "a legacy function call": (
        [chunk({"function_call": {"name": "f", "arguments": ""}}), chunk({"function_call": {"arguments": A}}), chunk({}, "function_call")],
        [ToolCall(minted_id("c1", 0), "f", A)], "tool_call",
    ),
    "text, then a call, then text": (
        [chunk({"content": "a"}), chunk(call(0, A, id="x", name="f")), chunk({"content": "b"}), chunk({}, "tool_calls")],
        [Text("a"), TWO[0], Text("b")], "tool_call",
    ),
    "text in the middle of a call": (
        [chunk(call(0, '{"a"', id="x", name="f")), chunk({"content": "b"}), chunk(call(0, ":1}")), chunk({}, "tool_calls")],
        [TWO[0], Text("b")], "tool_call",
    ),
    "reasoning_content": ([chunk({"reasoning_content": "h"}), chunk({"reasoning_content": "m"}), chunk({"content": "a"}, "stop")],
                          [Reasoning("hm"), Text("a")], "stop"),
    "reasoning": ([chunk({"reasoning": "hm", "content": ""}), chunk({"content": "a"}, "stop")], [Reasoning("hm"), Text("a")], "stop"),
    "both names": ([chunk({"reasoning": "hm", "reasoning_content": "hm"}, "stop")], [Reasoning("hm")], "stop"),
    "details beside the text": (
        [chunk({"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0, "format": "unknown"}]}),
         chunk({"reasoning": "m", "reasoning_details": [{"type": "reasoning.text", "text": "m", "index": 0, "format": "unknown"}]}), chunk({}, "stop")],
        [Reasoning("hm")], "stop",
    ),
    "details with a signature": (
        [chunk({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "index": 0}]}),
         chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "S", "index": 0, "format": "anthropic-claude-v1"}]}), chunk({}, "stop")],
        [Reasoning("hm", tokens=(Opaque(R, "signature", "S", format="anthropic-claude-v1"),))], "stop",
    ),
    "a summary and its encrypted state": (
        [chunk({"reasoning_details": [{"type": "reasoning.summary", "summary": "hm", "index": 0}]}),
         chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "id": "rs_1", "index": 1}]}), chunk({}, "stop")],
        [Reasoning("hm", True, (Opaque(R, "encrypted", "E", "rs_1"),))], "stop",
    ),
    "redacted thinking": (
        [chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "E", "format": "anthropic-claude-v1"}]}), chunk({}, "stop")],
        [Reasoning("", tokens=(Opaque(R, "redacted", "E", format="anthropic-claude-v1"),), redacted=True)], "stop",
    ),
    "two thoughts": (
        [chunk({"reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "1", "index": 0},
                                      {"type": "reasoning.text", "text": "b", "signature": "2", "index": 1}]}), chunk({}, "stop")],
        [Reasoning("a", tokens=(Opaque(R, "signature", "1"),)), Reasoning("b", tokens=(Opaque(R, "signature", "2"),))], "stop",
    ),
    "our own seal": (
        [chunk({"reasoning_content": "hm"}),
         chunk({"reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "S", "index": 0}]}), chunk({}, "stop")],
        [Reasoning("hm", tokens=(Opaque(R, "signature", "S"),))], "stop",
    ),
    "details of an unknown type": (
        [chunk({"reasoning_details": [{"type": "reasoning.new", "text": "a"}]}), chunk({}, "stop")],
        [Reasoning("", extras={"openai_chat": {"entry": {"type": "reasoning.new", "text": "a"}}})], "stop",
    ),
    "content as an array": (
        [chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}),
         chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}]}), chunk({"content": [{"type": "text", "text": "a"}]}),
         chunk({"content": "b"}), chunk({}, "stop")],
        [Reasoning("hm"), Text("ab")], "stop",
    ),
    "an unknown part in an array": (
        [chunk({"content": [{"type": "reference", "ids": [1]}]}), chunk({}, "stop")],
        [Native("openai_chat", "reference", {"type": "reference", "ids": [1]})], "stop",
    ),
    "think tags stay text": ([chunk({"content": "<think>a</think>b"}), chunk({}, "stop")], [Text("<think>a</think>b")], "stop"),
    "a refusal": ([chunk({"refusal": "I "}), chunk({"refusal": "won't"}), chunk({}, "stop")], [Refusal("I won't")], "refused"),
    "sound": (
        [chunk({"audio": {"id": "au"}}), chunk({"audio": {"data": "AA", "transcript": "h"}}), chunk({"audio": {"data": "BB", "transcript": "i"}}),
         chunk({"audio": {"expires_at": 9}}), chunk({}, "stop")],
        [Media("audio", Inline("AABB"), extras={"openai_chat": {"id": "au", "transcript": "hi", "expires_at": 9}})], "stop",
    ),
    "an image": (
        [chunk({"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0}]}), chunk({}, "stop")],
        [Media("image", Inline("AAAA"), "image/png")], "stop",
    ),
    "a citation": (
        [chunk({"content": "a"}),
         chunk({"annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1}}]}), chunk({}, "stop")],
        [Text("a", (Citation("u", "t", start=0, end=1),))], "stop",
    ),
    "Google's signature on a call": (
        [chunk(call(0, A, id="x", name="f", extra_content={"google": {"thought_signature": "S"}})), chunk({}, "tool_calls")],
        [ToolCall("x", "f", A, tokens=(Opaque(R, "signature", "S"),))], "tool_call",
    ),
    "Google's signature on text": (
        [chunk({"content": "a"}), chunk({"extra_content": {"google": {"thought_signature": "S"}}}), chunk({}, "stop")],
        [Text("a", tokens=(Opaque(R, "signature", "S"),))], "stop",
    ),
    "an unknown field of a call": (
        [chunk(call(0, A, id="x", name="f", odd=1)), chunk({}, "tool_calls")], [ToolCall("x", "f", A, extras={"openai_chat": {"odd": 1}})], "tool_call",
    ),
    "a second choice is not ours": (
        [{**chunk({"content": "a"}), "choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]},
         {**chunk({}), "choices": [{"index": 1, "delta": {"content": "c"}, "finish_reason": "length"}]}, chunk({}, "stop")],
        [Text("a")], "stop",
    ),
    "a whole message in a chunk": (
        [{**chunk(), "choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]}], [Text("a")], "stop",
    ),
    "finish by the word of a dialect": ([chunk({"content": "a"}), chunk({}, "eos")], [Text("a")], "stop"),
    "finish by a word nobody knows": ([chunk({"content": "a"}), chunk({}, "tired")], [Text("a")], "other"),
    "finish without a word": ([chunk({"content": "a"}, ""), chunk({}, "")], [Text("a")], "stop"),
    "no finish but [DONE]": ([chunk({"content": "a"})], [Text("a")], "other"),
    "lack of resources": ([chunk({"content": "a"}), chunk({}, "insufficient_system_resource")], [Text("a")], "other"),
}  # fmt: skip


@pytest.mark.parametrize("name", QUIRKS)
def test_quirk(name: str) -> None:
    chunks, parts, reason = QUIRKS[name]
    data = sse(*chunks)
    events = decoded(data)
    check(events)
    whole = fold(events)
    assert list(whole.parts) == parts
    assert whole.finish.reason == reason
    for size in (1, 7, 64):
        assert joined(decoded(data, size)) == joined(events)
    slow = decoded(sse(*[{**x, "odd_one": 1} for x in chunks]))
    assert list(fold(slow).parts) == parts, "the slow way reads the same"


def test_calls_stream_as_they_come() -> None:
    decoder = CODEC.stream_decoder()
    events: list[list[Event]] = [
        decoder.feed(sse(chunk(call(0, A, id="x", name="f")), done=False)),
        decoder.feed(sse(chunk(call(1, '{"b"', id="y", name="g")), done=False)),
        decoder.feed(sse(chunk(call(1, ":2}")), done=False)),
    ]
    assert events[0][1:] == [Open(0, ToolCall("x", "f")), Delta(0, A)]
    assert events[1] == [Close(0), Open(1, ToolCall("y", "g")), Delta(1, '{"b"')]
    assert events[2] == [Delta(1, ":2}")]


USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk({"content": "a"}), chunk({}, "stop"), chunk(usage=USAGE)],
        [chunk({"content": "a"}), chunk({}, "stop", usage=USAGE)],
        [chunk({"content": "a"}, usage={**USAGE, "completion_tokens": 1}), chunk({}, "stop", usage=USAGE)],
        [chunk({"content": "a"}), chunk({}, "stop", x_groq={"usage": USAGE})],
        [chunk(usage=USAGE), chunk({"content": "a"}), chunk({}, "stop")],
    ],
)
def test_usage_wherever_it_stands(chunks: list[dict[str, Any]]) -> None:
    usage = fold(decoded(sse(*chunks))).usage
    assert usage == Usage(5, 2, raw=USAGE, protocol="openai_chat")


def test_fields_of_the_answer_early_and_late() -> None:
    late = [chunk({"content": "a"}), chunk({}, "stop", system_fingerprint="fp"), chunk(usage=USAGE, service_tier="flex", citations=["u"])]
    whole = fold(decoded(sse(*late)))
    assert whole.extras == {"~openai_chat": {"system_fingerprint": "fp"}, "openai_chat": {"citations": ["u"]}}
    assert whole.service_tier == "flex"
    begin = decoded(sse(chunk({"content": "a"}, provider="P", service_tier="auto"), chunk({}, "stop")))[0]
    assert begin == Begin("c1", "m", 5, "auto", {"~openai_chat": {"provider": "P"}})


def test_logprobs_add_up_and_other_fields_of_the_choice_stay() -> None:
    first, second = chunk({"content": "a"}), chunk({"content": "b"}, "stop")
    first["choices"][0]["logprobs"] = {"content": [{"token": "a"}]}
    second["choices"][0].update(logprobs={"content": [{"token": "b"}]}, native_finish_reason="STOP", content_filter_results={"hate": {}})
    finish = fold(decoded(sse(first, second))).finish
    assert finish.extras == {
        "openai_chat": {"logprobs": {"content": [{"token": "a"}, {"token": "b"}]}},
        "~openai_chat": {"native_finish_reason": "STOP", "content_filter_results": {"hate": {}}},
    }


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (sse(chunk({"content": "a"}), done=False), "upstream_incomplete"),
        (sse(chunk({"content": "a"}, ""), done=False), "upstream_incomplete"),
        (b"", "upstream_incomplete"),
        (b"data: [DONE]\n\n", "upstream_incomplete"),
        (sse(chunk({"content": "a"}), {"error": {"message": "no", "code": 429}}), "rate_limited"),
        (sse({"error": {"message": "no", "type": "server_error"}}), "upstream_failed"),
        (b"event: error\n" + sse({"error": {"message": "no", "status_code": 400}}), "invalid"),
        (sse(chunk({"content": "a"}), chunk({"content": ""}, error={"code": 502, "message": "gone"})), "upstream_failed"),
        (b"data: {oops\n\n", "upstream_failed"),
        (b"data: [1]\n\n", "upstream_failed"),
        (sse(chunk({"content": 5})), "upstream_failed"),
        (sse(chunk({"content": "a"}), chunk({"content": 5})), "upstream_failed"),
    ],
)
def test_failures(data: bytes, kind: str) -> None:
    events = decoded(data)
    check(events)
    last = events[-1]
    assert isinstance(last, Failed)
    assert last.error.kind == kind
    assert not any(isinstance(x, End) for x in events)


def test_no_done_after_a_finish_reason_is_an_end() -> None:
    events = decoded(sse(chunk({"content": "a"}), chunk({}, "stop"), done=False))
    assert events[-2:] == [Finished(Finish("stop", "stop")), End()]


def test_comments_and_crlf() -> None:
    data = b": PROCESSING\r\n\r\n" + sse(chunk({"content": "a"}), chunk({}, "stop")).replace(b"\n", b"\r\n")
    assert fold(decoded(data)).parts == (Text("a"),)


def written(*events: Event, usage: bool = True, request: Request | None = None) -> tuple[list[Any], Ledger]:
    ledger = Ledger()
    data = CODEC.stream_encoder(answer(include_usage=usage, request=request), ledger).encode(events)
    return frames(data), ledger


def test_the_shape_of_a_stream() -> None:
    out, ledger = written(
        Begin("c1", "upstream-model", 5), Open(0, Text("")), Delta(0, "Hi"), Close(0), Open(1, ToolCall("x", "f")), Close(1),
        Open(2, ToolCall("y", "g")), Delta(2, A), Close(2), UsageSeen(Usage(5, 2, 3)), Finished(Finish("tool_call")), End(),
    )  # fmt: skip
    assert not ledger.losses
    assert all((x["id"], x["created"], x["model"], x["object"]) == ("c1", 5, "model-1", "chat.completion.chunk") for x in out)
    deltas = [x["choices"][0]["delta"] for x in out[:-1]]
    assert deltas == [
        {"role": "assistant", "content": None, "refusal": None},
        {"content": "Hi"},
        {"tool_calls": [{"index": 0, "id": "x", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"index": 1, "id": "y", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": A}}]},
        {},
    ]
    assert [x["choices"][0]["finish_reason"] for x in out[:-1]] == [None] * 6 + ["tool_calls"]
    assert out[-1]["choices"] == []
    assert out[-1]["usage"] == {
        "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 3},
    }  # fmt: skip


def test_usage_only_where_it_was_asked_for() -> None:
    events = [Begin("c1", "m"), UsageSeen(Usage(5, 2)), Finished(Finish("stop")), End()]
    assert not any("usage" in x for x in written(*events, usage=False)[0])


def test_seals_and_state_in_a_stream() -> None:
    seal = Opaque("seal", "seal", "SEAL")
    out, ledger = written(
        Begin("c1", "m"), Open(0, Reasoning("")), Delta(0, "h"), Delta(0, "m"), Attach(0, seal), Close(0), Open(1, Text("")), Delta(1, "a"),
        Attach(1, seal), Close(1), Open(2, ToolCall("x", "f")), Delta(2, A), Attach(2, seal), Close(2), Finished(Finish("tool_call")), End(),
    )  # fmt: skip
    assert not ledger.losses
    deltas = [x["choices"][0]["delta"] for x in out]
    entry = {"type": "reasoning.text", "text": "hm", "format": "unknown", "index": 0, "signature": "SEAL"}
    assert deltas[1:4] == [{"reasoning_content": "h"}, {"reasoning_content": "m"}, {"reasoning_details": [entry]}]
    assert {"tool_calls": [{"index": 0, "function": {"arguments": ""}, "extra_content": {"gateway": {"seal": "SEAL"}}}]} in deltas
    assert deltas[-2:] == [{"extra_content": {"gateway": {"seal": "SEAL"}}}, {}]


def test_what_a_stream_cannot_say_is_reported() -> None:
    foreign = Opaque("wire.anthropic", "signature", "S")
    out, ledger = written(
        Begin("c1", "m"), Open(0, Reasoning("")), Delta(0, "h"), Attach(0, foreign), Close(0),
        Open(1, ToolCall("s", "web_search", runs="provider")), Delta(1, A), Close(1), Open(2, Native("anthropic", "container_upload", {})), Close(2),
        Open(3, Text("")), Delta(3, "a"), Attach(3, Citation(document=0, quote="q")), Close(3), Finished(Finish("stop")), End(),
    )  # fmt: skip
    assert [(x.feature, x.loss_class) for x in ledger.losses] == [
        ("signature", "state"), ("web_search", "tools"), ("container_upload", "content"), ("citations", "state"),
    ]  # fmt: skip
    assert [x["choices"][0]["delta"] for x in out[1:-1]] == [{"reasoning_content": "h"}, {"content": "a"}]


def test_citations_come_as_annotations_with_offsets_in_all_the_text() -> None:
    out, _ = written(
        Begin("c1", "m"), Open(0, Text("")), Delta(0, "abc"), Close(0), Open(1, Text("")), Delta(1, "de"),
        Attach(1, Citation("https://x", "X", "quoted")), Close(1), Finished(Finish("stop")), End(),
    )  # fmt: skip
    assert out[-2]["choices"][0]["delta"] == {"annotations": [{"type": "url_citation", "url_citation": {
        "start_index": 3, "end_index": 5, "title": "X", "url": "https://x", "content": "quoted",
    }}]}  # fmt: skip


def test_a_legacy_client_gets_function_call() -> None:
    request = CODEC.decode_request({"model": "m", "messages": [], "functions": [{"name": "f"}]})
    out, _ = written(Begin("c1", "m"), Open(0, ToolCall("x", "f")), Delta(0, A), Close(0), Finished(Finish("tool_call")), End(), request=request)
    assert [x["choices"][0]["delta"] for x in out[1:3]] == [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": A}}]
    assert out[-1]["choices"][0]["finish_reason"] == "function_call"
    whole = CODEC.encode_response(Response("c1", "m", (ToolCall("x", "f", A),), Finish("tool_call")), answer(request=request), Ledger())
    assert b'"function_call":{"name":"f","arguments":' in whole


def test_failed_ends_without_done_and_pings_are_comments() -> None:
    events = decoded(sse(chunk({"content": "a"}), {"error": {"message": "no", "code": "rate_limit_exceeded"}}))
    encoder = CODEC.stream_encoder(answer(), Ledger())
    data = encoder.ping() + encoder.encode([Aside("openai_chat", None, ping=True), *events])
    assert data.startswith(b": ping\n\n")
    assert frames(data)[-1] == {
        "error": {"message": "no", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"},
    }  # fmt: skip
    assert b"[DONE]" not in data


def test_sound_and_images_in_a_stream() -> None:
    sound = Media("audio", Inline(""), extras={"openai_chat": {"id": "au", "transcript": "hi"}})
    out, _ = written(
        Begin("c1", "m"), Open(0, sound), Delta(0, "AA"), Delta(0, "BB"), Close(0), Open(1, Media("image", Inline(""), "image/png")),
        Delta(1, "CC"), Close(1), Finished(Finish("stop")), End(),
    )  # fmt: skip
    assert [x["choices"][0]["delta"] for x in out[1:-1]] == [
        {"audio": {"data": "AA"}}, {"audio": {"data": "BB"}}, {"audio": {"id": "au", "expires_at": 17, "transcript": "hi"}},
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,CC"}, "index": 0}]},
    ]  # fmt: skip
