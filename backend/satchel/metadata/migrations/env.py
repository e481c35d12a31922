"""Alembic's entry: runs the revisions on the connection that it is given, inside that connection's transaction."""

from alembic import context

from satchel.metadata.tables import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
