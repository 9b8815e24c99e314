"""What was used, for people and programs: a table, JSON, CSV. Pure, and one line at a time, so that a year of records needs no memory.

An unknown price is shown as unknown (`?`, null), never as zero; where only some calls have a price the cost is a lower bound, and how many
calls have none stands beside it.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec
from msgspec.structs import asdict

from ..store.base import UsageLog
from ..store.records import GroupBy, UsageFilter, UsageRow, UsageTotal

GROUPS: dict[str, GroupBy] = {"key": "key_name", **{name: name for name in get_args(GroupBy)}}
"""What can be asked for, and what the store calls it."""
SUMS = ("requests", "errors", "input_total", "output_total", "cache_read", "cache_write", "reasoning")
ROW_FIELDS = UsageRow.__struct_fields__
PAGE = 1000
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def groups(said: str) -> tuple[str, ...]:
    """`key,day` -> names of `GROUPS`. Raises ValueError with those there are."""
    names = tuple(name.strip() for name in said.split(",") if name.strip())
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: expected some of {', '.join(GROUPS)}")
    return names


def moment_before(said: str, now_s: float) -> float:
    """`7d`, `24h`, `30m`: so long before now; else an ISO date or time (UTC where it names no zone). Unix time. Raises ValueError."""
    units = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
    if said[-1:] in units and said[:-1].isdecimal():
        return now_s - int(said[:-1]) * units[said[-1]]
    try:
        at = datetime.fromisoformat(said)
    except ValueError as error:
        raise ValueError(f"{said!r}: expected a date such as 2027-01-31, or a time before now such as 7d") from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


async def every_row(log: UsageLog, which: UsageFilter) -> AsyncIterator[UsageRow]:
    """All records that are asked for, newest first, page by page. Raises StoreError."""
    cursor = None
    while True:
        page = await log.rows(which, cursor=cursor, limit=PAGE)
        for row in page.items:
            yield row
        cursor = page.cursor
        if cursor is None:
            return


def cost_of(total: UsageTotal) -> Decimal | None:
    """What a group cost, where something of it has a price."""
    return None if total.unpriced and not total.cost_usd else total.cost_usd


def total_fields(total: UsageTotal, by: Sequence[str]) -> dict[str, Any]:
    """A group as JSON has it. Money is text, exact."""
    cost = cost_of(total)
    return {
        **dict(zip(by, total.group, strict=True)), **{name: getattr(total, name) for name in SUMS},
        "cost_usd": None if cost is None else _money(cost), "unpriced": total.unpriced,
    }  # fmt: skip


def row_fields(row: UsageRow) -> dict[str, Any]:
    """A record as JSON has it: `raw` is the upstream's object itself."""
    return {
        **asdict(row), "at": _time(row.at_s), "raw": None if row.raw is None else msgspec.Raw(row.raw.encode()),
        "cost_usd": None if row.cost_usd is None else _money(row.cost_usd),
    }  # fmt: skip


def json_line(fields: dict[str, Any]) -> str:
    """One line of JSON."""
    return msgspec.json.encode(fields).decode()


def total_columns(by: Sequence[str]) -> tuple[str, ...]:
    """The header of a CSV file of totals."""
    return (*by, *SUMS, "cost_usd", "unpriced")


ROW_COLUMNS = ("at", *ROW_FIELDS)
"""The header of a CSV file of records."""


def csv_line(values: Iterable[Any]) -> str:
    """One line, with its end. None is an empty cell; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    out = io.StringIO()
    csv.writer(out).writerow([_cell(value) for value in values])
    return out.getvalue()


def total_cells(total: UsageTotal, by: Sequence[str]) -> list[Any]:
    """The values under `total_columns`."""
    return list(total_fields(total, by).values())


def row_cells(row: UsageRow) -> list[Any]:
    """The values under `ROW_COLUMNS`."""
    fields = {**asdict(row), "at": _time(row.at_s), "losses": "; ".join(row.losses)}
    return [fields[name] for name in ROW_COLUMNS]


def table(totals: Sequence[UsageTotal], by: Sequence[str]) -> Iterator[str]:
    """Lines for a person; the last is the sum where there are several groups."""
    header = (*by, "requests", "errors", "input", "of it cached", "output", "US dollars")
    lines = [_line(total, [value or "-" for value in total.group]) for total in totals]
    if len(totals) > 1:
        lines.append(_line(added(totals), ["all", *[""] * (len(by) - 1)]))
    widths = [max(len(line[at]) for line in (header, *lines)) for at in range(len(header))]
    for line in (header, *lines):
        yield "  ".join(
            cell.ljust(width) if at < len(by) else cell.rjust(width) for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
    unpriced = sum(total.unpriced for total in totals)
    if unpriced:
        yield f"?: the price of {unpriced} calls is not known; `prices:` in the settings can say it"


def added(totals: Sequence[UsageTotal]) -> UsageTotal:
    """Groups as one."""
    sums = {name: sum(getattr(total, name) for total in totals) for name in (*SUMS, "unpriced")}
    return UsageTotal(group=(), cost_usd=sum((total.cost_usd for total in totals), Decimal(0)), **sums)


def _line(total: UsageTotal, group: list[str]) -> list[str]:
    counts = (total.requests, total.errors, total.input_total, total.cache_read, total.output_total)
    return [*group, *(f"{count:,}" for count in counts), _shown(total)]


def _shown(total: UsageTotal) -> str:
    cost = cost_of(total)
    if cost is None:
        return "?"
    return f"{cost:,.4f}" + (" + ?" if total.unpriced else "")


def _money(amount: Decimal) -> str:
    return f"{amount.normalize():f}" if amount else "0"


def _time(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _money(value)
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
