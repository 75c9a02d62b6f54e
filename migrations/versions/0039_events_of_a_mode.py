"""A tenant reads the events of one mode in their order, however many the other mode has."""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The table came two migrations before: its index is made at once.
    op.get_bind().exec_driver_sql("CREATE INDEX callback_events_mode_idx ON callback_events (tenant_id, mode, id)")
