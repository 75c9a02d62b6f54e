"""Dead jobs are listed and found by their ids, which sort by time."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

# The table is as new as the migration before.
STATEMENTS = (
    "DROP INDEX jobs_dead_idx",
    "CREATE INDEX jobs_dead_idx ON jobs (id) WHERE status = 'dead'",
    "CREATE INDEX jobs_died_idx ON jobs (died_at) WHERE status = 'dead'",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
