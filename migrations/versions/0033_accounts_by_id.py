"""An account is found by its id alone, which webhooks bring that come to an address of ours."""

from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

# A small table: a few rows for each tenant.
STATEMENTS = ("ALTER TABLE provider_accounts ADD CONSTRAINT provider_accounts_id_key UNIQUE (id)",)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
