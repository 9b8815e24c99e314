"""`usage`: what was used, by key, team, model, day and more; exported; checked."""

from time import time
from typing import Annotated

import typer

from .cli_settings import ConfigOption, load

Name = Annotated[str | None, typer.Option(metavar="NAME", help="Only of this one.")]


def usage(
    by: Annotated[str, typer.Option(metavar="NAME,NAME", help="Add up by key, team, owner, model, provider, day, month, ...")] = "",
    since: Annotated[str, typer.Option(metavar="WHEN", help="From 2027-01-31 (UTC), or from 7d ago; `all`: from the first.")] = "30d",
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Up to this time, which is not included.")] = None,
    key_id: Annotated[str | None, typer.Option("--key-id", metavar="ID", help="Only of this key, key_...")] = None,
    team: Name = None, model: Name = None, provider: Name = None,
    rows: Annotated[bool, typer.Option("--rows", help="Each call, newest first, as a line of JSON (or CSV).")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    csv_: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Compare each with its upstream's own words; exit 1 if one differs.")] = False,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Show what was used and what it cost."""
    from .tools import usage as tool

    if json_ and csv_:
        raise typer.BadParameter("one of --json and --csv, not both")
    try:
        wanted = tool.wanted(
            by, since, until, time(), key_id=key_id, team=team, model=model, provider=provider, rows=rows,
            form="json" if json_ else "csv" if csv_ else "table",
        )  # fmt: skip
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    settings = load(config, {})
    try:
        if verify:
            raise typer.Exit(0 if tool.verify(settings, wanted, typer.echo) else 1)
        tool.show(settings, wanted, typer.echo)
    except tool.UsageError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
