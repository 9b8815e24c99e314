"""`keys create | list | show | update | rotate | revoke`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from .cli_settings import ConfigOption, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config
    from .store.records import KeyRecord

T = TypeVar("T")

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys: make, list, show, change, rotate and revoke them.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, key_...")]
Owner = Annotated[str | None, typer.Option(help="Whose it is.")]
Team = Annotated[str | None, typer.Option(help="The team whose limits and budget it shares.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="A tag; may be given again.")]
Names = Annotated[list[str] | None, typer.Option("--model", metavar="NAME", help="A model or pattern it may ask for; may be given again.")]
Protocols = Annotated[list[str] | None, typer.Option("--protocol", help="A protocol it may speak; may be given again.")]
Addresses = Annotated[list[str] | None, typer.Option("--address", metavar="NETWORK", help="Where it may be used from; may be given again.")]
Expires = Annotated[str | None, typer.Option(metavar="WHEN", help="When it ends: 2027-01-31, or 30d from now.")]
Requests = Annotated[int | None, typer.Option(help="Requests a window; 0: no bound.")]
Tokens = Annotated[int | None, typer.Option(help="Tokens a window; 0: no bound.")]
Concurrent = Annotated[int | None, typer.Option(help="Requests at the same time; 0: no bound.")]
Dollars = Annotated[str | None, typer.Option(metavar="USD", help="What may be spent in this time.")]
Further = Annotated[str | None, typer.Option("--set", metavar="JSON", help="Further fields, as the admin API has them.")]


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What it is called in logs and lists.")],
    owner: Owner = None, team: Team = None, tag: Tags = None, model: Names = None, protocol: Protocols = None, address: Addresses = None,
    expires: Expires = None, requests: Requests = None, tokens: Tokens = None, concurrent: Concurrent = None,
    budget_day: Dollars = None, budget_month: Dollars = None, budget_total: Dollars = None, further: Further = None,
    json_: JsonOption = False, config: ConfigOption = None,
) -> None:  # fmt: skip
    """Make a key. It is printed now and never again."""
    from .tools import keys as tool

    def make(settings: "Config") -> tool.Made:
        options = {
            "name": name, "owner": owner, "team": team, "tag": tag, "models": model, "protocols": protocol, "addresses": address,
            "expires": expires,
        }  # fmt: skip
        limits = {"requests": requests, "tokens": tokens, "concurrent": concurrent}
        budget = {"day": budget_day, "month": budget_month, "total": budget_total}
        return tool.create(settings, tool.fields_of(options, limits, budget, further))

    _about_a_key(config, json_, make)


@keys.command("list")
def keys_list(
    team: Annotated[str | None, typer.Option(help="Only those of this team.")] = None,
    json_: JsonOption = False, config: ConfigOption = None,
) -> None:  # fmt: skip
    """List keys, newest first."""
    from time import time

    from .tools import keys as tool

    for record in _or_refuse(lambda: tool.list_all(load(config, {}), team)):
        typer.echo(tool.as_json(record) if json_ else tool.as_row(record, time()))


@keys.command("show")
def keys_show(key_id: KeyId, json_: JsonOption = False, config: ConfigOption = None) -> None:
    """Show a key's settings; the key itself is not kept."""
    from .tools import keys as tool

    _about_a_key(config, json_, lambda settings: tool.show(settings, key_id))


@keys.command("update")
def keys_update(
    key_id: KeyId, name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    owner: Owner = None, team: Team = None, tag: Tags = None, model: Names = None, protocol: Protocols = None, address: Addresses = None,
    expires: Expires = None, requests: Requests = None, tokens: Tokens = None, concurrent: Concurrent = None,
    budget_day: Dollars = None, budget_month: Dollars = None, budget_total: Dollars = None, further: Further = None,
    json_: JsonOption = False, config: ConfigOption = None,
) -> None:  # fmt: skip
    """Change what is said; --set '{"models": null}' takes a setting away. Lists, limits and budgets are replaced as a whole."""
    from .tools import keys as tool

    def change(settings: "Config") -> tool.Made:
        options = {
            "name": name, "owner": owner, "team": team, "tag": tag, "models": model, "protocols": protocol, "addresses": address,
            "expires": expires,
        }  # fmt: skip
        limits = {"requests": requests, "tokens": tokens, "concurrent": concurrent}
        budget = {"day": budget_day, "month": budget_month, "total": budget_total}
        return tool.update(settings, key_id, tool.fields_of(options, limits, budget, further))

    _about_a_key(config, json_, change)


@keys.command("rotate")
def keys_rotate(
    key_id: KeyId, grace: Annotated[str, typer.Option(help="How long the old key goes on: 24h, 30m, 0s.")] = "0s",
    json_: JsonOption = False, config: ConfigOption = None,
) -> None:  # fmt: skip
    """Put a new key in the old one's place."""
    from .tools import keys as tool

    _about_a_key(config, json_, lambda settings: tool.rotate(settings, key_id, grace))


@keys.command("revoke")
def keys_revoke(key_id: KeyId, json_: JsonOption = False, config: ConfigOption = None) -> None:
    """End a key, within two seconds on every worker."""
    from .tools import keys as tool

    _about_a_key(config, json_, lambda settings: tool.revoke(settings, key_id))


def _about_a_key(config: Path | None, json_: bool, do: "Callable[[Config], tuple[KeyRecord, str | None]]") -> None:
    from .tools import keys as tool

    settings = load(config, {})
    record, key = _or_refuse(lambda: do(settings))
    typer.echo((tool.as_json if json_ else tool.as_text)(record, key))


def _or_refuse(do: "Callable[[], T]") -> "T":
    from .tools.keys import KeysError

    try:
        return do()
    except KeysError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
