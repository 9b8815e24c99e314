"""Secrets are in nothing the gateway writes: a real process with known secrets, requests that succeed and fail in every protocol, and a look
through all that came out. What comes later adds its secrets to `known_secrets` and its requests to `requests`.
"""

import asyncio
import base64
import hashlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
import yaml

from tests.fakes import CUT, Reply, Seen, json_reply, sse_reply, upstream

pytestmark = pytest.mark.anyio

MASTER = "sk-MASTER-0123456789abcdefghij"
SECRETS = {
    "the master key": MASTER,
    "the key of an OpenAI-compatible provider": "sk-PROVIDER-chat/with+signs=0123456789",
    "the key of an Anthropic provider": "sk-PROVIDER-anthropic-0123456789",
    "the key of a Gemini provider": "PROVIDER-gemini-0123456789",
    "an AWS secret key": "PROVIDER/aws/secret+0123456789abcdefghij",
    "an AWS session token": "PROVIDER-aws-session-0123456789abcdefghij==",
    "a header of a provider": 'header "quoted" secret é 0123456789',
    "a seal key": "SEALKEY-0123456789abcdef0123456789",
    "a wrong key of a client": "sk-WRONG-0123456789abcdefghij",
    "the admin key": "ADMIN-KEY-0123456789abcdefghij",
}
KEY_FILES = {"master.key", "admin.key", "seal.keys.json"}
BEHAVIOURS = ("fine", "echo401", "echo500", "text500", "nonsense", "cut", "midway")
"""The upstream models: what each does is in `answer`."""


def settings(url: str) -> dict[str, Any]:
    providers = {
        "chat": {"type": "openai_compatible", "base_url": f"{url}/v1", "api_key": "env:CHAT_KEY",
                 "headers": {"x-tenant": SECRETS["a header of a provider"]}},
        "messages": {"type": "anthropic", "base_url": url, "api_key": SECRETS["the key of an Anthropic provider"]},
        "generate": {"type": "gemini", "base_url": url, "api_key": "file:gemini.key"},
        "converse": {"type": "bedrock", "base_url": url, "region": "us-east-1", "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
                     "aws_secret_access_key": SECRETS["an AWS secret key"], "aws_session_token": SECRETS["an AWS session token"]},
    }  # fmt: skip
    models = [{"name": f"{p}-{b}", "provider": p, "model": b} for p in providers for b in BEHAVIOURS]
    return {
        "auth": {"master_api_key": MASTER}, "providers": providers, "models": models, "retry": {"attempts": 1, "max_wait_s": 0.01},
        "admin": {"api_key": SECRETS["the admin key"]}, "audit": {"requests": True, "bodies": "full"}, "tracing": {"enabled": True},
        "seal": {"keys": [{"id": "k1", "secret": SECRETS["a seal key"]}]},
    }  # fmt: skip


