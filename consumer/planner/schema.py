"""Brings a database's tables to the version of this release, by the migrations packaged beside this module."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from consumer.planner.errors import CatalogError

FOLDER = Path(__file__).parent / "migrations"


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, inside the caller's transaction and under the caller's lock.

    Raises CatalogError when the database is of a newer release: its tables may mean something else there.
    """
    config = Config()
    # The name goes through a ConfigParser, for which a percent sign is special.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_heads()
    known = {script.revision for script in scripts.walk_revisions()}
    if newer := sorted(set(current) - known):
        raise CatalogError(
            f"the database is at version {', '.join(newer)}, which this release does not know (it knows up to "
            f"{scripts.get_current_head()}): it was written by a newer release; run that one, or give another database"
        )
    if set(current) != set(scripts.get_heads()):
        command.upgrade(config, "head")
