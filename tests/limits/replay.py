"""Every logged decision made again by the pure formula: what each bucket held, and what was answered, must come out the same to the bit."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from llm_api_converter.limits.base import Decision
from llm_api_converter.limits.bucket import decide, wait_s


class Replayed(NamedTuple):
    """What a log holds. `missing` are decisions that were made and not told: by processes that were killed in between. `resumed` are
    the buckets' parts before which one of those is missing, so that their level is taken as it was told.
    """

    granted: int
    denied: int
    settled: int
    freed: float
    missing: int
    resumed: int


def read(*files: Path) -> list[Decision]:
    """What was written of decisions, one a line. Of a process that was killed the last line may be torn."""
    found = []
    for file in files:
        *lines, last = file.read_bytes().split(b"\n")
        found += [msgspec.json.decode(line, type=Decision) for line in lines]
        assert len(last) < 1000
    return found


def replay(decisions: Iterable[Decision]) -> Replayed:
    """In the order they were made in."""
    in_order = sorted(decisions, key=lambda decision: decision.order)
    levels: dict[str, tuple[float, float, int]] = {}
    granted = denied = settled = missing = resumed = 0
    freed, expected, gap_at = 0.0, in_order[0].order, -1
    for decision in in_order:
        assert decision.order >= expected, f"{decision.order} was given twice"
        if decision.order > expected:
            missing += decision.order - expected
            gap_at = decision.order
        expected = decision.order + 1
        enough = True
        for take in decision.takes:
            was, at_s, seen_at = levels.get(take.bucket, (take.burst, decision.at_s, -1))
            level = was
            if take.bucket.endswith("/concurrent"):
                level = was = was + take.freed
                freed += take.freed
                enough = enough and take.level >= 1
            else:
                level, _ = decide(level, at_s, decision.at_s, take.rate_per_s, take.burst, 0.0)
                enough = enough and wait_s(take.level, take.cost, take.rate_per_s, take.burst) == 0
            if level != take.level:
                assert seen_at < gap_at, f"{take.bucket} holds {level}: {decision}"
                resumed += decision.granted
                level = take.level
            if decision.granted:
                levels[take.bucket] = min(take.burst, level - take.cost), decision.at_s, decision.order
            else:  # nothing is written
                levels[take.bucket] = was, at_s, seen_at
        if decision.kind == "settle":
            settled += 1
            assert decision.granted
        else:
            assert decision.granted == enough, decision
            granted, denied = granted + enough, denied + (not enough)
    return Replayed(granted, denied, settled, freed, missing, resumed)
