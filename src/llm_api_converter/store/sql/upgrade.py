"""Bringing tables up to date with Alembic, inside a transaction of our own: all steps or none. Imported where there is a step to take."""

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from .revisions import VERSIONS


def scripts() -> ScriptDirectory:
    """The migrations, as Alembic sees them."""
    config = Config()
    config.set_main_option("script_location", str(VERSIONS.parent).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def upgrade(connection: Connection) -> list[str]:
    """Take the steps that are missing; what was done, a line each."""
    directory, done = scripts(), list[str]()

    def steps(revision: object, context: MigrationContext) -> list[object]:
        found = directory._upgrade_revs("head", revision)  # type: ignore[arg-type]
        done.extend(f"tables: {step.revision.revision} {step.revision.doc}" for step in found)
        return list(found)

    context = MigrationContext.configure(connection, opts={"fn": steps})
    with Operations.context(context):
        context.run_migrations()
    return done
