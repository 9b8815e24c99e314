"""Do our totals equal the upstream's? Each record keeps the usage object its upstream sent: it is read again and compared. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from ..protocols.counts import decode_counts
from ..store.records import UsageRow, UsageTotal

COUNTS = ("input_total", "output_total", "cache_read", "cache_write", "reasoning")
SHOWN = 100


class Difference(Struct, frozen=True):
    """One count that is not the upstream's. `id` is the record's; that of a sum is `totals`."""

    id: str
    field: str
    ours: str
    theirs: str


class Verdict(Struct, frozen=True, kw_only=True):
    """`checked` records were compared with what their upstream said; `without` said nothing, or it was not kept. `sums` are all records
    added up. The first `SHOWN` differences of `different` are listed.
    """

    rows: int
    checked: int
    without: int
    different: int
    differences: tuple[Difference, ...]
    sums: UsageTotal


class Checker:
    """Takes records one by one, so that millions of them need no memory."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._sums: Counter[str] = Counter()
        self._cost = Decimal(0)
        self._found: list[Difference] = []

    def take(self, row: UsageRow) -> None:
        """The next record."""
        self._counted["rows"] += 1
        self._counted["errors"] += row.status >= 400
        self._counted["unpriced"] += bool(row.input_total or row.output_total) and row.cost_usd is None
        self._cost += row.cost_usd or 0
        for name in COUNTS:
            self._sums[name] += getattr(row, name) or 0
        said = upstream_counts(row.raw)
        if said is None:
            self._counted["without"] += 1
            return
        self._counted["checked"] += 1
        for name in COUNTS:
            ours = getattr(row, name)
            if (ours or 0) != said[name]:
                self._differs(Difference(row.id, name, str(ours), str(said[name])))

    def verdict(self, totals: UsageTotal) -> Verdict:
        """All of it. `totals` is what the store adds the same records up to."""
        sums = UsageTotal(
            group=(), requests=self._counted["rows"], errors=self._counted["errors"], cost_usd=self._cost,
            unpriced=self._counted["unpriced"], **{name: self._sums[name] for name in COUNTS},
        )  # fmt: skip
        for name in ("requests", "errors", *COUNTS, "cost_usd", "unpriced"):
            ours, theirs = getattr(totals, name), getattr(sums, name)
            if ours != theirs:
                self._differs(Difference("totals", name, str(ours), str(theirs)))
        counted = self._counted
        return Verdict(
            rows=counted["rows"], checked=counted["checked"], without=counted["without"], different=counted["different"],
            differences=tuple(self._found), sums=sums,
        )  # fmt: skip

    def _differs(self, difference: Difference) -> None:
        self._counted["different"] += 1
        if len(self._found) < SHOWN:
            self._found.append(difference)


def verify(rows: Iterable[UsageRow], totals: UsageTotal) -> Verdict:
    """The same for records that are all there."""
    checker = Checker()
    for row in rows:
        checker.take(row)
    return checker.verdict(totals)


def upstream_counts(raw: str | None) -> dict[str, int] | None:
    """What the upstream counted, over all tries that it reported; None where it said nothing that can be read."""
    found: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    known = False
    for protocol, said in _objects(raw):
        usage = decode_counts(protocol, said)
        if usage is not None:
            known = True
            for name in COUNTS:
                found[name] += max(0, getattr(usage, name) or 0)
    return dict(found) if known else None


def _objects(raw: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    written = None if raw is None else msgspec.json.decode(raw)
    for entry in written if isinstance(written, list) else [written]:
        if isinstance(entry, dict) and isinstance(entry.get("usage"), dict):
            yield str(entry.get("protocol")), entry["usage"]
