"""What alembic runs around the migrations: they use the connection, transaction and lock of who called."""

from alembic import context

from consumer.planner.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
