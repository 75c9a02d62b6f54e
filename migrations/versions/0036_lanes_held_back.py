"""Lanes of callbacks can be held back, know which notice was given, and find what is held by an index."""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Until then nothing of the lane is claimed: it was asked to wait, or its breaker is open.
    """
ALTER TABLE callback_lanes
    ADD COLUMN not_before timestamptz,
    ADD COLUMN noticed smallint NOT NULL DEFAULT 0,
    ADD CONSTRAINT callback_lanes_noticed_check CHECK (noticed >= 0)
""",
    """
CREATE INDEX callback_queue_held_idx ON callback_queue (tenant_id, endpoint_id, key, sequence, event_id) WHERE held
""",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
