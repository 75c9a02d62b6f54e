"""Keys of the platform's administrators can expire, be revoked and be rotated."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

# A column without a default is a change of the catalog alone.
STATEMENTS = (
    "ALTER TABLE admin_keys ADD COLUMN expires_at timestamptz",
    "GRANT UPDATE (expires_at, revoked_at) ON admin_keys TO messaging_system",
)


def upgrade() -> None:
    connection = op.get_bind()
    for statement in STATEMENTS:
        connection.exec_driver_sql(statement)
