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
    current = _current(connection, scripts)
    if current != set(scripts.get_heads()):
        command.upgrade(config, "head")


def check(connection: Connection) -> None:
    """Raises CatalogError unless the tables are those of this release. Changes nothing."""
    scripts = ScriptDirectory(str(FOLDER))
    current = _current(connection, scripts)
    if current != set(scripts.get_heads()):
        found = f"at version {', '.join(sorted(current))}" if current else "without our tables"
        raise CatalogError(
            f"the database is {found}, and this release works with {scripts.get_current_head()}: "
            "start `skureel run --role planner` of this release once"
        )


def _current(connection: Connection, scripts: ScriptDirectory) -> set[str]:
    """The versions that the tables are at. Raises CatalogError when this release does not know one of them."""
    current = set(MigrationContext.configure(connection).get_current_heads())
    known = {script.revision for script in scripts.walk_revisions()}
    if newer := sorted(current - known):
        raise CatalogError(
            f"the database is at version {', '.join(newer)}, which this release does not know (it knows up to "
            f"{scripts.get_current_head()}): it was written by a newer release; run that one, or give another database"
        )
    return current
