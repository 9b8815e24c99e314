"""One conversation on changing models: nothing is refused, every model gets its own reasoning back and sees nobody else's.

The fake thinks the same words whoever it is, so the words are counted: an upstream may see them no more often than it said them.
"""

import json
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_api_converter.hub.seal import SEAL_PREFIX

from .lab import CONTENT, KEY, Fake, Gateway, claude, fake_model, free_port, gateway, prompt, settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(180)]

THOUGHTS = ("I should call a tool to write the file", "The tool ran, I can finish")
CLAUDE, DEEPSEEK = "anthropic/claude-sonnet-4-5", "deepseek/deepseek-v4-pro"
OWN_FIELD = "Unknown parameter: 'thinking'"
"""The fake's rules are OpenAI's; DeepSeek's Chat takes this field."""


def switching(fake: Fake) -> dict[str, Any]:
    tree = settings(fake)
    tree["providers"]["deepseek"] = {"type": "deepseek", "protocol": "openai_chat", "base_url": fake.url, "api_key": "sk-upstream-0123456789"}
    return tree


def lint(asked: list[dict[str, Any]]) -> set[str]:
    """What a provider would have refused. Gemini 3 wants signatures only after the last thing the user said; the fake wants them everywhere."""
    return {rule for x in asked for rule in x["lint"] if rule != OWN_FIELD and not _before_the_turn(rule, x["body"])}


def _before_the_turn(rule: str, body: Any) -> bool:
    found = re.match(r"contents\[(\d+)\]: functionCall part is missing a thought_signature", rule)
    said = [i for i, m in enumerate(body.get("contents", ())) if m["role"] == "user" and any("text" in part for part in m["parts"])]
    return found is not None and int(found[1]) < said[-1]


def thoughts_in(body: Any) -> Counter[str]:
    text = json.dumps(body, ensure_ascii=False)
    return Counter({words: text.count(words) for words in THOUGHTS})


def as_reasoning(x: dict[str, Any]) -> Any:
    """A request without what stands in its protocol's own place for reasoning, where that takes reasoning without a signature."""
    body = x["body"]
    if x["proto"] == "gemini":
        return [[part for part in m["parts"] if not part.get("thought")] for m in body["contents"]]
    if x["proto"] == "chat":
        return [{k: v for k, v in m.items() if k != "reasoning_content"} for m in body["messages"]]
    return body


def claudes(x: dict[str, Any]) -> bool:
    """Is it for a Claude, at Anthropic or at Bedrock? They take each other's signatures."""
    return x["proto"] in ("anthropic", "bedrock")


def nothing_foreign(asked: list[dict[str, Any]]) -> None:
    """No seal reaches an upstream. Those with signatures see no reasoning but their own; the others see any, as reasoning, never as text."""
    said: dict[str, Counter[str]] = {}
    for x in asked:
        assert SEAL_PREFIX.decode() not in json.dumps(x["body"]), x["path"]
        own = said.setdefault("claude" if claudes(x) else x["proto"], Counter())
        seen = thoughts_in(as_reasoning(x))
        assert all(seen[words] <= own[words] for words in THOUGHTS), (x["path"], seen, own)
        own.update(words for kind, text in x["plan"] if kind == "thinking" for words in THOUGHTS if text.startswith(words))


def signatures(body: Any) -> list[str]:
    return [p["signature"] for m in body["messages"] if isinstance(m["content"], list) for p in m["content"] if p["type"] == "thinking"]


@pytest.mark.parametrize("version", ["Claude Code", "Claude Code (latest)"])
@pytest.mark.parametrize("split", ["", ",split=awkward,bytesplit=7"])
def test_claude_code_goes_away_from_claude_and_comes_back(tmp_path: Path, version: str, split: str) -> None:
    task = tmp_path / "task"
    with fake_model(tmp_path, opts="") as fake, gateway(tmp_path, switching(fake)) as running:
        legs = [(CLAUDE, "thinking,text"), (DEEPSEEK, "thinking,rfield=reasoning,steps=2"), (CLAUDE, "thinking,steps=3")]
        for i, (model, opts) in enumerate(legs):
            again = ["--continue"] if i else []
            claude(running, task, prompt(task / f"f{i}", opts + split), "--model", model, *again, version=version)
        asked = fake.asked()
    assert [x["proto"] for x in asked] == ["anthropic"] * 2 + ["chat"] * 2 + ["anthropic"] * 2
    assert lint(asked) == set()
    assert [(task / name).read_text() for name in ("f0", "f1.s2", "f2.s3")] == [CONTENT] * 3
    nothing_foreign(asked)
    # Within the second leg the model gets its own reasoning; back on Claude, its two thoughts of the first leg, verbatim, and the new one.
    assert [m.get("reasoning_content") for m in asked[3]["body"]["messages"] if m.get("tool_calls")][-1].startswith(THOUGHTS[0])
    first, back = signatures(asked[1]["body"]), signatures(asked[5]["body"])
    assert len(back) == 3
    assert back[0] == back[2] == first[0]


# --------------------------------------------------------------------------------------------------- every protocol, over raw HTTP
UPSTREAMS = [CLAUDE, DEEPSEEK, "gemini/gemini-3.1-pro-preview", "responses/gpt-5.5", "bedrock/anthropic.claude-sonnet-4-5"]
Client = Callable[[str, str, list[Any]], list[Any]]
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}, "required": ["path", "content"]}
ABOUT = {"name": "write_file", "description": "Write a file"}


