"""Callbacks that were set aside can be found: an operator may have them processed again."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# `status` and `processed_at` change with every callback that is processed; in no index, they let that be a HOT update.
ASIDE = "CREATE INDEX raw_callbacks_aside_idx ON raw_callbacks (id) WHERE problem IS NOT NULL"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(ASIDE)
