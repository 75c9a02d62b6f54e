"""A provider account can be deleted: its row stays, for the receipts and messages that belong to it."""

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# The table is small; processes of the version before never write the new value.
STATEMENTS = (
    "ALTER TABLE provider_accounts DROP CONSTRAINT provider_accounts_status_check",
    """
ALTER TABLE provider_accounts ADD CONSTRAINT provider_accounts_status_check
    CHECK (status IN ('active', 'disabled', 'deleted')) NOT VALID
""",
    "ALTER TABLE provider_accounts VALIDATE CONSTRAINT provider_accounts_status_check",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
