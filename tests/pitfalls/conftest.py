"""Each pitfall is tried on this gateway, with the upstream its case scripts."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from llm_api_converter.config import Config
from llm_api_converter.tools.conformance.run import judge
from llm_api_converter.tools.conformance.settings import ours
from llm_api_converter.tools.conformance.trial import CASES, Trial
from llm_api_converter.tools.conformance.upstream import listening
from tests.fakes import KEY, gateway

Avoided = Callable[[int], Awaitable[None]]
PING_AFTER_S = 0.3
"""So that nobody waits for the usual ten seconds of silence."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As everywhere, for the tests of a module together: they share a gateway."""
    return "asyncio"


@pytest.fixture(scope="module")
async def avoided(anyio_backend: str) -> AsyncIterator[Avoided]:
    """`await avoided(7)` runs the case of a pitfall, and fails with its words."""
    async with listening() as upstream:
        tree = json.loads(ours(f"http://127.0.0.1:{upstream.port}"))
        tree["auth"] = {"master_api_key": KEY}
        tree["retry"] = {"attempts": 2, "max_wait_s": 0.05}
        async with gateway(Config.model_validate(tree)) as running:
            running.app.runtime.ping_after_s = PING_AFTER_S
            trial = Trial(running.url, KEY, upstream)

            async def try_it(number: int) -> None:
                verdict = await judge(CASES[number], trial)
                assert (verdict.outcome, verdict.why) == ("passed", "")

            yield try_it
            await trial.close()
