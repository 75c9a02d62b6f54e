"""Lanes shared fairly: the outbox knows each send's flow, and its index walks tenants, senders and flows in order."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# The nil id is the flow of what belongs to no template or campaign; so is everything that was waiting before, and what
# a process of the version before this one adds meanwhile.
STATEMENTS = (
    "ALTER TABLE dispatches ADD COLUMN flow_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000'",
    """
CREATE INDEX dispatches_flow_idx ON dispatches (channel, priority, tenant_id, sender_id, flow_id, due_at)
WHERE kind = 'deliver'
""",
    "DROP INDEX dispatches_lane_idx",
    "ALTER INDEX dispatches_flow_idx RENAME TO dispatches_lane_idx",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
