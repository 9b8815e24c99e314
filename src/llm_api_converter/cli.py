"""The command line: `llm-api-converter serve | check-config | models | keys | convert | ...`. Commands that are not built yet are refused by name.

Heavy modules (the server, the codecs) are imported inside the command that needs them, so that `--help` and errors are quick.
Exit codes: 0 done, 1 the settings (or the input of `convert`) are wrong, 2 wrong usage or a command that is not built yet.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeVar

import typer

from . import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config import Config
    from .routing.resolve import Resolver
    from .store.records import KeyRecord

T = TypeVar("T")

NOT_BUILT: dict[str, str] = {
    "usage": "what was used, by key and model",
    "doctor": "reach and authenticate each provider",
    "conformance": "score card of the known pitfalls against any gateway",
    "record": "capture redacted traffic",
    "replay": "serve recorded traffic as an upstream",
    "diff": "compare two recorded runs",
    "migrate": "make or update the tables of a store",
}
"""Commands of later releases, with what they will do."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Any LLM client on any LLM: a gateway between the wire protocols of the vendors.",
)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file (default: gateway.yaml in this folder, if there is one).")
]


def main() -> None:
    """Run the command line."""
    app(prog_name="llm-api-converter")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"llm-api-converter {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of processes.")] = None,
) -> None:
    """Start the gateway."""
    settings = _load(config, {"server.host": host, "server.port": port, "server.workers": workers})
    if problems := _resolver(settings).problems():
        _refuse(tuple(problems))
    from .config import ConfigError
    from .server.serve import serve as run

    try:
        run(settings, config)
    except ConfigError as error:
        _refuse(error.errors)


@app.command("check-config")
def check_config(config: ConfigOption = None) -> None:
    """Show every setting with its source, or every error at once."""
    settings = _load(config, {})
    rows = settings.describe()
    width = max(len(path) for path, _, _ in rows)
    for path, value, source in rows:
        typer.echo(f"{path:<{width}}  {value}  # {source}")
    problems = _resolver(settings).problems()
    for note in settings.notes:
        typer.echo(f"note: {note}", err=True)
    if problems:
        _refuse(tuple(problems))


@app.command()
def models(config: ConfigOption = None) -> None:
    """List the model names clients can ask for, and where each leads."""
    settings = _load(config, {})
    resolver = _resolver(settings)
    for info in resolver.models():
        targets = ", ".join(f"{t.provider}/{t.model} ({t.protocol})" for t in resolver.resolve(info.id, "").targets)
        typer.echo(f"{info.id}  ->  {targets}")
    for model in settings.models:
        if any(c in model.name for c in "*?["):
            typer.echo(f"{model.name}  ->  " + ", ".join(f"{t.provider}/{t.model}" for t in model.all_targets()))
    for name, provider in settings.providers.items():
        typer.echo(f"{name}/MODEL  ->  any model of {name} ({provider.type})")


def _protocol(name: str) -> str:
    from .protocols import PROTOCOLS

    if name not in PROTOCOLS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(PROTOCOLS)}")
    return name


@app.command()
def convert(
    source: Annotated[str, typer.Option("--from", metavar="PROTOCOL", callback=_protocol, help="The protocol of the input.")],
    target: Annotated[str, typer.Option("--to", metavar="PROTOCOL", callback=_protocol, help="The protocol of the output.")],
    response: Annotated[bool, typer.Option("--response", help="The input is a whole answer, not a request.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="The input is an answer's event stream.")] = False,
    model: Annotated[str | None, typer.Option(help="The upstream's name of the model (default: as the request says).")] = None,
    provider: Annotated[str, typer.Option(metavar="TYPE", help="The upstream's provider type (openai, bedrock, ...).")] = "",
    request: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="For --response and --stream: the client's request they answer.")
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Show a request's method, path and headers too.")] = False,
    file: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, metavar="[FILE]", help="Default: standard input.")] = None,
) -> None:
    """Translate a request, an answer or a stream offline; the result on stdout, what was lost on stderr (JSON lines)."""
    if response and stream:
        raise typer.BadParameter("one of --response and --stream, not both")
    from .tools.convert import convert as run

    kind: Literal["request", "response", "stream"] = "response" if response else "stream" if stream else "request"
    with file.open("rb") if file else nullcontext(sys.stdin.buffer) as given:
        code = run(
            kind, source, target, given, sys.stdout.buffer, sys.stderr, model=model, provider=provider, whole=whole,
            request=request.read_bytes() if request else None,
        )  # fmt: skip
    raise typer.Exit(code)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def launch(
    context: typer.Context,
    client: Annotated[str, typer.Argument(help="claude, codex or gemini.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model's name at the gateway (default: what it asks for).")] = None,
    config: ConfigOption = None,
) -> None:
    """Run a coding agent through the gateway, starting one where none runs. What follows -- goes to the agent."""
    from .config import ConfigError
    from .tools.launch import CLIENTS, LaunchError
    from .tools.launch import launch as run

    if client not in CLIENTS:
        raise typer.BadParameter(f"{client!r} is none of {', '.join(CLIENTS)}")
    settings = _load(config, {})
    try:
        code = run(client, settings, config, model, context.args)
    except ConfigError as error:
        _refuse(error.errors)
    except LaunchError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.code) from error
    raise typer.Exit(code)


keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="API keys: make, list, show, change, rotate and revoke them.")
app.add_typer(keys, name="keys")

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, key_...")]
Owner = Annotated[str | None, typer.Option(help="Whose it is.")]
Team = Annotated[str | None, typer.Option(help="The team whose limits and budget it shares.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="NAME=VALUE", help="A tag; may be given again.")]
Names = Annotated[list[str] | None, typer.Option("--model", metavar="NAME", help="A model it may ask for, or a pattern; may be given again.")]
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
    team: Annotated[str | None, typer.Option(help="Only those of this team.")] = None, json_: JsonOption = False, config: ConfigOption = None
) -> None:
    """List keys, newest first."""
    from time import time

    from .tools import keys as tool

    for record in _or_refuse(lambda: tool.list_all(_load(config, {}), team)):
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

    settings = _load(config, {})
    record, key = _or_refuse(lambda: do(settings))
    typer.echo((tool.as_json if json_ else tool.as_text)(record, key))


def _or_refuse(do: "Callable[[], T]") -> "T":
    from .tools.keys import KeysError

    try:
        return do()
    except KeysError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


def _later(name: str, what: str) -> None:
    @app.command(
        name, help=f"Not built yet: {what}.", add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )
    def command() -> None:
        typer.echo(f"`{name}` is not built yet", err=True)
        raise typer.Exit(2)


for _name, _what in NOT_BUILT.items():
    _later(_name, _what)


def _load(path: Path | None, flags: Mapping[str, Any]) -> "Config":
    from .config import Config, ConfigError

    try:
        return Config.load(path, os.environ, Path.cwd(), flags)
    except ConfigError as error:
        _refuse(error.errors)


def _resolver(settings: "Config") -> "Resolver":
    from .providers.catalog import Catalog
    from .routing.resolve import Resolver

    return Resolver(settings, Catalog.load())


def _refuse(errors: tuple[str, ...]) -> NoReturn:
    typer.echo(f"The settings are wrong in {len(errors)} place{'s' if len(errors) > 1 else ''}:", err=True)
    for error in errors:
        typer.echo(f"  - {error}", err=True)
    raise typer.Exit(1)
