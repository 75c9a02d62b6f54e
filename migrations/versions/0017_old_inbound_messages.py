"""What people wrote is kept as long as what was written to them: old inbound messages may be deleted."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


STATEMENTS = (
    "CREATE INDEX inbound_messages_received_idx ON inbound_messages (received_at)",
    "GRANT DELETE ON inbound_messages TO messaging_system",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
