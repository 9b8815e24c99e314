"""The command line: `llm-api-converter serve | check-config | models | keys | usage | migrate | convert | launch | conformance`, and
those not built yet, which are refused by name.

Heavy modules (the server, the codecs) are imported inside the command that needs them, so that `--help` and errors are quick.
Exit codes: 0 done, 1 the settings (or the input of `convert`) are wrong, 2 wrong usage or a command that is not built yet.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from . import __version__
from .cli_keys import keys
from .cli_settings import ConfigOption, load, refuse
from .cli_usage import usage

if TYPE_CHECKING:
    from .config import Config
    from .routing.resolve import Resolver

NOT_BUILT: dict[str, str] = {
    "doctor": "reach and authenticate each provider",
    "record": "capture redacted traffic",
    "replay": "serve recorded traffic as an upstream",
    "diff": "compare two recorded runs",
}
"""Commands of later releases, with what they will do."""

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Any LLM client on any LLM: a gateway between the wire protocols of the vendors.",
)

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
    settings = load(config, {"server.host": host, "server.port": port, "server.workers": workers})
    if problems := _resolver(settings).problems():
        refuse(tuple(problems))
    from .config import ConfigError
    from .server.serve import serve as run

    try:
        run(settings, config)
    except ConfigError as error:
        refuse(error.errors)


@app.command("check-config")
def check_config(config: ConfigOption = None) -> None:
    """Show every setting with its source, or every error at once."""
    settings = load(config, {})
    rows = settings.describe()
    width = max(len(path) for path, _, _ in rows)
    for path, value, source in rows:
        typer.echo(f"{path:<{width}}  {value}  # {source}")
    problems = _resolver(settings).problems()
    for note in settings.notes:
        typer.echo(f"note: {note}", err=True)
    if problems:
        refuse(tuple(problems))


@app.command()
def models(config: ConfigOption = None) -> None:
    """List the model names clients can ask for, and where each leads."""
    settings = load(config, {})
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
def migrate(config: ConfigOption = None) -> None:
    """Make or update the tables of the store. SQLite does so by itself; other stores need it before the first start and after updates."""
    settings = load(config, {})
    from .tools.migrate import MigrateError
    from .tools.migrate import migrate as run

    try:
        done = run(settings)
    except MigrateError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo("\n".join(done or ["the tables are up to date"]))


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
    settings = load(config, {})
    try:
        code = run(client, settings, config, model, context.args)
    except ConfigError as error:
        refuse(error.errors)
    except LaunchError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(error.code) from error
    raise typer.Exit(code)


@app.command()
def conformance(
    target: Annotated[str | None, typer.Option(metavar="URL", help="The gateway that is judged.")] = None,
    key: Annotated[str, typer.Option(help="Its API key.")] = "any",
    port: Annotated[int, typer.Option("--upstream-port", help="Where the scripted upstream listens.")] = 9100,
    only: Annotated[str, typer.Option(metavar="N,N", help="Only these pitfalls.")] = "",
    quick: Annotated[bool, typer.Option("--quick", help="Without those that wait for many seconds.")] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the gateway.")] = 0.0,
    list_: Annotated[bool, typer.Option("--list", help="Show the pitfalls and where people met them.")] = False,
    print_config: Annotated[str | None, typer.Option(metavar="NAME", help="Print settings for a gateway: ours or litellm.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Judge any gateway by the known pitfalls: its models pitfall-... must lead to the upstream this command plays."""
    import asyncio

    import msgspec

    from .hub.errors import ApiError
    from .tools.conformance.run import chosen, line, run, score
    from .tools.conformance.settings import SETTINGS
    from .tools.conformance.trial import CASES, link

    if print_config is not None:
        if print_config not in SETTINGS:
            raise typer.BadParameter(f"--print-config: {print_config!r} is none of {', '.join(SETTINGS)}")
        typer.echo(SETTINGS[print_config](f"http://127.0.0.1:{port}"))
        return
    numbers = [number.strip() for number in only.split(",") if only]
    if not all(number.isdecimal() and int(number) in CASES for number in numbers):
        raise typer.BadParameter(f"--only: expected numbers from 1 to {max(CASES)}, such as 1,15,39")
    cases = chosen([int(number) for number in numbers], quick=quick)
    if list_:
        for case in cases:
            typer.echo("\n".join((f"{case.number:2}  {case.title}", *(f"      {link(thread)}" for thread in case.threads))))
        return
    if target is None:
        raise typer.BadParameter("--target: required, such as http://127.0.0.1:8000")
    try:
        verdicts = asyncio.run(
            run(target, key, cases, port=port, wait_s=wait, shows=lambda verdict: None if json_ else typer.echo(line(verdict)))
        )
    except (ApiError, OSError) as error:
        typer.echo(f"the gateway at {target} cannot be judged: {error}", err=True)
        raise typer.Exit(2) from error
    typer.echo(msgspec.json.encode(verdicts).decode() if json_ else score(verdicts))
    raise typer.Exit(any(verdict.outcome == "failed" for verdict in verdicts))


app.add_typer(keys, name="keys")
app.command("usage")(usage)


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


def _resolver(settings: "Config") -> "Resolver":
    from .providers.catalog import Catalog
    from .routing.resolve import Resolver

    return Resolver(settings, Catalog.load())
