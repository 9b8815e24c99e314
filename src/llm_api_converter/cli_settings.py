"""What every command does with the settings: read them, and refuse what is wrong with them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from .config import Config

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file (default: gateway.yaml in this folder, if there is one).")
]


def load(path: Path | None, flags: Mapping[str, Any]) -> "Config":
    """The settings; where they are wrong the command ends."""
    from .config import Config, ConfigError

    try:
        return Config.load(path, os.environ, Path.cwd(), flags)
    except ConfigError as error:
        refuse(error.errors)


def refuse(errors: tuple[str, ...]) -> NoReturn:
    """Show everything that is wrong, and end."""
    typer.echo(f"The settings are wrong in {len(errors)} place{'s' if len(errors) > 1 else ''}:", err=True)
    for error in errors:
        typer.echo(f"  - {error}", err=True)
    raise typer.Exit(1)
