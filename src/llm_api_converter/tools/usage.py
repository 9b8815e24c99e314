"""`usage`: what was used and what it cost, from the store of the settings; and whether it is what the upstreams said."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from ..config import Config
from ..store.base import Store, StoreError
from ..store.open import open_store
from ..store.records import UsageFilter
from ..usage.report import (
    GROUPS,
    ROW_COLUMNS,
    csv_line,
    every_row,
    groups,
    json_line,
    moment_before,
    row_cells,
    row_fields,
    table,
    total_cells,
    total_columns,
    total_fields,
)
from ..usage.verify import Checker, Verdict

Form = Literal["table", "json", "csv"]
Echo = Callable[[str], None]
TRIES = 3


class UsageError(Exception):
    """Why nothing is shown, for the user."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What is asked for: which records, added up by names of `GROUPS` or (`rows`) each for itself, and how it is written."""

    which: UsageFilter = UsageFilter()
    by: tuple[str, ...] = ()
    rows: bool = False
    form: Form = "table"


def wanted(by: str, since: str, until: str | None, now_s: float, *, rows: bool, form: Form, **only: str | None) -> Wanted:
    """From the options of the command line; `only` are fields of `UsageFilter`. Raises ValueError with what to say instead."""
    moments = {"since": None if since == "all" else since, "until": until}
    try:
        names = groups(by)
    except ValueError as error:
        raise ValueError(f"--by: {error}") from error
    found: dict[str, float | None] = {}
    for name, said in moments.items():
        try:
            found[f"{name}_s"] = None if said is None else moment_before(said, now_s)
        except ValueError as error:
            raise ValueError(f"--{name}: {error}") from error
    return Wanted(which=msgspec.convert({**found, **only}, UsageFilter), by=names, rows=rows, form=form)


def show(config: Config, wanted: Wanted, echo: Echo) -> None:
    """Write it, a line a call of `echo`. Raises UsageError."""
    _with_store(config, _shown_rows if wanted.rows else _shown_totals, wanted, echo)


def verify(config: Config, wanted: Wanted, echo: Echo) -> bool:
    """Compare every record with what its upstream said, and the store's sums with the records. Raises UsageError, also where records come
    in faster than they can be read.
    """
    found: list[bool] = []

    async def check(store: Store, wanted: Wanted, echo: Echo) -> None:
        verdict = await _verdict(store, wanted.which)
        found.append(verdict.different == 0)
        if wanted.form == "json":
            sums = total_fields(verdict.sums, ())
            echo(json_line({**asdict(verdict), "sums": sums, "differences": [asdict(found) for found in verdict.differences]}))
            return
        for difference in verdict.differences:
            echo(f"{difference.id}  {difference.field}: {difference.ours} here, {difference.theirs} by the upstream's own words")
        echo(f"{verdict.rows} records: {verdict.checked} compared with their upstream's own usage, {verdict.without} without one")
        echo("They are equal." if not verdict.different else f"{verdict.different} differences.")

    _with_store(config, check, wanted, echo)
    return found[0]


async def _verdict(store: Store, which: UsageFilter) -> Verdict:
    for _ in range(TRIES):
        (before,) = await store.usage.totals(which)
        checker = Checker()
        async for row in every_row(store.usage, which):
            checker.take(row)
        (after,) = await store.usage.totals(which)
        if before == after:
            return checker.verdict(after)
    raise UsageError("records come in while they are compared: choose a time that is over with --until")


async def _shown_totals(store: Store, wanted: Wanted, echo: Echo) -> None:
    totals = await store.usage.totals(wanted.which, tuple(GROUPS[name] for name in wanted.by))
    if wanted.form == "json":
        echo(json_line({"by": wanted.by, "totals": [total_fields(total, wanted.by) for total in totals]}))
    elif wanted.form == "csv":
        echo(csv_line(total_columns(wanted.by)).rstrip())
        for total in totals:
            echo(csv_line(total_cells(total, wanted.by)).rstrip())
    else:
        for line in table(totals, wanted.by):
            echo(line)


async def _shown_rows(store: Store, wanted: Wanted, echo: Echo) -> None:
    if wanted.form == "csv":
        echo(csv_line(ROW_COLUMNS).rstrip())
    async for row in every_row(store.usage, wanted.which):
        echo(csv_line(row_cells(row)).rstrip() if wanted.form == "csv" else json_line(row_fields(row)))


def _with_store(config: Config, do: Callable[[Store, Wanted, Echo], Awaitable[None]], wanted: Wanted, echo: Echo) -> None:
    async def run() -> None:
        store = open_store(config.store_url, config.store.tables)
        try:
            await store.open()
            await do(store, wanted, echo)
        finally:
            await store.close()

    try:
        asyncio.run(run())
    except StoreError as error:
        raise UsageError(str(error)) from error