def post(url: str, body: Any, **headers: str) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json", "x-api-key": KEY, **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{error.code}: {error.read().decode()}") from None


def anthropic(url: str, model: str, history: list[Any]) -> list[Any]:
    """One call; the answer goes to the history as it came. The calls in it, for which the results are put in."""
    answer = post(url + "/v1/messages", {
        "model": model, "max_tokens": 4096, "messages": history, "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{**ABOUT, "input_schema": SCHEMA}],
    })
    history.append({"role": "assistant", "content": answer["content"]})
    calls = [x for x in answer["content"] if x["type"] == "tool_use"]
    if calls:
        history.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": x["id"], "content": "ok"} for x in calls]})
    return calls


def chat(url: str, model: str, history: list[Any]) -> list[Any]:
    answer = post(url + "/v1/chat/completions", {
        "model": model, "messages": history, "reasoning_effort": "medium", "tools": [{"type": "function", "function": {**ABOUT, "parameters": SCHEMA}}],
    })["choices"][0]["message"]
    history.append(answer)
    calls: list[Any] = answer.get("tool_calls") or []
    history += [{"role": "tool", "tool_call_id": x["id"], "content": "ok"} for x in calls]
    return calls


def responses(url: str, model: str, history: list[Any]) -> list[Any]:
    answer = post(url + "/v1/responses", {
        "model": model, "input": history, "store": False, "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "medium", "summary": "auto"}, "tools": [{"type": "function", **ABOUT, "parameters": SCHEMA}],
    })
    history += answer["output"]
    calls = [x for x in answer["output"] if x["type"] == "function_call"]
    history += [{"type": "function_call_output", "call_id": x["call_id"], "output": "ok"} for x in calls]
    return calls


def gemini(url: str, model: str, history: list[Any]) -> list[Any]:
    answer = post(f"{url}/v1beta/models/{model}:generateContent", {
        "contents": history, "generationConfig": {"thinkingConfig": {"includeThoughts": True}},
        "tools": [{"functionDeclarations": [{**ABOUT, "parametersJsonSchema": SCHEMA}]}],
    })["candidates"][0]["content"]
    # As Gemini CLI does: thoughts are shown and not kept.
    history.append({**answer, "parts": [x for x in answer["parts"] if not x.get("thought")]})
    calls = [x["functionCall"] for x in answer["parts"] if "functionCall" in x]
    if calls:
        parts = [{"functionResponse": {"name": x["name"], "response": {"output": "ok"}, **({"id": x["id"]} if "id" in x else {})}} for x in calls]
        history.append({"role": "user", "parts": parts})
    return calls


def converse(url: str, model: str, history: list[Any]) -> list[Any]:
    answer = post(f"{url}/model/{model}/converse", {
        "messages": history, "inferenceConfig": {"maxTokens": 4096},
        "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        "toolConfig": {"tools": [{"toolSpec": {**ABOUT, "inputSchema": {"json": SCHEMA}}}]},
    })["output"]["message"]
    history.append(answer)
    calls = [x["toolUse"] for x in answer["content"] if "toolUse" in x]
    if calls:
        results = [{"toolResult": {"toolUseId": x["toolUseId"], "content": [{"text": "ok"}]}} for x in calls]
        history.append({"role": "user", "content": results})
    return calls


def user(client: Callable[..., Any], text: str) -> Any:
    if client is gemini:
        return {"role": "user", "parts": [{"text": text}]}
    return {"role": "user", "content": [{"text": text}] if client is converse else text}


@pytest.mark.parametrize("within", [False, True], ids=["between turns", "within turns"])
@pytest.mark.parametrize("client", [anthropic, chat, responses, gemini, converse], ids=lambda f: f.__name__)
def test_twelve_turns_on_five_upstreams_with_a_restart(tmp_path: Path, client: Client, within: bool) -> None:
    """`within`: also between a call and its result the model changes."""
    history: list[Any] = []
    port = free_port()

    def turns(running: Gateway, numbers: range) -> None:
        for turn in numbers:
            history.append(user(client, prompt(tmp_path / "file", f"thinking,text,steps={turn + 1}")))
            assert len(client(running.url, UPSTREAMS[turn % len(UPSTREAMS)], history)) == 1
            assert client(running.url, UPSTREAMS[(turn + within) % len(UPSTREAMS)], history) == []

    with fake_model(tmp_path, opts="") as fake:
        for numbers in (range(6), range(6, 12)):  # the keys of the seals are on disk: the second gateway reads what the first wrote
            with gateway(tmp_path, switching(fake), port=port) as running:
                turns(running, numbers)
        asked = fake.asked()
    assert lint(asked) == set()
    assert len(asked) == 24
    nothing_foreign(asked)
    # What any Claude thought before the last request to one of them, all signed.
    last = max(i for i, x in enumerate(asked) if x["proto"] == "anthropic")
    thought = sum(kind == "thinking" for x in asked[:last] if claudes(x) for kind, _ in x["plan"])
    assert [x[:3] for x in signatures(asked[last]["body"])] == ["SIG"] * thought
