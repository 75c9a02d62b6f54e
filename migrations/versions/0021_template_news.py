"""Templates know when the provider last told of their status, quality and category, and what was not understood."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

# Columns without a default, or with a constant one, are added without touching a row. Every dispatch already obeys the
# wider rule, which is checked under a lock that lets writers go on.
STATEMENTS = (
    """
ALTER TABLE templates
    ADD COLUMN status_info jsonb NOT NULL DEFAULT '{}'::jsonb,
    ADD COLUMN unsupported text[] NOT NULL DEFAULT '{}'::text[],
    ADD COLUMN status_at timestamptz,
    ADD COLUMN quality_at timestamptz,
    ADD COLUMN category_at timestamptz,
    ADD COLUMN changed_at timestamptz
""",
    "ALTER TABLE provider_accounts ADD COLUMN templates_listed_at timestamptz",
    "ALTER TABLE dispatches DROP CONSTRAINT dispatches_kind_check",
    """
ALTER TABLE dispatches ADD CONSTRAINT dispatches_kind_check CHECK
    (kind IN ('deliver', 'stop_waiting', 'check_silent', 'process_callback', 'rematch', 'sync_templates',
              'release_held')) NOT VALID
""",
    "ALTER TABLE dispatches VALIDATE CONSTRAINT dispatches_kind_check",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
