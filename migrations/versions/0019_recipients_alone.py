"""The index by recipient is for lists by recipient alone: no plan looks messages up by id in it any more."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

# It also holds tenant and id, and of a table without statistics the planner took it in place of the primary key: in
# each new week until its first ANALYZE, and on a new platform. Every lookup then read past the tenant's other messages
# (measured: delivering cost PostgreSQL 0.94 in place of 0.34 ms a message over the first 6 000). Every message has a
# recipient, but only a statement that asks for one says so.
STATEMENTS = (
    "ALTER INDEX messages_recipient_idx RENAME TO messages_recipient_before_idx",
    """
CREATE INDEX messages_recipient_idx ON messages (tenant_id, recipient_index, id) WHERE recipient_index IS NOT NULL
""",
    "DROP INDEX messages_recipient_before_idx",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