def answer(seen: Seen) -> Reply:
    """An upstream that says everything it knows about its caller."""
    told = f"who are you? {json.dumps(seen.headers, ensure_ascii=False)} {json.dumps(seen.headers)} {seen.path}"
    what = next((b for b in BEHAVIOURS if b.encode() in seen.body or b in seen.path), "fine")
    error = {"type": "error", "error": {"type": "api_error", "code": 401, "message": told}, "message": told}
    if what.startswith("echo"):
        return json_reply(error, int(what[4:]))
    if what == "text500":
        return Reply([told.encode()], 500, content_type="text/plain")
    if what == "nonsense":
        return Reply([b'{"nonsense": ' + told.encode()])
    if what == "cut":
        return Reply([told.encode(), CUT])
    if what == "midway":
        return sse_reply(b"event: error\ndata: " + json.dumps(error).encode() + b"\n\n")
    return json_reply({
        "id": "x", "object": "chat.completion", "created": 1, "model": "fine", "type": "message", "role": "assistant", "stop_reason": "end_turn",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
        "content": [{"type": "text", "text": "hello"}], "candidates": [{"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}],
        "output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "input_tokens": 1, "output_tokens": 1, "inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    })  # fmt: skip


Ask = tuple[str, dict[str, Any], dict[str, str]]
"""Path, body, headers of one request."""
_AWS = "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00"


def asks(model: str, key: str) -> Iterator[Ask]:
    """A request for the model in each protocol and each form of credential, plain and streamed."""
    hello = [{"role": "user", "content": "hi"}]
    for stream in (False, True):
        yield "/v1/messages", {"model": model, "max_tokens": 9, "messages": hello, "stream": stream}, {"x-api-key": key}
        yield "/v1/chat/completions", {"model": model, "messages": hello, "stream": stream}, {"authorization": f"Bearer {key}"}
        yield "/v1/responses", {"model": model, "input": "hi", "stream": stream}, {"api-key": key}
        operation = "streamGenerateContent?alt=sse&" if stream else "generateContent?"
        yield f"/v1beta/models/{model}:{operation}key={quote(key)}", {"contents": [{"parts": [{"text": "hi"}]}]}, {}
        path = f"/model/{model}/converse" + ("-stream" if stream else "")
        yield path, {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, {"authorization": _AWS.format(key)}


def requests(known: Mapping[str, str]) -> Iterator[Ask]:
    """Everything that is asked of the gateway."""
    for provider in ("chat", "messages", "generate", "converse"):
        for behaviour in BEHAVIOURS:
            yield from asks(f"{provider}-{behaviour}", MASTER)
    yield from asks("chat-fine", known["a wrong key of a client"])
    if "a client's key" in known:
        yield from asks("chat-fine", known["a client's key"])
        yield from asks("messages-echo401", known["a client's key"])
    bearer = {"authorization": f"Bearer {MASTER}"}
    for swapped in (MASTER, known["the key of an Anthropic provider"]):  # a key where the model should be
        yield from asks(quote(swapped, safe=""), MASTER)
        yield "/v1/messages", {"model": swapped, "messages": []}, bearer
        yield "/v1/explain", {"protocol": "anthropic", "body": {"model": swapped, "messages": []}}, bearer
    for model in ("chat-fine", "messages-fine", "generate-fine", "converse-fine"):
        ask = {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        yield "/v1/explain", {"protocol": "anthropic", "body": ask}, bearer
        yield "/v1/messages/count_tokens", ask, bearer
    yield "/v1/embeddings", {"model": "chat-echo401", "input": "hi"}, bearer
    yield f"/no/such/path?key={MASTER}", {}, bearer


def forms(secret: str) -> Iterator[tuple[str, str]]:
    """A secret as it may stand somewhere."""
    yield "as it is", secret
    yield "in JSON", json.dumps(secret)[1:-1]
    yield "in a URL", quote(secret, safe="")
    for name in ("sha256", "sha1", "md5"):
        yield f"its {name}", hashlib.new(name, secret.encode()).hexdigest()
    yield "its sha256 in base64", base64.b64encode(hashlib.sha256(secret.encode()).digest()).decode().rstrip("=")
    yield "its sha256 in URL-safe base64", base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).decode().rstrip("=")
    yield "in base64", base64.b64encode(secret.encode()).decode().rstrip("=")


def found(known: Mapping[str, str], outputs: Mapping[str, bytes]) -> list[str]:
    """Where secrets stand. In files, digests are what keys are kept as."""
    everything = b"\n".join(outputs.values())
    return [
        f"{name} ({form}) in {where}: ...{data[max(0, data.index(text.encode()) - 60):][:120]!r}"
        for name, secret in known.items()
        for form, text in forms(secret)
        if text.encode() in everything
        for where, data in outputs.items()
        if text.encode() in data and not (where.startswith("file ") and "sha256" in form)
    ]


@asynccontextmanager
async def process(folder: Path, environ: dict[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "llm_api_converter", *arguments, cwd=folder, env=environ, stdout=out, stderr=err)
        try:
            yield child
        finally:
            if child.returncode is None:
                child.terminate()
            await asyncio.wait_for(child.wait(), 20)


async def client_key(folder: Path, environ: dict[str, str]) -> str:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "llm_api_converter", "keys", "create", "somebody", "--json",
        cwd=folder, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate()
    assert child.returncode == 0, err
    key: str = json.loads(out)["key"]
    return key


async def everything_said(folder: Path, environ: dict[str, str], known: dict[str, str], port: int) -> dict[str, bytes]:
    """Runs the gateway through all requests; name of each output -> what it says."""
    said: dict[str, bytes] = {}
    base = f"http://127.0.0.1:{port}"
    async with process(folder, environ, "serve", "--port", str(port)) as gateway, aiohttp.ClientSession() as http:
        for _ in range(200):
            try:
                async with http.get(base + "/health") as up:
                    if up.status == 200:
                        break
            except aiohttp.ClientError:
                assert gateway.returncode is None, (folder / "stderr").read_text()
                await asyncio.sleep(0.1)
        statuses: dict[int, int] = {}

        async def ask(number: int, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
            async with http.post(base + path, data=json.dumps(body), headers={"content-type": "application/json", **headers}) as got:
                said[f"answer {number} of {path.partition('?')[0]}"] = str(dict(got.headers)).encode() + await got.read()
                statuses[got.status] = statuses.get(got.status, 0) + 1

        every = list(requests(known))
        for start in range(0, len(every), 16):
            await asyncio.gather(*(ask(start + n, *one) for n, one in enumerate(every[start:start + 16])))
        assert {200, 401, 404, 500} <= set(statuses), statuses
        for path in ("/metrics", "/v1/models", "/ready", "/v1/capabilities?model=chat-fine"):
            async with http.get(base + path, headers={"x-api-key": MASTER}) as got:
                said[path] = await got.read()
        await asyncio.sleep(2)  # until what is written in batches is written
        await administer(http, base + "/admin/api", known, said)
    for name in ("stdout", "stderr"):
        said[name] = (folder / name).read_bytes()
    for file in (folder / "data").rglob("*"):
        if file.is_file() and file.name not in KEY_FILES:
            said[f"file {file.name}"] = file.read_bytes()
    async with process(folder, environ, "check-config") as check:
        assert await check.wait() == 0
    said["check-config"] = (folder / "stdout").read_bytes() + (folder / "stderr").read_bytes()
    return said


ADMIN_PAGES = ("status", "keys", "usage?by=key,model", "usage/rows?limit=1000", "audit?limit=1000", "models")


async def administer(http: aiohttp.ClientSession, api: str, known: dict[str, str], said: dict[str, bytes]) -> None:
    """Everything an administrator reads, and the life of one more key."""
    for key in (known["the admin key"], MASTER, known["a wrong key of a client"]):
        for page in ADMIN_PAGES:
            async with http.get(f"{api}/{page}", headers={"authorization": f"Bearer {key}"}) as got:
                assert got.status == (200 if key == known["the admin key"] else 401), page
                said[f"admin {page.partition('?')[0]} {got.status}"] = await got.read()
    admin = {"authorization": f"Bearer {known['the admin key']}"}
    async with http.post(f"{api}/keys", json={"name": "another"}, headers=admin) as got:
        made = await got.json()
    async with http.post(f"{api}/keys/{made['id']}/rotate", json={"grace": "1h"}, headers=admin) as got:
        rotated = await got.json()
    async with http.patch(f"{api}/keys/{made['id']}", json={"nonsense": known["the admin key"]}, headers=admin) as got:
        said["admin error"] = await got.read()
    known |= {"a key that was made": made["key"], "a key that was rotated": rotated["key"]}
    for page in ADMIN_PAGES:
        async with http.get(f"{api}/{page}", headers=admin) as got:
            said[f"admin {page.partition('?')[0]} afterwards"] = await got.read()


@pytest.mark.parametrize(
    "more",
    [{"environment": "production", "server": {"workers": 2}}, {"environment": "development", "logging": {"level": "debug", "print_prompts": True}}],
    ids=["production", "debug"],
)
async def test_no_secret_is_in_anything_that_is_written(tmp_path: Path, more: dict[str, Any]) -> None:
    environ = {"PATH": os.environ["PATH"], "CHAT_KEY": SECRETS["the key of an OpenAI-compatible provider"], "PYTHONDEVMODE": "0"}
    (tmp_path / "gemini.key").write_text(SECRETS["the key of a Gemini provider"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    async with upstream(answer) as fake, upstream(lambda _: Reply([b"\n\0"], content_type="application/x-protobuf")) as collector:
        environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
        (tmp_path / "gateway.yaml").write_text(yaml.safe_dump({**settings(fake.url), **more}))
        known = {**SECRETS, "a client's key": await client_key(tmp_path, environ)}
        said = await everything_said(tmp_path, environ, known, port)
        sent = b"".join(repr(seen.headers).encode() for seen in fake.seen)
    said["spans"] = b"".join(seen.body for seen in collector.seen)
    assert said["spans"], "traces were on"
    for name in ("the key of an OpenAI-compatible provider", "the key of an Anthropic provider", "the key of a Gemini provider", "an AWS session token"):
        assert known[name].encode() in sent, f"{name} was in use"
    assert b"***" in said["stdout"], "upstreams did echo them"
    leaks = found(known, said)
    assert not leaks, "\n".join(leaks)


def test_the_search_itself() -> None:
    known = {"x": 'se"cret-0123'}
    for form, text in forms(known["x"]):
        assert found(known, {"stdout": b"abc " + text.encode() + b" def"}), form
    assert not found(known, {"stdout": b"abc *** def"})
