"""Alembic's entry: runs the revisions on the connection that it is given, inside that connection's transaction."""

from alembic import context

from satchel.metadata.grams import INDEX
from satchel.metadata.tables import schema

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=schema,
    compare_type=True,
    compare_server_default=True,
    # SQLAlchemy has no words for the index behind the search: the revisions alone know how it is built.
    include_name=lambda name, _type, _parents: not (name or "").startswith(INDEX),
)
with context.begin_transaction():
    context.run_migrations()
