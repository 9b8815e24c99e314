"""`/v1/responses/compact` and kept responses."""

import json

import pytest

from tests.fakes import KEY, config, gateway, json_reply, upstream
from tests.server.test_pipeline import case, post

pytestmark = pytest.mark.anyio
ASK = {"model": "m", "input": [{"role": "user", "content": "hello"}]}
COMPACTED = {"id": "resp_1", "object": "response.compaction", "created_at": 1, "output": [], "usage": {"input_tokens": 1}}


async def test_it_is_relayed_where_the_upstream_speaks_responses() -> None:
    import aiohttp

    async with upstream([json_reply(COMPACTED), json_reply({"error": {"message": "no", "code": "x"}}, 429)]) as fake:
        provider = {"type": "openai", "protocol": "openai_responses", "base_url": fake.url + "/v1", "api_key": "sk-upstream-secret-1"}
        settings = config({"up": provider}, [{"name": "m", "provider": "up", "model": "up-model"}])
        async with gateway(settings) as running, aiohttp.ClientSession() as http:
            status, raw, _ = await post(http, running.url + "/v1/responses/compact", ASK)
            assert (status, json.loads(raw)) == (200, COMPACTED)
            assert (fake.seen[0].path, fake.seen[0].json) == ("/v1/responses/compact", {**ASK, "model": "up-model"})
            status, raw, _ = await post(http, running.url + "/v1/responses/compact", ASK)
            assert (status, json.loads(raw)["error"]["message"]) == (429, "no")


async def test_it_is_refused_by_name_elsewhere_and_so_are_kept_responses() -> None:
    async with case([]) as (running, fake, http):
        status, raw, _ = await post(http, running.url + "/v1/responses/compact", ASK)
        assert status == 400
        assert "compacts conversations" in json.loads(raw)["error"]["message"]
        status, raw, _ = await post(http, running.url + "/v1/responses", {**ASK, "previous_response_id": "resp_0"})
        assert status == 400
        assert "previous_response_id" in json.loads(raw)["error"]["message"]
        async with http.get(running.url + "/v1/responses/resp_1", headers={"authorization": f"Bearer {KEY}"}) as answer:
            assert answer.status == 404
            assert "responses.keep" in (await answer.json())["error"]["message"]
        assert fake.seen == []
