"""Run the cases against a gateway, one after another, and show the score."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from msgspec import Struct

from ...hub.errors import ApiError
from . import accounting, bedrock, operation, streaming, thinking, tools
from .trial import CASES, Case, Failed, NotApplicable, Trial, link
from .upstream import Upstream, listening

SECTIONS = (streaming, thinking, accounting, bedrock, tools, operation)
"""The modules whose cases `CASES` holds."""
CASE_S = 60.0
READY_S = 0.25
WHY = 240
"""Characters of a reason."""

Outcome = Literal["passed", "failed", "not applicable"]


class Verdict(Struct, frozen=True):
    """What came of one case, and why."""

    number: int
    title: str
    outcome: Outcome
    why: str = ""
    threads: tuple[str, ...] = ()


async def judge(case: Case, trial: Trial) -> Verdict:
    """Run one case."""
    outcome: Outcome = "passed"
    why = ""
    try:
        async with asyncio.timeout(CASE_S):
            await case.run(trial)
    except Failed as error:
        outcome, why = "failed", str(error)
    except NotApplicable as error:
        outcome, why = "not applicable", str(error)
    except TimeoutError:
        outcome, why = "failed", "no answer came in time"
    except ApiError as error:
        outcome, why = "failed", f"the gateway broke off: {error.message}"
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        outcome, why = "failed", f"the answer has not the shape of its protocol: {type(error).__name__} {error}"
    why = " ".join(why.split())
    why = why if len(why) <= WHY else why[: WHY - 3] + "..."
    return Verdict(case.number, case.title, outcome, why, tuple(link(thread) for thread in case.threads))


def chosen(only: Iterable[int] = (), *, quick: bool = False) -> list[Case]:
    """The cases by number; without slow ones where it is to be quick."""
    wanted = set(only)
    return [CASES[n] for n in sorted(CASES) if (not wanted or n in wanted) and not (quick and CASES[n].slow)]


async def run(
    target: str, key: str, cases: Sequence[Case], *, port: int = 0, wait_s: float = 0.0,
    listens: Callable[[Upstream], None] = lambda upstream: None, shows: Callable[[Verdict], None] = lambda verdict: None,
) -> list[Verdict]:  # fmt: skip
    """Judge a gateway. `listens` is told when the upstream is there; the gateway is waited for `wait_s` seconds."""
    async with listening(port) as upstream:
        listens(upstream)
        trial = Trial(target, key, upstream)
        try:
            await _ready(trial, wait_s)
            verdicts = []
            for case in cases:
                verdicts.append(await judge(case, trial))
                shows(verdicts[-1])
            return verdicts
        finally:
            await trial.close()


async def _ready(trial: Trial, wait_s: float) -> None:
    """Until the gateway answers at all. Raises ApiError where it does not in time."""
    left_s = wait_s
    while True:
        try:
            (await trial.opened("/v1/models", None)).close()
            return
        except ApiError:
            if left_s <= 0:
                raise
        await asyncio.sleep(READY_S)
        left_s -= READY_S


SIGNS = {"passed": "pass", "failed": "FAIL", "not applicable": "n/a"}


def line(verdict: Verdict) -> str:
    """One verdict."""
    why = f"  ({verdict.why})" if verdict.why else ""
    return f"{SIGNS[verdict.outcome]:4}  {verdict.number:2}  {verdict.title}{why}"


def score(verdicts: Sequence[Verdict]) -> str:
    """The last line of the card."""
    counts = {outcome: sum(v.outcome == outcome for v in verdicts) for outcome in SIGNS}
    judged = counts["passed"] + counts["failed"]
    more = f", {counts['not applicable']} not applicable" if counts["not applicable"] else ""
    return f"{counts['passed']} of {judged} pitfalls avoided{more}"
